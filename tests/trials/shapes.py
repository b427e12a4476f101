"""Files as senders send them, of many formats and sizes; each record bears a mark by which the oracle knows it."""

import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """A file before it is dropped: its name, its bytes, and how many records it holds."""

    name: str
    content: bytes
    records: int


def mark(name: str, index: int) -> str:
    """What stands in the text of a file's record, and of no other record anywhere."""
    return f"[{name}:{index}]"


def drawn(number: int, dice: random.Random, largest: int = 1500) -> Shape:
    """A file of some format and size; nine in ten are small, the others have up to `largest` records."""
    suffix = dice.choice([*_MANY, *_ONE])
    name = f"{number:05}{suffix}"
    if suffix in _ONE:
        return Shape(name, _ONE[suffix](_text(name, 0, dice)), 1)
    count = dice.randint(largest // 10, largest) if dice.random() < 0.1 else dice.randint(1, 20)
    return Shape(name, _MANY[suffix]([_text(name, index, dice) for index in range(count)]), count)


def one_of_each(dice: random.Random, records: int = 3) -> list[Shape]:
    """A file of each format."""
    shapes = []
    for number, suffix in enumerate([*_ONE, *_MANY]):
        name = f"each{number}{suffix}"
        if suffix in _ONE:
            shapes.append(Shape(name, _ONE[suffix](_text(name, 0, dice)), 1))
        else:
            shapes.append(Shape(name, _MANY[suffix]([_text(name, i, dice) for i in range(records)]), records))
    return shapes


def jsonl(name: str, records: int, dice: random.Random) -> Shape:
    """A file of JSON lines of that many records."""
    return Shape(name, _jsonl([_text(name, index, dice) for index in range(records)]), records)


def _text(name: str, index: int, dice: random.Random) -> str:
    return f"{mark(name, index)} {'word ' * dice.randint(0, 60)}end"


def _eml(text: str) -> bytes:
    return f"From: a@example.org\nTo: b@example.org\nSubject: a mail\n\n{text}\n".encode()


def _jsonl(texts: Sequence[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def _array(texts: Sequence[str]) -> bytes:
    return json.dumps([{"text": text} for text in texts]).encode()


def _csv(texts: Sequence[str]) -> bytes:
    return "".join(["number,text\n", *(f'{place},"{text}"\n' for place, text in enumerate(texts))]).encode()


def _mbox(texts: Sequence[str]) -> bytes:
    mails = (b"From a@example.org Thu Jan  1 00:00:00 2026\n" + _eml(text) + b"\n" for text in texts)
    return b"".join(mails)


def _packed(texts: Sequence[str]) -> bytes:
    return gzip.compress(_jsonl(texts), mtime=0)


_ONE: dict[str, Callable[[str], bytes]] = {".txt": str.encode, ".eml": _eml}
_MANY: dict[str, Callable[[Sequence[str]], bytes]] = {
    ".jsonl": _jsonl,
    ".jsonl.gz": _packed,
    ".json": _array,
    ".csv": _csv,
    ".mbox": _mbox,
}
