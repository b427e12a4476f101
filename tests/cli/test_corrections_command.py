"""`classifyd corrections` shows what people said, and hands it on as labelled data."""

import json
from pathlib import Path

import pytest
from console import Run

from classifyd.ledger import Correction, Ledger
from classifyd.values import Span

FIRST = Correction("1", 1e9, "maria", "spam", "win a prize", "spam", None, "mail", "a.eml", "spam@3", "ham")
SECOND = Correction("2", 1e9 + 60, "ben", "spam", "see you", "ham", None, "mail", "b.eml", "spam@3", "ham")
THIRD = Correction("3", 1e9 + 120, "ben", "ner", "Maria came", None, (Span(0, 5, "PER", 1.0),), "mail", "c.eml")


@pytest.fixture
def config(office: Path) -> Path:
    (office / "state").mkdir()
    ledger = Ledger(office / "state" / "ledger.sqlite")
    with ledger.commit():
        for one in (SECOND, FIRST, THIRD):
            ledger.corrected(one)
    ledger.close()
    return office / "config.toml"


def test_the_list_has_who_when_and_which_model_was_wrong_the_newest_first_and_no_texts(run: Run, config: Path) -> None:
    lines = run("corrections", "list", "--config", config).stdout.splitlines()
    rows = [line.split() for line in lines if "mail" in line]
    assert rows == [
        ["2001-09-09T01:48:40+00:00", "ben", "ner", "PER", "0-5", "mail", "c.eml"],
        ["2001-09-09T01:47:40+00:00", "ben", "spam", "ham", "ham", "spam@3", "mail", "b.eml"],
        ["2001-09-09T01:46:40+00:00", "maria", "spam", "ham", "spam", "spam@3", "mail", "a.eml"],
    ]
    assert lines[-1] == "3 corrections: ner 1, spam 2; 1 of them say what the model said"
    assert "win a prize" not in "".join(lines)
    assert "win a prize" in run("corrections", "list", "spam", "--texts", "--config", config).stdout


def test_the_list_for_programs_has_texts_only_where_asked_for(run: Run, config: Path) -> None:
    plain = json.loads(run("corrections", "list", "spam", "--json", "--config", config).stdout)
    assert [one["file"] for one in plain] == ["b.eml", "a.eml"]
    assert "text" not in plain[0]
    texts = json.loads(run("corrections", "list", "spam", "--json", "--texts", "--config", config).stdout)
    assert [one["text"] for one in texts] == ["see you", "win a prize"]


def test_an_export_is_labelled_data(run: Run, config: Path, tmp_path: Path) -> None:
    from classifyd import readers
    from classifyd.training import Columns, reading

    for task, wanted in (("spam", [("win a prize", "spam", None), ("see you", "ham", None)]), ("ner", None)):
        file = tmp_path / f"{task}.jsonl"
        file.write_text(run("corrections", "export", task, "--config", config).stdout)
        found = reading.read([str(file)], Columns(), readers.register_readers())
        if wanted is None:
            assert [(one.text, one.spans) for one in found] == [(THIRD.text, THIRD.spans)]
        else:
            assert [(one.text, one.label, one.spans) for one in found] == wanted


def test_without_a_ledger_it_says_so(run: Run, office: Path) -> None:
    outcome = run("corrections", "list", "--config", office / "config.toml")
    assert outcome.returncode == 69
    assert "has the daemon ever run" in outcome.stderr
