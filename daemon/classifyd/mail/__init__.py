"""A message's bytes (RFC 5322, MIME) to its headers and the text that its reader sees; attachments stay shut."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifyd.errors import UnreadableFile
from classifyd.mail import parser
from classifyd.mail.bodies import Body
from classifyd.mail.headers import shown
from classifyd.values import Limits

__all__ = ["Mail", "parse"]

BLANKS = re.compile(r"\n(?:[ \t\r]*\n){2,}")


@dataclass(frozen=True, slots=True)
class Mail:
    """One message. `meta` holds its decoded headers by lower-case name, and `attachments`, a list of names."""

    subject: str
    body: str
    meta: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Subject, a blank line, body; the one alone where the other is empty."""
        return "\n\n".join(piece for piece in (self.subject, self.body) if piece)


def parse(data: bytes, limits: Limits) -> Mail:
    """The message in some bytes, however broken. LimitExceeded past the limits of MIME, UnreadableFile if empty."""
    if not data.strip():
        raise UnreadableFile("holds nothing; send the mail again")
    body = Body(limits)
    message = parser.message(data, limits)
    body.add(message)
    headers = shown(message)
    meta = {**headers, "attachments": body.attachments}
    return Mail(headers.get("subject", ""), _joined(body.texts), meta)


def _joined(texts: list[str]) -> str:
    whole = "\n\n".join(text.strip() for text in texts if text.strip())
    return BLANKS.sub("\n\n", whole.replace("\r\n", "\n"))
