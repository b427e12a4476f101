"""What the page may do, for who has the token: each deed by its address."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from classifyd.errors import ClassifydError
from classifyd.web.answers import Answer, Refused, asked, json_answer, sent, words
from classifyd.web.documents import Documents
from classifyd.web.review import Unreviewable


class Deeds:
    """Each is asked for with a JSON object, and answers with one. Refused says why it is not done."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        deeds = (self.retry, self.pause, self.resume, self.cancel, self.correct, self.mark, self.withdraw)
        self.by_path: Mapping[str, Callable[[Mapping[str, Any]], Answer]] = {
            f"/api/{deed.__name__}": deed for deed in deeds
        }

    def retry(self, environ: Mapping[str, Any]) -> Answer:
        """Put a quarantined input back into its inbox."""
        inbox, name = asked(environ, "inbox", "name")
        try:
            place = self._documents.retry(inbox, name)
        except OSError as error:
            raise Refused(HTTPStatus.CONFLICT, f"{error.strerror}; left in quarantine") from error
        except ClassifydError as error:
            raise Refused(HTTPStatus.CONFLICT, str(error)) from error
        if place is None:
            raise Refused(HTTPStatus.NOT_FOUND, "it is not in quarantine any more")
        return json_answer({"place": place})

    def pause(self, environ: Mapping[str, Any]) -> Answer:
        """Begin nothing more of an inbox."""
        inbox, who = asked(environ, "inbox", who="")
        return _done(inbox, "there is no such inbox", self._documents.pause, inbox, who)

    def resume(self, environ: Mapping[str, Any]) -> Answer:
        """Go on with an inbox that was paused."""
        (inbox,) = asked(environ, "inbox")
        return _done(inbox, "there is no such inbox", self._documents.resume, inbox)

    def cancel(self, environ: Mapping[str, Any]) -> Answer:
        """Do nothing more of a large input in work."""
        claim, who = asked(environ, "claim", who="")
        return _done(claim, "it is not in work any more", self._documents.cancel, claim, who)

    def correct(self, environ: Mapping[str, Any]) -> Answer:
        """Keep what somebody says is right."""
        key, task, label, who = asked(environ, "key", "task", "label", who="")
        try:
            self._documents.review.correct(key, task, label, who)
        except Unreviewable as error:
            raise Refused(HTTPStatus.CONFLICT, str(error)) from error
        return json_answer({"key": key})

    def mark(self, environ: Mapping[str, Any]) -> Answer:
        """Keep the spans that somebody says are right."""
        parts = sent(environ)
        key, task, who = words(parts, "key", "task", who="")
        try:
            self._documents.review.mark(key, task, parts.get("spans"), who)
        except Unreviewable as error:
            raise Refused(HTTPStatus.CONFLICT, str(error)) from error
        return json_answer({"key": key})

    def withdraw(self, environ: Mapping[str, Any]) -> Answer:
        """Take back what somebody said was right."""
        (key,) = asked(environ, "key")
        try:
            self._documents.review.withdraw(key)
        except Unreviewable as error:
            raise Refused(HTTPStatus.CONFLICT, str(error)) from error
        return json_answer({"key": key})


def _done(what: str, missing: str, deed: Callable[..., bool], *arguments: str) -> Answer:
    """The answer to a deed that leaves a note for the daemon."""
    try:
        found = deed(*arguments)
    except OSError as error:
        raise Refused(HTTPStatus.CONFLICT, f"{error.strerror}; nothing was changed") from error
    if not found:
        raise Refused(HTTPStatus.NOT_FOUND, missing)
    return json_answer({"done": what})
