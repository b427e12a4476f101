"""The review queue: doubtful answers of the newest outputs, and what a person says of them."""

import hashlib
import re
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from classifyd.errors import ClassifydError, UnavailableError
from classifyd.ledger import OF_THE_PAGE, Correction, LedgerView
from classifyd.web.heads import records
from classifyd.web.recent import Output
from classifyd.web.scene import Outlook
from classifyd.web.wishes import WAIT_SECONDS, Wish, Withdrawal

SHOWN = 50
BY_OUTPUT = 10
"""So many doubtful answers of one output are asked about: a table of ten thousand is no work for the page."""
TEXT_CHARS = 2000
KEPT = 80
KNOWN = 5000
WHO_CHARS = 60
_KEY = re.compile(re.escape(OF_THE_PAGE) + "[0-9a-f]{32}")


class Unreviewable(ClassifydError):
    """What a person says of an answer cannot be kept: it is gone, has been corrected, or the words make no sense."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One doubtful answer to one text, of which this has the beginning."""

    key: str
    task: str
    text: str
    cut: bool
    subject: str | None
    said: str
    score: float
    model: str
    place: Path
    inbox: str
    source: str
    at: float


class Review:
    """The queue, read from the outputs and the ledger; `labels` has those of a task's model that serves, if it has any.

    May be called by several threads. UnavailableError where the ledger cannot be read or does not answer.
    """

    def __init__(self, outlook: Outlook, labels: Callable[[str], Sequence[str]]) -> None:
        self._outlook = outlook
        self._labels = labels
        self._lock = threading.Lock()
        self._heads: OrderedDict[Path, list[Doubt]] = OrderedDict()
        # Where they came from outlives the newest outputs: people take longer over a text than the daemon.
        self._known: OrderedDict[str, Doubt] = OrderedDict()

    def queue(self) -> dict[str, Any]:
        """The least sure first, without those that somebody has corrected, and how many there are."""
        with self._lock:
            doubts = [doubt for output in self._outlook.recent.doubtful() for doubt in self._head(output)]
        with self._ledger() as ledger:
            left = list(_uncorrected(ledger, [doubt for doubt in doubts if self._labels(doubt.task)]))
        left.sort(key=lambda doubt: (doubt.score, -doubt.at))
        with self._lock:
            for doubt in left[:SHOWN]:
                self._known[doubt.key] = replace(doubt, text="", subject=None)
                self._known.move_to_end(doubt.key)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return {"total": len(left), "items": [self._shown(doubt) for doubt in left[:SHOWN]]}

    def correct(self, key: str, task: str, label: str, who: str) -> None:
        """Keep that `label` is right, and return when it is kept. Unreviewable if it cannot be."""
        with self._lock:
            doubt = self._known.get(key)
        if doubt is None or doubt.task != task:
            raise Unreviewable("this is not among what was asked about; look again")
        if label not in self._labels(task):
            raise Unreviewable(f"{label!r} is no label of the model in service")
        text = _text(doubt)
        if text is None:
            raise Unreviewable("its output was taken away meanwhile, and its text with it")
        made = Correction(key, time.time(), _name(who), task, text, label)
        self._wish(Wish(replace(made, inbox=doubt.inbox, source=doubt.source, model=doubt.model, said=doubt.said)))
        with self._ledger() as ledger:
            kept = ledger.correction(key)
        if kept is not None and kept.label != label:
            raise Unreviewable(f"{kept.who} has called it {kept.label!r} already")

    def withdraw(self, key: str) -> None:
        """Take back what was said of an answer, if anything was; return when that is done."""
        if _KEY.fullmatch(key) is None:
            raise Unreviewable("only what was said on this page is taken back here")
        self._wish(Wish(Withdrawal(key)))

    # ------------------------------------------------------------------ outputs and ledger

    def _head(self, output: Output) -> list[Doubt]:
        """The doubts in an output's head, read once: an output never changes."""
        if output.place is None:
            return []
        if output.place not in self._heads:
            self._heads[output.place] = list(islice(_doubts(output, output.place), BY_OUTPUT))
            while len(self._heads) > KEPT:
                self._heads.popitem(last=False)
        return self._heads[output.place]

    def _shown(self, doubt: Doubt) -> dict[str, Any]:
        names = ("key", "task", "inbox", "source", "at", "subject", "text", "cut", "said", "score", "model")
        return {name: getattr(doubt, name) for name in names} | {"labels": list(self._labels(doubt.task))}

    @contextmanager
    def _ledger(self) -> Iterator[LedgerView]:
        try:
            with closing(LedgerView(self._outlook.config.daemon.state / "ledger.sqlite")) as ledger:
                yield ledger
        except sqlite3.Error as error:
            raise UnavailableError(f"the ledger cannot be read: {error}") from error

    def _wish(self, wish: Wish) -> None:
        if not self._outlook.hand_over(wish):
            raise UnavailableError("the daemon loads models or ends; nothing was recorded, try again")
        wish.wait(WAIT_SECONDS)


def _doubts(output: Output, place: Path) -> Iterator[Doubt]:
    """Of labels: what marks stretches of text cannot be put right by one label."""
    report = output.report
    for record in records(place):
        text = record.get("text")
        if not isinstance(text, str) or not text.strip():
            continue
        meta = record.get("meta")
        subject = meta.get("subject") if isinstance(meta, Mapping) else None
        for task, answer in record["annotations"].items():
            if isinstance(answer, Mapping) and answer.get("review") is True and _is_label(answer):
                yield Doubt(
                    _key(record, task),
                    task,
                    text[:TEXT_CHARS],
                    len(text) > TEXT_CHARS,
                    subject[:TEXT_CHARS] if isinstance(subject, str) else None,
                    _unicode(answer["label"]),
                    float(answer["score"]),
                    _unicode(str(answer.get("model", ""))),
                    place,
                    report.inbox,
                    report.source,
                    output.at,
                )


def _is_label(answer: Mapping[str, Any]) -> bool:
    score = answer.get("score")
    return isinstance(answer.get("label"), str) and isinstance(score, int | float) and 0 <= score <= 1


def _key(record: Mapping[str, Any], task: str) -> str:
    """Names an answer to one text: a later output may have the same name, and its records the same ids."""
    named = "\0".join((str(record.get("id")), task, record["text"]))
    return OF_THE_PAGE + hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:32]


def _text(doubt: Doubt) -> str | None:
    """The whole text; None if its output does not hold it any more."""
    for record in records(doubt.place):
        if isinstance(record.get("text"), str) and _key(record, doubt.task) == doubt.key:
            return _unicode(record["text"])
    return None


def _uncorrected(ledger: LedgerView, doubts: Sequence[Doubt]) -> Iterator[Doubt]:
    """What nobody has put right, neither here nor by moving its input into the folder of a label."""
    moved = ledger.corrected_by_file(min(doubt.at for doubt in doubts)) if doubts else {}
    for doubt in doubts:
        by_file = moved.get((doubt.task, doubt.inbox, doubt.source), 0.0) >= doubt.at
        if not by_file and ledger.correction(doubt.key) is None:
            yield doubt


def _name(who: str) -> str:
    """A reviewer's name as the ledger keeps it: one short line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in who).split())[:WHO_CHARS] or "page"


def _unicode(words: str) -> str:
    """Without lone surrogates, which JSON can hold and the ledger cannot."""
    return words.encode("utf-8", "replace").decode()
