"""Tiny bundles for the kit's tests, made once."""

from pathlib import Path

import pytest
import tiny

from classifyd.api import Bundle
from classifyd.bundles import Store


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(Path(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="session")
def sequence(store: Store) -> Bundle:
    return tiny.make_bundle(store, "spam", ["ham", "spam"])


@pytest.fixture(scope="session")
def token(store: Store) -> Bundle:
    return tiny.make_bundle(store, "ner", tiny.BIO, "token")
