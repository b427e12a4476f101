"""What the daemon shows of itself, about once a second: a heartbeat to `status` and systemd, a picture to the page."""

from pathlib import Path

from classifyd.notify import Notifier
from classifyd.service.beat import Beat
from classifyd.service.crew import Crew
from classifyd.service.engine import Engine
from classifyd.service.outside import Outside
from classifyd.service.pace import Paces
from classifyd.service.passage import Passage
from classifyd.service.picture import Picture
from classifyd.service.receivers import Receivers


class Showing:
    """Asks the main loop's other parts; it changes nothing in any of them."""

    def __init__(
        self,
        state: Path,
        passage: Passage,
        crew: Crew,
        engine: Engine,
        *,
        receivers: Receivers,
        notifier: Notifier,
        outside: Outside,
    ) -> None:
        self._state = state
        self._passage = passage
        self._outside = outside
        intakes, dispatcher = passage.inboxes.intakes, passage.dispatcher
        paces = Paces(dispatcher.works.values, passage.blocked)
        self._beat = Beat(
            state,
            dispatcher,
            crew.succession,
            troubles=passage.troubles,
            intakes=intakes,
            notifier=notifier,
            stuck=lambda: crew.shifts.stuck,
            page=lambda: outside.page,
            progress=paces.look,
            unmet=lambda: outside.unmet,
            receivers=receivers.waiting,
            drift=lambda: outside.drift(crew.succession.serving),
            nodes=engine.nodes,
        )
        self._picture = Picture(
            intakes,
            passage.remains,
            dispatcher,
            shifts=crew.shifts,
            succession=crew.succession,
            paces=paces,
            pauses=passage.pauses,
            receivers=receivers.waiting,
            outside=outside,
            nodes=engine.nodes,
        )

    def go_on(self, *, stopping: bool) -> None:
        """Show how things stand, if it is time to."""
        if self._beat.beat():
            self._outside.show(self._picture.taken(self._passage.troubles(), stopping=stopping))
            self._outside.keep(self._state)

    def end(self) -> None:
        """Say that the daemon no longer runs."""
        self._beat.end()
