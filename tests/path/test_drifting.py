"""A running daemon tells when its answers part from those that its models gave of the test set, and not sooner."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from daemons import Place, wait_until
from test_http import ANYWHERE, address, get, values
from tiny import make_bundle

from classifyd.bundles import Store
from classifyd.service.drifting import FILE

TEXTS = [f"{word} {number}" for number in range(150) for word in ("win a prize", "hello maria", "monday", "berlin ☃☃☃")]
OTHERS = {"spam": {"ham": 990, "spam": 10}, "topic": {"ham": 10, "spam": 990}}


def status(place: Place, *more: str) -> str:
    command = [Path(sys.executable).with_name("classifyd"), "status", "--config", place.root / "config.toml", *more]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def drop(place: Place, name: str, texts: list[str]) -> None:
    place.drop(name, "".join(json.dumps({"text": text}) + "\n" for text in texts))
    wait_until(lambda: name in place.files("done"), place=place)


def said(place: Place, task: str, name: str) -> dict[str, int]:
    """How often the model gave each label."""
    labels = [record["annotations"][task]["label"] for record in place.records(f"{name}.jsonl")]
    return {label: labels.count(label) for label in ("ham", "spam")}


@pytest.fixture
def here(place) -> Place:
    made = place(tasks=("spam", "topic"), listen=ANYWHERE)
    store = Store(made.root / "models")
    # What it says of TEXTS is known only once it has said it: two baselines, of which at least one is far from that.
    for task, labels in OTHERS.items():
        baseline = {"labels": labels, "score_mean": 0.5, "score_deviation": 10.0, "unknown_share": 0.0}
        make_bundle(store, task, ["ham", "spam"], baseline=baseline, seed=1)
    return made


def test_drift_is_told_by_the_metrics_status_and_the_page_from_enough_records_on(here: Place) -> None:
    here.start()
    url = address(here)
    drop(here, "few.jsonl", TEXTS[:400])
    wait_until(lambda: values(url).get("classifyd_drift_records,task=spam") == 400, place=here)
    assert [name for name in values(url) if name.startswith("classifyd_drift,")] == []
    assert "drifts" not in status(here)

    drop(here, "rest.jsonl", TEXTS[400:])
    wait_until(lambda: values(url)["classifyd_drift_records,task=spam"] == len(TEXTS), place=here)
    told = values(url)
    found = {task: told[f"classifyd_drift,measure=labels,task={task}"] for task in ("spam", "topic")}
    assert max(found.values()) > 0.25
    assert told["classifyd_drift,measure=unknown,task=spam"] > 0.1, (
        "every fourth text is full of what no vocabulary has"
    )
    assert told["classifyd_unknown_tokens_total,task=spam"] >= 150
    assert told["classifyd_drift,measure=score,task=spam"] < 0.5
    assert "classifyd_drift,measure=review,task=spam" not in told, "its bundle has no baseline of that"

    far = max(found, key=found.__getitem__)
    wait_until(lambda: f"{far}@1 drifts, over the last 600 records: label mix" in status(here), place=here)
    document = json.loads(status(here, "--json"))["daemon"]["drift"][far]
    assert (document["version"], document["records"]) == (1, 600)
    [mix] = [one for one in document["partings"] if one["measure"] == "labels"]
    assert (mix["value"], mix["bound"]) == (pytest.approx(found[far], abs=1e-3), 0.25)
    models = {one["task"]: one for one in json.loads(get(f"{url}/api/status")[1])["models"]}
    assert models[far]["drift"]["warnings"][0].startswith("label mix")
    assert models[far]["drift"]["unknown"] == ["share for review"]


def test_answers_as_at_the_making_raise_no_alarm_and_a_new_version_begins_anew(here: Place) -> None:
    with (here.root / "config.toml").open("a") as file:
        file.write("\n[tasks.topic]\ndrift_warning = false\n")
    here.start()
    url = address(here)
    drop(here, "texts.jsonl", TEXTS)
    same = {"labels": said(here, "spam", "texts.jsonl")}
    make_bundle(Store(here.root / "models"), "spam", ["ham", "spam"], baseline=same, seed=1)
    wait_until(lambda: "classifyd_model_info,task=spam,version=2" in values(url), place=here)
    wait_until(lambda: values(url)["classifyd_drift_records,task=spam"] == 0, place=here)

    drop(here, "again.jsonl", TEXTS)
    wait_until(lambda: values(url)["classifyd_drift_records,task=spam"] == len(TEXTS), place=here)
    assert values(url)["classifyd_drift,measure=labels,task=spam"] < 0.01
    assert values(url)["classifyd_drift_records,task=topic"] == 2 * len(TEXTS)
    wait_until(lambda: json.loads(status(here, "--json"))["daemon"]["drift"]["spam"]["records"] == 600, place=here)
    assert "drifts" not in status(here), "topic, which may have drifted, is not to be warned of"


def drifts(url: str) -> dict[str, float]:
    return {name: value for name, value in values(url).items() if name.startswith("classifyd_drift")}


def begun_again(place: Place) -> str:
    """A daemon more, and where it listens once it takes inputs."""
    starts = place.starts()
    place.start()
    wait_until(lambda: place.starts() > starts, place=place)
    return address(place)


def test_the_window_outlives_a_stop_and_a_kill_and_a_damaged_one_is_none(here: Place) -> None:
    url = begun_again(here)
    drop(here, "texts.jsonl", TEXTS)
    wait_until(lambda: values(url).get("classifyd_drift_records,task=spam") == len(TEXTS), place=here)
    before = drifts(url)
    assert here.stop(here.processes[-1]) == 0

    url = begun_again(here)
    wait_until(lambda: drifts(url) == before, place=here)
    wait_until(lambda: "drifts, over the last 600 records" in status(here), place=here)
    here.kill_everything(here.processes[-1])

    url = begun_again(here)
    wait_until(lambda: drifts(url) == before, place=here)
    here.kill_everything(here.processes[-1])

    file = here.root / "state" / FILE
    file.write_text(file.read_text().replace('"records": ', '"records": 1'))
    url = begun_again(here)
    wait_until(lambda: drifts(url) == {f"classifyd_drift_records,task={task}": 0 for task in OTHERS}, place=here)
    assert '"drift_not_read"' in here.log()
