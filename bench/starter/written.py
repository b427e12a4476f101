"""Messages written for this project in the manner of today's SMS and mail; the corpora end with 2012.

Both labels speak of the same things (parcels, banks, codes, accounts, offers), so that the theme alone decides nothing;
spam presses, threatens or lures to a strange address, ham informs or asks. The templates lie in modern/, one a line;
their slots are filled at random. They are training data only: nothing is measured on them.
"""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from classifyd.values import Example

OF_EACH = 450

TEMPLATES = Path(__file__).parent / "modern"

_SLOT = re.compile(r"\{(\w+)\}")


def messages(chance: random.Random) -> Iterator[Example]:
    """As many of each label as OF_EACH says, every template used about equally often."""
    slots = json.loads((TEMPLATES / "slots.json").read_text(encoding="utf-8"))
    for label in ("spam", "ham"):
        templates = (TEMPLATES / f"{label}.txt").read_text(encoding="utf-8").splitlines()
        for number in range(OF_EACH):
            template = templates[number % len(templates)].replace("\\n", "\n")
            yield Example(_filled(template, slots, chance), label, source="modern")


def _filled(template: str, slots: Mapping[str, Sequence[str]], chance: random.Random) -> str:
    while _SLOT.search(template):
        template = _SLOT.sub(lambda found: chance.choice(slots[found[1]]), template)
    return template
