"""What `classifyd status` says in words: what people asked for, what is amiss, and what to do."""

from collections.abc import Iterator

from classifyd.cli.screen import line
from classifyd.status import Status


def asked_for(found: Status) -> Iterator[str]:
    """What people have asked for that explains what is to be seen."""
    for setting, why in found.daemon.unmet.items():
        yield f"not in force: {setting}: {line(why)}"
    for inbox in found.inboxes:
        if inbox.paused:
            who = line(inbox.paused.who)
            yield f"inbox {inbox.name} is paused by {who}; it goes on with: classifyd resume {inbox.name}"


def troubles(found: Status) -> Iterator[str]:
    """What stands still, could not come into service, or lies somewhere for a person to look at."""
    for name, reason in found.daemon.held.items():
        yield f"on hold, what depends on it waits: {name}: {line(reason)}"
    for task, version in found.daemon.loading.items():
        yield f"{task}@{version} is being loaded, and takes over from {_served(found, task)} when it is ready"
    for task, refused in found.daemon.refused.items():
        what = "What is promoted" if refused.version is None else f"{task}@{refused.version}"
        yield f"{what} cannot serve, and {_served(found, task)} goes on: {refused.reason}"
    yield from _untold(found)
    yield from _drifts(found)
    for inbox in found.inboxes:
        if inbox.fault:
            yield f"inbox {inbox.name} cannot be counted: {line(inbox.fault)}"
    if found.daemon.page:
        yield f"The status page is at {found.daemon.page}, unlocked by the link of: classifyd status --page"
    if any(inbox.quarantined and not inbox.left for inbox in found.inboxes):
        yield "The reasons lie beside the quarantined inputs. Mend them, then run: classifyd retry"
    yield from _left(found)


def _left(found: Status) -> Iterator[str]:
    """Of inboxes that move nothing, what got no answer, and why: no reason lies beside it."""
    for inbox in found.inboxes:
        for one in inbox.left:
            yield f"left in inbox {inbox.name}: {line(one.reason)}"
        if inbox.quarantined > len(inbox.left) > 0:
            yield f"left in inbox {inbox.name}: {inbox.quarantined - len(inbox.left):,} more; the log has the reasons"
    if any(inbox.left for inbox in found.inboxes):
        yield "What is left is tried again once it has changed: when it is mended touch it, or in a Maildir rename it"


def _untold(found: Status) -> Iterator[str]:
    for name, receiver in found.daemon.receivers.items():
        if receiver.error:
            yield f"receiver {name} takes nothing, {receiver.count:,} notices wait for it: {line(receiver.error)}"


def _drifts(found: Status) -> Iterator[str]:
    for task, drift in found.daemon.drift.items():
        for one in drift.warnings:
            over = f"over the last {drift.records} records"
            yield f"{task}@{drift.version} drifts, {over}: {line(str(one))}; {one.bound:g} or more is much"


def _served(found: Status, task: str) -> str:
    return f"{task}@{found.daemon.serving.get(task)}"
