import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest

from classifyd import readers
from classifyd.training import Columns, conll, reading


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("IOB1", ["I-PER", "I-PER", "O", "I-LOC", "B-LOC", "O"]),
        ("IOB2", ["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "O"]),
        ("IOBES", ["B-PER", "E-PER", "O", "S-LOC", "S-LOC", "O"]),
        ("BILOU", ["B-PER", "L-PER", "O", "U-LOC", "U-LOC", "O"]),
    ],
)
def test_every_scheme_draws_the_same_entities(scheme: str, tags: list[str]) -> None:
    del scheme
    assert conll.entities(tags) == [(0, 1, "PER"), (3, 3, "LOC"), (4, 4, "LOC")]


def test_an_inside_tag_after_another_label_begins_an_entity() -> None:
    assert conll.entities(["I-PER", "I-ORG", "I-ORG"]) == [(0, 0, "PER"), (1, 2, "ORG")]


def test_spans_lie_in_the_text_as_it_was_written() -> None:
    lines = ["# text = Maria's in (New York).", "1\tMaria\tB-PER", "2\t's\tO", "3\tin\tO", "4\t(\tO",
             "5\tNew\tB-LOC", "6\tYork\tI-LOC", "7\t)\tO", "8\t.\tO", ""]  # fmt: skip
    (sentence,) = conll.sentences(lines)
    example = conll.example(sentence)
    assert example.text == "Maria's in (New York)."
    assert [example.text[span.start : span.end] for span in example.spans or ()] == ["Maria", "New York"]


def test_without_the_text_words_are_joined_as_people_write_them() -> None:
    (sentence,) = conll.sentences(["I O", "do O", "n't O", "know O", "Ann B-PER", ", O", "sorry O", ". O"])
    example = conll.example(sentence)
    assert example.text == "I don't know Ann, sorry."
    assert [example.text[span.start : span.end] for span in example.spans or ()] == ["Ann"]


@pytest.mark.parametrize(("suffix", "opened"), [("", open), (".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)])
def test_columns_are_recognised_without_their_suffix(tmp_path: Path, suffix: str, opened: Any) -> None:
    path = tmp_path / f"train.txt{suffix}"
    with opened(path, "wt") as file:
        file.write("-DOCSTART- -X- O O\n\nEU NNP B-NP I-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP I-PER\n")
    examples = reading.read([str(path)], Columns(), readers.register_readers())
    assert [(one.text, [span.label for span in one.spans or ()]) for one in examples] == [
        ("EU rejects", ["ORG"]),
        ("Peter", ["PER"]),
    ]


def test_a_compressed_text_that_is_no_columns_is_read_from_its_first_word(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv.gz"
    with gzip.open(path, "wt") as file:
        file.write("text\tlabel\nwin cash now\tspam\nsee you at lunch\tham\n")
    examples = reading.read([str(path)], Columns(), readers.register_readers())
    assert [(one.text, one.label) for one in examples] == [("win cash now", "spam"), ("see you at lunch", "ham")]
