"""Bundles behind a URL, laid out as in a store: published whole or not at all, as far as a store of objects allows."""

import json
import shutil
import tempfile
from pathlib import Path

from classifyd.bundles import CURRENT, MANIFEST, Store
from classifyd.errors import BundleError, TrainingError
from classifyd.training import urls
from classifyd.values import BLOBS, Bundle

CLAIM = ".claim-"


class Depot:
    """The bundles below a URL, `<url>/<task>/<version>/`; the object `current` names the one in service.

    A version without a manifest is none: the manifest is written last, and `current` after it. A number is taken by
    an object that only one of two jobs can create, and is never used again.
    """

    def __init__(self, url: str) -> None:
        self._place = urls.Place(url)
        self.url = self._place.url

    def probe(self) -> None:
        """TrainingError if nothing can be written here, while there is still time."""
        self._place.probe()

    def versions(self, task: str) -> tuple[int, ...]:
        """The versions of a task that are whole, oldest first."""
        return tuple(number for number in self._taken(task) if self._place.read(f"{task}/{number}/{MANIFEST}"))

    def current(self, task: str) -> int | None:
        """The version in service; None if none is."""
        held = self._place.read(f"{task}/{CURRENT}")
        text = "" if held is None else held.decode("utf-8", "replace").strip()
        if held is not None and not text.isdecimal():
            raise TrainingError(
                f"{self.url}/{task}/{CURRENT}: holds {text[:40]!r} where a version's number belongs; mend it"
            )
        return int(text) if text else None

    def twin(self, task: str, folder: Path) -> Store:
        """A new local store below `folder` that stands for this one.

        It holds the version in service, verified, and goes on where the numbers here end. The caller removes it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        store = Store(Path(tempfile.mkdtemp(prefix="models-", dir=folder)))
        try:
            current = self.current(task)
            if current is not None:
                self.bring(task, current, store.folder(task, current))
                store.promote(task, current)
            last = max(self._taken(task), default=None)
            if last is not None:
                store.folder(task, last).mkdir(parents=True, exist_ok=True)  # an empty one keeps the number
        except BundleError as error:
            shutil.rmtree(store.path)
            raise TrainingError(f"{self.url}: the version in service is unfit: {error}") from error
        except BaseException:
            shutil.rmtree(store.path)
            raise
        return store

    def bring(self, task: str, version: int, folder: Path) -> None:
        """Copy a version's files into `folder`, those that its manifest names."""
        held = self._place.read(f"{task}/{version}/{MANIFEST}")
        if held is None:
            raise TrainingError(f"{self.url}/{task}/{version}: there is no such bundle, or it was not finished")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            manifest = json.loads(held)
            names = [Path(name).name for name in manifest["files"]]
            required = [Path(digest).name for digest in (manifest.get("requires") or {}).values()]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingError(f"{self.url}/{task}/{version}/{MANIFEST}: is no manifest ({error})") from error
        for name in names:
            self._place.get(f"{task}/{version}/{name}", folder / name)
        blobs = folder.parent.parent / BLOBS
        for digest in required:
            blobs.mkdir(exist_ok=True)
            self._place.get(f"{BLOBS}/{digest}", blobs / digest)
        (folder / MANIFEST).write_bytes(held)

    def publish(self, bundle: Bundle, store: Store, *, in_service: bool) -> Bundle:
        """Leave a bundle here, and say that it is in service if it is.

        The bundle under the number that it got, in `store`: another one if a job beside took it first.
        """
        task = bundle.task
        while not self._claim(task, bundle.version):
            bundle = _renumbered(bundle, store, 1 + max(bundle.version, *self._taken(task)))
        for name, (path, digest) in bundle.files.items():
            shared = name in bundle.requires
            self._place.put(path, f"{BLOBS}/{digest}" if shared else f"{task}/{bundle.version}/{name}")
        self._place.put(bundle.path / MANIFEST, f"{task}/{bundle.version}/{MANIFEST}")
        if in_service:
            self._place.write(f"{task}/{CURRENT}", f"{bundle.version}\n".encode())
        return bundle

    def _claim(self, task: str, version: int) -> bool:
        # Whoever claimed first may have begun to write; whoever finished long ago may have been cleared of its claim.
        if str(version) in self._place.names(task):
            return False
        return self._place.create(f"{task}/{CLAIM}{version}", b"")

    def _taken(self, task: str) -> list[int]:
        """Numbers that are, or were about to be, versions; sorted."""
        names = (name.removeprefix(CLAIM) for name in self._place.names(task))
        return sorted({int(name) for name in names if name.isdecimal() and int(name) > 0})


def _renumbered(bundle: Bundle, store: Store, version: int) -> Bundle:
    """The same bundle under another number; nothing of it is in service yet that could point to the old one."""
    manifest = json.loads((bundle.path / MANIFEST).read_text(encoding="utf-8"))
    text = json.dumps({**manifest, "version": version}, indent=1, ensure_ascii=False)
    (bundle.path / MANIFEST).write_text(text + "\n", encoding="utf-8")
    bundle.path.rename(store.folder(bundle.task, version))
    return store.open(bundle.task, version)
