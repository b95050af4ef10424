"""One key vault and one city for the tests of producers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from producers.simulator.history import City
from producers.vault import Vault


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    with Vault(tmp_path_factory.mktemp("keys") / "keys.db") as made:
        yield made


@pytest.fixture(scope="session")
def huaihua(keys: Vault) -> City:
    return City.load(keys)
