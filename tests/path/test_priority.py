"""What waits of an inbox of higher priority goes first, and the other is not starved: told by the order of answers."""

import json

from daemons import inbox, wait_until

LOW = inbox('["slow"]', more='priority = "low"').replace('"in"', '"low"')
HIGH = inbox('["slow"]', more='priority = "high"').replace('"in"', '"high"')


def published(here):
    """The inboxes of the files in the order in which their answers came."""
    events = (json.loads(line) for line in here.log().splitlines() if line.startswith("{"))
    return [one["inbox"] for one in events if one.get("event") == "published"]


def test_a_higher_inbox_goes_first_and_a_lower_one_has_one_job_in_ten(place):
    here = place(inboxes=LOW + HIGH, daemon="job_files = 1")
    for name in ("low", "high"):
        (here.root / name).mkdir()
        for number in range(25):
            here.drop(f"{name}{number:02}.txt", "hello", name)

    assert 0 == here.once(more={"SLOW_SECONDS": "0.02"})

    order = published(here)
    # Inboxes are scanned one after the other: what is of the first may have begun before the second was looked at.
    first = order.index("high")
    rest = order[first:]
    assert first <= 2
    assert 25 == rest.count("high")
    last = len(rest) - rest[::-1].index("high")
    assert rest[:last].count("low") == 25 // 9
    assert 50 == len(order)


def test_a_large_file_of_low_priority_is_worked_on_while_others_go_first(place):
    here = place(inboxes=LOW + HIGH, daemon="job_files = 1", split_seconds=0.2)
    for name in ("low", "high"):
        (here.root / name).mkdir()
    process = here.start(more={"SLOW_SECONDS": "0.002"})
    here.drop("large.jsonl", "".join(json.dumps({"text": "x" * 200}) + "\n" for _ in range(3000)), "low")
    wait_until(lambda: '"event": "cut"' in here.log(), place=here)
    for number in range(40):
        here.drop(f"{number:02}.txt", "hello", "high")

    wait_until(lambda: 40 == published(here).count("high"), place=here)
    assert "low" not in published(here)
    wait_until(lambda: "low" in published(here), place=here)
    assert 0 == here.stop(process)
