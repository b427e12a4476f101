"""The promises of a task and its predictor, each tried as the pipeline would have it kept."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from classifyd.api import (
    BundleError,
    ChecksRecipe,
    ClassifydError,
    ExplainingPredictor,
    Explanation,
    Label,
    Setup,
    Span,
    Task,
)
from classifyd.bundles import Store
from classifyd.conformance import samples
from classifyd.conformance.findings import Failed, Noted, Request, Skipped
from classifyd.jobs import TaskSpec
from classifyd.pipeline.answers import checked
from classifyd.pipeline.border import Border, lowest_free
from classifyd.pipeline.explaining import explain
from classifyd.pipeline.loading import Loaded, Predictors
from classifyd.plugins import Registry
from classifyd.values import Annotation, Fault, Record
from classifyd.workers.worker import memory_bytes

BATCHES = (1, 7, 32)
ROUNDS = 20
ROUND_RECORDS = 64
MOST_GROWTH_BYTES = 16 * 2**10
"""So much memory kept for each record would fill a worker within a million of them."""

_PLAIN = (str, float, int)


class TaskChecks:
    """The checks of one task, in order; each returns a sentence or raises what its finding is."""

    def __init__(self, task: Task, registry: Registry, request: Request, border: Border, unpickled: list[str]) -> None:
        self._task = task
        self._request = request
        self._border = border
        self._unpickled = unpickled
        self._predictors = Predictors(registry, border)
        self._fault: Exception | None = None
        self._version = Store(request.models).current(task.name)

    def all(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Each check with its name."""
        yield "loads", self.loads
        yield "one answer each, in order", self.order
        yield "alike in every batch", self.batches
        yield "empty texts", lambda: self._each(samples.EMPTY)
        yield "odd Unicode", lambda: self._each(samples.ODD)
        yield "a huge text", self.huge
        yield "goes on after errors", self.errors
        yield "plain values", self.plain
        yield "explains its answers", self.explains
        yield "unpickles nothing", self.unpickles
        yield "time for a record", self.speed
        yield "memory for a record", self.memory
        yield "without a model", self.without_model
        if isinstance(self._task, ChecksRecipe):
            yield "checks its recipe", self.recipe

    # ------------------------------------------------------------------ answers

    def loads(self) -> str:
        before, began = memory_bytes("self", ("VmRSS",)), time.monotonic()
        loaded = self._loaded()
        grown = max(0, memory_bytes("self", ("VmRSS",)) - before)
        return f"{loaded.model}, in {time.monotonic() - began:.1f} s and {grown / 2**20:.0f} MiB"

    def order(self) -> str:
        records = samples.ordinary(40)
        forth = self._answers(records)
        back = self._answers(records[::-1])[::-1]
        _compare(forth, back, records, "in the opposite order")
        return f"{len(records)} records"

    def batches(self) -> str:
        """The same input gives the same bytes, whatever it was batched with."""
        records = samples.ordinary(64)
        whole = self._answers(records)
        _compare(whole, self._answers(records), records, "when asked again")
        for size in BATCHES:
            parts = [self._answers(records[start : start + size]) for start in range(0, len(records), size)]
            _compare(whole, [answer for part in parts for answer in part], records, f"in batches of {size}")
        return f"{len(records)} records in batches of {', '.join(map(str, BATCHES))} and {len(records)}"

    def _each(self, texts: Mapping[str, str]) -> str:
        """Answers to texts one by one, and among ordinary ones."""
        for what, text in texts.items():
            try:
                alone = self._answers([Record(text)])
            except Failed as error:
                raise Failed(f"{what}: {error}") from error
            ordinary = samples.ordinary(2)
            among = self._answers([ordinary[0], Record(text, 1), ordinary[1]])
            _compare(alone, among[1:2], [Record(text)], f"among others ({what})")
        return f"{len(texts)} kinds, alone and among others"

    def huge(self) -> str:
        began = time.monotonic()
        self._answers([samples.huge()])
        return f"{samples.HUGE_CHARS:,} characters in {time.monotonic() - began:.1f} s"

    def errors(self) -> str:
        """What a predictor raises over some records must not change its answers to others."""
        records = samples.ordinary(8)
        before = self._answers(records)
        raised = 0
        for strange in ([Record("a\ud800b")], [Record("\x00" * 1000)], [*samples.odd(), *records]):
            try:
                self._answers(strange)
            except Failed:
                raised += 1
        _compare(before, self._answers(records), records, "after other records")
        return f"{raised or 'none'} of 3 strange batches raised, and the answers after them are as before"

    def plain(self) -> str:
        """Nothing of a plugin's own is pickled: answers are made of our values, which hold text and numbers."""
        self._loaded()
        with self._border:
            answers = self._loaded().predictor.predict(samples.ordinary(4))
        if type(answers) is not list and type(answers) is not tuple:
            raise Noted(f"the answers come as {type(answers).__name__}, which is looked at like a list")
        strange = sorted({kind for answer in answers for kind in _strange(answer)})
        if strange:
            raise Noted(f"{', '.join(strange)} among the values; they are turned into plain ones, which takes time")
        return "texts and numbers only"

    def explains(self) -> str:
        """What `classifyd explain` is told is how the very answer came about that the daemon would publish."""
        loaded = self._loaded()
        if not isinstance(loaded.predictor, ExplainingPredictor):
            return "no, it has no explain(); that is optional"
        for record in (*samples.ordinary(4), *samples.odd()):
            try:
                explained = explain(loaded, record, self._border)
            except ClassifydError as error:
                raise Failed(str(error)) from error
            except Exception as error:
                raise Failed(f"explain() raises {type(error).__name__}: {error}") from error
            _check_explanation(explained.explanation, record)
        return "the same that it gives, with windows that lie in the text"

    def unpickles(self) -> str:
        self._loaded()
        if self._unpickled:
            raise Failed(
                f"it unpickles ({', '.join(self._unpickled[:5])}): whoever can write into the model's folder could run"
                " code in the daemon; keep weights as JSON, safetensors, ONNX, or npz without pickles"
            )
        return "neither while it loads nor while it predicts"

    # ------------------------------------------------------------------ what they cost

    def speed(self) -> str:
        records = samples.ordinary(256)
        self._answers(records[:32])
        began = time.monotonic()
        self._answers(records)
        each = (time.monotonic() - began) / len(records)
        if each > self._request.record_seconds:
            raise Failed(
                f"{each:.2f} s, and a worker that takes more than [daemon] record_seconds, which is"
                f" {self._request.record_seconds:g}, is taken to hang"
            )
        return f"{each * 1000:.2f} ms, {1 / max(each, 1e-9):,.0f} records a second"

    def memory(self) -> str:
        descriptors = 0
        sizes = []
        for number in range(ROUNDS):
            self._answers(samples.ordinary(ROUND_RECORDS, first=10_000 + number * ROUND_RECORDS))
            sizes.append(memory_bytes("self", ("RssAnon",)))
            descriptors = lowest_free() if number == ROUNDS // 2 else descriptors
        if lowest_free() > descriptors + ROUNDS // 4:
            raise Failed(f"descriptors leak: {lowest_free() - descriptors} more are open after {ROUNDS // 2} batches")
        # The first half may fill caches; what goes on growing after that leaks.
        grown = (sizes[-1] - sizes[ROUNDS // 2]) / (ROUND_RECORDS * (ROUNDS // 2 - 1))
        if grown > MOST_GROWTH_BYTES:
            raise Failed(f"{grown / 2**10:.0f} KiB stay behind for each record: something keeps what it was given")
        return f"{max(0.0, grown):,.0f} bytes stay behind; {sizes[-1] / 2**20:.0f} MiB in use"

    # ------------------------------------------------------------------ around it

    def without_model(self) -> str:
        try:
            with self._border:
                self._task.load(Setup(self._task.name, self._options()))
        except BundleError as error:
            return f"says so: {error}"[:160]
        except Exception as error:
            raise Failed(f"raises {type(error).__name__} ({error}) where BundleError is due") from error
        return "needs none"

    def recipe(self) -> str:
        assert isinstance(self._task, ChecksRecipe)
        option = "no_such_option_at_all"
        with self._border:
            good, bad = self._task.recipe_faults({}), self._task.recipe_faults({option: 1})
        if not all(isinstance(fault, str) for fault in (*good, *bad)):
            raise Failed("recipe_faults must give sentences")
        if good:
            raise Failed(f"finds fault with no options at all: {good[0]}")
        if not any(option in fault for fault in bad):
            raise Noted("an option that there is not is passed over")
        return "names an option that there is not"

    # ------------------------------------------------------------------ helpers

    def _loaded(self) -> Loaded:
        if self._fault is not None:
            raise Skipped(str(self._fault)) from self._fault
        try:
            return self._predictors.get(self._spec(), self._request.device, self._request.threads)
        except ClassifydError as error:
            if self._version is None and isinstance(error, BundleError):
                train = f"no model yet; train one, and test again: classifyd train {self._task.name} --data FILE"
                self._fault = Skipped(train)
                raise self._fault from error
            self._fault = Skipped("it cannot be loaded")
            raise Failed(str(error)) from error
        except Exception as error:
            self._fault = Skipped("it cannot be loaded")
            raise Failed(f"{type(error).__name__}: {error}") from error

    def _spec(self) -> TaskSpec:
        name = self._task.name
        bundle = None if self._version is None else Store(self._request.models).folder(name, self._version).resolve()
        return TaskSpec(name, self._version, bundle, self._options())

    def _options(self) -> "dict[str, object]":
        return dict(self._request.options.get(self._task.name, {}))

    def _answers(self, records: Sequence[Record]) -> list[Annotation]:
        """What the pipeline would make of the answers. Failed if they are not as promised, or it raises."""
        loaded = self._loaded()
        try:
            with self._border:
                return checked(loaded, loaded.predictor.predict(records), records)
        except Exception as error:
            fault = Fault.of(error)
            raise Failed(fault.message if isinstance(error, ClassifydError) else f"{fault.type}: {error}") from error


def watch_unpickling(seen: list[str]) -> None:
    """From now on every class or function that a pickle names in this process is noted in `seen`."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "pickle.find_class":
            seen.append(".".join(map(str, arguments)))

    sys.addaudithook(hook)


def _check_explanation(explanation: Explanation, record: Record) -> None:
    """Failed where an explanation makes no sense."""
    answer, plain = explanation.answer, explanation.plain
    if len(answer.labels) != len(plain.labels) or len(answer.spans or ()) != len(plain.spans or ()):
        raise Failed("an explanation has other labels or spans before calibration than after it")
    for window in explanation.windows:
        if not 0 <= window.start <= window.end <= len(record.text):
            raise Failed(
                f"a window from {window.start} to {window.end} is not in a text of {len(record.text)} characters"
            )
    weights = sum(window.weight for window in explanation.windows)
    if explanation.windows and abs(weights - 1) > 1e-6:
        raise Failed(f"the windows of an explanation weigh {weights:g} together, not 1")


def _compare(one: Sequence[Annotation], other: Sequence[Annotation], records: Sequence[Record], when: str) -> None:
    """Failed where two series of answers to the same records differ."""
    for before, after, record in zip(one, other, records, strict=True):
        if before != after:
            text = record.text if len(record.text) <= 40 else f"{record.text[:40]}…"
            raise Failed(f"{text!r} gets another answer {when}: {_short(before)} and {_short(after)}")


def _short(answer: Annotation) -> str:
    if answer.spans is not None:
        return ", ".join(f"{span.label} {span.start}-{span.end} {span.score!r}" for span in answer.spans[:3]) or "none"
    return ", ".join(f"{label.label} {label.score!r}" for label in answer.labels[:2]) or "none"


def _strange(answer: object) -> Iterator[str]:
    """The types in an answer that are neither ours nor plain."""
    items = (*answer.labels, *(answer.spans or ())) if isinstance(answer, Annotation) else answer
    for item in items if isinstance(items, list | tuple) else ():
        if isinstance(item, Label | Span):
            values = (item.label, item.score, *((item.start, item.end) if isinstance(item, Span) else ()))
            yield from (_named(value) for value in values if type(value) not in _PLAIN)
        if type(item) not in (Label, Span):
            yield _named(item)


def _named(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
