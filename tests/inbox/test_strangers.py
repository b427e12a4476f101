"""Who may write to an inbox gains nothing by links, by other kinds of files, by names or by deep trees."""

import errno
import os
import socket
import stat
import subprocess
import sys

import pytest

from classifyd.api import UnreadableFile
from classifyd.errors import DiskFault
from classifyd.inbox import moves
from classifyd.inbox.claims import ClaimFolder
from classifyd.inbox.quarantine import quarantine, reason_file
from classifyd.inbox.scan import Found, discover, look
from classifyd.readers import open_source
from classifyd.values import Fault, ReadOptions

STRANGERS = ReadOptions(hard_links=False)
WHY = Fault("UnreadableFile", "why")


@pytest.fixture
def inbox(tmp_path):
    """An inbox with a sub-folder in it, beside a folder that is none of its senders' business."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/a.txt").write_text("secret")
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/sub/a.txt").write_text("mine")
    return tmp_path / "in"


@pytest.fixture
def held(inbox):
    folder = ClaimFolder("mail", inbox, "one")
    folder.hold()
    yield folder
    folder.release()


def swap(inbox):
    """What a sender does between a look and the next step: the sub-folder becomes a link."""
    (inbox / "sub").rename(inbox / "moved")
    (inbox / "sub").symlink_to(inbox.parent / "secret")


def secrets(inbox):
    return {path.name: path.read_text() for path in (inbox.parent / "secret").iterdir()}


# ---------------------------------------------------------------------- opening


def opened(inbox, name, reading=STRANGERS):
    return open_source(f"{inbox}/{name}", name, reading, below=str(inbox))


def test_an_input_is_not_opened_through_a_linked_folder(inbox):
    swap(inbox)
    with pytest.raises(UnreadableFile, match="links are never followed"), opened(inbox, "sub/a.txt"):
        pass


def test_a_file_of_several_names_is_refused_unless_the_inbox_allows_it(inbox):
    (inbox / "hard.txt").hardlink_to(inbox.parent / "secret/a.txt")
    with (
        pytest.raises(UnreadableFile, match=r"hard\.txt: has several names .*hard_links = true"),
        opened(inbox, "hard.txt"),
    ):
        pass
    with opened(inbox, "hard.txt", ReadOptions(hard_links=True)) as source:
        assert b"secret" == source.stream.read()


LEASE = """
import fcntl, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = open(sys.argv[1], "r+")
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print(1, flush=True)
input()
"""


def test_a_lease_holds_nobody_up(inbox):
    holder = subprocess.Popen(
        [sys.executable, "-c", LEASE, inbox / "sub/a.txt"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with holder:
        if not holder.stdout.readline():
            pytest.skip("this file system knows no leases")
        with pytest.raises(UnreadableFile, match="holds a lease"), opened(inbox, "sub/a.txt"):
            pass
        holder.kill()


# ---------------------------------------------------------------------- claiming


def test_nothing_is_claimed_through_a_linked_folder(inbox, held):
    found = look(f"{inbox}/sub/a.txt", "sub/a.txt")
    swap(inbox)

    assert held.claim(found) is None
    assert {"a.txt": "secret"} == secrets(inbox)
    assert ["one.lock", "one"] == sorted((path.name for path in held.folder.parent.iterdir()), reverse=True)


def test_a_folder_that_was_put_in_a_files_place_is_put_back(inbox, held):
    found = look(f"{inbox}/sub/a.txt", "sub/a.txt")
    (inbox / "sub/a.txt").unlink()
    (inbox / "sub/a.txt/deep").mkdir(parents=True)

    assert held.claim(found) is None
    assert (inbox / "sub/a.txt/deep").is_dir()
    assert [] == list(held.folder.iterdir())


def test_it_is_put_back_beside_what_took_its_name_meanwhile(inbox, held, monkeypatch):
    found = look(f"{inbox}/sub/a.txt", "sub/a.txt")
    (inbox / "sub/a.txt").unlink()
    (inbox / "sub/a.txt/deep").mkdir(parents=True)
    rename = os.rename

    def rename_and_drop(source, target, **folders):
        rename(source, target, **folders)
        (inbox / "sub/a.txt").write_text("new")

    monkeypatch.setattr(os, "rename", rename_and_drop)

    assert held.claim(found) is None
    assert "new" == (inbox / "sub/a.txt").read_text()
    assert (inbox / "sub/a.1.txt/deep").is_dir()


def test_a_folder_of_claims_that_is_a_link_is_refused(inbox):
    (inbox / ".classifyd").symlink_to(inbox.parent / "secret")

    with pytest.raises(DiskFault, match="Not a directory; claims go there"):
        ClaimFolder("mail", inbox, "one").hold()
    assert {"a.txt": "secret"} == secrets(inbox)


def test_a_folder_of_claims_that_is_swapped_for_a_link_takes_nothing(inbox, held):
    found = look(f"{inbox}/sub/a.txt", "sub/a.txt")
    (inbox / ".classifyd").rename(inbox / ".moved")
    (inbox / ".classifyd").symlink_to(inbox.parent / "secret")

    with pytest.raises(DiskFault, match="Not a directory; claims go there"):
        held.claim(found)
    assert (inbox / "sub/a.txt").exists()
    assert {"a.txt": "secret"} == secrets(inbox)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_claims_that_a_stranger_made_is_refused(inbox):
    (inbox / ".classifyd/one").mkdir(parents=True)
    os.chown(inbox / ".classifyd", 12345, 12345)

    with pytest.raises(DiskFault, match="belongs to user 12345"):
        ClaimFolder("mail", inbox, "one").hold()


def test_nobody_else_may_write_to_the_folder_of_claims(inbox, held):
    held.folder.parent.chmod(0o777)
    held.claim(look(f"{inbox}/sub/a.txt", "sub/a.txt"))

    assert 0o755 == stat.S_IMODE(held.folder.parent.stat().st_mode)


# ---------------------------------------------------------------------- moving


def test_nothing_is_moved_out_of_or_into_a_linked_folder(inbox):
    swap(inbox)
    with pytest.raises(NotADirectoryError):
        moves.move(f"{inbox}/sub/a.txt", inbox.parent / "done", "a.txt", below=inbox)
    (inbox.parent / "b.txt").write_text("back")

    place = moves.move(f"{inbox.parent}/b.txt", inbox, "sub/b.txt")

    assert inbox / "sub%2Fb.txt" == place
    assert {"a.txt": "secret"} == secrets(inbox)


@pytest.fixture
def other_file_system(monkeypatch):
    rename = moves.rename_entry

    def refuse(source, target):
        if not source.name.endswith(".tmp"):
            raise OSError(errno.EXDEV, "another file system")
        rename(source, target)

    monkeypatch.setattr(moves, "rename_entry", refuse)


def test_a_copy_to_another_file_system_gives_nobody_a_program_of_ours(inbox, other_file_system):
    path = inbox / "sub/a.txt"
    path.chmod(0o6755)
    before = path.stat()

    place = moves.move(str(path), inbox.parent / "done", "a.txt", below=inbox)

    assert (0o755, before.st_mtime_ns, "mine") == (
        stat.S_IMODE(place.stat().st_mode),
        place.stat().st_mtime_ns,
        place.read_text(),
    )
    assert not path.exists()


def test_links_fifos_and_sockets_are_copied_to_another_file_system_as_what_they_are(inbox, other_file_system):
    (inbox / "link").symlink_to(inbox.parent / "secret/a.txt")
    os.mkfifo(inbox / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(inbox / "socket"))
    places = [
        quarantine(f"{inbox}/{name}", inbox.parent / "q", name, "in", WHY, below=inbox)
        for name in ("link", "fifo", "socket")
    ]

    assert str(inbox.parent / "secret/a.txt") == str(places[0].readlink())
    assert [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK] == [stat.S_IFMT(place.lstat().st_mode) for place in places]
    assert {".classifyd", "sub"} >= {path.name for path in inbox.iterdir()}


# ---------------------------------------------------------------------- names and trees


@pytest.mark.parametrize(
    "name", [b"a\nb\r\x1b[2J.txt", b"caf\xe9\xff.txt", b"n" * 255, "\u202e\u2028\u0085".encode(), b"..a", b"-rf", b" "]
)
def test_whatever_a_file_is_called_its_claim_and_its_quarantine_stay_in_their_folders(inbox, held, name):
    name = os.fsdecode(name)
    (inbox / name).write_text("x")
    claim = held.claim(look(f"{inbox}/{name}", name))
    place = quarantine(claim.path, inbox.parent / "q", name, "in", Fault("X", f"{name}: no"), below=inbox)
    held.forget(claim)

    assert inbox.parent / "q" == place.parent
    assert {place.name, reason_file(place).name} == {path.name for path in (inbox.parent / "q").iterdir()}
    assert all(character.isprintable() or character == "\n" for character in reason_file(place).read_text())


def test_an_input_that_is_called_like_a_reason_is_never_taken_for_one(inbox):
    forged = f'{{"path_hex": "{b"a.txt".hex()}"}}'
    (inbox / "a.txt.reason.json").write_text(forged)
    (inbox / "a.txt").write_text("x")

    first = quarantine(f"{inbox}/a.txt.reason.json", inbox.parent / "q", "a.txt.reason.json", "in", WHY)
    second = quarantine(f"{inbox}/a.txt", inbox.parent / "q", "a.txt", "in", WHY)

    assert forged == first.read_text()
    assert "a.1.txt" == second.name


@pytest.fixture
def deep_tree(inbox):
    descriptor = os.open(inbox, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=descriptor)
        below = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(os.open("lost.txt", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    yield inbox
    subprocess.run(["rm", "-rf", inbox / "deep"], check=True)  # pytest's own cleaning up would nest as deep


def test_a_tree_of_a_thousand_folders_stops_no_scan(deep_tree):
    assert ["sub/a.txt"] == [found.name for found in discover(deep_tree, recursive=True, closed=print)]


def test_a_path_that_no_system_call_takes_is_not_found(inbox):
    name = "/".join(["n" * 250] * 20)
    assert look(f"{inbox}/{name}", name) is None
    assert ClaimFolder("mail", inbox, "one").claim(Found("gone/a.txt", 1, 1, 1, regular=True)) is None
