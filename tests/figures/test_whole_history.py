"""Every view of figures equals a plain fold, over a history of every event, place and edge."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from tests.figures.history import INSTANTS
from tests.figures.views import EXPECTED, OF_AN_INSTANT, by_village_year_covered, instant

if TYPE_CHECKING:
    from tests.figures.conftest import Known

AT = "2021-12-31 23:00:00"


def same(found: Iterable[dict[str, Any]], expected: Iterable[dict[str, Any]]) -> None:
    """Asserts that two lists of rows are the same in any order, columns included."""
    shown, wanted = (Counter(json.dumps(row) for row in rows) for rows in (found, expected))
    assert list((shown - wanted).elements())[:5] == list((wanted - shown).elements())[:5]


def total(rows: Iterable[dict[str, Any]], figures: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows summed by key."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        key = json.dumps({name: value for name, value in row.items() if name not in figures})
        if key in found:
            for name in figures:
                found[key][name] += row[name]
        else:
            found[key] = dict(row)
    return list(found.values())


_FOUND: dict[tuple[str, str], list[dict[str, Any]]] = {}


def expected(view: str, at: str, known: Known) -> list[dict[str, Any]]:
    """Rows by the fold; computed once, for figures in parts and for merged ones."""
    if (view, at) not in _FOUND:
        _FOUND[view, at] = EXPECTED[view](known.postings, instant(at))
    return _FOUND[view, at]


@pytest.mark.parametrize("view", sorted(set(EXPECTED) - OF_AN_INSTANT))
def test_a_view_shows_what_was_told(view: str, known: Known) -> None:
    found = known.town.published(view)
    if view.startswith("all_by"):
        # Several rows may have one key; readers sum them.
        found = total(found, ("net_count", "net_people", "net_amount"))
    same(found, expected(view, AT, known))


@pytest.mark.parametrize("at", INSTANTS)
@pytest.mark.parametrize("view", sorted(OF_AN_INSTANT))
def test_a_view_of_an_instant_shows_what_was_true_at_it(view: str, at: str, known: Known) -> None:
    same(known.town.published(view, at), expected(view, at, known))


@pytest.mark.parametrize("topic", ["petitions", "mediations"])
def test_a_view_of_small_cells_shows_what_it_may(
    topic: str, known: Known, villages: list[str]
) -> None:
    shown = by_village_year_covered(topic, villages)(known.postings, instant(AT))
    same(known.town.published(f"{topic}_by_village_year"), shown)
