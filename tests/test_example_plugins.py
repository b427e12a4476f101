"""The plugins in examples/plugins install, keep every promise, and do what docs/plugins.md says of them."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from classifyd import scaffold

ROOT = Path(__file__).parents[1]
PLUGINS = ROOT / "examples" / "plugins"
NAMES = sorted(path.parent.name for path in PLUGINS.glob("*/pyproject.toml"))
CLASSIFYD = Path(sys.executable).with_name("classifyd")
SYSLOG = (
    "Nov 27 18:00:01 mx1 postfix/smtpd[4711]: connect from unknown[203.0.113.5]\n"
    "\n"
    "<34>1 2026-11-27T18:00:02.5Z mx1 sshd[99]: Failed password for root\n"
    "  a line of a stack trace\n"
)


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that finds every example installed."""
    site = tmp_path_factory.mktemp("site")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    packages = [PLUGINS / name for name in NAMES]
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, "--target", site, *packages], check=True)
    return os.environ | {"PYTHONPATH": str(site)}


def classifyd(*arguments: object, env: dict[str, str], cwd: Path) -> str:
    command = [CLASSIFYD, *map(str, arguments)]
    outcome = subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_example_keeps_every_promise(name: str, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(SYSLOG * 100)
    said = classifyd("plugins", "test", name, "--sample", "a.log", "--json", env=environ, cwd=tmp_path)
    verdicts = {(one["subject"], one["check"]): one["verdict"] for one in json.loads(said)}
    assert set(verdicts.values()) <= {"passed", "noted", "skipped"}
    untrained = name in ("urgency", "sentiment")
    assert ("skipped" in verdicts.values()) == untrained


def test_the_example_on_the_kit_is_what_plugins_new_writes(tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path): path.read_text() for path in scaffold.create("sentiment", tmp_path, "kit")}
    below = [path.relative_to(PLUGINS / "sentiment") for path in (PLUGINS / "sentiment").rglob("*") if path.is_file()]
    kept = [path for path in below if not any(part.startswith((".", "__pycache__")) for part in path.parts)]
    assert {path: (PLUGINS / "sentiment" / path).read_text() for path in kept} == written


def test_the_example_on_scikit_learn_trains_serves_and_keeps_its_promises(
    environ: dict[str, str], tmp_path: Path
) -> None:
    soon = ("please call now", "answer today", "the server is down", "need it at once", "before noon please")
    late = ("whenever you like", "no hurry at all", "next month will do", "for your archive", "when there is time")
    rows = [
        {"text": f"{text} {name} number {number}", "label": label}
        for label, texts in (("soon", soon), ("late", late))
        for text in texts
        for number, name in enumerate(("anna", "ben", "maria", "carl", "dora", "emil", "fritz", "gerda"))
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "in").mkdir()
    (tmp_path / "config.toml").write_text('[[inbox]]\nname = "a"\npath = "in"\ntasks = ["urgency"]\n')
    said = classifyd("train", "urgency", "--data", "data.jsonl", env=environ, cwd=tmp_path)
    assert said == "urgency@1\n"
    (tmp_path / "a.txt").write_text("Please answer now, the server is down!")
    answer = json.loads(classifyd("label", "--task", "urgency", "a.txt", env=environ, cwd=tmp_path))
    assert answer["annotations"]["urgency"]["label"] == "soon"
    assert answer["annotations"]["urgency"]["model"] == "urgency@1"
    tried = json.loads(classifyd("plugins", "test", "urgency", "--json", env=environ, cwd=tmp_path))
    assert {one["verdict"] for one in tried} == {"passed"}


def test_the_example_reader_takes_syslog_lines_apart(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mx.log").write_text(SYSLOG)
    lines = classifyd("label", "--task", "shouting", "mx.log", env=environ, cwd=tmp_path).splitlines()
    connect, failed, trace = map(json.loads, lines)
    assert connect["text"] == "connect from unknown[203.0.113.5]"
    assert connect["meta"] == {
        "time": "Nov 27 18:00:01",
        "host": "mx1",
        "program": "postfix/smtpd",
        "process": "4711",
    }
    assert (failed["text"], failed["meta"]["time"]) == ("Failed password for root", "2026-11-27T18:00:02.5Z")
    assert (trace["text"], trace["meta"]) == ("  a line of a stack trace", {})


def test_the_example_writer_puts_the_rows_of_a_day_together(environ: dict[str, str], tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    dates = ["Fri, 27 Nov 2026 23:30:00 -0100", "2026-11-26", None, "27 Nov 2026 08:00:00 +0000"]
    rows = [{"text": f"HELLO {n}", "date": dates[n % 4]} for n in range(40_000)]  # large enough for several parts
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({**row, "pad": "x" * 100}) + "\n" for row in rows))
    classifyd(
        "label", "--task", "shouting", "--format", "days", "--output", "a.days", "a.jsonl", env=environ, cwd=tmp_path
    )
    file = pq.ParquetFile(tmp_path / "a.days")
    days = file.read(columns=["day"]).column("day").to_pylist()
    assert list(dict.fromkeys(days)) == [None, date(2026, 11, 26), date(2026, 11, 27), date(2026, 11, 28)]
    assert days == sorted(days, key=lambda day: day or date.min)
    for number in range(file.num_row_groups):
        statistics = file.metadata.row_group(number).column(0).statistics
        assert statistics.min == statistics.max
    table = pq.read_table(tmp_path / "a.days", filters=[("day", "==", date(2026, 11, 26))])
    assert table.num_rows == 10_000
    assert table.column("labels").to_pylist()[0] == [("shouting", "loud")]
    assert table.column("id").to_pylist()[:2] == ["label/a.jsonl#1", "label/a.jsonl#5"]
