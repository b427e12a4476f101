"""A plugin whose every task, reader, writer and observer breaks one promise, and keeps the others."""

import contextlib
import ctypes
import io
import os
import pickle
import signal
import sys
import time

from classifyd.api import Annotation, Explanation, Label, ReadWindow, Record, UnreadableFile, hookimpl


class Villain:
    """A task that answers properly but for what its name says."""

    def __init__(self, name, deed):
        self.name = name
        self.deed = deed
        self.calls = 0
        self.kept = []

    def load(self, setup):
        if self.name == "loads_never":
            os._exit(7)
        if self.name == "unpickles":
            pickle.loads(pickle.dumps(Record("x")))
        return self

    def predict(self, records):
        self.calls += 1
        answers = [[Label("long" if len(record.text) > 40 else "short", 0.5)] for record in records]
        return self.deed(self, records, answers) or answers


def on(text, deed):
    """Do it only where a text is among the records: the other checks find nothing."""

    def done(villain, records, answers):
        if any(record.text == text for record in records):
            deed()

    return done


def one_too_few(villain, records, answers):
    return answers[:-1] if len(records) > 1 else answers


def counts_calls(villain, records, answers):
    return [[Label(f"call {villain.calls}", 1.0)] for _ in records]


def looks_at_the_batch(villain, records, answers):
    return [[Label("x", 1 / len(records))] for _ in records]


def keeps_everything(villain, records, answers):
    villain.kept.extend(bytearray(os.urandom(100_000)) for _ in records)


def scores_of_its_own(villain, records, answers):
    class Score(float):
        pass

    return [[Label("x", Score(0.5))] for _ in records]


def garbage():
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\xff" * 64)


def fork():
    if os.fork() == 0:
        return  # the child comes back, too


class ExplainsAnother(Villain):
    """Explains an answer that it does not give."""

    def explain(self, record):
        answer = Annotation(labels=(Label("neither", 0.5),))
        return Explanation(answer, answer)


class WeighsTooMuch(Villain):
    """Explains with windows that weigh more than the whole."""

    def explain(self, record):
        [labels] = self.predict([record])
        answer = Annotation(labels=tuple(labels))
        return Explanation(answer, answer, windows=(ReadWindow(0, 0, 2, 1.0), ReadWindow(0, 0, 2, 1.0)))


DEEDS = {
    "exits": on("", lambda: os._exit(3)),
    "crashes": on("", lambda: os.kill(os.getpid(), signal.SIGSEGV)),
    "hangs": on("", lambda: time.sleep(1000)),
    "closes": on("", lambda: os.closerange(3, 64)),
    "writes_garbage": on("", garbage),
    "raises_exit": on("", sys.exit),
    "takes_memory": on("", lambda: ctypes.memset(ctypes.create_string_buffer(2**32), 1, 2**32)),
    "forks": on("", fork),
    "one_too_few": one_too_few,
    "counts_calls": counts_calls,
    "looks_at_the_batch": looks_at_the_batch,
    "keeps_everything": keeps_everything,
    "unpickles": lambda *_: None,
    "loads_never": lambda *_: None,
    "scores_of_its_own": scores_of_its_own,
}


class Reader:
    name = "broken"
    suffixes = (".broken",)

    def read(self, source, cut):
        for index, line in enumerate(io.TextIOWrapper(source.stream, encoding="utf-8")):  # not every input is UTF-8
            yield Record(line, index + (cut.first if cut else 0))


class Writer:
    format = "forgetful"

    def write(self, records, stream, options):
        for annotated in records:
            stream.write(annotated.record.text.encode() + b"\n")

    def assemble(self, parts, stream):
        stream.write(next(iter(parts)).read())


@hookimpl
def register_tasks():
    explaining = [ExplainsAnother("explains_another", lambda *_: None), WeighsTooMuch("weighs", lambda *_: None)]
    return [*(Villain(name, deed) for name, deed in DEEDS.items()), *explaining]


@hookimpl
def register_readers():
    return [Reader()]


@hookimpl
def register_writers():
    return [Writer()]


@hookimpl
def file_done(report):
    raise UnreadableFile("no")
