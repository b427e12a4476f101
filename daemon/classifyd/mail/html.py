"""The text that a reader of an HTML page or mail sees."""

import re
from collections.abc import Iterator
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

from classifyd.mail.bombs import is_bomb

UNSEEN = frozenset({"script", "style", "head", "title", "template", "noscript", "iframe", "object", "embed", "svg",
                    "math", "audio", "video", "canvas", "map", "datalist", "-comment", "-doctype"})  # fmt: skip
BLOCKS = frozenset({"address", "article", "aside", "blockquote", "body", "center", "dd", "div", "dl", "dt", "fieldset",
                    "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav",
                    "ol", "p", "pre", "section", "table", "tbody", "tr", "ul", "option", "caption"})  # fmt: skip
CELLS = frozenset({"td", "th"})
ZERO = r"0*(?:\.0*)?(?:px|pt|em|rem|ex|%|in|cm|mm)?"
HIDING = re.compile(
    rf"(?:^|[;{{\s])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all"
    rf"|(?:font-size|opacity|max-height|max-width|line-height)\s*:\s*(?=[0.]){ZERO}\s*(?:!important\s*)?(?:;|$))",
    re.IGNORECASE,
)
UNSEEN_TAG = re.compile(r"(?i)<(/?(?:script|style)\b)[^<>]*>?")
# Characters of no width, with which words are broken up and previews padded.
WIDTHLESS = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
SPACES = re.compile(r"[ \t\r\f\v\xa0\u2000-\u200a\u202f\u205f\u3000]+")


def to_text(html: str) -> str:
    """The visible text, a line for each block, without scripts, styles, comments and hidden elements."""
    pieces = _untagged(html) if is_bomb(html) else "".join(_pieces(LexborHTMLParser(html)))
    lines = (SPACES.sub(" ", line).strip() for line in WIDTHLESS.sub("", pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _untagged(html: str) -> str:
    """The text between tags, scripts and styles left out, for what no parser should be given."""
    first, *others = UNSEEN_TAG.split(html)
    kept = [first, *(text for tag, text in zip(others[::2], others[1::2], strict=True) if tag.startswith("/"))]
    return unescape(re.sub("<[^<>]*>", " ", " ".join(kept)))


def _pieces(tree: LexborHTMLParser) -> Iterator[str]:
    """Texts and breaks in document order; a loop of its own, since depth is the sender's choice."""
    node: LexborNode | None = tree.root
    path: list[tuple[LexborNode, str]] = []
    while node is not None:
        tag = node.tag or ""
        child = None
        if tag == "-text":
            yield _text(node, path)
        elif tag not in UNSEEN and not _hidden(node):
            yield _break(tag)
            child = node.child
        if child is not None:
            path.append((node, tag))
            node = child
            continue
        node = node.next
        while node is None and path:
            above, tag = path.pop()
            yield _break(tag)
            node = above.next


def _text(node: LexborNode, path: list[tuple[LexborNode, str]]) -> str:
    text = node.text_content or ""
    if any(tag == "pre" for _, tag in path[-4:]):
        return text
    return text.replace("\n", " ")


def _break(tag: str) -> str:
    if tag in BLOCKS or tag == "br":
        return "\n"
    return " " if tag in CELLS else ""


def _hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    if "hidden" in attributes or (node.tag == "input" and attributes.get("type") == "hidden"):
        return True
    style = attributes.get("style")
    return bool(style and HIDING.search(style[:2000])) or (node.tag == "font" and attributes.get("size") == "0")
