"""Text of bytes whose encoding is declared, or not, or declared wrongly."""

import codecs
import encodings
import pkgutil
from encodings.aliases import aliases

from charset_normalizer import from_bytes

# Single bytes that mean something nearly everywhere; the last resort for bytes that are in no encoding at all.
FALLBACK = "cp1252"
SAMPLE_BYTES = 2**13
# Fewer bytes than these tell nothing about a script: they are the accents of Western text.
TELLING_BYTES = 32
TELLING_SHARE = 0.25
# Those that people write in. Without this the guess may fall on EBCDIC, or on a Macintosh of 1990.
LIKELY = ["cp1252", "cp1250", "cp1251", "koi8_r", "koi8_u", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257",
          "iso8859_2", "gb18030", "big5", "cp932", "euc_jp", "cp949", "cp874"]  # fmt: skip
# What mail programs of old declare for what they send, and names that Python does not know.
ALIASES = {"gb2312": "gb18030", "gbk": "gb18030", "ks_c_5601-1987": "cp949", "euc-kr": "cp949", "shift_jis": "cp932",
           "iso-8859-1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252", "unicode-1-1-utf-7": "utf-7",
           "iso-8859-8-i": "iso-8859-8", "x-sjis": "cp932", "x-gbk": "gb18030", "x-mac-roman": "mac-roman"}  # fmt: skip
# Codecs of Python that turn bytes into other things than text, or run code points through rules of their own.
NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "unicode-escape"})
# Python remembers for ever each name that it was asked for and does not know: it is asked for these alone.
NAMES = frozenset(aliases) | {module.name for module in pkgutil.iter_modules(encodings.__path__)}


def decode(data: bytes, declared: str | None = None) -> str:
    """The text: as declared if that fits, else UTF-8, else what the bytes look like. Never an exception."""
    for encoding in (_known(declared), "utf-8"):
        # cp1252 takes nearly anything, so that UTF-8 has to be ruled out first.
        if encoding and (encoding != FALLBACK or not is_utf8(data)):
            try:
                return data.decode(encoding)
            except (UnicodeError, ValueError):
                continue
    encoding = FALLBACK if _known(declared) == FALLBACK else detect(data)
    return data.decode(encoding, "replace")


def detect(data: bytes) -> str:
    """The likeliest encoding of bytes that are not UTF-8; one that Python knows."""
    lines = [line for line in data[: 8 * SAMPLE_BYTES].split(b"\n") if not line.isascii()]
    sample = b"\n".join(lines)[:SAMPLE_BYTES]
    high = len(sample.translate(None, bytes(range(128))))
    if high < TELLING_BYTES and high <= TELLING_SHARE * len(sample):
        return FALLBACK
    try:
        best = from_bytes(sample, cp_isolation=LIKELY).best()
    except Exception:  # noqa: BLE001  # foreign code fed with anything at all; a guess that fails is no guess
        return FALLBACK
    return best.encoding if best else FALLBACK


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _known(declared: str | None) -> str | None:
    """Python's name of a declared charset; None for one that it does not know or that is none."""
    if not declared:
        return None
    name = declared.strip(" '\"").lower()
    name = ALIASES.get(name, name)
    normal = encodings.normalize_encoding(name)
    if not {normal, normal.replace(".", "_")} & NAMES:
        return None
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    # Text encodings alone: Python also calls gzip, base64 and rot13 codecs.
    return None if info.name in NO_CHARSETS or not getattr(info, "_is_text_encoding", True) else name
