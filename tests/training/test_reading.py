import bz2
import gzip
import io
import json
import lzma
from pathlib import Path

import pytest

from classifyd import readers
from classifyd.errors import TrainingError
from classifyd.training import Columns, reading
from classifyd.values import Example


def read(*data: Path | str, columns: Columns | None = None) -> tuple[Example, ...]:
    return reading.read([str(path) for path in data], columns or Columns(), readers.register_readers())


@pytest.mark.parametrize(
    "header", ["text,label", "Message,Category", "v2,v1", "body,class", "content,sentiment", "sms,target"]
)
def test_the_columns_are_guessed(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\nhello there,ham\nwin now,spam\n")
    assert [(one.text, one.label) for one in read(path)] == [("hello there", "ham"), ("win now", "spam")]


def test_a_file_may_be_named_from_the_folder_that_it_lies_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("text,label\nhello there,ham\n")
    monkeypatch.chdir(tmp_path)
    assert [one.text for one in read("a.csv")] == ["hello there"]


def test_numbers_are_labels_and_can_be_mapped(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"text": "hello", "label": 0}\n{"text": "win", "label": 1.0}\n'))
    columns = Columns.of(None, None, "0=ham,1=spam")
    assert [one.label for one in read(path, columns=columns)] == ["ham", "spam"]


def test_a_table_that_writes_whole_numbers_with_a_point_is_mapped_by_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nhello,0.0\nwin,1.0\nhm,1.5\n")
    columns = Columns.of(None, None, "0=ham,1=spam,1.5=unsure")
    assert [one.label for one in read(tmp_path / "a.csv", columns=columns)] == ["ham", "spam", "unsure"]
    exact = Columns.of(None, None, "0=ham,1=one,1.0=spam,1.5=unsure")
    assert [one.label for one in read(tmp_path / "a.csv", columns=exact)] == ["ham", "spam", "unsure"]


def test_a_folder_per_label_may_hold_texts_and_mails(tmp_path: Path) -> None:
    for label, name, content in (
        ("ham", "a.txt", "see you"),
        ("spam", "b.eml", "From: x@example.com\nSubject: Win\n\nCash now\n"),
    ):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / name).write_text(content)
    assert [(one.text.strip(), one.label) for one in read(tmp_path / "data")] == [
        ("see you", "ham"),
        ("Win\n\nCash now", "spam"),
    ]


def test_spans_may_be_objects_or_triples(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"text": "Ann in Rome", "spans": [{"start": 0, "end": 3, "label": "PER"}]},
        {"text": "Ann in Rome", "entities": [[7, 11, "LOC"], [0, 3, "PER"]]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [[(span.start, span.end, span.label) for span in one.spans or ()] for one in read(path)]
    assert found == [[(0, 3, "PER")], [(0, 3, "PER"), (7, 11, "LOC")]]


def test_a_pattern_names_every_file_that_fits(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text(f"text,label\nhello {number},ham\n")
    assert len(read(tmp_path / "*.csv")) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": "a", "other": 1}\n', "no column that holds the label or the spans"),
        ('{"text": "a", "label": null}\n', "is no label"),
        ('{"text": "a", "spans": [[0, 9, "PER"]]}\n', "does not lie within"),
        ('{"text": "abc", "spans": [[0, 2, "PER"], [1, 3, "LOC"]]}\n', "overlap"),
        ('{"text": "a", "spans": [[0]]}\n', "is no span"),
        ("just words\nand more\n", "record 1"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(TrainingError, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz"])
def test_a_parquet_file_may_be_compressed(tmp_path: Path, suffix: str) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    stream = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": ["hello there", "win now"], "label": [0, 1]}), stream)
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix]
    (tmp_path / f"a.parquet{suffix}").write_bytes(pack(stream.getvalue()))
    assert [(one.text, one.label) for one in read(tmp_path / f"a.parquet{suffix}")] == [
        ("hello there", "0"),
        ("win now", "1"),
    ]


def test_a_table_in_latin_1_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = ["text,label", "d\u00e9j\u00e0 vu au caf\u00e9,ham", "gagn\u00e9 \u00e0 la loterie,spam"]
    (tmp_path / "a.csv").write_bytes("\n".join(rows).encode("latin-1"))
    assert [one.text for one in read(tmp_path / "a.csv")] == [
        "d\u00e9j\u00e0 vu au caf\u00e9",
        "gagn\u00e9 \u00e0 la loterie",
    ]


def test_a_table_without_a_text_column_is_told_how_to_name_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("number,label\n1,ham\n2,spam\n")
    with pytest.raises(
        TrainingError, match=r"which column holds the text\? name it with --text-column. There are: 'number'"
    ):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize("given", [(0, "ham"), ("0", "ham"), (1.0, "spam"), ("1.0", "x"), (1.5, "x"), (-1, "negative")])
def test_numbers_and_words_as_labels_are_refused_until_a_mapping_joins_them(
    tmp_path: Path, given: tuple[object, str]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": "hello", "label": label}) + "\n" for label in given))
    with pytest.raises(TrainingError, match=r"some labels are numbers .* and some are words .*--map"):
        read(path)
    number = str(given[0]).removesuffix(".0")
    assert {one.label for one in read(path, columns=Columns.of(None, None, f"{number}={given[1]}"))} == {given[1]}
    kept = read(path, columns=Columns.of(None, None, f"{number}={number}"))
    assert {one.label for one in kept} == {number, given[1]}


@pytest.mark.parametrize("value", [["ham", "news"], {"name": "ham"}, "", "  "])
def test_a_label_that_is_none_is_named_with_its_row(tmp_path: Path, value: object) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": "hello", "label": label}) + "\n" for label in ("ham", value)))
    with pytest.raises(TrainingError, match=r"a.jsonl: record 2: "):
        read(path)


def test_texts_with_labels_and_texts_with_spans_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "ham"}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "Ann", "spans": [[0, 3, "PER"]]}\n')
    with pytest.raises(TrainingError, match="train with one of the two"):
        read(tmp_path / "*.jsonl")


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such file or folder"):
        read(tmp_path / "missing.csv")


def test_a_mapping_must_be_pairs() -> None:
    with pytest.raises(TrainingError, match="write it like 0=ham,1=spam"):
        Columns.of(None, None, "0:ham")
