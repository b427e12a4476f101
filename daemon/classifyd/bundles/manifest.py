"""The manifest of a bundle: what it must say, and every fault in one that does not."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from classifyd.errors import BundleError
from classifyd.values import BLOBS

MANIFEST = "manifest.json"
SCHEMA = "classifyd-bundle/1"
_TASK = re.compile(r"[a-z][a-z0-9_]*")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
# Names under which exporters put the weights that an ONNX file points to.
_EXTERNAL = (".onnx_data", ".onnx.data", ".onnx_data_0", ".data")


def is_task(name: str) -> bool:
    """Whether a name can be a task's: none whose folder is another's."""
    return _TASK.fullmatch(name) is not None and name != BLOBS


def check(path: Path, manifest: object) -> None:
    """BundleError, with every fault, unless `manifest` is fit for a bundle; `path` is where it lies, for the message.

    What only the task's own code understands (window lengths, temperature) is left to that code.
    """
    faults = list(_faults(manifest) if isinstance(manifest, Mapping) else ["is not a JSON object"])
    if faults:
        told = "\n".join(f"{path}: {fault}" for fault in faults)
        raise BundleError(f"{told}\nRestore the manifest, roll back to another version, or train the model again.")


def file_fault(name: object) -> str | None:
    """What is wrong with the name of a bundle's file; None if nothing is."""
    if not isinstance(name, str) or not _FILE.fullmatch(name):
        return f"file {name!r}: must be a plain name, without folders, of letters, digits, '.', '_' and '-'"
    if name == MANIFEST:
        return f"file {name!r}: the manifest cannot list itself"
    if name.endswith(_EXTERNAL):
        return f"file {name!r}: ONNX external data is refused; export the model as one file"
    return None


def _faults(manifest: Mapping[str, Any]) -> Iterator[str]:
    if manifest.get("schema") != SCHEMA:
        yield f'"schema" is {manifest.get("schema")!r}; this version of classifyd reads {SCHEMA!r}'
    if not (isinstance(manifest.get("task"), str) and is_task(manifest["task"])):
        yield f'"task" is {manifest.get("task")!r}; it must be small letters, digits and _, a letter first'
    if not _is_int(manifest.get("version")) or manifest["version"] < 1:
        yield f'"version" is {manifest.get("version")!r}; it must be a whole number from 1'
    yield from _label_faults(manifest.get("labels"))
    yield from _file_faults(manifest.get("files"))
    yield from _threshold_faults(manifest.get("thresholds", {}))
    yield from _requirement_faults(manifest.get("requires") or {}, manifest.get("files"))
    examples = manifest.get("examples", [])
    if not isinstance(examples, list) or not all(isinstance(example, Mapping) for example in examples):
        yield '"examples" must be a list of objects'


def _label_faults(labels: object) -> Iterator[str]:
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) and label for label in labels):
        yield '"labels" must be a list of names, at least one'
    elif len(set(labels)) < len(labels):
        yield '"labels" names a label twice'


def _file_faults(files: object) -> Iterator[str]:
    if not isinstance(files, Mapping) or not files:
        yield '"files" must map the name of every file to its sha256'
        return
    for name, digest in files.items():
        yield from _one_file_faults(name, digest)


def _requirement_faults(requires: object, files: object) -> Iterator[str]:
    if not isinstance(requires, Mapping):
        yield '"requires" must map the name of every file that is shared to its sha256'
        return
    for name, digest in requires.items():
        yield from _one_file_faults(name, digest)
        if isinstance(files, Mapping) and name in files:
            yield f"file {name!r}: is named among the bundle's own files and among those that it shares"


def _one_file_faults(name: object, digest: object) -> Iterator[str]:
    fault = file_fault(name)
    if fault:
        yield fault
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        yield f"file {name!r}: its sha256 must be 64 small hexadecimal digits, not {digest!r}"


def _threshold_faults(thresholds: object) -> Iterator[str]:
    """Faults of `{"review": score, "labels": {label: score}}`, both optional."""
    if not isinstance(thresholds, Mapping):
        yield '"thresholds" must map names to scores'
        return
    labels = thresholds.get("labels", {})
    if not isinstance(labels, Mapping):
        yield '"thresholds": "labels" must map labels to scores'
        labels = {}
    general = {name: score for name, score in thresholds.items() if name != "labels"}
    for name, score in [*general.items(), *labels.items()]:
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            yield f'"thresholds": {name!r} is {score!r}; it must be a number from 0 to 1'


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
