"""A runtime is chosen by what it answers, then by its speed; the default unless another is clearly faster."""

from dataclasses import replace
from typing import Any

import pytest

from classifyd.api import Annotation, Bundle, BundleError, ChoosingTask, ConfigError, Predictor, Record, Setup
from classifyd_bert import BertSequenceTask, BertTokenTask, choosing
from classifyd_bert.choosing import LEAST_ROUNDS, choose, undecided, verdict


class Clock:
    """Stands still but for what the predictors take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Takes:
    """A predictor that takes so many seconds for each batch, one after the other, then the last for ever."""

    def __init__(self, clock: Clock, *seconds: float) -> None:
        self.clock = clock
        self.seconds = list(seconds)
        self.seen: list[list[str]] = []

    def predict(self, records: Any) -> list[Annotation]:
        self.seen.append([record.text for record in records])
        self.clock.now += self.seconds.pop(0) if len(self.seconds) > 1 else self.seconds[0]
        return [Annotation() for _ in records]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(choosing.time, "process_time", clock)
    monkeypatch.setattr(choosing.time, "perf_counter", clock)
    return clock


def chosen(bundle: Bundle, **runtimes: Predictor | Exception) -> tuple[str, str]:
    def load(setup: Setup) -> Predictor:
        found = runtimes[setup.options["runtime"]]
        if isinstance(found, Exception):
            raise found
        return found

    choice = choose(Setup("spam", {}, bundle), load)
    return choice.options["runtime"], choice.why


def test_both_kinds_of_task_choose() -> None:
    assert all(isinstance(task, ChoosingTask) for task in (BertSequenceTask("spam"), BertTokenTask("ner")))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1.0, "onnxruntime"), (0.95, "onnxruntime"), (0.92, "onnxruntime"), (0.9, "openvino"), (2.0, "onnxruntime")],
)
def test_the_default_stays_unless_another_is_a_tenth_faster(
    sequence: Bundle, clock: Clock, seconds: float, expected: str
) -> None:
    found, why = chosen(sequence, onnxruntime=Takes(clock, 1.0), openvino=Takes(clock, seconds))
    assert expected == found
    assert f"{1 / seconds:.2f} times as fast" in why


def test_one_that_is_faster_only_now_and_then_is_not_chosen() -> None:
    costs = {"onnxruntime": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], "openvino": [0.2, 0.2, 0.2, 0.2, 1.1, 1.1, 1.1]}
    assert "onnxruntime" == verdict(costs, "time", 1)[0]
    costs["openvino"][-2:] = [0.2, 0.2]
    assert "openvino" == verdict(costs, "time", 1)[0]


def test_a_round_in_which_the_machine_was_busy_decides_nothing(sequence: Bundle, clock: Clock) -> None:
    found, _ = chosen(
        sequence, onnxruntime=Takes(clock, 1.0), openvino=Takes(clock, 1.0, 0.8, 0.8, 30.0, 0.8)
    )  # the first is the warm-up
    assert "openvino" == found


def test_each_answers_the_same_different_texts_in_turns_for_about_so_long(sequence: Bundle, clock: Clock) -> None:
    slow, quick = Takes(clock, 10.0), Takes(clock, 0.001)
    chosen(sequence, onnxruntime=slow, openvino=slow)
    assert 2 * (1 + LEAST_ROUNDS) == len(slow.seen)
    chosen(sequence, onnxruntime=quick, openvino=quick)
    assert 2 * (1 + choosing.MOST_ROUNDS) == len(quick.seen)
    (texts,) = {tuple(batch) for batch in slow.seen}
    assert sum(count for _, count in choosing.TRIAL) == len(texts) == len(set(texts))
    assert {length for length, _ in choosing.TRIAL} == {len(text.split()) for text in texts}


@pytest.mark.parametrize("fault", [BundleError("example 0 has another answer"), ConfigError("cannot be used")])
def test_one_that_does_not_give_the_known_answers_is_not_chosen_however_fast(
    sequence: Bundle, clock: Clock, fault: Exception
) -> None:
    assert chosen(sequence, onnxruntime=Takes(clock, 9.0), openvino=fault) == (
        "onnxruntime",
        f"onnxruntime alone is fit; openvino is not fit: {fault}",
    )
    assert "openvino" == chosen(sequence, onnxruntime=fault, openvino=Takes(clock, 9.0))[0]


def test_a_bundle_that_no_runtime_can_serve_is_told_as_the_default_tells_it(sequence: Bundle, clock: Clock) -> None:
    with pytest.raises(BundleError, match="one"):
        chosen(sequence, onnxruntime=BundleError("one"), openvino=BundleError("other"))


def test_real_runtimes_are_tried_on_a_real_bundle(token: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "SECONDS", 0.01)
    task = BertTokenTask("ner")
    choice = task.choose(Setup("ner", {"cache": 0}, token))
    loaded = task.load(Setup("ner", choice.options, token))
    assert loaded.predict([Record("hello Maria")])
    wrong = [{"text": "hello", "spans": [{"start": 0, "end": 2, "label": "PER", "score": 0.9}]}]
    forgetful = replace(token, manifest={**token.manifest, "examples": wrong})
    with pytest.raises(BundleError, match="example 0"):
        task.choose(Setup("ner", {}, forgetful))


def test_a_question_names_all_that_the_answer_depends_on(sequence: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup("spam", {}, sequence)
    asked = [undecided(setup), undecided(replace(setup, threads=2))]
    asked.append(undecided(replace(setup, bundle=replace(sequence, digest="other"))))
    for name, value in (
        ("cpu_model", lambda: "another"),
        ("cpu_features", lambda: ("avx2",)),
        ("_version", lambda _: "0.1"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(choosing, name, value)
            asked.append(undecided(setup))
    with monkeypatch.context() as patch:
        patch.setattr(choosing.os, "sched_getaffinity", lambda _: set(range(64)))
        asked.append(undecided(setup))
    assert None not in asked
    assert len(asked) == len(set(asked))
    assert asked[0] == undecided(replace(setup, options={"runtime": "auto", "token_budget": 64}))


def test_nothing_is_asked_where_there_is_nothing_to_choose(sequence: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = Setup("spam", {}, sequence)
    assert undecided(replace(setup, options={"runtime": "openvino"})) is None
    assert undecided(replace(setup, device="cuda")) is None
    assert undecided(replace(setup, bundle=None)) is None
    assert undecided(replace(setup, bundle=replace(sequence, manifest={**sequence.manifest, "examples": []}))) is None
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert undecided(setup) is None
    assert BertSequenceTask("spam").load(setup).runtime == "ONNX Runtime"
