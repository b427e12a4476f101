"""`classifyd label` labels files here and now, and says what it could not read."""

import csv
import gzip
import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest
from console import CLASSIFYD, Run, install


def answers(text: str) -> list[tuple[str, int, str]]:
    """Source, index and label of each record."""
    documents: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    return [(d["source"], d["index"], d["annotations"]["shouting"]["label"]) for d in documents]


def test_files_and_folders_are_answered_in_order_on_standard_output(run: Run, here: Path) -> None:
    (here / "mails" / "sub").mkdir(parents=True)
    (here / "a.txt").write_text("HELLO")
    (here / "mails" / "b.txt").write_text("hello")
    (here / "mails" / "sub" / "c.jsonl").write_text('{"text": "HI"}\n{"text": "hi"}\n')
    (here / "mails" / ".hidden.txt").write_text("x")
    outcome = run("label", "--task", "shouting", "a.txt", "mails")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert answers(outcome.stdout) == [
        ("a.txt", 0, "loud"),
        ("b.txt", 0, "calm"),
        ("sub/c.jsonl", 0, "loud"),
        ("sub/c.jsonl", 1, "calm"),
    ]


CHATTY = """
import os
from classifyd.api import Label, hookimpl

print("imported")

class Chatty:
    name = "chatty"
    def load(self, setup):
        print("loaded")
        return self
    def predict(self, records):
        os.write(1, b"predicting\\n")
        return [[Label("fine", 1.0)] for r in records]

@hookimpl
def register_tasks():
    return [Chatty()]
"""


def test_what_a_plugin_prints_does_not_get_among_the_answers(run: Run, here: Path, plugins: Path) -> None:
    install(plugins, "chatty", CHATTY)
    (here / "a.txt").write_text("hello")
    outcome = run("label", "--task", "chatty", "a.txt")
    assert outcome.returncode == 0, outcome.stderr
    (document,) = map(json.loads, outcome.stdout.splitlines())
    assert document["annotations"]["chatty"]["label"] == "fine"
    assert {"imported", "loaded", "predicting"} <= set(outcome.stderr.splitlines())


def test_standard_input_is_a_file_too(run: Run) -> None:
    outcome = run("label", "--task", "shouting", "-", stdin="WHERE ARE YOU")
    assert answers(outcome.stdout) == [("stdin", 0, "loud")]


def test_a_large_input_is_answered_range_by_range_with_the_same_records(run: Run, here: Path) -> None:
    lines = [json.dumps({"text": ("LOUD " if n % 3 else "calm ") * 30, "n": n}) for n in range(40_000)]
    (here / "large.jsonl").write_text("\n".join(lines))
    assert (here / "large.jsonl").stat().st_size > 4 * 2**20
    outcome = run("label", "--task", "shouting", "large.jsonl")
    assert outcome.returncode == 0, outcome.stderr
    assert answers(outcome.stdout) == [("large.jsonl", n, "loud" if n % 3 else "calm") for n in range(40_000)]


def test_what_cannot_be_read_is_told_and_the_rest_is_answered(run: Run, here: Path) -> None:
    (here / "a.txt").write_text("HELLO")
    (here / "b.bin").write_bytes(bytes(range(256)))
    (here / "c.txt.gz").write_bytes(gzip.compress(b"x" * 10_000)[:20])
    outcome = run("label", "--task", "shouting", "a.txt", "b.bin", "c.txt.gz", "missing.txt")
    assert outcome.returncode == 1
    assert answers(outcome.stdout) == [("a.txt", 0, "loud")]
    told = sorted(line.partition(":")[0] for line in outcome.stderr.splitlines())
    assert told == ["b.bin", "c.txt.gz", "missing.txt"]


def test_records_with_errors_are_answered_and_counted(run: Run, here: Path) -> None:
    (here / "a.jsonl").write_text('{"text": "x"}\nbroken\n')
    outcome = run("label", "--task", "shouting", "a.jsonl")
    assert outcome.returncode == 1
    assert "record" in json.loads(outcome.stdout.splitlines()[1])["errors"]
    assert outcome.stderr == "a.jsonl: 1 of 2 records have errors; see their errors\n"


def test_an_output_file_appears_whole_and_standard_output_stays_empty(run: Run, here: Path) -> None:
    (here / "a.txt").write_text("HELLO")
    outcome = run("label", "--task", "shouting", "a.txt", "--output", "out/labels.jsonl")
    assert (outcome.returncode, outcome.stdout) == (0, "")
    assert answers((here / "out" / "labels.jsonl").read_text()) == [("a.txt", 0, "loud")]
    assert [path.name for path in (here / "out").iterdir()] == ["labels.jsonl"]


def test_tables_are_answered_in_kind_one_by_one_or_into_a_folder(run: Run, here: Path) -> None:
    (here / "t.csv").write_text("id,text\n7,HELLO\n")
    (here / "a.txt").write_text("hello")
    one = run("label", "--task", "shouting", "--format", "csv", "t.csv")
    [row] = csv.DictReader(one.stdout.splitlines())
    assert (row["id"], row["text"], row["shouting_label"]) == ("7", "HELLO", "loud")
    many = run("label", "--task", "shouting", "--format", "same", "--output", "out/", "t.csv", "a.txt")
    assert many.returncode == 0, many.stderr
    assert sorted(path.name for path in (here / "out").iterdir()) == ["a.txt.jsonl", "t.csv"]
    wrong = run("label", "--task", "shouting", "--format", "csv", "t.csv", "a.txt")
    assert wrong.returncode == 2
    assert "--output DIR/" in wrong.stderr


def test_an_unknown_task_or_format_is_told_with_the_nearest(run: Run, here: Path) -> None:
    (here / "a.txt").write_text("x")
    outcome = run("label", "--task", "shoutin", "a.txt")
    assert outcome.returncode == 2
    assert 'Did you mean "shouting"?' in outcome.stderr
    outcome = run("label", "--task", "shouting", "--format", "josnl", "a.txt")
    assert outcome.returncode == 2
    assert 'Did you mean "jsonl"?' in outcome.stderr


def test_a_task_that_cannot_be_loaded_exits_78_without_a_traceback(run: Run, here: Path, plugins: Path) -> None:
    install(
        plugins,
        "needy",
        "from classifyd.api import BundleError, hookimpl\n"
        "class Needy:\n    name = 'needy'\n"
        "    def load(self, setup):\n        raise BundleError('needy: no model in service')\n"
        "@hookimpl\ndef register_tasks():\n    return [Needy()]\n",
    )
    (here / "a.txt").write_text("x")
    outcome = run("label", "--task", "needy", "a.txt")
    assert (outcome.returncode, outcome.stderr) == (78, "needy: no model in service\n")


def test_a_configuration_whose_inboxes_are_missing_does_not_matter(run: Run, here: Path) -> None:
    (here / "config.toml").write_text('[[inbox]]\nname = "a"\npath = "missing"\ntasks = ["shouting"]\n')
    (here / "a.txt").write_text("HELLO")
    assert run("label", "--task", "shouting", "a.txt").returncode == 0


def test_a_name_with_control_characters_cannot_reach_the_terminal(run: Run, here: Path) -> None:
    (here / "a\x1b[2J\n.bin").write_bytes(bytes(range(256)))
    outcome = run("label", "--task", "shouting", here)
    assert outcome.returncode == 1
    assert "\x1b" not in outcome.stdout + outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_a_reader_that_leaves_ends_it_quietly(run: Run, here: Path, plugins: Path) -> None:
    (here / "a.jsonl").write_text('{"text": "x"}\n' * 50_000)
    command = f"{CLASSIFYD} label --task shouting a.jsonl | head -c 10"
    env = os.environ | {"PYTHONPATH": str(plugins)}
    outcome = subprocess.run(["bash", "-c", command], cwd=here, env=env, capture_output=True, text=True, check=False)
    assert (outcome.stdout, outcome.stderr) == ('{"schema":', "")


@pytest.mark.parametrize("to_terminal", [True, False])
def test_a_progress_bar_is_shown_on_a_terminal_that_no_results_go_to(
    here: Path, plugins: Path, to_terminal: bool
) -> None:
    (here / "a.jsonl").write_text('{"text": "x"}\n' * 5)
    ours, theirs = pty.openpty()
    command = [CLASSIFYD, "label", "--task", "shouting", "a.jsonl", *([] if to_terminal else ["-o", "out.jsonl"])]
    env = os.environ | {"PYTHONPATH": str(plugins), "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=here, env=env, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = _all(ours)
    assert process.wait() == 0
    assert (b"\x1b" in seen) is not to_terminal


def _all(terminal: int) -> bytes:
    found = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # EIO: how a terminal says that the other side is closed
            break
        found += piece
    os.close(terminal)
    return found


@pytest.mark.parametrize(("how", "cell"), [("keep", "=1+1"), ("escape", "'=1+1")])
def test_formulas_of_a_table_are_kept_or_escaped(run: Run, here: Path, how: str, cell: str) -> None:
    (here / "a.csv").write_text("id,text\n=1+1,hello\n")
    outcome = run("label", "--task", "shouting", "--format", "same", "--csv-formulas", how, "a.csv")
    assert outcome.stdout.splitlines()[1].startswith(f"{cell},hello")


def test_an_unknown_way_with_formulas_is_a_fault_of_usage(run: Run, here: Path) -> None:
    (here / "a.csv").write_text("text\nhello\n")
    outcome = run("label", "--task", "shouting", "--csv-formulas", "run", "a.csv")
    assert (outcome.returncode, outcome.stderr) == (2, "--csv-formulas run: must be keep or escape\n")


@pytest.mark.parametrize(
    ("files", "output"),
    [(["one.csv"], "one.csv"), (["one.csv"], "."), (["one.csv", "a.txt"], "link/"), (["one.csv"], "same.csv")],
)
def test_an_answer_in_place_of_an_input_is_refused(run: Run, here: Path, files: list[str], output: str) -> None:
    (here / "a.txt").write_text("hello")
    (here / "one.csv").write_text("id,text\n7,HELLO\n")
    (here / "link").symlink_to(here)
    (here / "same.csv").symlink_to("one.csv")
    before = sorted(here.iterdir())

    outcome = run("label", "--task", "shouting", "--format", "same", "--output", output, *files)

    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert outcome.stderr == f"{here}/one.csv: an answer would take its place; name another --output\n"
    assert ((here / "one.csv").read_text(), sorted(here.iterdir())) == ("id,text\n7,HELLO\n", before)


def test_an_answer_that_was_labelled_along_is_not_replaced(run: Run, here: Path) -> None:
    (here / "mails").mkdir()
    (here / "mails" / "a.txt").write_text("HELLO")
    assert run("label", "--task", "shouting", "--output", "mails/all.jsonl", "mails").returncode == 0

    again = run("label", "--task", "shouting", "--output", "mails/all.jsonl", "mails")

    assert again.returncode == 2
    assert "mails/all.jsonl: an answer would take its place" in again.stderr
    assert answers((here / "mails" / "all.jsonl").read_text()) == [("a.txt", 0, "loud")]


def test_two_inputs_of_one_name_are_not_answered_in_one_place(run: Run, here: Path) -> None:
    for folder, text in (("a", "HELLO"), ("b", "hello")):
        (here / folder).mkdir()
        (here / folder / "x.txt").write_text(text)

    outcome = run("label", "--task", "shouting", "--output", "out/", "a/x.txt", "b/x.txt")

    assert outcome.returncode == 2
    assert f"{here}/b/x.txt and {here}/a/x.txt would both be answered in out/x.txt.jsonl" in outcome.stderr
    assert not (here / "out").exists()


@pytest.mark.parametrize("output", ["mails", "mails/labels/", "link/labels/"])
def test_a_folder_of_answers_does_not_lie_in_one_that_is_labelled(run: Run, here: Path, output: str) -> None:
    (here / "mails").mkdir()
    (here / "mails" / "a.txt").write_text("HELLO")
    (here / "link").symlink_to("mails")

    outcome = run("label", "--task", "shouting", "--output", output, "mails")

    assert outcome.returncode == 2
    assert outcome.stderr.startswith(f"--output {output}: lies in mails, so that its answers would be labelled too")
    assert [path.name for path in (here / "mails").iterdir()] == ["a.txt"]
