"""What plugins are tried on: ordinary texts, odd ones, bytes that nobody would call a file."""

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from classifyd.values import Record

PROSE = (
    "the meeting on monday moved to berlin please call maria before noon free prize click here to win now invoice "
    "attached thanks for your order of two books rain tomorrow the team won again shares fell sharply in new york"
)
WORDS = PROSE.split()

HUGE_CHARS = 100_000
"""Of one text: fifty pages."""

ODD: Mapping[str, str] = MappingProxyType(
    {
        "control characters": "a\x01b\x07c\x1b[31md\x7f",
        "combining marks": "Z" + "\u0301\u0323" * 60 + "algo e\u0301",
        "emoji with joiners": "👩\u200d👩\u200d👧\u200d👦 🇩🇪 👍🏽",
        "right to left": "שלום \u202eevil\u202c مرحبا",
        "no spaces": "今天天气很好我们去公园吧" * 20,
        "beyond the basic plane": "\U0001d573\U0001d58a 𐍈 𠜎",
        "a byte-order mark": "\ufeffHello",
        "odd blanks": "\u00a0\u2003\u200b\u2028\u2029",
        "one very long word": "a" * 20_000,
        "all kinds of line ends": "a\r\nb\rc\n\n\nd\x85e",
        "private and unassigned": "\ue000\U0010ffff\ufdd0\ufffd",
    }
)
"""Texts that readers do hand on. (Half surrogates and U+0000 they do not: those become U+FFFD.)"""

EMPTY: Mapping[str, str] = MappingProxyType(
    {"an empty text": "", "a blank": " ", "line ends only": "\n\r\n", "a full stop": "."}
)


def ordinary(count: int, first: int = 0) -> list[Record]:
    """So many messages of 3 to 60 words, no two alike, the same ones each time."""
    return [Record(_sentence(number), number - first) for number in range(first, first + count)]


def odd() -> list[Record]:
    """A record for each odd text, in order."""
    return [Record(text, index) for index, text in enumerate(ODD.values())]


def huge() -> Record:
    """One long text."""
    text = " ".join(_sentence(number) for number in range(HUGE_CHARS // 100))
    return Record(text[:HUGE_CHARS])


def hostile(suffix: str) -> Mapping[str, tuple[str, bytes]]:
    """Contents that a file of a suffix might have, each with the file's name."""
    noise = random.Random(suffix).randbytes(4096)  # noqa: S311  # noise, not a secret
    contents = {
        "nothing": b"",
        "noise": noise,
        "zeros": bytes(4096),
        "one endless line": b"a" * 2**20,
        "line ends only": b"\n" * 1000,
        "odd Unicode": "\n".join(ODD.values()).encode("utf-8", "replace"),
        "another encoding": "Grüße aus München, naïve façade".encode("latin-1"),
        "brackets": b"[" * 10_000 + b'{"a":' * 1000,
        "half a character": "Grüße".encode()[:3],
    }
    return {name: (f"hostile{suffix}", data) for name, data in contents.items()}


def lines(suffix: str, count: int = 500) -> tuple[str, bytes]:
    """Plain lines of text, with their file's name: for formats that take such."""
    text = "".join(f"{record.text}\n" for record in ordinary(count))
    return f"lines{suffix}", text.encode()


def _sentence(number: int) -> str:
    chosen = random.Random(number)  # noqa: S311  # likewise
    words: Sequence[str] = chosen.choices(WORDS, k=chosen.randint(3, 60))
    return f"{number}: {' '.join(words)}."
