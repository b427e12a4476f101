import signal
import subprocess
import sys
import threading
import time

from classifyd.service.messages import Messages

WAITING = """
import time
from classifyd.service.messages import Messages

messages = Messages()
print("ready", flush=True)
end = time.monotonic() + 2
while time.monotonic() < end:
    messages.put("inbox")
    assert messages.next() == "inbox"
    assert messages.next(1e-5) is None
"""


def test_messages_come_in_the_order_in_which_they_were_left():
    messages = Messages()
    for message in ("a", "b", None, "c"):
        messages.put(message)

    assert ["a", "b", None, "c", None] == [messages.next() for _ in range(5)]


def test_a_message_wakes_who_waits_and_without_one_the_wait_ends():
    messages = Messages()
    began = time.monotonic()
    assert messages.next(0.1) is None
    threading.Timer(0.2, messages.put, ["a"]).start()
    assert "a" == messages.next(30)

    assert 0.3 <= time.monotonic() - began < 10


def test_a_message_from_a_signal_handler_wakes_its_own_thread():
    messages = Messages()
    before = signal.signal(signal.SIGALRM, lambda *_: messages.put("alarm"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert "alarm" == messages.next(30)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_process_that_is_stopped_again_and_again_waits_no_longer_than_it_was_to():
    """With a SimpleQueue it waits without end as soon as it is stopped between two steps of `get`."""
    with subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end:
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.002)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.001)
        code = process.poll()
        process.kill()
    assert 0 == code
