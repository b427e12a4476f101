"""What receivers are told of an input's end, as docs/schemas/notice.json has it."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from classifyd.inbox.moves import shown
from classifyd.logs import escaped
from classifyd.service.ending import Ending
from classifyd.values import Fault


def published(ending: Ending, at: float) -> str:
    """The document of an input that was answered and is retired."""
    work, total = ending.work, ending.total
    facts = {
        **_of_path("output", work.target),
        "sha256": total.digest or None,
        "records": total.records,
        "errors": total.errors,
        "reviews": total.reviews,
        "labels": dict(total.labels),
        **_of_path("place", work.place),
        "reason": None,
    }
    return _document(ending, "published", at, facts)


def quarantined(ending: Ending, at: float, fault: Fault, place: Path | None) -> str:
    """The document of an input that could not be processed; `place` is where it lies, None where it was left."""
    reason = {"type": fault.type, "message": escaped(fault.message)}
    facts = {
        **_of_path("output", None),
        "sha256": None,
        **dict.fromkeys(("records", "errors", "reviews"), 0),
        "labels": {},
        **_of_path("place", place),
        "reason": reason,
    }
    return _document(ending, "quarantined", at, facts)


def _document(ending: Ending, state: str, at: float, facts: Mapping[str, object]) -> str:
    work, claim = ending.work, ending.claim
    models = {spec.name: "" if spec.version is None else f"{spec.name}@{spec.version}" for spec in work.tasks}
    return json.dumps(
        {
            "schema": "classifyd-notice/1",
            "id": claim.id,
            "state": state,
            "inbox": work.inbox.name,
            **_of_path("source", Path(claim.name)),
            "models": models,
            **facts,
            "claimed_at": _time(claim.claimed_at),
            "finished_at": _time(at),
        }
    )


def _of_path(key: str, path: Path | None) -> dict[str, str | None]:
    """A path for people, and as the bytes that it is."""
    if path is None:
        return {key: None, f"{key}_hex": None}
    return {key: shown(str(path)), f"{key}_hex": os.fsencode(path).hex()}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
