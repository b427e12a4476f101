"""What the manifest of a bundle says of its model, each entry checked before it is used."""

from collections.abc import Mapping
from math import inf
from typing import Any

from classifyd.api import Bundle, BundleError, Setup
from classifyd_bert.heads import Calibration


def fitting(setup: Setup, kind: str) -> Bundle:
    """The bundle in service. BundleError if there is none, or its model is of another kind."""
    if setup.bundle is None:
        raise BundleError(
            f"{setup.task}: no model in service; train one with: classifyd train {setup.task} --data FILE …"
        )
    if setup.bundle.manifest.get("kind") != kind:
        raise BundleError(
            f"{setup.bundle.path}: is a model of kind {setup.bundle.manifest.get('kind')!r}; "
            f"task {setup.task} needs {kind!r}. Promote a version that fits, or train one."
        )
    return setup.bundle


def whole(manifest: Mapping[str, Any], key: str, *, least: int) -> int:
    """A whole number. BundleError if it is none, or less than the least."""
    value = manifest.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BundleError(f'manifest.json: "{key}" is {value!r}; it must be a whole number, at least {least}')
    return value


def flag(manifest: Mapping[str, Any], key: str) -> bool:
    """A setting that is on or off; off where nothing is said of it. BundleError if it is neither."""
    value = manifest.get(key, False)
    if not isinstance(value, bool):
        raise BundleError(f'manifest.json: "{key}" is {value!r}; it must be true or false')
    return value


def calibration(manifest: Mapping[str, Any]) -> Calibration:
    """How the manifest has scores calibrated; older ones say nothing of spans. BundleError if it makes no sense."""
    temperature = _number(manifest, "temperature", above=0)
    spans = manifest.get("span_calibration", {"slope": 1.0, "offset": 0.0})
    if not isinstance(spans, Mapping):
        raise BundleError(f'manifest.json: "span_calibration" is {spans!r}; it must hold "sure", "doubt" and "offset"')
    if "slope" in spans:  # from before the two had weights of their own
        return Calibration(temperature, *(_number(spans, "slope", above=0),) * 2, _number(spans, "offset"))
    sure, doubt = _number(spans, "sure", least=0), _number(spans, "doubt", above=0)
    return Calibration(temperature, sure, doubt, _number(spans, "offset"))


def calibration_entries(found: Calibration, kind: str) -> dict[str, Any]:
    """A calibration as the manifest of a model of that kind keeps it."""
    spans = {"span_calibration": {"sure": found.sure, "doubt": found.doubt, "offset": found.offset}}
    return {"temperature": found.temperature, **(spans if kind == "token" else {})}


def _number(entries: Mapping[str, Any], key: str, *, above: float = -inf, least: float = -inf) -> float:
    value = entries.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool) and above < value < inf and value >= least:
        return float(value)
    bound = f" above {above:g}" if above > -inf else f", at least {least:g}" if least > -inf else ""
    raise BundleError(f'manifest.json: "{key}" is {value!r}; it must be a number{bound}')
