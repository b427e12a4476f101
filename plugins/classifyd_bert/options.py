"""What a task's section of the configuration may say of a task on the kit."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from classifyd.api import ConfigError, Setup
from classifyd_bert.microbatch import GPU_TOKEN_BUDGET, TOKEN_BUDGET
from classifyd_bert.runtimes import AUTO, RUNTIMES

CACHE_BYTES = 16 * 2**20
OPTIONS: Mapping[str, Any] = MappingProxyType({"token_budget": TOKEN_BUDGET, "runtime": AUTO, "cache": CACHE_BYTES})
"""What may be said, and what goes without saying."""

# As in the daemon's own settings, but without the library that reads those: 18 MB in every worker.
_SIZE = re.compile(r"(\d{1,15}) *(?:([kKMG])(i)?)?B?", re.ASCII)
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3}


def token_budget(setup: Setup) -> int:
    """How many tokens, padding included, the model takes at a time. ConfigError, as below, if it makes no sense."""
    value = _given(setup, "token_budget")
    if "token_budget" not in setup.options and setup.device == "cuda":
        return GPU_TOKEN_BUDGET
    if isinstance(value, str) and value.isascii() and value.isdigit():  # from the environment
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"tasks.{setup.task}: token_budget is {value!r}; it must be a whole number from 1")
    return value


def runtime(setup: Setup) -> str:
    """What runs the model: one of RUNTIMES, or AUTO."""
    value = _given(setup, "runtime")
    if value not in (AUTO, *RUNTIMES):
        raise ConfigError(
            f"tasks.{setup.task}: runtime is {value!r}; it must be one of: {', '.join((AUTO, *RUNTIMES))}"
        )
    return str(value)


def cache_bytes(setup: Setup) -> int:
    """About how much memory answers may take that are kept for texts that come again; 0 for none."""
    value = _given(setup, "cache")
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value))
    if found is None:
        raise ConfigError(
            f'tasks.{setup.task}: cache is {value!r}; it must be a number of bytes, or a size as "16 MiB"; 0 for none'
        )
    number, unit, binary = found.groups()
    power: int = (1024 if binary else 1000) ** _POWERS.get(unit, 0)
    return int(number) * power


def _given(setup: Setup, name: str) -> Any:
    unknown = sorted(set(setup.options) - set(OPTIONS))
    if unknown:
        raise ConfigError(f"tasks.{setup.task}: unknown option {unknown[0]!r}; known: {', '.join(OPTIONS)}")
    return setup.options.get(name, OPTIONS[name])
