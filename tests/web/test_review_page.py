"""The review queue in Debian's Chromium: by keys alone, one a record, and taken back by one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import MISSING, look_like, resize
from daemons import Place, wait_until
from reviewing import kept, queue
from selenium.webdriver import Chrome, Keys
from test_page import CONTRASTS, press, text
from tiny import make_bundle

from classifyd.bundles import Store

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "there is a browser")

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> hello"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A daemon with two messages that its model doubts."""
    made = Place.make(tmp_path, tasks=("spam",), listen="127.0.0.1:0")
    make_bundle(Store(made.root / "models"), "spam", ["ham", "spam"], thresholds={"review": 0.999999})
    made.start()
    made.drop("evil.txt", EVIL)
    made.drop("plain.txt", "monday")
    wait_until(lambda: made.files("done") == {"evil.txt", "plain.txt"}, place=made)
    yield made
    made.end()


@pytest.fixture
def page(place: Place, tmp_path: Path) -> Iterator[Chrome]:
    with queue(place, tmp_path / "profile", 2) as driver:
        yield driver


def tab_to(driver: Chrome, identity: str) -> None:
    for _ in range(20):
        press(driver, Keys.TAB)
        if driver.execute_script("return document.activeElement.id") == identity:
            return
    raise AssertionError(f"{identity} is not reached by Tab")


def source(driver: Chrome) -> str:
    return re.search(r"(evil|plain)\.txt", text(driver, "review-record"))[0]


def test_one_key_says_what_is_right_the_next_record_comes_and_one_key_takes_it_back(page: Chrome, place: Place) -> None:
    tab_to(page, "review")
    first = source(page)
    press(page, "9", "x")  # no label is called so
    press(page, "s")
    wait_until(lambda: source(page) != first)
    press(page, Keys.ARROW_RIGHT)
    wait_until(lambda: source(page) == first)

    press(page, "1")
    wait_until(lambda: "1 left" in text(page, "review-left"))
    [found] = kept(place)
    assert (found.source, found.label, found.who, found.model) == (first, "ham", "page", "spam@1")
    assert f"{first}: spam is ham. 1 left." == text(page, "said")
    assert source(page) != first
    assert page.execute_script("return document.getElementById('review').contains(document.activeElement)")

    press(page, "u")
    wait_until(lambda: source(page) == first)
    wait_until(lambda: "2 left" in text(page, "review-left"))
    assert kept(place) == []

    tab_to(page, "review-who")
    press(page, "Tom 12 us")  # a name, no decisions
    page.execute_script("document.getElementById('review').focus()")
    press(page, "2")
    wait_until(lambda: "1 left" in text(page, "review-left"))
    press(page, "1")
    wait_until(lambda: "Nothing is left for review." in text(page, "review"))
    assert [(c.label, c.who) for c in kept(place)] == [("spam", "Tom 12 us"), ("ham", "Tom 12 us")]

    page.refresh()
    wait_until(lambda: "evil.txt" in text(page, "results"))
    wait_until(lambda: not page.execute_script("return document.getElementById('review').checkVisibility()"))


def test_what_comes_meanwhile_waits_behind_the_record_that_is_read(page: Chrome, place: Place) -> None:
    page.execute_script("document.getElementById('review').focus()")
    less_sure = source(page)
    press(page, "s")
    wait_until(lambda: source(page) != less_sure)
    first = source(page)
    for number in range(5):
        place.drop(f"more{number}.txt", f"win a prize {number} maria from berlin now")
    wait_until(lambda: "7 left" in text(page, "review-left"), place=place)
    assert source(page) == first


def test_strangers_words_are_text_easy_to_read_and_gone_without_the_token(page: Chrome, tmp_path: Path) -> None:
    page.execute_script("document.getElementById('review').focus()")
    if source(page) != "evil.txt":
        press(page, "s")
    wait_until(lambda: "<img src=x" in text(page, "review-record"))
    assert page.title == "classifyd"
    assert page.execute_script("return document.querySelector('#review img, #review script')") is None
    for scheme in ("light", "dark"):
        look_like(page, scheme)
        assert [pair for pair in page.execute_script(CONTRASTS) if pair["contrast"] < 4.5] == []
    resize(page, 320, 900)
    wait_until(lambda: page.execute_script("return innerWidth") == 320)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 320
    page.execute_script("document.getElementById('lock').click()")
    wait_until(lambda: not page.execute_script("return document.getElementById('review').checkVisibility()"))
    assert "<img src=x" not in page.execute_script("return document.body.textContent")
