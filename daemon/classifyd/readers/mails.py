"""Mails: one in a file, or many in an mbox."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from classifyd import mail
from classifyd.api import Cut, Fault, LimitExceeded, Record, Source, UnreadableFile
from classifyd.readers.encoding import fit, head, looks_binary, refuse_binary, wide
from classifyd.readers.fields import over, too_long
from classifyd.readers.lines import PIECE_BYTES, lines
from classifyd.readers.text import read_whole
from classifyd.values import Limits

HEADER = re.compile(rb"\s*(?:From |[!-9;-~]+[ \t]*:)")
SEPARATOR = b"From "
BEGINNING = re.compile(rb"\n\r?\n(?=From )")
# As many bytes as a match cut short by a block's end may have.
KEPT_BYTES = 7
# mboxrd (qmail, RFC 4155 readers): a body's line that looked like a separator got one ">" more.
QUOTED = re.compile(rb"(?m)^>(>*From )")


@dataclass(frozen=True, slots=True)
class MailReader:
    """One mail a file: subject and body are the text, headers and the names of attachments the meta."""

    name: str = "mail"
    suffixes: tuple[str, ...] = (".eml", ".mail")

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """One record. UnreadableFile for what is no mail, LimitExceeded past a limit."""
        del cut
        sample = head(source.stream)
        if not HEADER.match(sample.removeprefix(BOM_UTF8)) and looks_binary(sample):
            refuse_binary(source)
        data = read_whole(source).removeprefix(BOM_UTF8)
        encoding = wide(sample)
        try:
            yield record(data.decode(encoding, "replace").encode() if encoding else data, 0, source.limits)
        except LimitExceeded as error:
            raise LimitExceeded(f"{source.name}: {error}") from error
        except UnreadableFile as error:
            raise UnreadableFile(f"{source.name}: {error}") from error


def record(data: bytes, index: int, limits: Limits) -> Record:
    """The record of one mail's bytes. LimitExceeded past a limit, UnreadableFile for nothing at all."""
    parsed = mail.parse(data, limits)
    text = fit(parsed.text)
    if over(text, limits.record_bytes):
        raise LimitExceeded(too_long(limits.record_bytes).message)
    return Record(text, index, parsed.meta)


@dataclass(frozen=True, slots=True)
class MboxReader:
    """One record a mail. A mail begins at a line "From " that follows a blank line, or the file's beginning."""

    name: str = "mbox"
    suffixes: tuple[str, ...] = (".mbox", ".mbx")

    def read(self, source: Source, cut: Cut | None) -> Iterator[Record]:
        """The records of all mails or of a cut's; one that is over a limit becomes a record with an error."""
        if cut is None:
            _refuse(source)
        else:
            source.stream.seek(cut.start)
        index = cut.first if cut else 0
        for data in _mails(source.stream, cut.end if cut else None, source.limits.record_bytes):
            try:
                if data is None:
                    raise LimitExceeded(too_long(source.limits.record_bytes).message)
                yield record(QUOTED.sub(rb"\1", data), index, source.limits)
            except UnreadableFile as error:
                yield Record("", index, error=Fault.of(error))
            index += 1

    def cut(self, source: Source, size: int) -> Iterator[Cut]:
        """Ranges of bytes that begin with a separator."""
        _refuse(source)
        start = first = count = 0
        for begin in _beginnings(source.stream):
            if begin - start >= size:
                yield Cut(start, begin, first)
                start, first = begin, first + count
                count = 0
            count += 1
        if count:
            yield Cut(start, source.stream.tell(), first)


def _refuse(source: Source) -> None:
    sample = head(source.stream)
    if not sample.lstrip(b"\r\n").startswith(SEPARATOR):
        refuse_binary(source)
        raise UnreadableFile(f'{source.name}: is no mbox, for it does not begin with "From "; name a single mail .eml')


def _mails(stream: BinaryIO, end: int | None, limit: int) -> Iterator[bytes | None]:
    """The bytes of each mail without its separator; None for one over the limit."""
    held: list[bytes] | None = None
    size = 0
    blank = True
    for line in lines(stream, end, limit):
        if isinstance(line, int):
            size, blank = limit + 1, False
            continue
        if blank and line.startswith(SEPARATOR):
            if held is not None:
                yield b"".join(held) if size <= limit else None
            held, size = [], 0
        elif held is not None:
            size += len(line)
            if size <= limit:
                held.append(line)
        blank = line in {b"\n", b"\r\n"}
    if held is not None:
        yield b"".join(held) if size <= limit else None


def _beginnings(stream: BinaryIO) -> Iterator[int]:
    """The offsets of the separators that `_mails` sees, found block by block."""
    # Two line ends stand for what comes before the file; they keep every match whole across blocks.
    carry, at = b"\n\n", -2
    while block := stream.read(PIECE_BYTES):
        data = carry + block
        start = 0
        for found in BEGINNING.finditer(data):
            yield at + found.end()
            start = found.end()
        kept = max(start, len(data) - KEPT_BYTES)
        carry, at = data[kept:], at + kept
