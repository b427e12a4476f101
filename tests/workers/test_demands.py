"""What a node lacks is said before a worker begins there."""

from dataclasses import replace

import pytest

from classifyd.offers import Admission
from classifyd.workers.demands import PROOF, Demands, Sharing

ALL = Admission()


@pytest.fixture
def shared(tmp_path):
    for name in ("state", "in"):
        (tmp_path / name).mkdir()
    mark = tmp_path / "in" / "held.lock"
    mark.touch()
    return Demands.here(ALL, Sharing.proved(tmp_path / "state", (tmp_path / "in",), {tmp_path / "in": mark}))


def lacks(demands):
    return [str(lack) for lack in demands.lacks(ALL)]


def test_the_machine_that_made_them_meets_them(shared):
    assert [] == lacks(shared)


def test_a_folder_that_a_node_does_not_see_is_named(shared, tmp_path):
    (tmp_path / "in" / "held.lock").unlink()
    (tmp_path / "in").rmdir()

    [lack] = lacks(shared)
    assert lack.startswith(f"does not see the folder {tmp_path / 'in'}; mount it there at the same path, or set files")


def test_an_inbox_without_the_daemons_mark_is_another_folder(shared, tmp_path):
    (tmp_path / "in" / "held.lock").unlink()

    [lack] = lacks(shared)
    assert lack.startswith(f"has another folder at {tmp_path / 'in'}; mount the same one there")


@pytest.mark.parametrize("text", [None, "another daemon's"])
def test_another_folder_at_the_same_path_is_told_by_its_proof(shared, tmp_path, text):
    (tmp_path / "state" / PROOF).unlink()
    if text is not None:
        (tmp_path / "state" / PROOF).write_text(text)

    [lack] = lacks(shared)
    assert lack.startswith(f"has another folder at {tmp_path / 'state'}; mount the same one there")


def test_versions_that_differ_and_packages_of_one_side_alone_are_named():
    here = Demands.here(ALL)
    there = replace(here, versions={**here.versions, "classifyd": "0.0", "classifyd-days": "1.2"})

    found = lacks(there)

    own = here.versions["classifyd"]
    assert f"has classifyd {own}, the daemon's machine 0.0; install the same version on both" in found
    assert "lacks classifyd-days 1.2; install it there" in found
    [extra] = lacks(replace(here, versions={k: v for k, v in here.versions.items() if k != "Python"}))
    assert extra.endswith("which the daemon's machine has not; install the same packages on both")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Has a package `classifyd-days` 1.2 installed, whose one module has a digest."""
    info = tmp_path / "site/classifyd_days-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: classifyd-days\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[classifyd]\ndays = days\n")
    monkeypatch.syspath_prepend(tmp_path / "site")

    def install(digest, module="days.py"):
        (info / "RECORD").write_text(f"{module},sha256={digest},9\n")

    return install


def test_other_code_under_the_same_version_is_told_with_what_brings_the_same(installed):
    installed("one")
    here = Demands.here(ALL)
    assert [] == lacks(here)
    installed("another")

    [lack] = here.lacks(ALL)
    assert "has other code under the name of classifyd-days 1.2 than the daemon's machine" == lack.what
    assert "pip install --force-reinstall classifyd-days==1.2" == lack.command


def test_an_editable_package_is_known_by_its_version_alone(installed):
    installed("one")
    here = Demands.here(ALL)
    installed("another", "__editable___classifyd_days_1_2_finder.py")

    assert [] == lacks(here)
