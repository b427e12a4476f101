"""`classifyd explain` tells of one record how its answers came about, and whether the output still says the same."""

import json
import os

import pytest
import tiny

from classifyd.bundles import Store
from classifyd.jobs import Claim, Suspect
from classifyd.ledger import Entry, Ledger

CONFIG = """
[daemon]
workers = 1
settle_seconds = 0
[http]
listen = ""
[[inbox]]
name = "all"
path = "in"
tasks = ["spam", "ner", "shouting"]
output = "out"
done = "{done}"
quarantine = "bad"
{more}
[tasks.spam]
runtime = "onnxruntime"
[tasks.ner]
runtime = "onnxruntime"
"""
ROWS = ["Win a free prize now", "Hello Maria, meeting in Berlin on Monday. " * 12, ""]
LATIN = os.fsdecode(b"caf\xe9.txt")


def table(rows=ROWS):
    return "".join(json.dumps({"text": row}) + "\n" for row in rows)


@pytest.fixture
def office(here, run):
    """A configuration with three tasks, models of two, and inputs that were answered."""

    def make(done="done", more=""):
        folder = here / "office"
        (folder / "in").mkdir(parents=True)
        (folder / "config.toml").write_text(CONFIG.format(done=done, more=more))
        store = Store(folder / "models")
        tiny.make_bundle(store, "spam", ["ham", "spam"], temperature=2.0, examples=[])
        tiny.make_bundle(store, "ner", tiny.BIO, "token", examples=[])
        (folder / "in/rows.jsonl").write_text(table())
        (folder / "in" / LATIN).write_text("Win a free prize now")
        done = run("run", "--once", "--config", folder / "config.toml")
        assert 0 == done.returncode, done.stderr
        return folder

    return make


@pytest.fixture
def explain(run):
    def call(folder, name, *options):
        return run("explain", name, "--config", folder / "config.toml", *options)

    return call


def explained(done, code=0):
    assert code == done.returncode, done.stderr
    return json.loads(done.stdout)


def test_an_id_an_output_and_an_input_in_done_lead_to_the_same_record(office, explain):
    folder = office()
    record = json.loads((folder / "out/rows.jsonl.jsonl").read_text().splitlines()[1])
    names = (record["id"], f"{folder}/out/rows.jsonl.jsonl#1", f"{folder}/done/rows.jsonl#1")
    first, *others = (explained(explain(folder, name, "--json", "--task", "spam")) for name in names)
    assert [first, first] == others
    assert (record["id"], str(folder / "done/rows.jsonl")) == (first["id"], first["read_from"])
    said = first["tasks"]["spam"]
    assert ("spam@1", "ONNX Runtime", None) == (said["model"], said["runtime"], said["differs"])
    assert record["annotations"]["spam"]["scores"] == pytest.approx(said["scores"], abs=1e-6)
    assert {"temperature": 2.0} == said["calibration"]
    assert len(said["windows"]) > 1
    [decision] = said["decisions"]
    assert (0.8, "the model") == (decision["threshold"], decision["asked_by"])
    assert record["annotations"]["spam"]["review"] == decision["doubtful"] == said["review"]


def test_people_see_windows_scores_and_thresholds_and_a_task_that_cannot_explain_says_so(office, explain):
    folder = office()
    done = explain(folder, "all/rows.jsonl.jsonl#1")
    assert 1 == done.returncode, done.stderr
    said = " ".join(done.stdout.split())
    for words in (
        "spam@1 on ONNX Runtime",
        "windows, and what each says by itself",
        "the 0.8 that the model asks for",
        "before calibration",
        "shouting: task 'shouting': its plugin does not explain its answers",
    ):
        assert words in said
    assert 2 == said.count("as the output says")


def test_the_version_that_answered_is_asked_not_the_one_in_service(office, explain):
    folder = office()
    tiny.make_bundle(Store(folder / "models"), "spam", ["ham", "spam"], seed=5, examples=[])
    said = explained(explain(folder, "all/rows.jsonl.jsonl#0", "--json", "--task", "spam"))["tasks"]["spam"]
    assert ("spam@1", None) == (said["model"], said["differs"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": "spam@9"}, "the output was answered by spam@9, and this by spam@1"),
        ({"scores": {"ham": 0.5, "spam": 0.5}}, "made by another runtime or processor"),
        ({"review": None}, "thresholds were changed since"),
        ({"scores": 3}, "is not as it was written"),
        (None, "nothing to compare with"),
    ],
)
def test_what_the_output_says_otherwise_is_told(office, explain, change, told):
    folder = office()
    out = folder / "out/rows.jsonl.jsonl"
    first, *rest = out.read_text().splitlines()
    record = json.loads(first)
    if change is None:
        out.unlink()
    else:
        record["annotations"]["spam"] |= change
        out.write_text("\n".join([json.dumps(record), *rest]) + "\n")
    said = explained(explain(folder, "all/rows.jsonl.jsonl#0", "--json", "--task", "spam"))["tasks"]["spam"]
    assert told in said["differs"]


def test_an_input_that_was_deleted_is_read_from_the_output(office, explain):
    folder = office(done="delete")
    said = explained(explain(folder, "all/rows.jsonl.jsonl#1", "--json", "--task", "spam"))
    assert (str(folder / "out/rows.jsonl.jsonl"), None) == (said["read_from"], said["tasks"]["spam"]["differs"])


def test_a_text_that_is_nowhere_any_more_is_asked_for(office, explain):
    folder = office(done="delete", more="include_text = false")
    done = explain(folder, "all/rows.jsonl.jsonl#1", "--task", "spam")
    assert 69 == done.returncode
    assert "was deleted, as its inbox says" in done.stderr
    assert "--source FILE" in done.stderr
    source = folder / "rows.jsonl"
    source.write_text(table())
    said = explained(explain(folder, "all/rows.jsonl.jsonl#1", "--task", "spam", "--json", "--source", source))
    assert (str(source), None) == (said["read_from"], said["tasks"]["spam"]["differs"])


def test_without_the_ledger_the_output_says_which_versions_it_were(office, explain):
    folder = office()
    for path in (folder / "state").glob("ledger.sqlite*"):
        path.unlink()
    said = explained(explain(folder, "all/rows.jsonl.jsonl#1", "--json", "--task", "ner"))["tasks"]["ner"]
    assert ("ner@1", None) == (said["model"], said["differs"])


def test_a_name_that_is_not_utf8_is_found_by_the_id_that_people_can_read(office, explain):
    folder = office()
    record = json.loads((folder / "out" / f"{LATIN}.jsonl").read_text())
    assert "all/caf\\xe9.txt.jsonl#0" == record["id"]
    assert record["id"] == explained(explain(folder, record["id"], "--json", "--task", "spam"))["id"]


def test_an_input_is_known_by_its_name_too_and_in_review_by_its_path(office, explain):
    folder = office(more='review = "review"')
    latin = explained(explain(folder, "all/caf\\xe9.txt.jsonl#0", "--json", "--task", "spam"))
    place = next(path for name in ("review", "done") for path in (folder / name).glob("caf*"))
    for name in (f"all/{LATIN}", place):
        assert latin == explained(explain(folder, name, "--json", "--task", "spam"))


def test_an_input_in_done_is_found_whichever_inbox_it_is_of(office, explain):
    folder = office()
    config = folder / "config.toml"
    other = '[[inbox]]\nname = "other"\npath = "other"\ntasks = ["shouting"]\n'
    config.write_text(config.read_text().replace("[[inbox]]", f"{other}[[inbox]]"))
    said = explained(explain(folder, f"{folder}/done/rows.jsonl#1", "--json", "--task", "spam"))
    assert "all/rows.jsonl.jsonl#1" == said["id"]


def test_of_an_input_without_an_answer_it_says_what_became_of_it(office, explain, run):
    folder = office()
    (folder / "in/bad.txt").write_bytes(bytes(range(256)) * 4)
    assert 1 == run("run", "--once", "--config", folder / "config.toml").returncode
    (folder / "in/waits.txt").write_text("hello")
    claim = Claim("c", "all", "huge.csv", str(folder / "in/x"), 1, 1, 0.0)
    ledger = Ledger(folder / "state/ledger.sqlite")
    with ledger.commit():
        ledger.claimed(Entry(claim, "claimed", {"spam": 1}, 1, "huge.csv.jsonl"))
        for _ in range(3):
            ledger.attempted([("c", 0), ("c", 1)], 5.0)
        ledger.attempted([("c", 2)], 5.0)
        ledger.suspected("c", 1, [Suspect("spam", 4, 8, "the worker died on it: killed")])
    ledger.close()
    for name, *told in (
        ("all/bad.txt", "went to quarantine", "bad.txt: ", "classifyd retry bad.txt"),
        (folder / "bad/bad.txt", "went to quarantine"),
        ("all/waits.txt", "waits in the inbox"),
        (
            "all/huge.csv",
            "is being worked on since",
            "split 0 was given to a worker 3 times; split 1",
            "records 4 to 7",
        ),
        ("all/huge.csv.jsonl#0", "is being worked on since"),
    ):
        done = explain(folder, name)
        assert 69 == done.returncode
        assert [] == [words for words in told if words not in " ".join(done.stderr.split())], done.stderr
        assert "split 2" not in done.stderr, "a first try is nothing to tell of"


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("all/rows.jsonl.jsonl#99", ("--task", "spam"), "has 3 records, and none of the number 99"),
        ("al/rows.jsonl.jsonl#0", (), 'Did you mean "all"?'),
        ("all/nothing.jsonl#0", (), "neither the ledger nor"),
        ("all/../config.toml#0", (), "neither the ledger nor"),
        ("nothing.jsonl", (), "no such file, and no id of a record"),
        ("office/config.toml", (), "neither an output of this configuration nor an input"),
        ("all/rows.jsonl.jsonl#0", ("--task", "topic"), "did not answer this record"),
    ],
)
def test_what_cannot_be_found_is_told_with_what_there_is(office, explain, name, options, told):
    folder = office()
    done = explain(folder, name, *options)
    assert 2 == done.returncode
    assert told in done.stderr


def test_a_version_that_was_removed_is_told(office, explain):
    folder = office()
    store = Store(folder / "models")
    tiny.make_bundle(store, "spam", ["ham", "spam"], seed=5, examples=[])
    (folder / "models/spam/1").rename(folder / "models/spam/.1")
    said = explained(explain(folder, "all/rows.jsonl.jsonl#0", "--json", "--task", "spam"), 1)["tasks"]["spam"]
    assert "models/spam/1" in said["error"]
