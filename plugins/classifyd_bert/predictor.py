"""Predictors: a bundle's tokenizer, session and head put together, tried on the bundle's known answers at load."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from classifyd.api import Annotation, Bundle, BundleError, Effort, Explanation, ReadWindow, Record, Setup
from classifyd_bert import answers, options
from classifyd_bert.allocation import SERVING_BYTES, keep_freed_memory
from classifyd_bert.cache import Cache
from classifyd_bert.heads import PLAIN, Bio, Calibration, combine, extent, ranked, shares, softmax, words
from classifyd_bert.manifest import calibration, calibration_entries, fitting, flag, whole
from classifyd_bert.microbatch import plan
from classifyd_bert.session import Session
from classifyd_bert.tokens import Tokenizer, Window, pad
from classifyd_bert.trunk import Branched, sections

MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the model saw of one text: its windows, and the logits of each, one row or one row per token."""

    text: str
    windows: list[Window]
    logits: list[NDArray[np.float32]]


class Network:
    """A bundle's tokenizer and model: texts in, logits out. BundleError if they are unfit."""

    def __init__(self, bundle: Bundle, setup: Setup) -> None:
        keep_freed_memory(SERVING_BYTES)
        manifest = bundle.manifest
        max_length = whole(manifest, "max_length", least=8)
        stride = whole(manifest, "stride", least=0)
        self._session = _session(bundle, setup)
        self._tokenizer = Tokenizer(
            bundle.read(TOKENIZER),
            max_length,
            stride,
            capitals=flag(manifest, "capitals"),
            pad_multiple=self._session.runtime.pad_multiple,
        )
        self._token_budget = options.token_budget(setup)
        self._batches: Counter[int] = Counter()
        self._tokens = self._padding = self._unknown = 0

    @property
    def runtime(self) -> str:
        """The name of what runs the model."""
        return self._session.runtime.name

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """What the model sees of each text, in order; of the same text the same, bit for bit, in any company."""
        windows = self._tokenizer.windows(texts)
        logits = self._run(windows)
        return together(windows, logits, texts)

    def effort(self) -> Effort:
        """What the model was run on since the last call; sizes of batches rounded up to powers of two."""
        told = Effort(batches=dict(self._batches), tokens=self._tokens, padding=self._padding, unknown=self._unknown)
        self._batches.clear()
        self._tokens = self._padding = self._unknown = 0
        return told

    def _run(self, windows: Sequence[Window]) -> list[NDArray[np.float32]]:
        logits: dict[int, NDArray[np.float32]] = {}
        for batch in plan([window.padded for window in windows], self._token_budget):
            inputs = pad([windows[place] for place in batch], self._tokenizer.pad_id)
            logits.update(zip(batch, self._session.run(inputs), strict=True))
            self._batches[_rounded(len(batch))] += 1
            self._tokens += inputs["input_ids"].size
            self._padding += inputs["input_ids"].size - sum(len(windows[place].ids) for place in batch)
            self._unknown += self._tokenizer.unknown(inputs["input_ids"])
        return [logits[place] for place in range(len(windows))]


def together(windows: Sequence[Window], logits: Sequence[NDArray[np.float32]], texts: Sequence[str]) -> list[Reading]:
    """Readings from windows in the order of their texts, and the logits of each."""
    pairs = groupby(zip(windows, logits, strict=True), key=lambda pair: pair[0].text)
    return [Reading(texts[place], *map(list, zip(*group, strict=True))) for place, group in pairs]


def _session(bundle: Bundle, setup: Setup) -> Session | Branched:
    model = bundle.read(MODEL)
    if sections(bundle):
        return Branched(bundle, model, setup)
    return Session(model, setup.threads, setup.device, options.runtime(setup))


def _rounded(size: int) -> int:
    """The next power of two: few sizes are told."""
    return 1 << (size - 1).bit_length()


class _Predictor:
    """What both kinds share: loading, known answers, and that no text is read twice."""

    kind: str
    rank: int

    def __init__(self, setup: Setup) -> None:
        bundle = fitting(setup, self.kind)
        self.version = f"{bundle.task}@{bundle.version}"
        self._labels: tuple[str, ...] = tuple(bundle.manifest["labels"])
        try:
            self._calibration = calibration(bundle.manifest)
            self._prepare()
            self._network = Network(bundle, setup)
            self._cache = Cache(options.cache_bytes(setup))
            self._check_shape()
            answers.check(self.predict, bundle.manifest.get("examples", ()), setup.device)
            self.effort()  # what was tried here was nobody's message
        except BundleError as error:
            raise BundleError(f"{self.version}: {error}") from error

    @property
    def runtime(self) -> str:
        """The name of what runs the model."""
        return self._network.runtime

    def predict(self, records: Sequence[Record]) -> list[Annotation]:
        """One annotation per record, in order. Equal texts are read once, and not at all while the cache has them."""
        texts = dict.fromkeys(record.text for record in records)
        said = self._cache.find(texts)
        new = [text for text in texts if text not in said]
        if new:
            readings = self._network.read(new)
            found = {text: self._say(reading, self._calibration) for text, reading in zip(new, readings, strict=True)}
            self._cache.keep(found)
            said |= found
        return [said[record.text] for record in records]

    def explain(self, record: Record) -> Explanation:
        """How the answer to one record comes about: window by window, before and after calibration."""
        (reading,) = self._network.read([record.text])
        scores = self._by_window(reading)
        windows = [
            ReadWindow(*extent(window), len(window.ids), weight, said)
            for window, weight, said in zip(reading.windows, shares(reading.windows), scores, strict=True)
        ]
        told = calibration_entries(self._calibration, self.kind)
        numbers = {"temperature": self._calibration.temperature, **told.get("span_calibration", {})}
        plain = self._say(reading, PLAIN)
        return Explanation(self._say(reading, self._calibration), plain, numbers, tuple(windows))

    def effort(self) -> Effort:
        """What the model was run on since the last call."""
        return self._network.effort()

    def _prepare(self) -> None:
        """Check what the head needs of the manifest."""

    def _say(self, reading: Reading, calibration: Calibration) -> Annotation:
        raise NotImplementedError

    def _by_window(self, reading: Reading) -> list[dict[str, float]]:
        """What each window says by itself, by label."""
        raise NotImplementedError

    def _check_shape(self) -> None:
        (reading,) = self._network.read([""])
        shape = reading.logits[0].shape
        if len(shape) != self.rank or shape[-1] != len(self._labels):
            raise BundleError(
                f"{MODEL}: gives logits of shape {shape} per window, but the manifest says it is of kind "
                f'"{self.kind}" with {len(self._labels)} labels; train the model again or roll back'
            )


class SequencePredictor(_Predictor):
    """Labels whole texts. BundleError at load if the bundle is missing, unfit, or fails its known answers."""

    kind = "sequence"
    rank = 1

    def _say(self, reading: Reading, calibration: Calibration) -> Annotation:
        scores = softmax(combine(reading.windows, reading.logits), calibration.temperature)
        return Annotation(labels=ranked(self._labels, scores))

    def _by_window(self, reading: Reading) -> list[dict[str, float]]:
        rows = [softmax(row, self._calibration.temperature) for row in reading.logits]
        return [dict(zip(self._labels, map(float, row), strict=True)) for row in rows]


class TokenPredictor(_Predictor):
    """Marks spans of texts. BundleError at load if the bundle is missing, unfit, or fails its known answers."""

    kind = "token"
    rank = 2

    def _prepare(self) -> None:
        self._bio = Bio.of(self._labels)

    def _say(self, reading: Reading, calibration: Calibration) -> Annotation:
        found = words(reading.windows, reading.logits)
        return Annotation(spans=self._bio.spans(reading.text, found, calibration))

    def _by_window(self, reading: Reading) -> list[dict[str, float]]:
        pairs = zip(reading.windows, reading.logits, strict=True)
        return [self._bio.highest(words([window], [row]), self._calibration) for window, row in pairs]
