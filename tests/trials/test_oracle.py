"""The oracle finds every kind of wrong: a judge that cannot condemn proves nothing."""

import json
import random

import pytest
from oracle import Consumer, Producer, Scene, account
from shapes import jsonl, mark, one_of_each


@pytest.fixture
def scene(tmp_path):
    """Two inputs that were processed as they should be, made by hand."""
    (tmp_path / "in").mkdir()
    producer = Producer(tmp_path / "in", tmp_path / "oracle")
    for folder in ("out", "done", "quarantine"):
        (tmp_path / folder).mkdir()
    for name in ("a.jsonl", "b.jsonl"):
        producer.drop(jsonl(name, 3, random.Random(1)))
        (tmp_path / "in" / name).rename(tmp_path / "done" / name)
        (tmp_path / "out" / f"{name}.jsonl").write_bytes(answer(name))
    return Scene(tmp_path), producer


def answer(name, records=3):
    lines = (
        {"index": index, "text": mark(name, index), "annotations": {"slow": {}}, "errors": {}}
        for index in range(records)
    )
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def test_what_was_processed_as_it_should_be_has_no_faults(scene):
    here, producer = scene
    found = account(here, producer.dropped(), undisturbed=here.outputs())

    assert found.faults == []
    assert found.published == {"a.jsonl", "b.jsonl"}


def remove(path):
    path.unlink()


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-5])


def lose_a_record(path):
    path.write_bytes(answer("a.jsonl", 2))


def swap_records(path):
    first, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*others, first]))


def answer_for_another(path):
    path.write_bytes(answer("b.jsonl"))


def change_a_space(path):
    path.write_bytes(path.read_bytes().replace(b'": ', b'":  ', 1))


def double(path):
    path.with_name(f"{path.name}.1").write_bytes(path.read_bytes())


def leave_a_draft(path):
    path.with_name(".draft").write_bytes(b"")


def put_back(path):
    (path.parents[1] / "in" / path.name).write_bytes(path.read_bytes())


def quarantine_without_reason(path):
    path.rename(path.parents[1] / "quarantine" / path.name)


@pytest.mark.parametrize(
    ("harm", "where", "fault"),
    [
        (remove, "out/a.jsonl.jsonl", "lost: a.jsonl"),
        (remove, "done/a.jsonl", "lost: a.jsonl"),
        (cut_short, "out/a.jsonl.jsonl", "torn: a.jsonl.jsonl"),
        (cut_short, "done/a.jsonl", "different: "),
        (lose_a_record, "out/a.jsonl.jsonl", "torn: a.jsonl.jsonl"),
        (swap_records, "out/a.jsonl.jsonl", "torn: a.jsonl.jsonl"),
        (answer_for_another, "out/a.jsonl.jsonl", "different: a.jsonl.jsonl"),
        (change_a_space, "out/a.jsonl.jsonl", "different: a.jsonl.jsonl"),
        (double, "out/a.jsonl.jsonl", "doubled: a.jsonl.jsonl.1"),
        (leave_a_draft, "out/a.jsonl.jsonl", "left: "),
        (put_back, "done/a.jsonl", "doubled: a.jsonl"),
        (quarantine_without_reason, "done/a.jsonl", "lost: "),
    ],
)
def test_each_harm_is_found(scene, harm, where, fault):
    here, producer = scene
    before = here.outputs()
    harm(here.root / where)

    found = account(here, producer.dropped(), undisturbed=before)

    assert any(one.startswith(fault) for one in found.faults), found.faults


def test_an_output_that_comes_twice_or_is_written_to_late_is_found(scene):
    here, producer = scene
    consumer = Consumer(here.root / "out", here.root / "oracle")
    consumer.start()
    consumer.stop()
    assert account(here, producer.dropped(), consumer).faults == []

    (here.root / "out/a.jsonl.jsonl").write_bytes(answer("a.jsonl"))
    late = here.root / "oracle/taken/b.jsonl.jsonl"
    late.write_bytes(late.read_bytes() + b"\n")

    kinds = sorted(fault.partition(":")[0] for fault in account(here, producer.dropped(), consumer).faults)
    assert kinds == ["doubled", "torn", "torn"]


def test_a_file_of_each_format_bears_its_marks():
    for shape in one_of_each(random.Random(1)):
        if not shape.name.endswith(".gz"):
            assert all(mark(shape.name, index).encode() in shape.content for index in range(shape.records))
