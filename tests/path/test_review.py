"""What people decide on the status page is in the ledger once, with who, when and what was wrong, or is not claimed."""

import json
import time
from contextlib import closing
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from daemons import Place, wait_until
from test_http import ANYWHERE, address
from tiny import make_bundle

from classifyd.bundles import Store
from classifyd.ledger import LedgerView

DOUBTFUL = {"thresholds": {"review": 0.999999}}
LONG = "hello from berlin " * 300


class Page:
    """The page's side of a running daemon."""

    def __init__(self, place: Place) -> None:
        self.url = address(place)
        self.token = (place.root / "state" / "http-token").read_text().strip()

    def ask(self, path: str, body: object = None, *, token: str | None = None) -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Authorization": f"Bearer {token or self.token}"})
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def queue(self) -> list[dict]:
        status, body = self.ask("/api/review")
        assert status == 200, body
        return json.loads(body)["items"]

    def correct(self, item: dict, label: str, **more: str) -> tuple[int, str]:
        return self.ask("/api/correct", {"key": item["key"], "task": item["task"], "label": label, **more})


@pytest.fixture
def here(place):
    """A place whose spam model doubts everything; its ner model marks spans, and shouting has no labels to choose."""
    made = place(
        tasks=("spam", "ner", "shouting"), more='review = "review"\ncorrections = "corrections"', listen=ANYWHERE
    )
    store = Store(made.root / "models")
    make_bundle(store, "spam", ["ham", "spam"], **DOUBTFUL)
    make_bundle(store, "ner", ["O", "B-PER", "I-PER"], "token", **DOUBTFUL)
    return made


def begun(here: Place, *names: str, text: str = "hello") -> Page:
    here.start(more={"HANGING": "1"})
    for name in names:
        here.drop(name, text)
    page = Page(here)
    wait_until(lambda: len(page.queue()) >= len(names), place=here)
    return page


def corrections(here: Place) -> list:
    with closing(LedgerView(here.root / "state" / "ledger.sqlite")) as view:
        return view.corrections()


def test_after_a_restart_the_newest_doubts_are_asked_about_again_but_for_those_decided(here: Place) -> None:
    page = begun(here, "a.txt", "b.txt")
    decided = next(item for item in page.queue() if item["source"] == "a.txt")
    assert page.correct(decided, "ham")[0] == 200
    left = page.queue()
    here.kill_everything(here.processes[-1])

    starts = here.starts()
    here.start()
    wait_until(lambda: here.starts() > starts, place=here)
    page = Page(here)
    wait_until(page.queue, place=here)  # whose labels are known once the daemon has shown what serves
    assert [(item["source"], item["key"]) for item in page.queue()] == [("b.txt", item["key"]) for item in left]
    results = json.loads(page.ask("/api/results")[1])["results"]
    assert {one["source"] for one in results} == {"a.txt", "b.txt"}
    assert page.correct(page.queue()[0], "spam")[0] == 200
    assert {found.source: found.label for found in corrections(here)} == {"a.txt": "ham", "b.txt": "spam"}


def test_a_doubtful_label_is_asked_about_and_what_is_said_is_kept_with_all_that_is_known(here: Place) -> None:
    page = begun(here, "a.txt", text=LONG)
    [item] = page.queue()
    assert (item["inbox"], item["source"], item["task"]) == ("in", "a.txt", "spam"), "no spans, no task without a model"
    assert (item["labels"], item["model"], item["cut"]) == (["ham", "spam"], "spam@1", True)
    assert LONG.startswith(item["text"])
    [record] = here.records("a.txt.jsonl")
    assert (record["annotations"]["spam"]["label"], record["annotations"]["spam"]["score"]) == (
        item["said"],
        item["score"],
    )
    right = "ham" if item["said"] == "spam" else "spam"
    before = time.time()

    assert page.correct(item, right, who=" Maria\n Jensen ")[0] == 200

    [found] = corrections(here)
    assert (found.task, found.label, found.said, found.model) == ("spam", right, item["said"], "spam@1")
    assert (found.inbox, found.source, found.who) == ("in", "a.txt", "Maria Jensen")
    assert found.text == record["text"], "all of it, not what was shown"
    assert before <= found.at <= time.time()
    assert page.queue() == []
    assert "berlin" not in here.log(), "no text of a message in a log"


def test_the_doubts_of_a_new_file_by_an_old_name_are_asked_about_and_are_its_own(here: Place) -> None:
    page = begun(here, "a.txt", text="monday")
    [monday] = page.queue()
    (here.root / "out" / "a.txt.jsonl").unlink()
    here.drop("a.txt", "tuesday")
    wait_until(
        lambda: [("tuesday", True)] == [(item["text"], item["at"] > monday["at"]) for item in page.queue()], place=here
    )
    [item] = page.queue()
    assert page.correct(monday, "ham") == (409, "its output was taken away meanwhile, and its text with it\n")
    assert page.correct(item, "ham")[0] == 200
    assert [kept.text for kept in corrections(here)] == ["tuesday"]


def test_said_twice_it_is_kept_once_and_another_label_is_refused_until_it_is_taken_back(here: Place) -> None:
    page = begun(here, "a.txt")
    [item] = page.queue()
    assert [page.correct(item, "ham")[0] for _ in range(2)] == [200, 200]
    assert page.correct(item, "spam", who="Tom") == (409, "page has called it 'ham' already\n")
    assert [(c.label, c.who) for c in corrections(here)] == [("ham", "page")]

    assert [page.ask("/api/withdraw", {"key": item["key"]})[0] for _ in range(2)] == [200, 200]
    assert corrections(here) == []
    assert page.queue() == [item]
    assert page.correct(item, "spam")[0] == 200
    assert [c.label for c in corrections(here)] == ["spam"]


def test_the_least_sure_come_first_and_what_was_moved_to_a_label_is_not_asked_about(here: Place) -> None:
    page = begun(here, "a.txt", "b.txt", text="win a prize now")
    here.drop(
        "rows.jsonl",
        "".join(json.dumps({"text": f"{text} {n}"}) + "\n" for n, text in enumerate(["win", "maria", "the"])),
    )
    wait_until(lambda: len(page.queue()) == 5, place=here)
    scores = [item["score"] for item in page.queue()]
    assert scores == sorted(scores)
    assert len(set(scores)) > 1

    target = here.root / "corrections" / "spam" / "ham"
    target.mkdir(parents=True, exist_ok=True)
    (here.root / "review" / "a.txt").rename(target / "a.txt")
    wait_until(lambda: len(page.queue()) == 4, place=here)
    assert {item["source"] for item in page.queue()} == {"b.txt", "rows.jsonl"}
    row = next(item for item in page.queue() if item["source"] == "rows.jsonl")
    assert page.correct(row, "ham")[0] == 200
    assert sum(item["source"] == "rows.jsonl" for item in page.queue()) == 2, "one row says nothing of the others"


def test_what_makes_no_sense_or_is_gone_is_refused_and_nothing_is_kept(here: Place) -> None:
    page = begun(here, "a.txt")
    [item] = page.queue()
    unknown = item | {"key": "page:" + "0" * 32}
    assert page.correct(item, "spma") == (409, "'spma' is no label of the model in service\n")
    assert page.correct(unknown, "ham")[0] == page.correct(item | {"task": "ner"}, "O")[0] == 409
    assert page.ask("/api/withdraw", {"key": "a.txt#0"})[0] == 409
    for body in ({}, [], {"key": item["key"], "task": "spam", "label": 1}, {"key": item["key"], "task": "spam"}):
        assert page.ask("/api/correct", body)[0] == 400
    for path in ("/api/correct", "/api/withdraw", "/api/review"):
        assert page.ask(path, None if path == "/api/review" else {}, token="wrong-token-entirely")[0] == 401
    (here.root / "out" / "a.txt.jsonl").unlink()
    assert page.correct(item, "ham") == (409, "its output was taken away meanwhile, and its text with it\n")
    assert corrections(here) == []


def test_a_consumer_that_writes_nonsense_into_an_output_does_not_harm_the_daemon(here: Place) -> None:
    page = begun(here, "a.txt")
    here.drop("later.txt", "monday")
    wait_until(lambda: "later.txt" in here.files("review"), place=here)
    output = here.root / "out" / "later.txt.jsonl"
    record = json.loads(output.read_text())
    annotations = {
        "spam": {"label": "\ud800", "score": 0.1, "review": True, "model": None},
        "x": 1,
        "y": {"review": True},
    }
    output.write_text(json.dumps(record | {"text": "odd \ud800", "id": None, "annotations": annotations}) + "\n")
    wait_until(lambda: len(page.queue()) == 2, place=here)
    item = next(item for item in page.queue() if item["source"] == "later.txt")
    assert (item["text"], item["said"]) == ("odd \ud800", "?")
    assert page.correct(item, "ham", who="\ud800")[0] == 200
    assert corrections(here)[0].text == "odd ?"
    assert page.ask("/ready")[0] == 200


def test_where_the_main_loop_does_not_answer_nothing_is_claimed_and_nothing_is_done_later(here: Place) -> None:
    page = begun(here, "a.txt", "hang.txt")
    items = page.queue()
    (here.root / "hang").touch()
    wait_until((here.root / "hangs").exists, place=here)
    began = time.monotonic()
    assert page.correct(items[0], "ham") == (503, "the daemon is busy; nothing was recorded, try again\n")
    assert time.monotonic() - began < 10
    (here.root / "hang").unlink()
    wait_until(lambda: page.correct(items[1], "ham")[0] == 200, place=here)
    assert [c.key for c in corrections(here)] == [items[1]["key"]]
