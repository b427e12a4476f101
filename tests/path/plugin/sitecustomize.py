"""Lets a test kill the daemon right before or after one step: DIE="before ledger.intend"; and hinder its workers.

SLOW_LOADING=6 has every load of a task take six seconds more; DEADLY_BUNDLE=/spam/2 has the one of that folder kill.
HOLD_SECONDS=0.2 has what is held back tried again that soon.
"""

import os
import signal
import sys
import time

WHERE = {
    "ledger.claimed": ("classifyd.ledger", "Ledger", "claimed"),
    "ledger.intend": ("classifyd.ledger", "Ledger", "intend"),
    "ledger.retired": ("classifyd.ledger", "Ledger", "retired"),
    "publish.published": ("classifyd.ledger", "Ledger", "published"),
    "moves.rename_exclusive": ("classifyd.service.publish", None, "rename_exclusive"),
    "publish.move": ("classifyd.service.publish", None, "move"),
}


def arm(when, step):
    module, owner, name = WHERE[step]
    __import__(module)
    place = getattr(sys.modules[module], owner) if owner else sys.modules[module]
    real = getattr(place, name)

    def deadly(*arguments, **options):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(place, name, deadly)


def hinder():
    from classifyd.pipeline import loading

    real = loading.Predictors._load

    def hindered(predictors, spec, device, threads):
        time.sleep(float(os.environ.get("SLOW_LOADING", "0")))
        if "DEADLY_BUNDLE" in os.environ and str(spec.bundle).endswith(os.environ["DEADLY_BUNDLE"]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(predictors, spec, device, threads)

    loading.Predictors._load = hindered


# Only the daemon itself is armed, not its workers.
if "DIE" in os.environ and "run" in sys.argv and "multiprocessing" not in " ".join(sys.argv):
    arm(*os.environ["DIE"].split())

if "HOLD_SECONDS" in os.environ and "run" in sys.argv:
    from classifyd.service import holds

    holds.FIRST_PAUSE_SECONDS = holds.LONGEST_PAUSE_SECONDS = float(os.environ["HOLD_SECONDS"])

# Only its workers are hindered.
if {"SLOW_LOADING", "DEADLY_BUNDLE"} & set(os.environ) and "spawn_main" in " ".join(sys.orig_argv):
    hinder()
