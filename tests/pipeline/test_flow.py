import pytest

from classifyd.api import UnreadableFile
from classifyd.jobs import Split
from classifyd.pipeline.flow import Flow, Item
from classifyd.values import AnnotatedRecord, Record


def split(number):
    return Split("claim", number, "in.txt", "in.txt", "in.txt", f"{number}.part")


def annotated(one, text):
    return one, AnnotatedRecord(text, "in.txt", Record(text), {})


def texts(flow, one):
    return [record.record.text for record in flow.of(one)]


def test_splits_follow_one_another_and_may_be_empty():
    first, second, third = map(split, range(3))
    items = [
        annotated(first, "a"),
        annotated(first, "b"),
        Item(first),
        Item(second),
        annotated(third, "c"),
        Item(third),
    ]
    flow = Flow(iter(items))

    assert ["a", "b"] == texts(flow, first)
    assert [] == texts(flow, second)
    assert ["c"] == texts(flow, third)


def test_nothing_of_the_next_split_is_asked_for_to_end_this_one():
    first, second = split(0), split(1)
    asked = []

    def items():
        for item in (annotated(first, "a"), Item(first), annotated(second, "b"), Item(second)):
            asked.append(item)
            yield item

    flow = Flow(items())

    assert ["a"] == texts(flow, first)
    flow.skip(first)
    assert 2 == len(asked)
    assert ["b"] == texts(flow, second)


def test_what_a_writer_leaves_is_not_taken_for_the_next_splits():
    first, second = split(0), split(1)
    flow = Flow(iter([annotated(first, "a"), annotated(first, "b"), Item(first), annotated(second, "c"), Item(second)]))

    assert "a" == next(flow.of(first)).record.text
    flow.skip(first)

    assert ["c"] == texts(flow, second)


def test_an_unreadable_split_raises_where_its_reading_ended():
    first, second = split(0), split(1)
    upset = UnreadableFile("cut off")
    flow = Flow(iter([annotated(first, "a"), Item(first, error=upset), annotated(second, "b"), Item(second)]))

    with pytest.raises(UnreadableFile, match="cut off"):
        texts(flow, first)
    flow.skip(first)
    assert ["b"] == texts(flow, second)


def test_a_stream_that_broke_off_gives_nothing_more():
    first = split(0)

    def items():
        yield annotated(first, "a")
        raise RuntimeError("upset")

    flow = Flow(items())
    with pytest.raises(RuntimeError, match="upset"):
        texts(flow, first)
    flow.skip(first)
    assert [] == texts(flow, first)


def test_what_comes_next_can_be_at_hand_before_it_is_asked_for():
    first = split(0)
    asked = []

    def items():
        for item in (annotated(first, "a"), Item(first)):
            asked.append(item)
            yield item

    flow = Flow(items())
    flow.fetch()
    flow.fetch()

    assert 1 == len(asked)
    assert ["a"] == texts(flow, first)
