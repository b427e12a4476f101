"""An encoder whose matrices are in eight bits on the disk: a quarter of the bytes, and no bit lost.

It was rounded to what eight bits can say when it was made (bench/starter/base.py), so that what is read is what was
written. Such a folder holds NARROW in place of `model.safetensors`.
"""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from classifyd.api import TrainingError
from classifyd_bert import eightbit

NARROW = "model.int8.safetensors"
WIDE = "model.safetensors"
_SCALES = ".scales"


def write(tensors: Mapping[str, NDArray[np.float32]], target: Path) -> None:
    """Store an encoder's weights; matrices with a scale for each row. ValueError if that would lose a bit."""
    kept: dict[str, NDArray[np.generic]] = {}
    for name, wide in tensors.items():
        if wide.ndim != 2:
            kept[name] = wide
            continue
        small, scales = eightbit.narrow(wide, axis=1)
        if not np.array_equal(small * scales, wide):
            raise ValueError(f"{name} is not rounded to eight bits")
        kept[name], kept[name + _SCALES] = small, scales
    save_file(kept, target, metadata={"format": "pt"})


def widened(folder: Path, name: str) -> Path:
    """A folder like that one with the weights as transformers reads them; it is gone when the process ends.

    TrainingError if the weights cannot be read.
    """
    try:
        kept = load_file(folder / NARROW)
        wide = {
            key: value * kept[key + _SCALES] if key + _SCALES in kept else value
            for key, value in kept.items()
            if not key.endswith(_SCALES)
        }
    except Exception as error:  # the library has exceptions of its own
        raise TrainingError(f"base model {name}: {folder / NARROW}: {error}; fetch it again") from error
    made = Path(tempfile.mkdtemp(prefix="classifyd-base-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    for path in folder.iterdir():
        if path.is_file() and path.name != NARROW:
            shutil.copyfile(path, made / path.name)
    save_file(wide, made / WIDE, metadata={"format": "pt"})
    return made
