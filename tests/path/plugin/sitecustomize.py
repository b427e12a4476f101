"""Lets a test kill the daemon right before or after one step: DIE="before ledger.intend"; and hinder its workers.

HEARD=file has every process tell there what it unpickles, starts and connects to.
SLOW_LOADING=6 has every load of a task take six seconds more; DEADLY_BUNDLE=/spam/2 has the one of that folder kill.
LINGER="removals.move" has the daemon leave a file `lingering` and wait a second before that step; DEAF=1 ends the
thread that hears of events at its first one. HOLD_SECONDS=0.2 has what is held back tried again that soon.
PAUSE_SECONDS=0.1 has receivers that take nothing asked again that soon.
GRACE_SECONDS=2 has an actor that does not answer given up that soon after its job's deadline.
STILLBORN=FILE has one actor of a corpus fail to start, if that file is there; it removes it.
SLOW_COPYING=3 has every copy to another file system take three seconds more.
DENIED=a.txt has claims of that name refused for as long as a file `denied` is there.
UNGIVEN=1 has files given to nobody for as long as a file `ungiven` is there.
BLIND=1 has the first look at what was just claimed fail.
HANGING=1 has the main loop stand still for as long as a file `hang` is there, and leave a file `hangs`.
CLOCK=FILE has the wall clock of the daemon and its workers go wrong by the seconds in that file, at every look.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

WHERE = {
    "ledger.claimed": ("classifyd.ledger", "Ledger", "claimed"),
    "ledger.intend": ("classifyd.ledger", "Ledger", "intend"),
    "ledger.retired": ("classifyd.ledger", "Ledger", "retired"),
    "publish.published": ("classifyd.ledger", "Ledger", "published"),
    "moves.rename_exclusive": ("classifyd.service.publish", None, "rename_exclusive"),
    "ledger.corrected": ("classifyd.ledger", "Ledger", "corrected"),
    "ledger.placed": ("classifyd.ledger", "Ledger", "placed"),
    "decided.move": ("classifyd.service.decided", None, "move"),
    "corrections.commit": ("classifyd.service.corrections", "Corrections", "commit"),
    "ledger.condemned": ("classifyd.ledger", "Ledger", "condemned"),
    "ledger.quarantined": ("classifyd.ledger", "Ledger", "quarantined"),
    "notes.remove": ("classifyd.inbox.notes", "Notes", "remove"),
    "removals.move": ("classifyd.service.removals", None, "move"),
    "removals.quarantine": ("classifyd.service.removals", None, "quarantine"),
    "removals.look": ("classifyd.service.removals", None, "look"),
    "publish.mark": ("classifyd.inbox.claims", "ClaimFolder", "mark"),
    "retire.forget": ("classifyd.inbox.claims", "ClaimFolder", "forget"),
    "publish.grant": ("classifyd.service.publish", None, "grant"),
    "retention.remove_known": ("classifyd.service.retention", None, "remove_known"),
    "retention.fsync_folders": ("classifyd.service.retention", None, "fsync_folders"),
    "removing.unlink": ("classifyd.inbox.removing", None, "reason_file"),
    "ledger.forgotten": ("classifyd.ledger", "Ledger", "forgotten"),
    "ledger.rows_removed": ("classifyd.ledger", "Ledger", "rows_removed"),
    "ledger.noted": ("classifyd.ledger", "Ledger", "noted"),
    "ledger.told": ("classifyd.ledger", "Ledger", "told"),
    "telling.communicate": ("classifyd.service.telling", "Command", "tell"),
    "ledger.copied": ("classifyd.ledger", "Ledger", "copied"),
    "copies.copy_into": ("classifyd.service.copies", None, "copy_into"),
    "entrance.recover": ("classifyd.service.entrance", "Entrance", "recover"),
}


def found(step):
    module, owner, name = WHERE[step]
    __import__(module)
    place = getattr(sys.modules[module], owner) if owner else sys.modules[module]
    return place, name, getattr(place, name)


def arm(when, step):
    place, name, real = found(step)

    def deadly(*arguments, **options):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(place, name, deadly)


def linger(step):
    place, name, real = found(step)

    def slow(*arguments, **options):
        Path("lingering").touch()
        end = time.monotonic() + 1
        while time.monotonic() < end:  # a signal cuts a sleep short
            time.sleep(0.05)
        return real(*arguments, **options)

    setattr(place, name, slow)


def deafen():
    from watchdog.observers.inotify import InotifyEmitter

    def die(*_):
        Path("deaf").touch()
        raise SystemExit

    InotifyEmitter.queue_events = die


def deny(name):
    from classifyd.inbox import claims

    real = claims.ClaimFolder.claim

    def denied(self, found):
        if found.name == name and Path("denied").exists():
            raise PermissionError(13, "Permission denied", name)
        return real(self, found)

    claims.ClaimFolder.claim = denied


def spoil(name, how):
    from classifyd.service.removals import Removals

    real = Removals.to_done

    def spoiled(self, work, total):
        if work.claim.name == name and Path("spoiled").exists():
            raise OSError(36, "File name too long", name) if how == "path" else RuntimeError("not foreseen")
        return real(self, work, total)

    Removals.to_done = spoiled


def blind():
    from classifyd.inbox import claims

    real = claims.look

    def failing(path, name):
        claims.look = real
        raise OSError(5, "Input/output error", path)

    claims.look = failing


def keep_all():
    real = os.fchown

    def refused(*arguments):
        if Path("ungiven").exists():
            raise PermissionError(1, "Operation not permitted")
        real(*arguments)

    os.fchown = refused


def hang():
    from classifyd.service.daemon import Daemon

    real = Daemon._turn

    def hanging(self):
        while Path("hang").exists():
            Path("hangs").touch()
            time.sleep(0.05)
        return real(self)

    Daemon._turn = hanging


def bear_dead(file):
    from classifyd.corpus.labeller import Labeller

    real = Labeller.__init__

    def dying(self, *arguments):
        with contextlib.suppress(FileNotFoundError):
            Path(file).unlink()
            raise OSError(28, "No space left on device")
        real(self, *arguments)

    Labeller.__init__ = dying


def dawdle(seconds):
    place, name, real = found("copies.copy_into")

    def slow(*arguments, stopped, **options):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not stopped():
            time.sleep(0.05)
        return real(*arguments, stopped=stopped, **options)

    setattr(place, name, slow)


def hinder():
    from classifyd.pipeline import loading

    real = loading.Predictors._load

    def hindered(predictors, spec, device, threads):
        time.sleep(float(os.environ.get("SLOW_LOADING", "0")))
        if "DEADLY_BUNDLE" in os.environ and str(spec.bundle).endswith(os.environ["DEADLY_BUNDLE"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(predictors, spec, device, threads)

    loading.Predictors._load = hindered


def listen(told):
    """Tell of everything that would load code, start a program or reach out, in this process and from its start."""
    events = {"pickle.find_class", "socket.connect", "socket.getaddrinfo", "socket.sendto", "os.exec"}
    events |= {"os.system", "os.posix_spawn", "subprocess.Popen", "webbrowser.open", "urllib.Request"}
    file = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def hear(event, arguments):
        if event in events:
            os.write(file, f"{event} {arguments[:2]!r}\n".encode("utf-8", "backslashreplace"))

    sys.addaudithook(hear)


def arm_process():
    """Do to this process what its environment says, which a forked daemon has only after it was forked."""
    if "HEARD" in os.environ:
        listen(os.environ["HEARD"])

    if "CLOCK" in os.environ:
        right = time.time
        time.time = lambda: right() + float(Path(os.environ["CLOCK"]).read_text())

    # Only the daemon itself is armed, not its workers.
    is_daemon = "run" in sys.argv and "multiprocessing" not in " ".join(sys.argv)
    if "DIE" in os.environ and is_daemon:
        arm(*os.environ["DIE"].split())
    if "LINGER" in os.environ and is_daemon:
        linger(os.environ["LINGER"])
    if "DEAF" in os.environ and is_daemon:
        deafen()
    if "HANGING" in os.environ and is_daemon:
        hang()
    if "SLOW_COPYING" in os.environ and is_daemon:
        dawdle(float(os.environ["SLOW_COPYING"]))
    if "UNGIVEN" in os.environ and is_daemon:
        keep_all()
    if "DENIED" in os.environ and is_daemon:
        deny(os.environ["DENIED"])
    if "SPOILED" in os.environ and is_daemon:
        spoil(*os.environ["SPOILED"].split())
    if "BLIND" in os.environ and is_daemon:
        blind()
    if "HOLD_SECONDS" in os.environ and is_daemon:
        from classifyd.service import holds

        holds.FIRST_PAUSE_SECONDS = holds.LONGEST_PAUSE_SECONDS = float(os.environ["HOLD_SECONDS"])

    if "PAUSE_SECONDS" in os.environ and is_daemon:
        from classifyd.service import courier

        courier.FIRST_PAUSE_SECONDS = courier.LONGEST_PAUSE_SECONDS = float(os.environ["PAUSE_SECONDS"])

    if "GRACE_SECONDS" in os.environ and is_daemon:
        from classifyd.workers import remote

        remote.GRACE_SECONDS = float(os.environ["GRACE_SECONDS"])

    if "STILLBORN" in os.environ and "default_worker" in " ".join(sys.argv):
        bear_dead(os.environ["STILLBORN"])

    # Only its workers are hindered.
    if {"SLOW_LOADING", "DEADLY_BUNDLE"} & set(os.environ) and "spawn_main" in " ".join(sys.orig_argv):
        hinder()


arm_process()
