"""What is wrong with an input, a plugin or a folder costs only itself."""

import gzip
import json
import os
import shutil
import time
from pathlib import Path

import pytest
import tiny
from daemons import descendants, inbox, wait_until

from classifyd import beneath, bundles


def labels(here, name):
    return [r["annotations"].get("shouting", {}).get("label") for r in here.records(name)]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("binary.txt", bytes(range(256)) * 20, ""),
        ("truncated.jsonl.gz", gzip.compress(b'{"text": "hello"}\n' * 5000)[:-60], ""),
        ("broken.json", b'[{"text": "hello"}, {"text"', ""),
        ("notext.csv", b"a,b\n1,2\n", ""),
    ],
)
def test_an_unreadable_file_is_quarantined_with_its_reason(place, name, content, why):
    here = place()
    here.drop(name, content)
    here.drop("fine.txt", "hello")

    assert 1 == here.once()

    assert {name, f"{name}.reason.json"} == here.files("quarantine")
    reason = here.reason(name)
    assert ("in", name) == (reason["inbox"], reason["path"])
    assert name in reason["reason"]
    assert {"fine.txt.jsonl"} == here.files("out")
    assert [] == here.claimed()


def test_links_fifos_and_sockets_are_never_opened_but_quarantined(place):
    here = place()
    (here.root / "secret").write_text("secret")
    (here.root / "in/link.txt").symlink_to(here.root / "secret")
    os.mkfifo(here.root / "in/fifo.txt")

    assert 1 == here.once(timeout=60)

    assert "not a regular file" in here.reason("link.txt")["reason"]
    assert "not a regular file" in here.reason("fifo.txt")["reason"]
    assert set() == here.files("out")


def drop_far_down(here, length):
    """Drop a file whose path below the inbox has so many bytes; the path."""
    folders = "/".join("d" * 200 for _ in range((length - 100) // 201))
    name = f"{folders}/{'f' * (length - len(folders) - 5)}.txt"
    with beneath.made_folder(here.root / "in", folders) as folder:
        descriptor = os.open(Path(name).name, os.O_WRONLY | os.O_CREAT, dir_fd=folder)
        os.write(descriptor, b"hello")
        os.close(descriptor)
    return name


def test_a_path_too_long_for_an_input_is_quarantined_under_one_name_and_holds_nothing_up(place):
    here = place(more="recursive = true")
    fits = drop_far_down(here, 3000)
    here.drop("other.txt", "hello")
    for length in (3001, 3990):
        drop_far_down(here, length)

    assert 1 == here.once(), here.log()

    assert {"other.txt.jsonl", f"{fits}.jsonl"} == here.files("out")
    assert {"other.txt", fits} == here.files("done")
    aside = {name for name in here.files("quarantine") if not name.endswith(".reason.json")}
    assert 2 == len(aside)
    for name in aside:
        assert name.startswith("d" * 100)
        assert "has more than 3,000 bytes; drop it again under a shorter one" in here.reason(name)["reason"]
    assert {3001, 3990} == {len(here.reason(name)["path"]) for name in aside}
    assert '"held"' not in here.log()


def test_an_empty_file_waits_until_it_has_something_to_say(place):
    here = place()
    (here.root / "in/later.txt").touch()
    assert 0 == here.once()
    assert {"later.txt"} == here.files("in")
    (here.root / "in/later.txt").write_text("hello")
    assert 0 == here.once()
    assert {"later.txt.jsonl"} == here.files("out")


def test_a_file_that_still_grows_is_not_taken(place):
    here = place()
    process = here.start()
    path = here.root / "in/growing.txt"
    with path.open("w") as file:
        for _ in range(40):
            file.write("hello ")
            file.flush()
            time.sleep(0.05)
            assert path.exists()
    wait_until(lambda: "growing.txt.jsonl" in here.files("out"), place=here)

    assert "hello " * 40 == here.records("growing.txt.jsonl")[0]["text"].rstrip() + " "
    assert 0 == here.stop(process)


def test_a_file_that_changes_while_it_is_processed_is_processed_anew(place):
    here = place(tasks=("slow",))
    path = here.drop("a.txt", "before")
    writer = path.open("a")
    process = here.start(more={"SLOW_SECONDS": "1"})
    wait_until(lambda: '"event": "claimed"' in here.log(), place=here)
    writer.write(" and after")
    writer.close()
    wait_until(lambda: "a.txt.jsonl" in here.files("out"), place=here)

    assert ["before and after"] == [r["text"] for r in here.records("a.txt.jsonl")]
    assert "input_changed" in here.log()
    assert 0 == here.stop(process)


def test_a_file_that_vanishes_while_claimed_leaves_no_trace(place):
    here = place(tasks=("slow",))
    here.drop("a.txt", "hello")
    process = here.start(more={"SLOW_SECONDS": "1"})
    wait_until(here.claimed, place=here)
    here.claimed()[0].unlink()
    wait_until(lambda: "input_vanished" in here.log(), place=here)

    assert 0 == here.stop(process)
    assert set() == here.files("out") | here.files("quarantine")


@pytest.mark.parametrize("deed", ["RAISE", "EXIT", "CRASH"])
def test_a_poisoned_record_costs_only_itself(place, deed):
    here = place()
    texts = ["hello"] * 300
    texts[123] = f"please {deed}"
    here.drop("rows.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in texts))
    here.drop("other.txt", "HELLO")

    assert 0 == here.once()

    assert ["loud"] == labels(here, "other.txt.jsonl")
    records = here.records("rows.jsonl.jsonl")
    assert [123] == [r["index"] for r in records if r["errors"]]
    assert "PredictionFailed" == records[123]["errors"]["shouting"]["type"]
    assert 299 == sum(label == "calm" for label in labels(here, "rows.jsonl.jsonl"))
    if deed != "RAISE":
        assert here.log().count("worker_died") <= 2 + 9 + 1  # one death may have parted the two files


def test_a_record_that_hangs_is_killed_on_the_deadline(place):
    here = place(load_seconds=8)
    here.drop("a.txt", "please HANG")
    here.drop("b.txt", "HELLO")

    assert 0 == here.once()

    assert ["loud"] == labels(here, "b.txt.jsonl")
    assert "deadline" in here.records("a.txt.jsonl")[0]["errors"]["shouting"]["message"]


def test_a_task_that_fails_on_everything_makes_its_inputs_wait_and_no_others(place):
    other = inbox('["shouting"]', done="done2").replace('"in"', '"other"').replace('"out"', '"out2"')
    inboxes = inbox('["sick"]') + other.replace('"quarantine"', '"quarantine2"')
    here = place(inboxes=inboxes)
    (here.root / "other").mkdir(exist_ok=True)
    flag = here.root / "flag"
    flag.touch()
    process = here.start(more={"SICK_WHILE": str(flag)})
    for number in range(2):
        here.drop(f"{number}.txt", "hello")
        wait_until(lambda number=number: f"{number}.txt.jsonl" in here.files("out"), place=here)
    here.drop("2.txt", "hello")
    wait_until(lambda: "task_held" in here.log(), place=here)
    for number in range(3, 6):
        here.drop(f"{number}.txt", "hello")
    here.drop("fine.txt", "HELLO", inbox="other")
    wait_until(lambda: "fine.txt.jsonl" in here.files("out2"), place=here)
    assert {"0.txt.jsonl", "1.txt.jsonl"} == here.files("out")

    flag.unlink()
    wait_until(lambda: 6 == len(here.files("out")), place=here)
    assert "task_recovered" in here.log()
    assert 0 == here.stop(process)


def test_a_killed_worker_is_replaced_and_its_job_done_again(place):
    here = place(tasks=("slow",))
    process = here.start(more={"SLOW_SECONDS": "0.5"})
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    for number in range(4):
        here.drop(f"{number}.txt", "hello")
    for _ in range(2):
        wait_until(here.claimed, place=here)
        time.sleep(0.3)
        for pid in descendants(process.pid):
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
    wait_until(lambda: 4 == len(here.files("out")), place=here)

    assert all(not r["errors"] for name in here.files("out") for r in here.records(name))
    assert 0 == here.stop(process)


def test_an_idle_worker_that_is_killed_is_replaced(place):
    here = place()
    process = here.start()
    wait_until(lambda: '"event": "started"' in here.log(), place=here)
    for pid in descendants(process.pid):
        os.kill(pid, 9)
    time.sleep(0.5)
    here.drop("a.txt", "hello")
    wait_until(lambda: "a.txt.jsonl" in here.files("out"), place=here)

    assert [{}] == [r["errors"] for r in here.records("a.txt.jsonl")]
    assert 0 == here.stop(process)


def test_workers_end_when_the_daemon_alone_is_killed(place):
    here = place(tasks=("slow",), workers=2)
    process = here.start(more={"SLOW_SECONDS": "60"})
    here.drop("a.txt", "hello")
    crumbs = here.root / "state/breadcrumbs"
    wait_until(lambda: any("predicting" in path.read_text() for path in crumbs.glob("*")), place=here)
    workers = descendants(process.pid)
    assert workers
    process.kill()
    process.wait()

    wait_until(lambda: not any(alive(pid) for pid in workers), seconds=10)


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_an_output_folder_that_cannot_be_written_makes_its_inbox_wait(place):
    here = place()
    here.drop("a.txt", "hello")
    (here.root / "out").write_text("a file where the folder should be")
    process = here.start()
    wait_until(lambda: '"event": "held"' in here.log(), place=here)
    assert {"a.txt"} == here.files("in")

    (here.root / "out").unlink()
    wait_until(lambda: {"a.txt"} == here.files("done"), place=here)
    assert {"a.txt.jsonl"} == here.files("out")
    assert 0 == here.stop(process)


def test_a_file_whose_claim_is_refused_waits_by_itself_and_is_taken_once_it_can_be(place):
    here = place()
    (here.root / "denied").touch()
    for name in ("a.txt", "b.txt"):
        here.drop(name, "hello")
    process = here.start(more={"DENIED": "a.txt", "HOLD_SECONDS": "0.2"})
    held = lambda: json.loads((here.root / "state/status.json").read_text())["held"]  # noqa: E731  # asked often
    wait_until(lambda: {"b.txt"} == here.files("done"), place=here)
    wait_until(held, place=here)
    time.sleep(2)

    assert {"a.txt"} == here.files("in")
    assert "a.txt: Permission denied" in held()["files of in"]
    assert 1 == here.log().count("not_claimed"), "tried again without a word"
    (here.root / "denied").unlink()
    wait_until(lambda: {"a.txt", "b.txt"} == here.files("done"), place=here)
    wait_until(lambda: not held(), place=here)
    assert 0 == here.stop(process)


@pytest.mark.parametrize("how", ["path", "bug"])
def test_an_input_that_cannot_be_ended_waits_by_itself_and_the_rest_of_its_inbox_goes_on(place, how):
    here = place()
    (here.root / "spoiled").touch()
    for name in ("a.txt", "b.txt"):
        here.drop(name, "hello")
    process = here.start(more={"SPOILED": f"a.txt {how}", "HOLD_SECONDS": "0.2"})
    wait_until(lambda: {"b.txt"} == here.files("done"), place=here)
    here.drop("later.txt", "hello")
    wait_until(lambda: {"b.txt", "later.txt"} == here.files("done"), place=here)
    held = lambda: json.loads((here.root / "state/status.json").read_text())["held"]  # noqa: E731  # asked often
    wait_until(held, place=here)
    assert ["files of in"] == list(held())
    assert "waits by itself" in held()["files of in"]
    assert 1 == here.log().count('"not_ended"'), "tried again without a word"

    (here.root / "spoiled").unlink()
    wait_until(lambda: {"a.txt", "b.txt", "later.txt"} == here.files("done"), place=here)
    wait_until(lambda: not held(), place=here)
    assert {"a.txt.jsonl", "b.txt.jsonl", "later.txt.jsonl"} == here.files("out")
    assert 0 == here.stop(process)


def test_once_ends_though_an_input_cannot_be_ended_and_says_so(place):
    here = place()
    (here.root / "spoiled").touch()
    here.drop("a.txt", "hello")
    assert 1 == here.once(more={"SPOILED": "a.txt path"})
    (told,) = (json.loads(line) for line in here.log().splitlines() if "still_waiting" in line)
    assert "a.txt: File name too long; it waits by itself" in told["reasons"]["files of in"]


def test_where_the_state_folder_is_taken_away_nothing_is_published_until_it_is_back(place):
    here = place()
    process = here.start(more={"HOLD_SECONDS": "0.2"})
    wait_until(lambda: here.starts() == 1, place=here)
    (here.root / "state").rename(here.root / "away")
    (here.root / "state").mkdir()
    here.drop("a.txt", "hello")
    wait_until(lambda: "it was taken away" in here.log(), place=here)
    time.sleep(2)
    assert set() == here.files("out") | here.files("done")

    shutil.rmtree(here.root / "state")
    (here.root / "away").rename(here.root / "state")
    wait_until(lambda: {"a.txt"} == here.files("done"), place=here)
    assert {"a.txt.jsonl"} == here.files("out")
    assert 0 == here.stop(process)


def test_a_file_from_the_far_future_is_an_input_like_others(place):
    here = place()
    file = here.drop("a.txt", "hello")
    os.utime(file, ns=(0, 10_500_000_000 * 10**9))  # the year 2302, which 64 bits of nanoseconds do not hold
    assert 0 == here.once()
    assert {"a.txt"} == here.files("done")


def away_and_back(here, event):
    """Take the inbox away until the log tells of that, and put it back."""
    (here.root / "in").rename(here.root / "elsewhere")
    wait_until(lambda: f'"event": "{event}"' in here.log(), place=here)
    (here.root / "elsewhere").rename(here.root / "in")


def test_an_input_in_work_when_its_inbox_is_away_for_a_moment_is_answered_without_a_restart(place):
    here = place(tasks=("slow",))
    here.drop("a.jsonl", "".join(f'{{"text": "line {number}"}}\n' for number in range(300)))
    process = here.start(more={"HOLD_SECONDS": "0.2", "SLOW_SECONDS": "0.01"})
    wait_until(here.claimed, place=here)
    away_and_back(here, "input_vanished")

    wait_until(lambda: {"a.jsonl"} == here.files("done"), place=here)
    assert 300 == len(here.records("a.jsonl.jsonl"))
    assert {"a.jsonl.jsonl"} == here.files("out")
    assert [] == here.claimed()
    assert 0 == here.stop(process)


def test_an_input_whose_inbox_is_away_while_it_is_retired_is_retired_later_and_answered_once(place):
    here = place()
    here.drop("a.txt", "hello")
    process = here.start(more={"HOLD_SECONDS": "0.2", "LINGER": "removals.move"})
    wait_until((here.root / "lingering").exists, place=here)
    away_and_back(here, "held")

    wait_until(lambda: {"a.txt"} == here.files("done"), place=here)
    wait_until(lambda: [] == here.claimed(), place=here)
    assert {"a.txt.jsonl"} == here.files("out")
    assert 0 == here.stop(process)


def test_an_input_that_cannot_be_looked_at_right_after_its_claim_is_taken_up_without_a_restart(place):
    here = place()
    here.drop("a.txt", "hello")
    process = here.start(more={"HOLD_SECONDS": "0.2", "BLIND": "1"})

    wait_until(lambda: {"a.txt"} == here.files("done"), place=here)
    assert "Input/output error" in here.log()
    assert 1 == len(here.records("a.txt.jsonl"))
    assert 0 == here.stop(process)


def test_once_ends_though_a_claim_is_refused_and_says_so(place):
    here = place()
    (here.root / "denied").touch()
    here.drop("a.txt", "hello")

    assert 1 == here.once(more={"DENIED": "a.txt"})
    assert {"a.txt"} == here.files("in")
    (told,) = (json.loads(line) for line in here.log().splitlines() if "still_waiting" in line)
    assert 1 == told["files"]
    assert "a.txt: Permission denied" in told["reasons"]["files of in"]


def test_a_state_folder_that_cannot_be_used_ends_the_start_with_a_sentence(place):
    here = place()
    (here.root / "state").write_text("a file where the folder should be")

    assert 69 == here.once()
    assert "state" in here.log()
    assert "Traceback" not in here.log()


def test_once_says_what_still_waits(place):
    here = place()
    here.drop("a.txt", "hello")
    (here.root / "out").write_text("a file where the folder should be")

    assert 1 == here.once()
    assert "still_waiting" in here.log()
    assert {"a.txt"} == here.files("in")


def test_a_message_in_place_that_is_flagged_while_it_waits_is_still_labelled_once(place):
    here = place(tasks=("slow",), done=None, more='take = "leave"')
    for folder in ("new", "cur", "tmp"):
        (here.root / "in" / folder).mkdir()
    for number in range(3):
        (here.root / f"in/new/{number}.host").write_text("Subject: hi\n\nHello there.\n")
    process = here.start(more={"SLOW_SECONDS": "0.5"})
    wait_until(lambda: '"event": "claimed"' in here.log(), place=here)
    for number in range(3):
        (here.root / f"in/new/{number}.host").rename(here.root / f"in/cur/{number}.host:2,S")
    wait_until(lambda: 3 == len(here.files("out")), place=here)
    time.sleep(1)

    assert 0 == here.stop(process)
    assert 3 == len(here.files("out"))
    assert {f"cur/{number}.host:2,S" for number in range(3)} == here.files("in")


def test_a_file_in_place_that_changes_while_it_waits_is_labelled_once_as_it_is_now(place):
    here = place(tasks=("slow",), done=None, more='take = "leave"')
    path = here.drop("a.txt", "one")
    process = here.start(more={"SLOW_SECONDS": "1"})
    wait_until(lambda: '"event": "claimed"' in here.log(), place=here)
    path.write_text("one two")
    wait_until(lambda: here.files("out"), place=here)
    time.sleep(2)

    assert 0 == here.stop(process)
    assert ["one two"] == [r["text"] for name in here.files("out") for r in here.records(name)]


def test_a_name_that_is_not_utf8_passes_in_place_too(place):
    here = place(done=None, more='take = "leave"')
    (here.root / "in" / os.fsdecode(b"caf\xe9.txt")).write_text("hello")

    assert 0 == here.once()
    assert 0 == here.once()
    assert 1 == len(here.files("out"))


@pytest.mark.parametrize("deed", ["raise", "refuse", "exit"])
@pytest.mark.parametrize("lines", [3, 30_000])
def test_a_reader_that_fails_costs_its_input_and_nothing_else(place, deed, lines):
    here = place(split_seconds=0.1)
    here.drop("a.troubled", f"{deed}\n" + "hello\n" * lines)
    here.drop("b.txt", "HELLO")

    assert 1 == here.once()

    assert {"a.troubled", "a.troubled.reason.json"} == here.files("quarantine")
    assert ["loud"] == labels(here, "b.txt.jsonl")
    assert here.log().count("worker_died") <= (4 if deed == "exit" else 0)


def test_a_file_where_a_folder_should_be_stops_nothing(place):
    here = place(more="recursive = true")
    here.drop("report", "hello")
    assert 0 == here.once()
    here.drop("report/x.txt", "one")
    here.drop("y.txt", "two")

    assert 0 == here.once()

    assert {"report", "report%2Fx.txt", "y.txt"} == here.files("done")


@pytest.mark.parametrize("thing", ["file", "link"])
def test_what_comes_to_stand_in_the_way_of_an_outputs_folder_meanwhile_stops_nothing(place, thing):
    here = place(tasks=("slow",), more="recursive = true")
    here.drop("x.jsonl/a.txt", "one")
    process = here.start(more={"SLOW_SECONDS": "1"})
    wait_until(here.claimed, place=here)
    if thing == "file":
        (here.root / "out/x.jsonl").write_text("the answer to a file x")
    else:
        (here.root / "elsewhere").mkdir()
        (here.root / "out/x.jsonl").symlink_to(here.root / "elsewhere")
    wait_until(lambda: '"event": "held"' in here.log() or here.files("done"), place=here)

    assert {"x.jsonl/a.txt"} == here.files("done")
    assert {"x.jsonl%2Fa.txt.jsonl"} == here.files("out") - {"x.jsonl"}
    assert set() == here.files("elsewhere")
    assert 0 == here.stop(process)


def test_an_outputs_folder_that_was_taken_away_with_the_output_and_replaced_by_a_file_stops_nothing(place):
    here = place(more="recursive = true")
    here.drop("x.jsonl/a.txt", "one")
    assert -9 == here.once(more={"DIE": "before publish.published"}), here.log()
    shutil.rmtree(here.root / "out/x.jsonl")
    (here.root / "out/x.jsonl").write_text("the answer to a file x")

    assert 0 == here.once(), here.log()
    assert {"x.jsonl/a.txt"} == here.files("done")
    assert {"x.jsonl"} == here.files("out"), "answered once"


def test_a_sub_folder_that_becomes_a_link_while_its_file_is_in_work_stops_nothing(place):
    here = place(tasks=("slow",), more="recursive = true")
    here.drop("sub.tmp/a.txt", "one")
    process = here.start(more={"SLOW_SECONDS": "1"})
    wait_until(here.claimed, place=here)
    (here.root / "in/sub.tmp").rmdir()
    (here.root / "in/sub.tmp").symlink_to("/proc")  # it cannot be fsynced; by its name no scan takes it
    wait_until(lambda: '"event": "held"' in here.log() or here.files("done"), place=here)

    assert {"sub.tmp/a.txt"} == here.files("done")
    assert '"event": "held"' not in here.log()
    assert 0 == here.stop(process)


def test_a_damaged_bundle_is_named_with_its_file_and_digest(place, tmp_path):
    store = bundles.Store(tmp_path / "models")
    here = place(tasks=("spam",))
    tiny.make_bundle(store, "spam", ("ham", "spam"))
    store.promote("spam", 1)
    model = tmp_path / "models/spam/1/model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"x")

    assert 78 == here.once()
    assert all(word in here.log() for word in ("spam/1/model.onnx", "sha256"))


def test_an_unknown_task_is_a_fault_of_the_configuration(place):
    here = place(tasks=("shoutin",))

    assert 78 == here.once()
    assert 'Did you mean "shouting"' in here.log().replace("\\", "")


def test_a_missing_bundle_names_its_task(place):
    here = place(tasks=("spam",))

    assert 78 == here.once()
    assert "spam" in here.log()


def test_an_input_of_which_several_ranges_cannot_be_read_is_quarantined_once(place, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"text": [f"{number:0>4000}" for number in range(600)]})
    path = tmp_path / "made.parquet"
    pq.write_table(table, path, row_group_size=10, compression="none", use_dictionary=False)
    groups = pq.ParquetFile(path).metadata
    data = bytearray(path.read_bytes())
    for number in range(5, groups.num_row_groups):  # the first ones tell that a job can take many
        start = groups.row_group(number).column(0).data_page_offset
        data[start : start + 64] = b"\xff" * 64
    here = place(split_seconds=0.5)
    here.drop("table.parquet", bytes(data))

    assert 1 == here.once()

    assert {"table.parquet", "table.parquet.reason.json"} == here.files("quarantine")
    assert 1 == here.log().count('"event": "quarantined"')
    assert "Traceback" not in here.log()
