"""What is measured with: texts, and models in PyTorch for the peers.

Without corpora the texts are those written for this project (bench/starter/modern), and without a training the models
are the encoder with new heads: they answer nonsense, at the same speed.
"""

import json
import random
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

sys.path.append(str(Path(__file__).with_name("starter")))

import written

from classifyd.values import Example

LABELS = MappingProxyType({"spam": 2, "topic": 4, "ner": 7})
WRITTEN: Mapping[str, Callable[[], Iterable[Example]]] = MappingProxyType(
    {"messages": lambda: written.messages(random.Random(42)), "news": written.news, "names": written.entities}
)


def texts(where: str, count: int) -> list[str]:
    """So many texts, spread evenly over what there is: messages, news or names, or a JSONL file, FILE[:SOURCE]."""
    if where in WRITTEN:
        found = [example.text for example in WRITTEN[where]()]
    else:
        name, _, source = where.partition(":")
        rows = [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]
        found = [row["text"] for row in rows if not source or row["source"] == source]
    return found[:: max(1, len(found) // count)][:count]


def checkpoint(task: str, folder: Path) -> Path:
    """A folder with the encoder that the shipped models were tuned from, under a new head for the task."""
    import transformers

    from classifyd_bert import base

    place = folder / task
    source = base.find(base.DEFAULT).folder
    kind = transformers.AutoModelForTokenClassification if task == "ner" else None
    kind = kind or transformers.AutoModelForSequenceClassification
    names = {number: f"{task} {number}" for number in range(LABELS[task])}  # infinity takes a model without for another
    kind.from_pretrained(
        source, id2label=names, label2id={name: number for number, name in names.items()}
    ).save_pretrained(place)
    transformers.AutoTokenizer.from_pretrained(source).save_pretrained(place)
    return place
