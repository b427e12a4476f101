"""An inbox that is paused, by the command or on the page, and the real daemon that goes on with the others."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from daemons import inbox, wait_until

TWO = inbox('["shouting"]') + inbox('["shouting"]').replace('"in"', '"other"').replace('"out"', '"other-out"')


def classifyd(place, *words):
    command = [Path(sys.executable).with_name("classifyd"), *words, "--config", place.root / "config.toml"]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=place.environment())


def status(place):
    return {one["name"]: one for one in json.loads(classifyd(place, "status", "--json").stdout)["inboxes"]}


def two(place, **options):
    here = place(inboxes=TWO, **options)
    (here.root / "other").mkdir(exist_ok=True)
    return here


def test_nothing_is_taken_from_a_paused_inbox_over_a_restart_until_it_is_resumed(place):
    here = two(place)
    process = here.start()
    wait_until(lambda: 1 == here.starts(), place=here)

    told = classifyd(here, "pause", "in")
    wait_until(lambda: '"event": "paused"' in here.log(), place=here)
    for name in ("a.txt", "b.txt"):
        here.drop(name, "HELLO")
    here.drop("c.txt", "HELLO", "other")
    wait_until(lambda: {"c.txt.jsonl"} == here.files("other-out"), place=here)
    wait_until(lambda: 2 == status(here)["in"]["waiting"], place=here)
    assert 0 == here.stop(process)
    again = here.start()
    wait_until(lambda: 2 == here.starts(), place=here)
    here.drop("d.txt", "HELLO", "other")
    wait_until(lambda: {"c.txt.jsonl", "d.txt.jsonl"} == here.files("other-out"), place=here)

    assert "inbox in: paused; it goes on with: classifyd resume in" in told.stdout
    assert {"a.txt", "b.txt"} == here.files("in")
    assert [] == here.claimed()
    assert status(here)["in"]["paused"]["who"]
    assert status(here)["other"]["paused"] is None
    assert "it goes on with: classifyd resume in" in classifyd(here, "status").stdout

    assert "inbox in: goes on" in classifyd(here, "resume", "in").stdout
    wait_until(lambda: {"a.txt.jsonl", "b.txt.jsonl"} == here.files("out"), place=here)
    assert 0 == here.stop(again)
    assert {"a.txt", "b.txt"} == here.files("done") - {"c.txt", "d.txt"}


def test_what_workers_have_in_hand_is_finished_and_the_rest_of_a_large_file_waits(place):
    here = place(tasks=("slow",), split_seconds=0.2)
    process = here.start(more={"SLOW_SECONDS": "0.001"})
    texts = [f"text {number} {'x' * 200}" for number in range(8000)]
    here.drop("large.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    heartbeat = lambda: json.loads((here.root / "state/status.json").read_text())  # noqa: E731  # asked often
    wait_until((here.root / "state/status.json").exists, place=here)
    wait_until(lambda: any(one["splits_done"] for one in heartbeat()["progress"]), place=here)

    classifyd(here, "pause", "in")
    wait_until(lambda: '"event": "paused"' in here.log(), place=here)
    wait_until(lambda: 0 == heartbeat()["busy_workers"], place=here)
    first = heartbeat()
    wait_until(lambda: heartbeat()["at"] > first["at"] + 3, place=here)
    second = heartbeat()

    [before], [after] = first["progress"], second["progress"]
    assert before["splits_done"] == after["splits_done"] < after["splits"]
    assert after["seconds_left"] is None
    assert {} == second["held"]
    classifyd(here, "resume", "in")
    wait_until(lambda: "large.jsonl.jsonl" in here.files("out"), place=here)
    assert texts == [record["text"] for record in here.records("large.jsonl.jsonl")]
    assert 0 == here.stop(process)


def test_a_drained_inbox_that_is_paused_does_not_keep_once_from_ending(place):
    here = two(place)
    classifyd(here, "pause", "in")
    here.drop("a.txt", "HELLO")
    here.drop("b.txt", "HELLO", "other")

    assert 1 == here.once()
    assert {"a.txt"} == here.files("in")
    assert {"b.txt.jsonl"} == here.files("other-out")
    assert '"inbox in": "paused"' in here.log()
    classifyd(here, "resume", "in")
    assert 0 == here.once()


def test_who_asks_for_what_makes_no_sense_is_told_so(place):
    here = place()
    assert 2 == classifyd(here, "pause", "inn").returncode
    assert "Did you mean" in classifyd(here, "pause", "inn").stderr
    assert "was not paused" in classifyd(here, "resume", "in").stdout
    assert "was paused already" in [classifyd(here, "pause", "in"), classifyd(here, "pause", "in")][1].stdout
    doctor = classifyd(here, "doctor", "--json")
    [found] = [one for one in json.loads(doctor.stdout) if "paused by" in one["what"]]
    assert ("worse", "inbox in", "classifyd resume in") == (found["state"], found["about"], found["mend"])


def test_the_page_pauses_and_resumes_for_who_has_the_token(place):
    here = place(listen="127.0.0.1:0")
    process = here.start()
    wait_until(lambda: 1 == here.starts(), place=here)
    address, _, token = classifyd(here, "status", "--page").stdout.strip().partition("/#token=")
    bearer = {"Authorization": f"Bearer {token}"}

    def post(path, what, headers=bearer):
        body = json.dumps(what).encode()
        try:
            with urlopen(Request(f"{address}/api/{path}", body, headers), timeout=20) as answer:
                return answer.status
        except HTTPError as refused:
            with refused:
                return refused.code

    def shown(headers=bearer):
        with urlopen(Request(f"{address}/api/status", headers=headers), timeout=20) as answer:
            [found] = json.load(answer)["inboxes"]
        return found["paused"], found["paused_by"]

    wait_until(lambda: 404 == post("pause", {"inbox": "nowhere"}), place=here)
    assert 401 == post("pause", {"inbox": "in"}, {})
    assert (False, None) == shown()
    assert 200 == post("pause", {"inbox": "in", "who": "ann"})
    wait_until(lambda: (True, "ann") == shown(), place=here)
    assert (True, None) == shown({})
    with urlopen(f"{address}/metrics", timeout=20) as answer:
        assert 'classifyd_paused{inbox="in"} 1.0' in answer.read().decode()
    assert 200 == post("resume", {"inbox": "in"})
    wait_until(lambda: (False, None) == shown(), place=here)
    assert 0 == here.stop(process)
