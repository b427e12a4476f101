"""What is sent back, and what is read of what was sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    body: bytes
    content_type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK
    policy: str = PAGE_POLICY
    more: tuple[tuple[str, str], ...] = ()


class Refused(Exception):  # an answer, not an error of ours
    """What was asked for is not given; the sentence says why."""

    def __init__(self, status: HTTPStatus, sentence: str, *more: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.status = status
        self.more = more


def json_answer(document: object) -> Answer:
    """A document as JSON."""
    # No lone surrogates: what is not Unicode in a name was made visible, but a model's label may hold anything.
    return Answer(json.dumps(document, allow_nan=False).encode(), "application/json")


def asked(environ: Mapping[str, Any], *names: str, **defaults: str) -> tuple[str, ...]:
    """The words under these names in what was sent, then those with a default. Refused unless all are there."""
    return words(sent(environ), *names, **defaults)


def sent(environ: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was sent. Refused if it is no JSON object."""
    try:
        found = json.loads(environ["wsgi.input"].read())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "send a JSON object")
    return found


def words(parts: Mapping[str, Any], *names: str, **defaults: str) -> tuple[str, ...]:
    """The words under these names in an object, then those with a default. Refused unless all are there."""
    if any(name not in parts for name in names):
        raise Refused(HTTPStatus.BAD_REQUEST, f"send a JSON object with {', '.join(names)}")
    found = [parts[name] for name in names] + [parts.get(name, default) for name, default in defaults.items()]
    if not all(isinstance(word, str) for word in found):
        raise Refused(HTTPStatus.BAD_REQUEST, f"{', '.join((*names, *defaults))}: these are strings")
    return tuple(found)
