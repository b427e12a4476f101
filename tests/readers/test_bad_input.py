import bz2
import gzip
import io
import json
import lzma
import os
import random
import socket
import time
from pathlib import Path

import pytest
from reading import KNOWN, errors, read, read_in_cuts, source, texts

from classifyd import readers
from classifyd.api import LimitExceeded, Limits, Source, UnreadableFile
from classifyd.readers.dialect import _unique
from classifyd.readers.jsondocs import JsonReader
from classifyd.values import ReadOptions

COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def read_file(path, name=None, limits=None, text_field=None):
    reading = ReadOptions(text_field, limits or Limits())
    with readers.open_source(os.fspath(path), name or path.name, reading) as opened:
        return list(readers.choose(KNOWN, opened).read(opened, None))


# ---------------------------------------------------------------------- what is opened


def test_a_symbolic_link_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "b.txt").symlink_to("a.txt")
    with pytest.raises(UnreadableFile, match=r"b\.txt: is a symbolic link"):
        read_file(tmp_path / "b.txt")


def test_a_fifo_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(UnreadableFile, match="not a regular file"):
        read_file(tmp_path / "a.txt")


def test_a_folder_and_a_socket_are_refused(tmp_path):
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(UnreadableFile):
        read_file(tmp_path / "folder.txt")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "s.txt"))
        with pytest.raises(UnreadableFile, match="socket"):
            read_file(tmp_path / "s.txt")


def test_a_missing_file_is_an_error_of_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "a.txt")


def test_a_file_over_the_limit_names_the_limit(tmp_path):
    (tmp_path / "a.txt").write_text("x" * 11)
    with pytest.raises(LimitExceeded, match=r"11 bytes.*limits\.file_bytes = 10"):
        read_file(tmp_path / "a.txt", limits=Limits(file_bytes=10))


def test_a_text_over_the_limit_of_a_record_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("x" * 11)
    with pytest.raises(LimitExceeded, match="record_bytes"):
        read_file(tmp_path / "a.txt", limits=Limits(record_bytes=10))


def test_a_name_of_any_bytes_is_read(tmp_path):
    path = os.fsencode(tmp_path) + b"/new\nline\xff.txt"
    Path(os.fsdecode(path)).write_bytes(b"hello")
    with readers.open_source(os.fsdecode(path), "new\nline\udcff.txt", ReadOptions()) as opened:
        assert texts(list(readers.choose(KNOWN, opened).read(opened, None))) == ["hello"]


# ---------------------------------------------------------------------- compression


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_inputs_are_read(tmp_path, suffix):
    path = tmp_path / f"a.jsonl{suffix.upper()}"
    half = b'{"text": "one"}\n'
    path.write_bytes(COMPRESS[suffix](half) + COMPRESS[suffix](half) + b"\0" * 8)
    assert texts(read_file(path)) == ["one", "one"]


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("left", [0, 1, 5, 12, 40, -1])
def test_compressed_inputs_that_were_cut_off_are_refused(tmp_path, suffix, left):
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(COMPRESS[suffix](os.urandom(200).hex().encode())[:left])
    with pytest.raises(UnreadableFile, match="ends too early"):
        read_file(path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_inputs_that_are_damaged_or_none_are_refused(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    whole = COMPRESS[suffix](os.urandom(2000).hex().encode())
    for data in (b"no such thing at all", whole[:50] + b"????" + whole[54:], whole + b"garbage that follows it all"):
        path.write_bytes(data)
        with pytest.raises(UnreadableFile, match=r"damaged|too early"):
            read_file(path)


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_decompression_bomb_is_stopped_by_its_ratio_and_by_its_size(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(COMPRESS[suffix](b"0" * 40_000_000))
    big = 2**30
    with pytest.raises(LimitExceeded, match="decompression_ratio = 100"):
        read_file(path, limits=Limits(decompression_ratio=100, record_bytes=big))
    with pytest.raises(LimitExceeded, match="decompressed_bytes = 1000"):
        read_file(path, limits=Limits(decompressed_bytes=1000, record_bytes=big))


def test_a_compressed_maildir_mail_without_a_suffix_is_sniffed(tmp_path):
    path = tmp_path / "1.2_3.host:2,S"
    path.write_bytes(gzip.compress(b"Subject: a\nFrom: b\n\nhello"))
    assert texts(read_file(path, "cur/1.2_3.host:2,S")) == ["a\n\nhello"]


# ---------------------------------------------------------------------- text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café"),
        ("café".encode("utf-16"), "café"),
        ("café au lait".encode("utf-16-le"), "café au lait"),
        ("café".encode("utf-32"), "café"),
        (b"caf\xe9", "café"),
        (
            "Здравствуйте, это письмо из Москвы".encode("cp1251"),
            "Здравствуйте, это письмо из Москвы",
        ),
        (b"a\0b", "a\ufffdb"),
    ],
)
def test_texts_in_many_encodings(data, text):
    assert texts(read("a.txt", data)) == [text]


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7\n...", b"PK\x03\x04abc", bytes(range(256)) * 4, b"\0" * 100, random.Random(7).randbytes(4096)]
)
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.json", "a.eml", "a.mbox", "a", "a.parquet"])
def test_binary_data_is_refused_in_words(name, data):
    with pytest.raises(UnreadableFile, match=r"looks like|no whole Parquet"):
        read(name, data)


@pytest.mark.parametrize(
    ("name", "data", "mend"),
    [
        ("a", b"%PDF-1.7\n...", "looks like a PDF document; convert it to text, or keep it out"),
        ("a.pdf", b"%PDF-1.7\n...", "looks like a PDF document; convert it to text, or keep it out"),
        ("a.txt", gzip.compress(b"x", mtime=0), r"gzip data without the suffix \.gz; give it that suffix"),
        ("a.csv", b"PAR1...", r"a Parquet file without the suffix \.parquet; give it that suffix"),
    ],
)
def test_what_mends_binary_data_is_told_by_what_it_is(name, data, mend):
    with pytest.raises(UnreadableFile, match=mend):
        read(name, data)


# ---------------------------------------------------------------------- tables


def test_a_row_with_too_many_cells_is_an_error_that_keeps_them():
    records = read("a.csv", b"id,text\n1,a\n2,b,c\n3,d\n")
    assert errors(records) == [None, "UnreadableFile", None]
    assert records[1].meta["cells"] == ["2", "b", "c"]
    assert records[1].row == {"id": "2", "text": "b"}


def test_a_row_with_too_few_cells_lacks_only_those():
    records = read("a.csv", b"text,id,n\na,1,2\nb\nc,3,4\n")
    assert texts(records) == ["a", "b", "c"]
    assert records[1].row == {"text": "b", "id": None, "n": None}
    assert errors(read("a.csv", b"id,n,text\n1,2,a\n1\n")) == [None, "UnreadableFile"]


def test_a_quote_that_never_closes_is_one_error():
    assert errors(read("a.csv", b'id,text\n1,a\n2,"b\n3,c\n')) == [None, "UnreadableFile"]


@pytest.mark.parametrize("data", [b"id,text\r1,a\r2,b\r", b"a\rb\na\rb\n", b"a\rb\n1,c\n2,d\n"])
def test_lines_that_end_as_no_table_s_do_are_told_of(data):
    with pytest.raises(UnreadableFile, match="a carriage return stands alone in the first row; end lines with LF"):
        read("a.csv", data)


def test_a_cell_over_the_limit_is_an_error_in_its_place():
    records = read(
        "a.csv", b"id,text\n1,a\n2," + b"x" * 50 + b'\n3,"' + b"y\n" * 50 + b'"\n4,d\n', limits=Limits(record_bytes=40)
    )
    assert errors(records) == [None, "LimitExceeded", "LimitExceeded", None]
    assert [record.index for record in records] == [0, 1, 2, 3]


def test_a_cell_of_megabytes_is_read():
    assert len(read("a.csv", b"id,text\n1," + b"x" * 2**21)[0].text) == 2**21


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "label;text\nham;a, b, c\nspam;d\n"),
        ("a.csv", "label|text\nham|a, b\nspam|d\n"),
        ("a.csv", "label\ttext\nham\ta, b, c\nspam\td\n"),
        ("a.tsv", 'label\ttext\nham\t"a\nb"\nspam\td\n'),
        ("a.tsv", 'label\ttext\nham\t"a b\nspam\tc "d\nham\te\n'),
        ("a.csv", '\ufeff"text",label\n"a",ham\n"b",spam\n'),
        ("a.csv", "Text,label\r\na,ham\r\nb,spam\r\n"),
    ],
)
def test_dialects_are_found_out(name, data):
    records = read(name, data.encode())
    assert all(record.error is None for record in records)
    assert [record.meta["label"] for record in records][:2] in (["ham", "spam"], ["ham", "ham"])


def test_a_table_without_a_header_has_numbered_columns():
    records = read(
        "a.csv", b'"3","Fears for pension","Unions say it is so"\n"4","The race is on","A team has launched"\n'
    )
    assert texts(records) == ["Unions say it is so", "A team has launched"]
    assert list(records[0].row) == ["column_1", "column_2", "column_3"]


def test_the_text_column_is_named_or_guessed_or_asked_for():
    data = b"id,body,Message\n1,x,y\n"
    assert texts(read("a.csv", data)) == ["y"]
    assert texts(read("a.csv", data, text_field="body")) == ["x"]
    with pytest.raises(UnreadableFile, match=r"no column 'nope'.*'id', 'body', 'Message'"):
        read("a.csv", data, text_field="nope")
    with pytest.raises(UnreadableFile, match=r"which column holds the text.*'id', 'n'"):
        read("a.csv", b"id,n\n1,2\n3,4\n")


def test_columns_of_one_name_are_told_apart():
    assert list(read("a.csv", b"v1,v2,,,v1\nham,a,,,x\n")[0].row) == ["v1", "v2", "column_3", "column_4", "v1_5"]
    assert list(read("a.csv", b"text,a,a_4,a\nx,1,2,3\n")[0].row) == ["text", "a", "a_4", "a_4_4"]


def test_a_table_of_thousands_of_columns_is_refused():
    wide = ["text", *(f"c{number}" for number in range(1, 2000))]
    for name, mark in (("a.csv", ","), ("a.tsv", "\t")):
        table = mark.join(wide).encode()
        assert texts(read(name, table + b"\nx\n")) == ["x"]
        with pytest.raises(LimitExceeded, match=rf"^{name}: has 2001 columns, a table may have 2000; keep the text's"):
            read(name, table + mark.encode() + b"more\nx\n")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        pytest.param(b"text" + b"," * 1999, b"x\n", id="short rows"),
        pytest.param(b"text," + b"n" * 60_000, b"x,y\n", id="a long name"),
        pytest.param(b"text" + b"," * 1999, b'"\n', id="rows that are errors"),
    ],
)
def test_rows_that_are_next_to_nothing_beside_the_names_of_their_columns_pass_a_limit(header, row):
    table = header + b"\n" + row * 2000
    with pytest.raises(LimitExceeded, match=r"^a\.csv: makes \d+ bytes of records, .*decompression_ratio = 1000"):
        read("a.csv", table)
    with pytest.raises(LimitExceeded, match="decompression_ratio = 1000"):
        read_in_cuts("a.csv", table, 2**20)


def test_rows_that_lack_their_last_cells_are_read_however_many_they_are():
    header = ",".join(["text", *(f"question_{number}" for number in range(50))]).encode()
    assert len(read("a.csv", header + b"\n" + b"some words,1,2\n" * 30_000)) == 30_000


def test_many_columns_are_told_apart_in_no_time():
    start = time.process_time()
    assert _unique(["", "x"] * 32_000)[-2:] == ["column_63999", "x_64000"]
    assert time.process_time() - start < 2


def test_bytes_that_are_not_utf8_spoil_only_their_own_row():
    assert texts(read("a.csv", b"id,text\n1,caf\xc3\xa9\n2,caf\xe9\n3,a\0b\n")) == ["café", "café", "a\ufffdb"]


# ---------------------------------------------------------------------- JSON


def test_broken_lines_of_jsonl_are_errors_in_their_place():
    lines = [
        '{"text": "a", "n": 1}',
        "broken",
        '"b"',
        '{"text": 5}',
        '{"text": null}',
        "[1]",
        '{"n": 2}',
        "[" * 100000,
        '{"text": "c"}',
    ]
    records = read("a.jsonl", "\n\n".join(lines).encode())
    assert texts(records) == ["a", "", "b", "5", "", "", "", "", "c"]
    assert [record.error is None for record in records] == [True, False, True, True, False, False, False, False, True]
    assert [record.index for record in records] == list(range(9))
    assert records[0].meta == {"n": 1}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("null", "is null; an object or a string"),
        ("[1]", "is an array; an object or a string"),
        ("true", "is true or false; an object or a string"),
        ("1.5", "is a number; an object or a string"),
        ("{}", "has no field for the text; it has: none"),
        ('{"n": 1}', "has no field for the text; it has: 'n'"),
    ],
)
def test_a_line_without_a_text_is_told_in_words(line, why):
    [_, record] = read("a.jsonl", f'{{"text": "a"}}\n{line}\n'.encode())
    assert record.error.message.startswith(why)


def test_a_field_that_no_line_has_is_a_fault_of_the_whole():
    with pytest.raises(UnreadableFile, match=r"no column 'txt'.*'text'"):
        read("a.jsonl", b'{"text": "a"}\n{"text": "b"}\n', text_field="txt")


def test_half_surrogates_do_not_reach_the_text():
    assert texts(read("a.jsonl", b'{"text": "a\\ud83db"}\n')) == ["a\ufffdb"]


def test_a_line_over_the_limit_is_an_error_in_its_place():
    data = b'{"text": "a"}\n"' + b"x" * 100 + b'"\n{"text": "b"}\n'
    assert errors(read("a.jsonl", data, limits=Limits(record_bytes=50))) == [None, "LimitExceeded", None]


def test_json_arrays_objects_and_sequences_of_them():
    assert texts(read("a.json", b'[{"text": "a"}, "b", {"body": "c"}]')) == ["a", "b", "c"]
    assert texts(read("a.json", b'{"text": "a"}')) == ["a"]
    assert texts(read("a.json", b'{"text": "a"}\n{"text": "b"}\n')) == ["a", "b"]
    assert texts(read("a.json", b"[]")) == []


def test_a_json_array_is_read_item_by_item_whatever_the_block(monkeypatch):
    data = json.dumps([{"text": f"é{number}", "n": 1.5} for number in range(50)], ensure_ascii=False).encode()
    for size in (1, 2, 7, 64):
        monkeypatch.setattr("classifyd.readers.jsondocs.SAMPLE_BYTES", size)
        assert texts(read("a.json", data)) == [f"é{number}" for number in range(50)]


@pytest.mark.parametrize(
    "data", [b'[{"text": "a"}', b'[{"text": "a"},]', b"[1 2]", b"{", b"  ", b"[]x", b"[" * 100000, b'["a']
)
def test_broken_json_is_refused_with_its_place(data):
    with pytest.raises(UnreadableFile, match="is not JSON at character"):
        read("a.json", data)


def test_a_number_of_a_million_digits_is_no_crash():
    assert errors(read("a.jsonl", b'{"text": ' + b"1" * 1_000_000 + b"}\n")) == ["UnreadableFile"]


def test_a_number_that_never_ends_is_stopped_at_the_limit_of_a_record():
    with pytest.raises(LimitExceeded, match=r"an item at character 1 .*record_bytes = 100000"):
        read("a.json", b"[1." + b"0" * 1_000_000 + b"]", limits=Limits(record_bytes=100_000))


def test_a_long_number_is_scanned_a_few_times_only():
    class Counted(io.BytesIO):
        reads = 0

        def read(self, size=-1):
            self.reads += 1
            return super().read(size)

    stream = Counted(b"[1." + b"0" * 2**23 + b"]")
    opened = Source(stream, "a.json", None, Limits())
    assert errors(JsonReader().read(opened, None)) == ["UnreadableFile"]
    assert stream.reads < 20


def test_a_number_that_two_blocks_share_is_one(monkeypatch):
    data = b'[12345678, 1.25e3, {"text": "a"}, 1234567890]'
    for size in (1, 2, 7):
        monkeypatch.setattr("classifyd.readers.jsondocs.SAMPLE_BYTES", size)
        assert texts(read("a.json", data)) == ["", "", "a", ""]


# ---------------------------------------------------------------------- sniffing


@pytest.mark.parametrize(
    ("data", "reader"),
    [
        (b"just words: and more", "text"),
        (b"Subject: a\nFrom: b@c\n\nhello", "mail"),
        (b"Return-Path: <a@b>\r\nReceived: from x\r\n\tby y\r\n\r\nhello", "mail"),
        (b"From a@b Mon Jan  1 00:00:00 2020\nSubject: a\nFrom: b\n\nhello", "mbox"),
        (b'{"text": "a"}\n{"text": "b"}\n', "jsonl"),
        (b'[{"text": "a"}]', "json"),
        (b'{\n "text": "a"\n}', "json"),
        (b"[note] remember this", "text"),
    ],
)
def test_content_without_a_suffix_is_sniffed(data, reader):
    assert readers.choose(KNOWN, source("1234.host", data)).name == reader
