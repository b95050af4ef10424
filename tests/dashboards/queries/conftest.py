"""The small register of places, as a fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboards.queries.register import SMALL, registered
from tests.town import Town


@pytest.fixture(scope="module")
def small_register(whole_town: Town) -> Iterator[None]:
    """Replaces the shipped city with 3 counties and 25 micro-grids while a module runs."""
    with registered(whole_town, SMALL):
        yield
