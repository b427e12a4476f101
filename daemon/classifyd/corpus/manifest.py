"""What came of a corpus: counts, and the file that a destination gets last."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from classifyd import __version__
from classifyd.corpus.receipts import Receipt
from classifyd.jobs import TaskSpec

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Total:
    """What came of it: portions, of which some were `skipped` as done before, and their records."""

    portions: int
    skipped: int
    failed: int
    records: int
    errors: int

    @classmethod
    def of(cls, receipts: Sequence[Receipt], skipped: int) -> Self:
        """Summed from the receipts of all portions."""
        return cls(
            len(receipts),
            skipped,
            sum(receipt.fault is not None for receipt in receipts),
            sum(receipt.records for receipt in receipts),
            sum(receipt.errors for receipt in receipts),
        )


def manifest(
    plan: str,
    tasks: Sequence[TaskSpec],
    format: str,  # noqa: A002  # the word of the configuration
    receipts: Sequence[Receipt],
) -> bytes:
    """The content of the manifest, for the receipts of all portions in order."""
    outputs: list[dict[str, Any]] = [
        {
            "input": receipt.source,
            "output": receipt.output,
            "records": receipt.records,
            "errors": receipt.errors,
            "reviews": receipt.reviews,
            "bytes": receipt.size,
            "sha256": receipt.sha256,
        }
        for receipt in receipts
        if receipt.fault is None
    ]
    failed = [
        {"input": receipt.source, "type": receipt.fault[0], "message": receipt.fault[1]}
        for receipt in receipts
        if receipt.fault is not None
    ]
    document = {
        "schema": "classifyd-corpus/1",
        "classifyd": __version__,
        "plan": plan,
        "tasks": {spec.name: spec.version for spec in tasks},
        "format": format,
        "records": sum(receipt.records for receipt in receipts),
        "errors": sum(receipt.errors for receipt in receipts),
        "outputs": outputs,
        "failed": failed,
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
