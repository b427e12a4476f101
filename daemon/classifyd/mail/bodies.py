"""What of a message's parts is its text: the plain one of alternatives, else the HTML; attachments only named."""

import re
from dataclasses import dataclass, field
from email.message import Message

from classifyd.errors import LimitExceeded
from classifyd.mail import uuencode
from classifyd.mail.charsets import decode
from classifyd.mail.headers import readable
from classifyd.mail.html import to_text
from classifyd.values import Limits

HTML = re.compile(r"\s*(?:<!doctype html|<html|<head|<body)[\s>]", re.IGNORECASE)
UNREAD = frozenset({"text/rfc822-headers", "text/calendar", "text/x-vcard", "text/vcard", "message/delivery-status"})


@dataclass(slots=True)
class Body:
    """What the walk through a message's parts has found: texts in order, names of attachments."""

    limits: Limits
    texts: list[str] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    parts: int = 0

    def add(self, part: Message, depth: int = 0) -> None:
        """Take up a part and those within it. LimitExceeded past limits.mime_parts or mime_depth."""
        self._count(depth)
        kind = part.get_content_type()
        if _is_attachment(part, kind):
            self._name(part, kind)
        elif kind == "multipart/alternative" and part.is_multipart():
            self._alternative(part, depth)
        elif kind.startswith("message/") and part.is_multipart() and kind not in UNREAD:
            self._nested(part, depth)
        elif part.is_multipart():
            if kind not in UNREAD:
                for child in _children(part):
                    self.add(child, depth + 1)
        elif kind not in UNREAD:
            self.texts.append(self._text(part, kind))

    def _count(self, depth: int) -> None:
        self.parts += 1
        if self.parts > self.limits.mime_parts:
            raise LimitExceeded(f"has more than limits.mime_parts = {self.limits.mime_parts} parts; raise the limit")
        if depth > self.limits.mime_depth:
            raise LimitExceeded(f"nests deeper than limits.mime_depth = {self.limits.mime_depth}; raise the limit")

    def _alternative(self, part: Message, depth: int) -> None:
        """One of the alternatives: the first plain one that says anything, else the last that does."""
        said: list[tuple[bool, list[str]]] = []
        for child in _children(part):
            inner = Body(self.limits, attachments=self.attachments, parts=self.parts)
            inner.add(child, depth + 1)
            self.parts = inner.parts
            if any(text.strip() for text in inner.texts):
                said.append((child.get_content_type() == "text/plain", inner.texts))
        plain = [texts for is_plain, texts in said if is_plain]
        if said:
            self.texts += plain[0] if plain else said[-1][1]

    def _nested(self, part: Message, depth: int) -> None:
        """A message within the message: its subject and its text."""
        for child in _children(part):
            self.texts.append(readable(child.get("subject")) or "")
            self.add(child, depth + 1)

    def _name(self, part: Message, kind: str) -> None:
        self._note(_filename(part) or f"unnamed ({kind})")
        # What a name hides is not looked into, but it counts against the limits.
        self.parts += sum(1 for _ in part.walk()) - 1 if part.is_multipart() else 0

    def _note(self, name: str) -> None:
        self.attachments.append(name[:255])

    def _text(self, part: Message, kind: str) -> str:
        text = decode(_payload(part), _charset(part))
        if kind == "text/html" or HTML.match(text):
            return to_text(text)
        text, names = uuencode.without(text)
        for name in names:
            self._note(name)
        return text


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _is_attachment(part: Message, kind: str) -> bool:
    disposition = str(part.get("content-disposition") or "").strip().lower()
    return disposition.startswith("attachment") or not kind.startswith(("text/", "multipart/", "message/"))


def _filename(part: Message) -> str | None:
    try:
        return readable(part.get_filename())
    except Exception:  # noqa: BLE001  # RFC 2231 parameters can be broken in ways that the library raises for
        return None


def _charset(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except Exception:  # noqa: BLE001  # likewise
        return None


def _payload(part: Message) -> bytes:
    try:
        data = part.get_payload(decode=True)
    except Exception:  # noqa: BLE001  # an encoding broken beyond the library: the text as it was sent
        data = None
    if isinstance(data, bytes):
        return data
    return str(part.get_payload() or "").encode("utf-8", "surrogateescape")
