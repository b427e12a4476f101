"""What is wrong with an inbox's table that no single setting tells."""

import string
from collections.abc import Iterable, Iterator

from classifyd.config.schema import InboxSection
from classifyd.config.sentences import nearest, quoted
from classifyd.config.settings import DELETE


def inbox_faults(section: InboxSection) -> Iterator[str]:
    """Each fault, in a sentence that says what to do."""
    for task in sorted({task for task in section.tasks if section.tasks.count(task) > 1}):
        yield f"tasks names {quoted(task)} twice; name it once"
    if section.review is not None and section.take == "leave":
        yield 'review is set, but take = "leave" leaves every input where it is; remove one of the two'
    if section.done is None or section.done == DELETE:
        return
    if section.take == "leave":
        yield 'done is set, but take = "leave" leaves every input where it is; remove one of the two'
    yield from _template_faults(section.done, section.tasks)


def _template_faults(done: str, tasks: Iterable[str]) -> Iterator[str]:
    try:
        parts = [(field, spec, how) for _, field, spec, how in string.Formatter().parse(done) if field is not None]
    except ValueError as error:
        yield f"done {quoted(done)}: {error}; braces hold the name of a task, as in done/{{spam}}"
        return
    for field, spec, how in parts:
        if field not in tasks or spec or how:
            yield f"done {quoted(done)} names {{{field}}}, which is no task of this inbox.{nearest(field, list(tasks))}"
