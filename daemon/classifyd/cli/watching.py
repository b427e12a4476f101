"""What `classifyd status --watch` shows below the counts: as the status page does, from the ledger and the outputs."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from classifyd.cli.screen import line, table
from classifyd.config import Config
from classifyd.errors import UnavailableError
from classifyd.ledger import LedgerView
from classifyd.metrics import Levels, Metrics
from classifyd.status import Status
from classifyd.web import Recent, Scene, Wish
from classifyd.web.documents import Documents
from classifyd.web.recent import OUTPUTS, Output
from classifyd.web.secret import Token

COLOURS = ("blue", "yellow", "green", "magenta", "cyan", "red")
BLOCKS = " ▁▂▃▄▅▆▇█"
BAR = 24
QUARANTINED = 5
HOUR_SECONDS = 3600.0
FIGURES = {"f1": "F1", "macro_f1": "macro F1", "accuracy": "accuracy", "calibration_error": "calibration error"}


class Watched:
    """What became of the inputs of the last hour, looked at again and again; each look reads only what is new."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.scene = Scene()
        self.metrics = Metrics()
        self.recent = Recent()
        self._documents = Documents(self, Token(""))
        self._until = 0.0

    def hand_over(self, _: Wish) -> bool:
        """Who watches changes nothing."""
        return False

    def look(self, found: Status) -> None:
        """See what is new; `found` are the counts of this moment."""
        self.scene = Scene(levels=Levels(serving=found.daemon.serving))
        with contextlib.suppress(UnavailableError):  # no daemon has ever run here
            self._remember()

    def summary(self) -> Iterator[RenderableType]:
        """Throughput, labels, models and the quarantine."""
        said = self._documents.status(entitled=True)
        yield from _throughput(said)
        yield from _labels(said["labels"])
        yield from _models(said["models"])
        yield from _quarantine(self._documents.quarantine())

    def results(self, lines: int) -> Iterator[RenderableType]:
        """The newest results, in so many lines at most."""
        yield from _results(self._documents.results()["results"], lines)

    def _remember(self) -> None:
        since = max(self._until, time.time() - HOUR_SECONDS)
        folders = {inbox.name: inbox.output for inbox in self.config.inboxes}
        with contextlib.closing(LedgerView(self.config.daemon.state / "ledger.sqlite")) as view:
            for inbox, at, total in view.finished_since(since):
                if at > self._until:
                    self.recent.worked(inbox, [total], at)
                    since = at
            if since > self._until:
                newest = [entry for entry in view.newest(OUTPUTS) if entry.claim.inbox in folders]
                self.recent.show(Output.of(entry, folders[entry.claim.inbox]) for entry in newest)
        self._until = since


def _throughput(said: Mapping[str, Any]) -> Iterator[RenderableType]:
    minutes = [sum(minute.values()) for minute in said["throughput"]]
    running, most = minutes.pop(), max(minutes)
    steps = len(BLOCKS) - 1
    plot = "".join(BLOCKS[-(-count * steps // most) if most else 0] for count in minutes)
    yield ""
    yield Text.assemble(
        ("Throughput", "bold"),
        f"  {sum(minutes):,} records in the last hour, {running:,} this minute; most in one: {most:,}",
    )
    yield Text.assemble(("60 min ago ", "dim"), (plot, "blue"), ("▏now", "dim"))


def _labels(mix: Mapping[str, Mapping[str, int]]) -> Iterator[RenderableType]:
    if mix:
        yield ""
        yield Text.assemble(("Labels", "bold"), "  of the last hour")
    width = max((len(task) for task in mix), default=0)
    for task, counts in sorted(mix.items()):
        total = sum(counts.values())
        shown = Text(f"{line(task):<{width}} ")
        for number, count in enumerate(counts.values()):
            shown.append("█" * round(BAR * count / total), COLOURS[number % len(COLOURS)])
        for number, (label, count) in enumerate(list(counts.items())[: len(COLOURS)]):
            shown.append(f"  {line(label)}", COLOURS[number % len(COLOURS)])
            shown.append(f" {100 * count / total:.1f} %")
        yield shown


def _models(models: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    measured = [one for one in models if one.get("figures")]
    if measured:
        columns = ("model", *FIGURES.values(), "test texts")
        rows = [
            (
                f"{one['task']}@{one['version']}",
                *(f"{one['figures'][key]:.3f}" if key in one["figures"] else "" for key in FIGURES),
                f"{one['figures']['examples']:,}" if "examples" in one["figures"] else "",
            )
            for one in measured
        ]
        yield ""
        yield table(columns, rows, right=columns[1:])


def _quarantine(lying: Mapping[str, Any]) -> Iterator[RenderableType]:
    if lying["total"]:
        yield ""
        files = f"{lying['total']:,} {'file' if lying['total'] == 1 else 'files'}"
        yield Text.assemble(("Quarantine", "bold"), f"  {files}; what is mended is tried again with: classifyd retry")
    for item in lying["items"][:QUARANTINED]:
        name = Text(f"{item['inbox']}/{line(item['name'])}  ", "red")
        yield _fitting(name.append(line(item["reason"] or "no reason is known"), "default"))


def _results(results: Sequence[Mapping[str, Any]], lines: int) -> Iterator[RenderableType]:
    if results and lines > 3:
        yield ""
        yield Text("Newest results", "bold")
        for one in results[: (lines - 2) // 2]:
            yield from _result(one)


def _result(one: Mapping[str, Any]) -> Iterator[RenderableType]:
    clock = time.strftime("%H:%M", time.localtime(one["at"]))
    about = Text.assemble((clock, "dim"), f" {one['inbox']}/", (line(one["source"]), "bold"))
    if "annotations" not in one:
        about.append(
            f"  {one['records']:,} records, {one['errors']:,} with errors, {one['reviews']:,} for review", "dim"
        )
        yield _fitting(about)
        return
    spans = []
    for task, answer in one["annotations"].items():
        spans += answer.get("spans", ())
        if answer.get("label") is not None:
            score = f" {answer['score']:.2f}" if isinstance(answer.get("score"), float) else ""
            style = "yellow" if answer.get("review") else ""
            doubt = " for review" if answer.get("review") else ""
            about.append(f"  {line(task)} ", "dim").append(f"{line(str(answer['label']))}{score}{doubt}", style)
        elif answer.get("review"):
            about.append(f"  {line(task)} ", "dim").append("for review", "yellow")
    for task, fault in one["faults"].items():
        about.append(f"  {line(task)}: {line(fault)}", "red")
    yield _fitting(about)
    if one["text"]:
        yield _fitting(_marked(one["text"], spans))


def _marked(text: str, spans: Sequence[Mapping[str, Any]]) -> Text:
    """A text on one line, with its spans in a colour for each label."""
    colours: dict[str, str] = {}
    made, place = Text("      "), 0
    for span in sorted(spans, key=lambda span: int(span["start"])):
        if span["start"] < place:
            continue
        label = line(str(span["label"]))
        colour = colours.setdefault(label, COLOURS[len(colours) % len(COLOURS)])
        made.append(_flat(text[place : span["start"]]))
        made.append(_flat(text[span["start"] : span["end"]]), f"{colour} underline").append(
            f" {label}", f"{colour} dim"
        )
        place = span["end"]
    return made.append(_flat(text[place:]))


def _flat(text: str) -> str:
    """Printable, and on one line."""
    return line("".join(" " if sign in "\r\n\t" else sign for sign in text))


def _fitting(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
