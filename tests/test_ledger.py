import os
import shutil
import sqlite3
from dataclasses import replace

import pytest

from classifyd.errors import DiskFault, UnavailableError
from classifyd.jobs import Claim, Suspect
from classifyd.ledger import START, Correction, Entry, Ledger, LedgerView, Plan, rows
from classifyd.reports import PartReport
from classifyd.values import Cut, Fault, Span


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    ledger = Ledger(path)
    yield ledger
    ledger.close()


def entry(identity="c1", name="a.txt", **more):
    return Entry(
        Claim(identity, "mail", name, f"/in/{name}", 10, 20, 30.0),
        "claimed",
        {"spam": 3},
        1000,
        f"{name}.jsonl",
        **more,
    )


def claimed(ledger, *entries):
    with ledger.commit():
        for one in entries:
            ledger.claimed(one)


def test_an_entry_comes_back_as_it_was_even_with_a_name_that_is_not_utf8(ledger):
    known = entry(name=os.fsdecode(b"caf\xe9\n.txt"))
    claimed(ledger, known)

    assert [known] == ledger.open_entries()


def test_a_transaction_that_fails_changes_nothing(ledger):
    with pytest.raises(RuntimeError), ledger.commit():
        ledger.claimed(entry())
        raise RuntimeError

    assert [] == ledger.open_entries()


def test_nothing_is_committed_to_a_ledger_that_was_taken_away_until_it_is_back(tmp_path):
    state, away = tmp_path / "state", tmp_path / "away"
    state.mkdir()
    path = state / "ledger.sqlite"
    ledger = Ledger(path)
    claimed(ledger, entry())
    state.rename(away)
    with pytest.raises(DiskFault, match="it was taken away: put it back"):
        claimed(ledger, entry("c2"))
    state.mkdir()
    Ledger(path).close()
    for _ in range(2):
        with pytest.raises(DiskFault, match="another file lies in the ledger's place"):
            claimed(ledger, entry("c2"))

    shutil.rmtree(state)
    away.rename(state)
    claimed(ledger, entry("c2"))
    assert {"c1", "c2"} == {one.claim.id for one in ledger.open_entries()}
    ledger.close()


def test_a_ledger_that_is_damaged_is_a_fault_of_the_disk(path, ledger):
    claimed(ledger, *(entry(f"c{number}") for number in range(200)))
    ledger.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"U" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DiskFault, match=r"the ledger cannot be read: .* the file is damaged"):
        ledger.open_entries()


def test_a_full_disk_is_a_fault_of_the_disk(ledger):
    ledger._db.execute("PRAGMA max_page_count = 1")

    with pytest.raises(DiskFault, match="ledger"), ledger.commit():
        for number in range(2000):
            ledger.claimed(entry(str(number)))

    claimed(ledger, entry())  # over a connection of its own, which has no such limit
    assert 1 == len(ledger.open_entries())


def test_after_a_fault_a_new_log_is_begun_and_nothing_of_before_is_lost(path, ledger):
    log = path.with_name(f"{path.name}-wal")
    claimed(ledger, entry("before"))
    before = log.stat().st_ino
    log.with_name("held").hardlink_to(log)  # so that its number is not given to the new one

    with pytest.raises(DiskFault), ledger.commit():
        ledger.claimed(entry("refused"))
        raise sqlite3.OperationalError("disk I/O error")
    claimed(ledger, entry("after"))

    assert before != log.stat().st_ino
    assert ["after", "before"] == [one.claim.id for one in ledger.open_entries()]


def test_a_question_that_the_disk_refuses_is_a_fault_of_the_disk_and_passes(ledger):
    claimed(ledger, entry())
    ledger._db.execute("ALTER TABLE inputs RENAME TO gone")
    with pytest.raises(DiskFault, match="cannot be read"):
        ledger.open_entries()
    ledger._db.execute("ALTER TABLE gone RENAME TO inputs")

    assert 1 == len(ledger.open_entries())


@pytest.mark.parametrize("content", [b"no ledger at all, but long enough to be one" * 100, None])
def test_what_cannot_be_opened_as_a_ledger_is_named(path, content):
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(UnavailableError, match=path.name):
        Ledger(path)


def test_what_is_finished_is_no_longer_open_and_leaves_no_work_behind(ledger):
    claimed(ledger, *(entry(name) for name in ("retired", "quarantined", "vanished", "intended")))
    with ledger.commit():
        ledger.attempted([("retired", 0), ("retired", 0)], 1.0)
        ledger.finished_parts([PartReport("retired", 0, records=1)])
        ledger.intend("retired", "/part", PartReport("retired", 0, records=1, digest="d", labels={"spam": "ham"}))
        ledger.intend("intended", "/part", PartReport("intended", 0, records=7))
        ledger.published("retired")
        ledger.retired("retired", 2.0)
        ledger.condemned("quarantined", Fault("UnreadableFile", "why"))
        ledger.quarantined("quarantined", 2.0)
        ledger.vanished("vanished", 2.0)

    assert [("intended", "intent", 7, "/part")] == [
        (e.claim.id, e.state, e.records, e.part) for e in ledger.open_entries()
    ]
    assert [] == ledger.parts("retired")
    assert {} == ledger.attempts("retired")


def test_plans_parts_and_suspects_survive_a_restart(path):
    ledger = Ledger(path)
    plan = Plan((Cut(0, 5, 0, {"header": ["a"]}), Cut(5, 9, 2)), "csv", "/spool")
    report = PartReport("c1", 1, 3, 1, 1, labels={"spam": "ham"}, counts={"spam": {"ham": 3}}, size=9, digest="d")
    suspect = Suspect("spam", 2, 4, "died", convicted=True)
    claimed(ledger, entry())
    with ledger.commit():
        ledger.planned("c1", plan)
        ledger.finished_parts([report])
        ledger.suspected("c1", 1, [suspect])
    ledger.close()
    again = Ledger(path)

    assert plan == again.open_entries()[0].plan
    assert [report] == again.parts("c1")
    assert {1: (suspect,)} == again.suspects("c1")
    again.close()


def test_an_input_begun_anew_forgets_its_parts(ledger):
    claimed(ledger, entry())
    with ledger.commit():
        ledger.finished_parts([PartReport("c1", 0)])
        ledger.intend("c1", "/part", PartReport("c1", 0))
        ledger.restart(Claim("c1", "mail", "a.txt", "/in/a.txt", 11, 21, 30.0), "a.1.txt.jsonl", {"spam": 4})

    (anew,) = ledger.open_entries()
    assert ("claimed", 11, "a.1.txt.jsonl", None) == (anew.state, anew.claim.size, anew.output, anew.part)
    assert [] == ledger.parts("c1")


def test_what_was_seen_in_place_is_remembered_after_it_is_finished(ledger):
    claimed(
        ledger,
        entry(identity="c1"),
    )
    claimed(ledger, Entry(entry("c2").claim, "claimed", {}, 1, "o", "file 1 2 a.txt"))
    with ledger.commit():
        ledger.retired("c2", 1.0)

    assert ledger.has_seen("mail", "file 1 2 a.txt")
    assert not ledger.has_seen("news", "file 1 2 a.txt")


def test_a_view_counts_without_holding_up_the_daemon(path, ledger):
    claimed(ledger, entry("c1"), entry("c2"))
    with ledger.commit():
        ledger.intend("c1", "/part", PartReport("c1", 0, records=5, errors=1, reviews=2))
        ledger.retired("c1", 100.0)
    view = LedgerView(path)

    assert {("claimed", 1, 0), ("retired", 1, 5)} == {(c.state, c.inputs, c.records) for c in view.counts()}
    assert {"claimed"} == {c.state for c in view.counts(since=101.0)}
    with pytest.raises(sqlite3.OperationalError):
        view._db.execute("DELETE FROM inputs")
    view.close()


def test_a_ledger_of_a_newer_classifyd_is_refused(path, ledger):
    ledger._db.execute("PRAGMA user_version = 99")

    with pytest.raises(UnavailableError, match="newer"):
        Ledger(path)


def test_without_a_ledger_a_view_says_so(path):
    with pytest.raises(UnavailableError, match="has the daemon ever run"):
        LedgerView(path)


def test_what_was_finished_lately_comes_with_its_time_and_records_oldest_first(path, ledger):
    for name, at in (("old", 100.0), ("second", 300.0), ("first", 200.0)):
        claimed(ledger, entry(name))
        with ledger.commit():
            ledger.intend(name, "part", PartReport(name, 0, records=3, errors=1, counts={"spam": {"ham": 2}}))
            ledger.retired(name, at)
    claimed(ledger, entry("open"))

    view = LedgerView(path)
    finished = list(view.finished_since(150.0))
    assert [("mail", 200.0, "first"), ("mail", 300.0, "second")] == [(i, at, total.claim) for i, at, total in finished]
    assert {(3, 1)} == {(total.records, total.errors) for _, _, total in finished}
    assert all({"spam": {"ham": 2}} == total.counts for _, _, total in finished)
    view.close()


def test_of_an_input_from_before_labels_were_counted_that_of_a_single_record_is_known(path, ledger):
    claimed(ledger, entry("old"))
    with ledger.commit():
        ledger.intend("old", "part", PartReport("old", 0, records=1, labels={"spam": "ham"}))
        ledger.retired("old", 100.0)
        ledger._db.execute("UPDATE inputs SET counts = NULL")

    view = LedgerView(path)
    assert [{"spam": {"ham": 1}}] == [total.counts for _, _, total in view.finished_since(0.0)]
    view.close()


# ---------------------------------------------------------------------- corrections


def correction(key="c1#0", **more):
    return Correction(key, 5.0, "maria", "spam", "win now", "spam", **more)


def record(ledger, *found):
    with ledger.commit():
        for one in found:
            ledger.corrected(one)


def view_of(path):
    view = LedgerView(path)
    found = view.corrections()
    view.close()
    return found


def test_a_correction_comes_back_as_it_was(ledger, path):
    of_spans = Correction("p1", 4.0, "ben", "ner", "Maria", None, (Span(0, 5, "PER", 1.0),), "mail", "a.eml", "ner@2")
    known = correction(inbox="mail", source="a.eml", model="spam@3", said="ham")
    record(ledger, known, of_spans)

    assert [of_spans, known] == view_of(path)


def test_a_correction_that_is_recorded_again_changes_nothing(ledger, path):
    record(ledger, correction(said="ham"))
    record(ledger, correction(said="another"))

    assert [correction(said="ham")] == view_of(path)


def test_a_correction_that_is_withdrawn_leaves_no_text(ledger, path):
    record(ledger, correction())
    with ledger.commit():
        ledger.withdrawn("c1#0")

    assert [] == view_of(path)


def test_corrections_are_asked_for_by_task(ledger, path):
    record(ledger, correction(), Correction("c2", 6.0, "ben", "topic", "shares fell", "Business"))
    view = LedgerView(path)

    assert ["topic"] == [one.task for one in view.corrections("topic")]
    view.close()


def test_an_input_is_found_by_its_look_and_the_one_of_the_same_name_first(ledger):
    twins = [
        Entry(Claim(key, "mail", name, f"/in/{name}", 10, 20, 30.0), "claimed", {"spam": version}, 1000, name)
        for key, name, version in (("1", "a.txt", 1), ("2", "sub/b.txt", 2), ("3", "c.txt", 3))
    ]
    claimed(ledger, *twins)
    assert ledger.origin("mail", "b.txt", 10, 20) is None, "it is still at work"
    with ledger.commit():
        for number, key in enumerate("123"):
            ledger.retired(key, float(number))

    assert {"spam": 2} == ledger.origin("mail", "b.txt", 10, 20).versions
    assert {"spam": 3} == ledger.origin("mail", "moved.txt", 10, 20).versions, "else the newest"
    assert ledger.origin("other", "b.txt", 10, 20) is None
    assert ledger.origin("mail", "b.txt", 10, 21) is None


# ---------------------------------------------------------------------- growing old


def ended(ledger, key, at, identity=None):
    claimed(ledger, replace(entry(key, f"{key}.txt"), identity=identity))
    with ledger.commit():
        ledger.intend(key, f"/out/.{key}", PartReport(key, 0, 5, size=7), 8)
        ledger.published(key)
        ledger.retired(key, at, f"/done/{key}.txt")


def test_old_files_are_told_oldest_first_from_where_one_left_off_until_they_are_forgotten(ledger):
    for number, key in enumerate("abcd"):
        ended(ledger, key, 100.0 + number // 2)
    first = ledger.aged("done", "mail", 101.5, after=START, limit=2)
    rest = ledger.aged("done", "mail", 101.5, after=first[-1].mark, limit=2)
    assert ["/done/a.txt", "/done/b.txt"] == [file.path for file in first]
    assert ["c", "d"] == [file.claim for file in rest]
    [answer, *_] = ledger.aged("outputs", "mail", 101.0, after=START, limit=5)
    assert ("a.txt.jsonl", 7, 8) == (answer.path, answer.size, answer.mtime_ns)
    with ledger.commit():
        ledger.forgotten("done", ["a", "b", "c"])
    assert ["d"] == [file.claim for file in ledger.aged("done", "mail", 102.0, after=START, limit=5)]
    assert [] == ledger.aged("done", "other", 102.0, after=START, limit=5)


def test_old_rows_go_after_their_files_and_still_count_but_not_those_in_work_or_in_place(ledger, path):
    ended(ledger, "a", 100.0)
    ended(ledger, "b", 100.0)
    ended(ledger, "left", 100.0, identity="file 1 2 left.txt")
    claimed(ledger, entry("open"))
    with ledger.commit():
        ledger.forgotten("done", ["a"])
        assert 1 == ledger.rows_removed("mail", 101.0, ["done"], 10)
    assert [None, "b", "left", "open"] == [e and e.claim.id for e in map(ledger.entry, ("a", "b", "left", "open"))]
    with ledger.commit():
        assert 0 == ledger.rows_removed("mail", 100.0, [], 10)
        assert 1 == ledger.rows_removed("mail", 101.0, [], 10)
    view = LedgerView(path)
    assert {("claimed", 1, 0), ("retired", 3, 15)} == {(c.state, c.inputs, c.records) for c in view.counts()}
    assert {("claimed", 1), ("retired", 1)} == {(c.state, c.inputs) for c in view.counts(since=1.0)}
    view.close()


# ---------------------------------------------------------------------- migration


def old_ledger(path):
    """A ledger as the first schema had it, with an input."""
    db = sqlite3.connect(path)
    db.executescript(f"BEGIN; {rows._FIRST} PRAGMA user_version = 1; COMMIT;")
    db.execute(
        "INSERT INTO inputs (claim, inbox, name, path, size, mtime_ns, state, claimed_at, versions, split_bytes,"
        " output) VALUES ('c1', 'mail', ?, ?, 10, 20, 'claimed', 30.0, '{\"spam\": 3}', 1000, ?)",
        (b"a.txt", b"/in/a.txt", b"a.txt.jsonl"),
    )
    db.commit()
    db.close()


def test_a_ledger_of_the_first_schema_is_brought_up_to_date_and_keeps_its_inputs(path):
    old_ledger(path)
    ledger = Ledger(path)

    assert [entry()] == ledger.open_entries()
    record(ledger, correction())
    ledger.close()
    assert [correction()] == view_of(path)
    assert (rows.SCHEMA_VERSION,) == sqlite3.connect(path).execute("PRAGMA user_version").fetchone()


def test_a_view_of_a_ledger_from_before_corrections_sees_none(path):
    old_ledger(path)

    assert [] == view_of(path)


def test_a_migration_that_is_cut_short_is_made_whole_by_the_next_start(path, monkeypatch):
    old_ledger(path)
    monkeypatch.setattr(rows, "_STEPS", (*rows._STEPS[:1], rows._STEPS[1] + "CREATE NONSENSE;"))
    with pytest.raises(UnavailableError):
        Ledger(path)
    monkeypatch.undo()
    ledger = Ledger(path)
    record(ledger, correction())
    ledger.close()

    assert [correction()] == view_of(path)
