"""Who may ask for what, under which name, and what he gets."""

import json
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import pytest
from daemons import wait_until
from onlooker import TOKEN, Shown

from classifyd.bundles import Store
from classifyd.inbox.quarantine import quarantine
from classifyd.metrics import Levels
from classifyd.progress import Progress
from classifyd.reports import FileReport, PartReport
from classifyd.values import Fault
from classifyd.web import Listener, turns
from classifyd.web.listening import THREADS, bound


def put_aside(shown: Shown, name: str, reason: str = "it is broken") -> None:
    """Have a file lie in quarantine."""
    source = shown.inbox.path / name
    source.write_text("x")
    quarantine(str(source), shown.inbox.quarantine, name, "mail", Fault("UnreadableFile", reason))


def publish(shown: Shown, name: str, *records: dict, state: str = "published") -> Path:
    """Have an output there, and told of."""
    place = shown.inbox.output / f"{name}.jsonl"
    place.parent.mkdir(exist_ok=True)
    place.write_text("".join(json.dumps(record) + "\n" for record in records))
    shown.recent.finished(FileReport("mail", name, state, len(records), 0, 0, str(place), 0.1), place, time.time())
    return place


RECORD = {
    "index": 0,
    "text": "<b>Maria</b> won",
    "annotations": {"spam": {"label": "spam", "score": 0.9, "scores": {}}},
}


@pytest.mark.parametrize("host", ["127.0.0.1:9464", "127.0.0.1", "localhost:9464", "[::1]:9464", "Mail.Example:443"])
def test_the_names_of_this_machine_and_those_of_the_configuration_are_served(shown: Shown, host: str) -> None:
    assert shown.ask("/healthy", host=host).status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "", "localhost.evil"])
def test_a_name_that_was_rebound_to_this_machine_is_not_served(shown: Shown, host: str) -> None:
    for path in ("/", "/metrics", "/api/status", "/healthy"):
        told = shown.ask(path, host=host)
        assert told.status == 421
        assert "hosts of [http]" in told.text


@pytest.mark.parametrize(
    "path", ["/", "/page.css", "/page.js", "/spans.js", "/icon.svg", "/metrics", "/nowhere", "/api/results"]
)
def test_every_answer_is_under_a_strict_policy(shown: Shown, path: str) -> None:
    headers = shown.ask(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {policy["script-src"], policy["style-src"], policy["connect-src"]} == {"'self'"}
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'",) * 3
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_page_holds_no_script_no_style_and_no_address_of_elsewhere(shown: Shown) -> None:
    page = shown.ask("/").text
    assert "<script>" not in page
    assert "<style" not in page
    assert " style=" not in page
    assert re.findall(r"<[^>]* on\w+=", page) == []
    for path in ("/", "/page.css", "/page.js", "/spans.js", "/icon.svg"):
        assert [word for word in shown.ask(path).text.split('"') if "://" in word and "www.w3.org" not in word] == []
    for path in ("/page.js", "/spans.js"):
        assert "innerHTML" not in shown.ask(path).text


def test_what_has_not_changed_is_not_sent_again(shown: Shown) -> None:
    tag = shown.ask("/page.js").headers["ETag"]
    again = shown.ask("/page.js", HTTP_IF_NONE_MATCH=tag)
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("path", "method"),
    [
        *((path, "GET") for path in ("/api/results", "/api/quarantine", "/api/review")),
        *((f"/api/{deed}", "POST") for deed in ("retry", "correct", "mark", "withdraw", "pause", "resume", "cancel")),
    ],
)
@pytest.mark.parametrize("token", ["", "a-token-of-the-testz", "A-TOKEN-OF-THE-TESTS", "ü" * 20])
def test_without_the_token_there_are_no_names_no_texts_and_no_deeds(
    shown: Shown, path: str, method: str, token: str
) -> None:
    publish(shown, "a.txt", RECORD)
    put_aside(shown, "b.txt")
    told = shown.ask(path, method, token=token, body=b'{"inbox": "mail", "name": "b.txt"}')
    assert told.status == 401
    assert "status --page" in told.text
    assert (shown.inbox.quarantine / "b.txt").exists()


def test_the_status_counts_for_everybody_and_gives_reasons_to_who_has_the_token(
    shown: Shown, change: Callable[..., None]
) -> None:
    change(held={"files of mail": "secret-name.txt: cannot be moved"})
    shown.recent.worked("mail", [PartReport("c", 0, 7, counts={"spam": {"ham": 5, "spam": 2}})], time.time())
    for token, held in (("", ""), (TOKEN, "secret-name.txt: cannot be moved")):
        status = json.loads(shown.ask("/api/status", token=token).body)
        assert status["entitled"] is bool(token)
        assert status["held"] == {"files of mail": held}
        assert status["throughput"][-1] == {"mail": 7}
        assert len(status["throughput"]) == 61
        assert status["labels"] == {"spam": {"ham": 5, "spam": 2}}
        assert (status["inboxes"][0]["waiting"], status["inboxes"][0]["claimed"]) == (2, 1)


def test_how_far_large_files_are_is_told_to_everybody_and_their_names_to_who_has_the_token(
    shown: Shown, change: Callable[..., None]
) -> None:
    change(progress=(Progress("mail", "secret.csv", "c", "annotating", 2**30, 100, 25, 0.25, 5000, 12.5, 1200.0),))
    for token, name in (("", None), (TOKEN, "secret.csv")):
        [told] = json.loads(shown.ask("/api/status", token=token).body)["progress"]
        assert (told["file"], told["share"], told["records"], told["seconds_left"]) == (name, 0.25, 5000, 1200.0)


def test_health_and_readiness_say_why_not(shown: Shown, change: Callable[..., None]) -> None:
    assert (shown.ask("/healthy").text, shown.ask("/ready").text) == ("healthy\n", "ready\n")
    change(state="loading", turned_at=time.monotonic() - 1000)
    assert (shown.ask("/healthy").status, shown.ask("/ready").status) == (200, 503)
    change(state="running", turned_at=time.monotonic() - 100)
    assert shown.ask("/healthy").status == shown.ask("/ready").status == 503
    assert "has not turned for 100 seconds" in shown.ask("/healthy").text
    change(turned_at=time.monotonic(), stuck=True)
    assert "cannot be ended" in shown.ask("/healthy").text


@pytest.mark.parametrize(
    ("path", "method"),
    [("/", "POST"), ("/metrics", "PUT"), ("/api/retry", "GET"), ("/api/correct", "GET"), ("/", "TRACE")],
)
def test_nothing_is_asked_for_by_the_wrong_method(shown: Shown, path: str, method: str) -> None:
    told = shown.ask(path, method, token=TOKEN)
    assert told.status == 405
    assert "Allow" in told.headers


def test_a_head_request_gets_a_head_alone(shown: Shown) -> None:
    told = shown.ask("/", "HEAD")
    assert (told.status, told.body) == (200, b"")
    assert int(told.headers["Content-Length"]) > 1000


# ------------------------------------------------------------------ results


def results(shown: Shown) -> list[dict]:
    return json.loads(shown.ask("/api/results", token=TOKEN).body)["results"]


def test_the_newest_results_come_from_the_outputs(shown: Shown) -> None:
    publish(shown, "a.txt", RECORD)
    publish(shown, "b.txt", RECORD | {"text": "second"}, RECORD | {"index": 1, "text": "third"})
    assert [(one["source"], one["text"]) for one in results(shown)] == [
        ("b.txt", "second"),
        ("b.txt", "third"),
        ("a.txt", "<b>Maria</b> won"),
    ]


def test_an_output_without_texts_shows_none(shown: Shown) -> None:
    publish(shown, "a.txt", {key: value for key, value in RECORD.items() if key != "text"})
    [one] = results(shown)
    assert one["text"] is None
    assert one["annotations"]["spam"]["label"] == "spam"


def test_an_output_that_was_taken_away_or_swapped_for_a_link_shows_its_counts_alone(
    shown: Shown, tmp_path: Path
) -> None:
    publish(shown, "a.txt", RECORD).unlink()
    linked = publish(shown, "b.txt", RECORD)
    linked.rename(tmp_path / "elsewhere.jsonl")
    linked.symlink_to(tmp_path / "elsewhere.jsonl")
    fifo = publish(shown, "c.txt", RECORD)
    fifo.unlink()
    os.mkfifo(fifo)
    assert [(one["source"], one["records"], "text" in one) for one in results(shown)] == [
        ("c.txt", 1, False),
        ("b.txt", 1, False),
        ("a.txt", 1, False),
    ]


def test_a_long_text_is_cut_and_spans_beyond_it_go(shown: Shown) -> None:
    spans = [
        {"start": 0, "end": 5, "label": "PER"},
        {"start": 900, "end": 905, "label": "PER"},
        {"start": -1, "end": "x"},
    ]
    publish(shown, "a.txt", {"index": 0, "text": "x" * 1000, "annotations": {"ner": {"spans": spans}}})
    [one] = results(shown)
    assert (len(one["text"]), one["cut"]) == (600, True)
    assert [span["start"] for span in one["annotations"]["ner"]["spans"]] == [0]


def test_what_is_no_record_of_ours_is_not_shown(shown: Shown) -> None:
    place = publish(shown, "a.txt", RECORD)
    place.write_bytes(b'{"annotations": 3}\n[1]\nnull\n{"text": \xff}\n' + b"x" * 10)
    assert [("text" in one) for one in results(shown)] == [False]


def test_a_text_is_that_of_the_newest_output_of_its_name_and_of_the_file_as_it_is(shown: Shown) -> None:
    def texts() -> list[tuple[str, str | None]]:
        return [(one["source"], one.get("text")) for one in results(shown)]

    place = publish(shown, "a.txt", RECORD | {"text": "monday's"})
    assert texts() == [("a.txt", "monday's")]
    place.unlink()  # its consumer takes it
    assert texts() == [("a.txt", None)]
    publish(shown, "a.txt", RECORD | {"text": "tuesday's"})
    assert texts() == [("a.txt", "tuesday's"), ("a.txt", None)]
    place.write_text(json.dumps(RECORD | {"text": "its consumer's"}) + "\n")
    assert texts() == [("a.txt", "its consumer's"), ("a.txt", None)]


def test_an_output_that_nests_without_end_hides_itself_alone(shown: Shown) -> None:
    publish(shown, "a.txt", RECORD)
    publish(shown, "b.txt", RECORD).write_text("[" * 200_000 + "\n")
    assert [(one["source"], "text" in one) for one in results(shown)] == [("b.txt", False), ("a.txt", True)]


# ------------------------------------------------------------------ quarantine


def lying(shown: Shown) -> list[dict]:
    return json.loads(shown.ask("/api/quarantine", token=TOKEN).body)["items"]


def retry(shown: Shown, inbox: str, name: str) -> int:
    body = json.dumps({"inbox": inbox, "name": name}).encode()
    return shown.ask("/api/retry", "POST", token=TOKEN, body=body).status


def test_a_retry_puts_one_file_back_and_leaves_the_others(shown: Shown) -> None:
    put_aside(shown, "a.txt", "<script>alert(1)</script>")
    put_aside(shown, "b.txt")
    assert {item["name"]: item["reason"] for item in lying(shown)} == {
        "a.txt": "<script>alert(1)</script>",
        "b.txt": "it is broken",
    }
    assert retry(shown, "mail", "a.txt") == 200
    assert [item["name"] for item in lying(shown)] == ["b.txt"]
    assert (shown.inbox.path / "a.txt").read_text() == "x"
    assert retry(shown, "mail", "a.txt") == 404


def test_a_retry_names_an_input_of_an_inbox_and_nothing_else(shown: Shown) -> None:
    put_aside(shown, "a.txt")
    assert retry(shown, "other", "a.txt") == 404
    assert retry(shown, "mail", "../in/a.txt") == 404
    for body in (b"", b"[]", b"{}", b'"a"', b'{"inbox": "mail"}', b"\xff"):
        assert shown.ask("/api/retry", "POST", token=TOKEN, body=body).status == 400
    assert (shown.inbox.quarantine / "a.txt").exists()


def test_a_pause_and_a_cancel_name_what_there_is_and_nothing_else(
    shown: Shown, change: Callable[..., None], tmp_path: Path
) -> None:
    change(progress=(Progress("mail", "a.csv", "0123", "annotating", 2**30),))

    def asked(path: str, **what: str) -> int:
        return shown.ask(path, "POST", token=TOKEN, body=json.dumps(what).encode()).status

    assert [asked("/api/pause", inbox=name) for name in ("other", "../mail", "")] == [404] * 3
    assert [asked("/api/cancel", claim=name) for name in ("../0123", "4567", "")] == [404] * 3
    assert asked("/api/pause", name="mail") == 400
    assert not (tmp_path / "state").exists()
    assert asked("/api/pause", inbox="mail", who="ann\n") == asked("/api/cancel", claim="0123") == 200
    said = [
        json.loads((tmp_path / "state" / name).read_text())["who"]
        for name in ("paused/mail.json", "cancelled/0123.json")
    ]
    assert said == ["ann", "page"]
    assert asked("/api/resume", inbox="mail") == 200
    assert list((tmp_path / "state" / "paused").iterdir()) == []


def test_a_retry_that_cannot_be_says_why_and_leaves_the_file(shown: Shown) -> None:
    put_aside(shown, "a.txt")
    shown.inbox.path.rmdir()
    body = b'{"inbox": "mail", "name": "a.txt"}'
    told = shown.ask("/api/retry", "POST", token=TOKEN, body=body)
    assert told.status == 409
    assert "make the folder first" in told.text
    assert (shown.inbox.quarantine / "a.txt").exists()


# ------------------------------------------------------------------ reports, and the slow disk


def test_a_report_is_opened_by_its_own_link_and_is_shut_in(shown: Shown, change: Callable[..., None]) -> None:
    root = Path(__file__).parents[2]
    shown.config = replace(shown.config, models=root / "models")
    version = int((root / "models" / "spam" / "current").read_text())
    change(levels=Levels(serving={"spam": version}))
    [model] = json.loads(shown.ask("/api/status", token=TOKEN).body)["models"]
    assert model["figures"]["f1"] > 0.9
    told = shown.ask(model["report"])
    assert told.status == 200
    assert told.body.startswith(b"<!DOCTYPE html>")
    assert told.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")

    path, _, key = model["report"].partition("?key=")
    assert shown.ask(path).status == 401
    assert shown.ask(f"{path.replace('spam', 'ner')}?key={key}").status == 401
    assert "report" not in json.loads(shown.ask("/api/status").body)["models"][0]


def test_requests_that_wait_for_a_dead_disk_leave_turns_for_the_others(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.05)
    with shown.app._turns.one(), shown.app._turns.one():
        assert shown.ask("/api/results", token=TOKEN).status == 503
        assert shown.ask("/metrics").status == 200
        assert shown.ask("/api/status").status == 200
    assert shown.ask("/api/results", token=TOKEN).status == 200


def test_of_those_who_ask_for_the_counts_one_waits_for_a_dead_disk_of_models(
    shown: Shown, change: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(levels=Levels(serving={"spam": 3}))
    disk = threading.Event()
    manifest = SimpleNamespace(manifest={"labels": ["ham", "spam"], "metrics": {"f1": 0.9}})
    monkeypatch.setattr(Store, "open", lambda *_: disk.wait(30) and manifest)
    listener = Listener(shown.app, bound(("127.0.0.1", 0)))

    def asked(path: str) -> str:
        with urlopen(f"http://127.0.0.1:{listener.address[1]}{path}", timeout=10) as answer:
            return answer.read().decode()

    waiting = threading.Thread(target=asked, args=("/api/status",))
    waiting.start()
    try:
        wait_until(lambda: shown.app._documents._reading._free._value == 0)
        assert ["figures" in json.loads(asked("/api/status"))["models"][0] for _ in range(THREADS)] == [False] * THREADS
        assert asked("/healthy") == "healthy\n"
    finally:
        disk.set()
        waiting.join()
        assert json.loads(asked("/api/status"))["models"][0]["figures"] == {"f1": 0.9}
        listener.stop()


def test_a_page_that_cannot_be_made_is_told_of_without_details(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown.recent, "outputs", lambda: 1 / 0)
    told = shown.ask("/api/results", token=TOKEN)
    assert told.status == 500
    assert "ZeroDivisionError" not in told.text
