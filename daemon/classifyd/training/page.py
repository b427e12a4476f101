"""A report as one HTML page that needs nothing else: its plots are in it, and it asks nothing of any other place."""

import base64
import html
from collections.abc import Mapping
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

NAME = "report.html"

# Nothing is fetched and nothing runs, whatever a text in the report may say.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --ink: #1f2328; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #161b22; --ink: #e6edf3; --paper: #0d1117; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.25; border-bottom: 1px solid var(--line); padding-bottom: .3rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .75rem 0; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; vertical-align: top; }
tr:nth-child(even) { background: var(--soft); }
thead tr:not(:has(th:not(:empty))) { display: none; }
code { font: .87em/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
img { max-width: 100%; background: #fff; border: 1px solid var(--line); border-radius: 6px; padding: 6px; }
"""


def of(title: str, markdown: str, plots: Mapping[str, Path]) -> str:
    """The page of a report in Markdown; `plots` says where the PNG files lie that it shows.

    HTML in the Markdown is text like any other, links are not followed, and images other than the plots are left out.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "autolink"])
    tokens = parser.parse(markdown)
    for token in tokens:
        token.children = [_embedded(child, plots) for child in token.children or ()]
    body = parser.renderer.render(tokens, parser.options, {})
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _embedded(token: Token, plots: Mapping[str, Path]) -> Token:
    """An image with its file in it, or nothing if it is none of the plots; any other token as it is."""
    if token.type != "image":
        return token
    path = plots.get(str(token.attrs.get("src")))
    if path is None:
        return Token("text", "", 0)
    token.attrs["src"] = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    return token
