"""A third party's plugin, well behaved but for texts that ask it not to be."""

import ctypes
import os
import signal
import time
from pathlib import Path

from classifyd.api import Cut, Label, Record, Span, hookimpl


class Shouting:
    """Tells messages that shout; a text can make it raise, hang, exit or crash."""

    name = "shouting"

    def load(self, setup):
        return self

    def predict(self, records):
        for record in records:
            obey(record.text)
        print("a plugin may print")
        return [[Label("loud" if r.text.isupper() else "calm", 1.0)] for r in records]


class Capitals:
    """Marks words in capitals."""

    name = "capitals"

    def load(self, setup):
        return self

    def predict(self, records):
        return [[Span(0, len(r.text.split()[0]), "WORD", 0.5)] if r.text.split() else [] for r in records]


class Sick:
    """Cannot answer as long as the file that the environment names is there."""

    name = "sick"

    def load(self, setup):
        return self

    def predict(self, records):
        if Path(os.environ["SICK_WHILE"]).exists():
            raise RuntimeError("sick")
        return [[Label("well", 1.0)] for _ in records]


class Slow:
    """Takes a while for every record."""

    name = "slow"

    def load(self, setup):
        return self

    def predict(self, records):
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0.01")) * len(records))
        return [[Label("done", 1.0)] for _ in records]


class Unsure:
    """Is never sure of anything."""

    name = "unsure"

    def load(self, setup):
        return self

    def predict(self, records):
        time.sleep(float(os.environ.get("UNSURE_SECONDS", "0")) * len(records))
        return [[Label("maybe", 0.6)] for _ in records]


def obey(text):
    if "RAISE" in text:
        raise ValueError("asked to raise")
    if "HANG" in text:
        time.sleep(3600)
    if "EXIT" in text:
        os._exit(3)
    if "TAKE ALL" in text:
        take_all()
    if "CRASH" in text:
        ctypes.string_at(0)


def take_all():
    """End the daemon, and with it this worker."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(3600)


class TroubledReader:
    """Reads lines; the first line says what goes wrong after two thousand of them, or at the end."""

    name = "troubled"
    suffixes = (".troubled",)

    def read(self, source, cut):
        deed = source.stream.readline().strip()
        for index, line in enumerate(source.stream):
            if index == 2000:
                break
            yield Record(line.decode().strip(), index)
        self.fail(deed)

    def cut(self, source, size):
        if source.stream.readline().strip() == b"take all when cut":
            take_all()
        yield Cut(0, 1, 0)

    def fail(self, deed):
        if deed == b"dawdle":
            time.sleep(3)
            return
        if deed == b"take all when read":
            time.sleep(0.5)
            take_all()
        if deed == b"exit":
            os._exit(4)
        if deed == b"refuse":
            raise OSError("by itself, not by the disk")
        raise KeyError("trouble")


class TroubledWriter:
    """Writes texts, a line each; a text says when that ends the daemon."""

    format = "troubled"

    def write(self, records, stream, options):
        for annotated in records:
            if "take all when written" in annotated.record.text:
                take_all()
            stream.write(annotated.record.text.encode() + b"\n")

    def assemble(self, parts, stream):
        for part in parts:
            content = part.read()
            if b"take all when put together" in content:
                take_all()
            stream.write(content)


@hookimpl
def register_writers():
    return [TroubledWriter()]


@hookimpl
def register_readers():
    return [TroubledReader()]


@hookimpl
def register_tasks():
    return [Shouting(), Capitals(), Sick(), Slow(), Unsure()]


@hookimpl
def file_done(report):
    told = os.environ.get("TOLD")
    if told:
        with Path(told).open("a") as file:
            file.write(f"{report.state} {report.source}\n")
