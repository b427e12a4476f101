"""Whether the receivers of a configuration make sense, and whether they can be reached from here."""

import os
import shutil
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from classifyd.config.schema import ReceiverSection
from classifyd.config.sentences import nearest, quoted
from classifyd.config.settings import ReceiverConfig


def section_faults(section: ReceiverSection, inboxes: Sequence[str]) -> Iterator[str]:
    """What is wrong with one table, a sentence each, without its name."""
    if (section.command is None) == (section.webhook is None):
        yield "it needs either command or webhook; give one of them"
    if section.webhook is not None and not _is_address(section.webhook):
        # It is not quoted: it may hold a password.
        yield 'webhook must be an address such as "https://example.org/told", without a user, a password or "#"'
    for name in section.inboxes or ():
        if name not in inboxes:
            yield f"inboxes names {quoted(name)}, which is no inbox.{nearest(name, inboxes)}"
    if section.secret_file is not None and section.secret_env is not None:
        yield "secret_file and secret_env are both set; give one of them"
    if section.command is not None and (section.secret_file is not None or section.secret_env is not None):
        yield "a secret is set, but only webhooks are signed; remove it"


def receiver_faults(receivers: Sequence[ReceiverConfig]) -> Iterator[str]:
    """Programs that are not there and secrets that cannot be read, a sentence each."""
    for receiver in receivers:
        where = f"receiver {quoted(receiver.name)}"
        if receiver.command and shutil.which(receiver.command[0]) is None:
            yield f"{where}: command names {quoted(receiver.command[0])}, no program that this user can run"
        file = receiver.secret_file
        if file is not None and not (os.path.isfile(file) and os.access(file, os.R_OK)):  # noqa: PTH113  # it never raises
            yield f"{where}: secret_file {quoted(str(file))} cannot be read by this user; put the secret there"


def _is_address(text: str) -> bool:
    try:
        found = urlsplit(text)
        plain = text.isascii() and text.isprintable() and " " not in text
        return bool(plain and found.scheme in ("http", "https") and found.hostname and found.port != 0) and not (
            found.username or found.password or found.fragment
        )
    except ValueError:
        return False
