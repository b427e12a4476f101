"""The token that opens what names or shows messages, or changes anything: a file that the daemon's user can read."""

import contextlib
import hashlib
import hmac
import secrets
from pathlib import Path

from classifyd.disk import create
from classifyd.inbox.moves import make_folders

LEAST_CHARS = 16


def read_or_make(path: Path) -> str:
    """The token in a file, which is made, readable by its owner alone, if it is missing. OSError if that cannot be.

    ValueError for one that is too short to be a secret, or none that a header can carry.
    """
    with contextlib.suppress(FileNotFoundError):
        token = path.read_text(encoding="utf-8", errors="replace").strip()
        if len(token) < LEAST_CHARS or not (token.isascii() and token.isprintable() and " " not in token):
            raise ValueError(
                f"{path}: a token has at least {LEAST_CHARS} letters and digits; remove it to get a new one"
            )
        return token
    make_folders(path.parent)
    create(path, f"{secrets.token_urlsafe(24)}\n".encode("ascii"), 0o600)  # whoever was first has made it
    return read_or_make(path)


class Token:
    """A token to compare with, and to sign with."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def opens(self, authorization: str) -> bool:
        """Whether an Authorization header carries it, as `Bearer <token>`."""
        kind, _, given = authorization.partition(" ")
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._secret)
        return same and kind.lower() == "bearer"

    def signature(self, path: str) -> str:
        """What opens one path without the token: a link cannot carry a header."""
        return hmac.new(self._secret, path.encode(), hashlib.sha256).hexdigest()[:32]

    def signed(self, path: str, signature: str) -> bool:
        """Whether that is the path's signature."""
        return hmac.compare_digest(self.signature(path).encode(), signature.encode("utf-8", "replace"))
