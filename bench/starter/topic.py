"""Topics: AG News, its official test set kept whole.

The feed it was gathered from left marks that no other text has: entities cut short ("#39;", "quot;"), backslashes for
line ends, tags in capitals, and the agency's name at the head. A model must not lean on them, so most of the training
texts are mended, and some appear as the title or the description alone, as other sources give them. News, mails and
posts of the years since (written.py) join them.
"""

import csv
import gzip
import html
import random
import re
from pathlib import Path

import written

from classifyd.training.sets import Split, clean, without_neighbours
from classifyd.training.sets import split as share_out
from classifyd.values import Example

LABELS = {"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"}

EVALUATION_SHARE = 0.06

_ENTITY = re.compile(r"(?<![&\w])\s?(#\d{2,4}|quot|amp|lt|gt|nbsp);")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_AGENCY = re.compile(
    r"^(?:[A-Z][\w.,'&/ -]{0,40} )?(?:\((?:Reuters|AP|AFP|SPACE\.com|washingtonpost\.com)\)|"
    r"(?:Reuters|AP|AFP|SPACE\.com|washingtonpost\.com|CNN|NewsFactor)) ?--? "
)
_SOURCE = re.compile(
    r" \((?:Reuters|AP|AFP|SPACE\.com|washingtonpost\.com|SiliconValley\.com|Ziff Davis|MacCentral|"
    r"PC World|Forbes\.com|NewsFactor|The Christian Science Monitor|USATODAY\.com|TechWeb)\)$"
)


def split(corpora: Path, seed: int) -> Split:
    """A sixteenth of training for evaluation; the official test set as it is, near-duplicates gone from training."""
    folder = corpora / "topic" / "ag_news"
    with gzip.open(folder / "train_partial.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        rows = [(row["class_index"], row["title"], row["description"]) for row in csv.DictReader(lines)]
    with (folder / "test.csv").open(encoding="utf-8", newline="") as lines:
        test = tuple(_example(*row) for row in csv.reader(lines))
    chance = random.Random(seed)
    whole = without_neighbours(clean(_example(*row) for row in rows).examples, test)
    sets = share_out(whole, EVALUATION_SHARE, 0.0, seed)
    today = without_neighbours(clean(written.news()).examples, test)
    return Split((*(_varied(one, chance) for one in sets.train), *today), sets.evaluation, test)


def mended(text: str) -> str:
    """The text without the marks that the feed left in it."""
    text = _ENTITY.sub(lambda found: html.unescape(f"&{found[1]};"), text)
    text = _TAG.sub(" ", html.unescape(text).replace("\\", " "))
    return re.sub(r"[ \t]+", " ", text).strip()


def _example(number: str, title: str, description: str) -> Example:
    """Title, blank line, description: laid out as a mail's subject and body are."""
    return Example(text=f"{title}\n\n{description}", label=LABELS[number], source="ag_news")


def _varied(example: Example, chance: random.Random) -> Example:
    """The example as the feed had it, or mended, or mended and without its agency, or only half of it."""
    draw = chance.random()
    if draw < 0.25:
        return example
    title, description = (mended(part) for part in example.text.split("\n\n", 1))
    if draw < 0.55:
        text = f"{title}\n\n{description}"
    else:
        title, description = _SOURCE.sub("", title), _AGENCY.sub("", description)
        text = f"{title}\n\n{description}" if draw < 0.9 else description if draw < 0.96 else title
    return Example(text=text, label=example.label, source=example.source)
