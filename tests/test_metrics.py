"""Metrics count what was done and nothing else: no plugin's invention, file's name or text gets out."""

import re
import time

from prometheus_client.parser import text_string_to_metric_families

from classifyd.drift import Drift, Parting
from classifyd.metrics import MOST_LABELS, OTHER, InboxLevel, Levels, Metrics
from classifyd.progress import Progress
from classifyd.reports import Effort, FileReport


def values(metrics: Metrics) -> dict[str, float]:
    """Every sample, by its name and labels."""
    text, _ = metrics.exposition("")
    return {
        sample.name + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def report(**changes: object) -> FileReport:
    facts = {
        "inbox": "mail",
        "source": "secret-name.txt",
        "state": "published",
        "records": 3,
        "errors": 1,
        "reviews": 2,
    }
    return FileReport(**facts | {"output": "/out/secret-name.txt.jsonl", "seconds": 0.5, "waited": 1.0} | changes)  # type: ignore[arg-type]


def test_a_published_input_is_counted_with_its_records_labels_and_times() -> None:
    metrics = Metrics()
    metrics.finished(report(counts={"spam": {"ham": 2, "spam": 1}}, doubts={"spam": {"spam": 1}}), 1000.0)
    found = values(metrics)
    assert found["classifyd_files_total,inbox=mail,state=published"] == 1
    assert found["classifyd_records_total,inbox=mail"] == 3
    assert found["classifyd_record_errors_total,inbox=mail"] == 1
    assert found["classifyd_record_reviews_total,inbox=mail"] == 2
    assert found["classifyd_labels_total,label=ham,task=spam"] == 2
    assert found["classifyd_reviews_total,label=spam,task=spam"] == 1
    assert found["classifyd_file_latency_seconds_sum,inbox=mail"] == 1.5
    assert found["classifyd_file_latency_seconds_bucket,inbox=mail,le=2.5"] == 1
    assert found["classifyd_last_published_timestamp_seconds,inbox=mail"] == 1000.0


def test_a_quarantined_input_is_a_file_and_no_records() -> None:
    metrics = Metrics()
    metrics.begin(["mail"])
    metrics.finished(report(state="quarantined", reason="secret-name.txt: broken"), 1000.0)
    found = values(metrics)
    assert found["classifyd_files_total,inbox=mail,state=quarantined"] == 1
    assert found["classifyd_files_total,inbox=mail,state=published"] == 0
    assert found["classifyd_records_total,inbox=mail"] == 0


def test_no_name_and_no_reason_is_told() -> None:
    metrics = Metrics()
    metrics.finished(report(state="quarantined", reason="secret-name.txt: broken"), 1000.0)
    metrics.finished(report(), 1000.0)
    assert b"secret-name" not in metrics.exposition("")[0]


def test_a_plugin_that_makes_labels_up_is_told_of_up_to_a_number() -> None:
    metrics = Metrics()
    metrics.finished(report(counts={"words": {f"word {number}": 1 for number in range(1000)}}), 1000.0)
    found = {name: value for name, value in values(metrics).items() if name.startswith("classifyd_labels_total")}
    assert len(found) == MOST_LABELS + 1
    assert found[f"classifyd_labels_total,label={OTHER},task=words"] == 1000 - MOST_LABELS


def test_an_effort_is_told_as_sizes_tokens_and_padding() -> None:
    metrics = Metrics()
    metrics.worked("mail", 10, {"spam": Effort(10, 0.5, {8: 1, 2: 2}, 1000, 100)})
    found = values(metrics)
    assert found["classifyd_worked_records_total,inbox=mail"] == 10
    assert found["classifyd_batch_size_count,task=spam"] == 3
    assert found["classifyd_batch_size_sum,task=spam"] == 12
    assert found["classifyd_padding_tokens_total,task=spam"] / found["classifyd_tokens_total,task=spam"] == 0.1
    assert found["classifyd_record_seconds_sum,task=spam"] == 0.05


def test_levels_are_those_of_now() -> None:
    metrics = Metrics()
    inboxes = {"mail": InboxLevel(3, 2, time.time() - 60), "empty": InboxLevel()}
    drift = {"spam": Drift(3, 600, ("labels",), (Parting.of("labels", 0.3, "", ""),)), "topic": Drift(1, 20)}
    metrics.levels = Levels(
        ready=True,
        inboxes=inboxes,
        workers=2,
        busy=1,
        waiting_splits=5,
        serving={"spam": 3, "shouting": None},
        refused=("spam",),
        held=("inbox mail",),
        notices={"crm": 7},
        drift=drift,
        progress=(
            Progress("mail", "a", "1", "cutting", 9),
            Progress("mail", "b", "2", "annotating", 9, seconds_left=5.0),
            Progress("mail", "c", "3", "annotating", 9, seconds_left=70.0),
        ),
    )
    found = values(metrics)
    assert found["classifyd_waiting_files,inbox=mail"] == 3
    assert found["classifyd_claimed_files,inbox=mail"] == 2
    assert found["classifyd_waiting_notices,receiver=crm"] == 7
    assert 60 <= found["classifyd_oldest_file_seconds,inbox=mail"] < 90
    assert found["classifyd_oldest_file_seconds,inbox=empty"] == 0
    assert found["classifyd_model_info,task=spam,version=3"] == 1
    assert found["classifyd_model_info,task=shouting,version="] == 1
    assert (found["classifyd_model_refused,task=spam"], found["classifyd_model_refused,task=shouting"]) == (1, 0)
    assert found["classifyd_held,what=inbox mail"] == 1
    assert found["classifyd_drift,measure=labels,task=spam"] == 0.3
    assert (found["classifyd_drift_records,task=spam"], found["classifyd_drift_records,task=topic"]) == (600, 20)
    assert [name for name in found if name.startswith("classifyd_drift,") and "topic" in name] == []
    assert (found["classifyd_large_files,inbox=mail"], found["classifyd_large_files,inbox=empty"]) == (3, 0)
    assert found["classifyd_large_files_left_seconds,inbox=mail"] == 70
    assert "classifyd_large_files_left_seconds,inbox=empty" not in found
    assert found["classifyd_process_resident_memory_bytes"] > 2**20


def test_every_name_is_ours_and_in_base_units() -> None:
    text = Metrics().exposition("")[0].decode()
    names = re.findall(r"^# TYPE (\S+) \S+$", text, re.MULTILINE)
    assert [name for name in names if not name.startswith("classifyd_")] == []
    assert [name for name in names if re.search(r"_(ms|minutes|mib|kb|percent)(_|$)", name)] == []
