"""What was found out about a model, as Markdown. Texts of the data appear among the worst errors, or nowhere."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from classifyd_bert.figures import Figures, ForLabel
from classifyd_bert.findings import Error, Findings
from classifyd_bert.markdown import code, plain, table
from classifyd_bert.promises import Kept, Thresholds, reviewed

MOST_LABELS = 12
"""Labels up to which tables have a row, or a column, for each of them everywhere."""

ERRORS = 20
CONFUSIONS = 20
FIGURES = ("precision", "recall", "F1", "support")

MOST_LABELS_DRAWN = 30
"""Labels that a confusion matrix shows; of more, those with the most errors."""

Section = tuple[str, list[str]]


def of_trial(
    found: Findings, thresholds: Thresholds, promises: Sequence[Kept], plots: Collection[str], *, texts: bool
) -> str:
    """The report of a model on whatever texts; `promises` as these texts keep those that its training made."""
    return joined(
        [
            ("Result", result(found, "given")),
            *measured(found, thresholds, plots),
            ("Promises", kept_promises([(None, kept) for kept in promises])),
            ("Worst errors", worst_errors(found, texts=texts)),
        ]
    )


def measured(found: Findings, thresholds: Thresholds, plots: Collection[str]) -> list[Section]:
    """The sections of figures: by label, source and length; confusion, curves, scores."""
    return [
        ("By label", _by_label(found)),
        ("By source", _by_source(found)),
        ("By length", _parts("characters", found.by_length)),
        ("Confusion", _confusion(found, plots)),
        ("Precision and recall", _curves(found, plots)),
        ("Scores", _scores(found, thresholds, plots)),
    ]


def joined(sections: Iterable[Section]) -> str:
    """The sections that hold anything, each under its title."""
    return "\n".join(line for title, lines in sections if lines for line in (f"## {title}", "", *lines))


def result(found: Findings, name: str) -> list[str]:
    """The one sentence that everybody reads."""
    whole = found.whole
    said = (
        f"span F1 **{whole.f1:.4f}** (start, end and label right)"
        if whole.accuracy is None
        else f"accuracy **{whole.accuracy:.4f}**, macro F1 **{whole.f1:.4f}**"
    )
    error = f"expected calibration error **{found.calibration_error:.4f}**"
    return [f"On the {len(found.examples):,} texts of the {name} set: {said}; {error}.", ""]


def _by_label(found: Findings) -> list[str]:
    rows = [(plain(one.label), *_figures(one)) for one in found.whole.labels]
    if len(rows) <= MOST_LABELS:
        return table((":label", *FIGURES), rows)
    worst = sorted(found.whole.labels, key=lambda one: one.f1)
    rows = [(plain(one.label), *_figures(one)) for one in worst]
    return ["Those with the lowest F1 first.", "", *table((":label", *FIGURES), rows)]


def _figures(one: ForLabel) -> tuple[str, ...]:
    return f"{one.precision:.4f}", f"{one.recall:.4f}", f"{one.f1:.4f}", f"{one.support:,}"


def _by_source(found: Findings) -> list[str]:
    if len(found.by_source) < 2:
        return []
    lines = _parts("source", found.by_source)
    if len(found.labels) > MOST_LABELS:
        return lines
    rows = [
        (plain(source), plain(one.label), *_figures(one))
        for source, part in found.by_source.items()
        for one in part.labels
        if one.support
    ]
    return [*lines, *table((":source", ":label", *FIGURES), rows)]


def _parts(what: str, parts: Mapping[str, Figures]) -> list[str]:
    """A row for each part of the texts."""
    spans = any(part.accuracy is None for part in parts.values())
    rows = [
        (plain(name), f"{part.examples:,}", *(f"{one:.4f}" for one in (part.accuracy, part.f1) if one is not None))
        for name, part in parts.items()
    ]
    return table((f":{what}", "texts", *(("span F1",) if spans else ("accuracy", "macro F1"))), rows)


def _confusion(found: Findings, plots: Collection[str]) -> list[str]:
    confusion, labels = found.whole.confusion, found.labels
    if not confusion:
        return []
    lines = []
    if len(labels) <= MOST_LABELS:
        rows = [(plain(label), *(f"{n:,}" for n in row)) for label, row in zip(labels, confusion, strict=True)]
        lines = table((":right \\ given", *map(plain, labels)), rows)
    else:
        pairs = [(plain(right), plain(given), f"{count:,}") for right, given, count in found.confusions(CONFUSIONS)]
        lines = ["The commonest confusions:", "", *table((":right", ":given", "texts"), pairs)] if pairs else []
    most = f"The {MOST_LABELS_DRAWN} labels with the most errors; the" if len(labels) > MOST_LABELS_DRAWN else "The"
    return [*lines, *plot("confusion.png", "Confusion matrix", f"{most} darker, the more of its row.", plots)]


def _curves(found: Findings, plots: Collection[str]) -> list[str]:
    curves = found.curves()
    if not curves:
        return []
    pooled = curves[0]
    return [
        f"Area below the curve of all labels together (average precision): {pooled.average:.4f}.",
        "",
        *plot("precision_recall.png", "Precision-recall curve", "As the threshold falls from left to right.", plots),
    ]


def _scores(found: Findings, thresholds: Thresholds, plots: Collection[str]) -> list[str]:
    if not found.scores:
        return []
    named = "; ".join(f"{plain(label)} {score:.4f}" for label, score in sorted(thresholds.labels.items()))
    error = f"Expected calibration error {found.calibration_error:.4f}"
    said = [
        f"{error}: how far, on the mean, scores lie from the share that is right of the answers with such scores.",
        "" if found.marks_spans else f"Answers with a score under {thresholds.review:g} are for review.",
        f"Labels with a threshold of their own: {named}." if named else "",
        _standing(found, thresholds),
    ]
    legend = "Scores against the share that is right, and how many answers have them."
    return [*filter(None, said), "", *plot("reliability.png", "Reliability diagram", legend, plots)]


def _standing(found: Findings, thresholds: Thresholds) -> str:
    """What is for review, and how right the rest is; nothing where no answer can be for review."""
    if found.marks_spans and not thresholds.labels:
        return "Spans have no threshold: none is for review."
    spans = found.marks_spans
    said = [one for answer in found.answers for one in (answer.spans or () if spans else answer.labels[:1])]
    standing = [
        hit
        for one, hit in zip(said, found.right, strict=True)
        if one.score >= thresholds.of(one.label, marks_spans=spans)
    ]
    review = reviewed(thresholds, found.examples, found.answers)
    right, kind = sum(standing) / max(len(standing), 1), "spans" if spans else "answers"
    return f"For review are {review:.1%} of the texts; of the {kind} that stand {right:.2%} are right."


def kept_promises(promises: Sequence[tuple[Kept | None, Kept | None]]) -> list[str]:
    """How each promise is kept by the evaluation set (None for texts that are none) and by the texts measured on."""
    if not promises:
        return []
    rows = [
        _kept(kept, name)
        for pair in promises
        for name, kept in zip(("evaluation" if pair[0] else "", "test" if pair[0] else "given"), pair, strict=True)
        if kept
    ]
    columns = (":promise", ":set", ":kept", "share", "95 % interval", "recall", "without thresholds", "for review")
    return [
        *table(columns, rows),
        "Of the answers that stand; the interval is what the number of texts leaves likely (Clopper-Pearson).",
        "",
    ]


def _kept(kept: Kept, name: str) -> tuple[str, ...]:
    return (
        plain(str(kept.promise)),
        name,
        "yes" if kept.share >= kept.promise.share else "**no**",
        f"{kept.share:.4f} ({kept.hits:,} of {kept.among:,})",
        f"{kept.low:.4f} to {kept.high:.4f}",
        f"{kept.recall:.4f}",
        f"{kept.recall_without:.4f}",
        f"{kept.review:.1%}",
    )


def worst_errors(found: Findings, *, texts: bool) -> list[str]:
    """What the model got wrong and was surest of, with or without what the texts say."""
    errors = found.errors(ERRORS)
    if not errors:
        return ["None.", ""]
    columns = ("text", ":source", "characters", ":right", ":given", "score", *((":what it says",) if texts else ()))
    said = "" if texts else " Their texts were left out when the report was made."
    return [
        f"The {len(errors)} that the model was surest of; the number is the text's place in the set.{said}",
        "",
        *table(columns, [_error(error, texts=texts) for error in errors]),
    ]


def _error(error: Error, *, texts: bool) -> tuple[str, ...]:
    return (
        f"{error.number:,}",
        plain(error.source),
        f"{error.characters:,}",
        plain(error.right),
        plain(error.given),
        "" if error.score is None else f"{error.score:.3f}",
        *((code(_marked(error)),) if texts else ()),
    )


def _marked(error: Error) -> str:
    """The text with brackets around the span at fault."""
    if error.span is None:
        return error.text
    start, end = error.span
    return f"{error.text[:start]}⟦{error.text[start:end]}⟧{error.text[end:]}"


def plot(name: str, title: str, legend: str, plots: Collection[str]) -> list[str]:
    """A plot with a line below it, if it was drawn."""
    return [f"![{title}]({name})", "", legend, ""] if name in plots else []
