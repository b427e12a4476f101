"""README and docs/ say what is so: their commands exist, their plugin works, their links lead somewhere."""

import dataclasses
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from classifyd.config import DaemonConfig, InboxConfig, TaskConfig, WorkersConfig
from classifyd.values import Limits

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = [page for page in PAGES if page.name != "design.md"]  # which also draws what is still to be built
PLUGIN = ROOT / "examples" / "plugins" / "shouting"
CLASSIFYD = Path(sys.executable).with_name("classifyd")

sys.path.insert(0, str(ROOT / "docs"))
import reference  # noqa: E402  # scripts beside the pages, not packages
import tally  # noqa: E402


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands() -> Iterator[tuple[str, str]]:
    """Every command line of ours on the pages: page and line, from shell blocks and from inline code."""
    for page in OURS:
        text = page.read_text()
        lines = [line.strip() for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
        lines += re.findall(
            r"`(classifyd [a-z][^`\n]*)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        )
        for line in lines:
            if found := re.search(r"(?:^|[|&] |/bin/)classifyd( [a-z-].*)", line):
                yield page.name, "classifyd" + found[1]


@pytest.fixture(scope="session")
def with_plugin(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that finds the example plugin installed."""
    target = tmp_path_factory.mktemp("plugin")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-index"]
    install = [sys.executable, "-m", "pip", "install", *quiet, "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", target, PLUGIN], check=True)
    return os.environ | {"PYTHONPATH": str(target)}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "plugins.md"], ids=lambda page: page.name)
def test_the_plugin_on_the_page_is_the_one_in_examples(page: Path) -> None:
    code = (PLUGIN / "shouting.py").read_text()
    assert code in blocks(page, "python")
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 15
    [entry] = [block for block in blocks(page, "toml") if "entry-points" in block]
    assert entry in (PLUGIN / "pyproject.toml").read_text()


def test_the_plugin_on_the_page_labels_from_the_command_line(with_plugin: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "loud.txt").write_text("WHERE ARE YOU")
    (tmp_path / "calm.txt").write_text("Here I am")
    command = [CLASSIFYD, "label", "--task", "shouting", "loud.txt", "calm.txt"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=with_plugin, check=False)
    assert outcome.returncode == 0, outcome.stderr
    answers = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert {one["source"]: one["annotations"]["shouting"]["label"] for one in answers} == {
        "loud.txt": "loud",
        "calm.txt": "calm",
    }


def test_the_plugin_on_the_page_labels_in_the_daemon(with_plugin: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "loud.txt").write_text("WHERE ARE YOU")
    inbox = '[[inbox]]\nname = "all"\npath = "in"\ntasks = ["shouting"]\noutput = "out"\n'
    (tmp_path / "config.toml").write_text("[daemon]\nsettle_seconds = 0\nworkers = 1\n\n" + inbox)
    command = [CLASSIFYD, "run", "--once", "--config", tmp_path / "config.toml"]
    outcome = subprocess.run(command, capture_output=True, text=True, env=with_plugin, check=False)
    assert outcome.returncode == 0, outcome.stderr
    answer = json.loads((tmp_path / "out" / "loud.txt.jsonl").read_text())
    assert answer["annotations"]["shouting"]["label"] == "loud"


def test_every_command_on_the_pages_exists_with_its_options() -> None:
    found = list(commands())
    assert len(found) > 20
    assert [f"{page}: {line}: {fault}" for page, line in found if (fault := wrong(line))] == []


def wrong(line: str) -> str:
    """What does not exist of a command line; empty if all of it does."""
    words = list(itertools.takewhile(lambda word: word not in {"|", "&", "&&", ">"}, shlex.split(line, comments=True)))
    # An argument after the command is as good as none: --help comes before it.
    names = itertools.takewhile(str.isalpha, words[1:3])
    known = reference.usage(*(name for name in names if name.islower()))
    options = [word.partition("=")[0] for word in words if word.startswith("-") and word != "-"]
    missing = [option for option in options if not re.search(rf"(^|[\s,]){option}\b", known)]
    return ", ".join(missing) if known else "no such command"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    "kind", [InboxConfig, DaemonConfig, WorkersConfig, TaskConfig, Limits], ids=lambda kind: kind.__name__
)
def test_every_setting_is_documented(kind: type) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    settings = {setting.name for setting in dataclasses.fields(kind)} - {"options", "access"}
    assert {setting for setting in settings if f"\n| `{setting}` |" not in page} == set()


def test_every_documented_default_is_the_default() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    wrong_defaults = [
        f"{setting.name}: {setting.default}"
        for kind in (InboxConfig, DaemonConfig, WorkersConfig)
        for setting in dataclasses.fields(kind)
        if isinstance(setting.default, float | bool) and f"| `{setting.name}` | {shown(setting.default)} |" not in page
    ]
    assert wrong_defaults == []


def shown(value: float | bool) -> str:
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"{value:g}"


def test_every_page_is_reachable_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in readme] == []


def test_the_page_of_commands_is_what_the_commands_say_themselves() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run: make docs"


def test_the_page_on_the_configuration_has_the_kind_of_every_setting_as_the_code_has_it() -> None:
    page = reference.SETTINGS.read_text()
    assert page == reference.with_kinds(page), "run: make docs"
    assert "| `settle_seconds` | 1 | number from 0 up to 86,400 |" in page


def test_the_page_on_outputs_has_every_key_of_the_schemas() -> None:
    page = reference.OUTPUT.read_text()
    assert page == reference.with_keys(page), "run: make docs"
    assert "| `start` | integer | The first code point of the text |" in page


def test_the_page_on_plugins_has_every_hook_and_protocol_as_the_code_has_it() -> None:
    page = reference.PLUGINS.read_text()
    assert page == reference.with_signatures(page), "run: make docs"
    for signature in (
        "def register_writers() -> Sequence[Writer]:",
        "def file_done(report: FileReport) -> None:",
        "class CuttingReader(Reader, Protocol):",
        "    def load(self, setup: Setup) -> Predictor:",
        "    def train(self, sets: TrainingSets, setup: TrainSetup) -> TrainedModel | None:",
    ):
        assert f"\n{signature}\n" in page


def test_the_page_on_plugins_has_every_check() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "daemon" / "classifyd" / "conformance").glob("*.py"))
    checks = re.findall(r'^        yield "([^"]+)"|^            yield "([^"]+)"', code, re.MULTILINE)
    names = [one or other for one, other in checks]
    assert len(names) > 20
    assert [name for name in names if f" | {name} | " not in page] == []


def test_what_the_trials_found_is_entered_and_earlier_results_stay(tmp_path: Path) -> None:
    case = '<testcase classname="tests.trials.test_kills" name="{}" time="{}">{}</testcase>'
    counts = "<system-out>--- Captured Out ---\nseed 7\n1000 kills, 0 lost\n</system-out>"
    (tmp_path / "trials.xml").write_text(
        "<testsuites><testsuite>"
        + case.format("test_nothing_is_lost[7]", 600.4, counts)
        + case.format("test_this_goes_wrong", 3, "<failure/>")
        + case.format("test_this_is_not_tried", 0, "<skipped/>")
        + "</testsuite></testsuites>"
    )
    earlier = {
        "tests.trials.test_soak.test_a": {"counts": "", "result": "passed", "seconds": 9, "on": "x", "commit": "y"}
    }
    known = earlier | tally.results(tmp_path / "trials.xml", "abc", "2026-01-01")
    page = tally.entered(f"before\n{tally.BEGIN}old\n{tally.END}after\n", known)
    assert page.startswith(f"before\n{tally.BEGIN}{tally.HEAD}")
    assert page.endswith(f"{tally.END}after\n")
    rows = page.splitlines()[4:-2]
    assert rows == [
        "| nothing is lost (7) | 1000 kills, 0 lost; 10 min | passed | 2026-01-01 | `abc` |",
        "| this goes wrong | 3 s | failed | 2026-01-01 | `abc` |",
        "| a | 9 s | passed | x | `y` |",
    ]
    assert tally.entered(page, known) == page
