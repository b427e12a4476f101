"""A job's records on their way from the readers to the parts: one stream, in which splits follow one another."""

from collections.abc import Iterator
from dataclasses import dataclass

from classifyd.api import UnreadableFile
from classifyd.jobs import Split
from classifyd.values import AnnotatedRecord, Record


@dataclass(frozen=True, slots=True)
class Item:
    """One record of one split, or the error that ends the split."""

    split: Split
    record: Record | None
    error: UnreadableFile | None = None


class Flow:
    """The annotated records of a job in order, handed out split by split."""

    def __init__(self, items: Iterator[Item | tuple[Split, AnnotatedRecord]]) -> None:
        self._items = items
        self._next = next(items, None)

    def of(self, split: Split) -> Iterator[AnnotatedRecord]:
        """The annotated records of one split. UnreadableFile where its reading ended in a fault."""
        while self._next is not None:
            item = self._next
            if isinstance(item, Item):
                if item.split is not split:
                    return
                assert item.error is not None
                raise item.error
            if item[0] is not split:
                return
            self._next = next(self._items, None)
            yield item[1]

    def skip(self, split: Split) -> None:
        """Pass over what is left of a split."""
        while self._next is not None and _split_of(self._next) is split:
            self._next = next(self._items, None)


def _split_of(item: Item | tuple[Split, AnnotatedRecord]) -> Split:
    return item.split if isinstance(item, Item) else item[0]
