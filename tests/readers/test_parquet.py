import datetime as dt
import gzip
import io
import sys

import pytest
from reading import read, read_in_cuts, texts

from classifyd import readers
from classifyd.api import LimitExceeded, Limits, UnreadableFile
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


def test_columns_of_nothing_pass_a_limit_by_their_names():
    rows = 2**16
    data = io.BytesIO()
    pq.write_table(pa.table({"text": ["x"] * rows, "n" * 1000: pa.nulls(rows)}), data)
    with pytest.raises(LimitExceeded, match=r"makes \d+ bytes of records, .*decompression_ratio = 1000"):
        read("a.parquet", data.getvalue())


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
