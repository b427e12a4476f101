"""bench/: what its figures rest on."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import launch  # scripts, not a package
import turns


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_of_stages_that_lie_in_one_another_the_innermost_counts() -> None:
    watch = launch.Watch()
    inner = watch.stage("inner")(lambda: spin(0.06))

    @watch.stage("outer")
    def outer() -> None:
        spin(0.02)
        inner()
        spin(0.02)

    outer()
    assert 0.04 <= watch.found["outer"][1] < 0.06 <= watch.found["inner"][1] < 0.08


def test_of_an_iterator_counts_what_it_takes_to_get_its_items() -> None:
    watch = launch.Watch()

    @watch.each("getting")
    def items() -> Iterator[int]:
        for number in range(3):
            spin(0.01)
            yield number

    for _ in items():
        spin(0.03)
    assert 0.03 <= watch.found["getting"][1] < 0.06


def test_a_contender_that_cannot_start_is_told_of_and_left_out() -> None:
    ready = [sys.executable, "-c", "print('ready well'); input(); print('{\"seconds\": 1}')"]
    found = turns.take({"one": [sys.executable, "-c", "1 / 0"], "other": ready}, 1)
    assert found == {"other": turns.Taken("well", [{"seconds": 1}])}


def test_the_bench_of_a_cluster_finds_what_it_shares_with_the_tests() -> None:
    script = Path(__file__).parents[1] / "bench/cluster.py"
    subprocess.run([sys.executable, script, "--help"], check=True, stdout=subprocess.DEVNULL)
