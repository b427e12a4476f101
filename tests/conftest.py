import pytest
from daemons import Place


@pytest.fixture
def place(tmp_path):
    """A maker of the test's own place; its daemons are ended afterwards."""
    made = []

    def make(**options):
        made.append(Place.make(tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        one.end()
