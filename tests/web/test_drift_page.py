"""The status page says how far a model's newest answers have parted from its baseline, and warns where that is much."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import MISSING, browser
from daemons import Place, wait_until
from selenium.webdriver import Chrome
from tiny import make_bundle

from classifyd.bundles import Store

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "there is a browser")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A daemon with a model whose test set held no word that its vocabulary lacks, and one without a baseline."""
    made = Place.make(tmp_path, tasks=("spam", "topic"), listen="127.0.0.1:0")
    baseline = {"labels": {"ham": 500, "spam": 500}, "score_mean": 0.5, "score_deviation": 10.0, "unknown_share": 0.0}
    make_bundle(Store(tmp_path / "models"), "spam", ["ham", "spam"], baseline=baseline)
    make_bundle(Store(tmp_path / "models"), "topic", ["World", "Sports"])
    made.start()
    wait_until(lambda: made.starts() == 1, place=made)
    yield made
    made.end()


@pytest.fixture
def page(place: Place, tmp_path: Path) -> Iterator[Chrome]:
    command = [Path(sys.executable).with_name("classifyd"), "status", "--page", "--config", place.root / "config.toml"]
    with browser(tmp_path / "profile") as driver:
        driver.get(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
        yield driver


def text(driver: Chrome, identity: str) -> str:
    return driver.execute_script("return document.getElementById(arguments[0]).innerText", identity)


def drop(place: Place, name: str, texts: list[str]) -> None:
    place.drop(name, "".join(json.dumps({"text": one}) + "\n" for one in texts))


def test_drift_is_counted_told_and_warned_of_as_it_comes(place: Place, page: Chrome) -> None:
    wait_until(lambda: "Drift: measured from 500 labels or spans on; 0 records so far." in text(page, "models"))
    assert "Drift: the bundle has no baseline to measure it against." in text(page, "models")
    assert not page.find_element("id", "troubles").is_displayed()

    drop(place, "strange.jsonl", [f"☃☃☃ ☂☂ {number}" for number in range(600)])
    wait_until(lambda: "Drift over 600 records: label mix" in text(page, "models"), place=place)
    assert "unknown tokens" in text(page, "models")
    assert "(warns from 0.5); not compared: share for review." in text(page, "models")
    wait_until(lambda: "spam@1 drifts: unknown tokens" in text(page, "troubles"))
    assert "where the baseline has 0.0%" in text(page, "troubles")
    assert "topic@1" not in text(page, "troubles")
    assert page.find_element("id", "troubles").is_displayed()

    page.find_element("id", "lock").click()
    wait_until(lambda: "token" in text(page, "results"))
    assert "spam@1 drifts: unknown tokens" in text(page, "troubles"), "no measure tells a text: it needs no token"
