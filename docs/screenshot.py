"""Writes docs/images/status.png, what the README shows: python docs/screenshot.py.

A real daemon with the shipped models labels messages and refuses a broken table; the hour before, which nobody wants to
wait for, is put into its ledger.
"""

import io
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "docs" / "images" / "status.png"
CLASSIFYD = Path(sys.executable).with_name("classifyd")
sys.path.insert(0, str(ROOT / "tests" / "web"))
import browser  # noqa: E402  # beside the tests that use it, no package

from classifyd.jobs import Claim  # noqa: E402
from classifyd.ledger import Entry, Ledger  # noqa: E402
from classifyd.reports import PartReport  # noqa: E402

MAILS = {
    "monday.txt": "The board meets on Monday. Maria Jensen flies in from Oslo, and Anders from Siemens calls in.",
    "prize.txt": "CONGRATULATIONS!!! You have WON a FREE cruise. Claim your prize NOW at 0800 123 456, today only!",
    "match.txt": "Arsenal beat Chelsea 2-1 in London last night after Saka scored twice in the second half.",
    "merger.txt": "Shares of Nokia rose 6 % in Helsinki after the company said it would sell its maps to Garmin.",
    "lunch.txt": "Hi Tom, lunch at one? Julia and I will be at the Italian place near Victoria Station.",
    "pills.txt": "Cheap meds online, no prescription needed!!! Order today and get 80% off, click here http://x.example",
    "probe.txt": "NASA says its new telescope has found water vapour on a planet twice the size of Earth.",
    "talks.txt": "Leaders of France and Germany met in Brussels on Friday to discuss the new trade agreement.",
}


def main(shots: Path | None = None) -> None:
    """Make the image; with `shots`, also those of the dark page, the small and the locked one, there."""
    with tempfile.TemporaryDirectory() as folder:
        office = Path(folder) / "office"
        subprocess.run([CLASSIFYD, "init", office], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        remember(office / "state" / "ledger.sqlite")
        with (office / "log").open("wb") as log:
            environ = os.environ | {"CLASSIFYD_HTTP__LISTEN": "127.0.0.1:0", "CLASSIFYD_DAEMON__WORKERS": "2"}
            command = [CLASSIFYD, "run", "--config", office / "config.toml"]
            daemon = subprocess.Popen(command, env=environ, stderr=log)  # noqa: S603
        try:
            link = label_some(office)
            with browser.browser(Path(folder) / "profile") as driver:
                take(driver, link, shots)
        finally:
            daemon.terminate()
            daemon.wait()


def remember(path: Path) -> None:
    """An hour of work, with a wave in it, for the ledger of a daemon that has just begun."""
    path.parent.mkdir(exist_ok=True)
    ledger = Ledger(path)
    now = time.time()
    with ledger.commit():
        for minute in range(61):
            for place, inbox in enumerate(("mail", "messages")):
                records = int(
                    260 + 120 * math.sin(minute / 7 + place) + 60 * math.sin(minute * 1.9) + 40 * (minute % 5)
                )
                name, at = f"{inbox}-{minute}", now - 60 * minute
                ledger.claimed(Entry(Claim(name, inbox, name, f"/x/{name}", 1, 1, at - 1), "claimed", {}, 1, name))
                ledger.intend(name, "part", PartReport(name, 0, records, minute % 9 == 0, records // 40))
                ledger.retired(name, at)
    ledger.close()


def label_some(office: Path) -> str:
    """Have some messages labelled; the link to the page, unlocked."""
    (office / "inbox" / "tables" / "orders.parquet").write_bytes(b"PAR1 but nothing of a table")
    wait_for(office, "quarantine/**/*.parquet", 1)
    (office / "inbox" / "mail" / "invoice.eml").write_bytes((ROOT / "examples/messages/invoice.eml").read_bytes())
    for name, text in MAILS.items():
        (office / "inbox" / "messages" / name).write_text(text)
    wait_for(office, "labelled/**/*.jsonl", len(MAILS) + 1)
    time.sleep(2.0)
    command = [CLASSIFYD, "status", "--page", "--config", office / "config.toml"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def wait_for(office: Path, pattern: str, count: int) -> None:
    """Until so many files are there."""
    deadline = time.monotonic() + 120
    while len(list(office.glob(pattern))) < count:
        if time.monotonic() > deadline:
            raise SystemExit((office / "log").read_text())
        time.sleep(0.2)


def take(driver: object, link: str, shots: Path | None) -> None:
    """The pictures."""
    browser.look_like(driver, "light")
    browser.resize(driver, 1180, 1400)
    driver.get(link)
    time.sleep(3.0)
    IMAGE.parent.mkdir(exist_ok=True)
    IMAGE.write_bytes(small(driver.get_screenshot_as_png()))
    if shots is None:
        return
    for name, scheme, width, height in (
        ("light", "light", 1180, 2300),
        ("dark", "dark", 1180, 2300),
        ("small", "light", 390, 3200),
        ("small-dark", "dark", 390, 1400),
    ):
        browser.look_like(driver, scheme)
        browser.resize(driver, width, height)
        time.sleep(1.0)
        driver.save_screenshot(str(shots / f"{name}.png"))
    driver.execute_script("document.getElementById('lock').click()")
    browser.resize(driver, 1180, 1400)
    time.sleep(1.0)
    driver.save_screenshot(str(shots / "locked.png"))
    driver.execute_script("document.getElementById('lock').click()")
    time.sleep(0.5)
    driver.save_screenshot(str(shots / "unlock.png"))


def small(picture: bytes) -> bytes:
    """The picture in 256 colours, which is a third of it."""
    made = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256).save(made, "PNG", optimize=True)
    return made.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
