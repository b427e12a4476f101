"""The documentation builds as a site without a fault: its links lead somewhere, nothing is fetched from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
MKDOCS = Path(sys.executable).with_name("mkdocs")
MISSING = "" if MKDOCS.exists() else "mkdocs is missing: pip install 'classifyd[docs]'"

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "mkdocs is there")

FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class Page(HTMLParser):
    """What a page of the site links to, fetches and names, and the words of its paragraphs."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.names: set[str] = set()
        self.without_words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.names |= {name for name in (told.get("id"), told.get("name")) if name}
        if tag == "a" and told.get("href"):
            self.links.append(told["href"] or "")
        # Where a page stands on the web is told, not fetched.
        if tag in FETCHED and told.get("rel") not in {"canonical", "next", "prev"} and told.get(FETCHED[tag]):
            self.fetched.append(told[FETCHED[tag]] or "")
        if tag == "img" and told.get("alt") is None:
            self.without_words.append(told.get("src") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from nothing where no network can be reached."""
    folder = tmp_path_factory.mktemp("site")
    nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "HTTP", "HTTPS")}
    command = [MKDOCS, "build", "--strict", "--quiet", "--site-dir", folder]
    outcome = subprocess.run(command, cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_page_of_docs_is_a_page_of_the_site(pages: dict[Path, Page], site: Path) -> None:
    named = {path.relative_to(site).with_suffix(".md").name for path in pages}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} == named


def test_every_link_leads_to_a_file_and_to_a_heading_that_is_there(pages: dict[Path, Page]) -> None:
    assert sum(len(page.links) for page in pages.values()) > 500
    assert list(broken(pages)) == []


def broken(pages: dict[Path, Page]) -> Iterator[str]:
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = pages[target].names if target in pages else set()
            if not target.exists() or (parts.fragment and unquote(parts.fragment) not in there | {"__top"}):
                yield f"{path.name}: {link}"


def test_nothing_is_fetched_from_elsewhere(pages: dict[Path, Page], site: Path) -> None:
    for path, page in pages.items():
        assert [link for link in page.fetched if urlsplit(link).scheme or urlsplit(link).netloc] == [], path.name
        missing = [link for link in page.fetched if not (path.parent / unquote(urlsplit(link).path)).exists()]
        assert missing == [], path.name
    styles = " ".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\"')]+", styles) == []


def test_every_table_and_list_is_one_and_every_picture_has_words(pages: dict[Path, Page]) -> None:
    """Python's Markdown wants an empty line before a list where GitHub's does not."""
    for path, page in pages.items():
        paragraphs = re.findall(r"<p>(.*?)</p>", path.read_text(), re.DOTALL)
        assert [one[:80] for one in paragraphs if re.search(r"^(\||- |\d+\. |```)", one, re.MULTILINE)] == [], path.name
        assert page.without_words == []


def test_the_drawing_says_in_words_what_it_shows_by_day_and_by_night() -> None:
    drawing = (ROOT / "docs" / "images" / "path.svg").read_text()
    assert re.search(r"<title[^>]*>[^<]+</title>", drawing)
    assert len(re.findall(r"<desc[^>]*>([^<]+)</desc>", drawing)[0]) > 100
    assert "prefers-color-scheme: dark" in drawing


def test_a_broken_link_is_a_fault_of_the_build(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    page = tmp_path / "docs" / "metrics.md"
    page.write_text(page.read_text() + "\n[gone](gone.md) [lost](operate.md#no-such-heading)\n")
    command = [MKDOCS, "build", "--strict", "--site-dir", tmp_path / "site"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome.returncode != 0
    assert "gone.md" in outcome.stderr
    assert "no-such-heading" in outcome.stderr
