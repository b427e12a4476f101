"""The alert rules and the dashboard of examples/monitoring ask for metrics that there are, in queries that hold."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "monitoring"
RULES = FOLDER / "classifyd.rules.yml"
DASHBOARD = json.loads((FOLDER / "classifyd.dashboard.json").read_text())


def promtool(*arguments: str | Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing: apt-get install prometheus")
    outcome = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard, with where it stands; Grafana's variables filled in."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")


def documented() -> set[str]:
    page = (ROOT / "docs" / "metrics.md").read_text().partition("## Questions")[0]
    rows = [line for line in page.splitlines() if line.startswith("| `classifyd_")]
    return {name for row in rows for name in re.findall(r"`(classifyd_\w+)`", row)}


def asked(text: str) -> set[str]:
    """The metrics that a text names; what a histogram is made of counts for it."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bclassifyd_\w+", text)}


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", RULES.name)


def test_the_alerts_go_off_when_they_should_and_not_sooner() -> None:
    promtool("test", "rules", "classifyd.test.yml")


def test_rules_and_dashboard_ask_only_for_metrics_that_there_are() -> None:
    told = RULES.read_text() + " ".join(query for _, query in queries())
    assert len(asked(told)) > 15
    assert asked(told) - documented() == set()


NOT_SHOWN = {"classifyd_process_virtual_memory_bytes"}
"""What is reserved says nothing of what is used."""


def test_every_metric_is_on_the_dashboard_or_under_an_alert() -> None:
    variables = " ".join(one["query"]["query"] for one in DASHBOARD["templating"]["list"] if one["type"] == "query")
    told = RULES.read_text() + variables + " ".join(query for _, query in queries())
    assert documented() - asked(told) == NOT_SHOWN


def test_every_query_of_the_dashboard_and_of_the_page_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text().partition("## Questions")[2]
    found = [*queries(), *re.findall(r"^\| ([^|]+) \| `(.+)` \|$", page, re.MULTILINE)]
    rules = [{"record": f"query:{place}", "expr": query} for place, (_, query) in enumerate(found)]
    assert len(rules) > 25
    file = tmp_path / "queries.yml"  # what is JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", file)


def test_no_panel_lies_over_another_and_each_has_a_number_of_its_own() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert cells.isdisjoint(taken), panel["title"]
        taken |= cells


def test_the_dashboard_names_no_data_source_of_its_own() -> None:
    assert {panel["datasource"]["uid"] for panel in panels()} == {"${datasource}"}
    assert {target["datasource"]["uid"] for panel in panels() for target in panel["targets"]} == {"${datasource}"}
