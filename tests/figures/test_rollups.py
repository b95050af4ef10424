"""Places, edges of the calendar, vocabularies and totals of every family, counted by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.histories.told import told

if TYPE_CHECKING:
    from tests.town import Town

OPENING = {
    "visits": "visit.recorded",
    "petitions": "petition.registered",
    "mediations": "mediation.filed",
    "funds": "fund.contributed",
}
NINE = "2021-03-01 09:00"
PLACES = [
    # place of the events, their number; county and township shown, whether the village is known
    ("431200", 5, "431200", "", 0),  # the place is not known: 未定位
    ("431202", 6, "431202", "", 0),
    ("431202001", 7, "431202", "431202001", 0),
    ("431202001001", 8, "431202", "431202001", 1),
    ("431202001002", 9, "431202", "431202001", 1),
    ("431202002001", 10, "431202", "431202002", 1),
    ("431271", 11, "431271", "", 0),  # only in the statistics codes
]


def some(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some columns of rows, in order."""
    return sorted(tuple(row[name] for name in names) for row in rows)


@pytest.mark.parametrize("topic", OPENING)
def test_an_event_is_counted_at_every_level_its_place_is_known_at(topic: str, town: Town) -> None:
    for place, times, *_ in PLACES:
        town.tell(*(told(OPENING[topic], f"K-{n}", NINE, place=place) for n in range(times)))
    hours = town.published(f"{topic}_by_county_hour")
    # 6 + 7 + 8 + 9 + 10 = 40
    assert some(hours, "county", "net_count") == [("431200", 5), ("431202", 40), ("431271", 11)]
    days = town.published(f"{topic}_by_township_day")
    assert some(days, "county", "township", "gross_count", "net_count") == [
        ("431200", "", 5, 5),
        ("431202", "", 6, 6),
        ("431202", "431202001", 24, 24),  # 7 at the township itself, 8 + 9 in its villages
        ("431202", "431202002", 10, 10),
        ("431271", "", 11, 11),
    ]
    years = town.published(f"{topic}_by_village_year")
    assert some(years, "county", "township", "village", "year", "net_count") == [
        ("431202", "431202001", "431202001001", 2021, 8),
        ("431202", "431202001", "431202001002", 2021, 9),
        ("431202", "431202002", "431202002001", 2021, 10),
    ]
    united: dict[tuple[str, str, int], int] = {}
    for row in town.published("all_by_township_day"):
        key = (row["county"], row["township"], row["village_known"])
        united[key] = united.get(key, 0) + row["net_count"]
    expected: dict[tuple[str, str, int], int] = {}
    for _, times, county, township, known in PLACES:
        expected[county, township, known] = expected.get((county, township, known), 0) + times
    assert united == expected


EDGES = [
    # time of the event; its hour, day and year in the city
    ("2019-12-31 23:59:59.999", "2019-12-31 23:00:00", "2019-12-31", 2019),
    ("2020-01-01 00:00", "2020-01-01 00:00:00", "2020-01-01", 2020),
    ("2020-02-29 00:00", "2020-02-29 00:00:00", "2020-02-29", 2020),
    ("2020-02-29 23:59:59.999", "2020-02-29 23:00:00", "2020-02-29", 2020),
    ("2020-03-01 00:00", "2020-03-01 00:00:00", "2020-03-01", 2020),
    ("2020-12-31T15:59:59.999+00:00", "2020-12-31 23:00:00", "2020-12-31", 2020),
    ("2020-12-31T16:00:00+00:00", "2021-01-01 00:00:00", "2021-01-01", 2021),
    ("2021-01-01T02:00:00+09:00", "2021-01-01 01:00:00", "2021-01-01", 2021),
    ("2020-12-31T22:44:59.999+05:45", "2021-01-01 00:00:00", "2021-01-01", 2021),
    ("2021-02-28 23:59:59.999", "2021-02-28 23:00:00", "2021-02-28", 2021),
    ("2021-03-01 00:00", "2021-03-01 00:00:00", "2021-03-01", 2021),
    ("2021-03-01 09:59:59.999", "2021-03-01 09:00:00", "2021-03-01", 2021),
    ("2021-03-01 10:00", "2021-03-01 10:00:00", "2021-03-01", 2021),
]


def test_hours_days_and_years_begin_in_the_citys_zone(town: Town) -> None:
    # Each event has its own bit, so that a sum shows which events are in it.
    for n, (time, *_) in enumerate(EDGES):
        event = told("visit.recorded", str(n), time, grid="431202001001001", met=1 << n)
        town.tell(event)

    def bits(view: str, bucket: str) -> dict[Any, int]:
        rows = town.published(view)
        assert len({row[bucket] for row in rows}) == len(rows)
        return {row[bucket]: row["net_met"] for row in rows}

    def wanted(column: int) -> dict[Any, int]:
        found: dict[Any, int] = {}
        for n, row in enumerate(EDGES):
            found[row[column]] = found.get(row[column], 0) + (1 << n)
        return found

    assert bits("visits_by_county_hour", "hour") == wanted(1)
    assert bits("visits_by_township_day", "day") == wanted(2)
    assert bits("visits_by_village_day", "day") == wanted(2)
    assert bits("visits_by_village_year", "year") == wanted(3)
    grid_days = {row["day"]: row["net_count"] for row in town.published("visits_by_grid_day")}
    days = [row[2] for row in EDGES]
    assert grid_days == {day: days.count(day) for day in days}


VALUES: dict[tuple[str, str], tuple[str, tuple[Any, ...]]] = {
    # (topic, field): an event type with the field, its values
    ("visits", "role"): (
        "visit.recorded",
        ("grid_member", "party_member", "working_party_member", "cadre"),
    ),
    ("petitions", "kind"): ("petition.registered", ("suggestion", "accusation", "appeal")),
    ("mediations", "dispute"): (
        "mediation.filed",
        (
            *("marriage_family", "neighbours", "housing_land", "contract", "business", "damages"),
            *("forest_land", "expropriation", "pollution", "labour", "consumer", "medical"),
            *("traffic_accident", "property_management", "other"),
        ),
    ),
    ("funds", "entry"): ("fund.contributed", (None, "opening")),
}


@pytest.mark.parametrize(("topic", "field"), VALUES)
def test_figures_by_the_hour_are_divided_by_a_vocabulary(
    topic: str, field: str, town: Town
) -> None:
    type_, values = VALUES[topic, field]
    said: list[dict[str, Any]] = [{field: value} for value in values]
    town.tell(
        *(
            told(type_, f"K-{n}", NINE, **content)
            for n, content in enumerate(said, 1)
            for _ in range(n)
        )
    )
    rows = town.published(f"{topic}_by_county_hour")
    assert some(rows, field, "gross_count", "net_count") == sorted(
        (value or "", n, n) for n, value in enumerate(values, 1)
    )


def test_a_funds_figures_by_the_day_are_divided_by_source_use_and_entry(town: Town) -> None:
    town.tell(
        told("fund.contributed", "F-1", NINE, source="pledge", amount=1),
        told("fund.contributed", "F-1", NINE, source="collective", amount=2),
        told("fund.contributed", "F-1", NINE, source="donation", amount=4, entry="opening"),
        told("fund.contributed", "F-1", NINE, source="reward", amount=8),
        told("fund.approved", "F-1", NINE, use="old_and_young", amount=16),
        told("fund.disbursed", "F-1", NINE, source="pledge", use="public_good", amount=32),
        told("fund.disbursed", "F-1", NINE, source="pledge", use="merit_and_need", amount=64),
        told("fund.disbursed", "F-1", NINE, source="reward", use="merit_and_need", amount=128),
    )
    expected = [
        ("fund.approved", "", "old_and_young", "", 16),
        ("fund.contributed", "collective", "", "", 2),
        ("fund.contributed", "donation", "", "opening", 4),
        ("fund.contributed", "pledge", "", "", 1),
        ("fund.contributed", "reward", "", "", 8),
        ("fund.disbursed", "pledge", "merit_and_need", "", 64),
        ("fund.disbursed", "pledge", "public_good", "", 32),
        ("fund.disbursed", "reward", "merit_and_need", "", 128),
    ]
    for view in ("funds_by_township_day", "funds_by_village_day", "funds_by_village_year"):
        rows = town.published(view)
        assert some(rows, "type", "source", "use", "entry", "net_amount") == expected


SAID: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    # event type, content; what they add to the family's totals
    ("visit.recorded", {"met": 3}, {"met": 3}),
    ("visit.request_raised", {}, {"met": 0}),
    ("petition.registered", {"people": 7}, {"people": 7, "satisfaction": 0}),
    ("petition.hearing_held", {"people": 9}, {"people": 0, "satisfaction": 0}),  # a namesake
    ("petition.rated", {"satisfaction": 4}, {"people": 0, "satisfaction": 4}),
    ("petition.closed", {}, {"people": 0, "satisfaction": 0}),
    ("mediation.filed", {"people": 6}, {"people": 6, "amount": 0}),
    ("mediation.session_held", {"people": 5}, {"people": 0, "amount": 0}),  # a namesake
    ("mediation.agreement_reached", {"amount": 800}, {"people": 0, "amount": 800}),
    ("fund.contributed", {"amount": 11}, {"amount": 11, "helped": 0, "projects": 0}),
    ("fund.pledged", {"amount": 12}, {"amount": 12, "helped": 0, "projects": 0}),
    ("fund.approved", {"amount": 13}, {"amount": 13, "helped": 0, "projects": 0}),
    ("fund.disbursed", {"amount": 14, "helped": 2}, {"amount": 14, "helped": 2, "projects": 0}),
    ("fund.project_opened", {"projects": 5}, {"amount": 0, "helped": 0, "projects": 5}),
    ("fund.project_closed", {"projects": 4}, {"amount": 0, "helped": 0, "projects": 4}),
]


def test_each_total_is_of_the_events_that_say_it_gross_and_net(town: Town) -> None:
    town.tell(*(told(type_, "K-1", NINE, **content) for type_, content, _ in SAID))
    shown: dict[str, dict[str, int]] = {}
    for topic in OPENING:
        for view in (f"{topic}_by_county_hour", f"{topic}_by_township_day"):
            for row in town.published(view):
                figures = {n: v for n, v in row.items() if n.partition("_")[0] in ("gross", "net")}
                assert shown.setdefault(row["type"], figures) == figures
    assert shown == {
        type_: {"gross_count": 1, "net_count": 1}
        | {f"{sign}_{n}": value for n, value in totals.items() for sign in ("gross", "net")}
        for type_, _, totals in SAID
    }


def test_one_view_has_of_all_families_what_several_have(town: Town) -> None:
    town.tell(*(told(type_, "K-1", NINE, **content) for type_, content, _ in SAID))
    town.tell(told("fund.contributed", "K-1", NINE, amount=1, entry="opening"))
    names = ("net_count", "net_people", "net_amount")
    expected = sorted(
        [
            *(
                (type_, "", 1, totals.get("people", 0), totals.get("amount", 0))
                for type_, _, totals in SAID
            ),
            ("fund.contributed", "opening", 1, 0, 1),
        ]
    )
    for view in ("all_by_county_hour", "all_by_township_day"):
        assert some(town.published(view), "type", "entry", *names) == expected


@pytest.mark.parametrize(
    ("kind", "townships", "villages"),
    [
        ("accusation", [("431202", "", 0)], []),
        ("appeal", [("431202", "431202001", 1)], ["431202001001"]),
        ("suggestion", [("431202", "431202001", 1)], ["431202001001"]),
    ],
)
def test_an_accusation_is_shown_of_its_county_and_of_no_place_below(
    kind: str, townships: list[tuple[Any, ...]], villages: list[str], town: Town
) -> None:
    grid = "431202001001001"
    town.tell(
        *(told("petition.urged", f"P-{n}", NINE, kind=kind, grid=grid) for n in range(5)),
        *(told("petition.closed", f"P-{n}", NINE, kind=kind, grid=grid) for n in range(5)),
    )
    for type_ in ("petition.urged", "petition.closed"):
        of_type = f"type = '{type_}'"
        hours = town.published("petitions_by_county_hour", where=of_type)
        assert some(hours, "county", "kind", "net_count") == [("431202", kind, 5)]
        days = town.published("petitions_by_township_day", where=of_type)
        assert some(days, "county", "township") == [row[:2] for row in townships]
        united = town.published("all_by_township_day", where=of_type)
        found = {(r["county"], r["township"], r["village_known"]) for r in united}
        assert found == set(townships)
        assert sum(row["net_count"] for row in united) == 5
        years = town.published("petitions_by_village_year", where=of_type)
        assert some(years, "village") == [(village,) for village in villages]


def test_figures_to_date_are_of_the_day_the_month_and_the_year_up_to_the_hour(town: Town) -> None:
    town.tell(
        told("visit.recorded", "a", "2020-12-31 23:59:59.999", met=1),
        told("visit.recorded", "b", "2021-01-01 00:00", met=2),
        told("visit.recorded", "c", "2021-03-01 00:00", met=4),
        told("visit.recorded", "d", "2021-03-14 23:59:59.999", met=8),
        told("visit.recorded", "e", "2021-03-15 00:00", met=16),
        told("visit.recorded", "f", "2021-03-15 10:30", met=32),
        told("visit.recorded", "g", "2022-01-01 00:00", met=64),
    )
    met = ("net_met_today", "net_met_month", "net_met_year")
    count = ("net_count_today", "net_count_month", "net_count_year")
    head = {"type": "visit.recorded", "county": "431202", "role": "grid_member"}
    for at, people, times in (
        ("2020-12-31 22:59:59.999", None, None),
        ("2020-12-31 23:00:00", (1, 1, 1), (1, 1, 1)),  # whole hours: the event is at its end
        ("2021-01-01 00:00:00", (2, 2, 2), (1, 1, 1)),
        ("2021-02-28 23:59:59.999", (0, 0, 2), (0, 0, 1)),
        ("2021-03-01 00:00:00", (4, 4, 6), (1, 1, 2)),
        ("2021-03-14 22:59:59.999", (0, 4, 6), (0, 1, 2)),
        ("2021-03-14 23:00:00", (8, 12, 14), (1, 2, 3)),
        ("2021-03-15 00:00:00", (16, 28, 30), (1, 3, 4)),
        ("2021-03-15 09:59:59.999", (16, 28, 30), (1, 3, 4)),
        ("2021-03-15 10:00:00", (48, 60, 62), (2, 4, 5)),
        ("2021-03-31 23:59:59.999", (0, 60, 62), (0, 4, 5)),
        ("2021-04-01 00:00:00", (0, 0, 62), (0, 0, 5)),
        ("2021-12-31 23:59:59.999", (0, 0, 62), (0, 0, 5)),
        ("2022-01-01 00:00:00", (64, 64, 64), (1, 1, 1)),
        ("2023-01-01 00:00:00", None, None),
    ):
        rows = town.published("visits_to_date", at)
        if people is None or times is None:
            assert rows == [], at
            continue
        figures = dict(zip(met, people, strict=True)) | dict(zip(count, times, strict=True))
        assert rows == [head | figures], at
