"""Doubtful inputs go to review; what people sort by task and label is kept once, with who, when and what was wrong."""

import getpass
import subprocess
import sys
import time
from pathlib import Path

import pytest
from daemons import wait_until
from tiny import make_bundle

from classifyd.bundles import Store
from classifyd.ledger import LedgerView

FOLDERS = 'review = "review"\ncorrections = "corrections"'


def corrections(here, task=None):
    view = LedgerView(here.root / "state" / "ledger.sqlite")
    found = view.corrections(task)
    view.close()
    return found


def correct(here, task, label, source):
    """Move a file as a reviewer does."""
    target = here.root / "corrections" / task / label
    target.mkdir(parents=True, exist_ok=True)
    source.rename(target / source.name)


def test_a_doubtful_record_goes_to_review_in_place_of_done(place):
    here = place(tasks=("spam",), more='review = "review"', done="done/{spam}")
    make_bundle(Store(here.root / "models"), "spam", ["ham", "spam"], thresholds={"review": 0.999999})
    here.drop("a.txt", "hello")
    here.drop("two.jsonl", '{"text": "hello"}\n{"text": "hello"}\n')

    assert 0 == here.once(), here.log()

    [record] = here.records("a.txt.jsonl")
    assert record["annotations"]["spam"]["review"] is True
    assert {"a.txt"} == here.files("review")
    assert {"unlabelled/two.jsonl"} == here.files("done"), "only files of one record are for people"


def test_a_record_that_is_sure_goes_to_done_all_the_same(place):
    here = place(more=FOLDERS)
    here.drop("a.txt", "hello")

    assert 0 == here.once()

    assert ({"a.txt"}, set()) == (here.files("done"), here.files("review"))


def test_a_file_that_is_moved_into_a_label_is_a_correction_and_goes_on_to_done_under_it(place):
    here = place(more=FOLDERS, done="done/{shouting}")
    here.drop("a.txt", "hello")
    assert 0 == here.once()
    before = time.time()
    correct(here, "shouting", "loud", here.root / "done" / "calm" / "a.txt")

    assert 0 == here.once(), here.log()

    [found] = corrections(here)
    assert ("shouting", "hello", "loud", None) == (found.task, found.text, found.label, found.spans)
    assert ("in", "a.txt", "shouting", "calm") == (found.inbox, found.source, found.model, found.said)
    assert getpass.getuser() == found.who
    assert before <= found.at <= time.time()
    assert {"loud/a.txt"} == here.files("done"), "with the labels that are right"
    assert set() == here.files("corrections")
    assert {"a.txt.jsonl"} == here.files("out"), "nothing is published of a correction"


def test_the_model_that_was_wrong_is_known_by_its_version_and_its_labels_are_the_folders(place):
    here = place(tasks=("spam",), more=FOLDERS)
    make_bundle(Store(here.root / "models"), "spam", ["ham", "spam"], thresholds={"review": 0.999999})
    here.drop("a.eml", "Subject: Hello\n\nMaria from Berlin\n")
    assert 0 == here.once(), here.log()
    assert {"ham", "spam"} == {path.name for path in (here.root / "corrections" / "spam").iterdir()}
    [record] = here.records("a.eml.jsonl")

    correct(here, "spam", "spam", here.root / "review" / "a.eml")
    assert 0 == here.once(), here.log()

    [found] = corrections(here, "spam")
    assert ("spam@1", record["annotations"]["spam"]["label"]) == (found.model, found.said)
    assert record["text"] == found.text
    assert "Maria" in found.text
    assert {"a.eml"} == here.files("done")


def test_a_file_that_never_was_an_input_is_a_correction_of_nothing_in_particular(place):
    here = place(more=FOLDERS, done="done/{shouting}")
    here.drop("new/b.jsonl", '{"text": "one"}\n{"text": "two"}\n', inbox="corrections/shouting/loud")

    assert 0 == here.once(), here.log()

    assert [("one", "", ""), ("two", "", "")] == [(c.text, c.model, c.said) for c in corrections(here)]
    assert ["new/b.jsonl"] * 2 == [c.source for c in corrections(here)]
    assert {"loud/new/b.jsonl"} == here.files("done")


NONSENSE = {
    "a.txt": ("hello", "belongs into a folder <task>/<label>"),
    "shouting/a.txt": ("hello", "belongs into a folder <task>/<label>"),
    "shuoting/loud/a.txt": ("hello", 'is no task of inbox in. Did you mean "shouting"?'),
    "spam/spma/a.txt": ("hello", 'is no label of spam. Did you mean "spam"?'),
    "ner/PER/a.txt": ("hello", "ner marks stretches of text"),
    "shouting/loud/a.jsonl": ('{"text": "x"}\n{broken\n', "record 1: "),
    "shouting/loud/a.gz": ("no gzip", "gz"),
    "shouting/f\udcfcr/a.txt": ("x", "not UTF-8"),
    "shouting/loud/b.jsonl": ('{"text": "x"}\n' * 1001, "1001 records"),
}


def test_what_makes_no_sense_is_quarantined_with_the_reason_and_nothing_is_learnt(place):
    here = place(tasks=("shouting", "spam", "ner"), more=FOLDERS)
    store = Store(here.root / "models")
    make_bundle(store, "spam", ["ham", "spam"])
    make_bundle(store, "ner", ["O", "B-PER", "I-PER"], "token")
    for name, (content, _) in NONSENSE.items():
        here.drop(name, content, inbox="corrections")

    assert 1 == here.once(), here.log()

    assert {*NONSENSE, *(f"{name}.reason.json" for name in NONSENSE)} == here.files("quarantine")
    for name, (_, reason) in NONSENSE.items():
        assert reason in here.reason(name)["reason"]
    assert [] == corrections(here)


def test_a_correction_that_was_quarantined_goes_back_to_the_corrections(place):
    here = place(more=FOLDERS)
    here.drop("shouting/a.txt", "hello", inbox="corrections")
    assert 1 == here.once()
    command = [Path(sys.executable).with_name("classifyd"), "retry", "--config", here.root / "config.toml"]
    subprocess.run(command, check=True, capture_output=True)

    assert ({"shouting/a.txt"}, set()) == (here.files("corrections"), here.files("in"))


@pytest.mark.parametrize("step", ["ledger.corrected", "corrections.commit", "removals.move", "ledger.retired"])
def test_killed_around_each_step_a_correction_is_kept_once(place, step):
    here = place(more=FOLDERS)
    for when in ("before", "after"):
        name = f"{when}.txt"
        here.drop(f"shouting/loud/{name}", f"hello {when}", inbox="corrections")
        assert -9 == here.once(more={"DIE": f"{when} {step}"}), here.log()
        assert 0 == here.once(), here.log()

        assert [f"hello {when}"] == [c.text for c in corrections(here) if c.source == name]
    assert {"before.txt", "after.txt"} == here.files("done")
    assert set() == here.files("corrections")
    assert [] == here.claimed("corrections")


def test_a_running_daemon_takes_corrections_at_once_and_observers_hear_of_them(place):
    here = place(more=FOLDERS)
    process = here.start(more={"TOLD": str(here.root / "told")})
    wait_until(here.starts, place=here)
    here.drop("shouting/loud/a.txt", "hello", inbox="corrections")

    wait_until(lambda: here.files("done") == {"a.txt"}, place=here)
    wait_until((here.root / "told").exists, place=here)
    assert 0 == here.stop(process)
    assert "corrected shouting/loud/a.txt\n" == (here.root / "told").read_text()
    assert "hello" not in here.log(), "no text of a message in a log"


def test_a_link_among_the_corrections_is_not_followed(place):
    here = place(more=FOLDERS)
    (here.root / "secret.txt").write_text("secret")
    folder = here.root / "corrections" / "shouting" / "loud"
    folder.mkdir(parents=True)
    (folder / "a.txt").symlink_to(here.root / "secret.txt")

    assert 1 == here.once(), here.log()

    assert [] == corrections(here)
