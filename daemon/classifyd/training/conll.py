"""Columns of tokens and tags (CoNLL files) to texts with spans, whatever the tagging scheme."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from classifyd.values import Example, Span

TAG_PREFIXES = frozenset("BIESLUMO")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Tokens with one tag each; `text` is the sentence as it was written, where the file says so (`# text = `)."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    text: str | None = None


def looks_like_columns(head: str) -> bool:
    """Whether the beginning of a file is columns with a tag: most lines hold two fields or more, one of them a tag."""
    lines = [line for line in head.splitlines() if line.strip() and not _is_comment(line)]
    tagged = [line for line in lines if any(_is_tag(field) for field in line.split()[1:])]
    return len(lines) >= 1 and len(tagged) >= 0.9 * len(lines)


def sentences(lines: Iterable[str]) -> Iterator[Sentence]:
    """The sentences of a CoNLL file, in order; blank lines part them, `-DOCSTART-` lines are dropped.

    The tag is the last field that is one; the token is the first field, or the second where the first counts tokens
    as CoNLL-U does.
    """
    tokens: list[str] = []
    tags: list[str] = []
    text: str | None = None
    for line in lines:
        stripped = line.rstrip("\r\n")
        if not stripped.strip():
            if tokens:
                yield Sentence(tuple(tokens), tuple(tags), text)
            tokens, tags, text = [], [], None
        elif not tokens and _is_comment(stripped):
            if stripped.startswith("# text = "):
                text = stripped.removeprefix("# text = ")
        elif not stripped.startswith("-DOCSTART-"):
            token, tag = _columns(stripped)
            tokens.append(token)
            tags.append(tag)
    if tokens:
        yield Sentence(tuple(tokens), tuple(tags), text)


def example(sentence: Sentence, source: str = "") -> Example:
    """The sentence as one text with its entities as spans over code points."""
    text, offsets = _lay_out(sentence)
    spans = tuple(
        Span(offsets[first][0], offsets[last][1], label, 1.0) for first, last, label in entities(sentence.tags)
    )
    return Example(text=text, spans=spans, source=source)


def entities(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """(first token, last token, label) of each entity, under IOB1, IOB2, IOBES and BILOU alike.

    B, S and U always begin one; I, E, L and M continue one of the same label and otherwise begin one, which is what
    IOB1 means by I and the lenient reading of a stray I under the others (Tjong Kim Sang & Veenstra 1999).
    """
    found: list[tuple[int, int, str]] = []
    open_label: str | None = None
    for index, tag in enumerate(tags):
        prefix, _, label = tag.partition("-")
        if prefix == "O" or not label:
            open_label = None
            continue
        if prefix in "BSU" or label != open_label:
            found.append((index, index, label))
        else:
            found[-1] = (found[-1][0], index, label)
        open_label = None if prefix in "ELSU" else label
    return found


def _is_comment(line: str) -> bool:
    return (line.startswith("# ") and "=" in line) or line.startswith("# newdoc")


def _is_tag(field: str) -> bool:
    return field == "O" or (len(field) > 2 and field[0] in TAG_PREFIXES and field[1] == "-")


def _columns(line: str) -> tuple[str, str]:
    """Token and tag of one line; a token missing (an invisible character, trimmed away) leaves an empty string."""
    fields = line.split("\t") if "\t" in line else line.split()
    tag = next((field.strip() for field in reversed(fields) if _is_tag(field.strip())), "O")
    counted = len(fields) > 2 and fields[0].isdigit()
    return fields[1 if counted else 0].strip(), tag


def _lay_out(sentence: Sentence) -> tuple[str, list[tuple[int, int]]]:
    """The text and where each token lies in it: the text as written if the tokens are found in it, else rebuilt."""
    if sentence.text is not None:
        offsets = _find(sentence.tokens, sentence.text)
        if offsets is not None:
            return sentence.text, offsets
    return _rebuild(sentence.tokens)


def _find(tokens: Sequence[str], text: str) -> list[tuple[int, int]] | None:
    offsets = []
    position = 0
    for token in tokens:
        start = text.find(token, position)
        if start < 0 or text[position:start].strip():
            return None
        position = start + len(token)
        offsets.append((start, position))
    return offsets


CLINGS_LEFT = frozenset(
    {",", ".", "!", "?", ";", ":", ")", "]", "}", "%", "...", "'s", "'S", "n't", "'m", "'re", "'ve", "'ll", "'d"}
)
CLINGS_RIGHT = frozenset({"(", "[", "{", "$", "#", "@"})


def _rebuild(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Tokens joined as people write them, so that nothing is learnt from the spacing of tokenised text."""
    text = ""
    offsets = []
    for index, token in enumerate(tokens):
        if index and token not in CLINGS_LEFT and tokens[index - 1] not in CLINGS_RIGHT:
            text += " "
        offsets.append((len(text), len(text) + len(token)))
        text += token
    return text, offsets
