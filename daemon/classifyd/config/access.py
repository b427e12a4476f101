"""Who is let to an inbox's outputs: names of users and groups as numbers, and whether this process may give to them."""

import grp
import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from classifyd.config.schema import AccessSection
from classifyd.config.sentences import quoted
from classifyd.config.settings import Access, InboxConfig

LARGEST = 2**32 - 2
"""The largest number of a user or a group: the one above it means "as it is" to chown."""

_CAP_CHOWN = 0


class AccessReading:
    """Reads the settings of one table; `faults` are sentences without its name."""

    def __init__(self, section: AccessSection) -> None:
        self._section = section
        self.faults: list[str] = []

    def over(self, above: Access) -> Access:
        """What the table says, and where it says nothing, what the one above says."""
        mode, owner, group = self._section.output_mode, self._section.output_owner, self._section.output_group
        return Access(
            above.mode if mode is None else int(mode, 8) if mode else None,
            above.owner if owner is None else self._number("output_owner", "user", owner, _user),
            above.group if group is None else self._number("output_group", "group", group, _group),
        )

    def _number(self, setting: str, kind: str, name: str, known: Callable[[str], int]) -> int | None:
        if not name:
            return None
        if name.isascii() and name.isdigit() and int(name) <= LARGEST:
            return int(name)
        try:
            return known(name)
        except (KeyError, ValueError):
            self.faults.append(f"{setting} names the {kind} {quoted(name)}, not known here; make it, or give a number")
            return None


def access_faults(inboxes: Sequence[InboxConfig]) -> Iterator[str]:
    """Owners and groups to whom this process may not give files, a sentence for each inbox that names one."""
    if may_give_away():
        return
    for inbox in inboxes:
        where, access = f"inbox {quoted(inbox.name)}", inbox.access
        if access.owner not in (None, os.geteuid()):
            yield (
                f"{where}: outputs are to belong to user {access.owner}, but this user ({os.geteuid()}) may not give"
                " files away; run as root or with the capability CAP_CHOWN, or remove output_owner"
            )
        if access.group is not None and access.group not in {os.getegid(), *os.getgroups()}:
            yield (
                f"{where}: outputs are to belong to group {access.group}, which this user ({os.geteuid()}) is not in;"
                " put the user into it, or remove output_group"
            )


def may_give_away() -> bool:
    """Whether this process may give files to any user and group."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> _CAP_CHOWN & 1)
    return os.geteuid() == 0


def _user(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _group(name: str) -> int:
    return grp.getgrnam(name).gr_gid
