"""How a cluster of Ray is joined: within a time, and with a clear word where it cannot be."""

import contextlib
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import structlog

from classifyd.config import WorkersConfig
from classifyd.errors import UnavailableError
from classifyd.workers.raised import told

log = structlog.get_logger()

ANSWER_SECONDS = 5.0
"""A head that runs answers at once; Ray itself would try for minutes, and then end the process."""
JOIN_SECONDS = 90.0
"""So long may it take to join a cluster, or to start one on a busy machine."""
TRIES = 3
"""A head's server begins a process for each who joins from outside; should one die at its birth, the next may live."""
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""By this Ray takes the loopback address for a machine's own, as it does by itself where it runs on one alone."""


def installed(*, alone: bool) -> Any:
    """Ray, of which nothing runs yet; `alone` on this machine. UnavailableError if it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what labels mail reports to nobody
    if alone:
        os.environ.setdefault(LOOPBACK, "0")  # else all who reach this machine could talk to its parts
    try:
        import ray  # noqa: PLC0415  # only where the engine is Ray
    except ImportError as error:
        mend = 'pip install "classifyd[ray]"'
        raise UnavailableError(f'[workers] engine = "ray": {error}; install it with: {mend}', mend) from error
    logging.getLogger("ray").setLevel(logging.ERROR)  # importing it turned it up; it warns of what is meant
    return ray


def joined(config: WorkersConfig, left: threading.Event) -> Any:
    """Ray, with the cluster joined until `left`. UnavailableError, with what mends it, if it cannot be."""
    ray = installed(alone=not config.address)
    _try(config.address)
    options: dict[str, Any] = {"namespace": "classifyd", "log_to_driver": False, "configure_logging": False}
    if config.address:
        options["address"] = config.address
    else:
        options |= {
            "address": "local",
            "include_dashboard": False,
            "object_store_memory": config.object_store_bytes,
        }
    # Where the head answers but its parts do not, Ray waits without end; in the main thread it would also take SIGTERM.
    # What it starts on this machine dies with the thread that started it.
    joining: Future[Any] = Future()
    threading.Thread(target=_join, args=(joining, ray, options, left), name="joins-a-cluster", daemon=True).start()
    try:
        joining.result(timeout=JOIN_SECONDS)
    except Exception as error:  # Ray raises whatever its parts do
        raise _refusal(config.address, error) from error
    _take_back_signals()
    log.info("cluster_joined", address=config.address or "this machine", ray=ray.__version__)
    return ray


# ---------------------------------------------------------------------- helpers, in the order used


def _try(address: str) -> None:
    """UnavailableError if nobody answers at an address that names a host, or at the one that "auto" stands for."""
    meant = _meant() if address == "auto" else address
    host, colon, port = meant.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except OSError as error:
        where = address if meant == address else f"{address} ({meant})"
        own = "" if meant.startswith("ray://") else f" --port={port}"
        raise UnavailableError(
            f"[workers] address {where}: nobody answers there ({error.strerror or error}); start the cluster's head, "
            "or mend the address",
            f"on {host}: ray start --head --num-cpus=0{own}",
        ) from error


def _meant() -> str:
    """Where Ray takes "auto" to be: what its variable says, or what the last cluster of this machine has left."""
    if told := os.environ.get("RAY_ADDRESS"):
        return told
    with contextlib.suppress(OSError):
        return Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray/ray_current_cluster").read_text().strip()  # noqa: S108  # Ray's own
    return ""


def _join(joining: "Future[Any]", ray: Any, options: Mapping[str, Any], left: threading.Event) -> None:
    try:
        joining.set_result(_begin(ray, options))
    except BaseException as error:  # noqa: BLE001  # whoever waits is to hear of it
        joining.set_exception(error)
    else:
        left.wait()


def _begin(ray: Any, options: Mapping[str, Any]) -> Any:
    for _ in range(TRIES - 1):
        try:
            return ray.init(**options)
        except ConnectionAbortedError as error:
            log.warning("cluster_asked_again", error=told(error))
    return ray.init(**options)


def _take_back_signals() -> None:
    """Ray's native part handles SIGTERM as a crash, with a trace; Python's own handler is put in its place again."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(ValueError):  # not the main thread, whose affair signals are
            signal.signal(number, signal.getsignal(number))


def _refusal(address: str, error: Exception) -> UnavailableError:
    where = f"the cluster at {address}" if address else "a cluster on this machine"
    if isinstance(error, TimeoutError):
        why, mend = f"it did not answer within {JOIN_SECONDS:g} seconds", "ray status"
    elif there := re.search(r"Ray: (\S+)\s+Python: (\S+)", str(error)):
        why, mend = _other_versions(*there.groups())
    elif isinstance(error, ConnectionError) and address == "auto":
        mend = "ray start --address=HOST:6379 --num-cpus=0"
        why = f"no Ray runs on this machine; have it join the cluster with: {mend}"
    else:
        why, mend = told(error), ""
    return UnavailableError(f"[workers] {where} cannot be had: {why}", mend)


def _other_versions(ray: str, python: str) -> tuple[str, str]:
    from importlib.metadata import version  # noqa: PLC0415  # only when it failed

    here = sys.version.split()[0]
    why = f"it runs Ray {ray} with Python {python}, this machine Ray {version('ray')} with Python {here}"
    mend = f"pip install ray=={ray}" if python == here else f"install classifyd[ray] with Python {python}"
    return f"{why}; have the same on both", mend
