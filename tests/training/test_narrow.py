"""A base whose matrices are in eight bits is, once read, what it was when it was written."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from classifyd.api import TrainingError
from classifyd_bert import base, eightbit, narrow


@pytest.fixture
def rounded(base_model: Path) -> dict[str, np.ndarray]:
    found = load_file(base_model / narrow.WIDE)
    for name, wide in found.items():
        if wide.ndim == 2:
            small, scales = eightbit.narrow(wide, axis=1)
            found[name] = small * scales
    return found


@pytest.fixture
def folder(base_model: Path, rounded: dict[str, np.ndarray], tmp_path: Path) -> Path:
    made = tmp_path / "narrow"
    made.mkdir()
    for path in base_model.iterdir():
        if path.name != narrow.WIDE:
            (made / path.name).write_bytes(path.read_bytes())
    narrow.write(rounded, made / narrow.NARROW)
    return made


def test_what_is_read_is_what_was_written_to_the_bit(folder: Path, rounded: dict[str, np.ndarray]) -> None:
    found = base.find(str(folder))
    read = load_file(found.folder / narrow.WIDE)
    assert read.keys() == rounded.keys()
    assert all(np.array_equal(read[name], rounded[name]) for name in rounded)
    assert found.name == str(folder)
    assert not (folder / narrow.WIDE).exists()


def test_the_same_base_has_the_same_digest_wherever_it_was_read(folder: Path) -> None:
    assert base.find(str(folder)).sha256 == base.find(str(folder)).sha256


def test_weights_that_eight_bits_cannot_say_are_not_written(base_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not rounded to eight bits"):
        narrow.write(load_file(base_model / narrow.WIDE), tmp_path / narrow.NARROW)
    assert not (tmp_path / narrow.NARROW).exists()


def test_weights_that_cannot_be_read_are_said_to_be(folder: Path) -> None:
    (folder / narrow.NARROW).write_bytes(b"half")
    with pytest.raises(TrainingError, match=r"model\.int8\.safetensors: .*; fetch it again"):
        base.find(str(folder))


def test_scales_are_no_weights_of_their_own(folder: Path) -> None:
    kept = load_file(folder / narrow.NARROW)
    save_file({name: value for name, value in kept.items() if value.ndim != 2}, folder / narrow.NARROW)
    read = load_file(base.find(str(folder)).folder / narrow.WIDE)
    assert not any(name.endswith(".scales") for name in read)
