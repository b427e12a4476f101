"""One input on its way through the daemon, from its claim to its retirement."""

import contextlib
import hashlib
import itertools
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from classifyd.config import InboxConfig
from classifyd.inbox.claims import FOLDER
from classifyd.inbox.moves import shown
from classifyd.jobs import Claim, Split, Suspect, TaskSpec
from classifyd.ledger import Plan
from classifyd.planning import Key, plan_digest
from classifyd.reports import PartReport
from classifyd.values import ReadOptions, WriteOptions

COMPRESSED = (".gz", ".bz2", ".xz")
LEAST_LARGE = 64 * 2**10
IN_KIND = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}


@dataclass
class Work:
    """A claimed input and what is known of it. `output` is the output's name below the inbox's output folder."""

    claim: Claim
    inbox: InboxConfig
    tasks: tuple[TaskSpec, ...]
    output: str
    split_bytes: int
    folders: "Folders"
    plan: Plan | None = None
    reports: dict[int, PartReport] = field(default_factory=dict)
    suspects: dict[int, tuple[Suspect, ...]] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    losses: dict[int, int] = field(default_factory=dict)
    """How often a split, or a chore, that was alone in its job was lost with its node, in this daemon's time."""
    assembled: PartReport | None = None
    cancelled: bool = False
    """Whether somebody wants nothing more done of it; it is quarantined once no worker has a job of it in hand."""
    copy: Path | None = None
    """The whole copy of the input, where it retires to another file system."""
    place: Path | None = None
    """Where it lies in done, once it does."""

    @property
    def shown(self) -> str:
        """The input's name as logs and people see it."""
        return shown(self.claim.name)

    @property
    def key(self) -> Key:
        """Inputs of one key can share a job."""
        return Key(self.inbox.name, self.format, tuple((one.name, one.version) for one in self.tasks), self._settings)

    @cached_property
    def _settings(self) -> str:
        """Tells inputs apart that were claimed under different settings, which may change while they wait."""
        asked = [(dict(spec.options), spec.review_below) for spec in self.tasks]
        return hashlib.sha256(repr((asked, self.reading, self.writing)).encode()).hexdigest()[:16]

    @property
    def reading(self) -> ReadOptions:
        """How the input is read."""
        return ReadOptions(self.inbox.text_field, self.inbox.limits, self.inbox.hard_links)

    @property
    def writing(self) -> WriteOptions:
        """What its writer is asked for."""
        return WriteOptions(self.inbox.tasks, self.inbox.include_text, csv_formulas=self.inbox.csv_formulas)

    @cached_property
    def format(self) -> str:
        """The writer's format."""
        return answer_format(self.inbox.format, self.claim.name)

    @cached_property
    def digest(self) -> str:
        """Names the plan: what all of its parts' bytes depend on."""
        return plan_digest(self.claim, self.tasks, self.format, self.writing, self.split_bytes)

    def begin_anew(self, claim: Claim, tasks: tuple[TaskSpec, ...], output: str) -> None:
        """Forget all that was done: the input has changed, or what it is to become."""
        self.claim, self.tasks, self.output = claim, tasks, output
        self.plan, self.assembled = None, None
        self.reports, self.suspects, self.attempts, self.losses = {}, {}, {}, {}
        for name in ("digest", "_settings"):
            self.__dict__.pop(name, None)

    @property
    def in_place(self) -> bool:
        """Whether the input lies where it was dropped, and stays there."""
        return FOLDER not in Path(self.claim.path).parts

    @property
    def below(self) -> str:
        """The folder below which strangers may put things, so that no link is followed there."""
        return str(self.inbox.path) if Path(self.claim.path).is_relative_to(self.inbox.path) else ""

    @property
    def large(self) -> bool:
        """Whether the input is to be cut: larger than a split, or compressed and likely to be so when unpacked.

        Cutting and assembly are jobs of their own, which a mail of usual size is spared.
        """
        packed = self.claim.name.lower().endswith(COMPRESSED)
        return self.claim.size * (10 if packed else 1) > max(LEAST_LARGE, 2 * self.split_bytes)

    @property
    def result(self) -> Path:
        """Where the whole answer lies until it is published: on the output's own file system."""
        return self.folders.results(self.inbox) / f"{self.claim.id}.{self.digest}.part"

    @property
    def target(self) -> Path:
        """The output's own name."""
        return self.inbox.output / self.output

    @property
    def spool(self) -> Path:
        """Where the records of an input that cannot be cut are spooled to."""
        return self.folders.parts(self.claim.id) / f"{self.digest}.spool"

    def splits(self) -> list[Split]:
        """The splits that still have no part."""
        if self.plan is None:
            return [] if self.reports else [self._split(0, str(self.result))]
        whole = enumerate(self.plan.cuts)
        return [
            replace(
                self._split(number, str(self.part(number))),
                path=self.plan.spool or self.claim.path,
                below="" if self.plan.spool else self.below,
                reader=self.plan.reader,
                cut=cut,
            )
            for number, cut in whole
            if number not in self.reports
        ]

    def part(self, number: int) -> Path:
        """Where the part of one range of a large input lies."""
        return self.folders.parts(self.claim.id) / f"{self.digest}-{number:06}.part"

    def complete(self) -> bool:
        """Whether every split has its part."""
        return len(self.reports) == (1 if self.plan is None else len(self.plan.cuts))

    def total(self) -> PartReport:
        """The counts of the whole input."""
        reports = [self.reports[number] for number in sorted(self.reports)]
        records = sum(report.records for report in reports)
        whole = self.assembled or reports[0]
        return PartReport(
            self.claim.id,
            0,
            records,
            sum(report.errors for report in reports),
            sum(report.reviews for report in reports),
            labels=next((r.labels for r in reports if r.labels), {}) if records == 1 else {},
            counts=_summed(report.counts for report in reports),
            doubts=_summed(report.doubts for report in reports),
            size=whole.size,
            digest=whole.digest,
        )

    def _split(self, number: int, part: str) -> Split:
        return Split(
            self.claim.id,
            number,
            self.claim.path,
            shown(self.claim.name),
            f"{self.inbox.name}/{shown(self.output)}",
            part,
            suspects=self.suspects.get(number, ()),
            below=self.below,
        )


@dataclass(frozen=True, slots=True)
class Folders:
    """Where the daemon keeps what is its own."""

    state: Path
    daemon: str

    def parts(self, claim: str) -> Path:
        """The parts of one large input."""
        return self.state / "parts" / claim

    def remove_parts(self, kept: Collection[str]) -> None:
        """Remove the parts of all inputs but these: a crash came before they could be removed."""
        for folder in self.parts("").glob("*"):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def discard(self, claim: str, result: Path) -> None:
        """Remove the parts of one input, and its whole answer that lies at `result`."""
        shutil.rmtree(self.parts(claim), ignore_errors=True)
        with contextlib.suppress(OSError):
            result.unlink()

    @property
    def breadcrumbs(self) -> Path:
        """What the workers leave behind when they die."""
        return self.state / "breadcrumbs"

    def results(self, inbox: InboxConfig) -> Path:
        """Whole answers on their way to an inbox's output folder."""
        return inbox.output / FOLDER / self.daemon


def answer_format(configured: str, name: str) -> str:
    """The writer's format for an input: the configured one; for "same" that of the input, where one exists."""
    if configured != "same":
        return configured
    return IN_KIND.get(Path(_unpacked(name)).suffix.lower(), "jsonl")


def output_name(name: str, format: str) -> str:  # noqa: A002  # the word of the configuration
    """The answer's name: the input's with the format's suffix, unless it has that already."""
    suffix = f".{format}"
    return name if format != "jsonl" and name.lower().endswith(suffix) else name + suffix


def _summed(counts: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Counts by task and label, added up."""
    total: dict[str, dict[str, int]] = {}
    for task, labels in itertools.chain.from_iterable(count.items() for count in counts):
        into = total.setdefault(task, {})
        for label, count in labels.items():
            into[label] = into.get(label, 0) + count
    return total


def _unpacked(name: str) -> str:
    for suffix in COMPRESSED:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def versions(tasks: tuple[TaskSpec, ...]) -> Mapping[str, int | None]:
    """The bundle version that each task is pinned to."""
    return {spec.name: spec.version for spec in tasks}
