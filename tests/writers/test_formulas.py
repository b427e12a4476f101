"""A cell that a spreadsheet would run is made harmless in CSV when it is asked for, and stays as it is by default."""

import csv
import io

import pytest

from classifyd.api import AnnotatedRecord, Annotation, Label, Record, WriteOptions
from classifyd.writers import register_writers
from classifyd.writers.delimited import harmless

[CSV] = [writer for writer in register_writers() if writer.format == "csv"]
ESCAPE = WriteOptions(("spam",), span_tasks=(), csv_formulas="escape")
FORMULA = '=HYPERLINK("http://evil","click")'


@pytest.mark.parametrize(
    "text",
    [
        FORMULA,
        "+1+cmd|' /C calc'!A0",
        "-1-2",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\ufeff=1",
        "\uff1d1",
        "-",
        "+49 30/1",
    ],
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text):
    assert f"'{text}" == harmless(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x;=1+cmd|' /C calc'!A0", "x;'=1+cmd|' /C calc'!A0"),
        ("x|@SUM(A1)", "x|'@SUM(A1)"),
        ("a; =1\t+2", "a;' =1\t'+2"),
        ("=1;=2", "'=1;'=2"),
        (";=1", ";'=1"),
        ("a; b | c", "a; b | c"),
    ],
)
def test_so_it_is_after_what_parts_the_columns_elsewhere(text, shown):
    assert shown == harmless(text)


@pytest.mark.parametrize(
    "cell", ["-5", "+3.5", "-1e-7", " -2", "1,234.5", "a=b", "", "'=1", "spam", 5, -0.5, None, True]
)
def test_numbers_and_ordinary_texts_stay(cell):
    assert harmless(cell) == cell


def written(options, *rows):
    stream = io.BytesIO()
    said = {"spam": Annotation((Label("=spam", 1.0),), model="@m")}
    records = [
        AnnotatedRecord("a#0", "=a.csv", Record(row.get("text", "x"), index, row, row), said)
        for index, row in enumerate(rows)
    ]
    CSV.write(records, stream, options)
    return stream.getvalue()


def cells(data):
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_by_default_every_cell_is_as_it_came():
    header, row = cells(written(WriteOptions(("spam",), span_tasks=()), {"=id": "-1+1", "text": FORMULA}))
    assert (["=id", "text"], ["-1+1", FORMULA, "=spam"]) == (header[:2], row[:3])


def test_headers_labels_and_the_inputs_own_columns_are_escaped_when_asked_for():
    header, row = cells(written(ESCAPE, {"=id": "-1+1", "text": FORMULA}))
    assert (["'=id", "text"], ["'-1+1", f"'{FORMULA}", "'=spam"]) == (header[:2], row[:3])
    assert "'@m" == row[header.index("spam_model")]


def test_records_that_are_no_rows_are_escaped_too():
    stream = io.BytesIO()
    CSV.write([AnnotatedRecord("a#0", "=a.txt", Record(FORMULA))], stream, WriteOptions((), csv_formulas="escape"))
    assert ["'=a.txt", "0", f"'{FORMULA}"] == cells(stream.getvalue())[1][:3]


def test_assembling_escapes_nothing_twice():
    rows = [{"id": "=1", "text": FORMULA}, {"id": "-2", "text": "fine"}]
    parts = [io.BytesIO(written(ESCAPE, row)) for row in rows]
    whole = io.BytesIO()
    CSV.assemble(parts, whole)
    assert written(ESCAPE, *rows) == whole.getvalue()
