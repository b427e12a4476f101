"""The units keep what they promise: systemd reads them without a word, the sandbox is tight, exceptions say why."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from sandbox import directives

from classifyd.config.schema import LISTEN

UNITS = Path(__file__).parents[2] / "systemd"
SERVICE, TEMPLATE = UNITS / "classifyd.service", UNITS / "classifyd@.service"
SOCKET = UNITS / "classifyd.socket"
DROP_INS = sorted((UNITS / "drop-ins").glob("*.conf"))
EXPOSURE = {None: 0.5, "inbox.conf": 0.5, "openvino.conf": 0.6, "gpu.conf": 1.0, "owner.conf": 0.8, "webhook.conf": 1.0}
"""At most so exposed is the service, by drop-in; the promise is 1.0."""
RELAXED = {
    "no", "all", "0027", "@resources @memlock", "infinity", "char-nvidia rw", "char-nvidiactl rw",
    "char-nvidia-frontend rw", "char-nvidia-uvm rw", "char-nvidia-caps rw", "CAP_CHOWN", "@chown",
    "AF_INET AF_INET6", "any",
}  # fmt: skip


def systemd(*command: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing")
    said = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.split()[1].partition("~")[0]) < 252:
        pytest.skip(f"{said.splitlines()[0]} is too old to look at a unit offline")
    return subprocess.run(["systemd-analyze", "--no-pager", *command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", [SERVICE, TEMPLATE, SOCKET], ids=lambda unit: unit.name)
def test_systemd_has_nothing_to_say_of_a_unit(unit: Path) -> None:
    outcome = systemd("verify", "--man=no", unit)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


@pytest.mark.parametrize("drop_in", [None, *DROP_INS], ids=lambda path: path.name if path else "alone")
def test_the_service_is_hardly_exposed(drop_in: Path | None, tmp_path: Path) -> None:
    shutil.copy(SERVICE, tmp_path)
    if drop_in:
        (tmp_path / "classifyd.service.d").mkdir()
        shutil.copy(drop_in, tmp_path / "classifyd.service.d")
    outcome = systemd("security", "--offline=true", tmp_path / "classifyd.service")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", outcome.stdout)
    assert found, outcome.stderr
    assert float(found[1]) <= EXPOSURE[drop_in.name if drop_in else None], outcome.stdout
    assert systemd("verify", "--man=no", tmp_path / "classifyd.service").stderr == ""


def test_every_drop_in_has_a_bound() -> None:
    assert {path.name for path in DROP_INS} == set(EXPOSURE) - {None}


@pytest.mark.parametrize("unit", [SERVICE, *DROP_INS], ids=lambda unit: unit.name)
def test_whatever_is_relaxed_has_its_reason_above_it(unit: Path) -> None:
    reasoned = False
    for line in unit.read_text().split("[Service]")[1].splitlines():
        if not line or line.startswith("#"):
            reasoned = bool(line)
        elif line.partition("=")[2] in RELAXED:
            assert reasoned, f"{unit.name}: {line} has no comment above it"


def test_what_the_security_report_asks_for_and_the_unit_does_not_have_is_explained_in_it() -> None:
    report = systemd("security", "--offline=true", SERVICE).stdout
    lacking = {re.split(r"[=~]", line.split()[1])[0] for line in report.splitlines() if line.startswith("✗")}
    assert "RootDirectory" in lacking
    comments = "\n".join(line for line in SERVICE.read_text().splitlines() if line.startswith("#"))
    assert {name for name in lacking if name not in comments} == set()


def test_the_template_is_the_service_but_for_the_instance() -> None:
    one, several = directives(SERVICE), directives(TEMPLATE)
    assert one.pop("Description") != several.pop("Description")
    assert {
        name: [value.replace("classifyd/%i", "classifyd").replace("classifyd@%i", "classifyd") for value in values]
        for name, values in several.items()
    } == one


def test_the_page_is_on_the_loopback_alone_and_where_the_configuration_says_it_is() -> None:
    socket = directives(SOCKET)
    assert socket["ListenStream"] == [LISTEN]
    assert (socket["IPAddressDeny"], socket["IPAddressAllow"]) == (["any"], ["localhost"])
    assert socket["PartOf"] == [SERVICE.name]
    assert (directives(SERVICE)["Wants"], directives(SERVICE)["After"][-1]) == ([SOCKET.name], SOCKET.name)


def test_the_service_itself_has_no_network() -> None:
    service = directives(SERVICE)
    assert (service["PrivateNetwork"], service["RestrictAddressFamilies"]) == (["yes"], ["AF_UNIX"])
    assert "IPAddressAllow" not in service


def test_a_copy_of_the_folder_applies_no_drop_in_by_accident() -> None:
    assert [path.name for path in UNITS.rglob("*.d") if path.name.startswith("classifyd")] == []


def test_users_and_folders_are_made_as_the_snippets_say(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    made("systemd-sysusers", f"--root={tmp_path}", UNITS / "sysusers.d" / "classifyd.conf")
    made("systemd-tmpfiles", f"--root={tmp_path}", "--create", UNITS / "tmpfiles.d" / "classifyd.conf")

    assert "classifyd:x:" in (tmp_path / "etc" / "passwd").read_text()
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "var/spool/classifyd").iterdir()}
    assert modes == {"inbox": 0o730, "labelled": 0o2750, "done": 0o750, "quarantine": 0o750}


def made(tool: str, *arguments: str | Path) -> None:
    if shutil.which(tool) is None or os.geteuid():
        pytest.skip(f"{tool} is missing" if shutil.which(tool) is None else "only root can give folders to others")
    outcome = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert (outcome.returncode, outcome.stdout) == (0, ""), outcome.stderr
