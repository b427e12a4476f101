"""Killed at, or failed by, every single call that changes the disk: the next start, or the same one, puts it right.

The long form tries every call; `EVERY=7` every seventh, and `ERRORS=EIO,ENOSPC` only some of the errors.
"""

import os
import shutil
from collections import Counter

import pytest
from calls import Course, Site, restarts, traceable, tried
from oracle import Scene

EVERY = int(os.environ.get("EVERY", "1"))
ERRORS = os.environ.get("ERRORS", "ENOSPC,EIO,EDQUOT,EMFILE,EACCES,EROFS,EINTR").split(",")
SHORT = 4
TOLD = ("in/", "out", "done", "quarantine")
"""Where a call that fails must be told of: what belongs to the state alone is often done otherwise, or again."""
TIDYING = ("rmdir", "unlink", "unlinkat")
QUIET = ("state/status.", "state/breadcrumbs/", "log")

pytestmark = [
    pytest.mark.skipif(not traceable(), reason="strace is not installed, or may not trace here"),
    pytest.mark.timeout(24 * 3600),
]


@pytest.fixture(scope="module", params=["daemon", "worker"])
def course(request, tmp_path_factory):
    """What nothing disturbed: the outputs, and the calls by which the daemon or the worker came to them."""
    root = tmp_path_factory.mktemp("calls")
    with restarts() as starts:
        course = Course(root / "undisturbed", starts)
        assert course.run(request.param) == 0, course.place.log()
        sites = course.sites(request.param)
        kinds = {site.call for site in sites}
        assert {"write", "pwrite64", "fsync", "rename", "mkdir", "openat"} <= kinds
        yield (root, starts), sites, Scene(course.place.root).outputs()


def test_killed_at_some_calls_nothing_is_lost(course):
    where, sites, expected = course
    killed(where, sample(deadly(sites)), expected)


@pytest.mark.trial
def test_killed_at_every_call_nothing_is_lost(course):
    where, sites, expected = course
    killed(where, deadly(sites)[::EVERY], expected)


def test_some_calls_that_fail_lose_nothing(course):
    where, sites, expected = course
    failed(where, sample(sites), ["EIO", "ENOSPC"], expected)


@pytest.mark.trial
@pytest.mark.parametrize("error", ERRORS)
def test_every_call_that_fails_once_loses_nothing(course, error):
    where, sites, expected = course
    failed(where, sites[::EVERY], [error], expected)


def sample(sites: list[Site]) -> list[Site]:
    """A few sites that do different things, far from one another: the first of its kind comes where it is awaited."""
    kinds: dict[tuple[str, str, str], Site] = {}
    for site in sites:
        if not site.path.startswith(QUIET):
            kinds.setdefault(site.kind, site)
    return list(kinds.values())[:: len(kinds) // SHORT][:SHORT]


def deadly(sites: list[Site]) -> list[Site]:
    """The sites at which a kill can leave something else on the disk than at the one before."""
    return [site for site in sites if site.changes and site.path != "log"]


def killed(where, sites, expected):
    root, starts = where
    tally = Tally("kills")
    for site in sites:
        wrong, course, code = met(root / "one", starts, site, "signal=KILL", expected)
        if site.who == "daemon" and code != -9:
            wrong.append(f"missed: the daemon ended with {code}")
        tally.add(site, wrong, course)
    tally.judge(len(sites))


def failed(where, sites, errors, expected):
    root, starts = where
    tally = Tally(", ".join(errors))
    for place, site in enumerate(sites):
        error = errors[place % len(errors)]
        wrong, course, code = met(root / "one", starts, site, f"error={error}", expected)
        tally.ends[code] += 1
        # Jobs differ from run to run, and with them what the call of that number is on.
        meant = f"{course.place.root}/{site.path.partition('/')[0]}/" in (course.injected(site) or "")
        meant &= not site.refused  # whichever error comes, one looks whether the folder is there
        if meant and error != "EINTR" and site.path.startswith(TOLD) and site.call not in TIDYING:
            wrong += [] if code == 69 or told(course.place.log()) else ["no line in the log says so"]
        tally.add(site, wrong, course)
    tally.judge(len(sites))


def met(root, starts, site, inject, expected):
    """A course with the injection, gone through again where the call did not come: jobs differ from run to run."""
    for _ in range(2):
        wrong, course, code = tried(root, starts, site, inject, expected)
        if not wrong or not all(line.startswith("missed") for line in wrong):
            return wrong, course, code
        course.place.end()
        shutil.rmtree(course.place.root)
    return tried(root, starts, site, inject, expected)


def told(log: str) -> bool:
    """Whether the log complains of anything but that the input is bad which is so from the beginning."""
    lines = [line for line in log.splitlines() if '"level": "warning"' in line or '"level": "error"' in line]
    return any('"event": "quarantined"' not in line and "py.warnings" not in line for line in lines)


class Tally:
    """What was tried, and what went wrong."""

    def __init__(self, what):
        self.what = what
        self.wrong = {}
        self.missed = 0
        self.ends = Counter()

    def add(self, site, wrong, course):
        course.place.end()
        missed = [line for line in wrong if line.startswith("missed")]
        self.missed += bool(missed)
        if len(wrong) > len(missed):
            self.wrong[str(site)] = [line for line in wrong if line not in missed]
            print(f"{self.what}: {site}: {self.wrong[str(site)]}\n{course.place.log()}", flush=True)
        shutil.rmtree(course.place.root)

    def judge(self, tried):
        print(f"{self.what}: {tried} calls, {self.missed} missed, exits {dict(self.ends)}, {len(self.wrong)} wrong")
        assert self.wrong == {}
        assert self.missed <= tried / 20 + 1, "hardly a call came where it was awaited"
