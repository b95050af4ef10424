"""A town that holds the whole history, for tests that only read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from schemas.families import families
from schemas.sql.targets import target
from tests.figures.fold import Posting, postings
from tests.figures.history import corrected, everywhere
from tests.histories.told import Told
from tests.town import Town


@dataclass(frozen=True, slots=True)
class Known:
    """A town and the postings of its history."""

    town: Town
    postings: Sequence[Posting]


@contextlib.contextmanager
def unmerged(town: Town) -> Iterator[None]:
    """Stops merges: separate inserts stay separate parts."""
    town.shipped.city.run("SYSTEM STOP MERGES")
    try:
        yield
    finally:
        town.shipped.city.run("SYSTEM START MERGES")


@cache
def _whole_history() -> tuple[list[list[Told]], Sequence[Posting]]:
    """The history in two batches, and its postings."""
    first, then = corrected()
    history = list(everywhere())
    middle = len(history) // 2
    batches = [history[:middle] + first, history[middle:] + then]
    return batches, postings([event for batch in batches for event in batch])


@pytest.fixture(scope="module", params=["in parts", "merged"])
def known(whole_town: Town, request: pytest.FixtureRequest) -> Iterator[Known]:
    """The whole history; corrections lie in a later part of the tables, or in the same part."""
    whole_town.empty()
    batches, counted = _whole_history()
    with unmerged(whole_town):
        for batch in batches:
            whole_town.tell(*batch)
        if request.param == "in parts":
            yield Known(whole_town, counted)
    if request.param == "merged":
        for family in families():
            for each in family.projections:
                whole_town.shipped.city.run(f"OPTIMIZE TABLE gulou.{target(family, each)} FINAL")
        yield Known(whole_town, counted)
    whole_town.empty()
