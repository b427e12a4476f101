"""Which plugins a configuration lets in."""

from pathlib import Path

import pytest
from configs import INBOX, OFFERS, faults, load

from classifyd import config
from classifyd.offers import Admission, Offer, Offers


def test_denied_plugins_and_those_that_no_list_allows_are_refused_by_either_name() -> None:
    assert Admission().refusal("shouting", "classifyd-shouting") == ""
    assert (
        Admission(deny=("Classifyd_Shouting",)).refusal("shouting", "classifyd-shouting") == "[plugins] deny names it"
    )
    assert Admission(deny=("shouting",)).refusal("shouting", "other") == "[plugins] deny names it"
    assert Admission(allow=()).refusal("shouting", "other") == "[plugins] allow does not name it"
    assert Admission(allow=("shouting",)).refusal("shouting", "other") == ""
    assert Admission(allow=("shouting",), deny=("other",)).refusal("shouting", "other") == "[plugins] deny names it"
    assert Admission(allow=()).refusal("readers", "classifyd") == "", "our own need no allowing"
    assert Admission(deny=("topic",)).refusal("topic", "classifyd") == "[plugins] deny names it"


def test_an_inbox_whose_task_is_denied_is_a_fault_that_says_so(file: Path) -> None:
    text = INBOX.replace("spam", "shouting") + '[plugins]\ndeny = ["shouting"]\n'
    offers = Offers((*OFFERS.plugins, Offer("shouting", "loud", "1.2", kept_out="[plugins] deny names it")))
    [fault] = faults(file, text, offers)
    assert fault == (
        'inbox "mail": tasks names "shouting"; its plugin, shouting (loud 1.2), is kept out: [plugins] deny'
        " names it. Change that, or take the task out"
    )


def test_a_task_that_nobody_offers_may_be_one_of_a_plugin_that_was_not_asked(file: Path) -> None:
    offers = Offers((*OFFERS.plugins, Offer("voice", "loud", "1.2", kept_out="[plugins] deny names it")))
    [fault] = faults(file, INBOX.replace("spam", "shouting"), offers)
    assert fault.endswith("Not asked, because [plugins] keeps them out: voice (loud 1.2).")


def test_the_environment_gives_lists_as_names_between_commas(file: Path) -> None:
    found = load(file, INBOX, CLASSIFYD_PLUGINS__DENY="shouting, voice", CLASSIFYD_PLUGINS__ALLOW="")
    assert found.plugins == Admission(allow=(), deny=("shouting", "voice"))


@pytest.mark.parametrize("table", ['deny = "voice"', "deny = [1]", "dney = []", "allow = 1"])
def test_where_it_cannot_be_told_which_plugins_are_let_in_none_but_ours_are(file: Path, table: str) -> None:
    file.write_text(INBOX + f"[plugins]\n{table}\n")
    assert config.admission(file, {}) == Admission(allow=())
