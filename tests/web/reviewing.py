"""The review queue of a real daemon in a real browser, and what was said in it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from browser import browser
from daemons import Place, wait_until
from selenium.webdriver import Chrome
from test_page import text

from classifyd.ledger import Correction, LedgerView


@contextmanager
def queue(place: Place, profile: Path, left: int) -> Iterator[Chrome]:
    """The status page with so many records to review; afterwards the browser must have had nothing to complain of."""
    command = [Path(sys.executable).with_name("classifyd"), "status", "--page", "--config", place.root / "config.toml"]
    link = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    with browser(profile) as driver:
        driver.get(link)
        wait_until(lambda: f"{left} left" in text(driver, "review"))
        yield driver
        complaints = [entry["message"] for entry in driver.get_log("browser")]
        assert [one for one in complaints if "status of 401" not in one] == []


def kept(place: Place) -> list[Correction]:
    """What people said, as the ledger has it."""
    with closing(LedgerView(place.root / "state" / "ledger.sqlite")) as view:
        return view.corrections()
