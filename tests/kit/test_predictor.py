"""Predictors say the same of the same text in any company, and serve no bundle that forgot its answers."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny

import classifyd_ner
import classifyd_spam
import classifyd_topic
from classifyd.api import Annotation, Bundle, BundleError, ConfigError, Effort, Predictor, Record, Setup, TrainableTask
from classifyd.bundles import Store
from classifyd_bert import BertSequenceTask, BertTokenTask, answers, heads, manifest
from classifyd_bert.predictor import SequencePredictor, TokenPredictor

OPTIONS_AT_FAULT = [
    *({"token_budget": value} for value in (0, "many", True)),
    *({"cache": value} for value in (-1, "lots", True, "1 TiB", 0.5)),
    {"runtime": "tensorrt"},
    {"tokens": 1},
]
ODD = ["", " ", "\x00", "\ud800", "😀" * 30, "win " * 400, "x" * 500, "Maria\r\n\r\nBerlin", "[SEP] [PAD]"]


def texts(count: int) -> list[str]:
    chance = random.Random(7)
    return [*ODD, *(" ".join(chance.choices(tiny.WORDS, k=chance.randint(0, 120))) for _ in range(count))]


def records(said: list[str]) -> list[Record]:
    return [Record(text, index) for index, text in enumerate(said)]


def load(bundle: Bundle, **setup: Any) -> Predictor:
    made = SequencePredictor if bundle.manifest["kind"] == "sequence" else TokenPredictor
    return made(Setup(bundle.task, bundle=bundle, **setup))


def changed(bundle: Bundle, **entries: Any) -> Bundle:
    return replace(bundle, manifest={**bundle.manifest, **entries})


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_a_text_has_the_same_answer_bit_for_bit_in_any_company(kind: str, request: pytest.FixtureRequest) -> None:
    loaded = load(request.getfixturevalue(kind), options={"cache": 0})  # else the first answer would only be repeated
    said = records(texts(120))
    alone = [loaded.predict([record])[0] for record in said]
    for size in (7, 32, len(said)):
        assert [a for start in range(0, len(said), size) for a in loaded.predict(said[start : start + size])] == alone
    assert list(loaded.predict(said[::-1]))[::-1] == alone


def test_labels_are_ranked_probabilities_of_every_label(sequence: Bundle) -> None:
    for annotation in load(sequence).predict(records(texts(20))):
        assert isinstance(annotation, Annotation)
        assert {label.label for label in annotation.labels} == {"ham", "spam"}
        assert sum(label.score for label in annotation.labels) == pytest.approx(1)
        assert annotation.labels[0].score >= annotation.labels[1].score
        assert annotation.spans is None


def test_spans_lie_in_the_text_in_order_without_overlap(token: Bundle) -> None:
    found = 0
    said = records(texts(40))
    for record, annotation in zip(said, load(token).predict(said), strict=True):
        end = 0
        assert annotation.spans is not None
        for span in annotation.spans:
            assert end <= span.start < span.end <= len(record.text)
            assert record.text[span.start : span.end].strip() == record.text[span.start : span.end]
            end = span.end
            found += 1
    assert found


def test_the_temperature_of_the_manifest_calibrates_the_scores(sequence: Bundle) -> None:
    warm = changed(sequence, temperature=4.0, examples=[])
    (one,), (other,) = load(sequence).predict([Record("win")]), load(warm).predict([Record("win")])
    assert 0.5 < other.labels[0].score < one.labels[0].score


def test_the_calibration_of_spans_changes_scores_and_no_span(token: Bundle) -> None:
    text = "Hello Maria, meeting in Berlin on Monday. Win a prize now"
    doubting = changed(token, span_calibration={"sure": 0.5, "doubt": 0.75, "offset": -1.0}, examples=[])
    plain, less = (TokenPredictor(Setup("ner", bundle=one)).predict([Record(text)])[0] for one in (token, doubting))
    assert plain.spans
    assert less.spans
    assert [(s.start, s.end, s.label) for s in plain.spans] == [(s.start, s.end, s.label) for s in less.spans]
    expected = [1 / (1 + (1 - s.score) ** 0.75 / s.score**0.5 * np.e) for s in plain.spans]
    assert [s.score for s in less.spans] == pytest.approx(expected, abs=1e-3)


def test_a_calibration_of_spans_by_a_slope_is_understood(token: Bundle) -> None:
    curves = ({"slope": 0.5, "offset": -1.0}, {"sure": 0.5, "doubt": 0.5, "offset": -1.0})
    old, new = (changed(token, span_calibration=curve, examples=[]).manifest for curve in curves)
    assert manifest.calibration(old) == manifest.calibration(new) == heads.Calibration(1.0, 0.5, 0.5, -1.0)


def test_equal_texts_are_predicted_once(sequence: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load(sequence)
    rows: list[int] = []
    run = loaded._network._session.run
    monkeypatch.setattr(
        loaded._network._session, "run", lambda inputs: (rows.append(len(inputs["input_ids"])), run(inputs))[1]
    )
    one, two, three = loaded.predict([Record("win"), Record("now"), Record("win")])
    assert sum(rows) == 2
    assert one == three != two


@pytest.mark.parametrize("kind", ["sequence", "token"])
def test_a_predictor_tells_what_its_model_was_run_on_since_it_was_last_asked(
    kind: str, request: pytest.FixtureRequest
) -> None:
    loaded: Any = load(request.getfixturevalue(kind))
    assert loaded.effort() == Effort()  # its known answers were nobody's messages
    loaded.predict(records(["a short text"] * 3 + ["another short text", "win " * 400]))
    told = loaded.effort()
    assert sum(told.batches.values()) >= 2
    assert all(size & (size - 1) == 0 for size in told.batches)
    assert 400 < told.tokens
    assert 0 < told.padding < told.tokens / 2
    assert told.unknown == 0
    assert loaded.effort() == Effort()
    loaded.predict(records(["win ☃ now ☃☃", "win"]))
    assert loaded.effort().unknown == 2  # words of what the vocabulary does not have


def test_no_records_have_no_answers(sequence: Bundle) -> None:
    assert load(sequence).predict([]) == []


def test_the_version_names_task_and_number(sequence: Bundle) -> None:
    assert load(sequence).version == f"spam@{sequence.version}"


@pytest.mark.parametrize("task", [BertSequenceTask("spam"), BertTokenTask("ner")])
def test_a_task_without_a_bundle_says_how_to_train_one(task: TrainableTask) -> None:
    told = f"{task.name}: no model in service; train one with: classifyd train {task.name} --data FILE …"
    with pytest.raises(BundleError, match=told):
        task.load(Setup(task.name))


def test_a_bundle_that_forgot_an_answer_is_refused_without_its_text(sequence: Bundle) -> None:
    right = sequence.manifest["examples"]
    for wrong in ({"ham": 0.5, "spam": 0.5}, {"eggs": 1.0, "ham": 0.0}):
        examples = [*right, {"text": "top secret", "labels": wrong}]
        with pytest.raises(BundleError, match=f"spam@{sequence.version}: example {len(right)} ") as raised:
            load(changed(sequence, examples=examples))
        assert "secret" not in str(raised.value)


def test_a_bundle_that_finds_other_spans_is_refused(token: Bundle) -> None:
    examples = [{"text": "hello", "spans": [{"start": 0, "end": 2, "label": "PER", "score": 0.9}]}]
    with pytest.raises(BundleError, match=f"ner@{token.version}: example 0 "):
        load(changed(token, examples=examples))


@pytest.mark.parametrize("example", [{}, {"text": "x"}, {"text": "x", "labels": 3}, {"text": "x", "spans": [{}]}])
def test_an_example_that_cannot_be_read_is_told(sequence: Bundle, example: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="an example of the manifest cannot be read"):
        load(changed(sequence, examples=[example]))


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"kind": "token"}, "is a model of kind 'token'; task spam needs 'sequence'"),
        ({"max_length": 4}, '"max_length" is 4'),
        ({"stride": None}, '"stride" is None'),
        ({"stride": 46}, "cannot share 46"),
        ({"temperature": 0}, '"temperature" is 0'),
        ({"span_calibration": 2}, '"span_calibration" is 2'),
        ({"span_calibration": {"slope": 0, "offset": 0}}, '"slope" is 0; it must be a number above 0'),
        ({"span_calibration": {"slope": 1, "offset": None}}, '"offset" is None; it must be a number'),
        ({"span_calibration": {"sure": 1, "offset": 0}}, '"doubt" is None; it must be a number above 0'),
        ({"span_calibration": {"sure": -1, "doubt": 1, "offset": 0}}, '"sure" is -1; it must be a number, at least 0'),
        ({"labels": ["ham", "spam", "eggs"]}, "with 3 labels"),
    ],
)
def test_a_manifest_that_does_not_fit_the_kit_is_told(sequence: Bundle, entries: dict[str, Any], told: str) -> None:
    with pytest.raises(BundleError, match=told):
        SequencePredictor(Setup("spam", bundle=changed(sequence, examples=[], **entries)))


def test_an_altered_model_is_told_with_its_digest(sequence: Bundle) -> None:
    files = {**sequence.manifest["files"], "model.onnx": "0" * 64}
    with pytest.raises(BundleError, match=rf"model\.onnx: sha256 is .* the manifest says {'0' * 64}"):
        load(changed(sequence, files=files))


@pytest.mark.parametrize("options", OPTIONS_AT_FAULT)
def test_an_option_that_makes_no_sense_is_told(sequence: Bundle, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"tasks\.spam: "):
        load(sequence, options=options)


def test_the_token_budget_changes_no_answer(token: Bundle) -> None:
    said = records(texts(30))
    assert load(token, options={"token_budget": 64}).predict(said) == load(token).predict(said)


def test_a_huge_text_is_read_whole(store: Store, token: Bundle) -> None:
    loaded = load(token)
    text = "hello to the meeting " * 4000
    (annotation,) = loaded.predict([Record(text)])
    windows = loaded._network._tokenizer.windows([text])
    assert np.sum([window.own.sum() for window in windows]) == 16_000
    assert annotation.spans
    assert annotation.spans[-1].end > len(text) - 200


def test_the_built_in_plugins_offer_their_tasks() -> None:
    modules = (classifyd_spam, classifyd_topic, classifyd_ner)
    tasks = [task for module in modules for task in module.register_tasks()]
    assert [task.name for task in tasks] == ["spam", "topic", "ner"]
    assert all(isinstance(task, TrainableTask) for task in tasks)


def test_serving_imports_neither_torch_nor_transformers(sequence: Bundle) -> None:
    code = (
        "import sys, json, pathlib; from classifyd.bundles import open_bundle; from classifyd.api import Record, Setup;"
        "import classifyd_spam; bundle = open_bundle(pathlib.Path(sys.argv[1]));"
        "classifyd_spam.register_tasks()[0].load(Setup('spam', bundle=bundle)).predict([Record('win')]);"
        "print(json.dumps([name for name in ('torch', 'transformers', 'onnx', 'scipy') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(sequence.path)], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == []


def test_a_known_answer_is_plain_json(sequence: Bundle, token: Bundle) -> None:
    for bundle in (sequence, token):
        (annotation,) = load(bundle).predict([Record("hello Maria")])
        said = answers.known_answer("hello Maria", annotation)
        assert json.loads(json.dumps(said)) == said


def test_what_the_environment_says_of_an_option_is_understood(sequence: Bundle) -> None:
    load(sequence, options={"token_budget": "64", "cache": "1 MiB", "runtime": "auto"})
