"""The status page in Debian's Chromium: what it shows of a running daemon, by whom and by which keys it is used."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import MISSING, browser, look_like, resize
from daemons import Place, wait_until
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "there is a browser")

EVIL = "🎉🎉SHOUT <img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> & é"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A daemon with some results, and two files in quarantine."""
    made = Place.make(tmp_path_factory.mktemp("office"), tasks=("capitals", "shouting"), listen="127.0.0.1:0")
    made.start()
    made.drop("loud.txt", "WHERE ARE YOU")
    made.drop("evil.txt", EVIL)
    for name in ("<b>broken.parquet", "other.parquet"):
        made.drop(name, b"PAR1 no table")
    wait_until(lambda: len(made.files("done")) == 2 and len(made.files("quarantine")) == 4, place=made)
    yield made
    made.end()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture(scope="module")
def link(place: Place) -> str:
    """The address of the page, unlocked."""
    command = [Path(sys.executable).with_name("classifyd"), "status", "--page", "--config", place.root / "config.toml"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def page(driver: Chrome, link: str) -> Chrome:
    """The page, unlocked, once it has drawn itself."""
    driver.get("about:blank")
    driver.get(link)
    resize(driver, 1280, 1000)
    wait_until(lambda: "loud.txt" in text(driver, "results") and "broken" in text(driver, "quarantine"))
    return driver


@pytest.fixture(autouse=True)
def nothing_to_complain_of(driver: Chrome) -> Iterator[None]:
    """No breach of the policy, no error of the script, and nothing fetched from elsewhere, whatever a test does."""
    driver.get_log("browser")
    yield
    complaints = [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    expected = re.compile(r"status of (401|404|409)")
    assert [complaint for complaint in complaints if not expected.search(complaint)] == []
    fetched = driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in fetched if not name.startswith("http://127.0.0.1:")] == []


def text(driver: Chrome, identity: str) -> str:
    return driver.execute_script("return document.getElementById(arguments[0]).innerText", identity)


def focused(driver: Chrome) -> str:
    return driver.execute_script("const e = document.activeElement; return e.getAttribute('aria-label') ?? e.id")


def press(driver: Chrome, *keys: str) -> None:
    for key in keys:
        driver.switch_to.active_element.send_keys(key)


def test_it_shows_inboxes_labels_models_results_and_quarantine(page: Chrome) -> None:
    assert "Running for" in text(page, "state")
    row = text(page, "inboxes").splitlines()[-1].split()
    assert row[:1] == ["in"]
    assert "shouting" in text(page, "labels")
    assert "shouting" in text(page, "models")
    assert "loud" in text(page, "results")
    assert "other.parquet" in text(page, "quarantine")
    assert "2 files" in text(page, "quarantine-count")
    wait_until(lambda: text(page, "figures").splitlines()[-2:] == ["files in the queue", "0"])  # the next look has it


def test_what_strangers_wrote_is_text_and_nothing_else(page: Chrome) -> None:
    assert "<img src=x" in text(page, "results")
    assert "<b>broken.parquet" in text(page, "quarantine")
    assert page.title == "classifyd"
    assert page.find_elements(By.CSS_SELECTOR, "main img, main b script, #results script, #quarantine b") == []


def test_spans_are_marked_where_they_are_in_characters_not_in_halves(page: Chrome) -> None:
    marks = page.find_elements(By.CSS_SELECTOR, "#results mark")
    words = page.execute_script("return arguments[0].map(mark => mark.firstChild.data)", marks)
    assert "🎉🎉SHOUT" in words


def test_without_the_token_it_shows_counts_and_asks_for_it(page: Chrome, link: str) -> None:
    page.find_element(By.ID, "lock").click()
    wait_until(lambda: "token" in text(page, "results"))
    assert "loud.txt" not in page.page_source
    assert "broken" not in text(page, "main")
    assert "Running for" in text(page, "state")
    page.refresh()
    wait_until(lambda: "in" in text(page, "inboxes") and "token" in text(page, "results"))

    page.find_element(By.ID, "lock").click()
    assert focused(page) == "token"
    press(page, "wrong-token-entirely", Keys.ENTER)
    wait_until(lambda: text(page, "unlock-fault") == "That is not this daemon\N{RIGHT SINGLE QUOTATION MARK}s token.")
    press(page, Keys.CONTROL + "a", link.partition("token=")[2], Keys.ENTER)
    wait_until(lambda: "loud.txt" in text(page, "results"))


def test_the_token_does_not_stay_in_the_address(page: Chrome) -> None:
    assert "token" not in page.current_url
    page.refresh()
    wait_until(lambda: "loud.txt" in text(page, "results"))


def test_it_is_live(page: Chrome, place: Place) -> None:
    place.drop("later.txt", "so much later")
    wait_until(lambda: "later.txt" in text(page, "results"), place=place)


def test_all_of_it_is_reached_by_keys_and_focus_is_seen(page: Chrome) -> None:
    page.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached = []
    for _ in range(12):
        press(page, Keys.TAB)
        reached.append(focused(page) or "")
        outline = page.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", reached
        if reached[-1].startswith("Retry"):
            break
    assert reached[1] == "lock"
    assert any("Left and right tell each minute" in name for name in reached)
    assert reached[-1].startswith("Retry")


def test_the_plot_tells_each_minute_by_keys(page: Chrome) -> None:
    plot = page.find_element(By.CSS_SELECTOR, "#plot svg")
    page.execute_script("arguments[0].focus()", plot)
    press(page, Keys.HOME, Keys.ARROW_RIGHT)
    assert re.fullmatch(r"\d\d:\d\d · \d+ records", text(page, "said"))
    assert page.find_elements(By.CSS_SELECTOR, "#plot .told") != []
    assert page.execute_script("return document.activeElement === arguments[0]", plot)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_are_easy_to_read_by_day_and_by_night(page: Chrome, scheme: str) -> None:
    look_like(page, scheme)
    pairs = page.execute_script(CONTRASTS)
    assert len(pairs) > 15
    assert [pair for pair in pairs if pair["contrast"] < 4.5] == []


CONTRASTS = """
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const parse = (colour, under) => {
  canvas.fillStyle = under; canvas.fillRect(0, 0, 1, 1);
  canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const light = (rgb) => {
  const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  const above = element.parentElement ? ground(element.parentElement) : '#fff';
  return `rgb(${parse(getComputedStyle(element).backgroundColor, above).join(' ')})`;
};
return [...document.querySelectorAll('body *')].filter((element) =>
  [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && element.checkVisibility()
).map((element) => {
  const under = ground(element);
  const style = getComputedStyle(element);
  const ink = element instanceof SVGElement ? style.fill : style.color;
  const [dark, bright] = [light(parse(ink, under)), light(parse(under, '#fff'))].sort((one, other) => one - other);
  return { text: element.textContent.slice(0, 30), contrast: (bright + 0.05) / (dark + 0.05) };
});
"""


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen(page: Chrome, width: int) -> None:
    resize(page, width, 900)
    wait_until(lambda: page.execute_script("return innerWidth") == width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_retry_moves_the_file_back_says_so_and_keeps_the_focus_near(page: Chrome, place: Place) -> None:
    before = place.log().count('"quarantined"')
    page.execute_script("document.querySelector('#quarantine button[aria-label=\"Retry other.parquet\"]').focus()")
    press(page, Keys.ENTER)
    wait_until(lambda: "other.parquet is back in inbox in as other.parquet" in text(page, "said"))
    wait_until(lambda: focused(page).startswith("Retry"))
    wait_until(lambda: place.log().count('"quarantined"') == before + 1, place=place)  # it is still no table
    wait_until(lambda: "2 files" in text(page, "quarantine-count"))


def test_a_daemon_that_is_gone_is_seen_to_be_gone(page: Chrome, place: Place) -> None:
    place.end()
    wait_until(lambda: text(page, "state") == "The daemon cannot be reached")
    assert page.find_element(By.ID, "state").get_attribute("data-state") == "gone"
    page.get_log("browser")  # that it could not be reached
