"""The store: versions of each task's model, listed, verified, put in service, and published whole or not at all."""

import contextlib
import errno
import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from classifyd.bundles import blobs, history
from classifyd.bundles.holding import alone
from classifyd.bundles.manifest import MANIFEST, SCHEMA, check, file_fault, is_task
from classifyd.bundles.opening import entries, open_bundle, open_version, readable, verify
from classifyd.disk import copy, fsync_folder, rewrite, write
from classifyd.errors import BundleError
from classifyd.values import Bundle, TrainedModel

CURRENT = "current"
REPORT = "report.md"
DRAFT = ".draft-"
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


class Store:
    """The bundles below one folder, `<folder>/<task>/<version>/`; the text file `current` names the one in service."""

    def __init__(self, folder: Path) -> None:
        self.path = folder

    def tasks(self) -> tuple[str, ...]:
        """The tasks that have at least one version, sorted."""
        return tuple(name for name in entries(self.path) if is_task(name) and self.versions(name))

    def versions(self, task: str) -> tuple[int, ...]:
        """The versions of a task, oldest first; empty if there are none."""
        folder = self.path / task
        return tuple(sorted(int(n) for n in entries(folder) if _VERSION.fullmatch(n) and (folder / n).is_dir()))

    def current(self, task: str) -> int | None:
        """The version in service; None if none was ever promoted. BundleError if `current` holds no number."""
        path = self.path / task / CURRENT
        read = _read(path)
        if read is None:
            return None
        text = read.strip()
        if not _VERSION.fullmatch(text):
            known = ", ".join(map(str, self.versions(task))) or "none"
            raise BundleError(f"{path}: holds {text[:40]!r} where a version's number belongs; versions here: {known}")
        return int(text)

    def folder(self, task: str, version: int) -> Path:
        """Where a version lies, or would lie."""
        return self.path / task / str(version)

    def open(self, task: str, version: int) -> Bundle:
        """A version with its manifest checked; its files are verified as they are read. BundleError if unfit."""
        return open_version(self.folder(task, version), task, version)

    def verify(self, task: str, version: int) -> Bundle:
        """Open a version and read every file against its digest. BundleError with all that is wrong."""
        bundle = self.open(task, version)
        verify(bundle)
        return bundle

    def publish(self, task: str, model: TrainedModel, extra: Mapping[str, Any]) -> Bundle:
        """Store a model as the task's next version, not yet in service; `extra` goes into the manifest too.

        The version appears whole, under its number, or not at all, a power cut included. Numbers are not used again
        while a later version or `current` remembers them. BundleError if the model is not fit for a bundle.
        """
        if not is_task(task):
            raise BundleError(f"{task!r} cannot be a task's name; use small letters, digits and _, a letter first")
        with self.draft(task) as draft, self._holding_blobs(model):
            files = _store_files(draft, model)
            requires = {name: blobs.keep(self.path, source) for name, source in model.requires.items()}
            said = {**model.manifest, **extra, "files": files, "requires": requires}
            version = self._take_number(task, draft, said)
        return self._appeared(task, version)

    def _holding_blobs(self, model: TrainedModel) -> contextlib.AbstractContextManager[None]:
        return blobs.held(self.path) if model.requires else contextlib.nullcontext()

    @contextlib.contextmanager
    def draft(self, task: str) -> Iterator[Path]:
        """A folder in which a version is made, on the file system where it is to lie; what is left of it is removed."""
        folder = self.path / task
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{DRAFT}{secrets.token_hex(8)}"
        draft.mkdir()
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def adopt(self, task: str, draft: Path) -> Bundle:
        """Take in a whole bundle that was made elsewhere: under its own number if none as high is known, else the next.

        The same bundle under the same number is left as it is. It is not put in service.
        """
        made = open_bundle(draft)
        with contextlib.suppress(BundleError):
            known = self.open(task, made.version)
            if known.digest == made.digest:
                return known
        if made.version > max((0, *self.versions(task), self._promised(task))):
            fsync_folder(draft)
            try:
                draft.rename(self.folder(task, made.version))
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
            else:
                return self._appeared(task, made.version)
        return self._appeared(task, self._take_number(task, draft, made.manifest))

    def _appeared(self, task: str, version: int) -> Bundle:
        fsync_folder(self.path / task)
        fsync_folder(self.path)
        return self.open(task, version)

    def promote(self, task: str, version: int) -> Bundle:
        """Put a version in service, once every file of it was verified: `current` is replaced in one step."""
        self.open(task, version)
        with alone(self.path / task):
            return self._put_in_service(task, version, back=False)

    def before(self, task: str, version: int | None = None) -> int | None:
        """The version that served before the one in service, or before `version`; None if there is none.

        A rollback goes there.
        """
        above = self.current(task) if version is None else version
        return None if above is None else history.before(self._served(task), above, self.versions(task))

    def roll_back(self, task: str) -> Bundle | None:
        """Put the version back in service that served before; None if there is none. BundleError changes nothing."""
        if self.before(task) is None:
            return None
        with alone(self.path / task):
            version = self.before(task)
            return None if version is None else self._put_in_service(task, version, back=True)

    def _put_in_service(self, task: str, version: int, *, back: bool) -> Bundle:
        bundle = self.verify(task, version)
        before = self._promised(task) or None
        # The history first: should a crash part the two, `current` is what counts, and the history bears it.
        noted = history.noted(self._told(task), before, version, back=back)
        rewrite(self.path / task / history.HISTORY, noted.encode())
        rewrite(self.path / task / CURRENT, f"{version}\n".encode())
        return bundle

    def _served(self, task: str) -> tuple[int, ...]:
        return history.stack(self._told(task))

    def _told(self, task: str) -> str:
        return _read(self.path / task / history.HISTORY) or ""

    def _take_number(self, task: str, draft: Path, manifest: Mapping[str, Any]) -> int:
        """Give a draft the first number that no other publisher takes at the same moment."""
        version = max((0, *self.versions(task), self._promised(task))) + 1
        while True:
            numbered = {"schema": SCHEMA, **manifest, "task": task, "version": version}
            rewrite(draft / MANIFEST, _manifest_bytes(draft, numbered))
            try:
                draft.rename(self.folder(task, version))
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                version += 1
            else:
                return version

    def _promised(self, task: str) -> int:
        try:
            return self.current(task) or 0
        except BundleError:
            return 0


def _read(path: Path) -> str | None:
    """A small file's text; None if it is not there. UnreadableBundle if it cannot be read."""
    with readable(path), contextlib.suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8", errors="replace")
    return None


def _store_files(draft: Path, model: TrainedModel) -> dict[str, str]:
    """Copy the model's files and its report into a draft; the digests of what was written."""
    digests = {}
    for name, source in model.files.items():
        fault = "the store writes the report itself" if name == REPORT else file_fault(name)
        if fault:
            raise BundleError(f"{source}: cannot be stored as {name!r}: {fault}")
        try:
            digests[name] = copy(source, draft / name)
        except OSError as error:
            raise BundleError(f"{source}: cannot be stored as {draft / name}: {error.strerror}") from error
    report = model.report.encode()
    write(draft / REPORT, report)
    return {**digests, REPORT: hashlib.sha256(report).hexdigest()}


def _manifest_bytes(draft: Path, manifest: Mapping[str, Any]) -> bytes:
    check(draft / MANIFEST, manifest)
    try:
        return (json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise BundleError(f"{draft / MANIFEST}: cannot be written as JSON: {error}") from error
