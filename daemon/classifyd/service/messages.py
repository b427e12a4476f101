"""What wakes the main loop: how jobs ended, what is wished for, where something moved, signals."""

import contextlib
import threading
from collections import deque

from classifyd.web import Wish
from classifyd.workers import Outcome

Message = Outcome | Wish | str | None
"""How a job ended, what somebody wishes on the page, the inbox in which something moved, or None for a signal."""


class Messages:
    """Messages for the main loop, from other threads and from signal handlers, which may come in the midst of any call.

    (Not a queue.SimpleQueue: that of CPython 3.11, at least, waits without end in `get` if the process is held up for
    longer than the timeout between two of its steps. Nor a queue.Queue, whose lock a handler would wait for in vain.)
    """

    def __init__(self) -> None:
        self._there: deque[Message] = deque()
        self._bell = threading.Lock()
        self._bell.acquire()

    def put(self, message: Message) -> None:
        """Leave a message and wake the main loop."""
        self._there.append(message)
        with contextlib.suppress(RuntimeError):  # the bell has rung already
            self._bell.release()

    def next(self, seconds: float = 0.0) -> Message:
        """The oldest message, waited for so long at most; None if there is none, perhaps too soon."""
        if not self._there and seconds > 0:
            self._bell.acquire(timeout=seconds)
        return self._there.popleft() if self._there else None

    def gathered(self, seconds: float) -> list[Message]:
        """All messages that are there, the first waited for so long at most."""
        messages = [self.next(seconds)]
        while messages[-1] is not None:
            messages.append(self.next())
        return messages
