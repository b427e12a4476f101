"""`classifyd explain`: why a record got its answers."""
# ruff: noqa: PLC0415  # imports wait until the command runs, so that --help is quick

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifyd.cli.options import ConfigOption, JsonOption, load_settings, with_shipped_models

if TYPE_CHECKING:
    from classifyd.cli.explaining import Answered
    from classifyd.config import Config
    from classifyd.pipeline.explaining import Explained
    from classifyd.plugins import Registry
    from classifyd.values import Annotation, Record

SAME_SCORE = 1e-6
"""Scores nearer than this are the same: outputs have six digits."""


def explain(
    record: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A record's id; or an output or input, by its path or as INBOX/NAME, with # and the record's number.",
            show_default=False,
        ),
    ],
    tasks: Annotated[
        list[str] | None, typer.Option("--task", "-t", metavar="TASK", help="This task alone, repeatable.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The input, where it is not any more where it was put.")
    ] = None,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say why a record got its answers: windows, scores, calibration, thresholds. Exit 1 if a task cannot say it.

    It is read and answered once more, by the versions that answered it then, and compared with the output.

    Of an input that has no answer it says what became of it.

    Example: [bold]classifyd explain 'mail/offer.eml.jsonl#0' --task spam[/bold]
    """
    from classifyd import plugins
    from classifyd.cli import explaining
    from classifyd.cli.screen import say_json, show
    from classifyd.config.sentences import nearest
    from classifyd.errors import UsageError

    settings = with_shipped_models(load_settings(config))
    found = explaining.find(record, settings)
    for task in tasks or ():
        if task not in found.versions:
            raise UsageError(f"--task {task}: did not answer this record.{nearest(task, list(found.versions))}")
    registry = plugins.load(settings.plugins)
    read, where = explaining.record_of(found, registry, source)
    chosen = [task for task in found.versions if not tasks or task in tasks]
    answers = {task: _explained(task, found, read, registry, settings) for task in chosen}
    documents = {task: _document(task, answer, found) for task, answer in answers.items()}
    if json:
        say_json({"schema": "classifyd-explanation/1", "id": found.id, "read_from": where, "tasks": documents})
    else:
        show(f"{found.id}, read from {where}", *(part for task in chosen for part in _page(task, documents[task])))
    raise typer.Exit(int(any("error" in document for document in documents.values())))


def _explained(
    task: str, found: "Answered", record: "Record", registry: "Registry", config: "Config"
) -> "Explained | str":
    """What a task has to say, or why it cannot."""
    from classifyd.bundles import Store
    from classifyd.pipeline.border import Border
    from classifyd.pipeline.choosing import Chooser
    from classifyd.pipeline.explaining import explain
    from classifyd.pipeline.loading import Predictors
    from classifyd.service.choices import Choices
    from classifyd.service.tasks import spec

    border, device, threads = Border(), config.daemon.device, config.daemon.threads
    chooser = Chooser(registry, border, device, threads)
    known = Choices(config.daemon.state).known
    pinned = chooser.with_recalled(spec(task, found.versions[task], Store(config.models), config), known)
    try:
        return explain(Predictors(registry, border).get(pinned, device, threads), record, border)
    except Exception as error:  # noqa: BLE001  # a task is foreign code: its fault is told as its own
        return str(error) or type(error).__name__


# ---------------------------------------------------------------------- as JSON


def _document(task: str, answer: "Explained | str", found: "Answered") -> dict[str, Any]:
    if isinstance(answer, str):
        return {"error": answer}
    from dataclasses import asdict

    explanation = answer.explanation
    return {
        "model": answer.model,
        "runtime": answer.runtime,
        **_said(answer.answer),
        "before_calibration": _said(explanation.plain),
        "calibration": dict(explanation.calibration),
        "windows": [{**asdict(window), "scores": dict(window.scores)} for window in explanation.windows],
        "decisions": [{**asdict(one), "doubtful": one.doubtful} for one in answer.decisions],
        "review": answer.answer.review,
        "differs": _difference(task, answer, found),
    }


def _said(answer: "Annotation") -> dict[str, Any]:
    if answer.spans is not None:
        spans = [{"start": s.start, "end": s.end, "label": s.label, "score": s.score} for s in answer.spans]
        return {"spans": spans}
    return {"scores": {label.label: label.score for label in answer.labels}}


def _difference(task: str, answer: "Explained", found: "Answered") -> str | None:
    """How the output says something else, in a sentence; None if it says the same."""
    if found.said is None:
        return f"{found.output} is gone or is no JSON Lines: there is nothing to compare with"
    try:
        return _other(found.said["annotations"].get(task), answer)
    except (AttributeError, KeyError, TypeError):
        return f"{found.output} is not as it was written: there is nothing to compare with"


def _other(said: Mapping[str, Any] | None, answer: "Explained") -> str | None:
    if said is None:
        return "the output has no answer of this task: it failed on the record then"
    if said["model"] != answer.model:
        return f"the output was answered by {said['model']}, and this by {answer.model}"
    before, now = _scores(said), _scores(_said(answer.answer))
    if before.keys() != now.keys():
        return f"the output says {_named(before)}: made by another runtime or processor, or of another text"
    apart = max((abs(score - now[what]) for what, score in before.items()), default=0.0)
    if apart > SAME_SCORE:
        return f"the output's scores are off by up to {apart:.6f}: made by another runtime or processor"
    if said["review"] != answer.answer.review:
        return f"the output has it {'' if said['review'] else 'not '}for review: thresholds were changed since"
    return None


def _scores(said: Mapping[str, Any]) -> dict[Any, float]:
    """An answer, of an output or of now, as scores by what has them."""
    if "spans" in said:
        return {(span["start"], span["end"], span["label"]): span["score"] for span in said["spans"]}
    return dict(said["scores"])


def _named(scores: Mapping[Any, float]) -> str:
    names = [what if isinstance(what, str) else f"{what[2]} at {what[0]}-{what[1]}" for what in scores]
    return ", ".join(names) or "nothing"


# ---------------------------------------------------------------------- for people


def _page(task: str, document: Mapping[str, Any]) -> Iterator[Any]:
    from classifyd.cli.screen import line

    yield ""
    if "error" in document:
        yield f"{task}: {line(document['error'])}"
        return
    yield f"{document['model']}{' on ' + document['runtime'] if document['runtime'] else ''}"
    yield from _answer(document)
    yield from (f"  {_decided(one)}" for one in document["decisions"])
    yield f"  {'for review' if document['review'] else 'not for review'}"
    yield from _windows(document["windows"])
    yield f"  {document['differs'] or 'as the output says'}"


def _answer(document: Mapping[str, Any]) -> Iterator[Any]:
    """Each label or span with its score, after and before calibration."""
    from classifyd.cli.screen import table

    after, before = _scores(document), _scores(document["before_calibration"])
    rows = [(_named({what: 0.0}), f"{score:.6f}", f"{before.get(what, 0.0):.6f}") for what, score in after.items()]
    yield table(("answer", "score", "before calibration"), rows, right=("score", "before calibration"))
    numbers = ", ".join(f"{name} {value:g}" for name, value in document["calibration"].items())
    if numbers:
        yield f"  calibrated by {numbers}"


def _decided(one: Mapping[str, Any]) -> str:
    score = f"{one['label']}: {one['score']:.6f}"
    if not one["threshold"]:
        return f"{score}, and nothing asks for more"
    asked = f"{one['threshold']:g} that {one['asked_by']} asks for"
    return f"{score} is {'less than' if one['doubtful'] else 'not less than'} the {asked}"


def _windows(windows: list[dict[str, Any]]) -> Iterator[Any]:
    from classifyd.cli.screen import table

    if not windows:
        return
    labels = list(windows[0]["scores"])
    rows = [
        (
            f"{one['start']}-{one['end']}",
            one["tokens"],
            f"{one['weight']:.3f}",
            *(f"{one['scores'][x]:.4f}" for x in labels),
        )
        for one in windows
    ]
    columns = ("characters", "tokens", "weight", *labels)
    yield f"  {len(windows)} {'window' if len(windows) == 1 else 'windows'}, and what each says by itself:"
    yield table(columns, rows, right=columns[1:])
