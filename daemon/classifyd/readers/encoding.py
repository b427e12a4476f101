"""Which encoding bytes are in: UTF-8 and what a byte order mark says, else what charset-normalizer finds."""

import codecs
import io
import re
from typing import Any, BinaryIO, cast

from classifyd.api import Source, UnreadableFile
from classifyd.mail.charsets import FALLBACK, detect, is_utf8

SAMPLE_BYTES = 2**16
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
WITHOUT_SUFFIX = "without the suffix"
MAGIC = (
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old office document or Outlook message"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"\x1f\x8b\x08", f"gzip data {WITHOUT_SUFFIX} .gz"),
    (b"BZh9", f"bzip2 data {WITHOUT_SUFFIX} .bz2"),
    (b"\xfd7zXZ\x00", f"xz data {WITHOUT_SUFFIX} .xz"),
    (b"\x28\xb5\x2f\xfd", "zstd data, which is not read"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", f"a Parquet file {WITHOUT_SUFFIX} .parquet"),
)
UNFIT = re.compile("[\0\ud800-\udfff]")
CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b\0"))


def head(stream: BinaryIO, size: int = SAMPLE_BYTES) -> bytes:
    """The first bytes of a stream that is at its beginning, which stays there."""
    if stream.seekable():
        start = stream.tell()
        data = stream.read(size)
        stream.seek(start)
        return data
    return cast("io.BufferedReader", stream).peek(size)[:size]


def wide(sample: bytes) -> str | None:
    """The encoding whose units are wider than a byte (UTF-16, UTF-32), by its mark or its pattern of zeros."""
    for mark, name in MARKS:
        if sample.startswith(mark):
            return name
    return _zeros(sample)


def _zeros(sample: bytes) -> str | None:
    """UTF-16 without a mark: text in a European script has every other byte zero."""
    half = len(sample) // 2
    if half < 4:
        return None
    even, odd = sample[0 : 2 * half : 2].count(0), sample[1 : 2 * half : 2].count(0)
    if odd > 0.7 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.7 * half and odd < 0.05 * half else None


def looks_binary(sample: bytes) -> str | None:
    """What bytes that are no text look like; None for text."""
    for magic, what in MAGIC:
        if sample.startswith(magic):
            return what
    if wide(sample):
        return None
    zeros = sample.count(0)
    control = len(sample) - len(sample.translate(None, CONTROL))
    return "binary data" if zeros + control > 0.05 * len(sample) + 8 else None


def refuse_binary(source: Source) -> None:
    """UnreadableFile, saying what it looks like, if the input is no text."""
    what = looks_binary(head(source.stream))
    if what:
        mend = "give it that suffix" if WITHOUT_SUFFIX in what else "convert it to text, or keep it out of the inbox"
        raise UnreadableFile(f"{source.name}: looks like {what}; {mend}")


def foreign(sample: bytes) -> str:
    """The encoding for the lines of a file that are not UTF-8, from the lines of its sample that are not."""
    lines = [line for line in sample.split(b"\n")[:-1] or [sample] if not is_utf8(line)]
    found = detect(b"\n".join(lines)) if lines else FALLBACK
    return found if _keeps_ascii(found) else FALLBACK


def _keeps_ascii(encoding: str) -> bool:
    """Whether quotes, delimiters and brackets mean themselves in an encoding."""
    ascii_bytes = bytes(range(32, 127))
    try:
        return ascii_bytes.decode(encoding) == ascii_bytes.decode("ascii")
    except (UnicodeError, LookupError):
        return False


def decode(data: bytes, otherwise: str | None = None) -> str:
    """Text of bytes in whatever encoding: UTF-8 first, then `otherwise` (None to detect it). Never an exception."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        encoding = otherwise or detect(data)
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return data.decode(FALLBACK, "replace")


def decode_whole(data: bytes) -> str:
    """Text of a whole file: as `decode`, byte order marks heeded."""
    encoding = wide(data[:SAMPLE_BYTES])
    return data.decode(encoding, "replace") if encoding else decode(data.removeprefix(codecs.BOM_UTF8))


def fit(text: str) -> str:
    """Text that every tokenizer and database takes, of the same length: U+0000 and half surrogates become U+FFFD."""
    return text if text.isascii() and "\0" not in text else UNFIT.sub("\ufffd", text)


class _Transcoding(io.RawIOBase):
    """UTF-16 or UTF-32 as UTF-8."""

    def __init__(self, below: BinaryIO, encoding: str) -> None:
        self._below = below
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            data = self._below.read(SAMPLE_BYTES)
            self._ended = not data
            self._ready = self._decoder.decode(data, self._ended).encode("utf-8", "replace")
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


def transcoded(stream: BinaryIO, encoding: str) -> BinaryIO:
    """The stream's text as UTF-8."""
    return cast("BinaryIO", io.BufferedReader(_Transcoding(stream, encoding), SAMPLE_BYTES))
