"""What the installed plugins offer, and which of them the configuration lets in."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OWN = "classifyd"
"""The distribution whose plugins are our own."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Which installed plugins may be imported, by their own names or their packages'; `deny` wins over `allow`.

    `allow` None is all of them. Those that come with classifyd need no allowing, but can be denied.
    """

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()

    def refusal(self, name: str, distribution: str) -> str:
        """Why a plugin is kept out, in the words of the configuration; empty if it is not."""
        names = {_canonical(name), _canonical(distribution)}
        if not names.isdisjoint(map(_canonical, self.deny)):
            return "[plugins] deny names it"
        if self.allow is None or distribution == OWN or not names.isdisjoint(map(_canonical, self.allow)):
            return ""
        return "[plugins] allow does not name it"


@dataclass(frozen=True, slots=True)
class Offer:
    """One installed plugin: where it comes from, what it offers, and what failed when it was loaded (or None).

    `kept_out` is why it was not even imported; what it offers is then not known.
    """

    name: str
    distribution: str
    version: str
    tasks: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    problem: str | None = None
    kept_out: str = ""

    @property
    def label(self) -> str:
        """The plugin's name with its package and version, for people."""
        return f"{self.name} ({self.distribution} {self.version})"


@dataclass(frozen=True, slots=True)
class Offers:
    """All that the installed plugins offer."""

    plugins: tuple[Offer, ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of every task on offer, sorted."""
        return tuple(sorted(_flat(plugin.tasks for plugin in self.plugins)))

    @property
    def writers(self) -> tuple[str, ...]:
        """The formats of every writer on offer, sorted."""
        return tuple(sorted(_flat(plugin.writers for plugin in self.plugins)))

    @property
    def kept_out(self) -> tuple[Offer, ...]:
        """The plugins that the configuration keeps out."""
        return tuple(plugin for plugin in self.plugins if plugin.kept_out)


def _canonical(name: str) -> str:
    """A name as packages compare theirs (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _flat(groups: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for group in groups:
        yield from group
