"""Whether the receivers of a configuration make sense, and whether they can be reached from here."""

import os
import shutil
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
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
    if section.ca_file is not None and not (section.webhook or "").startswith("https:"):
        yield 'ca_file is set, but only a webhook at "https://…" shows a certificate; remove it'


def receiver_faults(receivers: Sequence[ReceiverConfig]) -> Iterator[str]:
    """Programs that are not there, secrets and certificates that cannot be read, a sentence each."""
    for receiver in receivers:
        where = f"receiver {quoted(receiver.name)}"
        if receiver.command and shutil.which(receiver.command[0]) is None:
            yield f"{where}: command names {quoted(receiver.command[0])}, no program that this user can run"
        file = receiver.secret_file
        if file is not None and not (os.path.isfile(file) and os.access(file, os.R_OK)):  # noqa: PTH113  # it never raises
            yield f"{where}: secret_file {quoted(str(file))} cannot be read by this user; put the secret there"
        if receiver.ca_file is not None and receiver.webhook.startswith("https:"):
            yield from (f"{where}: {fault}" for fault in _authority_faults(receiver.ca_file))


def _authority_faults(file: Path) -> Iterator[str]:
    what = f"ca_file {quoted(str(file))}"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        yield f"{what} has no certificate in PEM (-----BEGIN CERTIFICATE-----); put that of the authority there"
    except OSError as error:
        yield f"{what} cannot be read: {error.strerror}"


def _is_address(text: str) -> bool:
    try:
        found = urlsplit(text)
        plain = text.isascii() and text.isprintable() and " " not in text
        return bool(plain and found.scheme in ("http", "https") and found.hostname and found.port != 0) and not (
            found.username or found.password or found.fragment
        )
    except ValueError:
        return False
