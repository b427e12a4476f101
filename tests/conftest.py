import pytest
from daemons import Place


def pytest_collection_modifyitems(items):
    """What may take longest comes first: side by side, all would wait for one of those that began last."""
    items.sort(key=lambda item: -allowed_seconds(item))  # the others keep their order


def allowed_seconds(item):
    marker = item.get_closest_marker("timeout")
    return marker.args[0] if marker else 0


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
