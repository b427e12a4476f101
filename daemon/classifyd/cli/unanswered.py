"""What became of an input that has no answer, in a sentence: where it is, how often it was tried, and why it failed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from classifyd.config import InboxConfig
from classifyd.inbox.moves import shown
from classifyd.inbox.quarantine import LEFT, retry_command
from classifyd.jobs import Suspect
from classifyd.ledger import Entry, LedgerView


def fate(entry: Entry, inbox: InboxConfig, view: LedgerView) -> str:
    """That of one which the ledger knows, and which was not answered."""
    claim = entry.claim
    name = shown(claim.name)
    match entry.state:
        case "quarantined" | "condemned":
            reason = entry.fault.message if entry.fault else "no reason is known"
            left = inbox.take == "leave"
            where = LEFT if left else "went to quarantine"
            again = "to have it tried again, touch it" if left else f"try it again: {retry_command(claim.name)}"
            return f"{inbox.name}/{name}: {where} {_when(entry.finished_at)}: {reason}; {again}"
        case "vanished":
            return f"{inbox.name}/{name}: was taken away {_when(entry.finished_at)}, while it was being worked on"
        case "claimed":
            tried = "; ".join(_tries(view.attempts(claim.id), view.suspects(claim.id)))
            since = f"is being worked on since {_when(claim.claimed_at)}"
            return f"{inbox.name}/{name}: has no answer yet: it {since}{tried and f': {tried}'}"
        case _:
            return f"{inbox.name}/{name}: its answer is just being published; ask again"


def _tries(attempts: Mapping[int, int], suspects: Sequence[Suspect]) -> list[str]:
    again = {number: count for number, count in attempts.items() if count > 1}
    told = [f"split {number} was given to a worker {count} times" for number, count in sorted(again.items())[:3]]
    if len(again) > len(told):
        told.append(f"{len(again) - len(told)} more splits were tried again")
    for suspect in suspects[:3]:
        last = suspect.end - 1
        records = f"record {last}" if suspect.start == last else f"records {suspect.start} to {last}"
        told.append(suspect.reason if suspect.is_whole else f"{suspect.task}, {records}: {suspect.reason}")
    return told


def _when(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at).astimezone().isoformat(" ", "seconds")
