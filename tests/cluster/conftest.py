import os
from collections.abc import Iterator

import pytest
from clusters import ENVIRONMENT, Nodes, begun


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Nodes]:
    """A cluster of two nodes for a module's tests, none of whose processes outlives them; each test finds two."""
    with begun(2, dict(os.environ), tmp_path_factory.mktemp("cluster") / "log") as nodes:
        yield nodes


@pytest.fixture
def two_nodes(cluster):
    while len(cluster.nodes) < 2:
        cluster.add()
    return cluster
