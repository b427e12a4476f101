import base64
import contextlib
import encodings
import os
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifyd import mail
from classifyd.errors import LimitExceeded, UnreadableFile
from classifyd.values import Limits

FIXTURES = sorted(
    path
    for path in (Path(__file__).parent.parent / "data" / "mail").rglob("*")
    if path.is_file() and path.suffix not in {".md", ".txt"} and path.name != ".gitattributes"
)
PLAIN = "Content-Type: text/plain"
HTML = "Content-Type: text/html"
CORPORA = os.environ.get("CLASSIFYD_CORPORA")


def parse(*lines: str | bytes, limits: Limits | None = None) -> mail.Mail:
    data = b"\n".join(line.encode() if isinstance(line, str) else line for line in lines)
    return mail.parse(data, limits or Limits())


def multipart(kind: str, *parts: tuple[str, str]) -> list[str]:
    lines = ["Subject: s", f'Content-Type: multipart/{kind}; boundary="b"', ""]
    for header, body in parts:
        lines += ["--b", *header.split("|"), "", body]
    return [*lines, "--b--", ""]


# ---------------------------------------------------------------------- headers and text


def test_the_text_is_subject_blank_line_body():
    found = parse(
        "Subject: a", "From: =?utf-8?q?Jos=C3=A9?= <j@x>", "To: b@c", "Date: today", "Message-ID: <1>", "", "hello", ""
    )
    assert found.text == "a\n\nhello"
    assert found.meta == {
        "subject": "a", "from": "José <j@x>", "to": "b@c", "date": "today", "message_id": "<1>", "attachments": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"=?iso-8859-1?Q?caf=E9?=", "café"),
        (b"=?utf-8?B?Y2Fmw6k=?= =?utf-8?B?IQ==?=", "café!"),
        (b"=?x-unknown?q?caf=E9?=", "café"),
        (b"=?utf-8?B?not base64 at all?=", None),
        (b"=?utf-8?B?abcde?=", "=?utf-8?B?abcde?="),
        (b"caf\xe9", "café"),
        (b"caf\xc3\xa9", "café"),
        (b"folded\n over\n\tlines", "folded over lines"),
        (b"=?gb2312?B?xOO6ww==?=", "你好"),
        (b"=?idna?q?abc?= =?zlib?q?abc?=", None),
    ],
)
def test_headers_are_decoded_however_they_are_encoded(raw, shown):
    found = parse(b"Subject: " + raw, "", "x").subject
    assert found == shown if shown is not None else isinstance(found, str)


# ---------------------------------------------------------------------- bodies


def test_of_alternatives_the_plain_one_is_taken():
    found = parse(
        *multipart("alternative", ("Content-Type: text/plain", "plain"), ("Content-Type: text/html", "<p>html"))
    )
    assert found.body == "plain"


def test_an_empty_plain_alternative_gives_way_to_the_html():
    found = parse(
        *multipart("alternative", ("Content-Type: text/plain", " "), ("Content-Type: text/html", "<p>html</p>"))
    )
    assert found.body == "html"


def test_attachments_are_named_and_never_opened():
    name = "=?utf-8?q?r=C3=A9sum=C3=A9.txt?="
    found = parse(
        *multipart(
            "mixed",
            ("Content-Type: text/plain", "body"),
            (f'Content-Type: text/plain|Content-Disposition: attachment; filename="{name}"', "secret"),
            ('Content-Type: application/pdf; name="a.pdf"', "secret"),
            ("Content-Type: image/png", "secret"),
        )
    )
    assert found.body == "body"
    assert found.meta["attachments"] == ["résumé.txt", "a.pdf", "unnamed (image/png)"]


def test_a_message_within_the_message_is_read():
    inner = "Subject: inner\nContent-Type: text/plain\n\ndeep"
    found = parse(*multipart("mixed", ("Content-Type: text/plain", "outer"), ("Content-Type: message/rfc822", inner)))
    assert found.text == "s\n\nouter\n\ninner\n\ndeep"


@pytest.mark.parametrize(
    ("header", "body", "text"),
    [
        ("Content-Type: text/plain; charset=utf-8", "café".encode(), "café"),
        ("Content-Type: text/plain; charset=iso-8859-1", "café".encode(), "café"),
        ("Content-Type: text/plain; charset=us-ascii", b"caf\xe9", "café"),
        ("Content-Type: text/plain; charset=x-nonsense", b"caf\xe9", "café"),
        ("Content-Type: text/plain; charset=utf-7", b"caf+AOk-", "café"),
        ("Content-Type: text/plain; charset=zlib", b"abc", "abc"),
        ("Content-Type: text/plain; charset=idna", b"abc", "abc"),
        ("Content-Type: text/plain; charset=\0", b"abc", "abc"),
        ("Content-Transfer-Encoding: base64", base64.b64encode(b"hello"), "hello"),
        ("Content-Transfer-Encoding: quoted-printable", b"h=65llo=\n!", "hello!"),
        ("Content-Transfer-Encoding: nonsense", b"hello", "hello"),
        ("Content-Type: text/html", b"<p>hello<script>x</script>", "hello"),
        ("Content-Type: text/plain", b"<html><p>hello</p></html>", "hello"),
        ("Content-Type: nonsense", b"hello", "hello"),
        ("Content-Type: multipart/mixed", b"hello", "hello"),
        ("Content-Type: multipart/mixed; boundary=b", b"hello", "hello"),
    ],
)
def test_bodies_in_every_encoding(header, body, text):
    assert parse(header, "", body).body == text


def test_a_multipart_whose_last_boundary_is_missing_is_read():
    assert parse("Content-Type: multipart/mixed; boundary=b", "", "--b", "", "hello").body == "hello"


def test_uuencoded_files_are_named_and_left_out():
    found = parse("Subject: s", "", "before", "begin 644 a.exe", "#86)C", "`", "end", "after")
    assert (found.body, found.meta["attachments"]) == ("before\nafter", ["a.exe"])


def test_words_that_look_like_the_beginning_of_uuencode_lose_no_text():
    assert "and Then we went on." in parse("Subject: s", "", "begin 644 now", "and Then we went on.").body


# ---------------------------------------------------------------------- limits and hostile mail


def test_too_many_parts_pass_a_limit():
    lines = multipart("mixed", *[("Content-Type: text/plain", "x")] * 30)
    with pytest.raises(LimitExceeded, match="mime_parts = 20"):
        parse(*lines, limits=Limits(mime_parts=20))


@pytest.mark.parametrize("depth", [60, 400, 900, 5000])
def test_deep_nesting_passes_a_limit(depth):
    data = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(depth)
    )
    with pytest.raises(LimitExceeded, match=r"limits\.mime_"):
        mail.parse(data + b"\nhello", Limits())
    nested = b"Content-Type: message/rfc822\n\n" * depth + b"Subject: x\n\nhello"
    with pytest.raises(LimitExceeded, match=r"limits\.mime_"):
        mail.parse(nested, Limits())


def test_an_empty_mail_is_refused():
    with pytest.raises(UnreadableFile, match="holds nothing"):
        parse("", "  ")


def nested(levels: int, how: bytes = b"boundary=") -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; %sb%d\n\n--b%d\n" % (how, level, level) for level in range(levels))


def test_depth_is_no_factor_of_the_time_that_a_line_takes():
    def seconds(levels: int) -> float:
        started = time.process_time()
        mail.parse(nested(levels) + b"\n" + b"x\n" * 300_000, Limits())
        return time.process_time() - started

    assert seconds(45) < 4 * seconds(1)


def test_a_mail_of_dashes_in_many_levels_is_refused_in_seconds():
    dashes = b"".join(b"--%d\n" % number for number in range(1_000_000))
    started = time.process_time()
    with pytest.raises(LimitExceeded, match="lines of dashes"):
        mail.parse(nested(45) + b"\n" + dashes, Limits())
    assert time.process_time() - started < 5


@pytest.mark.parametrize("how", [b"boundary=", b"boundary*0=", b"BOUNDARY ="])
def test_what_nests_too_deep_is_refused_before_it_is_read(how):
    started = time.process_time()
    with pytest.raises(LimitExceeded, match="mime_depth = 50"):
        mail.parse(nested(300, how) + b"\n" * 1_000_000, Limits())
    assert time.process_time() - started < 1


def test_a_boundary_is_seen_at_every_level_and_after_lines_like_it():
    found = parse(
        "Content-Type: multipart/mixed; boundary=a", "", "--a",
        "Content-Type: multipart/mixed; boundary=b", "", "--b", "", "--", "--c", "--c", "inner", "--c",
        "--a", "", "--b", "outer", "--a--",
    )  # fmt: skip
    assert found.body.split() == ["--", "--c", "--c", "inner", "--c", "--b", "outer"]


def test_the_fields_of_a_deliverys_status_end_at_a_blank_line():
    lines = ("Content-Type: multipart/report; boundary=a", "", "--a", "Content-Type: message/delivery-status", "")
    found = parse(*lines, "Status: 5.1.1", "", "Action: failed", "--a", "", "the body", "--a--")
    assert found.body == "the body"


HOSTILE = {
    "parts without end": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 500_000,
    "many lines on many levels": nested(45) + b"\n" * 1_000_000,
    "fields of a delivery's status": b"Content-Type: message/delivery-status\n\n" + b"a: b\n\n" * 300_000,
    "a subject of encoded words without end": b"Subject: " + b"=?a?q?" * 500_000 + b"\n\nx",
    "a type of semicolons": b"Content-Type: text/plain" + b";" * 3_000_000 + b"\n\nx",
    "quotes without end": b'Content-Type: text/plain; name="' + b'\\"' * 1_000_000 + b"\n\nx",
    "very many headers": b"X: y\n" * 200_000 + b"\nx",
    "a header folded very often": b"Subject: a" + b"\n a" * 500_000 + b"\n\nx",
    "NUL bytes": b"Subject: a\0b\n\n" + b"\0" * 1_000_000,
    "addresses of parentheses": b"From: " + b"(" * 1_000_000 + b"\n\nx",
    "a body of boundaries": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 100_000,
    "blank lines": b"Subject: a\n\n" + b" \n" * 1_000_000 + b"x",
    "spaces": b"Subject:" + b" " * 2_000_000 + b"x\n\n" + b" " * 2_000_000 + b"x",
    "names of blanks": b"Content-Type: multipart/mixed; boundary=b\n\n"
    + (b'--b\nContent-Disposition: attachment; filename="x' + b" " * 16_000 + b'y"\n\n') * 400,
    "names of semicolons": b"Content-Type: multipart/mixed; boundary=b\n\n"
    + (b'--b\nContent-Disposition: attachment; filename="x' + b";" * 16_000 + b"\n\n") * 400,
    "uuencode begun often": b"Subject: a\n\n" + b"begin 644 a\n" * 100_000,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_mail_takes_no_long_time(data):
    started = time.process_time()
    with contextlib.suppress(UnreadableFile):
        mail.parse(data, Limits())
    assert time.process_time() - started < 10


def test_charsets_that_nobody_knows_are_not_remembered():
    known = len(encodings._cache)
    parse("Subject: " + " ".join(f"=?x-{number}?q?a?=" for number in range(500)), "", "x")
    assert len(encodings._cache) == known


@given(st.binary(max_size=300), st.sampled_from(FIXTURES), st.integers(0, 5000), st.integers(0, 50))
@settings(max_examples=300, deadline=None)
def test_damaged_mail_gives_text_or_a_reason(noise, path, place, lost):
    data = path.read_bytes()
    with contextlib.suppress(UnreadableFile):
        assert isinstance(mail.parse(data[:place] + noise + data[place + lost :], Limits()).text, str)


# ---------------------------------------------------------------------- real mail


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: "/".join(path.parts[-3:]))
def test_mails_of_other_parsers_suites_are_read(path):
    found = mail.parse(path.read_bytes(), Limits())
    assert found.text or found.meta["attachments"] or found.meta.get("from") or path.stat().st_size < 2000


def test_there_are_mails_to_read():
    assert len(FIXTURES) > 180


@pytest.mark.skipif(not CORPORA, reason="CLASSIFYD_CORPORA names no folder with spam/spamassassin.tar.gz")
def test_every_mail_of_the_spamassassin_corpus_is_read_in_no_long_time():
    count = 0
    with tarfile.open(Path(CORPORA or "") / "spam" / "spamassassin.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                continue
            started = time.process_time()
            found = mail.parse(file.read(), Limits())
            assert isinstance(found.text, str)
            assert time.process_time() - started < 2
            count += 1
    assert count > 6000
