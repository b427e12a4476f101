"""What a destination holds after one errand and another, with actors of Ray left out: a labeller of this process."""

import hashlib
import json
import os

import pytest
from nursery import PLUGIN

from classifyd import plugins
from classifyd.cli.options import load_settings
from classifyd.cli.request import Request, checked
from classifyd.corpus import Errand, label, labeller, labelling, splits
from classifyd.corpus.labeller import Instructions, Labeller
from classifyd.corpus.places import place as destination
from classifyd.corpus.places import whole
from classifyd.corpus.receipts import parsed
from classifyd.errors import UnavailableError, UsageError
from classifyd.pipeline import Pipeline
from classifyd.pipeline.border import Border
from classifyd.values import ReadOptions, WriteOptions
from classifyd.workers import Terms

CONFIG = """
[daemon]
state = "state"
[models]
path = "models"
[[inbox]]
name = "in"
path = "in"
tasks = ["shouting"]
output = "out"
"""


def here_and_now(todo, plan, errand, settings):
    """What Ray's actors do with portions, done by one labeller."""
    actor = Labeller(
        Instructions(
            errand.target,
            plan,
            errand.tasks,
            errand.format,
            ReadOptions(None, settings.limits),
            WriteOptions(tuple(one.name for one in errand.tasks), csv_formulas=errand.csv_formulas),
            Terms("text", "warning", None, False, settings.plugins),
            labelling._demands(errand, settings),
            1,
            "cpu",
            60,
            60,
        ),
        {},
    )
    try:
        for portion in todo:
            [text] = actor({"portion": [portion.text()]})["receipt"]
            receipt = parsed(text)
            if receipt.stop:
                raise UnavailableError(receipt.stop)
            yield receipt, portion
    finally:
        actor._end()


class Corpus:
    """A folder of inputs, and the errand of labelling it; `told` is what the last one told."""

    def __init__(self, root):
        self.root = root
        self.told = []
        (root / "config.toml").write_text(CONFIG)

    def file(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def label(self, *sources, target="out", formulas="keep"):
        settings = load_settings(self.root / "config.toml")
        registry = plugins.load(settings.plugins)
        specs = checked(Request(sources, ("shouting",), target, "same", formulas), registry, settings)
        self.told.clear()
        errand = Errand(
            sources or ("corpus",), whole(target), "same", formulas, specs, lambda one, _: self.told.append(one)
        )
        return label(errand, settings, Pipeline(registry, Border()))

    def faults(self):
        return [receipt.fault for receipt in self.told if receipt.fault]

    def names(self, folder="out"):
        return sorted(path.name for path in (self.root / folder).iterdir() if not path.name.startswith("."))

    def listed(self):
        """Whether the manifest tells of each answer as it is: by name."""
        told = json.loads((self.root / "out/manifest.json").read_text())["outputs"]
        digest = {one["output"]: hashlib.sha256((self.root / "out" / one["output"]).read_bytes()) for one in told}
        return {one["output"]: one["sha256"] == digest[one["output"]].hexdigest() for one in told}


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", f"{PLUGIN}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(labelling, "_labelled", here_and_now)
    return Corpus(tmp_path)


def rows(number):
    return "".join(json.dumps({"text": f"row {row}"}) + "\n" for row in range(number))


# ---------------------------------------------------------------------- what is done already


def test_an_answer_that_another_errand_wrote_over_is_made_again(corpus):
    corpus.file("corpus/t.csv", "text\n=1+1\n")
    corpus.label(formulas="escape")
    first = (corpus.root / "out/t.csv").read_bytes()
    corpus.label(formulas="keep")
    assert first != (corpus.root / "out/t.csv").read_bytes()

    total = corpus.label(formulas="escape")

    assert (0, first) == (total.skipped, (corpus.root / "out/t.csv").read_bytes())
    assert {"t.csv": True} == corpus.listed()
    assert 1 == corpus.label(formulas="escape").skipped


def test_an_answer_that_an_errand_began_to_write_over_is_made_again(corpus, monkeypatch):
    corpus.file("corpus/t.csv", "text\n=1+1\n")
    corpus.label(formulas="escape")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # before its receipt
        patch.setattr(labeller.Receipts, "keep", interrupted_when_done(labeller.Receipts.keep))
        corpus.label(formulas="keep")

    [kept] = (corpus.root / "out/.classifyd/done").iterdir()
    assert not parsed(kept.read_text()).sha256  # sizes may be the same
    assert 0 == corpus.label(formulas="escape").skipped
    assert {"t.csv": True} == corpus.listed()


def interrupted_when_done(keep):
    def keep_open_ones(receipts, receipt):
        if receipt.sha256:
            raise KeyboardInterrupt
        keep(receipts, receipt)

    return keep_open_ones


@pytest.mark.parametrize("target", ["out", "memory://errand/gone"])
def test_an_answer_that_is_gone_or_of_another_size_is_made_again(corpus, target):
    corpus.file("corpus/a.csv", "text\nHELLO\n")
    corpus.file("corpus/sub/b.csv", "text\nHELLO\n")
    corpus.file("corpus/c.csv", "text\nHELLO\n")
    corpus.label(target=target)
    there = destination(whole(target))
    there.remove("sub/b.csv")
    there.write("c.csv", b"text\n")

    total = corpus.label(target=target)

    assert (3, 1) == (total.portions, total.skipped)
    assert there.read("a.csv") == there.read("sub/b.csv") == there.read("c.csv")


@pytest.mark.parametrize("target", ["out", "memory://errand/ranges"])
def test_answers_of_ranges_go_when_their_input_has_others(corpus, target, monkeypatch):
    monkeypatch.setattr(splits, "LARGE_BYTES", 2000)
    monkeypatch.setattr(labelling, "RANGE_BYTES", 1000)
    corpus.file("corpus/t.jsonl", rows(200))
    corpus.file("corpus/other.csv", "text\nHELLO\n")
    many = corpus.label(target=target).portions
    there = destination(whole(target))
    there.write("t.jsonl.00001.csv", b"not ours\n")
    there.write("t.jsonl.99999.jsonl", b"not ours\n")
    corpus.file("corpus/t.jsonl", rows(20))

    corpus.label(target=target)

    assert many > 3
    left = [name for name in there.names() if not name.startswith(".")]
    assert ["manifest.json", "other.csv", "t.jsonl.00001.csv", "t.jsonl.99999.jsonl", "t.jsonl.jsonl"] == left
    corpus.file("corpus/t.jsonl", rows(200))
    assert many == corpus.label(target=target).portions
    assert "t.jsonl.jsonl" not in there.names()


def test_answers_of_other_inputs_stay(corpus):
    corpus.file("corpus/a.csv", "text\nHELLO\n")
    corpus.file("more/b.csv", "text\nHELLO\n")
    corpus.label()
    corpus.label("more")
    assert ["a.csv", "b.csv", "manifest.json"] == corpus.names()


# ---------------------------------------------------------------------- what failed before


def test_an_input_that_failed_often_is_answered_once_the_reason_is_gone(corpus, monkeypatch):
    monkeypatch.setattr(labeller, "ENDS", 2)
    corpus.file("corpus/sub/x.csv", "text\nHELLO\n")
    in_the_way = corpus.file("out/sub", "a file")
    for _ in range(3):
        with pytest.raises(UnavailableError, match="out/sub"):
            corpus.label()
    in_the_way.unlink()

    assert 0 == corpus.label().failed
    assert ["x.csv"] == corpus.names("out/sub")


def test_an_input_that_cannot_be_read_says_so_however_often(corpus, monkeypatch):
    monkeypatch.setattr(labeller, "ENDS", 2)
    corpus.file("corpus/x.csv.gz", "not packed")
    for _ in range(3):
        assert 1 == corpus.label().failed
        assert ["UnreadableFile"] == [kind for kind, _ in corpus.faults()]


def test_an_input_over_which_actors_ended_often_is_given_up_until_it_changes(corpus):
    corpus.file("corpus/x.csv", "text\nHELLO\n")
    in_the_way = corpus.file("out/x.csv/y", "a file").parent
    with pytest.raises(UnavailableError):
        corpus.label()
    [kept] = (corpus.root / "out/.classifyd/done").iterdir()
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"ends": labeller.ENDS}))
    (in_the_way / "y").unlink()
    in_the_way.rmdir()

    assert 1 == corpus.label().failed
    assert ["NodeEnded"] == [kind for kind, _ in corpus.faults()]
    corpus.file("corpus/x.csv", "text\nHELLO AGAIN\n")
    assert 0 == corpus.label().failed


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("sources", "target"),
    [
        (("corpus/t.csv",), "corpus"),
        (("corpus/t.csv",), "link"),
        (("memory://errand/in/t.csv",), "memory://errand/in"),
        (("memory://errand/in/*.csv",), "memory://errand/in/"),
    ],
)
def test_an_answer_in_place_of_an_input_is_refused(corpus, sources, target):
    corpus.file("corpus/t.csv", "text\nHELLO\n")
    (corpus.root / "link").symlink_to("corpus")
    destination("memory://errand/in").write("t.csv", b"text\nHELLO\n")

    with pytest.raises(UsageError, match=r"/t\.csv: an answer would take its place; name another --output"):
        corpus.label(*sources, target=target)

    there = destination(whole(target))
    assert (["t.csv"], b"text\nHELLO\n") == (there.names(), there.read("t.csv"))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("corpus", "corpus"),
        ("corpus", "corpus/out"),
        ("link", "corpus/out"),
        ("memory://errand/within", "memory://errand/within/out"),
        ("memory://errand/wi*/*", "memory://errand/within/out/deep"),
        ("memory://errand/within/**/*.csv", "memory://errand/within"),
    ],
)
def test_answers_among_what_is_labelled_are_refused(corpus, source, target):
    corpus.file("corpus/t.csv", "text\nHELLO\n")
    (corpus.root / "link").symlink_to("corpus")
    destination("memory://errand/within").write("t.csv", b"text\nHELLO\n")

    with pytest.raises(UsageError, match=r"so that its answers would be labelled too; name a folder outside"):
        corpus.label(source, target=target)

    assert ["t.csv"] == corpus.names("corpus")


def test_answers_beside_what_is_labelled_are_not_refused(corpus):
    destination("memory://errand/beside").write("t.csv", b"text\nHELLO\n")
    for source in ("memory://errand/beside/*.csv", "memory://errand/beside/t.csv"):
        assert 0 == corpus.label(source, target="memory://errand/beside/out").failed
    assert ["t.csv"] == [name for name in destination("memory://errand/beside/out").names() if name.endswith(".csv")]
