"""Headers as people read them: unfolded, RFC 2047 words decoded, of bounded length."""

from email.header import decode_header
from email.message import Message
from email.policy import Compat32

from classifyd.mail.charsets import decode

# The parsers of encoded words and of parameters take time in the square of a header's length.
MAX_HEADER_CHARS = 2**14
MAX_CONTENT_CHARS = 2**12
"""Of the headers that each part of a mail has, of which there may be thousands."""
SHOWN = ("subject", "from", "to", "cc", "reply_to", "date", "message_id")


class BoundedPolicy(Compat32):
    """The standard library's most lenient policy, with an end to how long a header is."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """Name and value of one header."""
        name, value = super().header_source_parse(sourcelines)
        return name, value[: MAX_CONTENT_CHARS if name.lower().startswith("content-") else MAX_HEADER_CHARS]

    def header_fetch_parse(self, name: str, value: str) -> str:
        """The value as it came, bytes above 127 as half surrogates; `readable` finds out what they mean."""
        del name
        return value


def shown(message: Message) -> dict[str, str]:
    """The headers that people look at, by lower-case name, those that there are."""
    found = {name: readable(message.get(name.replace("_", "-"))) for name in SHOWN}
    return {name: value for name, value in found.items() if value is not None}


def readable(value: object) -> str | None:
    """A header's value as text; None if there is none."""
    if value is None:
        return None
    raw = str(value).replace("\r", " ").replace("\n", " ").strip()
    try:
        words = decode_header(raw)
    except Exception:  # noqa: BLE001  # base64 that is none, charsets that are none: the library raises as it pleases
        return _bytes_kept(raw)
    text = "".join(_word(word, charset) for word, charset in words)
    return " ".join(text.replace("\0", "").split())


def _word(word: str | bytes, charset: str | None) -> str:
    if isinstance(word, str):
        return _bytes_kept(word)
    return decode(word, charset)


def _bytes_kept(text: str) -> str:
    """Text whose half surrogates stand for bytes above 127, as the parser keeps them."""
    if text.isascii():
        return text
    return decode(text.encode("utf-8", "surrogateescape"))
