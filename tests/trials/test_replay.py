"""The same inputs in another order, packed into other batches, by other numbers of workers: the same bytes come out."""

import random
from pathlib import Path

import pytest
from daemons import Place

MODELS = Path(__file__).parents[2] / "models"
TEXTS = 48
WAYS = {
    "one by one": {"workers": 1, "daemon": "job_files = 1"},
    "two workers": {"workers": 2, "daemon": "job_files = 7"},
    "four workers": {"workers": 4, "daemon": "job_files = 256"},
}


def texts() -> dict[str, str]:
    """Messages of very different lengths, some of them all but the same."""
    dice = random.Random(20261126)
    words = [
        "win",
        "free",
        "prize",
        "now",
        "the",
        "meeting",
        "at",
        "noon",
        "please",
        "call",
        "account",
        "invoice",
        "lunch",
    ]
    return {
        f"{number:02}.txt": " ".join(dice.choices(words, k=dice.choice([1, 3, 12, 60, 400]))) for number in range(TEXTS)
    }


def answered(root: Path, order: list[str], **options) -> dict[str, bytes]:
    """The outputs of a run by the shipped model; inputs become visible in this order."""
    root.mkdir()
    here = Place.make(root, tasks=("spam",), **options)
    (root / "models").rmdir()
    (root / "models").symlink_to(MODELS)
    for name in order:
        here.drop(name, texts()[name])
    assert 0 == here.once(timeout=250)
    return {path.name: path.read_bytes() for path in (root / "out").iterdir() if path.is_file()}


def same_bytes(tmp_path: Path, ways: list[str]) -> None:
    names = sorted(texts())
    first = answered(tmp_path / "first", names, workers=1)
    assert TEXTS == len(first)
    for way in ways:
        shuffled = random.Random(way).sample(names, len(names))
        assert first == answered(tmp_path / way, shuffled, **WAYS[way]), way
    print(f"{len(ways)} other ways, {TEXTS} inputs each, {sum(map(len, first.values()))} bytes of outputs")


def test_another_order_and_other_batches_give_the_same_bytes(tmp_path):
    same_bytes(tmp_path, ["two workers"])


@pytest.mark.trial
def test_any_order_batches_and_number_of_workers_give_the_same_bytes(tmp_path):
    same_bytes(tmp_path, list(WAYS))
