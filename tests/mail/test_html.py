import resource
import time

import pytest

from classifyd.mail.bombs import is_bomb
from classifyd.mail.html import to_text


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>x</script>",
        "<style>x</style>",
        "<!-- x -->",
        "<p style='display:none'>x</p>",
        "<p style='color:red; DISPLAY : none !important'>x</p>",
        "<span style='visibility:hidden'>x</span>",
        "<span style='font-size:0px'>x</span>",
        "<span style='font-size: 0'>x</span>",
        "<div style='max-height:0;overflow:hidden'>x</div>",
        "<div style='opacity:0.0'>x</div>",
        "<div style='mso-hide:all'>x</div>",
        "<div hidden>x</div>",
        "<font size=0>x</font>",
        "<title>x</title>",
        "<template>x</template>",
        "<noscript>x</noscript>",
    ],
)
def test_what_a_reader_does_not_see_is_dropped(hidden):
    assert to_text(f"<p>a</p>{hidden}<p>b</p>").split() == ["a", "b"]


def test_visible_styles_stay():
    assert to_text("<p style='font-size:0.9em;opacity:0.5;max-height:0200px'>a</p>") == "a"


def test_blocks_are_lines_and_inline_elements_are_not():
    assert to_text("<p>one <b>two</b>\nthree</p><div>four<br>five</div><table><tr><td>a<td>b</table>") == (
        "one two three\n\nfour\nfive\n\na b"
    )


def test_characters_without_width_do_not_break_words():
    assert to_text("<p>V&zwnj;i&#8203;a&shy;gra &amp; &lt;b&gt;</p>") == "Viagra & <b>"


HOSTILE = {
    "deep": "<div>" * 500_000 + "x",
    "lists": "<ul><li>" * 300_000 + "x",
    "formats": "<b><p>" * 100_000 + "x",
    "unclosed": "x" + "<" * 1_000_000,
    "attributes": "<p " + " ".join(f"a{number}=1" for number in range(200_000)) + ">x",
    "a style": "x<p style='" + "0" * 10**6,
    "closing": "<b>" * 900 + "</i>" * 300_000 + "x",
    "scripts": "x" + "<script>" * 300_000,
    "formats of their own": "x<p>" + "".join(f"<b x{number}>" for number in range(990)) + "<p>x" * 30_000,
    "ends of nothing": "x" + "<div></x>" * 200_000,
    "ends in comments": "x" + "<div><!--</div>-->" * 100_000,
    "ends in quotes": "x" + "<div a='</div>'>" * 100_000,
    "quoted attributes": 'x<a x="<" ' + " ".join(f"a{number}" for number in range(100_000)) + ">",
    "attributes after a comment": "x<!--><a " + " ".join(f"a{number}" for number in range(100_000)) + "> -->",
    "quotes in a script": "x<script>'<a x=\"'</script>" + "<div>" * 500_000,
    "quotes in a drawing": "x<svg><style><a x='</style>'></style></svg>" + "<div>" * 500_000,
    "spaces": "x" + " " * 1_000_000 + "<p>" + "\n" * 1_000_000,
}


@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE)
def test_hostile_html_is_read_quickly_and_in_little_room(html):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    assert to_text(html).startswith("x")
    assert time.process_time() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19, "half a GiB"


HARMLESS = {
    "a letter": "<table>" + "<tr><td><font color=red>a<td>b</font></td></tr>" * 5000 + "</table>",
    "fonts left open in cells": "<table>" + "<tr><td><font color=red>a</td></tr>" * 5000 + "</table>",
    "a picture": "<img src='data:image/png;base64," + "abc/" * 100_000 + "'>a",
    "a list": "<ul>" + "<li>a</li>" * 50_000 + "</ul>",
    "paragraphs": "<p><b>a</b> <i>b</i>" * 50_000,
    "a program": "<script>" + 'if (a<b) document.write("<div>");' * 5000 + "</script>a",
}


@pytest.mark.parametrize("html", HARMLESS.values(), ids=HARMLESS)
def test_what_is_only_large_is_no_bomb(html):
    assert not is_bomb(html)


def test_what_is_too_deep_to_parse_still_loses_its_tags_and_scripts():
    assert to_text("<div>" * 2000 + "a<script>x</script> &amp; b").split() == ["a", "&", "b"]
