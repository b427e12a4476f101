"""Lets a test kill the daemon right before or after one step: DIE="before ledger.intend"."""

import os
import signal
import sys

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


# Only the daemon itself is armed, not its workers.
if "DIE" in os.environ and "run" in sys.argv and "multiprocessing" not in " ".join(sys.argv):
    arm(*os.environ["DIE"].split())
