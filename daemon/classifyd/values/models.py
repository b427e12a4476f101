"""Models as tasks get them: a bundle, what a task is loaded with, what it chose on this machine."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifyd.errors import BundleError, UnreadableBundle
from classifyd.values.empty import EMPTY

BLOBS = "blobs"
"""Beside the tasks' folders of bundles: what several bundles require, each file under its sha256."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model folder whose manifest was read and checked; files are verified as they are read.

    `version` is the bundle's number; `digest` is the sha256 of its manifest, which names the sha256 of every file.
    """

    path: Path
    task: str
    version: int
    digest: str
    manifest: Mapping[str, Any]

    def read(self, name: str) -> bytes:
        """The bytes of one of its files. BundleError if it is not in the manifest, missing, or altered."""
        if name not in self.files:
            raise BundleError(f"{self.path}: the manifest lists no file {name!r}; train or copy the bundle again")
        path, expected = self.files[name]
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise BundleError(f"{path}: is missing; restore the file or roll back") from error
        except OSError as error:
            raise UnreadableBundle(f"{path}: {error.strerror}; see that it can be read") from error
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise BundleError(f"{path}: sha256 is {found}, the manifest says {expected}; restore the file or roll back")
        return data

    @property
    def requires(self) -> Mapping[str, str]:
        """The sha256 of what it shares with other bundles, by the name under which it reads it."""
        return self.manifest.get("requires") or EMPTY

    @property
    def files(self) -> dict[str, tuple[Path, str]]:
        """Where each of its files lies, and its sha256; what it shares with others lies among the blobs."""
        blobs = self.path.parent.parent / BLOBS
        own = {name: (self.path / name, digest) for name, digest in self.manifest["files"].items()}
        return own | {name: (blobs / digest, digest) for name, digest in self.requires.items()}


@dataclass(frozen=True, slots=True)
class Setup:
    """What a task is loaded with. `bundle` is None if no model was ever published for the task.

    `options` is the task's section of the configuration; `device` is `cpu` or `cuda`; `threads` is how many the
    predictor may use.
    """

    task: str
    options: Mapping[str, Any] = EMPTY
    bundle: Bundle | None = None
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """What a task chose on this machine where its options leave something open.

    `options` go over those of the configuration when it is loaded; `why` is a sentence for people.
    """

    options: Mapping[str, str]
    why: str
