"""What runs in the process of a trial: it loads the plugin and makes the checks, telling of each before and after.

The process that asked takes silence or an end for an answer, too: whatever a plugin does here is a finding.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Container, Iterator
from importlib.metadata import EntryPoint, entry_points

from classifyd import logs, plugins
from classifyd.conformance.findings import Failed, Noted, Request, Skipped, Verdict
from classifyd.conformance.reading import ReaderChecks
from classifyd.conformance.tasks import TaskChecks, watch_unpickling
from classifyd.conformance.writing import ObserverChecks, WriterChecks
from classifyd.offers import OWN
from classifyd.pipeline.border import Border, said
from classifyd.plugins import GROUP, Registry
from classifyd.readers import spool
from classifyd.workers.line import framed
from classifyd.workers.worker import Terms, settle

LOADING = "loads"
"""The check that all others of its subject stand on."""

Check = tuple[str, str, Callable[[], str]]
"""What is checked, the check's name, and how to make it."""


def run(line: socket.socket, parent: int, request: Request, done: int, lost: frozenset[str]) -> None:
    """Make the checks from number `done` on and tell of them over the line; none of the subjects in `lost`."""
    settle(parent, Terms(memory_bytes=request.memory_bytes, reserving=request.device != "cpu"))
    logs.configure()
    unpickled: list[str] = []
    watch_unpickling(unpickled)
    border = Border(worker=True)
    border.keep((0, 1, 2, line.fileno()))
    line.set_inheritable(False)
    _tell(line, {"begun": "import"})
    began = time.monotonic()
    registry = plugins.load(points=_points(request.points, request.distribution))
    problems = [offer.problem for offer in registry.offers.plugins if offer.problem]
    if problems:
        _tell(line, {"subject": "plugin", "check": "import", "verdict": "failed", "said": "; ".join(problems)})
    elif done == 0:
        text = f"in {time.monotonic() - began:.2f} s"
        _tell(line, {"subject": "plugin", "check": "import", "verdict": "passed", "said": text})
    unpickled.clear()  # what a library's import unpickles is no model
    for number, (subject, name, check) in enumerate(_checks(registry, request, border, unpickled)):
        if number < done:
            continue
        _tell(line, {"begun": number, "subject": subject, "check": name})
        verdict, text, seconds = ("skipped", "it ended its process while it was loaded", 0.0)
        if subject not in lost:
            verdict, text, seconds = _made(check, border)
        found = {"number": number, "verdict": verdict, "said": text, "seconds": round(seconds, 3)}
        _tell(line, {"subject": subject, "check": name, **found})
    _tell(line, {"end": True})


def _points(names: Container[str], distribution: str) -> list[EntryPoint]:
    """Entry points of one distribution: no other plugin is imported."""
    found = entry_points(group=GROUP)
    return [point for point in found if point.name in names and (point.dist and point.dist.name) == distribution]


def _checks(registry: Registry, request: Request, border: Border, unpickled: list[str]) -> Iterator[Check]:
    """Every check of everything that is offered, always in the same order."""
    for task in registry.tasks.values():
        checks = TaskChecks(task, registry, request, border, unpickled).all()
        yield from ((f"task {task.name}", name, check) for name, check in checks)
    for reader in registry.readers:
        if reader.name != spool.NAME:  # which reads what we have written ourselves
            checks = ReaderChecks(reader, request.samples, border).all()
            yield from ((f"reader {reader.name}", name, check) for name, check in checks)
    # What a writer writes is read again, by the plugin's own readers or by ours.
    known = (*registry.readers, *plugins.load(points=_points(("readers",), OWN)).readers) if registry.writers else ()
    for writer in registry.writers.values():
        checks = WriterChecks(writer, known, border).all()
        yield from ((f"writer {writer.format}", name, check) for name, check in checks)
    yield from (("observer", name, check) for name, check in ObserverChecks(registry, border).all())


def _made(check: Callable[[], str], border: Border) -> tuple[Verdict, str, float]:
    began = time.monotonic()
    verdict: Verdict = "passed"
    try:
        text = check()
    except Failed as finding:
        verdict, text = "failed", str(finding)
    except Noted as finding:
        verdict, text = "noted", str(finding)
    except Skipped as finding:
        verdict, text = "skipped", str(finding)
    except BaseException as error:  # noqa: BLE001  # a plugin is foreign code: SystemExit is a finding like any other
        border.look(error)
        verdict, text = "failed", f"{type(error).__name__}: {said(error)}"
    return verdict, text, time.monotonic() - began


def _tell(line: socket.socket, message: dict[str, object]) -> None:
    pid = os.getpid()
    line.sendall(framed(json.dumps({**message, "pid": pid}).encode()))
