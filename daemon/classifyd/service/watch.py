"""Hints that something moved in an inbox. Everything works without them, only later."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import structlog
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from classifyd.inbox.claims import FOLDER

log = structlog.get_logger()

QUIET = frozenset({"opened", "closed_no_write"})


class Watch:
    """Calls `moved(inbox)` from a thread of its own whenever something changes in an inbox's folder."""

    def __init__(self, moved: Callable[[str], None]) -> None:
        self._moved = moved
        self._observer: BaseObserver | None = None
        self._watched: dict[str, ObservedWatch] = {}

    def start(self) -> None:
        """Begin to watch; without the kernel's help inputs are found by scanning alone."""
        observer = Observer()
        try:
            observer.start()
        except OSError as error:
            log.warning("not_watched", error=str(error), consequence="inputs are found by scanning only")
            return
        self._observer = observer

    def follow(self, name: str, path: Path, *, recursive: bool) -> None:
        """Watch an inbox's folder, with what is below it where it is recursive."""
        if self._observer is None:
            return
        self.forget(name)
        try:
            self._watched[name] = self._observer.schedule(_Hint(name, self._moved), str(path), recursive=recursive)
        except OSError as error:
            # No more inotify watches, or a file system without events: scanning finds the work all the same.
            log.warning("not_watched", inbox=name, error=str(error), consequence="found by scanning only")

    def forget(self, name: str) -> None:
        """Watch an inbox no more."""
        watched = self._watched.pop(name, None)
        if watched is not None and self._observer is not None:
            with contextlib.suppress(KeyError, OSError):  # the folder may be gone, and its watch with it
                self._observer.unschedule(watched)

    def stop(self) -> None:
        """End the thread."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=5)


class _Hint(FileSystemEventHandler):
    def __init__(self, inbox: str, moved: Callable[[str], None]) -> None:
        self._inbox = inbox
        self._moved = moved

    def on_any_event(self, event: FileSystemEvent) -> None:
        # Our own claims and outputs move below these folders all the time.
        if event.event_type not in QUIET and f"/{FOLDER}" not in str(event.src_path):
            self._moved(self._inbox)
