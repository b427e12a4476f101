import csv
import io
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifyd.api import AnnotatedRecord, Annotation, Fault, Label, Record, Span, WriteOptions
from classifyd.writers import document, register_writers

WRITERS = {writer.format: writer for writer in register_writers()}
OPTIONS = WriteOptions(("spam", "ner"), span_tasks=("ner",))
SPAM = Annotation((Label("spam", 0.99799999), Label("ham", 0.002)), model="spam@3", review=True)
NER = Annotation((), (Span(0, 5, "PER", 0.99),), model="ner@2")
FAILED = Annotation(error=Fault("PredictionFailed", "no"))


class Forward(io.RawIOBase):
    """What the pipeline gives a writer: a stream that can only be written forward."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def tell(self):
        return len(self.data)

    def write(self, data):
        view = memoryview(data).cast("B")
        self.data += view
        return len(view)


def write(form, records, options=OPTIONS):
    stream = Forward()
    WRITERS[form].write(records, stream, options)
    return bytes(stream.data)


def assemble(form, parts):
    stream = Forward()
    WRITERS[form].assemble([io.BytesIO(part) for part in parts], stream)
    return bytes(stream.data)


def annotated(index, record, spam=SPAM, ner=NER):
    said = {} if record.error else {"spam": spam, "ner": ner}
    return AnnotatedRecord(f"in/a.csv#{index}", "a.csv", record, said)


def row(index, text="Maria is here", spam=SPAM, ner=NER, **others):
    cells = {"id": str(index), "text": text, **others}
    record = Record(text, index, {key: cells[key] for key in cells if key != "text"}, cells)
    return annotated(index, record, spam, ner)


def broken(index):
    cells = {"id": "1", "text": None}
    return annotated(index, Record("", index, {"id": "1", "cells": ["1"]}, cells, Fault("UnreadableFile", "bad")))


def test_a_document_is_as_the_schema_says():
    assert document(row(0), OPTIONS) == {
        "schema": "classifyd/1",
        "id": "in/a.csv#0",
        "source": "a.csv",
        "index": 0,
        "text": "Maria is here",
        "meta": {"id": "0"},
        "annotations": {
            "spam": {
                "label": "spam",
                "score": 0.998,
                "scores": {"ham": 0.002, "spam": 0.998},
                "model": "spam@3",
                "review": True,
            },
            "ner": {
                "spans": [{"start": 0, "end": 5, "label": "PER", "text": "Maria", "score": 0.99}],
                "model": "ner@2",
                "review": False,
            },
        },
        "errors": {},
    }


def test_errors_are_by_task_and_of_the_record():
    found = document(row(0, spam=FAILED), OPTIONS)
    assert (list(found["annotations"]), found["errors"]) == (
        ["ner"],
        {"spam": {"type": "PredictionFailed", "message": "no"}},
    )
    assert document(broken(0), OPTIONS)["errors"] == {"record": {"type": "UnreadableFile", "message": "bad"}}


@pytest.mark.parametrize("form", WRITERS)
def test_texts_left_out_are_nowhere_in_the_output(form):
    options = WriteOptions(("spam", "ner"), include_text=False, span_tasks=("ner",))
    plain = annotated(1, Record("Maria is here", 1))
    for records in ([row(0)], [plain]):
        assert b"Maria" not in write(form, records, options)


def test_json_is_strict_whatever_the_meta_holds():
    meta = {"nan": math.nan, "half": "\ud800", "date": object, "list": [math.inf], 5: b"\xff"}
    line = write("jsonl", [annotated(0, Record("a\ud800", 0, meta))])
    found = json.loads(line.decode(), parse_constant=pytest.fail)
    assert found["text"] == "a\ufffd"
    assert (found["meta"]["nan"], found["meta"]["half"], found["meta"]["list"]) == (None, "\ufffd", [None])


def test_nothing_in_a_json_line_ends_it_or_acts_where_it_is_shown():
    text = "a\nb\r\u2028c\x1b[31m\x9b31m\x7f\x85\u202e"
    line = write("jsonl", [row(0, text)]).decode()
    assert [line] == line.splitlines(keepends=True)
    assert all(character.isprintable() for character in line[:-1])
    assert text == json.loads(line)["text"]


def test_csv_is_answered_in_kind():
    data = write("csv", [row(0, 'say "x",\nMaria'), broken(1), row(2, spam=FAILED)]).decode()
    header, first, second, third = csv.reader(io.StringIO(data))
    assert header == [
        "id", "text", "spam_label", "spam_score", "spam_review", "spam_model",
        "ner_spans", "ner_model", "classifyd_error",
    ]  # fmt: skip
    assert first[:6] == ["0", 'say "x",\nMaria', "spam", "0.998", "true", "spam@3"]
    assert json.loads(first[6])[0]["label"] == "PER"
    assert second == ["1", "", "", "", "", "", "", "", '{"record": {"type": "UnreadableFile", "message": "bad"}}']
    assert (third[2], json.loads(third[8])["spam"]["type"]) == ("", "PredictionFailed")


def test_records_that_are_no_rows_have_source_index_text_and_meta_in_csv():
    data = write("csv", [annotated(0, Record("hello", 0, {"subject": "s"}))]).decode()
    header, first = csv.reader(io.StringIO(data))
    assert header[:4] == ["source", "index", "text", "meta"]
    assert first[:4] == ["a.csv", "0", "hello", '{"subject": "s"}']


NASTY = st.text(st.sampled_from('a",\n\r\t é\u2028\ud800'), max_size=6)
RECORDS = st.lists(
    st.one_of(st.just(broken), st.tuples(NASTY, st.booleans())), max_size=12
)  # fmt: skip


def built(choices):
    return [
        broken(index) if choice is broken else row(index, choice[0], spam=FAILED if choice[1] else SPAM)
        for index, choice in enumerate(choices)
    ]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@given(RECORDS, st.integers(1, 5))
@settings(max_examples=150, deadline=None)
def test_parts_assembled_are_what_one_write_gives(form, choices, size):
    records = built(choices)
    parts = [write(form, records[start : start + size]) for start in range(0, len(records), size)]
    assert assemble(form, parts) == write(form, records)


def test_a_column_whose_name_has_a_line_end_survives_assembly():
    records = [row(index, **{'two\n"lines"': "x"}) for index in range(3)]
    assert assemble("csv", [write("csv", records[:1]), write("csv", records[1:])]) == write("csv", records)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_where_tasks_failed_at_first_and_kinds_are_unknown_nothing_is_lost(form):
    options = WriteOptions(("spam", "ner"))
    records = [row(0, spam=FAILED, ner=FAILED), row(1), row(2)]
    data = assemble(form, [write(form, [record], options) for record in records])
    found = rows_of(form, data)
    assert [one["spam_label"] or None for one in found] == [None, "spam", "spam"]
    assert json.loads(found[2]["ner_spans"])[0]["text"] == "Maria"


def rows_of(form, data):
    if form == "csv":
        return list(csv.DictReader(io.StringIO(data.decode())))
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(io.BytesIO(data)).to_pylist()


def test_parquet_is_answered_in_kind_with_types_kept():
    parquet = pytest.importorskip("pyarrow.parquet")
    cells = {"id": 7, "text": "Maria", "n": 1.5, "when": None, "flag": True}
    record = Record("Maria", 0, {key: cells[key] for key in cells if key != "text"}, cells)
    table = parquet.read_table(io.BytesIO(write("parquet", [annotated(0, record)])))
    assert table.column_names[:7] == ["id", "text", "n", "when", "flag", "spam_label", "spam_score"]
    assert table.to_pylist()[0]["id"] == 7
    assert table.to_pylist()[0]["spam_review"] is True


def test_parquet_parts_of_different_types_are_put_under_one():
    parts = [write("parquet", [row(0, n=value)]) for value in (None, 1, 2.5)]
    assert [one["n"] for one in rows_of("parquet", assemble("parquet", parts))] == [None, 1.0, 2.5]
    mixed = [write("parquet", [row(0, n=value)]) for value in (1, "x", [2])]
    assert [one["n"] for one in rows_of("parquet", assemble("parquet", mixed))] == ["1", "x", "[2]"]


@pytest.mark.parametrize("form", WRITERS)
def test_no_record_at_all_is_written_and_assembled(form):
    assert assemble(form, [write(form, [])]) == write(form, [])
