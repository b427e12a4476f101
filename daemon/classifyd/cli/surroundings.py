"""What `doctor` finds around a daemon: room on its disks, its ledger, its port, and those who are to be told."""

import os
import shlex
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from classifyd.cli.finding import Finding
from classifyd.cli.folders import existing
from classifyd.config import Config
from classifyd.config.receivers import receiver_faults
from classifyd.errors import UnavailableError
from classifyd.ledger import LedgerView
from classifyd.status import heartbeat
from classifyd.web.listening import bound

MEBIBYTE = 2**20


def room(config: Config) -> Iterator[Finding]:
    """Whether the disks of outputs and of the state folder have the room without which nothing is taken."""
    least, told = config.daemon.min_free_bytes, set()
    for folder in (config.daemon.state, *(inbox.output for inbox in config.inboxes)):
        place = existing(folder)
        device = place.stat().st_dev
        free = shutil.disk_usage(place).free
        if device not in told and free < least:
            what = f"{free / MEBIBYTE:,.0f} MiB are free at {place}; nothing is taken while that is less than"
            mend = f"make room; what is large there: du -xhd 2 {shlex.quote(str(place))} | sort -h | tail"
            yield Finding("bad", "room", f"{what} {least / MEBIBYTE:,.0f} MiB (min_free_bytes)", mend)
        told.add(device)


def ledger(state: Path) -> Iterator[Finding]:
    """Whether the ledger can be read, is whole, and is of this release or an earlier one."""
    path = state / "ledger.sqlite"
    if not path.exists():
        return
    mend = "stop the daemon and put the backup there (docs/operate.md, What to back up)"
    try:
        with closing(LedgerView(path)) as view:
            fault = view.damage()
    except UnavailableError:
        return  # a daemon is about to make it
    except sqlite3.Error as error:
        if not os.access(path, os.R_OK):
            fault, mend = "may not be read", "run doctor as the daemon's user"
        else:
            fault = str(error)
    if fault:
        yield Finding("bad", "ledger", f"{path}: {fault}", mend)
    else:
        yield Finding("good", "ledger", f"{path} is whole, {path.stat().st_size / MEBIBYTE:,.1f} MiB")


def page(config: Config) -> Iterator[Finding]:
    """Where the status page is, or whether its port can be had."""
    http = config.http
    if http is None or http.listen is None:
        yield Finding("good", "page", "off: no status page and no metrics ([http] listen)")
        return
    daemon = heartbeat.read(config.daemon.state, time.time())
    if daemon.state != "stopped":
        if daemon.page:
            yield Finding("good", "page", f"{daemon.page}, unlocked by the link of: classifyd status --page")
        else:
            mend = 'name another port, or listen = "" for none, in [http]; then restart the daemon'
            yield Finding("worse", "page", f"the daemon serves none: the port of {http.address} was taken", mend)
        return
    try:
        bound(http.listen).close()
    except UnavailableError as error:
        mend = f"see who has it: ss -ltnp 'sport = :{http.listen[1]}'"
        yield Finding("bad" if http.asked else "worse", "page", str(error), mend)
    else:
        yield Finding("good", "page", f"http://{http.address}/ once the daemon runs")


def receivers(config: Config) -> Iterator[Finding]:
    """Whether those who are to be told can be, and what waits for them."""
    faults = list(receiver_faults(config.receivers))
    for fault in faults:
        yield Finding("bad", "receivers", fault, f"edit {shlex.quote(str(config.file))}")
    for name, receiver in heartbeat.read(config.daemon.state, time.time()).receivers.items():
        if receiver.error:
            what = f"{name} takes nothing, {receiver.count:,} notices wait: {receiver.error}"
            yield Finding("worse", "receivers", what, "mend it there; it is tried again by itself")
    if config.receivers and not faults:
        yield Finding("good", "receivers", ", ".join(receiver.name for receiver in config.receivers))
