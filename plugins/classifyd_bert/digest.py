"""The digest by which a file is known."""

import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """A file's sha256, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
