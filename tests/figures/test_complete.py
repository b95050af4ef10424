"""Every projection, published view and event type has a table of cases, and no table is stale."""

from __future__ import annotations

import pytest

from schemas.families import families
from schemas.sql.published import published
from schemas.sql.targets import target
from tests.figures.fold import CORRECTS, TAKES_BACK, TOTALS, postings
from tests.figures.history import EDGES, PLACES, TYPES, corrected, everywhere
from tests.figures.test_targets import KEYS
from tests.figures.test_watched import PROJECTIONS
from tests.figures.views import EXPECTED

LISTS = {"divisions", "labels"}
"""Tested by `test_reference`."""
WATCHED = {
    *("pipeline", "uncounted", "messages_by_minute", "projections", "table_parts"),
    "recent_events",
}
"""Tested by `test_watched`."""
GRAINS = {
    "visits_by_county_hour": "走访·县市区·小时",
    "visits_to_date": "走访·县市区·至今",
    "visits_by_township_day": "走访·乡镇街道·日",
    "visits_by_village_day": "走访·村社区·日",
    "visits_by_village_year": "走访·村社区·年",
    "petitions_by_county_month": "信访·县市区·月",
    "petitions_by_village_day": "信访·村社区·日",
    "petitions_by_village_year": "信访·村社区·年",
    "funds_by_village_day": "幸福基金·村社区·日",
    "funds_by_village_year": "幸福基金·村社区·年",
    "funds_by_county_year": "幸福基金·县市区·年",
    "all_by_county_hour": "全部·县市区·小时",
    "all_by_township_day": "全部·乡镇街道·日",
}
"""Chinese names of the views by place and grain."""
CASES = {
    f"{topic}_{what}"
    for topic in ("petitions", "mediations")
    for what in ("cases", "pending", "breakdown", "duties", "deadlines", "steps")
}
"""Views of cases at an instant; tested by `tests/law`."""
BEFORE = {
    f"{topic}_{what}_before"
    for topic in ("petitions", "mediations")
    for what in ("pending", "breakdown", "duties")
}
"""Views of cases as of the end of the last month; tested by `test_grain` against those above."""


def test_every_published_view_has_its_cases() -> None:
    views = [view.name for view in published(families(), "gulou", "Asia/Shanghai", "clerk")]
    assert len(views) == len(set(views))
    assert set(views) == {*EXPECTED, *LISTS, *WATCHED, *CASES, *BEFORE}


def test_a_view_is_called_by_its_place_and_its_grain() -> None:
    views = published(families(), "gulou", "Asia/Shanghai", "clerk")
    called = {view.name: view.zh for view in views}
    assert {name: called[name] for name in GRAINS} == GRAINS


def test_every_projection_has_its_cases() -> None:
    declared = {target(family, each) for family in families() for each in family.projections}
    assert declared == set(KEYS)
    assert declared == {f"{topic}_{name}" for topic, names in PROJECTIONS.items() for name in names}


def test_every_event_type_is_told_at_every_place_and_edge() -> None:
    declared = {cls.spec.name for family in families() for cls in family.events}
    assert declared == {*TYPES, *CORRECTS, *TAKES_BACK}
    assert {family.topic for family in families()} == set(TOTALS)
    told = [(e["type"], e["division"], e.get("grid", "")) for e in everywhere()]
    assert len(told) == len(TYPES) * len(PLACES) * len(EDGES)
    assert set(told) == {(type_, *place) for type_ in TYPES for place in PLACES}


@pytest.mark.parametrize("type_", [*CORRECTS, *TAKES_BACK])
def test_every_type_that_corrects_is_told_of_all_that_it_corrects(type_: str) -> None:
    first, then = corrected()
    types = {event["id"]: event["type"] for event in first + then}
    of = {types.get(e["data"]["corrects"]) for e in first + then if e["type"] == type_}
    assert of - {None} == {**CORRECTS, **TAKES_BACK}[type_]
    assert sum(posting.net for posting in postings(first + then) if posting.type == type_) == 0
