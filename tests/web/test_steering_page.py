"""On the status page an inbox is paused and resumed, and a large file followed and cancelled, by who has the token."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import MISSING, browser
from daemons import Place, wait_until
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import alert_is_present
from selenium.webdriver.support.wait import WebDriverWait

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "there is a browser")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A daemon that works on a large file for a while."""
    made = Place.make(tmp_path, tasks=("slow",), split_seconds=0.2, listen="127.0.0.1:0")
    made.start(more={"SLOW_SECONDS": "0.01"})
    made.drop("large.jsonl", "".join(json.dumps({"text": "x" * 200}) + "\n" for _ in range(20_000)))
    wait_until(lambda: '"event": "cut"' in made.log(), place=made)
    yield made
    made.end()


def text(driver: Chrome, identity: str) -> str:
    return driver.execute_script("return document.getElementById(arguments[0]).innerText", identity)


def press(driver: Chrome, label: str) -> None:
    """Press a button as soon as it is there; the page may draw it anew at any moment."""
    script = "const one = document.querySelector(arguments[0]); one?.click(); return Boolean(one)"
    wait_until(lambda: driver.execute_script(script, f"button[aria-label='{label}']"))


def test_an_inbox_is_paused_and_resumed_and_a_large_file_cancelled(place: Place, tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("classifyd"), "status", "--page", "--config", place.root / "config.toml"]
    link = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    with browser(tmp_path / "profile") as driver:
        driver.get(link.partition("#")[0])
        wait_until(lambda: "a file" in text(driver, "large-files"))
        assert "large.jsonl" not in driver.page_source
        assert driver.find_elements(By.CSS_SELECTOR, "#inboxes button, #large-files button") == []

        driver.get("about:blank")
        driver.get(link)
        wait_until(lambda: "large.jsonl" in text(driver, "large-files") and "%" in text(driver, "large-files"))
        driver.execute_script("document.getElementById('review-who').value = 'ann'")
        press(driver, "Pause in")
        wait_until(lambda: "paused by ann" in text(driver, "inboxes"))
        press(driver, "Resume in")
        wait_until(lambda: "paused" not in text(driver, "inboxes"))

        # Asked back, the press lasts until it is answered: it must not keep the script from returning.
        [cancel] = driver.find_elements(By.CSS_SELECTOR, "button[aria-label='Cancel large.jsonl']")
        driver.execute_script("const one = arguments[0]; setTimeout(() => one.click())", cancel)
        asked = WebDriverWait(driver, 30).until(alert_is_present())
        assert "goes to quarantine" in asked.text
        asked.accept()
        wait_until(lambda: "cancelled by ann" in text(driver, "quarantine"), place=place)
        wait_until(lambda: not driver.find_element(By.ID, "large").is_displayed())
    assert place.files("quarantine") == {"large.jsonl", "large.jsonl.reason.json"}
