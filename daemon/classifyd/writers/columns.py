"""The columns of a table's answer: those of its rows, then each task's, then the errors."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from classifyd.api import AnnotatedRecord, Annotation, WriteOptions
from classifyd.writers.documents import errors, score, spans
from classifyd.writers.strict import dumps

# So many records are looked at to learn which tasks mark spans, where the options do not say.
LOOKED_AT = 1024
LABEL_COLUMNS = ("label", "score", "review", "model")
SPAN_COLUMNS = ("spans", "model")
ERROR = "classifyd_error"


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one output, fixed by its first record and the tasks.

    `own` are the row's (without the text's if texts are left out); None for records that are no rows, which have
    source, index, text and meta. `suffixes` are each task's columns.
    """

    own: tuple[str, ...] | None
    suffixes: Mapping[str, tuple[str, ...]]
    options: WriteOptions

    @property
    def names(self) -> list[str]:
        """Every column in order."""
        general = ("source", "index", "text", "meta") if self.options.include_text else ("source", "index", "meta")
        added = [f"{task}_{suffix}" for task, suffixes in self.suffixes.items() for suffix in suffixes]
        return [*(general if self.own is None else self.own), *added, ERROR]

    def cells(self, annotated: AnnotatedRecord) -> dict[str, Any]:
        """A record's cells by column; None where there is nothing to say."""
        cells = self._own(annotated)
        for task, suffixes in self.suffixes.items():
            values = _answer(annotated, task, self.options)
            cells.update({f"{task}_{suffix}": values.get(suffix) for suffix in suffixes})
        found = errors(annotated, self.options)
        cells[ERROR] = dumps(found) if found else None
        return cells

    def _own(self, annotated: AnnotatedRecord) -> dict[str, Any]:
        record = annotated.record
        if self.own is not None:
            row = record.row or {}
            return {name: row.get(name) for name in self.own}
        cells = {
            "source": annotated.source,
            "index": record.index,
            "text": record.text,
            "meta": dumps(dict(record.meta)),
        }
        return cells if self.options.include_text else {key: cells[key] for key in cells if key != "text"}


def lay_out(records: Iterable[AnnotatedRecord], options: WriteOptions) -> tuple[Layout, Iterator[AnnotatedRecord]]:
    """The layout for some records, and all of them."""
    rest = iter(records)
    looked: list[AnnotatedRecord] = []
    kinds: dict[str, bool] = {task: task in (options.span_tasks or ()) for task in options.tasks}
    unknown = set() if options.span_tasks is not None else set(options.tasks)
    for annotated in rest:
        looked.append(annotated)
        for task in list(unknown):
            said = annotated.annotations.get(task)
            if said is not None and said.error is None:
                kinds[task] = said.spans is not None
                unknown.discard(task)
        if not unknown or len(looked) >= LOOKED_AT:
            break
    suffixes = {task: _suffixes(kinds[task], known=task not in unknown) for task in options.tasks}
    return Layout(_own_columns(looked, options), suffixes, options), itertools.chain(looked, rest)


def _suffixes(marks_spans: bool, *, known: bool) -> tuple[str, ...]:  # one of a pair of private facts
    if not known:
        # A task that failed on everything so far may be of either kind; the columns of both lose nothing later.
        return ("label", "score", "review", "spans", "model")
    return SPAN_COLUMNS if marks_spans else LABEL_COLUMNS


def _own_columns(looked: list[AnnotatedRecord], options: WriteOptions) -> tuple[str, ...] | None:
    if not looked or looked[0].record.row is None:
        return None
    record = looked[0].record
    assert record.row is not None
    return tuple(name for name in record.row if options.include_text or name in record.meta)


def _answer(annotated: AnnotatedRecord, task: str, options: WriteOptions) -> dict[str, Any]:
    said: Annotation | None = annotated.annotations.get(task)
    if said is None or said.error is not None:
        return {}
    if said.spans is not None:
        return {"spans": dumps(spans(said.spans, annotated.record.text, options)), "model": said.model}
    best = said.labels[0] if said.labels else None
    return {
        "label": best.label if best else None,
        "score": score(best) if best else None,
        "review": said.review,
        "model": said.model,
    }
