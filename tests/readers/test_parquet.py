import datetime as dt
import gzip
import io
import subprocess
import sys

import pytest
from reading import read, read_in_cuts, texts

from classifyd import readers
from classifyd.api import LimitExceeded, Limits, UnreadableFile
from classifyd.readers import rowgroups
from classifyd.values import ReadOptions

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def table_bytes(**columns):
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream, row_group_size=2)
    return stream.getvalue()


DATA = table_bytes(id=[1, 2, 3, 4, 5], text=["a", None, "c", "d", "e"], day=[dt.date(2020, 1, 1)] * 5)


def test_a_column_of_one_value_for_millions_of_rows_passes_a_limit():
    rows = 5_000_000
    indices = pa.Array.from_buffers(pa.int32(), rows, [None, pa.py_buffer(bytes(4 * rows))])
    table = pa.table({"text": pa.DictionaryArray.from_arrays(indices, pa.array(["x"]))})
    stream = io.BytesIO()
    pq.write_table(table, stream)
    with pytest.raises(LimitExceeded, match=r"5000000 rows in .*decompression_ratio = 100"):
        read("a.parquet", stream.getvalue(), limits=Limits(decompression_ratio=100))


def test_one_long_text_in_every_row_passes_a_limit():
    table = pa.table({"text": ["x" * 2**20] * 100})
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    with pytest.raises(LimitExceeded, match="decompression_ratio = 1000"):
        read("a.parquet", stream.getvalue())
    with pytest.raises(LimitExceeded, match="decompressed_bytes = 1000"):
        read("a.parquet", stream.getvalue(), limits=Limits(decompressed_bytes=1000))


def test_a_table_of_thousands_of_columns_is_refused():
    data = table_bytes(**{f"c{number}": ["x"] for number in range(2001)})
    with pytest.raises(LimitExceeded, match=r"^a\.parquet: has 2001 columns, a table may have 2000"):
        read("a.parquet", data)


@pytest.mark.parametrize("within", [False, True])
def test_columns_of_nothing_pass_a_limit_by_their_names(within):
    rows, name = 2**16, "n" * 1000
    nothing = pa.StructArray.from_arrays([pa.nulls(rows)], [name]) if within else pa.nulls(rows)
    data = io.BytesIO()
    pq.write_table(pa.table({"text": ["x"] * rows, "within" if within else name: nothing}), data)
    with pytest.raises(LimitExceeded, match=r"makes \d+ bytes of records, .*decompression_ratio = 1000"):
        read("a.parquet", data.getvalue())


def one_entry(length, rows):
    """A column with the same text in all rows, which a writer keeps as a dictionary of one entry."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * length]))


def one_list(length):
    return pa.ListArray.from_arrays([0, length], pa.nulls(length, pa.int64()))


DELTA = {"use_dictionary": False, "column_encoding": dict.fromkeys("abc", "DELTA_BYTE_ARRAY")}


@pytest.mark.parametrize(
    ("columns", "writing"),
    [
        pytest.param(lambda: dict.fromkeys("abc", one_entry(4_000_000, 64)), {"store_schema": False}, id="an entry"),
        pytest.param(lambda: dict.fromkeys("abc", one_entry(4_000_000, 64)), {}, id="an entry kept as such"),
        pytest.param(lambda: dict.fromkeys("abc", ["x" * 4_000_000] * 64), DELTA, id="as the value before"),
        pytest.param(lambda: {"a": ["x" * 200_000_000]}, {"use_dictionary": False}, id="one string"),
        pytest.param(lambda: {"a": ["x" * 4_000_000] * 64}, {"use_dictionary": False}, id="many strings"),
        pytest.param(lambda: {"a": one_list(20_000_000)}, {}, id="one list of nothing"),
    ],
)
def test_a_bomb_is_stopped_before_it_takes_memory(tmp_path, columns, writing):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns()), path, compression="zstd", **writing)
    assert path.stat().st_size < 10_000
    shown = subprocess.run([sys.executable, "-c", PEAK, path], stdout=subprocess.PIPE, check=True, timeout=60).stdout
    kilobytes, error = shown.split()
    assert error == b"LimitExceeded"
    assert int(kilobytes) < 300_000


PEAK = """
import pathlib, re, sys
import pyarrow.parquet
from classifyd.api import Limits, Source, UnreadableFile
from classifyd.readers.parquet import ParquetReader

def peak():
    # Not ru_maxrss, which a process takes over from the one that started it.
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])

before, error = peak(), None
with open(sys.argv[1], "rb") as file:
    try:
        list(ParquetReader().read(Source(file, "a.parquet", "a", Limits()), None))
    except UnreadableFile as caught:
        error = caught
print(peak() - before)
print(type(error).__name__)
"""


def test_an_entry_of_a_dictionary_counts_in_every_row():
    data = io.BytesIO()
    pq.write_table(pa.table({"text": one_entry(50_000, 1000)}), data)
    with pytest.raises(LimitExceeded, match=r"makes \d+ bytes of records, .*decompression_ratio = 1000"):
        read("a.parquet", data.getvalue())


def test_of_a_long_dictionary_few_rows_are_read_at_a_time():
    def rows(length):
        stream = io.BytesIO()
        pq.write_table(pa.table({"text": one_entry(length, 1000), "n": range(1000)}), stream)
        return rowgroups.batch_rows(pq.ParquetFile(stream).metadata.row_group(0), stream)

    assert [rows(2**10), rows(2**20), rows(2**21), rows(2**26)] == [64, 63, 31, 1]


def test_rows_keep_their_types_and_meta_is_plain():
    records = read("a.parquet", DATA)
    assert texts(records) == ["a", "", "c", "d", "e"]
    assert records[0].row == {"id": 1, "text": "a", "day": dt.date(2020, 1, 1)}
    assert records[0].meta == {"id": 1, "day": "2020-01-01"}
    assert records[1].error.message == "'text' is null; a text is needed there"


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_cuts_by_row_groups_give_the_records_of_the_whole(size):
    assert read_in_cuts("a.parquet", DATA, size) == read("a.parquet", DATA)


@pytest.mark.parametrize("left", [3, 10, 100, -1, -9])
def test_a_parquet_file_that_was_cut_off_is_refused(left):
    with pytest.raises(UnreadableFile, match="no whole Parquet file"):
        read("a.parquet", DATA[:left])


def test_every_damaged_byte_gives_records_or_a_reason():
    for place in range(0, len(DATA), 7):
        damaged = DATA[:place] + bytes([DATA[place] ^ 255]) + DATA[place + 1 :]
        try:
            read("a.parquet", damaged)
        except UnreadableFile:
            continue


def test_a_compressed_parquet_file_is_unpacked_first(tmp_path):
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(DATA))
    with readers.open_source(str(tmp_path / "a.parquet.gz"), "a.parquet.gz", ReadOptions()) as source:
        reader = readers.choose(readers.register_readers(), source)
        assert not readers.can_cut(reader, source)
        assert len(list(reader.read(source, None))) == 5


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnreadableFile, match=r"pip install 'classifyd\[parquet\]'"):
        read("a.parquet", DATA)
