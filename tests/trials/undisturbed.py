"""The same inputs once more, in a place where nothing disturbs: what their outputs have to be."""

import shutil
from pathlib import Path

from daemons import Place
from oracle import Producer, Scene, account


def outputs(root: Path, producer: Producer, **options: object) -> dict[str, bytes]:
    """The outputs of a run over all that a producer dropped; `options` are those of the disturbed place."""
    root.mkdir()
    place = Place.make(root, **options)
    for kept in producer.kept.iterdir():
        shutil.copyfile(kept, root / "in" / kept.name)
    try:
        assert place.once(timeout=1200, more={"SLOW_SECONDS": "0.0001"}) == 0, place.log()
    finally:
        place.end()
    found = account(Scene(root), producer.dropped())
    assert found.faults == []
    assert found.published == {one.name for one in producer.dropped()}
    return Scene(root).outputs()
