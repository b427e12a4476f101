"""A job's parts: written in groups, each of which is flushed while the next one is annotated."""

import errno
import os
import threading
from pathlib import Path

import pytest

from classifyd import plugins
from classifyd.errors import DiskFault
from classifyd.jobs import Annotate, Split, TaskSpec
from classifyd.pipeline.annotate import TOGETHER, Annotating
from classifyd.pipeline.border import Border
from classifyd.pipeline.breadcrumb import Trail
from classifyd.pipeline.loading import Loaded
from classifyd.values import Label, ReadOptions, WriteOptions


class Counting:
    """Says what it is asked, and tells `asked` when it was asked twice."""

    def __init__(self):
        self.sizes = []
        self.asked_twice = threading.Event()

    def predict(self, records):
        self.sizes.append(len(records))
        if len(self.sizes) == 2:
            self.asked_twice.set()
        return [[Label("calm", 0.9)] for _ in records]


@pytest.fixture
def annotating(tmp_path):
    """A job of one group of small inputs and one more, and its predictor."""
    splits = []
    for number in range(TOGETHER + 1):
        path = tmp_path / f"{number}.txt"
        path.write_text(f"message {number}\n")
        splits.append(Split(f"claim-{number}", 0, str(path), path.name, path.name, str(tmp_path / f"{number}.part")))
    registry = plugins.load()
    spec = TaskSpec("mood")
    job = Annotate(tuple(splits), (spec,), ReadOptions(), "jsonl", WriteOptions(("mood",)), str(tmp_path / "crumb"))
    loaded = [Loaded(spec, Counting(), "mood@1", 0.0)]
    return Annotating(job, loaded, registry.readers, registry.writer("jsonl"), Trail(job.breadcrumb), Border())


def test_while_the_disk_takes_a_group_the_next_is_annotated(annotating, tmp_path, monkeypatch):
    predictor = annotating.tasks[0].predictor
    waited = []
    fsync = os.fsync

    def slow(descriptor):
        waited.append(predictor.asked_twice.wait(30))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)

    reports = list(annotating.parts())

    assert all(waited)
    assert [TOGETHER, 1] == predictor.sizes
    assert [f"claim-{number}" for number in range(TOGETHER + 1)] == [report.claim for report in reports]
    assert TOGETHER + 1 == len(list(tmp_path.glob("*.part")))


def test_a_part_is_reported_once_it_has_its_name(annotating):
    for report in annotating.parts():
        (split,) = (split for split in annotating.job.splits if split.claim == report.claim)
        assert Path(split.part).stat().st_size == report.size


def test_a_disk_that_takes_no_part_gives_none_a_name_and_leaves_nothing(annotating, tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)

    with pytest.raises(DiskFault, match="No space left"):
        list(annotating.parts())

    assert {"crumb", *(f"{number}.txt" for number in range(TOGETHER + 1))} == {path.name for path in tmp_path.iterdir()}


def test_a_part_is_begun_only_once_its_answers_are_there(annotating, tmp_path):
    predictor, begun = annotating.tasks[0].predictor, []
    predict = predictor.predict

    def look(records):
        begun.append(sorted(path.name for path in tmp_path.glob(".*.tmp")))
        return predict(records)

    predictor.predict = look
    list(annotating.parts())

    first, second = begun
    assert [] == first
    assert [] == [name for name in second if name.startswith(f".{TOGETHER}.part")]
