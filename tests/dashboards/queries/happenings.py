"""Events at the small register's places: visits, requests, money, and whole histories."""

from __future__ import annotations

import itertools
from typing import Any

from tests.dashboards.queries.register import (
    CHENGBEI,
    CHENGZHONG,
    CITY,
    HECHENG,
    LIPING,
    WENHUA,
    XINJIE,
    YUANLING,
    ZHONGPO,
)
from tests.histories.told import Told, told

UNIT = 1_000_000
"""fen in 10,000 yuan."""
AT = "2021-06-15 14:30"
"""The instant of most queries, followed by its neighbours."""
LAST_YEAR, THIS_YEAR = "2020-12-31 23:59:59", "2021-01-01"
IN_THE_HOUR, NEXT_HOUR = "2021-06-15 14:59:59", "2021-06-15 15:00"
IN_THE_DAY, NEXT_DAY = "2021-06-15 23:59:59", "2021-06-16"
_HOUSEHOLDS, _ACCOUNTS = itertools.count(1), itertools.count(1)


def grid(village: str, number: int) -> str:
    """Code of a micro-grid."""
    return f"{village}001{number:03}"


def happened(type_: str, where: str, *times: str, **data: Any) -> list[Told]:
    """An event of the visits family at each time, each of another household.

    Args:
        type_: `recorded`, `request_raised` or `request_closed`.
        where: a micro-grid, or the code of a place when the micro-grid is unknown.
        *times: when.
        **data: content.
    """
    return [
        told(
            f"visit.{type_}",
            f"h{next(_HOUSEHOLDS)}",
            time,
            place=where[:12],
            grid=where if len(where) > 12 else "",
            **data,
        )
        for time in times
    ]


def visited(where: str, *times: str, **data: Any) -> list[Told]:
    """A visit at each time."""
    return happened("recorded", where, *times, **data)


def taken_back(event: Told) -> Told:
    """The correction that voids a visit or reverses a booking right after it."""
    data = event["data"]
    if event["type"].startswith("fund."):
        type_, key = "fund.reversed", data["account"]
    else:
        type_, key = "visit.voided", ""
    voiding = told(type_, key, event["time"], place=event["division"], corrects=event["id"])
    if not key:
        voiding["data"]["household"] = data["household"]
        voiding |= {"grid": event["grid"]} if "grid" in event else {}
    return voiding


def booked(type_: str, place: str, time: str, amount: float, **data: Any) -> Told:
    """A booking of a fund of the place; `amount` in 10,000 yuan."""
    fen: dict[str, Any] = {"amount": round(amount * UNIT)}
    return told(f"fund.{type_}", f"F-{next(_ACCOUNTS)}", time, place=place, **fen, **data)


def raised(place: str, time: str, amount: float, source: str = "pledge", **data: Any) -> Told:
    return booked("contributed", place, time, amount, source=source, **data)


def spent(place: str, time: str, amount: float, use: str = "public_good", **data: Any) -> Told:
    return booked("disbursed", place, time, amount, use=use, **data)


def projects(type_: str, place: str, time: str, number: int, **data: Any) -> Told:
    key = f"F-{next(_ACCOUNTS)}"
    return told(f"fund.project_{type_}", key, time, place=place, projects=number, **data)


def balances_of_all_years() -> list[Told]:
    """Bookings of the year before, of the year, of the instant's day and of the day after."""
    back = raised(XINJIE, "2021-03-01", 64)
    return [
        raised(XINJIE, THIS_YEAR, 10, entry="opening"),
        raised(XINJIE, LAST_YEAR, 4, source="donation"),
        spent(XINJIE, LAST_YEAR, 1),
        raised(XINJIE, IN_THE_DAY, 2),
        spent(XINJIE, NEXT_DAY, 512),
        raised(XINJIE, NEXT_DAY, 512),
        back,
        taken_back(back),
        # More pledged money was spent than came in, but the whole fund is positive: 4 - 3.
        raised(WENHUA, "2021-03-01", 1),
        raised(WENHUA, "2021-03-01", 3, source="reward"),
        spent(WENHUA, "2021-04-01", 3),
        # 1 fen below 0; the village's sister has plenty.
        raised(ZHONGPO, "2021-03-01", 1),
        spent(ZHONGPO, "2021-04-01", 1.000001),
        # Exactly 0.
        raised(LIPING, "2021-03-01", 5),
        spent(LIPING, "2021-04-01", 5),
        # Townships' and counties' own funds, two at each level.
        raised(CHENGZHONG, "2021-03-01", 8),
        spent(CHENGBEI, "2021-04-01", 2),
        raised(HECHENG, "2021-03-01", 8),
        spent(YUANLING, "2021-04-01", 2),
        # Pledges and approvals are not money.
        booked("pledged", XINJIE, "2021-03-01", 128),
        booked("approved", XINJIE, "2021-03-01", 128),
    ]


def a_year_of_coverage() -> list[Told]:
    """Micro-grids around each edge of the year and of the day of `AT`, and requests with them."""
    back = visited(grid(XINJIE, 5), "2021-03-02 09:00")
    last_year, this_year, today = "2020-12-31 23:59:59", "2021-01-01", "2021-06-15 23:59:59"
    tomorrow = "2021-06-16"
    third = grid(XINJIE, 3)
    return [
        *visited(grid(XINJIE, 1), last_year),
        *visited(grid(XINJIE, 2), this_year),
        *visited(third, last_year, "2021-03-01 09:00", today, tomorrow),
        *visited(grid(XINJIE, 4), tomorrow),
        *back,
        taken_back(back[0]),
        *happened("request_raised", grid(XINJIE, 6), "2021-02-01 09:00"),
        *visited(XINJIE, "2021-03-03 09:00"),  # micro-grid unknown
        *visited(CITY, "2021-03-03 09:00"),  # county unknown
        *visited(grid(ZHONGPO, 1), "2021-04-01 09:00"),
        *visited(grid(LIPING, 1), *["2021-05-01 09:00"] * 3),
        *happened("request_raised", third, last_year, this_year, "2021-03-01", today, tomorrow),
        *happened("request_closed", third, last_year, this_year, *["2021-03-01"] * 2, tomorrow),
        *happened("request_closed", grid(LIPING, 1), today),
        *happened("request_raised", CITY, "2021-03-01"),
    ]
