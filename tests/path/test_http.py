"""A running daemon is seen from outside as docs/metrics.md says, and what is seen never stands in its way."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from daemons import Place, wait_until
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
ANYWHERE = "127.0.0.1:0"


def address(place: Place) -> str:
    """Where the daemon of the moment listens, once it does."""
    wait_until(lambda: '"listening"' in place.log(), place=place)
    return "http://" + re.findall(r'"event": "listening", "address": "([^"]+)"', place.log())[-1]


def get(url: str, **headers: str) -> tuple[int, str]:
    try:
        with urlopen(Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def values(url: str) -> dict[str, float]:
    text = get(f"{url}/metrics")[1]
    return {
        sample.name + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def documented() -> set[str]:
    """The metrics of docs/metrics.md, those that a row only mentions too."""
    page = (ROOT / "docs" / "metrics.md").read_text().partition("## Questions")[0]
    rows = [line for line in page.splitlines() if line.startswith("| `classifyd_")]
    return {name for row in rows for name in re.findall(r"`(classifyd_\w+)`", row)}


def test_the_metrics_are_those_of_the_page_and_name_no_file_and_no_text(place) -> None:
    one = place(listen=ANYWHERE)
    process = one.start()
    url = address(one)
    one.drop("secret-name.txt", "SECRET WORDS")
    one.drop("lines.jsonl", "".join(json.dumps({"text": f"secret {n}"}) + "\n" for n in range(20)))
    (one.root / "in" / "odd-secret.txt").symlink_to("nowhere")
    wait_until(lambda: one.files("done") == {"secret-name.txt", "lines.jsonl"}, place=one)
    wait_until(lambda: values(url)["classifyd_claimed_files,inbox=in"] == 0, place=one)
    text = get(f"{url}/metrics")[1]

    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert set(kinds) == documented()
    assert "secret" not in text.lower()
    found = values(url)
    assert found["classifyd_files_total,inbox=in,state=published"] == 2
    assert found["classifyd_records_total,inbox=in"] == found["classifyd_worked_records_total,inbox=in"] == 21
    assert found["classifyd_labels_total,label=loud,task=shouting"] == 1
    assert found["classifyd_labels_total,label=calm,task=shouting"] == 20
    assert found["classifyd_file_latency_seconds_count,inbox=in"] == 2
    assert 0.2 <= found["classifyd_file_latency_seconds_sum,inbox=in"] < 120
    assert found["classifyd_task_records_total,task=shouting"] == 21
    assert found["classifyd_workers_resident_memory_bytes"] > 2**20
    assert (found["classifyd_ready"], found["classifyd_workers"]) == (1, 1)
    assert found["classifyd_process_resident_memory_bytes"] < 80 * 2**20
    assert one.stop(process) == 0


def test_what_is_open_to_all_and_what_to_the_token(place) -> None:
    one = place(listen=ANYWHERE)
    process = one.start()
    url = address(one)
    wait_until(lambda: get(f"{url}/ready")[0] == 200, place=one)
    assert get(f"{url}/healthy") == (200, "healthy\n")
    assert get(f"{url}/", Host="evil.example")[0] == 421
    assert get(f"{url}/api/results")[0] == 401
    file = one.root / "state" / "http-token"
    assert file.stat().st_mode & 0o777 == 0o600

    link = page(one)
    assert link.returncode == 0, link.stderr
    assert link.stdout.strip() == f"{url}/#token={file.read_text().strip()}"
    one.drop("a.txt", "HELLO")
    wait_until(lambda: "a.txt" in one.files("done"), place=one)
    bearer = {"Authorization": f"Bearer {file.read_text().strip()}"}
    wait_until(lambda: json.loads(get(f"{url}/api/results", **bearer)[1])["results"], place=one)
    [result] = json.loads(get(f"{url}/api/results", **bearer)[1])["results"]
    assert (result["source"], result["text"]) == ("a.txt", "HELLO")
    assert result["annotations"]["shouting"]["label"] == "loud"
    assert one.stop(process) == 0
    assert page(one).returncode == 69


def page(place: Place) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("classifyd"), "status", "--page", "--config", place.root / "config.toml"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def taken() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


def test_an_address_that_was_asked_for_and_is_taken_ends_the_daemon_before_it_claims_anything(place) -> None:
    with taken() as busy:
        one = place(listen=busy)
        one.drop("a.txt", "hello")
        process = one.start()
        assert process.wait(60) == 69
        assert f"[http] listen: {busy}: Address already in use; name another port" in one.log()
        assert one.files("in") == {"a.txt"}


def test_the_default_address_that_another_daemon_has_is_gone_without(place) -> None:
    one = place()
    config = one.root / "config.toml"
    config.write_text(config.read_text().replace('[http]\nlisten = ""\n', ""))
    try:
        other = socket.create_server(("127.0.0.1", 9464))
    except OSError:
        other = socket.socket()  # somebody else's, which serves as well
    with other:
        process = one.start()
        one.drop("a.txt", "hello")
        wait_until(lambda: "a.txt" in one.files("done"), place=one)
        assert '"http_unavailable"' in one.log()
        assert one.stop(process) == 0


def test_nothing_listens_for_once_or_where_it_is_switched_off(place) -> None:
    one = place(listen=ANYWHERE)
    one.drop("a.txt", "hello")
    assert one.once() == 0
    one = place()
    process = one.start()
    wait_until(lambda: one.starts() == 2, place=one)
    assert '"listening"' not in one.log()
    assert one.stop(process) == 0


def test_a_hup_leaves_the_counters_and_the_address_as_they_are(place) -> None:
    one = place(listen=ANYWHERE)
    process = one.start()
    url = address(one)
    one.drop("a.txt", "hello")
    wait_until(lambda: "a.txt" in one.files("done"), place=one)
    process.send_signal(1)
    wait_until(lambda: '"event": "reloaded"' in one.log(), place=one)
    found = values(url)
    assert found["classifyd_files_total,inbox=in,state=published"] == 1
    assert found["classifyd_reloads_total,result=taken up"] == 1

    # An address that cannot be had is refused as a whole configuration is, and the old one goes on.
    with taken() as busy:
        config = one.root / "config.toml"
        config.write_text(config.read_text().replace(ANYWHERE, busy))
        process.send_signal(1)
        wait_until(lambda: '"event": "reload_failed"' in one.log(), place=one)
    wait_until(lambda: get(f"{address(one)}/ready")[0] == 200, place=one)
    assert values(address(one))["classifyd_reloads_total,result=refused"] == 1
    assert one.stop(process) == 0


def test_a_hup_takes_up_another_token_and_the_old_one_opens_nothing(place) -> None:
    one = place(listen=ANYWHERE)
    process = one.start()
    address(one)
    file = one.root / "state" / "http-token"
    old = file.read_text().strip()
    file.unlink()
    process.send_signal(1)
    wait_until(lambda: one.log().count('"event": "listening"') == 2, place=one)
    codes = [
        get(f"{address(one)}/api/results", Authorization=f"Bearer {token}")[0]
        for token in (old, file.read_text().strip())
    ]
    assert codes == [401, 200]

    # One that is no secret is refused, and the one before it goes on.
    new = file.read_text()
    file.write_text("short")
    process.send_signal(1)
    wait_until(lambda: '"event": "reload_failed"' in one.log(), place=one)
    assert get(f"{address(one)}/api/results", Authorization=f"Bearer {new.strip()}")[0] == 200
    assert one.stop(process) == 0


def test_a_hundred_idle_connections_hold_up_no_file(place) -> None:
    one = place(listen=ANYWHERE)
    process = one.start()
    host, _, port = address(one).removeprefix("http://").partition(":")
    wait_until(lambda: one.starts() == 1, place=one)
    connections = [socket.create_connection((host, int(port))) for _ in range(100)]
    try:
        for connection in connections:
            connection.sendall(b"POST /api/retry HTTP/1.1\r\nContent-Length: 50\r\n")
        one.drop("a.txt", "hello")
        wait_until(lambda: "a.txt" in one.files("done"), place=one)
    finally:
        for connection in connections:
            connection.close()
    assert one.stop(process) == 0
