"""Every code block of the README and of docs/ is run, or read as what it is; of the rest it is said here why not."""

import ast
import grp
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from daemons import schema

from classifyd import config
from test_docs import PLUGIN, ROOT, with_plugin  # noqa: F401  # a fixture

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = ("README.md", "first-ten-minutes.md", "corrections.md")
"""The pages whose shell blocks a newcomer follows from top to bottom: they are run so, line by line."""

CANNOT = {
    r"make ": "a target of the Makefile; `make test` would run this very test, and tests/test_examples.py has the demo",
    r"(\. )?\.venv/|python3 -m venv|(/opt/\S+/)?pip install|python -m (pip|build|twine)": "needs a package index",
    r"sudo |systemd/|systemctl |systemd-tmpfiles |install (-\w|-m) ": "changes the machine; see tests/systemd",
    r"docker |gcloud |aws |REGION=|IMAGE=|ACCOUNT=|mkdir -p models/spam": "needs Docker or a cloud",
    r"python bench/": "measures for long, on corpora that are not in the repository",
    r"(torchrun .* )?(\S*/)?classifyd train |tar xf aclImdb": "trains for long; see tests/training",
    r"classifyd models (promote|rollback|export|import|prune|verify)": "of versions that a training has made; "
    "tests/cli/test_models_command.py has each",
    r"sqlite3 |promtool ": "a program that a machine may not have; tests/test_monitoring.py has promtool",
}
"""Lines of shell that are not run, by how they begin, and why. Their commands and options exist: tests/test_docs.py."""

ELSEWHERE = {
    "benchmarks.md": "measurements",
    "development.md": "targets of the Makefile",
    "models.md": "trainings of hours, on corpora that are not in the repository",
    "operate.md": "administration of a machine; what is classifyd's own is in tests/cli and tests/path",
    "plugins.md": "plugins that are installed first: tests/test_example_plugins.py and test_docs.py use each",
    "scaling.md": "a cluster, of several machines; tests/cluster has one of several nodes",
    "security.md": "administration of a machine",
    "sentiment.md": "an hour of training; tests/test_scaffold.py writes, checks and lists such a package",
    "train.md": "trainings, and versions that they make; tests/training and tests/cli have each command",
}
"""Pages whose shell blocks are not run as they stand, and why."""


class Block(NamedTuple):
    page: str
    language: str
    code: str


def blocks() -> list[Block]:
    fence = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [Block(page.name, *found) for page in PAGES for found in fence.findall(page.read_text())]


def of(*languages: str) -> list[Block]:
    return [block for block in blocks() if block.language in languages]


def lines(block: Block) -> list[str]:
    return [line.strip() for line in block.code.replace("\\\n", " ").splitlines() if line.strip()]


def why_not(line: str) -> str | None:
    return next((reason for start, reason in CANNOT.items() if re.match(start, line)), None)


def test_every_block_is_of_a_kind_that_something_is_done_with() -> None:
    # cli.md is --help, compared in test_docs.py; a Dockerfile needs a daemon of Docker.
    kinds = {"sh", "python", "toml", "json", "yaml", "text", "dockerfile"}
    assert [(block.page, block.code[:40]) for block in blocks() if block.language not in kinds] == []
    assert {block.page for block in of("text")} == {"cli.md"}
    assert len(of("dockerfile")) == 1
    assert {block.page for block in of("sh")} == {*RUN, *ELSEWHERE}


@pytest.mark.parametrize("block", of("python"), ids=lambda block: f"{block.page}: {block.code[:30]!r}")
def test_python_is_python_and_runs_but_for_signatures(block: Block) -> None:
    ast.parse(block.code)
    if block.page == "plugins.md" and block.code.startswith(("Answer = ", "def register_tasks() -> ")):
        return  # the protocols and hooks, which test_docs.py compares with the code
    around = "from classifyd_bert import BertSequenceTask\nRECIPE = {}\n" if block.code.startswith("Bert") else ""
    outcome = subprocess.run([sys.executable, "-c", around + block.code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize("block", of("toml"), ids=lambda block: f"{block.page}: {block.code[:30]!r}")
def test_configuration_is_taken_as_it_stands(block: Block, tmp_path: Path) -> None:
    found = tomllib.loads(block.code)
    if "project" in found:
        assert block.code in (PLUGIN / "pyproject.toml").read_text()
        return
    other = "" if "inbox" in found else '[[inbox]]\nname = "mail"\npath = "in"\ntasks = ["spam"]\n'
    here = block.code.replace("mailreaders", grp.getgrgid(os.getgid()).gr_name)  # a group that this machine has
    (tmp_path / "config.toml").write_text(here + other)
    config.load(tmp_path / "config.toml", {}, check_folders=False)  # folders, programs and secrets are the reader's


@pytest.mark.parametrize("block", of("json"), ids=lambda block: f"{block.page}: {block.code[:30]!r}")
def test_json_is_json_and_an_output_keeps_its_schema(block: Block) -> None:
    told = json.loads(block.code)
    if told.get("schema") == "classifyd/1":
        assert list(schema("record").iter_errors(told)) == []


def test_yaml_is_what_prometheus_takes(tmp_path: Path) -> None:
    [block] = of("yaml")
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    (tmp_path / "prometheus.yml").write_text(block.code)
    command = ["promtool", "check", "config", tmp_path / "prometheus.yml"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


# ------------------------------------------------------------------ shell

BEGIN = """
set -eo pipefail
# Whoever follows a page waits until what he is to look at is there.
awaited() { for _ in $(seq 2400); do test -e "$1" && return; sleep 0.1; done; echo "$1 did not come" >&2; return 1; }
trap 'for job in $(jobs -p); do kill $job; done; wait' EXIT
"""


def script(page: str) -> str:
    """The lines of a page that can be run, in its order, each after what it looks at has come."""
    told = [BEGIN]
    for block in of("sh"):
        if block.page != page:
            continue
        for line in lines(block):
            if why_not(line):
                continue
            looked_at = re.findall(r"office/(?:labelled|done|quarantine)/[\w./-]+", line)
            told += [f"awaited {path}" for path in looked_at]
            told += ["awaited office/state/status.json"] if line.startswith("classifyd status") else []
            told += [f"echo '+' {line.replace('|', ' ').replace('>', ' ').replace('&', ' ')!r} >&2", line]
    return "\n".join(told) + "\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a newcomer has before him, and the data that pages take for granted."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    rows = [f"{text} {n},{label}" for n in range(5) for text, label in (("win a free prize", "spam"), ("lunch", "ham"))]
    (tmp_path / "other.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "first-ten-minutes.md"])
def test_a_page_can_be_followed_from_top_to_bottom(
    page: str,
    checkout: Path,
    with_plugin: dict[str, str],  # noqa: F811
) -> None:
    outcome = follow(script(page), checkout, with_plugin)
    assert outcome.returncode == 0, outcome.stderr
    assert '"schema": "classifyd/1"' in outcome.stdout or '"schema":"classifyd/1"' in outcome.stdout
    assert "http://127.0.0.1:" in outcome.stdout
    assert list(checkout.glob("office/labelled/messages/*.jsonl")) != []


def test_what_the_page_on_corrections_shows_can_be_run(checkout: Path) -> None:
    (checkout / "in").mkdir()
    inbox = '[[inbox]]\nname = "in"\npath = "in"\ntasks = ["spam"]\n'
    (checkout / "config.toml").write_text(f"[models]\npath = {str(ROOT / 'models')!r}\n{inbox}")
    once = "classifyd run --once\n"
    outcome = follow(BEGIN + once + script("corrections.md").replace(BEGIN, ""), checkout, dict(os.environ))
    assert outcome.returncode == 0, outcome.stderr
    assert (checkout / "corrections.jsonl").read_text() == ""


def follow(lines: str, folder: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    ours = {"PATH": f"{Path(sys.executable).parent}:{environ['PATH']}", "CLASSIFYD_HTTP__LISTEN": "127.0.0.1:0"}
    ours |= {"CLASSIFYD_DAEMON__WORKERS": "1", "CLASSIFYD_TASKS__SPAM__RUNTIME": "onnxruntime"}
    ours |= {f"CLASSIFYD_TASKS__{task}__RUNTIME": "onnxruntime" for task in ("TOPIC", "NER")}
    return subprocess.run(
        ["bash", "-c", lines], cwd=folder, env=environ | ours, capture_output=True, text=True, check=False
    )
