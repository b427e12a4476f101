import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import tiny

from classifyd import plugins
from classifyd.api import Setup, TextLengths, TrainingError, TrainingSets, TrainSetup
from classifyd.bundles import Store
from classifyd.training import Columns, Survey, TrainOptions, encoding, evaluate, prepare, survey
from classifyd.values import Example

Write = Callable[[str, Iterable[dict[str, object]]], Path]
LONG = "the quick brown fox jumps over the lazy dog and runs home to its den"


class Counting:
    """A task whose tokens are words."""

    name = "spam"

    def load(self, setup: object) -> Any:
        raise NotImplementedError

    def train(self, sets: TrainingSets, setup: TrainSetup) -> Any:
        raise NotImplementedError

    def measure(self, texts: list[str], setup: TrainSetup) -> TextLengths:
        return TextLengths(tuple(len(text.split()) for text in texts), window=8)


def rows(label: str, count: int) -> list[dict[str, object]]:
    """Texts that no two have three words in common."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"{first}{second}{label}" for first in letters for second in letters]
    return [{"text": " ".join(names[5 * place : 5 * place + 5]), "label": label} for place in range(count)]


@pytest.fixture
def look(write_jsonl: Write, tmp_path: Path) -> Callable[..., Survey]:
    """The survey of rows, and of an evaluation and a test set if there are any."""

    def look(
        train: list[dict[str, object]],
        evaluation: list[dict[str, object]] | None = None,
        test: list[dict[str, object]] | None = None,
        **changes: Any,
    ) -> Survey:
        names = {"train": train, "evaluation": evaluation, "test": test}
        paths = {name: (str(write_jsonl(f"{name}.jsonl", some)),) for name, some in names.items() if some}
        options = TrainOptions(
            paths["train"], tmp_path, "any", paths.get("evaluation", ()), paths.get("test", ()), **changes
        )
        return prepare(Counting(), options, plugins.load().readers).survey

    return look


def found(looked_at: Survey, name: str) -> list[survey.Finding]:
    return [one for one in looked_at.findings if one.name == name]


def test_sound_data_gives_counts_of_each_label_and_set_and_no_warning(look: Callable[..., Survey]) -> None:
    seen = look(rows("ham", 70) + rows("spam", 70))
    assert {one.name: dict(one.labels) for one in seen.counts} == {
        "training": {"ham": 56, "spam": 56},
        "evaluation": {"ham": 7, "spam": 7},
        "test": {"ham": 7, "spam": 7},
    }
    assert (seen.findings, seen.refusal) == ((), None)


def test_copies_are_counted_with_examples(look: Callable[..., Survey]) -> None:
    ham = rows("ham", 70)
    copies = [{**ham[0]}, {**ham[0], "text": f"{ham[0]['text']}!"}, {"text": " ", "label": "ham"}]
    seen = look(ham + rows("spam", 70) + copies)
    [copied], [empty] = found(seen, "copies"), found(seen, "empty")
    assert (copied.number, copied.samples) == (2, (ham[0]["text"],))
    assert "2 second copies (1 to the letter" in copied.text
    assert empty.number == 1


def test_texts_under_two_labels_are_shown_with_both(look: Callable[..., Survey]) -> None:
    ham = rows("ham", 70)
    seen = look([*ham, *rows("spam", 70), {**ham[3], "label": "spam"}])
    [torn] = found(seen, "two_labels")
    assert (torn.number, torn.samples) == (1, (f"{ham[3]['text']} (ham, spam)",))


def test_near_duplicates_are_counted_in_groups(look: Callable[..., Survey]) -> None:
    near: list[dict[str, object]] = [{"text": f"{LONG} {word}", "label": "ham"} for word in ("one", "two", "three")]
    [group] = found(look(rows("ham", 70) + rows("spam", 70) + near), "near_duplicates")
    assert group.number == 3
    assert "in 1 groups" in group.text
    assert not group.warning


def test_leaks_between_given_sets_are_counted_and_told_apart(look: Callable[..., Survey]) -> None:
    train = [*rows("ham", 70), *rows("spam", 70), {"text": LONG, "label": "ham"}]
    evaluation = [{"text": LONG.upper(), "label": "ham"}, {"text": f"{LONG} again", "label": "ham"}]
    test = [{"text": f"{LONG} once more", "label": "ham"}, {"text": "nothing like it at all", "label": "spam"}]
    seen = look(train, evaluation, test)
    [first], [second], [third] = (
        found(seen, f"leak_{names}") for names in ("training_evaluation", "training_test", "evaluation_test")
    )
    assert (first.number, second.number, third.number) == (2, 1, 1)
    assert "2 texts of the evaluation set (100.0%) stand in the training set too, 1 of them" in first.text
    assert "left out of training" in first.text
    assert "flatter" in third.text
    assert seen.counts[0].labels["ham"] == 70


def test_tokens_are_summed_up_with_the_share_that_needs_windows(look: Callable[..., Survey]) -> None:
    long: list[dict[str, object]] = [{"text": f"{row['text']} " * 3, "label": "spam"} for row in rows("spam", 20)]
    seen = look(rows("ham", 80) + long)
    assert seen.lengths == survey.Spread(median=5, ninety_fifth=15, longest=15, window=8, over=20, texts=100)
    assert "20 (20.0%) over 8 are read in windows" in "\n".join(seen.lines())


@pytest.mark.parametrize(
    ("text", "name", "shown"),
    [
        ("a caf\u00c3\u00a9 in town", "mojibake", "a caf\u00c3\u00a9 in town"),
        ("it\u00e2\u20ac\u2122s late", "mojibake", "it\u00e2\u20ac\u2122s late"),
        ("\u00d0\u0178\u00d1\u20ac", "mojibake", "\u00d0\u0178\u00d1\u20ac"),
        ("\u00f0\u0178\u02dc\u20ac", "mojibake", "\u00f0\u0178\u02dc\u20ac"),
        ("what \ufffd was it", "replacement_characters", "what \ufffd was it"),
        ("ring\x07 ring", "control_characters", "ring\\x07 ring"),
        ("so\x92 what", "control_characters", "so\\x92 what"),
    ],
)
def test_broken_characters_are_found_and_shown(look: Callable[..., Survey], text: str, name: str, shown: str) -> None:
    [trouble] = found(look([*rows("ham", 70), *rows("spam", 70), {"text": text, "label": "ham"}]), name)
    assert (trouble.number, trouble.samples) == (1, (shown,))


@pytest.mark.parametrize(
    "text",
    [
        "caf\u00e9 \u201cau lait\u201d \u2014 d\u00e9j\u00e0 vu\u2026",
        "\u00c0 LA \u00c9TRANG\u00c8RE: S\u00c3O PAULO",
        "\u041f\u0440\u0438\u0432\u0435\u0442, \u0442\u044b \u0433\u0434\u0435?",
        "two\tcolumns\r\nand\x0ctwo pages",
        "\u20ac100 \u2013 \u00a3200 \U0001f600",
    ],
)
def test_sound_characters_are_left_in_peace(text: str) -> None:
    assert [trouble.name for trouble in encoding.TROUBLES if trouble.is_in(text)] == []


def test_labels_that_differ_in_their_spelling_are_shown_with_how_to_join_them(look: Callable[..., Survey]) -> None:
    seen = look(rows("ham", 60) + [{**row, "label": "Ham"} for row in rows("more", 60)] + rows("spam", 60))
    assert "Ham, ham; if they are, join them with --map Ham=ham" in found(seen, "spellings")[0].text


def test_skewed_and_rare_labels_are_warned_of(look: Callable[..., Survey]) -> None:
    seen = look(rows("ham", 120) + rows("spam", 12))
    assert "10 times as many of ham as of spam" in found(seen, "skew")[0].text
    assert "spam 12" in found(seen, "few")[0].text
    assert seen.refusal is None


@pytest.mark.parametrize(
    ("train", "said"),
    [
        (rows("ham", 70), "at least two are needed"),
        (rows("ham", 70) + rows("spam", 3), r"fewer than 5 .*'spam' \(3\)"),
        (rows("ham", 70) + rows("spam", 1) * 9, r"fewer than 5 examples, once duplicates are gone, of: 'spam' \(1\)"),
    ],
)
def test_a_refusal_comes_with_the_survey(
    look: Callable[..., Survey], train: list[dict[str, object]], said: str
) -> None:
    seen = look(train)
    assert seen.refusal
    with pytest.raises(TrainingError, match=said):
        raise TrainingError(seen.refusal)
    assert seen.counts[0].labels["ham"] == 70


def test_an_evaluation_set_with_a_strange_label_is_refused(look: Callable[..., Survey]) -> None:
    seen = look(rows("ham", 70) + rows("spam", 70), [{"text": "an egg or two", "label": "eggs"}])
    assert "the evaluation set has labels that the training set lacks: eggs" in (seen.refusal or "")


def test_sets_of_spans_and_of_labels_do_not_mix(look: Callable[..., Survey]) -> None:
    with pytest.raises(TrainingError, match="training data labels texts, the evaluation data marks spans"):
        look(rows("ham", 70) + rows("spam", 70), [{"text": "Ann", "spans": [[0, 3, "PER"]]}])


def test_what_is_told_of_the_data_for_a_report_quotes_none_of_it(look: Callable[..., Survey]) -> None:
    ham = rows("ham", 70)
    seen = look([*ham, *rows("spam", 70), ham[0], {**ham[1], "label": "spam"}])
    assert len(seen.lines()) > 4
    assert not any(str(row["text"]) in line for row in ham for line in seen.lines())


def test_lengths_are_those_of_the_base_models_tokenizer(base_model: Path) -> None:
    task = plugins.load().task("spam")
    setup = TrainSetup("spam", Path("nowhere"), str(base_model), {"max_length": 16, "stride": 4})
    found = task.measure(["win cash prize", "meeting " * 30, ""], setup)  # type: ignore[attr-defined]  # the kit has it
    assert found == TextLengths((5, 32, 2), window=16)


def test_lengths_are_told_without_torch(base_model: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from classifyd.api import TrainSetup; from classifyd_spam import register_tasks\n"
        "options = {'max_length': 16, 'stride': 4}; [task] = register_tasks()\n"
        f"task.measure(['a'], TrainSetup('spam', Path('x'), {str(base_model)!r}, options))\n"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert outcome.stdout == "[]\n"


def test_a_base_model_that_is_not_there_is_a_refusal(write_jsonl: Write, tmp_path: Path) -> None:
    data = write_jsonl("a.jsonl", rows("ham", 70) + rows("spam", 70))
    registry = plugins.load()
    options = TrainOptions((str(data),), tmp_path, "/no/such/folder")
    refusal = prepare(registry.task("spam"), options, registry.readers).survey.refusal
    assert refusal == "base model /no/such/folder: there is no such folder"


def test_examples_that_mark_nothing_twice_are_no_contradiction() -> None:
    pair = [Example("Ann", spans=()), Example("Ann", spans=())]
    assert [one.name for one in survey.findings({"training": pair}, pair[:1])] == ["copies"]


def test_a_label_that_the_model_does_not_know_is_named_with_those_it_does(write_jsonl: Write, tmp_path: Path) -> None:
    registry = plugins.load()
    bundle = tiny.make_bundle(Store(tmp_path / "models"), "spam", ["ham", "spam"])
    data = write_jsonl("a.jsonl", [{"text": "hello", "label": "ham"}, {"text": "an egg", "label": "eggs"}])
    with pytest.raises(TrainingError, match=r"spam@1 does not know the labels eggs; .* --map. It knows: ham, spam"):
        evaluate(registry.task("spam"), Setup("spam", bundle=bundle), [str(data)], Columns(), registry.readers)
