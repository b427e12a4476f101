"""Checkpoints that can be trusted: marked once they are whole, of a known recipe, and never a pickled model."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from classifyd.api import TrainingError
from classifyd_bert import digest

FOLDER = "checkpoints"
MARK = "whole.json"
TERMS = "recipe.json"
STATE = "trainer_state.json"
WEIGHTS = "model.safetensors"
KEPT = 3

_NAME = re.compile(r"checkpoint-(\d+)")
_OWN_PICKLES = ("optimizer.pt", "scheduler.pt", "scaler.pt", "training_args.bin")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint, made after `step` steps; `history` holds the Trainer's log, evaluations included."""

    folder: Path
    step: int
    history: tuple[Mapping[str, Any], ...]

    def figures(self, name: str) -> list[float]:
        """That figure of each evaluation so far, in order."""
        return [float(entry[f"eval_{name}"]) for entry in self.history if f"eval_{name}" in entry]


# ---------------------------------------------------------------------- whose they are


def begin(folder: Path, terms: Mapping[str, Any]) -> None:
    """An empty folder, but for a note of what the checkpoints to come are made with."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _write(folder / TERMS, dict(terms))


def refuse_other_terms(folder: Path, terms: Mapping[str, Any]) -> None:
    """TrainingError, with every difference named, if the folder's checkpoints were made with other terms."""
    try:
        theirs = json.loads((folder / TERMS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        theirs = dict(terms) if not list(_folders(folder)) else {}
    except (OSError, ValueError) as error:
        raise TrainingError(f"{folder / TERMS}: {error}; train anew, without --resume") from error
    ours = json.loads(json.dumps(terms))
    differing = [
        f"{name} was {theirs.get(name)!r} and is now {ours.get(name)!r}"
        for name in sorted({*theirs, *ours})
        if theirs.get(name) != ours.get(name)
    ]
    if differing:
        raise TrainingError(
            f"{folder}: its checkpoints come from another recipe: {'; '.join(differing)}. Resume with the same "
            "options, or train anew, without --resume"
        )


# ---------------------------------------------------------------------- whole or not


def mark_whole(checkpoint: Path) -> None:
    """Say that a checkpoint is whole. Its files are on the disk before the mark is: power is cut at any time."""
    digests = {}
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and path.name != MARK:
            _sync(path)
            digests[str(path.relative_to(checkpoint))] = digest.sha256(path)
    _write(checkpoint / MARK, digests)
    _sync(checkpoint)
    _sync(checkpoint.parent)


def last_whole(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole, and with it the best one it tells of; None if there is none.

    TrainingError if one holds its model as a pickle.
    """
    for path in reversed(in_order(folder)):
        _refuse_pickles(path)
        if _is_whole(path) and (best := _best(path)) is not None and (best == path or _is_whole(best)):
            state = json.loads((path / STATE).read_text(encoding="utf-8"))
            return Checkpoint(path, _step(path), tuple(state["log_history"]))
    return None


def in_order(folder: Path) -> list[Path]:
    """The folders of all checkpoints there, the oldest first."""
    return sorted(_folders(folder), key=_step)


def remove_after(folder: Path, last: Checkpoint | None) -> list[str]:
    """Remove what came after a checkpoint and what is not whole; the names of what is gone."""
    gone = [path for path in _folders(folder) if last is None or _step(path) > last.step or not _is_whole(path)]
    for path in gone:
        shutil.rmtree(path)
    return [path.name for path in gone]


def remove_spare(last: Path) -> None:
    """Keep a whole checkpoint, the best one that it tells of, and the newest others: `KEPT` in all.

    Not before it is marked as whole: until then the ones before it are all that a kill leaves.
    """
    needed = (last, _best(last))
    by_need = sorted(_folders(last.parent), key=lambda path: (path in needed, _step(path)), reverse=True)
    for path in by_need[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)  # the next checkpoint tries again


@contextlib.contextmanager
def saving(checkpoint: Path) -> Iterator[None]:
    """Have a checkpoint that cannot be written removed, for it takes up room, and a TrainingError say what to do."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:  # torch wraps what the disk says into a RuntimeError
        shutil.rmtree(checkpoint, ignore_errors=True)
        before = max(_folders(checkpoint.parent), key=_step, default=None)
        then = (
            f"{before.name} is whole: go on from it with the same command and --resume" if before else "then train anew"
        )
        raise TrainingError(
            f"{checkpoint}: the checkpoint cannot be written ({_cause(error)}). Nothing is published. Make room, or "
            f"name another folder with --folder; {then}"
        ) from error


def _folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))


def _step(checkpoint: Path) -> int:
    found = _NAME.fullmatch(checkpoint.name)
    return int(found[1]) if found else -1


def _is_whole(checkpoint: Path) -> bool:
    try:
        digests = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))
        return WEIGHTS in digests and all(digest.sha256(checkpoint / name) == known for name, known in digests.items())
    except (OSError, ValueError):
        return False


def _best(checkpoint: Path) -> Path | None:
    """The checkpoint of the best epoch so far, which is loaded at the end; None if it is gone."""
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    best = checkpoint.with_name(f"checkpoint-{state.get('best_global_step') or _step(checkpoint)}")
    return best if best.is_dir() else None


def _refuse_pickles(checkpoint: Path) -> None:
    """The Trainer's own state is read by torch's restricted unpickler; a model has no reason to be in a pickle."""
    pickles = [
        path.name
        for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
        for path in sorted(checkpoint.glob(pattern))
        if path.name not in _OWN_PICKLES and not path.name.startswith("rng_state")
    ]
    if pickles:
        raise TrainingError(
            f"{checkpoint / pickles[0]}: is a pickle, which can run code when it is loaded; classifyd did not write "
            "it. Remove the checkpoint, or train anew, without --resume"
        )


def _cause(error: BaseException) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error).splitlines()[0]


def _write(path: Path, document: Mapping[str, Any]) -> None:
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(document, indent=1), encoding="utf-8")
    _sync(beside)
    beside.replace(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
