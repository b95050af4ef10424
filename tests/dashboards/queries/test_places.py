"""下钻: the figures of one county, township or village over a small history, counted by hand."""

from __future__ import annotations

import itertools

import pytest

from dashboards.queries import places
from tests.dashboards.queries.about import about, cuts
from tests.dashboards.queries.happenings import (
    AT,
    IN_THE_DAY,
    IN_THE_HOUR,
    LAST_YEAR,
    NEXT_DAY,
    NEXT_HOUR,
    THIS_YEAR,
    a_year_of_coverage,
    balances_of_all_years,
    happened,
    taken_back,
    visited,
)
from tests.dashboards.queries.register import (
    CHENGZHONG,
    CITY,
    HECHENG,
    LIPING,
    MAXIPU,
    WENHUA,
    XINJIE,
    YUANLING,
    ZHONGFANG,
    ZHONGPO,
    chosen,
    table,
)
from tests.dashboards.queries.steps import mediation, petition
from tests.histories.told import Told
from tests.town import Town

pytestmark = pytest.mark.usefixtures("small_register")

COUNTY, TOWNSHIP, VILLAGE = places.COUNTY, places.TOWNSHIP, places.VILLAGE
Row = tuple[object, ...]
_CASES = itertools.count(1)


def asked(town: Town, sql: str, level: places.PlaceLevel, place: str, at: str = AT) -> list[Row]:
    """The answer for one place of the level."""
    return table(town.ask(sql, at, **chosen(level.name, place)))


# -------------------------------------------------------------------------- visits, coverage


def a_day_of_visits() -> list[Told]:
    """Visits around the edges of year, day and hour; each place has another number of them."""
    back = visited(XINJIE, "2021-06-15 09:00")
    edges = (LAST_YEAR, THIS_YEAR, "2021-06-14 23:59:59", "2021-06-15")
    after = (IN_THE_HOUR, NEXT_HOUR, IN_THE_DAY, NEXT_DAY)
    return [
        *visited(XINJIE, *edges, *after),
        *back,
        taken_back(back[0]),
        *visited(WENHUA, *["2021-06-15 09:00"] * 2),
        *visited(CHENGZHONG, *["2021-06-15 09:00"] * 3),
        *visited(ZHONGPO, *["2021-06-15 09:00"] * 4),
        *visited(HECHENG, *["2021-06-15 09:00"] * 5),
        *visited(LIPING, *["2021-06-15 09:00"] * 6),
        *visited(CITY, *["2021-06-15 09:00"] * 7),
        *happened("request_raised", XINJIE, LAST_YEAR, "2021-06-14", IN_THE_HOUR, NEXT_HOUR),
        *happened("request_raised", ZHONGPO, *["2021-06-15"] * 2),
        *happened("request_closed", XINJIE, THIS_YEAR, "2021-02-01", IN_THE_DAY, NEXT_DAY),
        *happened("request_closed", WENHUA, *["2021-06-15"] * 2),
    ]


@about(places.place_visits)
@pytest.mark.parametrize(
    ("level", "place", "figures"),
    [
        # 新街 has 2 visits of the day up to the end of the hour, and 4 up to the end of the day.
        # The rest of 鹤城区: 2 + 3 + 4 + 5; visits of New Year and yesterday count for the year.
        (COUNTY, HECHENG, (16, 18, 3, 4, 2, 4)),
        (COUNTY, ZHONGFANG, (6, 6, 0, 0, 0, 0)),
        (COUNTY, CITY, (7, 7, 0, 0, 0, 0)),
        (TOWNSHIP, CHENGZHONG, (9, 11, 2, 3, 3, 5)),
        (TOWNSHIP, MAXIPU, (0, 0, 0, 0, 0, 0)),
        (VILLAGE, XINJIE, (4, 6, 2, 3, 1, 3)),
        (VILLAGE, WENHUA, (2, 2, 0, 0, 2, 2)),
        (VILLAGE, "431202003001", (0, 0, 0, 0, 0, 0)),
    ],
    ids=lambda value: getattr(value, "name", value if isinstance(value, str) else ""),
)
def test_visits_of_the_day_and_year_to_the_end_of_the_hour_in_a_county_of_the_day_below(
    town: Town, level: places.PlaceLevel, place: str, figures: Row
) -> None:
    town.tell(*a_day_of_visits())
    assert asked(town, places.place_visits(level), level, place) == [
        (
            "visits_today", "visits_year", "raised_today", "raised_year",
            "closed_today", "closed_year",
        ),
        figures,
    ]  # fmt: skip


@about(places.place_visits)
def test_a_day_begins_at_midnight_of_the_city(town: Town) -> None:
    town.tell(*visited(XINJIE, "2020-12-31 23:59:59", "2021-01-01 00:10"))
    for level, place in ((COUNTY, HECHENG), (TOWNSHIP, CHENGZHONG), (VILLAGE, XINJIE)):
        # 00:30 on New Year's Day is still last year in UTC.
        rows = asked(town, places.place_visits(level), level, place, "2021-01-01 00:30")
        assert rows[1][:2] == (1, 1), level.name
        rows = asked(town, places.place_visits(level), level, place, "2020-12-31 23:59:59")
        assert rows[1][:2] == (1, 1), level.name


@about(places.place_coverage)
@pytest.mark.parametrize(
    ("level", "place", "covered", "never"),
    [
        (COUNTY, HECHENG, 3 / 20, 16),
        (COUNTY, ZHONGFANG, 1 / 5, 4),
        (COUNTY, YUANLING, None, 0),  # no micro-grid, so no share
        (TOWNSHIP, CHENGZHONG, 2 / 10, 7),
        (TOWNSHIP, MAXIPU, None, 0),
        (VILLAGE, XINJIE, 2 / 6, 3),
        (VILLAGE, WENHUA, 0.0, 4),
    ],
)
def test_coverage_of_a_place_is_of_all_its_micro_grids(
    town: Town, level: places.PlaceLevel, place: str, covered: float | None, never: int
) -> None:
    town.tell(*a_year_of_coverage())
    sql = places.place_coverage(level)
    assert asked(town, sql, level, place) == [("covered", "never"), (covered, never)]


# ------------------------------------------------------------------- petitions of a village


def registered(village: str, times: int, day: str, **content: object) -> list[Told]:
    step = f"registered {day}"
    return [
        event
        for _ in range(times)
        for event in petition(f"P-{next(_CASES)}", step, place=village, **content)
    ]


@about(places.village_petitions)
@pytest.mark.parametrize(("place", "shown"), [(XINJIE, 1), (WENHUA, 4), (ZHONGPO, 0)])
def test_a_villages_petitions_of_the_year_are_exact(town: Town, place: str, shown: int) -> None:
    town.tell(
        *registered(XINJIE, 1, "2021-03-01"),
        *registered(WENHUA, 4, "2021-03-01"),
        *registered(LIPING, 9, "2021-03-01"),
        *registered(place, 7, LAST_YEAR),
        *registered(place, 7, "2022-01-01"),
    )
    assert asked(town, places.village_petitions(), VILLAGE, place) == [
        ("registered_year",), (shown,),
    ]  # fmt: skip


@about(places.village_petitions)
def test_a_villages_petitions_are_of_the_whole_calendar_year(town: Town) -> None:
    steps = ["registered 2021-12-31 23:59:59", *(f"urged 2021-12-3{n}" for n in (0, 1))]
    for n in range(6):
        town.tell(*petition(f"P-{n}", *steps, *steps[1:], *steps[1:], place=XINJIE))
    # An accusation counts only in its county.
    town.tell(*registered(XINJIE, 8, "2021-03-01", kind="accusation"))
    found = {
        at: asked(town, places.village_petitions(), VILLAGE, XINJIE, at)[1][0]
        for at in ("2021-01-01 00:30", AT, "2020-12-31 23:59:59", "2022-01-01 00:00")
    }
    assert list(found.values()) == [6, 6, 0, 0]


# ------------------------------------------------------------------------------- disputes


def disputes(place: str, times: int, *steps: str) -> list[Told]:
    return [
        event for _ in range(times) for event in mediation(f"M-{next(_CASES)}", *steps, place=place)
    ]


FILED, AGREED, FAILED = "filed 2021-03-01", "agreement_reached 2021-04-01", "terminated 2021-04-01"
OLD = "filed 2020-12-01"


@about(places.place_mediations)
@pytest.mark.parametrize(
    ("told", "figures"),
    [
        ([], (0, 0, 0, None)),
        # Filed in 2021: 15, with 5 open. Ended: 15 - 5 + 4 from the year before.
        (
            [*disputes(ZHONGPO, 5, FILED), *disputes(ZHONGPO, 10, FILED, AGREED),
             *disputes(ZHONGPO, 5, OLD, FAILED)],
            (15, 10, 5, 10 / 15),
        ),
        ([*disputes(ZHONGPO, 4, FILED)], (4, 0, 0, None)),
        ([*disputes(ZHONGPO, 5, FILED), *disputes(ZHONGPO, 4, OLD, AGREED)], (5, 4, 0, 1.0)),
        (
            [*disputes(ZHONGPO, 5, OLD, AGREED), *disputes(ZHONGPO, 4, OLD, FAILED)],
            (0, 5, 4, 5 / 9),
        ),
        ([*disputes(ZHONGPO, 6, OLD, AGREED)], (0, 6, 0, 1.0)),
        ([*disputes(ZHONGPO, 6, OLD, FAILED)], (0, 0, 6, 0.0)),
        # Another year, another village, and other steps.
        (
            [*disputes(ZHONGPO, 6, OLD, "terminated 2020-12-31 23:59:59"),
             *disputes(ZHONGPO, 7, "filed 2022-01-01", "agreement_reached 2022-01-02"),
             *disputes(LIPING, 8, FILED, AGREED), *disputes(ZHONGPO, 9, OLD, "accepted 2021-03-01"),
             *disputes(ZHONGPO, 5, "filed 2021-12-31 23:59:59")],
            (5, 0, 0, None),
        ),
    ],
    ids=["none", "enough", "few-filed", "few-agreed", "few-failed", "only-agreed", "only-failed",
         "others"],
)  # fmt: skip
def test_a_villages_disputes_are_of_the_whole_year_and_exact(
    town: Town, told: list[Told], figures: Row
) -> None:
    town.tell(*told)
    assert asked(town, places.place_mediations(VILLAGE), VILLAGE, ZHONGPO) == [
        ("filed_year", "agreed", "failed", "success"), figures,
    ]  # fmt: skip


@about(places.place_mediations)
def test_a_village_whose_sisters_had_no_dispute_shows_its_own(town: Town) -> None:
    town.tell(
        *disputes(XINJIE, 9, OLD, AGREED),
        *disputes(XINJIE, 6, OLD, FAILED),
        *disputes(XINJIE, 5, "filed 2021-12-01"),
    )
    assert asked(town, places.place_mediations(VILLAGE), VILLAGE, XINJIE)[1] == (5, 9, 6, 0.6)


def a_year_of_disputes() -> list[Told]:
    now, then = "2021-06-15 14:30:00", "2021-06-15 14:30:01"
    return [
        *disputes(XINJIE, 1, f"filed {LAST_YEAR}"),  # open
        *disputes(XINJIE, 1, f"filed {THIS_YEAR}", f"agreement_reached {now}"),
        *disputes(XINJIE, 1, f"filed {now}", f"agreement_reached {then}"),  # still open
        *disputes(XINJIE, 9, f"filed {then}"),  # not yet filed
        *disputes(XINJIE, 9, OLD, f"terminated {LAST_YEAR}"),
        *disputes(XINJIE, 1, OLD, f"terminated {THIS_YEAR}"),
        *disputes(ZHONGPO, 2, OLD, "terminated 2021-03-01", "referred 2021-03-02"),
        *disputes(HECHENG, 1, FILED, AGREED, "performed 2021-05-01"),
        *disputes(LIPING, 3, FILED, AGREED),
        *disputes(CITY, 5, FILED),
    ]


@about(places.place_mediations)
@pytest.mark.parametrize(
    ("level", "place", "figures"),
    [
        # Filed this year: 新街 2, 鹤城区 itself 1. Open: 新街 2. Agreed of ended: 2 of 5.
        (COUNTY, HECHENG, (3, 2, 2 / 5)),
        (COUNTY, ZHONGFANG, (3, 0, 1.0)),
        (COUNTY, CITY, (5, 5, None)),
        (COUNTY, YUANLING, (0, 0, None)),
        (TOWNSHIP, CHENGZHONG, (2, 2, 1 / 2)),
        (TOWNSHIP, "431202002", (0, 0, 0.0)),
        (TOWNSHIP, MAXIPU, (0, 0, None)),
    ],
)
def test_disputes_of_a_place_to_the_second_and_agreements_of_those_ended_in_the_year(
    town: Town, level: places.PlaceLevel, place: str, figures: Row
) -> None:
    town.tell(*a_year_of_disputes())
    names, shown = asked(town, places.place_mediations(level), level, place)
    assert (names[:3], shown[:3]) == (("filed_year", "open_now", "success"), figures)


# ---------------------------------------------------------------------------------- funds


@about(places.place_funds)
@pytest.mark.parametrize(
    ("level", "place", "figures"),
    [
        (COUNTY, HECHENG, (29.999999, 37.0, 7_000_001 / 37_000_000)),
        (COUNTY, ZHONGFANG, (0.0, 5.0, 1.0)),
        (COUNTY, YUANLING, (-2.0, 0.0, None)),
        (COUNTY, CITY, (0.0, 0.0, None)),
        # 16 + 4 in its villages and 8 of its own, less 1 + 3.
        (TOWNSHIP, CHENGZHONG, (24.0, 28.0, 4 / 28)),
        (TOWNSHIP, "431202002", (-2.000001, 1.0, 3.000001)),
        (TOWNSHIP, MAXIPU, (0.0, 0.0, None)),
        (VILLAGE, XINJIE, (15.0, 16.0, 1 / 16)),
        (VILLAGE, LIPING, (0.0, 5.0, 1.0)),
    ],
)
def test_the_fund_of_a_place_is_that_of_all_below_it_too(
    town: Town, level: places.PlaceLevel, place: str, figures: Row
) -> None:
    town.tell(*balances_of_all_years())
    sql = places.place_funds(level)
    assert asked(town, sql, level, place) == [("balance_now", "raised_all", "used"), figures]


# ---------------------------------------------------------------------------------- trend


@about(places.place_trend)
@pytest.mark.parametrize(
    ("level", "place", "first", "third"),
    [
        (COUNTY, HECHENG, (3, 0, 0), (6, 2, 1)),
        (TOWNSHIP, CHENGZHONG, (2, 0, 0), (3, 2, 1)),
        (VILLAGE, XINJIE, (1, 0, 0), (2, 1, 1)),
        (VILLAGE, LIPING, (0, 0, 0), (1, 0, 0)),
        (TOWNSHIP, MAXIPU, (0, 0, 0), (0, 0, 0)),
    ],
)
def test_the_trend_of_a_place_has_every_day_of_the_range(
    town: Town, level: places.PlaceLevel, place: str, first: Row, third: Row
) -> None:
    back = visited(XINJIE, "2021-06-03 09:00")
    town.tell(
        *visited(XINJIE, "2021-05-31 23:59:59"),
        # The range begins at 10:00: its first day is whole.
        *visited(XINJIE, "2021-06-01 00:00"),
        *visited(CHENGZHONG, "2021-06-01 09:00"),
        *visited(ZHONGPO, "2021-06-01 09:00"),
        *visited(XINJIE, "2021-06-03 00:00", "2021-06-03 23:59:59"),
        *back,
        taken_back(back[0]),
        *visited(WENHUA, "2021-06-03 09:00"),
        *visited(ZHONGPO, *["2021-06-03 09:00"] * 3),
        *visited(LIPING, "2021-06-03 09:00"),
        *happened("request_raised", XINJIE, "2021-06-03 12:00"),
        *happened("request_raised", WENHUA, "2021-06-03 12:00"),
        *happened("request_closed", XINJIE, "2021-06-03 12:00"),
        *visited(XINJIE, "2021-06-05 00:00"),
    )
    for until in ("2021-06-04 00:30", "2021-06-04 23:59:59"):
        found = town.ask(
            places.place_trend(level), until, "2021-06-01 10:00", **chosen(level.name, place)
        )
        assert table(found) == [
            ("time", "recorded", "request_raised", "request_closed"),
            ("2021-06-01 00:00:00", *first),
            ("2021-06-02 00:00:00", 0, 0, 0),
            ("2021-06-03 00:00:00", *third),
            ("2021-06-04 00:00:00", 0, 0, 0),
        ]


@cuts(places.place_trend)
@about(places.place_trend)
def test_the_trend_of_a_place_counts_its_last_day_to_the_end_and_begins_at_midnight(
    town: Town,
) -> None:
    town.tell(*visited(XINJIE, "2021-06-03 23:59:59", "2021-06-04 00:00", "2021-06-05 23:59:59"))
    # 01:00 city time is the day before in UTC.
    found = town.ask(
        places.place_trend(VILLAGE), "2021-06-05 01:00", "2021-06-04 01:00", village=XINJIE
    )
    assert [(row["time"], row["recorded"]) for row in found] == [
        ("2021-06-04 00:00:00", 1), ("2021-06-05 00:00:00", 1),
    ]  # fmt: skip
    found = town.ask(places.place_trend(COUNTY), "2021-06-15", "2014-01-01", county=HECHENG)
    assert (len(found), found[0]["time"]) == (2000, "2014-01-01 00:00:00")


@about(places.place_visits, places.place_coverage, places.place_mediations, places.place_funds)
@pytest.mark.parametrize(
    ("level", "place", "coverage"),
    [
        (COUNTY, HECHENG, (0.0, 20)),
        (TOWNSHIP, CHENGZHONG, (0.0, 10)),
        (VILLAGE, XINJIE, (0.0, 6)),
    ],
    ids=["county", "township", "village"],
)  # fmt: skip
def test_a_place_without_events_has_zeros_and_no_shares(
    town: Town, level: places.PlaceLevel, place: str, coverage: Row
) -> None:
    found = [
        asked(town, sql, level, place)[1]
        for sql in (
            places.place_visits(level),
            places.place_coverage(level),
            places.place_mediations(level),
            places.place_funds(level),
        )
    ]
    disputes_ = (0, 0, 0, None) if level is VILLAGE else (0, 0, None)
    assert found == [(0,) * 6, coverage, disputes_, (0.0, 0.0, None)]
