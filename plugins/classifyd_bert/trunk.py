"""The trunk that bundles of one base share: calculated once for each window, however many tasks ask for it.

A trunk comes in sections of a few layers, each a file that the bundle requires, so that tasks may branch off at
different depths: `trunk-0-2.onnx` takes a window, `trunk-2-4.onnx` and what is above it take STATES, what the section
below gives, and `model.onnx` is the rest. Tasks are asked one after the other about the same texts, so what a section
said is kept until all that lies on it has had it.
"""

import hashlib
import re
import weakref
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from classifyd.api import Bundle, BundleError, Setup
from classifyd_bert import options
from classifyd_bert.runtimes import Feeds
from classifyd_bert.session import BRANCH, STATES, WHOLE, Session

KEPT_BYTES = 48 * 2**20
"""So much of what a section said is kept at most: more than one chunk of records, as the pipeline cuts them."""
DIGEST_BYTES = 16
_SECTION = re.compile(r"trunk-(\d{1,3})-(\d{1,3})\.onnx", re.ASCII)

Floats = NDArray[np.float32]


class Section:
    """Some layers of several models, in one session; keeps what they said of windows for all but the first reader.

    A window's states depend on the window alone, bit for bit, so that what is kept is what would be calculated.
    `readers` are the sections and branches that lie on this one, `below` is the one that it lies on.
    """

    def __init__(self, session: Session, below: "Section | None") -> None:
        self.session = session
        self.below = below
        self.readers: weakref.WeakSet[Section | Branched] = weakref.WeakSet()
        if below is not None:
            below.readers.add(self)
        self._kept: OrderedDict[bytes, tuple[Floats, int]] = OrderedDict()
        self._bytes = 0

    def states(self, inputs: Feeds) -> Floats:
        """What is known of a batch up to here, float32 of shape (rows, tokens, width)."""
        others = len(self.readers) - 1
        if others < 1:
            return self._run(inputs)
        keys = _keys(inputs)
        known = {row: found for row, key in enumerate(keys) if (found := self._take(key)) is not None}
        new = [row for row in range(len(keys)) if row not in known]
        if not known:
            states = self._run(inputs)
        elif not new:
            return np.stack([known[row] for row in range(len(keys))])
        else:
            fresh = self._run({name: value[new] for name, value in inputs.items()})
            states = np.empty((len(keys), *fresh.shape[1:]), np.float32)
            states[new] = fresh
            for row, found in known.items():
                states[row] = found
        for row in new:
            self._keep(keys[row], states[row], others)
        return states

    def _run(self, inputs: Feeds) -> Floats:
        return self.session.run(inputs if self.below is None else {STATES: self.below.states(inputs), **inputs})

    def _take(self, key: bytes) -> Floats | None:
        found = self._kept.get(key)
        if found is None:
            return None
        states, uses = found
        if uses > 1:
            self._kept[key] = states, uses - 1
        else:
            self._drop(key)
        return states

    def _keep(self, key: bytes, states: Floats, uses: int) -> None:
        if key in self._kept:  # the same window twice in a batch, so that others will ask for it twice
            states, before = self._kept[key]
            self._kept[key] = states, before + uses
            return
        # A copy: a view would hold the whole batch.
        self._kept[key] = states.copy(), uses
        self._bytes += states.nbytes
        while self._bytes > KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        states, _ = self._kept.pop(key)
        self._bytes -= states.nbytes


class Branched:
    """A bundle's model on the trunk that it shares, to be run like a Session. BundleError and ConfigError as there.

    The sections are those of every other such model of this process with the same layers, runtime, device and threads.
    """

    def __init__(self, bundle: Bundle, model: bytes, setup: Setup) -> None:
        runtime = options.runtime(setup)
        self._branch = Session(model, setup.threads, setup.device, runtime, takes=BRANCH)
        self._trunk = _trunk(bundle, setup, runtime)
        self._trunk.readers.add(self)
        self.runtime = self._branch.runtime

    def run(self, inputs: Feeds) -> Floats:
        """The logits of a batch, as Session gives them."""
        return self._branch.run({STATES: self._trunk.states(inputs), **inputs})


SECTIONS: weakref.WeakValueDictionary[tuple[object, ...], Section] = weakref.WeakValueDictionary()
"""Those of this process, by the digests of their layers from the lowest, and by what they run on."""


def section(start: int, end: int) -> str:
    """The name under which a bundle requires the layers from `start` up to `end`."""
    return f"trunk-{start}-{end}.onnx"


def sections(bundle: Bundle) -> list[str]:
    """The names of the sections that a bundle requires, the lowest first. BundleError if layers between are missing."""
    found = sorted((int(match[1]), int(match[2])) for name in bundle.requires if (match := _SECTION.fullmatch(name)))
    if [start for start, _ in found] != [0, *(end for _, end in found)][: len(found)]:
        raise BundleError(
            f"manifest.json: requires layers {', '.join(f'{start} to {end}' for start, end in found)}, which do not "
            "follow one another; train the model again or roll back"
        )
    return [section(start, end) for start, end in found]


def _trunk(bundle: Bundle, setup: Setup, runtime: str) -> Section:
    """The uppermost section of a bundle that requires some, loaded with those below where they are not yet."""
    layers: tuple[str, ...] = ()
    below: Section | None = None
    for name in sections(bundle):
        layers = (*layers, bundle.requires[name])
        key = (layers, runtime, setup.device, setup.threads)
        found = SECTIONS.get(key)
        if found is None:
            takes = WHOLE if below is None else BRANCH
            found = Section(Session(bundle.read(name), setup.threads, setup.device, runtime, takes), below)
            SECTIONS[key] = found
        below = found
    assert below is not None
    return below


def _keys(inputs: Feeds) -> list[bytes]:
    """What tells the windows of a batch from all others: ids, mask, types and the padded length."""
    together = np.concatenate([inputs[name] for name in sorted(inputs)], axis=1)
    return [hashlib.blake2b(row.tobytes(), digest_size=DIGEST_BYTES).digest() for row in together]
