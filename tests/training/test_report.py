"""The report: what it says, that a person can read it, and that no text of the data does anything in it."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from classifyd.api import Annotation, Example, Label, Span
from classifyd.training import page
from classifyd_bert import findings, markdown, plots, report
from classifyd_bert.findings import Findings
from classifyd_bert.promises import Promise, Thresholds, kept

NASTY = "<script>alert(1)</script> | `code` [link](http://evil) ![x](http://evil/x.png) \x1b[31m \u202eback"


def labelled(labels: Sequence[str], count: int, share: float, seed: int = 1) -> Findings:
    """Answers of which about that share is right, with a sure wrong one to a nasty text."""
    chance = random.Random(seed)
    examples, answers = [], []
    for place in range(count):
        right = labels[place % len(labels)]
        others = [label for label in labels if label != right]
        said = right if chance.random() < share else chance.choice(others)
        score = chance.uniform(0.5, 0.95)
        examples.append(Example("some words " * (place % 70), right, source="ab"[place % 2]))
        second = next(label for label in labels if label != said)
        answers.append(Annotation(labels=(Label(said, score), Label(second, 1 - score))))
    examples.append(Example(NASTY, labels[0], source="a"))
    answers.append(Annotation(labels=(Label(labels[1], 0.999),)))
    return findings.of(examples, answers, labels)


def marked() -> Findings:
    examples = [
        Example("Anna flew to Rome.", spans=(Span(0, 4, "PER", 1.0), Span(13, 17, "LOC", 1.0)), source="a"),
        Example("Nobody said so.", spans=(), source="a"),
        Example("Bonn is quiet", spans=(Span(0, 4, "LOC", 1.0),), source="b"),
    ]
    answers = [
        Annotation(spans=(Span(0, 4, "PER", 0.9), Span(13, 18, "LOC", 0.6))),
        Annotation(spans=(Span(0, 6, "PER", 0.8),)),
        Annotation(spans=()),
    ]
    return findings.of(examples, answers, ["LOC", "PER"])


def written(found: Findings, folder: Path, texts: bool = True) -> str:
    pictures = plots.draw(found, (), folder)
    return report.of_trial(found, Thresholds(0.8, {}), [], pictures, texts=texts)


def test_figures_are_told_by_label_source_and_length(tmp_path: Path) -> None:
    found = labelled(["ham", "spam"], 400, 0.9)
    said = written(found, tmp_path)
    for title in ("Result", "By label", "By source", "By length", "Confusion", "Scores", "Worst errors"):
        assert f"## {title}\n" in said
    assert f"accuracy **{found.whole.accuracy:.4f}**" in said
    assert sum(figures.examples for figures in found.by_length.values()) == 401
    assert "| 0 to 80 |" in said


def test_the_worst_errors_are_those_the_model_was_surest_of(tmp_path: Path) -> None:
    found = labelled(["ham", "spam"], 400, 0.8)
    errors = found.errors(20)
    assert len(errors) == 20
    assert (errors[0].text, errors[0].given, errors[0].score) == (NASTY, "spam", 0.999)
    scores = [error.score for error in errors]
    assert scores == sorted(scores, reverse=True)
    assert "alert(1)" in written(found, tmp_path)


def test_no_word_of_the_data_is_in_a_report_without_texts(tmp_path: Path) -> None:
    said = written(labelled(["ham", "spam"], 100, 0.8), tmp_path, texts=False)
    assert "| 0.999 |" in said
    assert "alert" not in said
    assert "some words" not in said


def test_wrong_and_missed_spans_are_shown_where_they_stand() -> None:
    errors = marked().errors(20)
    assert [(error.right, error.given, error.score) for error in errors] == [
        ("nothing", "PER 0-6", 0.8),
        ("LOC 13-17", "LOC 13-18", 0.6),
        ("LOC 0-4", "nothing", None),
    ]
    assert report._marked(errors[1]) == "Anna flew to ⟦Rome.⟧"


def test_precision_and_recall_are_counted_as_the_threshold_falls() -> None:
    pooled, loc, per = marked().curves()
    assert (loc.precision, loc.recall) == ((0.0,), (0.0,))
    assert (per.precision, per.recall, per.average) == ((1.0, 0.5), (1.0, 1.0), 1.0)
    assert pooled.recall[-1] == pytest.approx(1 / 3)


def test_average_precision_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score

    found = labelled(["ham", "spam"], 300, 0.8)
    spam = found.curves()[2]
    scores = [sum(one.score for one in answer.labels if one.label == "spam") for answer in found.answers]
    assert spam.average == pytest.approx(average_precision_score([e.label == "spam" for e in found.examples], scores))


def test_promises_are_held_against_the_answers(tmp_path: Path) -> None:
    found = labelled(["ham", "spam"], 400, 0.9)
    thresholds = Thresholds(0.8, {"spam": 0.7})
    promise = kept(Promise("spam", "precision", 0.999), thresholds, found.examples, found.answers)
    said = report.of_trial(found, thresholds, [promise], (), texts=False)
    assert "| spam precision 0.999 | given | **no** |" in said
    assert "spam 0.7000" in said


@pytest.mark.parametrize("count", [2, 30, 77, 150])
def test_plots_are_drawn_for_few_labels_and_for_many(tmp_path: Path, count: int) -> None:
    labels = [f"$label_{number}$" for number in range(count)]
    found = labelled(labels, 6 * count, 0.9)
    pictures = plots.draw(
        found, [{"epoch": 1.0, "loss": 0.5, "f1": 0.8}, {"epoch": 2.0, "loss": 0.4, "f1": 0.9}], tmp_path
    )
    assert set(pictures) == {"epochs.png", "confusion.png", "precision_recall.png", "reliability.png"}
    width, height = size(pictures["confusion.png"])
    assert max(width, height) < 1500
    assert len(plots._worst_labels(found)) == min(count, 30)
    said = written(found, tmp_path)
    assert max(map(len, said.splitlines())) < 1000


def test_the_labels_in_the_matrix_are_those_with_the_most_errors() -> None:
    labels = [f"label{number}" for number in range(40)]
    examples = [Example("x", label) for label in labels for _ in range(3)]
    wrong = {"label7": "label39", "label12": "label3"}
    answers = [Annotation(labels=(Label(wrong.get(str(e.label), str(e.label)), 0.9),)) for e in examples]
    shown = {labels[place] for place in plots._worst_labels(findings.of(examples, answers, labels))}
    assert {"label7", "label39", "label12", "label3"} < shown


def test_the_same_figures_give_the_same_plots(tmp_path: Path) -> None:
    found = labelled(["ham", "spam"], 100, 0.9)
    first, second = (plots.draw(found, (), tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in first.values()] == [path.read_bytes() for path in second.values()]


def size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file, from its head."""
    head = path.read_bytes()[16:24]
    return int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")


# ---------------------------------------------------------------------- the page


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    found = labelled(["ham", "spam"], 100, 0.9)
    pictures = plots.draw(found, (), tmp_path)
    made = page.of("spam", report.of_trial(found, Thresholds(0.8, {}), [], pictures, texts=True), pictures)
    assert made.count('<img src="data:image/png;base64,') == 3
    assert re.findall(r'(?:src|href)="(?!data:)[^"]*"', made) == []
    assert "prefers-color-scheme: dark" in made
    assert "<h2>By label</h2>" in made
    assert "<td style=" in made


def test_a_text_of_the_data_stays_a_text_on_the_page() -> None:
    made = page.of("x", "\n".join(markdown.table((":text", "n"), [(markdown.code(NASTY), "1")])), {})
    assert "<script" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | `code` [link](http://evil)" in made
    assert "<img" not in made
    assert "<a " not in made
    assert made.count("<td") == 2
    assert "\x1b" not in made
    assert "\u202e" not in made


@pytest.mark.parametrize("text", ["a|b", "`", "``x`", "", " ", "\\|", "<b>", "*x*", "a\n\nb", "x" * 1000, "|" * 300])
def test_any_text_is_one_cell(text: str) -> None:
    for shown in (markdown.code(text), markdown.plain(text)):
        made = page.of("x", "\n".join(markdown.table((":text", "n"), [(shown, "1")])), {})
        assert made.count("<td") == 2
        assert made.count("<tr") == 2


def test_an_image_that_is_no_plot_is_left_out() -> None:
    assert "<img" not in page.of("x", "![x](http://evil/x.png) ![y](/etc/passwd)", {})
