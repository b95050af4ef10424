"""The wall's map and ranking: the chosen figure of every county, and its point on the map."""

from __future__ import annotations

import json
from typing import Any

from dashboards.queries import wall
from schemas.reference.divisions import SHIPPED
from tests.dashboards.queries.about import about
from tests.dashboards.queries.register import table
from tests.dashboards.queries.steps import petition
from tests.histories.told import VILLAGE, Told, told
from tests.town import Town

HECHENG, TOWNSHIP, CITY = "431202", "431202001", "431200"
HONGJIANG, DISTRICT, YUANLING = "431281101002", "431271001", "431222"
BEFORE, NEW_YEAR = "2020-12-31 23:59:59.999", "2021-01-01"
AT = "2021-06-01 12:00:00.500"
NAMES = {
    "431202": "鹤城区", "431221": "中方县", "431222": "沅陵县", "431223": "辰溪县",
    "431224": "溆浦县", "431225": "会同县", "431226": "麻阳苗族自治县",
    "431227": "新晃侗族自治县", "431228": "芷江侗族自治县", "431229": "靖州苗族侗族自治县",
    "431230": "通道侗族自治县", "431271": "怀化市洪江管理区", "431281": "洪江市",
    "431200": "未定位",
}  # fmt: skip
OUTLINES = SHIPPED.parent / "outlines_431200.geojson"
POINTS: dict[str, tuple[float, float]] = {
    str(outline["properties"]["code"]): tuple(outline["properties"]["cp"])
    for outline in json.loads(OUTLINES.read_text(encoding="utf-8"))["features"]
} | {"431271": (109.996, 27.117)}
"""The point of each county on the map; 洪江管理区, without an outline, has one inside 洪江市."""


def visit(verb: str, time: str, place: str) -> Told:
    return told(f"visit.{verb}", "h-1", time, place=place)


def booked(verb: str, time: str, amount: int, place: str) -> Told:
    return told(f"fund.{verb}", f"F-{place}", time, place=place, amount=amount)


def _tell(town: Town) -> None:
    """Events that give every figure another value, in five places and in an unknown one."""
    lasts = (AT, "2021-06-01 12:59:59.999")  # the hour that has begun counts whole
    town.tell(
        *(visit(v, t, VILLAGE) for v in ("recorded", "request_raised", "request_closed")
          for t in (BEFORE, "2021-06-01 13:00")),
        *(visit("recorded", time, VILLAGE) for time in (NEW_YEAR, *lasts)),
        *(visit("recorded", "2021-03-01", place) for place in (TOWNSHIP, HECHENG, YUANLING, CITY)),
        *(visit("recorded", "2021-03-01", HONGJIANG) for _ in range(2)),
        *(visit("recorded", "2021-03-01", DISTRICT) for _ in range(4)),
        *(visit("request_raised", time, HONGJIANG) for time in (NEW_YEAR, *lasts)),
        visit("request_raised", "2021-03-01", VILLAGE),
        *(visit("request_closed", time, DISTRICT) for time in (NEW_YEAR, *lasts)),
        *petition("P-1", "registered 2021-06-01", place=YUANLING),
        *petition("P-2", f"registered {AT}", place=YUANLING),
        *petition("P-3", "registered 2020-06-01", place=CITY),  # overdue
        *petition("P-4", "registered 2021-06-01 12:00:00.501"),
        *petition("P-5", "registered 2021-03-01", f"closed {AT}"),
        booked("contributed", "2020-03-01", 4_000_000, VILLAGE),
        booked("contributed", AT, 500_000, HECHENG),
        booked("contributed", "2021-06-02", 8_000_000, HECHENG),
        booked("disbursed", "2021-03-01", 1_250_000, VILLAGE),
        booked("contributed", "2021-03-01", 250_000, HONGJIANG),
        booked("contributed", "2021-03-01", 125_000, DISTRICT),
        booked("disbursed", "2021-03-01", 2_000_000, YUANLING),
        booked("disbursed", "2021-03-01", 3_000_000, CITY),
    )  # fmt: skip


FIGURES: dict[str, dict[str, float]] = {
    "visits": {HECHENG: 5, "431271": 4, "431281": 2, CITY: 1, YUANLING: 1},
    "raised": {"431281": 3, HECHENG: 1},
    "closed": {"431271": 3},
    "open": {YUANLING: 2, CITY: 1},
    "overdue": {CITY: 1},
    # In 10,000 yuan; a place that only spent money still has a balance.
    "balance": {HECHENG: 3.25, "431281": 0.25, "431271": 0.125, YUANLING: -2, CITY: -3},
}


def _rows(own: dict[str, float]) -> list[tuple[Any, ...]]:
    """The rows of these figures: highest first, equal ones by code."""
    whole = dict.fromkeys(NAMES, 0.0) | own
    codes = sorted(whole, key=lambda code: (-whole[code], code))
    nowhere = (None, None)
    return [
        (NAMES[c], c, whole[c], whole[c] if c in POINTS else None, *POINTS.get(c, nowhere))
        for c in codes
        if c != CITY or whole[c]
    ]


def _answer(town: Town, figure: str) -> list[tuple[Any, ...]]:
    """Rows of the only query that returns any: there is one query per view."""
    answers = [town.ask(sql, AT, figure=figure) for sql in wall.wall_counties()]
    (found,) = [answer for answer in answers if answer]
    return table(found)


@about(wall.wall_counties)
def test_the_chosen_figure_of_every_county_comes_highest_first(town: Town) -> None:
    _tell(town)
    names = ("name", "code", "own", "value", "longitude", "latitude")
    for figure, own in FIGURES.items():
        assert _answer(town, figure) == [names, *_rows(own)], figure
    found = [town.ask(sql, AT, figure="visit") for sql in wall.wall_counties()]
    assert found == [[], [], []], "a figure that is none shows nothing"


@about(wall.wall_counties)
def test_an_empty_city_shows_every_county_with_nothing(town: Town) -> None:
    for figure in FIGURES:
        assert _answer(town, figure)[1:] == _rows({}), figure
    assert len(_rows({})) == 13
