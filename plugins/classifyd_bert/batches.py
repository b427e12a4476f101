"""The order in which training data come: texts of similar length together, in an order that a seed and an epoch fix."""

import random
from collections.abc import Iterator

from torch.utils.data import Sampler

from classifyd_bert.features import Items, OneOfEach

POOL_BATCHES = 50
"""How many batches are sorted by length together: more leave less padding, and less chance."""


class ByLength(Sampler[int]):
    """The order of one epoch: texts of similar length side by side, so that batches hold little padding.

    The batches themselves come in random order. Sorted from long to short, as transformers has them, each stretch of
    an epoch would end with nothing but short texts, and the model would unlearn the long ones. The order depends on
    the seed and the epoch alone, so that a training that was resumed sees what it would have seen.
    """

    def __init__(self, data: Items | OneOfEach, batch_size: int, seed: int) -> None:
        self._data = data
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def choose(self, epoch: int) -> None:
        """Go on to that epoch, the data too."""
        self._epoch = epoch
        if isinstance(self._data, OneOfEach):
            self._data.choose(epoch)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[int]:
        chance = random.Random(f"{self._seed}/{self._epoch}")  # noqa: S311  # an order, not a secret
        places = list(range(len(self._data)))
        chance.shuffle(places)
        pool = POOL_BATCHES * self._batch_size
        batches = []
        for start in range(0, len(places), pool):
            alike = sorted(places[start : start + pool], key=self._data.length)
            batches += [alike[first : first + self._batch_size] for first in range(0, len(alike), self._batch_size)]
        # One that is not full has to be the last: the loader cuts the order into batches again.
        rest = [batch for batch in batches if len(batch) < self._batch_size]
        full = [batch for batch in batches if len(batch) == self._batch_size]
        chance.shuffle(full)
        return iter([place for batch in (*full, *rest) for place in batch])
