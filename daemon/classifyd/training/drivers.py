"""The drivers of URLs: the one place that knows fsspec, which is imported once a URL is used.

It needs the extra `classifyd[train]`.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from classifyd.errors import TrainingError

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "http": "train", "https": "train"}
"""Which extra brings the driver of a protocol."""

WEB = frozenset({"http", "https"})

QUICK_TO_GIVE_UP: Mapping[str, Mapping[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 5, "read_timeout": 60, "retries": {"max_attempts": 1}}},
}
"""Options of drivers that would otherwise wait for minutes for a host that does not answer (s3fs tries again itself).

What fsspec's own configuration says (its files, FSSPEC_… in the environment) goes first.
"""

URL = re.compile(r"([a-z][a-z0-9+.-]*)(?:::[a-z][a-z0-9+.-]*)*://")


def driver_of(url: str) -> tuple[Any, str]:
    """The driver for a URL, and the path that it understands. TrainingError names the extra if it is missing."""
    protocol = protocol_of(url)
    extra = EXTRAS.get(protocol, "train")
    try:
        import fsspec  # noqa: PLC0415  # only once a URL is used
        from fsspec.core import url_to_fs  # noqa: PLC0415  # likewise

        chosen = {**QUICK_TO_GIVE_UP.get(protocol, {}), **fsspec.config.conf.get(protocol, {})}
        driver, path = url_to_fs(url, **chosen)
    except ImportError as error:
        raise TrainingError(f"{url}: needs a driver ({error}): pip install 'classifyd[{extra}]'") from error
    except ValueError as error:
        raise TrainingError(f"{url}: {error}; check how the URL is written") from error
    driver.invalidate_cache()
    return driver, str(path)


def protocol_of(url: str) -> str:
    """The protocol of a URL; `file` for a path."""
    found = URL.match(url)
    return found[1] if found else "file"


@contextlib.contextmanager
def explained(url: str) -> Iterator[None]:
    """TrainingError, saying what to do, for whatever a driver raises."""
    try:
        yield
    except TrainingError:
        raise
    except PermissionError as error:
        raise TrainingError(
            f"{url}: access is denied ({_said(error)}); check the credentials of this machine and the permissions there"
        ) from error
    except FileNotFoundError as error:
        raise TrainingError(f"{url}: there is no such file, folder or bucket; check the name") from error
    except NotImplementedError as error:
        raise TrainingError(f"{url}: its driver cannot do that; name a bucket or a folder") from error
    except Exception as error:  # each driver raises what its own libraries do
        raise TrainingError(
            f"{url}: cannot be reached ({_said(error)}); check the name, the network and the credentials"
        ) from error


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:200]
