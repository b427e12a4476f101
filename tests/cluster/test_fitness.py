"""What makes a cluster useless is told by `doctor` with what mends it; a daemon says it before its first claim."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from clusters import NO_RAY, begun, need_ray, on_cluster, refused, shadowing
from daemons import wait_until

CLASSIFYD = Path(sys.executable).with_name("classifyd")


def doctor(here, **more):
    """What it finds of the cluster and its nodes."""
    ran = subprocess.run(
        [CLASSIFYD, "doctor", "--config", here.root / "config.toml", "--json"],
        cwd=here.root,
        env=here.environment(more),
        capture_output=True,
        text=True,
        check=False,
    )
    found = [one for one in json.loads(ran.stdout) if one["about"].startswith(("cluster", "node"))]
    assert (1 if any(one["state"] == "bad" for one in found) else 0) == ran.returncode
    return found


def bad(here, **more):
    return [(one["what"], one["mend"]) for one in doctor(here, **more) if one["state"] == "bad"]


def test_a_fit_cluster_is_told_node_by_node_and_the_running_daemon_is_not_disturbed(two_nodes, place):
    here = two_nodes.give(place(workers=2))
    daemon = here.start()
    here.drop("a.txt", "HELLO")
    wait_until(lambda: "a.txt.jsonl" in here.files("out"), seconds=120, place=here)
    proof = (here.root / "state/shared-with-nodes").read_text()
    found = doctor(here)
    assert proof == (here.root / "state/shared-with-nodes").read_text()
    assert 0 == here.stop(daemon)

    assert {"good"} == {one["state"] for one in found}, found
    assert {f"node {node.name}" for node in two_nodes.nodes} <= {one["about"] for one in found}
    assert "room for 2 workers, 2 are asked for" in found[0]["what"]
    assert "has the same classifyd and plugins and the same folders" in found[1]["what"]


def test_before_the_first_start_doctor_asks_for_the_state_folder(two_nodes, place):
    here = two_nodes.give(place(workers=3))

    assert [
        "3 workers are asked for, and there is room for 2",
        f"{here.root}/state: No such file or directory, so that nobody can tell whether nodes see the same folder",
    ] == [what for what, _ in bad(here)]


def test_auto_finds_the_cluster_of_this_machine_and_says_what_to_do_where_there_is_none(two_nodes, place):
    here = on_cluster(place(workers=1), "auto")
    here.drop("a.txt", "HELLO")

    assert 0 == here.once(more={"RAY_ADDRESS": two_nodes.address}), here.log()
    assert {"a.txt.jsonl"} == here.files("out")
    [(what, mend)] = bad(here, RAY_ADDRESS="127.0.0.1:9")
    assert "[workers] address auto (127.0.0.1:9): nobody answers there (Connection refused)" in what
    assert "on 127.0.0.1: ray start --head --num-cpus=0 --port=9" == mend


def test_without_ray_doctor_says_what_to_install(place):
    here = on_cluster(place(), "127.0.0.1:9")
    path = shadowing(here, ray=NO_RAY)

    assert ['pip install "classifyd[ray]"'] == [mend for _, mend in bad(here, PYTHONPATH=path)]


def test_an_address_at_which_nobody_answers_is_told_with_the_command_that_starts_a_head(place):
    need_ray()
    here = on_cluster(place(), "127.0.0.1:9")

    [(what, mend)] = bad(here)
    assert "[workers] address 127.0.0.1:9: nobody answers there (Connection refused)" in what
    assert "on 127.0.0.1: ray start --head --num-cpus=0 --port=9" == mend


def test_another_ray_on_the_cluster_is_told_by_both(two_nodes, place):
    """Ray itself compares versions: this machine's claims to be another."""
    here = two_nodes.give(place(workers=1))
    path = shadowing(here, sitecustomize="import ray\nours, ray.__version__ = ray.__version__, '2.50.0'\n")

    [(what, mend)] = bad(here, PYTHONPATH=path)
    assert "cannot be had: it runs Ray" in what
    assert mend.startswith("pip install ray==")
    assert what in refused(here, PYTHONPATH=path)


def test_a_plugin_that_a_node_lacks_is_told_with_the_command_that_installs_it(place, tmp_path):
    here = place(workers=1)
    with begun(1, {**os.environ, "PYTHONPATH": ""}, tmp_path / "cluster.log") as nodes:
        nodes.give(here)
        (here.root / "state").mkdir()
        found = bad(here)

    assert [("lacks trouble 1.0", "on 127.0.0.1: pip install trouble==1.0")] == found


@pytest.mark.parametrize("folder", ["in", "out", "state"])
def test_a_folder_of_the_same_path_that_is_another_one_on_a_node_is_told_by_both(place, tmp_path, folder):
    here = place(workers=1)
    here.drop("a.txt", "HELLO")
    assert 0 == here.once(), here.log()  # now all folders are there
    with begun(1, dict(os.environ), tmp_path / "cluster.log", hidden=here.root / folder) as nodes:
        nodes.give(here)
        found = bad(here)
        said = refused(here)

    path = here.root / folder
    known = {"out": f"does not see the folder {path}/.classifyd"}.get(folder, f"has another folder at {path}")
    assert [True] == [what.startswith(known) for what, _ in found], found
    assert known in said
