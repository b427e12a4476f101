import errno
import hashlib
import os
import threading

import pytest

from classifyd.errors import DiskFault
from classifyd.pipeline.parts import Drafts, write_whole


def test_a_part_has_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "sub/a.part"
    seen = []

    def fill(stream):
        stream.write(b"some ")
        seen.append(path.exists())
        stream.write(b"bytes")

    written = write_whole(path, fill)

    assert [False] == seen
    assert b"some bytes" == path.read_bytes()
    assert (10, hashlib.sha256(b"some bytes").hexdigest()) == (written.size, written.digest)
    assert [path] == list(path.parent.iterdir())


def test_what_fails_leaves_nothing_behind(tmp_path):
    def fill(stream):
        stream.write(b"half")
        raise ValueError("upset")

    with pytest.raises(ValueError, match="upset"):
        write_whole(tmp_path / "a.part", fill)

    assert [] == list(tmp_path.iterdir())


def test_a_full_disk_is_a_fault_of_the_disk(tmp_path):
    def fill(stream):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFault, match="No space left"):
        write_whole(tmp_path / "a.part", fill)

    assert [] == list(tmp_path.iterdir())


def test_a_draft_in_the_hands_of_the_disk_is_closed_only_afterwards(tmp_path, monkeypatch):
    began, over = threading.Event(), threading.Event()
    flushed = []
    fsync = os.fsync

    def slow(descriptor):
        began.set()
        over.wait(0.2)
        fsync(descriptor)  # "Bad file descriptor" where it was closed
        flushed.append(True)

    monkeypatch.setattr(os, "fsync", slow)

    with pytest.raises(ValueError, match="upset"), Drafts() as drafts:
        drafts.write(tmp_path / "a.part", lambda stream: stream.write(b"bytes"))
        drafts.flush()
        assert began.wait(30)
        raise ValueError("upset")

    assert [True] == flushed
    assert [] == list(tmp_path.iterdir())
