"""Doubtful spans are asked about, and what a person marks is in the ledger once, or refused with nothing kept."""

import json
from contextlib import closing

import pytest
from daemons import Place, wait_until
from test_http import ANYWHERE
from test_review import Page
from tiny import make_bundle

from classifyd.bundles import Store
from classifyd.ledger import LedgerView
from classifyd.values import Span

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TEXT = "hello maria from berlin"
RIGHT = [{"start": 17, "end": 23, "label": "LOC"}, {"start": 6, "end": 11, "label": "PER"}]


@pytest.fixture
def page(place) -> tuple[Page, Place]:
    here = place(tasks=("ner",), listen=ANYWHERE)
    # All but certainty is doubtful.
    thresholds = {"review": 0.8, "labels": {"PER": 1.0, "LOC": 1.0}}
    make_bundle(Store(here.root / "models"), "ner", LABELS, "token", thresholds=thresholds)
    here.start()
    here.drop("a.txt", TEXT)
    made = Page(here)
    wait_until(lambda: len(made.queue()) == 1, place=here)
    return made, here


def mark(page: Page, item: dict, spans: object, **more: object) -> tuple[int, str]:
    return page.ask("/api/mark", {"key": item["key"], "task": item["task"], "spans": spans, **more})


def kept(here: Place) -> list:
    with closing(LedgerView(here.root / "state" / "ledger.sqlite")) as view:
        return view.corrections()


def test_what_is_marked_is_kept_with_all_that_is_known_and_is_labelled_data(page: tuple[Page, Place]) -> None:
    page, here = page
    [item] = page.queue()
    [record] = here.records("a.txt.jsonl")
    said = record["annotations"]["ner"]["spans"]
    assert [(one["start"], one["end"], one["label"]) for one in item["spans"]] == [
        (one["start"], one["end"], one["label"]) for one in said
    ]
    assert (item["labels"], item["text"], item["score"]) == (["PER", "LOC"], TEXT, min(one["score"] for one in said))

    assert mark(page, item, RIGHT, who="Maria")[0] == 200
    [found] = kept(here)
    assert found.spans == (Span(6, 11, "PER", 1.0), Span(17, 23, "LOC", 1.0)), "in the order of the text"
    assert (found.task, found.label, found.text, found.who) == ("ner", None, TEXT, "Maria")
    assert (found.model, found.inbox, found.source) == ("ner@1", "in", "a.txt")
    assert found.said == ", ".join(f"{one['label']} {one['start']}-{one['end']}" for one in said)
    assert page.queue() == []
    assert "berlin" not in here.log(), "no text of a message in a log"


def test_marked_twice_it_is_kept_once_and_otherwise_it_is_refused_until_it_is_taken_back(
    page: tuple[Page, Place],
) -> None:
    page, here = page
    [item] = page.queue()
    assert [mark(page, item, RIGHT)[0] for _ in range(2)] == [200, 200]
    assert mark(page, item, [], who="Tom") == (409, "page has marked it otherwise already\n")
    assert len(kept(here)) == 1
    assert page.ask("/api/withdraw", {"key": item["key"]})[0] == 200
    assert page.queue() == [item]
    assert mark(page, item, [])[0] == 200
    assert [one.spans for one in kept(here)] == [()], "that nothing is to be marked is a correction too"


@pytest.mark.parametrize(
    "spans",
    [
        None,
        "PER",
        {},
        [1],
        [{"start": 6, "end": 11}],
        [{"start": 6, "end": 6, "label": "PER"}],
        [{"start": -1, "end": 5, "label": "PER"}],
        [{"start": True, "end": 5, "label": "PER"}],
        [{"start": 0, "end": len(TEXT) + 1, "label": "PER"}],
        [{"start": 0.0, "end": 5, "label": "PER"}],
        [{"start": 0, "end": 5, "label": "O"}],
        [{"start": 0, "end": 5, "label": "B-PER"}],
        [{"start": 0, "end": 5, "label": "\ud800"}],
        [{"start": 0, "end": 11, "label": "PER"}, {"start": 6, "end": 11, "label": "LOC"}],
        [{"start": 0, "end": 1, "label": "PER"}] * 2,
        [{"start": place, "end": place + 1, "label": "PER"} for place in range(501)],
    ],
    ids=lambda spans: json.dumps(spans)[:40],
)
def test_what_are_no_spans_of_the_text_is_refused(page: tuple[Page, Place], spans: object) -> None:
    page, here = page
    [item] = page.queue()
    assert mark(page, item, spans)[0] == 409
    assert page.correct(item, "PER")[0] == 409, "one label for the whole text says nothing here"
    assert mark(page, item | {"key": "page:" + "0" * 32}, RIGHT)[0] == 409
    assert kept(here) == []
    assert page.queue() == [item]


def test_a_text_that_is_too_long_to_be_shown_whole_is_not_asked_about(page: tuple[Page, Place]) -> None:
    page, here = page
    here.drop("long.txt", TEXT * 300)
    here.drop("b.txt", TEXT)
    wait_until(lambda: {"long.txt", "b.txt"} <= here.files("done"), place=here)
    wait_until(lambda: {item["source"] for item in page.queue()} == {"a.txt", "b.txt"}, place=here)
