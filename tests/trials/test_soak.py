"""An hour under load with a fault every minute: memory, descriptors, threads and temporary files stay flat.

CLASSIFYD_SOAK_MINUTES says how long. The slope of each is a line fitted by least squares through the second half's
samples; the first half is left to caches and allocators.
"""

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
from daemons import descendants, wait_until, walked

MINUTES = float(os.environ.get("CLASSIFYD_SOAK_MINUTES", "60"))
FAULT_SECONDS = 60
SAMPLE_SECONDS = 2
BOUNDS = {"daemon KiB": 4096, "workers KiB": 16_384, "descriptors": 20, "threads": 10, "temporary files": 20}
"""How much more of each an hour may bring at most."""
RECORDS = (1, 1, 1, 1, 20, 300, 3000)


def slope(points: list[tuple[float, float]]) -> float:
    """The least-squares slope, per unit of the first coordinate."""
    middle = sum(at for at, _ in points) / len(points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    return sum((at - middle) * value for at, value in points) / spread


def sample(here, process) -> dict[str, float]:
    """What the daemon and its workers hold right now."""
    workers = descendants(process.pid)
    both = [process.pid, *workers]
    places = [here.root / "state", here.root / "out/.classifyd"]
    return {
        "daemon KiB": status(process.pid, "VmRSS"),
        "workers KiB": sum(status(pid, "VmRSS") for pid in workers),
        "descriptors": sum(len(listed(f"/proc/{pid}/fd")) for pid in both),
        "threads": sum(status(pid, "Threads") for pid in both),
        "temporary files": sum(".tmp" in path.name for place in places for path in walked(place)),
    }


def status(pid: int, line: str) -> int:
    """A number of /proc/pid/status; 0 if the process has just ended."""
    with contextlib.suppress(OSError):
        for found in Path(f"/proc/{pid}/status").read_text().splitlines():
            if found.startswith(line):
                return int(found.split()[1])
    return 0


def listed(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return [path.name for path in Path(folder).iterdir()]
    return []


class Soak:
    """A daemon that is never idle, and a fault every so often: a worker killed, a bad input, a hang-up.

    What it answers is taken away, as a consumer would: an hour's inputs and outputs are 35 GB.
    """

    def __init__(self, here) -> None:
        self.here = here
        self.dice = random.Random(20261126)
        self.good = self.bad = self.faults = 0
        self.taken = {"done": 0, "out": 0}
        self.samples: list[tuple[float, dict[str, float]]] = []
        self.process = here.start()
        wait_until(lambda: '"event": "started"' in here.log(), place=here)

    def run(self, seconds: float) -> None:
        began = time.monotonic()
        due, fault = began, began + FAULT_SECONDS
        while (now := time.monotonic()) < began + seconds:
            if len(listed(str(self.here.root / "in"))) < 10:
                self.drop()
            if now >= fault:
                self.spoil()
                fault += FAULT_SECONDS
            if now >= due:
                self.samples.append((now - began, sample(self.here, self.process)))
                due += SAMPLE_SECONDS
                self.take()
            time.sleep(0.1)
        wait_until(self.is_through, place=self.here)

    def take(self) -> None:
        """Take away what was answered, and count it."""
        for folder in self.taken:
            for name in self.here.files(folder):
                (self.here.root / folder / name).unlink()
                self.taken[folder] += 1

    def is_through(self) -> bool:
        self.take()
        return self.good == self.taken["done"]

    def drop(self) -> None:
        self.good += 1
        records = self.dice.choice(RECORDS)
        lines = (json.dumps({"text": "x" * self.dice.randint(1, 2000)}) + "\n" for _ in range(records))
        self.here.drop(f"{self.good}.jsonl", "".join(lines))

    def spoil(self) -> None:
        self.faults += 1
        match self.faults % 3:
            case 0:
                self.bad += 1
                self.here.drop(f"bad-{self.bad}.bin", bytes(range(256)))
            case 1:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.dice.choice(descendants(self.process.pid)), signal.SIGKILL)
            case 2:
                self.process.send_signal(signal.SIGHUP)

    def slopes(self) -> dict[str, float]:
        """How much more of each an hour brings, by the second half of the samples."""
        half = self.samples[len(self.samples) // 2 :]
        return {name: 3600 * slope([(at, found[name]) for at, found in half]) for name in BOUNDS}


@pytest.mark.trial
@pytest.mark.timeout(0)
def test_under_load_and_faults_nothing_grows(place):
    here = place(workers=2, split_seconds=0.2)
    soak = Soak(here)
    soak.run(60 * MINUTES)
    assert 0 == here.stop(soak.process)

    soak.take()
    assert {"done": soak.good, "out": soak.good} == soak.taken
    assert 2 * soak.bad == len(here.files("quarantine"))
    slopes = soak.slopes()
    shown = ", ".join(f"{name} {found:+.0f} from {soak.samples[-1][1][name]:.0f}" for name, found in slopes.items())
    tenths = soak.samples[:: max(1, len(soak.samples) // 10)]
    print(f"daemon KiB, tenth by tenth: {[round(found['daemon KiB']) for _, found in tenths]}")
    print(f"{MINUTES:g} minutes, {soak.good} inputs, {soak.faults} faults; more in an hour: {shown}")
    assert not {name: found for name, found in slopes.items() if found > BOUNDS[name]}, slopes


def test_a_slope_is_that_of_the_line_and_noise_does_not_turn_it():
    assert 0 == slope([(0, 5), (1, 5), (2, 5)])
    assert 3 == slope([(0, 1), (1, 4), (2, 7)])
    assert abs(slope([(at, at % 2) for at in range(1000)])) < 0.001
