"""A job's records on their way from the readers to the parts: one stream, in which splits follow one another."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from classifyd.api import UnreadableFile
from classifyd.jobs import Split
from classifyd.values import AnnotatedRecord, Record


@dataclass(frozen=True, slots=True)
class Item:
    """One record of one split; without a record the end of the split, with the error if one ended it."""

    split: Split
    record: Record | None = None
    error: UnreadableFile | None = None


class Flow:
    """The annotated records of a job in order, handed out split by split.

    Each split of `items` is closed by its end, so that nobody looks into the next one, and waits for its answers, to
    find out that this one is over.
    """

    def __init__(self, items: Iterator[Item | tuple[Split, AnnotatedRecord]]) -> None:
        self._items = items
        self._ahead: Item | tuple[Split, AnnotatedRecord] | None = None
        self._ended: Split | None = None

    def fetch(self) -> None:
        """Have what comes next at hand: its answers are waited for now, and not once a part is begun.

        A worker that dies of them leaves no half-written part then.
        """
        self._ahead = self._ahead or next(self._items, None)

    def of(self, split: Split) -> Iterator[AnnotatedRecord]:
        """The annotated records of the next split. UnreadableFile where its reading ended in a fault."""
        while self._ended is not split:
            self.fetch()
            item, self._ahead = self._ahead, None
            if item is None:  # the stream broke off
                return
            if not isinstance(item, Item):
                yield item[1]
                continue
            self._ended = item.split
            if item.error:
                raise item.error

    def skip(self, split: Split) -> None:
        """Pass over what is left of a split."""
        with contextlib.suppress(UnreadableFile):
            for _ in self.of(split):
                pass
