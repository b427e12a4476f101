"""`classifyd` as bench/stages.py starts it: with watches on the stages of the path, or without durability.

    STAGES=FOLDER python bench/launch.py run --config FILE      each process tells in FOLDER where its time goes
    UNSAFE=1 python bench/launch.py run --config FILE           no fsync, and a ledger that does not wait for the disk

For measurements only: what is done without durability is lost by a power cut, and no setting of the product does so.
Each worker runs this module before it begins, as multiprocessing's spawn does with a main module.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

TELL_SECONDS = 0.25


class Connection(sqlite3.Connection):
    """One whose statements can be watched."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return super().execute(sql, *values)


class Careless(sqlite3.Connection):
    """One that never waits for the disk."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return super().execute("PRAGMA synchronous=OFF" if sql == "PRAGMA synchronous=FULL" else sql, *values)


class Watch:
    """Seconds of the clock and of the processor by stage; of stages that lie in one another the innermost counts."""

    def __init__(self) -> None:
        self.found: dict[str, list[float]] = {}
        self._own = threading.local()

    def stage(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Have what a function takes counted under a name."""

        def watched(function: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(function)
            def called(*args: Any, **named: Any) -> Any:
                self._enter(name)
                try:
                    return function(*args, **named)
                finally:
                    self._leave()

            return called

        return watched

    def each(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The same for a function that gives an iterator: what it takes to get each item."""

        def watched(function: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(function)
            def called(*args: Any, **named: Any) -> Iterator[Any]:
                following = self.stage(name)(iter(function(*args, **named)).__next__)
                while True:
                    try:
                        item = following()
                    except StopIteration:
                        return
                    yield item

            return called

        return watched

    def _enter(self, name: str) -> None:
        self._count()
        self._stack().append(name)

    def _leave(self) -> None:
        self._count()
        self._stack().pop()

    def _stack(self) -> list[str]:
        if not hasattr(self._own, "stack"):
            self._own.stack, self._own.clock, self._own.processor = [], time.perf_counter(), time.thread_time()
        stack: list[str] = self._own.stack
        return stack

    def _count(self) -> None:
        """What has passed since the last change belongs to the innermost stage."""
        stack, clock, processor = self._stack(), time.perf_counter(), time.thread_time()
        if stack:
            taken = self.found.setdefault(stack[-1], [0.0, 0.0])
            taken[0] += clock - self._own.clock
            taken[1] += processor - self._own.processor
        self._own.clock, self._own.processor = clock, processor


def tell(watch: Watch, folder: Path) -> None:
    """Write every so often what was found so far, with the clock and all processor time of this process."""
    path = folder / f"{os.getpid()}.json"
    while True:
        found = {"clock": time.perf_counter(), "processor": time.process_time(), "stages": dict(watch.found)}
        path.with_suffix(".tmp").write_text(json.dumps(found), encoding="ascii")
        path.with_suffix(".tmp").replace(path)
        time.sleep(TELL_SECONDS)


def watch_all(folder: Path) -> None:
    """Put watches on the stages; those of a worker only in a worker, for the daemon loads no plugin."""
    watch = Watch()
    _put(watch.stage("fsync"), os, "fsync")
    if __name__ == "__main__":
        from classifyd.service.daemon import Daemon

        _put(watch.stage("turns of the loop"), Daemon, "_turn")
        _put(watch.stage("idle"), Daemon, "_wait")
        _put(watch.stage("ledger"), Connection, "execute")
        connect_by(Connection)
    else:
        _watch_worker(watch)
    threading.Thread(target=tell, args=(watch, folder), daemon=True).start()


def _watch_worker(watch: Watch) -> None:
    from classifyd import pipeline
    from classifyd.pipeline import annotate, predicting
    from classifyd_bert import predictor, runtimes, tokens

    _put(watch.stage("the rest of the job"), pipeline.Pipeline, "run")
    _put(watch.each("reading"), annotate.Annotating, "_items")
    _put(watch.stage("writing"), annotate.Annotating, "_write")
    _put(watch.each("the rest of the job"), annotate.Annotating, "_annotated")
    _put(watch.stage("checking answers"), predicting, "checked")
    _put(watch.stage("tokenizing"), tokens.Tokenizer, "windows")
    _put(watch.stage("batching"), predictor.Network, "_run")
    _put(watch.stage("model"), runtimes.OnnxRuntime, "run")
    _put(watch.stage("model"), runtimes.OpenVino, "run")
    _put(watch.stage("answers from logits"), predictor.SequencePredictor, "_say")
    _put(watch.stage("answers from logits"), predictor.TokenPredictor, "_say")


def _put(watching: Callable[[Callable[..., Any]], Callable[..., Any]], owner: Any, name: str) -> None:
    setattr(owner, name, watching(getattr(owner, name)))


def without_durability() -> None:
    """Take fsync away, and the ledger's waiting."""
    os.fsync = os.fdatasync = lambda _: None  # type: ignore[assignment]
    connect_by(Careless)


def connect_by(kind: type[sqlite3.Connection]) -> None:
    """Have SQLite's connections be of that kind."""
    connect = sqlite3.connect
    sqlite3.connect = lambda *given, **named: connect(*given, factory=kind, **named)  # type: ignore[assignment]


if os.environ.get("UNSAFE"):
    without_durability()
if os.environ.get("STAGES"):
    watch_all(Path(os.environ["STAGES"]))

if __name__ == "__main__":
    from classifyd.cli import main

    main()
