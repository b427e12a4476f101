"""The receipts of a destination: one for each answer, under a name made of its own; the next run goes by them.

A receipt is open from before its answer is made, or made anew, until after: so none that is done stands beside an
answer that it does not tell of, wherever a run was broken off.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from classifyd.api import ClassifydError
from classifyd.corpus.places import Place
from classifyd.corpus.splits import Portion

OWN = ".classifyd"
"""The folder of a destination that is ours."""
FOLDER = f"{OWN}/done"
_RANGE = re.compile(r"\.\d{5,}(?=\.[^./]+$)")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a portion; a `fault` is its own, `stop` one that all portions share.

    It is open as long as there is no `sha256`. `ends` is then how many actors have ended over the portion, one that is
    still at work included.
    """

    digest: str
    source: str
    output: str
    records: int = 0
    errors: int = 0
    reviews: int = 0
    size: int = 0
    sha256: str = ""
    fault: tuple[str, str] | None = None
    stop: str = ""
    ends: int = 0

    def text(self) -> str:
        """All of it as text, as it is kept and sent."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__})


def parsed(text: bytes | str) -> Receipt:
    """A receipt as it was. ClassifydError if it is none."""
    try:
        fields: dict[str, Any] = json.loads(text)
        fault = fields.pop("fault")
        return Receipt(**fields, fault=tuple(fault) if fault else None)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ClassifydError(f"a receipt is damaged ({error}); remove {FOLDER} from the destination") from error


class Receipts:
    """Those that lie in a destination."""

    def __init__(self, target: Place) -> None:
        self._target = target

    def ends(self, blank: Receipt) -> int:
        """How many actors have ended over a portion, as it is now and under this plan."""
        found = self._of(blank.output)
        return found.ends if found and found.digest == blank.digest else 0

    def keep(self, receipt: Receipt) -> None:
        """Have this be the receipt of its answer, in place of an older one."""
        self._target.write(f"{FOLDER}/{_name(receipt.output)}", receipt.text().encode())

    def done(self, wanted: Sequence[Portion], plan: str) -> dict[str, Receipt]:
        """Those of portions, as they are now and under this plan, whose answers are still there; by digest."""
        kept = set(self._target.names(FOLDER))
        sizes = self._sizes(portion.output for portion in wanted)
        found = {}
        for portion in wanted:
            if portion.output not in sizes or _name(portion.output) not in kept:
                continue
            receipt, digest = self._of(portion.output), portion.digest(plan)
            if receipt and receipt.sha256 and (receipt.digest, receipt.size) == (digest, sizes[portion.output]):
                found[digest] = receipt
        return found

    def remove_stale(self, wanted: Sequence[Portion]) -> None:
        """Remove the answers that an input had when it was cut into other ranges, or into none."""
        outputs = {portion.output for portion in wanted}
        inputs = {_whole(portion.output): portion.source for portion in wanted}
        for output in sorted(self._sizes(outputs).keys() - outputs):
            source = inputs.get(_whole(output))
            receipt = self._of(output) if source else None
            if receipt and receipt.source == source:
                self._target.remove(output)
                self._target.remove(f"{FOLDER}/{_name(output)}")

    def _sizes(self, outputs: Iterable[str]) -> dict[str, int]:
        """Whatever lies in the folders of these answers, with its size."""
        folders = {output[: output.rfind("/") + 1] for output in outputs}
        return {
            f"{folder}{name}": size
            for folder in folders
            for name, size in self._target.sizes(folder.rstrip("/")).items()
        }

    def _of(self, output: str) -> Receipt | None:
        text = self._target.read(f"{FOLDER}/{_name(output)}")
        return None if text is None else parsed(text)


def _name(output: str) -> str:
    return hashlib.sha256(os.fsencode(output)).hexdigest()[:32] + ".json"


def _whole(output: str) -> str:
    """The name of an input's one answer, from that of one for a range of it."""
    return _RANGE.sub("", output)
