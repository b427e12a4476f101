"""What runs in the actors of a corpus: each keeps one worker process, and has it label one portion after the other.

An actor raises nothing and waits for nothing without end, since Ray Data ends the whole job for the former and hangs
with the latter: whatever goes wrong with a portion is in its report. Plugins run in the worker alone.
"""

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from classifyd.corpus.places import Place, place
from classifyd.corpus.receipts import Receipt, Receipts
from classifyd.corpus.splits import Portion
from classifyd.inbox.moves import shown
from classifyd.jobs import Annotate, Split, Suspect, TaskSpec
from classifyd.reports import JobReport, PartReport
from classifyd.service.blame import ENDS, narrowed
from classifyd.service.deaths import ATTEMPTS_ON_SUSPECTS, ATTEMPTS_PER_SPLIT
from classifyd.service.orders import SECONDS_PER_MIB_AND_TASK
from classifyd.service.work import answer_format
from classifyd.training import urls
from classifyd.values import Fault, ReadOptions, WriteOptions
from classifyd.workers import Terms
from classifyd.workers.demands import Demands
from classifyd.workers.keeper import fetched, without_main
from classifyd.workers.parcels import Parcel, Stored
from classifyd.workers.process import Died, Process
from classifyd.workers.shelf import Shelf, workshop


@dataclass(frozen=True, slots=True)
class Instructions:
    """What all portions have in common. `plan` names it: what the bytes of the answers depend on."""

    target: str
    plan: str
    tasks: tuple[TaskSpec, ...]
    format: str
    reading: ReadOptions
    writing: WriteOptions
    terms: Terms
    demands: Demands
    threads: int
    device: str
    load_seconds: float
    record_seconds: float
    parcel: Parcel | None = None


class Labeller:
    """Called by Ray Data with portions as text; gives their receipts as text."""

    def __init__(self, instructions: Instructions, stored: Stored) -> None:
        without_main()
        self._told = instructions
        self._stored = stored
        self._hiring = ThreadPoolExecutor(1, "hires")  # a worker dies with the thread that made it
        self._folder = workshop()
        self._process: Process | None = None
        self._tasks: tuple[TaskSpec, ...] = ()
        self._target: Place | None = None

    def __call__(self, batch: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """The receipts of a batch of portions."""
        return {"receipt": [self._labelled(Portion.of(str(text))) for text in batch["portion"]]}

    def _labelled(self, portion: Portion) -> str:
        digest = portion.digest(self._told.plan)
        try:
            receipt = self._receipt(portion, Receipt(digest, portion.source, portion.output))
        except Exception as error:  # noqa: BLE001  # raised here, it would end the job of all
            fault = Fault.of(error)
            receipt = Receipt(digest, portion.source, portion.output, fault=(fault.type, fault.message))
        return receipt.text()

    def _receipt(self, portion: Portion, blank: Receipt) -> Receipt:
        if self._target is None:
            missing = "; ".join(map(str, self._told.demands.lacks(self._told.terms.admission)))
            if missing:
                return replace(blank, stop=f"a node {missing}")
            self._tasks = self._with_bundles()
            self._target = place(self._told.target)
        receipts = Receipts(self._target)
        number = receipts.ends(blank) + 1
        if number > ENDS:
            why = f"{shown(portion.name)}: its node, or the actor on it, ended {ENDS} times over it"
            return replace(blank, fault=("NodeEnded", why))
        receipts.keep(replace(blank, ends=number))  # before it is made, as the daemon's ledger has it
        receipt = blank
        try:
            receipt = self._made(portion, blank, self._target)
        finally:  # whatever came of it, nothing ended over it
            receipts.keep(receipt if receipt.sha256 else replace(blank, ends=number - 1))
        return receipt

    def _made(self, portion: Portion, blank: Receipt, target: Place) -> Receipt:
        with ExitStack() as stack:
            here = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portion-", dir=self._folder)))
            path = str(urls.fetch(portion.source, here)[0]) if urls.is_url(portion.source) else portion.source
            away = urls.is_url(self._told.target)
            part = here / "part" if away else Path(self._told.target, portion.output)
            name = shown(portion.name)
            split = Split("corpus", 0, path, name, f"label/{name}", str(part), portion.reader, portion.cut)
            report = self._annotated(split, portion.size)
            if report.unloadable or report.fault:
                faults = (*report.unloadable.values(), *filter(None, [report.fault]))
                return replace(blank, stop="; ".join(fault.message for fault in faults))
            found = report.parts[0]
            if found.fault is None and away:
                target.put(part, portion.output)
        if found.fault is not None:
            return replace(blank, fault=(found.fault.type, found.fault.message))
        return replace(
            blank,
            records=found.records,
            errors=found.errors,
            reviews=found.reviews,
            size=found.size,
            sha256=found.digest,
        )

    def _annotated(self, split: Split, size: int) -> JobReport:
        """The report of a split, its faulty records isolated by the same rule as the daemon's."""
        told = self._told
        seconds = told.load_seconds + told.record_seconds + SECONDS_PER_MIB_AND_TASK * size / 2**20 * len(self._tasks)
        suspects: tuple[Suspect, ...] = ()
        deaths = blind = 0
        while True:
            crumb_path = str(self._folder / "crumb")
            job = Annotate(
                (replace(split, suspects=suspects),),
                self._tasks,
                told.reading,
                answer_format(told.format, split.name),
                told.writing,
                crumb_path,
                told.threads,
                told.device,
            )
            try:
                if self._process is None:
                    self._process = self._hiring.submit(Process, told.terms, crumb_path).result()
                report = self._process.run(1, job, seconds)
            except Died as death:
                crumb = self._end()
                deaths += 1
                if crumb is not None and crumb.deed == "predicting" and deaths <= ATTEMPTS_ON_SUSPECTS:
                    reason = f"the worker died on it: {death}"
                    suspects = narrowed(suspects, crumb.task, crumb.ranges[0], reason)
                    continue
                blind += 1
                if blind >= ATTEMPTS_PER_SPLIT or deaths > ATTEMPTS_ON_SUSPECTS:
                    fault = Fault("WorkerDied", f"{split.name}: its worker died {deaths} times: {death}")
                    return JobReport((PartReport(split.claim, 0, fault=fault),))
                continue
            if report.worn:
                self._end()
            return report

    def _end(self) -> Any:
        """End the worker; the crumb that it left."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.end()
        crumb = process.crumb()
        process.close()
        return crumb

    def _with_bundles(self) -> tuple[TaskSpec, ...]:
        parcel = self._told.parcel
        if parcel is None:
            return self._told.tasks
        shelf = Shelf(fetched)
        return tuple(shelf.with_bundle(parcel, self._stored, spec) for spec in self._told.tasks)
