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
        self._ended: Split | None = None

    def of(self, split: Split) -> Iterator[AnnotatedRecord]:
        """The annotated records of the next split. UnreadableFile where its reading ended in a fault."""
        if self._ended is split:
            return
        for item in self._items:
            if isinstance(item, Item):
                self._ended = item.split
                if item.error:
                    raise item.error
                return
            yield item[1]

    def skip(self, split: Split) -> None:
        """Pass over what is left of a split."""
        with contextlib.suppress(UnreadableFile):
            for _ in self.of(split):
                pass
