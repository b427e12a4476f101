"""Spam: SMS, SpamAssassin's mail, Enron's and Ling-Spam's, for one model that serves mail and SMS alike.

Messages in today's manner (written.py) join the training texts.

Each corpus has marks that give its class away and that no other mail has: list footers and tags, addresses that were
masked, feeds turned into mail, text that was tokenised. They go, so that what is left to learn from is what the message
says. Mail is read exactly as at run time: by classifyd.mail, to subject, blank line, body. Some training mails lose
their subject or show it under its name, as other sources of mail have it.
"""

import random
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import written

from classifyd import mail
from classifyd.errors import UnreadableFile
from classifyd.training import sets
from classifyd.training.sets import Split
from classifyd.values import Example, Limits

EVALUATION_SHARE = 0.05
TEST_SHARE = 0.2

ENRON_OF_EACH = 2_000
"""Mails taken of each label of Enron: more of one company's mail would teach its business, not what spam is."""

MOST = {("ling", "ham"): 500, ("spamassassin", "ham"): 2_400}
"""Training texts kept of what there is more than enough of."""

LONGEST = 20_000
"""Characters kept of a mail: all but a few are whole."""

WITHOUT_SUBJECT = UNDER_ITS_NAME = 0.08
"""Shares of the training mails whose subject is left out, and whose subject follows the word "Subject:"."""

_FOOTER = re.compile(
    r"\n(?:_{10,}|-{10,}.{0,60}Sponsor.{0,60}|-{8,}\n(?:This sf\.net|This SF\.net|Welcome to geek)|"
    r"To unsubscribe from this group|Your use of Yahoo! Groups|-- ?\nIrish Linux Users|"
    r"This sf\.net email is sponsored).*\Z",
    re.DOTALL | re.IGNORECASE,
)
_FEED = re.compile(r"^(?:URL|Date|Img|Click here to read this article): .*\n?", re.MULTILINE)
_LIST_TAG = re.compile(r"^((?:re|fw|fwd)\s*:\s*)*\[[^\]\n]{2,30}\]\s*", re.IGNORECASE)
_MASKED = re.compile(r"\b(?:zzzz|yyyy|jm|zzzzason|fork|jm-\w+|zzzz-\w+)@[\w.-]+", re.IGNORECASE)
_ADDRESS_HOST = re.compile(
    r"(?<=@)(?:netnoteinc|spamassassin|example|jmason|linux\.ie|xent|taint)[\w.-]*", re.IGNORECASE
)
_OPENING = re.compile(r"([(\[{]|(?<=\s)[$#]) (?=\S)")
_CLOSING = re.compile(r" ([,.!?;:)\]}%])")
_JOINED = re.compile(r"(?<=\w) (['\-/@_]) (?=\w)")


def split(corpora: Path, seed: int) -> Split:
    """A fifth of SMS, SpamAssassin and Ling-Spam for the test, near-duplicates on one side; Enron likewise, thinned."""
    chance = random.Random(seed)
    folder = corpora / "spam"
    examples = [
        *sms(folder / "SMSSpamCollection"),
        *spamassassin(folder / "spamassassin.tar.gz"),
        *ling_spam(folder / "ling_spam.tar.gz"),
        *_thinned(
            sets.clean(enron(folder / "enron_spam_1_4.tar.gz")).examples,
            {("enron", label): ENRON_OF_EACH for label in ("ham", "spam")},
            chance,
        ),
    ]
    whole = sets.split(sets.clean(examples).examples, EVALUATION_SHARE, TEST_SHARE, seed)
    today = sets.clean(written.messages(chance)).examples
    learnt_from = [_varied(example, chance) for example in _thinned(whole.train, MOST, chance)]
    return replace(whole, train=(*learnt_from, *today))


def _varied(example: Example, chance: random.Random) -> Example:
    subject, blank, body = example.text.partition("\n\n")
    draw = chance.random()
    if example.source == "sms" or not (blank and body) or draw > WITHOUT_SUBJECT + UNDER_ITS_NAME:
        return example
    return replace(example, text=body if draw < WITHOUT_SUBJECT else f"Subject: {subject}\n\n{body}")


def sms(path: Path) -> Iterator[Example]:
    """The SMS Spam Collection: label, tab, text."""
    for line in path.read_text(encoding="utf-8").splitlines():
        label, _, text = line.partition("\t")
        yield Example(text.strip(), label, source="sms")


def spamassassin(path: Path) -> Iterator[Example]:
    """The SpamAssassin public corpus, read as mail and cleaned of its lists' marks."""
    for name, data in _members(path):
        label = "spam" if Path(name).parent.name.startswith("spam") else "ham"
        try:
            message = mail.parse(data, Limits())
        except UnreadableFile:
            continue
        body = _unmarked(message.body)
        subject = _LIST_TAG.sub("", message.subject)
        yield Example(f"{subject}\n\n{body}".strip()[:LONGEST], label, source="spamassassin")


def enron(path: Path) -> Iterator[Example]:
    """Enron-Spam: text with the subject in its first line, its tokens joined again."""
    for name, data in _members(path):
        label = Path(name).parent.name
        if label in ("ham", "spam"):
            yield Example(_untokenised(_decoded(data))[:LONGEST], label, source="enron")


def ling_spam(path: Path) -> Iterator[Example]:
    """Ling-Spam (bare): the same; spam is named spmsg*."""
    for name, data in _members(path):
        if Path(name).parent.name.startswith("part"):
            label = "spam" if Path(name).name.startswith("spmsg") else "ham"
            yield Example(_untokenised(_decoded(data))[:LONGEST], label, source="ling")


def _members(path: Path) -> list[tuple[str, bytes]]:
    """Every message of an archive, by name; read in the archive's order, for to seek in it is to unpack again."""
    found = {}
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None and Path(member.name).name not in ("cmds", "Summary.txt", "readme.txt"):
                found[member.name] = file.read()
    return sorted(found.items())


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _unmarked(body: str) -> str:
    """A body without what lists, feeds and the corpus's maker put into it."""
    body = _FEED.sub("", _FOOTER.sub("", body))
    body = _MASKED.sub("user@mail.com", body)
    return _ADDRESS_HOST.sub("mail.com", body).strip()


def _untokenised(text: str) -> str:
    """Subject, blank line, body, with punctuation put back where people write it."""
    first, _, rest = text.replace("\r\n", "\n").partition("\n")
    subject = re.sub(r"^subject\s*:\s*", "", first, flags=re.IGNORECASE)
    return f"{_joined(subject)}\n\n{_joined(rest)}".strip()


def _joined(text: str) -> str:
    return _JOINED.sub(r"\1", _CLOSING.sub(r"\1", _OPENING.sub(r"\1", text))).strip()


def _thinned(examples: Iterable[Example], most: Mapping[tuple[str, str], int], chance: random.Random) -> list[Example]:
    """The examples shuffled, with at most so many of each source and label as `most` says."""
    left = list(examples)
    chance.shuffle(left)
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for example in left:
        kind = (example.source, example.label or "")
        seen[kind] += 1
        if seen[kind] <= most.get(kind, len(left)):
            kept.append(example)
    return kept
