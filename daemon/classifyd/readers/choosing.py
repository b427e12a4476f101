"""Which reader an input is for: by its suffix, else by its first bytes."""

import json
import re
from collections.abc import Iterable
from pathlib import PurePath

from classifyd.api import CuttingReader, Reader, Source, UnreadableFile
from classifyd.readers.encoding import decode_whole, head, refuse_binary

SNIFFED_BYTES = 4096
KNOWN_HEADER = re.compile(
    rb"(?im)^(?:from|to|subject|date|received|message-id|return-path|mime-version|delivered-to|content-type|reply-to"
    rb"|delivery-date|x-[a-z-]+)[ \t]*:"
)
MBOX_LINE = re.compile(rb"From [^\n]*\d\d:\d\d[^\n]*\n")


def choose(readers: Iterable[Reader], source: Source) -> Reader:
    """The reader for an input; the first that serves its suffix wins. UnreadableFile if nothing fits."""
    known = list(readers)
    suffix = PurePath(source.name).suffix.lower()
    for reader in known:
        if suffix and suffix in reader.suffixes:
            return reader
    name = sniff(source)
    for reader in known:
        if reader.name == name:
            return reader
    raise UnreadableFile(f"{source.name}: looks like {name}, and no installed plugin reads that; install one")


def can_cut(reader: Reader, source: Source) -> bool:
    """Whether ranges of this input can be read by themselves: the reader can cut and the stream can seek."""
    return isinstance(reader, CuttingReader) and source.stream.seekable()


def sniff(source: Source) -> str:
    """The name of the built-in reader that the first bytes look meant for. UnreadableFile for binary data."""
    sample = head(source.stream)
    if sample.startswith(b"PAR1"):
        return "parquet"
    refuse_binary(source)
    start = decode_whole(sample).encode("utf-8", "replace").lstrip()
    if MBOX_LINE.match(start) and _is_mail(start.partition(b"\n")[2]):
        return "mbox"
    if _is_mail(start):
        return "mail"
    return _json(start) or "text"


def _is_mail(start: bytes) -> bool:
    """Whether it begins with a header's lines, one of which every mail has."""
    block = re.split(rb"\r?\n\r?\n", start[:SNIFFED_BYTES], maxsplit=1)[0] + b"\n"
    lines = re.sub(rb"\r?\n[ \t]+", b" ", block).splitlines()
    whole = lines[:-1] if len(block) > SNIFFED_BYTES else lines
    named = sum(1 for line in whole if re.match(rb"[!-9;-~]+[ \t]*:", line))
    return bool(KNOWN_HEADER.search(block)) and named >= 2 and named >= 0.8 * len(whole)


def _json(start: bytes) -> str | None:
    """Say jsonl if the first line is a whole object, json if it only begins one."""
    if start[:1] not in {b"{", b"["}:
        return None
    first, newline, rest = start.partition(b"\n")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return "json" if re.match(rb'\{\s*"|\[\s*["{\[]', start) else None
    return "jsonl" if isinstance(value, dict) and newline and rest.strip() else "json"
