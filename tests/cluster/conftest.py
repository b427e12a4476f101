import pytest
from clusters import ENVIRONMENT, Nodes
from daemons import Place


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A maker of the test's own cluster; no process of it outlives the test."""
    pytest.importorskip("ray", reason='Ray is not installed: pip install "classifyd[ray]"')
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    made = []

    def make(nodes=2, **environment):
        made.append(Nodes.begin(nodes, Place(tmp_path).environment(environment), tmp_path / "cluster.log"))
        return made[-1]

    yield make
    for one in made:
        one.end()
