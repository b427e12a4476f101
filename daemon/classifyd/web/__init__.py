"""The HTTP server: metrics, health, and the status page, for whoever may reach its port.

What counts is open to everybody who reaches it; what names or shows messages, or changes anything, needs the token.
"""

from classifyd.web.app import App
from classifyd.web.listening import Listener, taken_over
from classifyd.web.recent import Recent
from classifyd.web.scene import Outlook, Scene
from classifyd.web.wishes import Wish, Withdrawal

__all__ = ["App", "Listener", "Outlook", "Recent", "Scene", "Wish", "Withdrawal", "taken_over"]
