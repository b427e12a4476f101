"""Texts written for this project in the manner of today; the corpora of spam end with 2012, AG News with 2005.

Both labels of spam speak of the same things (parcels, banks, codes, accounts, offers, links), so that the theme alone
decides nothing; spam presses, lures, deceives or advertises unasked, ham informs, asks or chats. The texts lie in
modern/, parted by lines that hold `%%`; slots such as {name} are filled at random. They are training data only: nothing
is measured on them.
"""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from classifyd.values import Example, Span

SOURCE = "modern"

TEXTS = Path(__file__).parent / "modern"

FILLINGS = 2
"""How often a text with slots is used, each time filled anew."""

TOPICS = {"World": "World", "Sports": "Sports", "Business": "Business", "SciTech": "Sci/Tech"}
"""Files of modern/topic and the labels they are of."""

_SLOT = re.compile(r"\{(\w+)\}")
_MARKED = re.compile(r"\[(PER|ORG|LOC) ([^\[\]]+)\]")


def messages(chance: random.Random) -> Iterator[Example]:
    """Every message in the manner of today, those with slots FILLINGS times."""
    slots = json.loads((TEXTS / "slots.json").read_text(encoding="utf-8"))
    for label in ("spam", "ham"):
        for text in (text for file in sorted((TEXTS / label).glob("*.txt")) for text in _texts(file)):
            for _ in range(FILLINGS if _SLOT.search(text) else 1):
                yield Example(_filled(text, slots, chance), label, source=SOURCE)


def news() -> Iterator[Example]:
    """News, mails and posts of 2006 to 2026 under the labels of AG News: whole, and title and text each alone."""
    for name, label in TOPICS.items():
        for text in _texts(TEXTS / "topic" / f"{name}.txt"):
            title, blank, rest = text.partition("\n\n")
            yield from (Example(one, label, source=SOURCE) for one in ((text, title, rest) if blank else (text,)))


def entities() -> Iterator[Example]:
    """Mails, chats, news and reviews with their people, organisations and places, written `[PER Maria]`."""
    for text in _texts(TEXTS / "ner" / "texts.txt"):
        plain, end = "", 0
        spans = []
        for found in _MARKED.finditer(text):
            plain += text[end : found.start()]
            spans.append(Span(len(plain), len(plain) + len(found[2]), found[1], 1.0))
            plain += found[2]
            end = found.end()
        yield Example(plain + text[end:], spans=tuple(spans), source=SOURCE)


def _texts(file: Path) -> Iterator[str]:
    parts = re.split(r"^%%$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return (part.strip() for part in parts if part.strip())


def _filled(text: str, slots: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    while _SLOT.search(text):
        text = _SLOT.sub(lambda found: chance.choice(slots[found[1]]), text)
    return text
