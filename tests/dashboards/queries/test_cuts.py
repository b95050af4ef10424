"""Every query that cuts its rows: what can have more rows than fit is shown up to the cut, in
order; what cannot is never cut.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

import pytest

from dashboards.queries import (
    cases,
    figures,
    funds,
    mediations,
    petitions,
    pieces,
    pipeline,
    places,
    visits,
    wall,
)
from schemas.families import families, family
from tests.dashboards.queries.about import CUT, cuts
from tests.dashboards.queries.happenings import raised
from tests.dashboards.queries.register import CHENGZHONG, HECHENG, SMALL, ZHONGPO, registered
from tests.dashboards.queries.steps import ALL, mediation
from tests.dashboards.queries.test_every_query import HERE, MODULES
from tests.histories.small import PLACES
from tests.histories.told import Told, told
from tests.town import Town

Query = Callable[..., Any]
_COUNTIES: Final = 40
"""More counties than any city has: Chongqing has 38."""


def _words(topic: str, *names: str) -> int:
    """How many words the largest of the vocabularies has."""
    return max(len(f.labels) for name in names for f in family(topic).fields_named(name))


def _villages_of_a_township() -> int:
    found: defaultdict[str, int] = defaultdict(int)
    for code in PLACES:
        found[code[:9]] += len(code) == 12
    return max(found.values())


_STATES: Final = max(len(f.fold.stages) for f in families() if f.fold)
MOST: dict[Query, int] = {
    visits.coverage_counties: _COUNTIES,
    visits.coverage_recency: 6,
    visits.coverage_roles: _words("visits", "role"),
    funds.fund_sources: _words("funds", "source"),
    funds.fund_uses: _words("funds", "use"),
    funds.fund_counties: _COUNTIES,
    figures.type_counties: _COUNTIES,
    figures.balance_counties: _COUNTIES,
    figures.balance_parts: _words("funds", "source"),
    petitions.petition_due: 6,
    petitions.petition_counties: _COUNTIES,
    petitions.petition_satisfaction: _COUNTIES,
    mediations.mediation_mediators: _words("mediations", "mediator"),
    mediations.mediation_counties: _COUNTIES,
    mediations.mediation_ends: 5,
    places._compared: 7,
    places.villages_petitions: _villages_of_a_township(),
    places.microgrid_compared: 5,
    wall.wall_counties: _COUNTIES,
    cases.ageing: 6,
    cases.states: _STATES,
    # From each state, or from none, to each.
    cases.steps: (_STATES + 1) * _STATES,
    cases.by_word: max(
        _words("petitions", "kind", "channel", "level"), _words("mediations", "dispute", "origin")
    ),
    cases.clocks: max(len(f.clocks) for f in families()),
    pipeline.pipeline_projections: sum(len(f.projections) for f in families()),
    pipeline.pipeline_lag: len(families()),
}
"""The most rows that a query can have."""


def _cutting() -> set[Query]:
    """The functions whose SQL has a LIMIT."""
    return {
        found
        for module in (*MODULES, cases)
        for _, found in inspect.getmembers(module, inspect.isfunction)
        if found.__module__ == module.__name__ and "LIMIT " in inspect.getsource(found)
    }


def test_of_every_query_that_cuts_its_rows_a_test_gives_more_or_none_can() -> None:
    for file in sorted(HERE.parent.glob("test_*.py")):
        importlib.import_module(f"tests.dashboards.queries.{file.stem}")
    assert len(_cutting()) > 40
    names = sorted(f"{each.__module__}.{each.__name__}" for each in _cutting() - CUT - MOST.keys())
    assert not names, "give each more rows than it shows, with @cuts, or say how many it can have"
    assert not MOST.keys() & CUT
    assert not MOST.keys() - _cutting()


@pytest.mark.parametrize("query", MOST, ids=lambda query: query.__name__)
def test_what_can_be_shown_whole_is_never_cut(query: Query) -> None:
    limits = re.findall(r"LIMIT (\w+|\{LIMIT\})", inspect.getsource(query))
    assert limits
    for limit in limits:
        assert MOST[query] <= (pieces.LIMIT if limit == "{LIMIT}" else int(limit))


# ----------------------------------------------------------------------------- what is cut

DAYS: Final = [date(2016, 1, 1) + timedelta(days=n) for n in range(2001)]
ROLES: Final = ("cadre", "grid_member", "party_member", "working_party_member")


@cuts(visits.coverage_trend, funds.fund_trend, figures.type_trend, cases.flow, wall.wall_trend,
      wall.wall_visit_trend)  # fmt: skip
def test_a_trend_shows_two_thousand_days_and_each_of_its_lines(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Told] = []
    for number, day in enumerate(DAYS):
        at = f"{day} 12:00"
        events += (
            *(told("visit.recorded", f"h{number}", at, role=role) for role in ROLES),
            told("visit.request_raised", f"h{number}", at),
            raised(HECHENG, at, 1),
            *mediation(f"M-{day}", f"filed {at}"),
        )
    town.tell(*events)
    trends = {
        "visits": visits.coverage_trend(),
        "funds": funds.fund_trend(),
        "types by the hour": figures.type_trend("visits"),
        "flow": mediations.mediation_flow(),
        "wall": wall.wall_trend(),
    }
    monkeypatch.setattr(figures, "_by_hour", lambda _topic: False)
    trends["types by the day"] = figures.type_trend("visits")
    first = [f"{day} 00:00:00" for day in DAYS[:2000]]
    until, since = f"{DAYS[-1]} 23:59:59", str(DAYS[0])
    for name, sql in trends.items():
        found = town.ask(sql, until, since, county=ALL)
        assert [row["time"] for row in found] == first, name
    found = town.ask(wall.wall_visit_trend(), until, since)
    assert [row["time"] for row in found] == [day for day in first for _ in ROLES]
    assert {row["value"] for row in found} == {1}


@cuts(visits.coverage_unvisited)
def test_two_hundred_unvisited_villages_are_shown(town: Town) -> None:
    villages = [f"{CHENGZHONG}{n:03}" for n in range(201)]
    with registered(town, {**SMALL, **dict.fromkeys(villages, ("村", 1))}):
        found = town.ask(visits.coverage_unvisited(), "2021-06-15", county=HECHENG)
    # 中坡 has ten micro-grids, the others one each.
    assert [row["village"] for row in found] == [ZHONGPO, *villages[:199]]
