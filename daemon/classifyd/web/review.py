"""The review queue: doubtful answers of the newest outputs, and what a person says of them."""

import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from classifyd.errors import ClassifydError, UnavailableError
from classifyd.ledger import Correction, LedgerView
from classifyd.web.doubts import KEY, Doubt, doubts_among, marked, whole_text
from classifyd.web.heads import Heads
from classifyd.web.scene import Outlook
from classifyd.web.wishes import WAIT_SECONDS, Wish, Withdrawal

SHOWN = 50
BY_OUTPUT = 10
"""So many doubtful answers of one output are asked about: a table of ten thousand is no work for the page."""
KNOWN = 5000
WHO_CHARS = 60


class Unreviewable(ClassifydError):
    """What a person says of an answer cannot be kept: it is gone, has been corrected, or the words make no sense."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a task's answers may be: one of `labels` for a text, or spans that have them."""

    labels: tuple[str, ...] = ()
    marks_spans: bool = False


class Review:
    """The queue, read from the outputs and the ledger; `choices` has those of the model that serves a task.

    May be called by several threads. UnavailableError where the ledger cannot be read or does not answer.
    """

    def __init__(self, outlook: Outlook, choices: Callable[[str], Choices]) -> None:
        self._outlook = outlook
        self._choices = choices
        self._lock = threading.Lock()
        self._heads = Heads(lambda output, found: islice(doubts_among(output, found), BY_OUTPUT))
        # Where they came from outlives the newest outputs: people take longer over a text than the daemon.
        self._known: OrderedDict[str, Doubt] = OrderedDict()

    def queue(self) -> dict[str, Any]:
        """The least sure first, without those that somebody has corrected, and how many there are."""
        with self._lock:
            found = [doubt for _, head in self._heads.of(self._outlook.recent.doubtful()) for doubt in head]
        with self._ledger() as ledger:
            left = list(_uncorrected(ledger, [doubt for doubt in found if self._askable(doubt)]))
        left.sort(key=lambda doubt: (doubt.score, -doubt.at))
        with self._lock:
            for doubt in left[:SHOWN]:
                self._known[doubt.key] = replace(doubt, text="", subject=None, spans=None)
                self._known.move_to_end(doubt.key)
            while len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return {"total": len(left), "items": [self._shown(doubt) for doubt in left[:SHOWN]]}

    def correct(self, key: str, task: str, label: str, who: str) -> None:
        """Keep that `label` is right, and return when it is kept. Unreviewable if it cannot be."""
        doubt, choices = self._asked_about(key, task)
        if choices.marks_spans or label not in choices.labels:
            raise Unreviewable(f"{label!r} is no label of the model in service")
        self._keep(self._correction(doubt, who, label=label))

    def mark(self, key: str, task: str, told: object, who: str) -> None:
        """Keep that these spans are right and there are no others, likewise; `told` is a list as JSON has it."""
        doubt, choices = self._asked_about(key, task)
        made = self._correction(doubt, who)
        spans = () if told == [] else marked(told, made.text)
        if spans is None or not choices.marks_spans:
            raise Unreviewable("these are no spans of this text: they lie outside it, overlap, or are too many")
        strange = {span.label for span in spans} - set(choices.labels)
        if strange:
            raise Unreviewable(f"{', '.join(map(repr, sorted(strange)))}: no label of the model in service")
        self._keep(replace(made, spans=tuple(replace(span, score=1.0) for span in spans)))

    def withdraw(self, key: str) -> None:
        """Take back what was said of an answer, if anything was; return when that is done."""
        if KEY.fullmatch(key) is None:
            raise Unreviewable("only what was said on this page is taken back here")
        self._wish(Wish(Withdrawal(key)))

    def _asked_about(self, key: str, task: str) -> tuple[Doubt, Choices]:
        with self._lock:
            doubt = self._known.get(key)
        if doubt is None or doubt.task != task:
            raise Unreviewable("this is not among what was asked about; look again")
        return doubt, self._choices(task)

    def _correction(self, doubt: Doubt, who: str, label: str | None = None) -> Correction:
        text = whole_text(doubt)
        if text is None:
            raise Unreviewable("its output was taken away meanwhile, and its text with it")
        made = Correction(doubt.key, time.time(), _name(who), doubt.task, text, label)
        return replace(made, inbox=doubt.inbox, source=doubt.source, model=doubt.model, said=doubt.said)

    def _keep(self, made: Correction) -> None:
        self._wish(Wish(made))
        with self._ledger() as ledger:
            kept = ledger.correction(made.key)
        if kept is not None and (kept.label, kept.spans) != (made.label, made.spans):
            called = "marked it otherwise" if kept.label is None else f"called it {kept.label!r}"
            raise Unreviewable(f"{kept.who} has {called} already")

    # ------------------------------------------------------------------ outputs and ledger

    def _shown(self, doubt: Doubt) -> dict[str, Any]:
        names = ("key", "task", "inbox", "source", "at", "subject", "text", "cut", "said", "score", "model")
        spans = None if doubt.spans is None else [asdict(span) for span in doubt.spans]
        labels = list(self._choices(doubt.task).labels)
        return {name: getattr(doubt, name) for name in names} | {"spans": spans, "labels": labels}

    def _askable(self, doubt: Doubt) -> bool:
        """Whether there is something to choose from, and the text is there to choose by."""
        choices = self._choices(doubt.task)
        marks = doubt.spans is not None
        return bool(choices.labels) and marks == choices.marks_spans and not (marks and doubt.cut)

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


def _uncorrected(ledger: LedgerView, asked: Sequence[Doubt]) -> Iterator[Doubt]:
    """What nobody has put right, neither here nor by moving its input into the folder of a label."""
    moved = ledger.corrected_by_file(min(doubt.at for doubt in asked)) if asked else {}
    for doubt in asked:
        by_file = moved.get((doubt.task, doubt.inbox, doubt.source), 0.0) >= doubt.at
        if not by_file and ledger.correction(doubt.key) is None:
            yield doubt


def _name(who: str) -> str:
    """A reviewer's name as the ledger keeps it: one short line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in who).split())[:WHO_CHARS] or "page"
