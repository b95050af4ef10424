"""The small register of places for the tests that ask for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dashboards.queries.register import SMALL, registered
from tests.town import Town


@pytest.fixture(scope="module")
def small_register(whole_town: Town) -> Iterator[None]:
    """Three counties with 25 micro-grids instead of the shipped city, while a module runs."""
    with registered(whole_town, SMALL):
        yield
