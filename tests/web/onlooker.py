"""The web application without a server: what it answers to one request."""

from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from classifyd.config import Config, InboxConfig
from classifyd.metrics import Metrics
from classifyd.web import App, Recent, Scene, Wish

TOKEN = "a-token-of-the-tests"


@dataclass
class Told:
    """What the application answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Shown:
    """A daemon to look at, and the application that shows it."""

    config: Config
    scene: Scene
    metrics: Metrics = field(default_factory=Metrics)
    recent: Recent = field(default_factory=Recent)

    def __post_init__(self) -> None:
        self.app = App(self, TOKEN, "127.0.0.1")

    def hand_over(self, wish: Wish) -> bool:
        """There is no main loop here."""
        return False

    @property
    def inbox(self) -> InboxConfig:
        return self.config.inboxes[0]

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        host: str = "127.0.0.1:9464",
        token: str = "",
        body: bytes = b"",
        **more: str,
    ) -> Told:
        path, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "HTTP_HOST": host,
            "wsgi.input": BytesIO(body),
        }
        if token:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        told: list[Any] = []
        parts = self.app(environ | more, lambda status, headers: told.extend((status, headers)))
        return Told(int(told[0].split()[0]), dict(told[1]), b"".join(parts))
