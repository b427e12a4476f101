"""Which runtime a bundle runs in where the configuration says "auto": the known answers, then a short measurement."""

import hashlib
import importlib
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata

from classifyd.api import BundleError, Choice, ConfigError, Predictor, Record, Setup, cpu_features, cpu_model
from classifyd_bert import options
from classifyd_bert.runtimes import AUTO, DEFAULT, usable

MARGIN = 1.1
"""So many times as fast as the default another runtime must be: it costs memory, and what is less may be chance."""
SECONDS = 2.0
"""About so long each runtime answers while it is measured; on slow machines LEAST_ROUNDS take longer."""
LEAST_ROUNDS, MOST_ROUNDS = 5, 25
TRIAL = ((12, 16), (35, 8), (80, 4))
"""Words of a text, and how many such texts: a third of the tokens each in short, middling and long ones."""
_METHOD = 1
"""Counted up whenever choices made before would not be made so again."""


def undecided(setup: Setup) -> str | None:
    """Names bundle, machine, versions and threads; None where the runtime is named, or only one can be used.

    None also for a bundle without known answers: there is nothing that another runtime could be held to.
    """
    bundle = setup.bundle
    if bundle is None or options.runtime(setup) != AUTO or not bundle.manifest.get("examples"):
        return None
    runtimes = usable(setup.device)
    if len(runtimes) < 2:
        return None
    versions = [_version(name) for name in runtimes]
    cores = len(os.sched_getaffinity(0))
    facts = [_METHOD, bundle.digest, versions, cpu_model(), cpu_features(), cores, setup.device, setup.threads]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _version(runtime: str) -> str:
    """The installed version. onnxruntime-gpu is a package of another name, and then says so itself."""
    try:
        return metadata.version(runtime)
    except metadata.PackageNotFoundError:
        return str(getattr(importlib.import_module(runtime), "__version__", ""))


def choose(setup: Setup, load: Callable[[Setup], Predictor]) -> Choice:
    """The runtime that answers fastest among those that give the bundle's known answers; `load` loads a predictor.

    The default unless another is clearly faster. BundleError, the default's, if none gives those answers.
    """
    fit: dict[str, Predictor] = {}
    unfit: dict[str, BundleError | ConfigError] = {}
    for runtime in usable(setup.device):
        chosen = {"runtime": runtime, "cache": 0}  # what is answered from memory measures nothing
        try:
            fit[runtime] = load(replace(setup, options={**setup.options, **chosen}))
        except (BundleError, ConfigError) as error:
            unfit[runtime] = error
    if not fit:
        raise unfit[DEFAULT]
    refused = [f"{runtime} is not fit: {' '.join(str(error).split())}" for runtime, error in unfit.items()]
    if len(fit) == 1:
        (only,) = fit
        return Choice({"runtime": only}, "; ".join([f"{only} alone is fit", *refused]))
    chosen_one, why = verdict(*_measured(fit, setup))
    return Choice({"runtime": chosen_one}, "; ".join([why, *refused]))


def verdict(costs: Mapping[str, Sequence[float]], clock: str, texts: int) -> tuple[str, str]:
    """The runtime to take, and why, from the seconds that each took for so many texts, round by round.

    One that is not the default must be MARGIN times as fast by the median of the rounds' ratios, and faster in three
    rounds of four.
    """
    base = DEFAULT if DEFAULT in costs else next(iter(costs))
    best, faster = base, 1.0
    told = [f"{base} {_per_second(texts, costs[base])}"]
    for runtime, taken in costs.items():
        if runtime == base:
            continue
        ratios = sorted(own / other for own, other in zip(costs[base], taken, strict=True))
        ratio = statistics.median(ratios)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f} in {len(ratios)} rounds"
        told.append(f"{runtime} {_per_second(texts, taken)}: {ratio:.2f} times as fast ({spread})")
        if ratio >= MARGIN and ratios[len(ratios) // 4] > 1 and ratio > faster:
            best, faster = runtime, ratio
    return best, f"by {clock} {', '.join(told)}; {MARGIN:g} times is enough to leave {base}"


def _per_second(texts: int, taken: Sequence[float]) -> str:
    return f"{texts / statistics.median(taken):,.0f} texts/s"


def _measured(fit: Mapping[str, Predictor], setup: Setup) -> tuple[dict[str, list[float]], str, int]:
    """What each predictor took for the same texts, in turns; by which clock; how many texts they were."""
    # A worker of one thread among others earns by the processor time that it does not take, and other work on the
    # machine hardly changes that. Several threads are to save time, some of it by waiting for one another.
    clock, called = (time.process_time, "processor time") if setup.threads == 1 else (time.perf_counter, "time")
    records = _trial(setup)
    costs: dict[str, list[float]] = {runtime: [] for runtime in fit}
    for predictor in fit.values():  # the first time for each shape is another matter
        predictor.predict(records)
    spent, rounds = 0.0, 0
    while rounds < LEAST_ROUNDS or (rounds < MOST_ROUNDS and spent < SECONDS * len(fit)):
        # Every other round in the other order: nobody always comes after the same one.
        for runtime in list(fit)[:: -1 if rounds % 2 else 1]:
            wall, began = time.perf_counter(), clock()
            fit[runtime].predict(records)
            costs[runtime].append(clock() - began)
            spent += time.perf_counter() - wall
        rounds += 1
    return costs, called, len(records)


def _trial(setup: Setup) -> list[Record]:
    """Different texts of TRIAL's lengths, made of the words of the bundle's known answers."""
    assert setup.bundle is not None
    words = " ".join(str(example["text"]) for example in setup.bundle.manifest["examples"]).split() or ["hello"]
    around = words * (1 + (len(words) + max(length for length, _ in TRIAL)) // len(words))
    places = [(length, place) for length, count in TRIAL for place in range(count)]
    return [Record(" ".join((*around[place % len(words) :][: length - 1], str(place)))) for length, place in places]
