"""What was decided on the status page leaves review for done, under the labels that are right, whatever happens."""

import json
import sqlite3
from contextlib import closing

import pytest
from daemons import Place, wait_until
from test_http import ANYWHERE
from test_review import DOUBTFUL, Page
from tiny import make_bundle

from classifyd.bundles import Store
from classifyd.ledger import LedgerView
from classifyd.service.decided import REST_SECONDS


def made(place, *, tasks=("spam",), done="done/{spam}") -> Place:
    """A place whose spam and topic models doubt everything."""
    here = place(tasks=tasks, done=done, more='review = "review"\nrecursive = true', listen=ANYWHERE)
    for task, labels in (("spam", ["ham", "spam"]), ("topic", ["sports", "world"])):
        make_bundle(Store(here.root / "models"), task, labels, **DOUBTFUL)
    return here


def decide(here: Place, *labels: str, name: str = "a.txt") -> None:
    """Have a file labelled, and these labels said of it on the page."""
    starts = here.starts()
    daemon = here.start()
    here.drop(name, "hello from berlin")
    wait_until(lambda: here.starts() > starts, place=here)
    page = Page(here)
    wait_until(lambda: any(item["source"] == name for item in page.queue()), place=here)
    for item in [item for item in page.queue() if item["source"] == name]:
        for label in set(labels) & set(item["labels"]):
            assert page.correct(item, label)[0] == 200
    here.stop(daemon)


def rest(here: Place) -> None:
    """Have all that was said be said long ago."""
    with closing(sqlite3.connect(here.root / "state" / "ledger.sqlite")) as db, db:
        db.execute("UPDATE corrections SET at = at - ?", (REST_SECONDS + 1,))


def moved_on(here: Place) -> None:
    wait_until(lambda: not here.files("review"), place=here)


def test_it_goes_to_done_under_the_label_that_is_right_once_nobody_can_be_about_to_take_it_back(place):
    here = made(place)
    decide(here, "ham", name="mails/a.txt")
    daemon = here.start()
    here.drop("later.txt", "hello")
    wait_until(lambda: "later.txt" in here.files("review"), place=here)
    assert {"mails/a.txt", "later.txt"} == here.files("review"), "it was said a moment ago"
    here.stop(daemon)

    rest(here)
    here.start()
    wait_until(lambda: {"later.txt"} == here.files("review"), place=here)

    assert {"ham/mails/a.txt"} == here.files("done")
    with closing(LedgerView(here.root / "state" / "ledger.sqlite")) as view:
        assert view.by_place(str(here.root / "done/ham/mails/a.txt")) is not None, "retention and explain know it"
    assert '"event": "reviewed"' in here.log()


def test_what_is_doubtful_in_another_way_too_stays(place):
    here = made(place, tasks=("spam", "topic"))
    decide(here, "ham")
    rest(here)
    daemon = here.start()
    here.drop("sentinel.txt", "hello")
    wait_until(lambda: "sentinel.txt" in here.files("review"), place=here)
    here.stop(daemon)  # whose first look was through by then
    assert {"a.txt", "sentinel.txt"} == here.files("review")

    decide(here, "ham", "sports", name="b.txt")
    rest(here)
    here.start()
    wait_until(lambda: {"ham/b.txt"} == here.files("done"), place=here)
    assert {"a.txt", "sentinel.txt"} == here.files("review")


def test_a_file_that_is_another_by_now_stays_and_one_of_the_same_name_is_not_overwritten(place):
    here = made(place, done="done")
    (here.root / "done").mkdir()
    (here.root / "done" / "a.txt").write_text("somebody's own")
    decide(here, "ham")
    decide(here, "spam", name="b.txt")
    (here.root / "review" / "b.txt").write_text("edited")
    rest(here)
    here.start()
    wait_until(lambda: {"a.txt", "a.1.txt"} == here.files("done"), place=here)
    assert "somebody's own" == (here.root / "done" / "a.txt").read_text()
    assert {"b.txt"} == here.files("review")


def test_where_inputs_are_deleted_it_is_deleted_too(place):
    here = made(place, done="delete")
    decide(here, "ham")
    rest(here)
    here.start()
    moved_on(here)
    assert set() == here.files("done")
    [record] = here.records("a.txt.jsonl")
    assert "hello from berlin" == record["text"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["ledger.placed", "decided.move"])
def test_killed_around_each_step_it_is_in_one_place_and_gets_to_done(place, step, when):
    here = made(place)
    decide(here, "ham")
    rest(here)
    assert -9 == here.start(more={"DIE": f"{when} {step}"}).wait(60), here.log()
    assert 1 == len(here.files("review") | here.files("done"))
    here.start()
    moved_on(here)
    assert {"ham/a.txt"} == here.files("done")
    notes = json.loads((here.root / "out" / "a.txt.jsonl").read_text())
    assert "a.txt" == notes["source"]
