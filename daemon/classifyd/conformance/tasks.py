"""The promises of a task and its predictor, each tried as the pipeline would have it kept."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping

from classifyd.api import (
    BundleError,
    ChecksRecipe,
    ClassifydError,
    ExplainingPredictor,
    Setup,
    Task,
)
from classifyd.conformance import samples
from classifyd.conformance.comparing import check_explanation, compare, strange
from classifyd.conformance.findings import Failed, Noted, Request
from classifyd.conformance.subject import Subject
from classifyd.pipeline.border import Border, lowest_free
from classifyd.pipeline.explaining import explain
from classifyd.plugins import Registry
from classifyd.values import Record
from classifyd.workers.worker import memory_bytes

BATCHES = (1, 7, 32)
ROUNDS = 20
ROUND_RECORDS = 64
MOST_GROWTH_BYTES = 16 * 2**10
"""So much memory kept for each record would fill a worker within a million of them."""


class TaskChecks:
    """The checks of one task, in order; each returns a sentence or raises what its finding is."""

    def __init__(self, task: Task, registry: Registry, request: Request, border: Border, unpickled: list[str]) -> None:
        self._task = task
        self._request = request
        self._border = border
        self._unpickled = unpickled
        self._subject = Subject(task, registry, request, border)

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
        loaded = self._subject.loaded()
        grown = max(0, memory_bytes("self", ("VmRSS",)) - before)
        return f"{loaded.model}, in {time.monotonic() - began:.1f} s and {grown / 2**20:.0f} MiB"

    def order(self) -> str:
        records = samples.ordinary(40)
        forth = self._subject.answers(records)
        back = self._subject.answers(records[::-1])[::-1]
        compare(forth, back, records, "in the opposite order")
        return f"{len(records)} records"

    def batches(self) -> str:
        """The same input gives the same bytes, whatever it was batched with."""
        records = samples.ordinary(64)
        whole = self._subject.answers(records)
        compare(whole, self._subject.answers(records), records, "when asked again")
        for size in BATCHES:
            parts = [self._subject.answers(records[start : start + size]) for start in range(0, len(records), size)]
            compare(whole, [answer for part in parts for answer in part], records, f"in batches of {size}")
        return f"{len(records)} records in batches of {', '.join(map(str, BATCHES))} and {len(records)}"

    def _each(self, texts: Mapping[str, str]) -> str:
        """Answers to texts one by one, and among ordinary ones."""
        for what, text in texts.items():
            try:
                alone = self._subject.answers([Record(text)])
            except Failed as error:
                raise Failed(f"{what}: {error}") from error
            ordinary = samples.ordinary(2)
            among = self._subject.answers([ordinary[0], Record(text, 1), ordinary[1]])
            compare(alone, among[1:2], [Record(text)], f"among others ({what})")
        return f"{len(texts)} kinds, alone and among others"

    def huge(self) -> str:
        began = time.monotonic()
        self._subject.answers([samples.huge()])
        return f"{samples.HUGE_CHARS:,} characters in {time.monotonic() - began:.1f} s"

    def errors(self) -> str:
        """What a predictor raises over some records must not change its answers to others."""
        records = samples.ordinary(8)
        before = self._subject.answers(records)
        raised = 0
        for odd in ([Record("a\ud800b")], [Record("\x00" * 1000)], [*samples.odd(), *records]):
            try:
                self._subject.answers(odd)
            except Failed:
                raised += 1
        compare(before, self._subject.answers(records), records, "after other records")
        return f"{raised or 'none'} of 3 strange batches raised, and the answers after them are as before"

    def plain(self) -> str:
        """Nothing of a plugin's own is pickled: answers are made of our values, which hold text and numbers."""
        self._subject.loaded()
        with self._border:
            answers = self._subject.loaded().predictor.predict(samples.ordinary(4))
        if type(answers) is not list and type(answers) is not tuple:
            raise Noted(f"the answers come as {type(answers).__name__}, which is looked at like a list")
        foreign = sorted({kind for answer in answers for kind in strange(answer)})
        if foreign:
            raise Noted(f"{', '.join(foreign)} among the values; they are turned into plain ones, which takes time")
        return "texts and numbers only"

    def explains(self) -> str:
        """What `classifyd explain` is told is how the very answer came about that the daemon would publish."""
        loaded = self._subject.loaded()
        if not isinstance(loaded.predictor, ExplainingPredictor):
            return "no, it has no explain(); that is optional"
        for record in (*samples.ordinary(4), *samples.odd()):
            try:
                explained = explain(loaded, record, self._border)
            except ClassifydError as error:
                raise Failed(str(error)) from error
            except Exception as error:
                raise Failed(f"explain() raises {type(error).__name__}: {error}") from error
            check_explanation(explained.explanation, record)
        return "the same that it gives, with windows that lie in the text"

    def unpickles(self) -> str:
        self._subject.loaded()
        if self._unpickled:
            raise Failed(
                f"it unpickles ({', '.join(self._unpickled[:5])}): whoever can write into the model's folder could run"
                " code in the daemon; keep weights as JSON, safetensors, ONNX, or npz without pickles"
            )
        return "neither while it loads nor while it predicts"

    # ------------------------------------------------------------------ what they cost

    def speed(self) -> str:
        records = samples.ordinary(256)
        self._subject.answers(records[:32])
        began = time.monotonic()
        self._subject.answers(records)
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
            self._subject.answers(samples.ordinary(ROUND_RECORDS, first=10_000 + number * ROUND_RECORDS))
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
                self._task.load(Setup(self._task.name, self._subject.options()))
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


def watch_unpickling(seen: list[str]) -> None:
    """From now on every class or function that a pickle names in this process is noted in `seen`."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "pickle.find_class":
            seen.append(".".join(map(str, arguments)))

    sys.addaudithook(hook)
