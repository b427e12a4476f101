"""Spans in the review queue, in Debian's Chromium: marked, changed and removed by pointer or by keys alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import MISSING, look_like, resize
from daemons import Place, wait_until
from reviewing import kept, queue
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from test_page import CONTRASTS, press, text
from tiny import make_bundle

from classifyd.bundles import Store
from classifyd.values import Span

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "there is a browser")

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TEXT = "🎉🎉 hello maria from berlin, the meeting is on monday <img src=x onerror=\"document.title='owned'\"> maria"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A daemon with one message, whose spans its model doubts."""
    made = Place.make(tmp_path, tasks=("ner",), listen="127.0.0.1:0")
    make_bundle(Store(made.root / "models"), "ner", LABELS, "token")
    with (made.root / "config.toml").open("a") as file:
        file.write("\n[tasks.ner]\nreview_below = 1.0\n")
    made.start()
    made.drop("a.txt", TEXT)
    wait_until(lambda: made.files("done") == {"a.txt"}, place=made)
    yield made
    made.end()


@pytest.fixture
def page(place: Place, tmp_path: Path) -> Iterator[Chrome]:
    with queue(place, tmp_path / "profile", 1) as driver:
        driver.execute_script("document.getElementById('review').focus()")
        yield driver


def marks(driver: Chrome) -> list[tuple[str, str]]:
    """The words that are marked, each with its label, as they stand on the page."""
    found = driver.execute_script(
        "const words = (mark) => [...mark.querySelectorAll('span')].map((part) => part.textContent).join('');"
        "return [...document.querySelectorAll('#review-text mark')]"
        ".map((mark) => [words(mark), mark.querySelector('small').textContent])"
    )
    return [(words, label) for words, label in found]


def clicked(driver: Chrome, selector: str) -> str:
    """What is picked after a click; on a busy machine the page may be drawn anew beneath the pointer."""
    driver.find_element(By.CSS_SELECTOR, selector).click()
    return picked(driver)


def picked(driver: Chrome) -> str:
    return driver.execute_script(
        "return [...document.querySelectorAll('#review-text .picked')].map(part => part.textContent).join('')"
    )


def clear(driver: Chrome) -> None:
    """Have nothing marked: what a tiny model says is anything."""
    for _ in range(len(marks(driver))):
        press(driver, "n", Keys.DELETE)
    assert marks(driver) == []


def walk_to(driver: Chrome, word: str) -> None:
    for _ in range(60):
        press(driver, Keys.ARROW_LEFT)
    for _ in range(60):
        if picked(driver) == word:
            return
        press(driver, Keys.ARROW_RIGHT)
    raise AssertionError(f"{word} is not reached by the arrow keys")


def span(words: str, label: str, after: int = 0) -> Span:
    start = TEXT.index(words, after)
    return Span(start, start + len(words), label, 1.0)


def test_by_keys_alone_spans_are_marked_changed_removed_taken_back_and_kept(page: Chrome, place: Place) -> None:
    assert len(marks(page)) > 0, "what the model said is where one begins"
    clear(page)
    walk_to(page, "maria")
    press(page, "1")
    walk_to(page, "berlin")
    page.switch_to.active_element.send_keys(Keys.SHIFT + Keys.ARROW_LEFT + Keys.NULL)
    assert picked(page) == "from berlin"
    press(page, "2")
    assert marks(page) == [("maria", "PER"), ("from berlin", "LOC")]
    assert text(page, "review-picked") == "“from berlin”: LOC"

    press(page, "1")  # another label for the same words
    assert marks(page) == [("maria", "PER"), ("from berlin", "PER")]
    press(page, "u")
    assert marks(page) == [("maria", "PER"), ("from berlin", "LOC")]
    walk_to(page, "berlin")
    press(page, "2")  # what it overlaps gives way
    assert marks(page) == [("maria", "PER"), ("berlin", "LOC")]
    press(page, "p", Keys.BACK_SPACE)
    assert marks(page) == [("berlin", "LOC")]
    press(page, "u", "9", "x")
    assert marks(page) == [("maria", "PER"), ("berlin", "LOC")]

    press(page, Keys.ENTER)
    wait_until(lambda: "Nothing is left for review." in text(page, "review"))
    [found] = kept(place)
    assert found.spans == (span("maria", "PER"), span("berlin", "LOC"))
    assert (found.text, found.task, found.label, found.who, found.model) == (TEXT, "ner", None, "page", "ner@1")
    assert found.said != ""
    assert "a.txt: ner has 2 spans. 0 left." == text(page, "said")

    press(page, "u")  # the decision, with what was marked
    wait_until(lambda: "1 left" in text(page, "review-left"))
    assert kept(place) == []
    assert marks(page) == [("maria", "PER"), ("berlin", "LOC")]
    press(page, "u")
    assert marks(page) == [("maria", "PER"), ("from berlin", "LOC")]
    press(page, Keys.ENTER)
    again = (span("maria", "PER"), span("from berlin", "LOC"))
    wait_until(lambda: [one.spans for one in kept(place)] == [again], place=place)


def test_what_is_dragged_over_is_marked_and_a_click_picks_a_span(page: Chrome, place: Place) -> None:
    clear(page)
    drag(page, "the meeting")
    assert picked(page) == "the meeting"
    page.find_element(By.CSS_SELECTOR, "#review-labels button:nth-child(2)").click()
    assert marks(page) == [("the meeting", "LOC")]

    walk_to(page, "hello")
    wait_until(lambda: clicked(page, "#review-text mark span") == "the meeting", seconds=10)
    buttons = page.find_elements(By.CSS_SELECTOR, "#review-labels button")
    [remove] = [button for button in buttons if button.text.startswith("Remove")]
    remove.click()
    assert marks(page) == []
    page.find_element(By.ID, "review-undo").click()
    assert marks(page) == [("the meeting", "LOC")]

    [save] = [button for button in buttons if button.text.startswith("Right as marked")]
    save.click()
    wait_until(lambda: [one.spans for one in kept(place)] == [(span("the meeting", "LOC"),)], place=place)


def drag(driver: Chrome, words: str) -> None:
    """Drag over these words with the pointer, as a hand does, and somewhat beyond them."""
    box = driver.execute_script(
        "const words = ` ${arguments[0]} `;"
        "for (const part of document.querySelectorAll('#review-text [data-start]')) {"
        "  const at = part.firstChild.data.indexOf(words); if (at < 0) continue;"
        "  part.scrollIntoView({ block: 'center' });"
        "  const range = document.createRange();"
        "  range.setStart(part.firstChild, at); range.setEnd(part.firstChild, at + words.length);"
        "  const box = range.getBoundingClientRect();"
        "  return [box.left, box.right, box.top + box.height / 2].map(Math.round); }",
        words,
    )
    left, right, middle = box
    chain = ActionChains(driver)
    chain.w3c_actions.pointer_action.move_to_location(left + 1, middle).pointer_down()
    chain.w3c_actions.pointer_action.move_to_location(right - 1, middle).pointer_up()
    chain.perform()
    wait_until(lambda: picked(driver) == words)


def test_strangers_words_are_text_easy_to_read_and_fit_a_small_screen(page: Chrome) -> None:
    clear(page)
    assert "<img src=x" in text(page, "review-text")
    drag(page, "the meeting")
    press(page, "1")
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
