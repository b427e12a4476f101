"""Receivers are told of each finished input at least once, whoever is killed or down meanwhile, and hold up nobody."""

import hashlib
import hmac
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from daemons import schema, wait_until

CLASSIFYD = Path(sys.executable).with_name("classifyd")
BINARY = bytes(range(256)) * 4
SECRET = "a secret of the operator's"

RECEIVE = """
import os, sys, time
document = sys.stdin.buffer.read()
if os.path.exists("hang"):
    open("hanging", "w").close()
    time.sleep(3600)
with open("told", "ab") as file:
    file.write(document + b"\\n")
with open("arguments", "a") as file:
    file.write(repr(sys.argv[1:]) + "\\n")
sys.exit(os.path.exists("refuse") * 3)
"""


def with_receiver(here, **settings):
    """The same place, with one receiver more."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in ({"name": "crm"} | settings).items()]
    config = here.root / "config.toml"
    config.write_text(config.read_text() + "\n[[receiver]]\n" + "\n".join(lines) + "\n")
    return here


@pytest.fixture
def commanded(place):
    """A place with a command that notes what it is told."""

    def make(*, more="", **settings):
        here = place(more=more)
        (here.root / "receive.py").write_text(RECEIVE)
        return with_receiver(here, command=[sys.executable, "receive.py", "$(x)", "*"], **settings)

    return make


def told(here):
    """What the command was told, each as the published schema has it."""
    file = here.root / "told"
    return [checked(line) for line in file.read_bytes().splitlines()] if file.exists() else []


def checked(document):
    found = json.loads(document)
    schema("notice").validate(found)
    return found


class Server(ThreadingHTTPServer):
    """A real receiver on the loopback; it answers `status`, and keeps what it took and how it was signed.

    With a certificate and its key it speaks TLS alone.
    """

    daemon_threads = True

    def __init__(self, certificate=None, key=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.asked, self.taken, self.paths = 200, 0, [], set()
        self._scheme = "http" if certificate is None else "https"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def address(self):
        return f"{self._scheme}://127.0.0.1:{self.server_port}/told?to=crm"

    def handle_error(self, *_):
        pass  # who does not trust the certificate hangs up


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        self.server.paths.add(self.path)
        assert self.headers["Content-Type"] == "application/json"
        if self.server.status == 200:
            self.server.taken.append((body, self.headers["Classifyd-Signature"]))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def served(*certificate):
    server = Server(*certificate)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def status(here):
    said = subprocess.run(
        [str(CLASSIFYD), "status", "--config", str(here.root / "config.toml"), "--json"],
        capture_output=True, text=True, check=True, env=here.environment(),
    ).stdout  # fmt: skip
    unknown = {"crm": {"count": None, "error": ""}}  # of a daemon that begins, or had no time to say how it fares
    return unknown | json.loads(said)["daemon"]["receivers"]


# ---------------------------------------------------------------------- what is told


def test_a_command_is_told_of_what_was_published_and_what_was_quarantined(commanded):
    here = commanded()
    name = os.fsdecode(b"caf\xe9 $(touch owned).txt")
    here.drop(name, "HELLO")
    here.drop("bad.txt", BINARY)
    assert 1 == here.once(), here.log()

    by_state = {notice["state"]: notice for notice in told(here)}
    good, bad = by_state["published"], by_state["quarantined"]
    output = Path(os.fsdecode(bytes.fromhex(good["output_hex"])))
    assert hashlib.sha256(output.read_bytes()).hexdigest() == good["sha256"]
    assert (name.encode("utf-8", "surrogateescape").hex(), 1) == (good["source_hex"], good["records"])
    assert ({"shouting": "loud"}, {"shouting": ""}) == (good["labels"], good["models"])
    assert b"HELLO" == Path(os.fsdecode(bytes.fromhex(good["place_hex"]))).read_bytes()
    assert ("in", None, str(here.root / "quarantine/bad.txt")) == (bad["inbox"], bad["output"], bad["place"])
    assert bad["reason"]["message"].startswith("bad.txt: ")
    assert {"['$(x)', '*']"} == set((here.root / "arguments").read_text().splitlines())
    assert not (here.root / "owned").exists()


def test_an_address_gets_the_same_signed(place):
    with served() as server:
        here = with_receiver(place(), webhook=server.address, secret_file="secret", endings=["published"])
        (here.root / "secret").write_text(SECRET + "\n")
        for name in ("a.txt", "b.txt"):
            here.drop(name, "hello")
        here.drop("bad.txt", BINARY)
        assert 1 == here.once(), here.log()
        assert {"a.txt", "b.txt"} == {checked(body)["source"] for body, _ in server.taken}
        assert {"/told?to=crm"} == server.paths
        for body, signature in server.taken:
            assert "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest() == signature
        assert SECRET not in here.log()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with two authorities, and certificates of the first: for this address, for another, of the past."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: apt-get install openssl")
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    def asked(name, *more):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
        openssl("req", *key, "-subj", f"/CN={name}", *more)

    for name in ("ca", "stranger"):
        asked(name, "-x509", "-out", f"{name}.pem")
    here = "IP:127.0.0.1"
    for name, of, days in (("good", here, "2"), ("misnamed", "DNS:example.org", "2"), ("old", here, "-1")):
        asked(name, "-addext", f"subjectAltName={of}", "-out", f"{name}.csr")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-days", days, "-copy_extensions", "copyall")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return folder


def test_a_certificate_is_taken_of_the_authority_that_is_configured(place, authority):
    with served(authority / "good.pem", authority / "good.key") as server:
        here = with_receiver(place(), webhook=server.address, ca_file=str(authority / "ca.pem"))
        here.drop("a.txt", "hello")
        assert 0 == here.once(), here.log()
        assert ["a.txt"] == [checked(body)["source"] for body, _ in server.taken]


def test_a_certificate_is_taken_of_an_authority_that_the_system_trusts(place, authority):
    with served(authority / "good.pem", authority / "good.key") as server:
        here = with_receiver(place(), webhook=server.address)
        here.drop("a.txt", "hello")
        assert 0 == here.once(more={"SSL_CERT_FILE": str(authority / "ca.pem")}), here.log()
        assert 1 == len(server.taken)


@pytest.mark.parametrize(
    ("certificate", "trusted", "why"),
    [
        ("good", "stranger", "unable to get local issuer certificate; ca_file names who may sign it"),
        ("misnamed", "ca", "IP address mismatch, certificate is not valid for '127.0.0.1'."),
        ("old", "ca", "certificate has expired"),
    ],
)
def test_another_certificate_is_refused_with_the_reason_and_nothing_is_told(
    place, authority, certificate, trusted, why
):
    with served(authority / f"{certificate}.pem", authority / f"{certificate}.key") as server:
        here = with_receiver(place(), webhook=server.address, ca_file=str(authority / f"{trusted}.pem"))
        here.drop("a.txt", "hello")
        daemon = here.start()
        wait_until(lambda: status(here).get("crm", {}).get("error"), place=here)
        assert f"127.0.0.1:{server.server_port}: its certificate is refused: {why}" == status(here)["crm"]["error"]
        assert 1 == status(here)["crm"]["count"]
        assert {"a.txt.jsonl"} == here.files("out"), "nobody waits for a receiver"
        here.stop(daemon)
        assert [] == server.taken


def test_a_renewed_authority_and_a_renewed_secret_are_taken_up_without_a_restart(place, authority):
    with served(authority / "good.pem", authority / "good.key") as server:
        here = with_receiver(place(), webhook=server.address, ca_file="ca.pem", secret_file="secret")
        (here.root / "secret").write_text("of yesterday")
        shutil.copyfile(authority / "stranger.pem", here.root / "ca.pem")
        daemon = here.start()
        here.drop("a.txt", "hello")
        wait_until(lambda: status(here)["crm"]["error"], place=here)
        (here.root / "secret").write_text(SECRET)
        shutil.copyfile(authority / "ca.pem", here.root / "ca.pem")
        wait_until(lambda: server.taken, place=here)
        here.stop(daemon)
    body, signature = server.taken[0]
    assert "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest() == signature


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [("secret", "", "secret is empty; put the secret there"), ("ca.pem", "torn", "ca.pem has no certificate in PEM")],
)
def test_while_a_file_is_torn_nothing_is_told_and_the_reason_is(place, authority, file, content, why):
    with served(authority / "good.pem", authority / "good.key") as server:
        here = with_receiver(place(), webhook=server.address, ca_file="ca.pem", secret_file="secret")
        (here.root / "secret").write_text(SECRET)
        shutil.copyfile(authority / "ca.pem", here.root / "ca.pem")
        daemon = here.start()
        wait_until(here.starts, place=here)
        (here.root / file).write_text(content)
        here.drop("a.txt", "hello")
        wait_until(lambda: status(here)["crm"]["error"], place=here)
        assert f"{here.root}/{why}" == status(here)["crm"]["error"]
        assert [] == server.taken
        here.stop(daemon)


def test_who_speaks_no_tls_at_an_address_that_wants_it_is_told_nothing(place):
    with served() as server:
        here = with_receiver(place(), webhook=server.address.replace("http:", "https:"))
        here.drop("a.txt", "hello")
        assert 0 == here.once(), here.log()
        assert "there is no TLS with it: wrong version number" in here.log()
        assert 0 == server.asked


def test_who_asked_for_another_inbox_is_told_nothing(place):
    with served() as server:
        here = place()
        (here.root / "in2").mkdir()
        config = here.root / "config.toml"
        config.write_text(config.read_text() + '[[inbox]]\nname = "other"\npath = "in2"\ntasks = ["shouting"]\n')
        with_receiver(here, webhook=server.address, inboxes=["other"])
        here.drop("a.txt", "hello")
        here.drop("b.txt", "hello", inbox="in2")
        assert 0 == here.once(), here.log()
        assert ["b.txt"] == [checked(body)["source"] for body, _ in server.taken]


# ---------------------------------------------------------------------- at least once


@pytest.mark.parametrize("step", ["ledger.retired", "ledger.noted", "telling.communicate", "ledger.told"])
def test_wherever_the_daemon_is_killed_it_is_told(commanded, step):
    here = commanded()
    for when in ("before", "after"):
        here.drop(f"{when}.txt", "hello")
        assert -9 == here.once(more={"DIE": f"{when} {step}"}), here.log()
        assert 0 == here.once(), here.log()
        notices = [notice for notice in told(here) if notice["source"] == f"{when}.txt"]
        assert len(notices) in {1, 2}
        assert 1 == len({notice["id"] for notice in notices}), "told twice it has one id"
    before = len(told(here))
    assert 0 == here.once(), here.log()
    assert before == len(told(here)), "what was told is not told again"


@pytest.mark.parametrize("step", ["ledger.quarantined", "removals.quarantine"])
def test_a_quarantine_that_was_cut_short_is_told_with_its_place(commanded, step):
    here = commanded()
    here.drop("bad.txt", BINARY)
    assert -9 == here.once(more={"DIE": f"after {step}"}), here.log()
    here.once()
    assert {str(here.root / "quarantine/bad.txt")} == {notice["place"] for notice in told(here)}


def test_a_dead_receiver_holds_up_nobody_and_is_told_all_when_it_lives_again(place):
    with served() as server:
        server.status = 503
        here = with_receiver(place(), webhook=server.address)
        process = here.start(more={"PAUSE_SECONDS": "0.1"})
        for number in range(20):
            here.drop(f"{number}.txt", "hello")
        wait_until(lambda: 20 == len(here.files("out")), place=here)
        wait_until(lambda: 20 == status(here)["crm"]["count"], place=here)
        wait_until(lambda: "answered 503" in status(here)["crm"]["error"], place=here)
        here.kill_everything(process)

        process = here.start(more={"PAUSE_SECONDS": "0.1"})
        wait_until(lambda: server.asked > 20, place=here)
        server.status = 302
        wait_until(lambda: "answered 302" in here.log(), place=here)
        server.status = 200
        wait_until(lambda: 20 == len({checked(body)["source"] for body, _ in server.taken}), place=here)
        wait_until(lambda: {"count": 0, "error": ""} == status(here)["crm"], place=here)
        assert {"/told?to=crm"} == server.paths, "no redirection is followed"
        assert 0 == here.stop(process)


def test_one_notice_that_is_always_refused_does_not_keep_the_others(place):
    with served() as server:
        here = place()
        real = server.RequestHandlerClass.do_POST
        picky = type("Picky", (Handler,), {})

        def refuse_one(handler):
            body = handler.rfile.peek()
            server.status = 400 if b"poison.txt" in body else 200
            real(handler)

        picky.do_POST = refuse_one
        server.RequestHandlerClass = picky
        with_receiver(here, webhook=server.address)
        here.drop("poison.txt", "hello")
        process = here.start(more={"PAUSE_SECONDS": "0.1"})
        wait_until(lambda: "answered 400" in here.log(), place=here)
        here.drop("good.txt", "hello")
        wait_until(lambda: server.taken, place=here)
        assert "good.txt" == checked(server.taken[0][0])["source"]
        wait_until(lambda: 1 == status(here)["crm"]["count"], place=here)
        assert 0 == here.stop(process)


def test_a_command_that_hangs_is_ended_and_asked_again(commanded):
    here = commanded(timeout_seconds=0.5)
    (here.root / "hang").touch()
    here.drop("a.txt", "hello")
    process = here.start(more={"PAUSE_SECONDS": "0.1"})
    wait_until(lambda: "took more than 0.5 s" in here.log(), place=here)
    (here.root / "hang").unlink()
    wait_until(lambda: told(here), place=here)
    assert 0 == here.stop(process)


def test_the_daemon_ends_though_a_receiver_does_not_and_the_next_tells_it(commanded):
    here = commanded(timeout_seconds=600)
    (here.root / "hang").touch()
    here.drop("a.txt", "hello")
    process = here.start()
    wait_until((here.root / "hanging").exists, place=here)
    assert 0 == here.stop(process, timeout=30)
    assert '"event": "untold"' in here.log()
    assert [] == told(here)
    (here.root / "hang").unlink()
    assert 0 == here.once(), here.log()
    assert ["a.txt"] == [notice["source"] for notice in told(here)]


def test_what_waits_is_bounded_and_the_oldest_go(commanded):
    here = commanded(max_waiting=3)
    (here.root / "refuse").touch()
    for number in range(10):
        here.drop(f"{number}.txt", "hello")
        assert 0 == here.once(), here.log()
    assert "notices_given_up" in here.log()
    (here.root / "refuse").unlink()
    (here.root / "told").unlink()
    assert 0 == here.once(), here.log()
    assert {"7.txt", "8.txt", "9.txt"} == {notice["source"] for notice in told(here)}


def test_once_ends_though_nobody_takes_it(commanded):
    here = commanded()
    (here.root / "refuse").touch()
    here.drop("a.txt", "hello")
    assert 0 == here.once(), here.log()
    assert 1 <= len(told(here))
    assert "ended with 3" in here.log()


def test_a_secret_that_is_not_there_is_told_before_anything_is_taken(place):
    here = with_receiver(place(), webhook="https://example.org/", secret_env="NOT_THERE")
    here.drop("a.txt", "hello")
    assert 78 == here.once()
    assert 'receiver "crm": the environment has no NOT_THERE' in here.log()
    assert {"a.txt"} == here.files("in")
