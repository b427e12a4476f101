"""Small documents of the state folder: each is there whole, as it was last written, or known not to be."""

import hashlib
import json
from pathlib import Path
from typing import Any

from classifyd.disk import rewrite

UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What a document raises, when it is read or understood, that is not one that was written here."""


def write(path: Path, name: str, content: object) -> None:
    """Put a document on the disk in place of the one before, which stays if that fails. OSError says why it did."""
    rewrite(path, json.dumps({name: content, "sha256": _digest(content)}, indent=2).encode())


def read(path: Path, name: str) -> Any:
    """What was last written. FileNotFoundError if nothing was; one of UNREADABLE if it is not as it was written."""
    document = json.loads(path.read_bytes())
    # Half a file, or one that somebody mended by hand, is none.
    if document["sha256"] != _digest(document[name]):
        raise ValueError("it is not as it was written")
    return document[name]


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
