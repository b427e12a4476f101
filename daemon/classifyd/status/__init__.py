"""What an outsider sees of the daemon: counts by inbox, rates, what is held. Files and the ledger tell the truth.

Nothing here needs the daemon to run, and nothing holds it up.
"""

from classifyd.status.counting import Flow, InboxStatus, Status, look, needed
from classifyd.status.heartbeat import DaemonStatus, Refused

__all__ = ["DaemonStatus", "Flow", "InboxStatus", "Refused", "Status", "look", "needed"]
