"""A wish is granted once, or taken back; never both."""

import threading

import pytest

from classifyd.errors import DiskFault, UnavailableError
from classifyd.web import Wish, Withdrawal


def test_what_was_granted_is_over_for_who_waits() -> None:
    wish, done = Wish(Withdrawal("key")), []
    threading.Thread(target=wish.grant, args=(done.append,)).start()
    wish.wait(10)
    assert done == [Withdrawal("key")]


def test_what_was_taken_back_is_never_granted() -> None:
    wish, done = Wish(Withdrawal("key")), []
    with pytest.raises(UnavailableError, match="nothing was recorded"):
        wish.wait(0.01)
    wish.grant(done.append)
    assert done == []


def test_what_is_being_granted_cannot_be_taken_back_and_nothing_is_claimed_of_it() -> None:
    wish, entered, leave = Wish(Withdrawal("key")), threading.Event(), threading.Event()

    def slow(_: object) -> None:
        entered.set()
        leave.wait(10)

    granting = threading.Thread(target=wish.grant, args=(slow,))
    granting.start()
    entered.wait(10)
    with pytest.raises(UnavailableError, match="look again whether it was recorded"):
        wish.wait(0.01)
    leave.set()
    granting.join()
    wish.wait(0)


def test_a_full_disk_is_told_to_who_waits_and_not_to_the_main_loop() -> None:
    def full(_: object) -> None:
        raise DiskFault("the ledger cannot be written")

    wish = Wish(Withdrawal("key"))
    wish.grant(full)
    with pytest.raises(UnavailableError, match="nothing was recorded: the ledger cannot be written"):
        wish.wait(0)
