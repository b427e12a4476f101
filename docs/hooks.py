"""What the site needs of the pages beside what GitHub does with them; mkdocs.yml names it."""

import re
from typing import Any


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to files beside the documentation become their names: the site may stand without the repository."""
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)#]+)[^)]*\)", _named, markdown)


def _named(link: re.Match[str]) -> str:
    """The text of a link, and where the file lies in the repository unless the text says so itself."""
    text, path = link[1], link[2]
    return f"`{path}`" if text.strip("`") == path else f"{text} (`{path}`)"
