"""HTML of which a parser would make far more than was sent, or take time in the square of its length.

What counts is found without building anything, in one pass over the tags: how deep elements lie in one another, how
many attributes a tag has, and how many formats (`<b>`, `<font>`) are open where another tag begins. Browsers, and
parsers that do as they do, open all of those anew in each block until they are closed by their own name.
"""

import re
from collections import Counter

MAX_DEPTH = 1000
MAX_ATTRIBUTES = 1000
MAX_REOPENED = 2**18
"""Formats opened anew, at the most: a parser takes some 400 bytes for each."""

CHILDLESS = frozenset({"area", "br", "col", "dd", "dt", "hr", "img", "input", "link", "meta", "option", "p", "wbr"})
FORMATS = frozenset({"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"})
CELLS = frozenset({"td", "th", "caption"})
"""What is open around them is not opened anew in them, nor what was left open in them after them."""
RAW = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
"""What they hold is text, whatever it looks like; not so within drawings."""
DRAWINGS = ("svg", "math")

QUOTED = r"""=\s*+(?:"[^"]*+"|'[^']*+')"""
TAG = re.compile(
    rf"""<!--(?:-?>|.*?(?:--!?>|\Z))|<(/?)([a-zA-Z][^\s/>]*+)((?:[^>"'=]++|{QUOTED}|["'=])*+)""",
    re.DOTALL,
)
"""A comment, or a tag but for its last `>`, which may stand within quotes before that."""
VALUES = re.compile(QUOTED)


def is_bomb(html: str) -> bool:
    """Whether a parser had better not be given this; a false alarm costs what is known of hidden elements."""
    page = _Page()
    at = 0
    while (tag := TAG.search(html, at)) is not None:
        at = tag.end()
        name = (tag[2] or "").lower()
        if not name:
            continue
        if tag[1]:
            page.close(name)
        elif _attributes(tag[3]) > MAX_ATTRIBUTES or page.opens_too_much(name):
            return True
        elif name in RAW and not page.draws:
            at = _end_of(name, html, at)
    return False


def _attributes(text: str) -> int:
    """At most how many attributes this is, of those that are too many."""
    return len(re.split(r"[\s/]+", VALUES.sub("= ", text))) if len(text) > 2 * MAX_ATTRIBUTES else 0


def _end_of(name: str, html: str, at: int) -> int:
    found = re.compile(f"</{name}", re.IGNORECASE).search(html, at)
    return len(html) if found is None else found.start()


class _Page:
    """The elements that are open where the pass has come to."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._names: Counter[str] = Counter()
        self._formats: list[Counter[str]] = [Counter()]
        self._reopened = 0

    @property
    def draws(self) -> bool:
        """Whether a drawing is open, whose tags have rules of their own."""
        return any(self._names[name] for name in DRAWINGS)

    def opens_too_much(self, name: str) -> bool:
        """Take in the beginning of an element; whether that is one too many."""
        self._reopened += self._formats[-1].total()
        if name in FORMATS:
            self._formats[-1][name] += 1
        if name in CELLS:
            self._formats.append(Counter())
        if name not in CHILDLESS:
            self._open.append(name)
            self._names[name] += 1
        return len(self._open) > MAX_DEPTH or self._reopened > MAX_REOPENED

    def close(self, name: str) -> None:
        """Take in an end, which ends what is open within, too; one of nothing that is open ends nothing."""
        if self._formats[-1][name]:
            self._formats[-1][name] -= 1
        while self._names[name]:
            last = self._open.pop()
            self._names[last] -= 1
            if last in CELLS and len(self._formats) > 1:
                self._formats.pop()
            if last == name:
                break
