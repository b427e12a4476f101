import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import KNOWN, read, read_in_cuts, source

from classifyd.api import Limits, UnreadableFile
from classifyd.readers import spool

NASTY = st.text(st.sampled_from('a,;"\n\r\t|é\u2028 x'), max_size=12)
TIGHT = Limits(record_bytes=20)


def csv_bytes(rows: list[list[str]]) -> bytes:
    return ("text,n\n" + "".join(",".join(row) + "\n" for row in rows)).encode()


@given(st.lists(st.lists(NASTY, min_size=1, max_size=3)), st.integers(1, 60), st.sampled_from([Limits(), TIGHT]))
@settings(max_examples=400, deadline=None)
def test_cuts_of_broken_csv_give_the_records_of_the_whole(rows, size, limits):
    data = csv_bytes(rows)
    whole = read("a.csv", data, limits=limits)
    assert read_in_cuts("a.csv", data, size, limits) == whole
    assert [record.index for record in whole] == list(range(len(whole)))


@given(st.lists(NASTY), st.integers(1, 60))
@settings(max_examples=300, deadline=None)
def test_cuts_of_well_formed_csv_give_every_text_back(found, size):
    quoted = [['"' + text.replace('"', '""') + '"', "1"] for text in found]
    records = read_in_cuts("a.csv", csv_bytes(quoted), size)
    assert [record.text for record in records] == found


@given(
    st.lists(st.one_of(NASTY, NASTY.map(json.dumps), NASTY.map(lambda t: json.dumps({"text": t})))), st.integers(1, 60)
)
@settings(max_examples=300, deadline=None)
def test_cuts_of_jsonl_give_the_records_of_the_whole(lines, size):
    data = "\n".join(lines).encode()
    for limits in (Limits(), TIGHT):
        whole = read_with_jsonl(data, limits)
        assert in_cuts_with_jsonl(data, size, limits) == whole


def read_with_jsonl(data, limits):
    try:
        return read("a.jsonl", data, limits=limits)
    except UnreadableFile as error:
        return str(error)


def in_cuts_with_jsonl(data, size, limits):
    try:
        return read_in_cuts("a.jsonl", data, size, limits)
    except UnreadableFile as error:
        return str(error)


@given(
    st.lists(st.sampled_from(["", "From", "From x 10:00", ">From x", "Subject: a", "body", "\r", "From a@b"])),
    st.integers(1, 60),
)
@settings(max_examples=300, deadline=None)
def test_cuts_of_mbox_give_the_records_of_the_whole(lines, size):
    for end in ("\n", "\r\n"):
        data = end.join(["From a@b Mon Jan  1 00:00:00 2020", *lines]).encode()
        assert read_in_cuts("a.mbox", data, size) == read("a.mbox", data)


def test_a_separator_that_straddles_two_blocks_of_an_mbox_is_found(monkeypatch):
    data = b"From a 1\nSubject: x\n\nbody\n\n" * 3 + b"From a 2\r\nSubject: y\r\n\r\n\r\nFrom b\r\n\r\nz"
    for size in range(1, 30):
        monkeypatch.setattr("classifyd.readers.mails.PIECE_BYTES", size)
        assert read_in_cuts("a.mbox", data, 1) == read("a.mbox", data)


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_rows_that_straddle_blocks_are_counted_once(monkeypatch, piece):
    monkeypatch.setattr("classifyd.readers.quoting.PIECE_BYTES", piece)
    monkeypatch.setattr("classifyd.readers.lines.PIECE_BYTES", piece)
    table = b'text,n\nplain,1\n\n"two\nlines",2\r\n"say ""x""\n",3\nlast,4'
    assert read_in_cuts("a.csv", table, 9) == read("a.csv", table)
    lines = b'{"text": "a"}\n\n  \n{"text": "b"}\nbroken\n{"text": "c"}'
    assert read_in_cuts("a.jsonl", lines, 9) == read("a.jsonl", lines)


def test_cuts_are_of_about_the_size_asked_for():
    data = b"text,n\n" + b"0123456789,1\n" * 1000
    reader = KNOWN[5]
    cuts = list(reader.cut(source("a.csv", data), 1300))
    assert len(cuts) == 10
    assert [cut.first for cut in cuts] == list(range(0, 1000, 100))
    assert (cuts[0].start, cuts[-1].end) == (7, len(data))


def test_an_input_in_utf16_is_one_cut():
    data = 'text,n\n"a\nb",1\nc,2\n'.encode("utf-16")
    assert read_in_cuts("a.csv", data, 3) == read("a.csv", data)
    assert [record.text for record in read("a.csv", data)] == ["a\nb", "c"]


@given(st.lists(st.text(st.characters(), max_size=20)), st.integers(1, 100))
@settings(max_examples=200, deadline=None)
def test_the_spool_gives_records_back_as_they_were(found, size):
    records = read("a.json", json.dumps([{"text": text, "n": [text, None]} for text in found]).encode())
    records += read("a.csv", b"text,n\na,b\nc,d,e\n")
    stream = io.BytesIO()
    cuts = list(spool.write(records, stream, size))
    reader = KNOWN[-1]
    assert [r for cut in cuts for r in reader.read(source("x.spool", stream.getvalue()), cut)] == records
    assert list(reader.read(source("x.spool", stream.getvalue()), None)) == records


def test_the_spool_keeps_half_surrogates():
    records = read("a.json", b'[{"text": "a", "m": "\\ud83d"}]')
    stream = io.BytesIO()
    list(spool.write(records, stream, 10))
    assert list(KNOWN[-1].read(source("x.spool", stream.getvalue()), None)) == records
