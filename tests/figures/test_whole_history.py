"""Every view of figures equals a plain fold, over a history of every event, place and edge."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from schemas.grain import ROLES, Role
from tests.figures.history import INSTANTS
from tests.figures.views import EXPECTED, FINER, HIDDEN, OF_AN_INSTANT, instant

if TYPE_CHECKING:
    from tests.figures.conftest import Known

AT = "2021-12-31 23:00:00"
FIGURES = ("net_", "gross_")


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


def seen(view: str, at: str, known: Known, role: Role) -> list[dict[str, Any]]:
    """The rows that a role must see: exact, and without what is finer."""
    if role == "clerk":
        return expected(view, at, known)
    finer, cases = FINER.get(view, set()), ("petition.", "mediation.")
    shown = []
    for row in expected(view, at, known):
        of_cases = row.get("type", "").startswith(cases)
        if of_cases and view == "all_by_township_day":
            continue  # below the county, no day of cases
        left = {name: value for name, value in row.items() if name not in finer}
        if of_cases and view == "all_by_county_hour":
            left["net_amount"] = 0
        shown.append(left)
    # Rows that differ in a finer column alone are one.
    return total(shown, tuple(n for n in shown[0] if n.startswith(FIGURES))) if shown else []


BY_ROLE = [
    pytest.param(view, role, id=f"{view}-{role}")
    for view in sorted(EXPECTED)
    for role in ROLES
    if role == "clerk" or view not in HIDDEN
]


@pytest.mark.parametrize(("view", "role"), [p for p in BY_ROLE if p.values[0] not in OF_AN_INSTANT])
def test_a_view_shows_what_was_told(view: str, role: Role, known: Known) -> None:
    found = known.town.published(view, role=role)
    if view.startswith("all_by"):
        # Several rows may have one key; readers sum them.
        found = total(found, tuple(n for n in found[0] if n.startswith(FIGURES)))
    same(found, seen(view, AT, known, role))


@pytest.mark.parametrize("at", INSTANTS)
@pytest.mark.parametrize(("view", "role"), [p for p in BY_ROLE if p.values[0] in OF_AN_INSTANT])
def test_a_view_of_an_instant_shows_what_was_true_at_it(
    view: str, role: Role, at: str, known: Known
) -> None:
    same(known.town.published(view, at, role=role), seen(view, at, known, role))
