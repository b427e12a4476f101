"""A HUP while the real daemon works: what can change changes at once, nothing is lost, and nothing is done twice."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from daemons import descendants, inbox, wait_until

UNSURE = inbox('["unsure"]')


def other(tasks='["shouting"]', more=""):
    return (
        inbox(tasks, more=more)
        .replace('"in"', '"other"')
        .replace('"out"', '"other-out"')
        .replace('"done"', '"other-done"')
    )


def events(here, name):
    found = (json.loads(line) for line in here.log().splitlines() if line.startswith("{"))
    return [one for one in found if one.get("event") == name]


def started(place, inboxes=UNSURE, more=None, **options):
    here = place(inboxes=inboxes, **options)
    (here.root / "other").mkdir(exist_ok=True)
    process = here.start(more=more)
    wait_until(lambda: 1 == here.starts(), place=here)
    return here, process


def configure(here, process, change, event="reloaded"):
    """Change the configuration, send a HUP, and wait for what comes of it."""
    before = len(events(here, event))
    settings = here.root / "config.toml"
    settings.write_text(change(settings.read_text()))
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: len(events(here, event)) > before, place=here)


def status(here):
    command = [Path(sys.executable).with_name("classifyd"), "status", "--json", "--config", here.root / "config.toml"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=True, env=here.environment())
    return json.loads(outcome.stdout)


def review(here, name, folder="out"):
    (record,) = here.records(f"{name}.jsonl", folder)
    return record["annotations"]["unsure"]["review"]


def test_files_dropped_before_during_and_after_hups_are_answered_once_and_by_the_workers_that_were_there(place):
    here, process = started(place, workers=2, more={"UNSURE_SECONDS": "0.02"})
    here.drop("first.txt", "hello")
    wait_until(lambda: "first.txt" in here.files("done"), place=here)
    workers = set(descendants(process.pid))
    names = {"first.txt"}
    text = (here.root / "config.toml").read_text()
    for turn, below in enumerate(("0.7", "0.1", "0.8")):
        for number in range(30):
            names.add(f"{turn}-{number:02}.txt")
            here.drop(f"{turn}-{number:02}.txt", "hello")
            if number == 15:
                (here.root / "config.toml").write_text(f"{text}\n[tasks.unsure]\nreview_below = {below}\n")
                process.send_signal(signal.SIGHUP)
        wait_until(lambda turn=turn: len(events(here, "reloaded")) == turn + 1, place=here)
    here.drop("last.txt", "hello")
    names.add("last.txt")
    wait_until(lambda: names == here.files("done"), place=here)

    assert {f"{name}.jsonl" for name in names} == here.files("out")
    assert all(1 == len(here.records(f"{name}.jsonl")) for name in names)
    assert (False, True) == (review(here, "first.txt"), review(here, "last.txt"))
    assert sorted(names) == sorted(one["file"] for one in events(here, "published"))
    assert workers == set(descendants(process.pid))
    assert 1 == here.starts()
    assert 0 == here.stop(process)


def test_a_large_input_keeps_the_threshold_it_was_claimed_with_and_new_ones_get_the_new(place):
    here, process = started(place, split_seconds=0.2, more={"UNSURE_SECONDS": "0.001"})
    here.drop("large.jsonl", "".join(json.dumps({"text": "x" * 200}) + "\n" for _ in range(5000)))
    wait_until(lambda: any((here.root / "state/parts").rglob("*.part")), place=here)

    configure(here, process, lambda text: f"{text}\n[tasks.unsure]\nreview_below = 0.9\n")
    here.drop("small.txt", "hello")
    wait_until(lambda: "small.txt" in here.files("done"), place=here)
    assert "large.jsonl" not in here.files("done")
    wait_until(lambda: "large.jsonl" in here.files("done"), place=here)

    records = here.records("large.jsonl.jsonl")
    assert 5000 == len(records)
    assert {False} == {record["annotations"]["unsure"]["review"] for record in records}
    assert review(here, "small.txt") is True
    assert 0 == here.stop(process)


def test_inboxes_come_and_go_and_what_was_claimed_is_done_as_it_was_asked_for(place):
    here, process = started(place, UNSURE + other('["slow"]'), split_seconds=0.2, more={"SLOW_SECONDS": "0.001"})
    workers = set(descendants(process.pid))
    here.drop("large.jsonl", "".join(json.dumps({"text": "x" * 200}) + "\n" for _ in range(5000)), "other")
    wait_until(lambda: any((here.root / "state/parts").rglob("*.part")), place=here)

    configure(here, process, lambda text: text.replace(other('["slow"]'), ""))
    here.drop("late.txt", "hello", "other")
    wait_until(lambda: "large.jsonl.jsonl" in here.files("other-out"), place=here)
    wait_until(lambda: events(here, "inbox_left"), place=here)
    assert 5000 == len(here.records("large.jsonl.jsonl", "other-out"))
    assert {"late.txt"} == here.files("other")
    assert ["in"] == [one["name"] for one in status(here)["inboxes"]]

    configure(here, process, lambda text: text + other('["slow", "unsure"]', more='format = "csv"'))
    wait_until(lambda: "late.txt" in here.files("other-done"), place=here)
    assert {"large.jsonl.jsonl", "late.txt.csv"} == here.files("other-out")
    assert workers == set(descendants(process.pid))
    assert 1 == here.starts()
    assert 0 == here.stop(process)
    assert [] == here.claimed() + here.claimed("other")


def test_an_inbox_that_moves_to_another_folder_is_first_left_with_all_it_held(place):
    here, process = started(place, inbox('["slow"]'), split_seconds=0.2, more={"SLOW_SECONDS": "0.001"})
    here.drop("large.jsonl", "".join(json.dumps({"text": "x" * 200}) + "\n" for _ in range(4000)))
    wait_until(lambda: any((here.root / "state/parts").rglob("*.part")), place=here)
    here.drop("new.txt", "hello", "other")

    configure(here, process, lambda text: text.replace('path = "in"', 'path = "other"'))
    configure(here, process, lambda text: text)
    here.drop("old.txt", "hello")
    wait_until(lambda: {"large.jsonl", "new.txt"} == here.files("done"), place=here)

    assert {"old.txt"} == here.files("in")
    assert ["inbox_left", "inbox_begun"] == [
        one["event"]
        for one in map(json.loads, here.log().splitlines())
        if one["event"] in {"inbox_left", "inbox_begun"}
    ]
    assert 0 == here.stop(process)


def test_a_task_that_no_inbox_had_is_loaded_beside_what_serves_and_then_asked(place):
    here, process = started(place, more={"SLOW_LOADING": "1"})
    configure(here, process, lambda text: text.replace('["unsure"]', '["unsure", "shouting"]'))
    here.drop("a.txt", "HELLO")
    wait_until(lambda: "a.txt" in here.files("done"), place=here)

    (record,) = here.records("a.txt.jsonl")
    assert {"unsure", "shouting"} == set(record["annotations"])
    assert 1 == here.starts()
    assert 0 == here.stop(process)


def test_a_faulty_configuration_changes_nothing_and_status_says_so_until_it_is_mended(place):
    here, process = started(place)
    workers = set(descendants(process.pid))
    good = (here.root / "config.toml").read_text()
    for fault in (
        good + "nonsense",
        good.replace('["unsure"]', '["unsurr"]'),
        good + other().replace('"other"', '"gone"'),
    ):
        configure(here, process, lambda _, fault=fault: fault, "reload_failed")
        (here.root / "config.toml").write_text(good)
        wait_until(lambda: "the configuration" in status(here)["daemon"]["unmet"], place=here)
        here.drop("a.txt", "hello")
        wait_until(lambda: "a.txt" in here.files("done"), place=here)
        (here.root / "done/a.txt").unlink()

    unknown = events(here, "reload_failed")[1]["error"]
    assert "unsurr" in unknown
    assert "if one was installed since, restart the daemon" in unknown
    assert workers == set(descendants(process.pid))
    configure(here, process, lambda text: text)
    wait_until(lambda: {} == status(here)["daemon"]["unmet"], place=here)
    assert 0 == here.stop(process)


def test_what_cannot_change_keeps_its_value_and_is_named_with_what_to_do(place):
    here, process = started(place)
    changed = lambda text: text.replace('state = "state"', 'state = "elsewhere"').replace('"out"', '"out2"')  # noqa: E731
    configure(here, process, changed)
    here.drop("a.txt", "hello")
    wait_until(lambda: "a.txt.jsonl" in here.files("out2"), place=here)

    (kept,) = events(here, "kept")
    assert "[daemon] state" == kept["setting"]
    assert "restart the daemon" in kept["consequence"]
    assert not (here.root / "elsewhere").exists()
    (here.root / "config.toml").write_text((here.root / "config.toml").read_text().replace("elsewhere", "state"))
    wait_until(lambda: "[daemon] state" in status(here)["daemon"]["unmet"], place=here)
    assert 0 == here.stop(process)


def test_where_workers_have_to_be_made_anew_the_daemon_goes_on_in_the_same_process(place):
    here, process = started(place)
    workers = set(descendants(process.pid))
    configure(here, process, lambda text: text.replace("workers = 1", "workers = 2"), "reloading")
    wait_until(lambda: 2 == here.starts(), place=here)
    here.drop("a.txt", "hello")
    wait_until(lambda: "a.txt" in here.files("done"), place=here)

    (told,) = events(here, "reloading")
    assert "[daemon] workers" in told["workers_for"]
    assert not workers <= set(descendants(process.pid))
    assert 0 == here.stop(process)


def test_a_second_hup_while_the_daemon_before_comes_to_its_end_is_not_lost(place):
    here, process = started(place, more={"UNSURE_SECONDS": "0.1"})
    here.drop("long.jsonl", '{"text": "hello"}\n' * 30)
    wait_until(lambda: events(here, "claimed"), place=here)
    time.sleep(0.5)  # its job is three seconds long
    configure(here, process, lambda text: text.replace("workers = 1", "workers = 2"), "reloading")
    assert 1 == here.starts()
    settings = here.root / "config.toml"
    settings.write_text(settings.read_text() + other('["unsure"]'))
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: 2 == here.starts(), place=here)
    wait_until(lambda: events(here, "inbox_begun"), place=here)
    here.drop("b.txt", "hello", "other")
    wait_until(lambda: {"b.txt.jsonl"} == here.files("other-out"), place=here)
    assert 0 == here.stop(process)


def test_inboxes_that_change_places_are_each_begun_where_the_other_was(place):
    here, process = started(place, UNSURE + other('["unsure"]'))

    def swapped(text):
        paths = ('path = "in"', 'path = "other"')
        return text.replace(paths[0], "first").replace(paths[1], paths[0]).replace("first", paths[1])

    configure(here, process, swapped)
    wait_until(lambda: 2 == len(events(here, "inbox_begun")), place=here)
    here.drop("a.txt", "hello", "in")
    here.drop("b.txt", "hello", "other")
    wait_until(lambda: {"a.txt.jsonl"} == here.files("other-out"), place=here)
    wait_until(lambda: {"b.txt.jsonl"} == here.files("out"), place=here)

    assert [] == events(here, "inbox_not_begun")
    assert 0 == here.stop(process)
