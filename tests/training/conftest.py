"""A base model made in a second, and data that it can learn."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

VOCABULARY = (
    "win cash prize now free call claim offer meeting lunch tomorrow report minutes draft office team anna ben maria "
    "london paris berlin acme nokia siemens went to works at for in with the a and i you we is was of on ."
)
WORDS = VOCABULARY.split()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small gain nothing by threads, which on a busy machine wait for one another."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers with a vocabulary of a few words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, BertTokenizerFast, set_seed

    folder = tmp_path_factory.mktemp("base")
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    BertTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    set_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[[str, Iterable[dict[str, object]]], Path]:
    """Writes rows into a file of that name."""

    def write(name: str, rows: Iterable[dict[str, object]]) -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


SPAM = ("win cash prize", "free prize now", "claim cash offer", "call now win", "free cash offer", "claim prize call")
HAM = ("meeting tomorrow", "lunch at office", "report draft minutes", "team lunch", "draft for the team", "the minutes")


@pytest.fixture(scope="session")
def spam_rows() -> list[dict[str, object]]:
    """Texts of two labels that no two share a line of words; easily told apart."""
    import itertools

    pairs = [
        (label, f"{first} {name} {second}")
        for label, texts in (("spam", SPAM), ("ham", HAM))
        for (first, second), name in itertools.product(itertools.permutations(texts, 2), ("anna", "ben", "maria"))
    ]
    return [{"text": text, "label": label} for label, text in pairs]


@pytest.fixture
def ner_rows() -> list[dict[str, object]]:
    """Sentences with people, places and firms marked."""
    import itertools

    rows: list[dict[str, object]] = []
    names = itertools.product(("anna", "ben", "maria"), ("london", "paris", "berlin"), ("acme", "nokia", "siemens"))
    for (person, place, firm), form in itertools.product(names, ("{0} works at {2} in {1}", "in {1} {0} went to {2}")):
        text = form.format(person, place, firm)
        spans = [
            {"start": text.index(word), "end": text.index(word) + len(word), "label": label}
            for word, label in ((person, "PER"), (place, "LOC"), (firm, "ORG"))
        ]
        rows.append({"text": text, "spans": spans})
    return rows
