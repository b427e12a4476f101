"""Configurations in a few lines, and what is said of them."""

from pathlib import Path

import pytest

from classifyd import config
from classifyd.errors import ConfigError
from classifyd.offers import Offer, Offers

INBOX = '[[inbox]]\nname = "mail"\npath = "in"\ntasks = ["spam", "topic"]\n'
OFFERS = Offers((Offer("ours", "classifyd", "1", ("ner", "spam", "topic"), (), ("csv", "jsonl")),))


def load(file: Path, text: str, offers: Offers | None = None, **environ: str) -> config.Config:
    file.write_text(text)
    return config.load(file, environ, offers)


def faults(file: Path, text: str, offers: Offers | None = None, **environ: str) -> list[str]:
    """The faults of a configuration, the file's name taken off."""
    with pytest.raises(ConfigError) as caught:
        load(file, text, offers, **environ)
    assert caught.value.exit_code == 78
    return [fault.removeprefix(f"{file}: ") for fault in caught.value.faults]
