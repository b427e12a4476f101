"""The WSGI application: which address gives what, to whom, and under which headers."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import Any

import structlog

from classifyd.errors import BundleError, UnavailableError
from classifyd.web.answers import Answer, Refused, json_answer
from classifyd.web.deeds import Deeds
from classifyd.web.documents import Documents
from classifyd.web.listening import THREADS
from classifyd.web.scene import Outlook
from classifyd.web.secret import Token
from classifyd.web.turns import Busy, Turns

log = structlog.get_logger()

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
REPORT_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A report is a document of its own: nothing in it runs, and it is of no origin."""
HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
PAGE = {"/": "index.html", **{f"/{name}": name for name in ("page.css", "page.js", "spans.js", "icon.svg")}}
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class App:
    """Answers requests from what `outlook` shows. `own_host` is the address that is listened to."""

    def __init__(self, outlook: Outlook, token: str, own_host: str) -> None:
        self._outlook = outlook
        self._token = Token(token)
        self._hosts = LOOPBACK | {own_host}
        self._documents = Documents(outlook, self._token)
        # Whoever waits for a dead disk must not keep the metrics from being told.
        self._turns = Turns(THREADS // 2)
        page = files("classifyd.web").joinpath("page")
        self._page = {path: page.joinpath(name).read_bytes() for path, name in PAGE.items()}
        self._open: Mapping[str, Callable[[Mapping[str, Any]], Answer]] = {
            "/metrics": self._metrics,
            "/healthy": lambda _: _verdict(outlook.scene.illness(time.monotonic()), "healthy"),
            "/ready": lambda _: _verdict(outlook.scene.unreadiness(time.monotonic()), "ready"),
            "/api/status": lambda environ: json_answer(self._documents.status(entitled=self._entitled(environ))),
        }
        self._closed: Mapping[str, Callable[[], object]] = {
            "/api/results": self._documents.results,
            "/api/quarantine": self._documents.quarantine,
            "/api/review": self._documents.review.queue,
        }
        self._deeds = Deeds(self._documents).by_path

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI (PEP 3333)."""
        try:
            answer = self._answer(environ)
        except Refused as refused:
            answer = Answer(f"{refused}\n".encode(), status=refused.status, more=refused.more)
        except UnavailableError as unavailable:
            answer = Answer(f"{unavailable}\n".encode(), status=HTTPStatus.SERVICE_UNAVAILABLE)
        except Busy:
            sentence = b"the disk is slow to answer; try again later\n"
            answer = Answer(sentence, status=HTTPStatus.SERVICE_UNAVAILABLE)
        except Exception as error:  # noqa: BLE001  # a page that cannot be made is no reason to say nothing
            log.error(
                "request_failed", path=str(environ.get("PATH_INFO"))[:200], error=f"{type(error).__name__}: {error}"
            )
            answer = Answer(
                b"this could not be told; the daemon's log says why\n", status=HTTPStatus.INTERNAL_SERVER_ERROR
            )
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        headers += [("Content-Security-Policy", answer.policy), *HEADERS, *answer.more]
        if not any(name == "Cache-Control" for name, _ in answer.more):
            headers.append(("Cache-Control", "no-store"))
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    # ------------------------------------------------------------------ who asks for what

    def _answer(self, environ: Mapping[str, Any]) -> Answer:
        self._check_host(environ.get("HTTP_HOST", ""))
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "") or "/"
        if path in self._deeds:
            _must_be(method, "POST")
            self._check_token(environ)
            with self._turns.one():
                return self._deeds[path](environ)
        _must_be(method, "GET", "HEAD")
        if path in self._open:
            return self._open[path](environ)
        if path in PAGE:
            return self._static(path, environ)
        if path.startswith("/models/"):
            return self._report(path, environ)
        if path in self._closed:
            self._check_token(environ)
            with self._turns.one():
                return json_answer(self._closed[path]())
        raise Refused(HTTPStatus.NOT_FOUND, "there is nothing here; the status page is at /")

    def _check_host(self, host: str) -> None:
        """A page elsewhere can have its own name resolve to this machine (DNS rebinding), but the browser says so."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        http = self._outlook.config.http
        allowed = self._hosts | set(http.hosts if http else ())
        if name.strip("[]").lower() not in allowed:
            raise Refused(
                HTTPStatus.MISDIRECTED_REQUEST,
                "this host name is not served here; if it is to be, name it in hosts of [http]",
            )

    def _entitled(self, environ: Mapping[str, Any]) -> bool:
        return self._token.opens(environ.get("HTTP_AUTHORIZATION", ""))

    def _check_token(self, environ: Mapping[str, Any]) -> None:
        if not self._entitled(environ):
            raise Refused(
                HTTPStatus.UNAUTHORIZED,
                "this needs the token: see classifyd status --page",
                ("WWW-Authenticate", 'Bearer realm="classifyd"'),
            )

    # ------------------------------------------------------------------ answers

    def _metrics(self, environ: Mapping[str, Any]) -> Answer:
        return Answer(*self._outlook.metrics.exposition(environ.get("HTTP_ACCEPT", "")))

    def _static(self, path: str, environ: Mapping[str, Any]) -> Answer:
        body = self._page[path]
        # Asked for anew each time, so that an upgrade is seen at once; not sent again while it is the same.
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        more = (("ETag", tag), ("Cache-Control", "no-cache"))
        kind = f"{TYPES[PAGE[path].rpartition('.')[2]]}; charset=utf-8"
        if environ.get("HTTP_IF_NONE_MATCH") == tag:
            return Answer(b"", kind, HTTPStatus.NOT_MODIFIED, more=more)
        return Answer(body, kind, more=more)

    def _report(self, path: str, environ: Mapping[str, Any]) -> Answer:
        if not self._token.signed(path, environ.get("QUERY_STRING", "").removeprefix("key=")):
            raise Refused(HTTPStatus.UNAUTHORIZED, "this report is opened by the link on the status page")
        try:
            with self._turns.one():
                return Answer(self._documents.report(path), "text/html; charset=utf-8", policy=REPORT_POLICY)
        except BundleError as error:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no such report: {error}") from error


def _must_be(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"ask by {' or '.join(allowed)}", ("Allow", ", ".join(allowed)))


def _verdict(trouble: str, good: str) -> Answer:
    status = HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK
    return Answer(f"{trouble or good}\n".encode(), status=status)
