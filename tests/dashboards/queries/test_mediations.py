"""The mediations board: disputes filed, their endings, what became of agreements."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from dashboards.queries import mediations
from tests.dashboards.queries.about import about
from tests.dashboards.queries.register import table
from tests.dashboards.queries.steps import ALL, mediation
from tests.histories.told import Told, told
from tests.town import Town

HECHENG, TOWNSHIP, CITY = "431202", "431202001", "431200"
HONGJIANG = "431281101002"
HERE = f"{{{HECHENG},{CITY}}}"
BEFORE, NEW_YEAR = "2020-12-31 23:59:59.999", "2021-01-01"
MAY, JUNE = "2021-05-31 23:59:59.999", "2021-06-01"
"""The last instant of a month that is over, and the first of the next."""
AT, AFTER = "2021-06-15 12:00:00.500", "2021-06-15 12:00:00.501"
FILED, OLD = "filed 2021-02-01", "filed 2020-11-01"


@about(
    mediations.mediation_figures,
    mediations.mediation_amount,
    mediations.mediation_overdue,
    mediations.mediation_averted,
    mediations.mediation_after,
)
def test_core_figures_are_of_the_year_in_which_each_step_was_taken(town: Town) -> None:
    both = "averted_crime=true averted_group=true"
    town.tell(
        *mediation("M-1", f"filed {BEFORE}", f"agreement_reached {NEW_YEAR} amount=1000000 {both}",
                   f"confirmation_applied {NEW_YEAR}", "performed 2021-02-01", place=HECHENG),
        *mediation("M-2", f"filed {NEW_YEAR}", f"terminated {NEW_YEAR}", place=TOWNSHIP),
        *mediation("M-3", f"filed {AT}"),
        *mediation("M-4", f"filed {AFTER}"),
        # All but the performance is a millisecond before the year.
        *mediation("M-5", OLD, f"agreement_reached {BEFORE} amount=9000000 {both}",
                   f"confirmation_applied {BEFORE}", "performed 2021-01-05"),
        # Due by 16 June: not yet. Agreed at the instant, performed a millisecond later.
        *mediation("M-6", FILED, "accepted 2021-05-17 mode=court_delegated",
                   f"agreement_reached {AT} amount=500000 averted_group=true",
                   f"confirmation_applied {AT}", f"performed {AFTER}", place=CITY),
        *mediation("M-7", FILED, "accepted 2021-06-07 mode=court_summary"),  # 14 June was a holiday
        *mediation("M-8", FILED, "accepted 2021-06-01 mode=court_summary"),  # by 8 June
        # Late, but ended.
        *mediation("M-9", FILED, "accepted 2021-06-01 mode=court_summary", "terminated 2021-06-09"),
        *mediation("M-10", OLD, f"terminated {BEFORE}"),
        *mediation("M-11", FILED, f"agreement_reached {AFTER} amount=3000000 averted_crime=true",
                   f"confirmation_applied {AFTER}", place=HECHENG),
        *mediation("M-12", FILED, "agreement_reached 2021-03-01 amount=250000 averted_crime=true",
                   "confirmation_applied 2021-03-02", "performed 2021-04-01", place=HONGJIANG),
        *mediation("M-13", OLD, "accepted 2020-12-01 mode=court_ordinary", place=HONGJIANG),
    )  # fmt: skip
    names = (
        "filed_year", "open_now", "overdue_now", "success", "amount_year", "crime_year",
        "group_year", "performed", "confirmations_year",
    )  # fmt: skip

    def figures(county: str) -> tuple[Any, ...]:
        queries = (
            mediations.mediation_figures(),
            mediations.mediation_amount(),
            mediations.mediation_overdue(),
            mediations.mediation_averted(),
            mediations.mediation_after(),
        )
        found: dict[str, Any] = {}
        for sql in queries:
            (row,) = town.ask(sql, AT, county=county)
            found |= row
        assert found.keys() == set(names)
        return tuple(found[name] for name in names)

    # Filed M-2, 3, 6, 7, 8, 9, 11; open M-3, 7, 8, 11; overdue M-8. Ended in the year M-1, 2, 6, 9:
    # M-1 and M-6 agreed; M-1 was performed. By the end of May M-1 alone agreed, on a million fen.
    assert figures(HERE) == (7, 4, 1, 2 / 4, 1.0, 1, 1, 1 / 2, 2)
    # With M-12 and 13. In 10,000 yuan (a million fen).
    assert figures(ALL) == (8, 5, 2, 3 / 5, 1.25, 2, 1, 2 / 3, 3)
    assert figures("431221") == (0, 0, 0, None, 0, 0, 0, None, 0)


@about(mediations.mediation_amount, mediations.mediation_averted)
def test_money_and_what_was_averted_stand_as_the_last_month_ended(town: Town) -> None:
    both = "amount=1000000 averted_crime=true averted_group=true"
    town.tell(
        *mediation("M-1", OLD, f"agreement_reached {NEW_YEAR} {both}"),
        *mediation("M-2", OLD, f"agreement_reached {MAY} {both}"),
        *mediation("M-3", OLD, f"agreement_reached {JUNE} {both}"),
        *mediation("M-4", OLD, f"agreement_reached {BEFORE} {both}"),
    )

    def shown(at: str) -> tuple[float, int]:
        (money,) = town.ask(mediations.mediation_amount(), at, county=ALL)
        (averted,) = town.ask(mediations.mediation_averted(), at, county=ALL)
        assert averted["crime_year"] == averted["group_year"]
        return money["amount_year"], averted["crime_year"]

    assert shown(MAY) == (1.0, 1)
    assert shown(JUNE) == shown("2021-06-30 23:59:59.999") == (2.0, 2)
    # June is over once an event lies in July.
    town.tell(*mediation("M-5", "filed 2021-07-01"))
    assert shown("2021-07-01") == (3.0, 3)
    assert shown("2021-01-15") == (1.0, 1)  # the year before, as it ended
    assert shown("2022-02-01") == (0, 0)


def _worded(field: str, counts: dict[str, int], other: str) -> list[Told]:
    """The given number of disputes per word, and disputes with `other` that must not count."""

    def one(key: str, time: str, word: str, place: str) -> Told:
        said: dict[str, Any] = {field: word}
        return told("mediation.filed", key, time, place=place, **said)

    return [
        *(one(f"M-{w}-{n}", "2021-03-01", w, CITY) for w, c in counts.items() for n in range(c)),
        one("M-first", NEW_YEAR, other, TOWNSHIP),
        one("M-last", MAY, other, HECHENG),
        one("M-before", BEFORE, other, HECHENG),
        one("M-after", JUNE, other, HECHENG),
        one("M-there", "2021-03-01", other, HONGJIANG),
    ]


@about(mediations.mediation_types)
def test_types_of_the_years_disputes_are_named_in_chinese(town: Town) -> None:
    singles = (
        "housing_land", "contract", "business", "damages", "forest_land", "expropriation",
        "pollution", "labour", "consumer", "medical", "traffic_accident", "property_management",
    )  # fmt: skip
    counts = {"marriage_family": 4, "other": 3} | dict.fromkeys(singles, 1)
    town.tell(*_worded("dispute", counts, other="neighbours"))
    found = table(town.ask(mediations.mediation_types(), AT, county=HERE))
    assert found[:4] == [("name", "value"), ("婚姻家庭", 4), ("其他", 3), ("邻里", 2)]
    ones = [
        "房屋宅基地", "合同", "生产经营", "损害赔偿", "山林土地", "征地拆迁", "环境污染",
        "劳动争议", "消费", "医疗", "道路交通事故", "物业",
    ]  # fmt: skip
    # Ties are ordered by code point, as everywhere.
    assert found[4:] == [(name, 1) for name in sorted(ones)]
    assert town.ask(mediations.mediation_types(), "2022-02-01", county=ALL) == []


@about(mediations.mediation_origins)
def test_origins_of_the_years_disputes_are_named_in_chinese(town: Town) -> None:
    counts = {"litigation": 4, "petition": 1, "police": 5, "party": 1}
    town.tell(*_worded("origin", counts, other="grid"))
    assert table(town.ask(mediations.mediation_origins(), AT, county=HERE)) == [
        ("name", "value"),
        ("警源", 5), ("诉源", 4), ("网格排查", 2), ("当事人申请", 1), ("访源", 1),
    ]  # fmt: skip
    assert town.ask(mediations.mediation_origins(), "2022-02-01", county=ALL) == []


@about(mediations.mediation_mediators)
def test_mediators_are_ranked_by_success_over_the_years_ended_cases(town: Town) -> None:
    def one(key: str, mediator: str, *steps: str, place: str = HECHENG) -> list[Told]:
        assigned = f"mediator_assigned 2020-11-02 mediator={mediator}"
        return mediation(key, OLD, assigned, *steps, place=place)

    town.tell(
        *one("M-1", "lawyer", f"agreement_reached {NEW_YEAR}"),
        *one("M-2", "lawyer", f"terminated {AT}", place=CITY),
        *one("M-3", "lawyer", f"agreement_reached {BEFORE}"),  # ended the year before
        *one("M-4", "lawyer", f"agreement_reached {AFTER}"),  # still open
        *one("M-5", "lawyer", "agreement_reached 2021-03-01", place=HONGJIANG),
        *one("M-6", "five_elders", "agreement_reached 2021-03-01"),
        *one("M-7", "volunteer", "terminated 2021-03-01"),
        *one("M-8", "trade", "agreement_reached 2021-03-01", "terminated 2021-03-02"),
        *one("M-9", "full_time"),
        # No mediator was assigned by the instant.
        *mediation("M-10", OLD, "agreement_reached 2021-03-01", f"mediator_assigned {AFTER}"),
    )
    # M-8 ended with its agreement. 五 is before 行.
    assert table(town.ask(mediations.mediation_mediators(), AT, county=HERE)) == [
        ("name", "value"), ("五老", 1.0), ("行业调解员", 1.0), ("律师", 1 / 2), ("志愿者", 0.0),
    ]  # fmt: skip
    (_, _, lawyer, _) = town.ask(mediations.mediation_mediators(), AT, county=ALL)
    assert lawyer == {"name": "律师", "value": 2 / 3}
    assert town.ask(mediations.mediation_mediators(), "2020-01-01", county=ALL) == []


@about(mediations.mediation_states)
def test_states_of_open_disputes_come_in_their_order(town: Town) -> None:
    town.tell(
        *mediation("M-1", FILED),
        *mediation("M-2", FILED, "accepted 2021-06-16", place=CITY),  # after the instant
        *mediation("M-3", FILED, "accepted 2021-02-02"),
        *(e for n in range(3) for e in mediation(f"M-4{n}", FILED, "session_held 2021-02-02")),
        *(e for n in range(4) for e in mediation(f"M-5{n}", FILED, "referred 2021-02-02")),
        # Their agreements have not arrived.
        *mediation("M-6", FILED, "performed 2021-02-02"),
        *mediation("M-7", FILED, "breached 2021-02-02"),
        *mediation("M-8", FILED, "terminated 2021-02-02"),
        *mediation("M-9", FILED, "agreement_reached 2021-02-02"),
        *mediation("M-10", FILED, place=HONGJIANG),
    )
    assert table(town.ask(mediations.mediation_states(), AT, county=HERE)) == [
        ("name", "value"),
        ("已登记", 2), ("已受理", 1), ("调解中", 3), ("履行完毕", 1), ("未履行", 1),
        ("引导诉讼仲裁行政", 4),
    ]  # fmt: skip
    assert town.ask(mediations.mediation_states(), "2021-01-31", county=ALL) == []


@about(mediations.mediation_ageing)
def test_ages_are_midnights_since_open_disputes_were_filed(town: Town) -> None:
    # Both ends of each group; the query is of 15 July, and so as of the end of June.
    days = (
        ("2021-06-30 00:10", 1), ("2021-06-24", 1), ("2021-06-23", 2), ("2021-06-16", 1),
        ("2021-06-15", 1), ("2021-06-01", 3), ("2021-05-31", 1), ("2021-05-02", 4),
        ("2021-05-01", 5), ("2021-04-02", 1), ("2021-04-01", 2), ("2019-12-01", 5),
    )  # fmt: skip
    filed = [day for day, count in days for _ in range(count)]
    town.tell(
        *(e for n, day in enumerate(filed) for e in mediation(f"M-{n}", f"filed {day}")),
        *mediation("M-later", "filed 2021-07-01"),
        *mediation("M-ended", "filed 2021-06-25", "terminated 2021-06-26"),
        *mediation("M-there", "filed 2021-06-25", place=HONGJIANG),
    )
    asked = town.ask(mediations.mediation_ageing(), "2021-07-15 00:30", county=HERE)
    assert table(asked) == [
        ("name", "value"),
        ("7 天内", 2), ("7–15 天", 3), ("15–30 天", 4),
        ("30–60 天", 5), ("60–90 天", 6), ("90 天以上", 7),
    ]  # fmt: skip
    assert town.ask(mediations.mediation_ageing(), "2019-01-01", county=ALL) == []


@about(mediations.mediation_steps)
def test_steps_of_the_range_say_from_where_to_where_and_the_median_of_the_days(
    town: Town,
) -> None:
    long = (
        "filed 2021-03-01", "accepted 2021-03-03", "session_held 2021-03-06",
        "agreement_reached 2021-03-10",
    )  # fmt: skip
    town.tell(
        *mediation("M-1", *long, "performed 2021-03-15"),
        *mediation("M-2", *long, "breached 2021-03-17", place=CITY),
        *mediation("M-3", "filed 2021-02-28 23:59:59.999", "terminated 2021-03-01 00:30",
                   "referred 2021-03-31"),
        *mediation("M-4", FILED, "accepted 2021-02-05", "terminated 2021-03-31 00:00:00.001"),
        *mediation("M-5", "filed 2021-03-01", "accepted 2021-03-02", place=HONGJIANG),
        *mediation("M-6", "accepted 2021-03-05", "filed 2021-04-01"),
    )  # fmt: skip
    asked = town.ask(mediations.mediation_steps(), "2021-03-31", "2021-03-01", county=HERE)
    assert table(asked) == [
        ("from_state", "to_state", "cases", "median_days"),
        ("新收", "已登记", 2, None),
        ("已登记", "已受理", 2, 2.0),
        ("已受理", "调解中", 2, 3.0),
        ("调解中", "达成协议", 2, 4.0),
        ("达成协议", "履行完毕", 1, 5.0),
        ("达成协议", "未履行", 1, 7.0),
        ("已登记", "终止", 1, 1.0),
        ("终止", "引导诉讼仲裁行政", 1, 30.0),
    ]
    asked = town.ask(mediations.mediation_steps(), "2021-03-31", "2021-03-01", county=ALL)
    assert table(asked)[2] == ("已登记", "已受理", 3, 2.0)  # 1, 2 and 2 days
    assert town.ask(mediations.mediation_steps(), "2020-12-31", "2020-12-01", county=ALL) == []


@about(mediations.mediation_flow)
def test_flow_counts_each_step_by_hour_and_over_four_days_by_day(town: Town) -> None:
    town.tell(
        *mediation("M-1", "filed 2021-03-01", "agreement_reached 2021-03-01 08:59:59.999",
                   "performed 2021-03-05"),
        *mediation("M-2", "filed 2021-02-28 23:59:59.999", "terminated 2021-03-01 09:00",
                   place=CITY),
        *mediation("M-3", "filed 2021-03-01 09:30", place=HONGJIANG),
        *mediation("M-4", "filed 2021-03-05 01:00"),
    )  # fmt: skip
    names = ("time", "filed", "agreement_reached", "terminated", "performed")
    asked = town.ask(
        mediations.mediation_flow(), "2021-03-05 00:59:59.999", "2021-03-01", county=HERE
    )
    assert table(asked) == [
        names,
        ("2021-03-01 00:00:00", 1, 0, 0, 0),
        ("2021-03-01 08:00:00", 0, 1, 0, 0),
        ("2021-03-01 09:00:00", 0, 0, 1, 0),
        ("2021-03-05 00:00:00", 0, 0, 0, 1),
    ]
    asked = town.ask(mediations.mediation_flow(), "2021-03-05 01:00", "2021-03-01", county=HERE)
    assert table(asked) == [
        names,
        ("2021-03-01 00:00:00", 1, 1, 1, 0),
        ("2021-03-05 00:00:00", 1, 0, 0, 1),
    ]
    asked = town.ask(
        mediations.mediation_flow(), "2021-03-01 09:30", "2021-03-01 09:00", county=ALL
    )
    assert table(asked) == [names, ("2021-03-01 09:00:00", 1, 0, 1, 0)]
    assert town.ask(mediations.mediation_flow(), "2021-12-31", "2021-06-01", county=ALL) == []


@about(mediations.mediation_flow)
def test_a_long_flow_is_whole(town: Town) -> None:
    days = [f"{date(2020, 1, 1) + timedelta(days=n)}" for n in range(731)]
    town.tell(*(e for day in days for e in mediation(f"M-{day}", f"filed {day}")))
    asked = town.ask(
        mediations.mediation_flow(), "2021-12-31 23:59:59.999", "2020-01-01", county=ALL
    )
    assert table(asked)[1:] == [(f"{day} 00:00:00", 1, 0, 0, 0) for day in days]


def _ended(name: str, place: str, agreed: int, failed: int) -> list[Told]:
    ends = ["agreement_reached 2021-03-01 amount=1000000"] * agreed + ["terminated 2021-03-01"]
    return [
        event
        for n, end in enumerate(ends[:agreed] + ends[-1:] * failed)
        for event in mediation(f"{name}-{n}", OLD, end, place=place)
    ]


@about(mediations.mediation_counties)
def test_counties_are_judged_by_their_success_and_the_lowest_comes_first(town: Town) -> None:
    town.tell(
        *_ended("A", "431222", 9, 1),  # 0.9
        *_ended("B", HONGJIANG, 17, 2),  # 0.894…
        *_ended("C", "431226", 4, 1),  # 0.8
        *_ended("D", "431221100", 15, 4),  # 0.789…
        *_ended("E", "431271", 15, 4),
        *mediation("F-1", f"filed {NEW_YEAR}", f"agreement_reached {NEW_YEAR} amount=500000"),
        *mediation("F-2", f"filed {BEFORE}", f"agreement_reached {BEFORE} amount=9000000"),
        *mediation("F-3", f"filed {AT}", f"agreement_reached {AFTER} amount=9000000"),
        *mediation("F-4", f"filed {AFTER}"),
        *mediation("F-5", FILED, f"terminated {AT}", place=TOWNSHIP),
        *mediation("F-6", OLD, f"terminated {BEFORE}", place=HECHENG),
        *mediation("G-1", OLD, place=CITY),
        *mediation("H-1", FILED, place="431230"),
    )
    names = (
        "county_name",
        "filed_year",
        "open_now",
        "agreed_year",
        "success",
        "mark",
        "code",
    )
    counts, money = mediations.mediation_counties()
    asked = town.ask(counts, AT, county=ALL)
    assert table(asked) == [
        names,
        ("鹤城区", 3, 1, 1, 1 / 2, "■ 偏低", HECHENG),
        ("中方县", 0, 0, 15, 15 / 19, "■ 偏低", "431221"),
        ("怀化市洪江管理区", 0, 0, 15, 15 / 19, "■ 偏低", "431271"),
        ("麻阳苗族自治县", 0, 0, 4, 4 / 5, "▲ 关注", "431226"),
        ("洪江市", 0, 0, 17, 17 / 19, "▲ 关注", "431281"),
        ("沅陵县", 0, 0, 9, 9 / 10, "● 良好", "431222"),
        ("未定位", 0, 1, 0, None, "—", CITY),
        ("通道侗族自治县", 1, 1, 0, None, "—", "431230"),
    ]
    # By the end of May; what there is no money of has no row.
    assert table(town.ask(money, AT, county=ALL)) == [
        ("code", "amount_year"),
        (HECHENG, 0.5), ("431221", 15), ("431222", 9), ("431226", 4), ("431271", 15),
        ("431281", 17),
    ]  # fmt: skip
    for sql in (counts, money):
        chosen = town.ask(sql, AT, county="{431281,431226}")
        assert [row["code"] for row in chosen] == ["431226", "431281"]
        assert town.ask(sql, "2020-01-01", county=ALL) == []


@about(mediations.mediation_ends)
def test_ends_of_the_year_say_what_became_of_agreements_and_of_failures(town: Town) -> None:
    agreed, failed = "agreement_reached 2021-03-01", "terminated 2021-03-01"

    def many(name: str, count: int, *steps: str, place: str = HECHENG) -> list[Told]:
        return [e for n in range(count) for e in mediation(f"{name}{n}", OLD, *steps, place=place)]

    town.tell(
        *many("P", 3, agreed, "performed 2021-04-01"),
        *many("Q", 1, agreed, "breached 2021-04-01", "performed 2021-05-01"),
        *many("B", 2, agreed, f"breached {AT}", place=CITY),
        *many("R", 1, agreed),
        *many("S", 1, agreed, "referred 2021-03-02", f"performed {AFTER}", f"breached {AFTER}"),
        *many("T", 2, failed, "referred 2021-03-02"),
        *many("U", 1, failed),
        *many("V", 1, f"terminated {NEW_YEAR}"),
        *many("W", 3, f"terminated {AT}"),
        *many("X", 1, f"terminated {BEFORE}"),
        *many("Y", 1, f"terminated {AFTER}", "referred 2021-03-02"),  # still open
        *many("Z", 1, failed, place=HONGJIANG),
    )
    # Equal numbers are ordered by code point: 履 U+5C65, 引 U+5F15, 未 U+672A.
    assert table(town.ask(mediations.mediation_ends(), AT, county=HERE)) == [
        ("name", "value"),
        ("终止", 5), ("履行完毕", 4), ("履行中", 2), ("引导诉讼仲裁行政", 2), ("未履行", 2),
    ]  # fmt: skip
    assert town.ask(mediations.mediation_ends(), AT, county=ALL)[0] == {
        "name": "终止",
        "value": 6,
    }
    assert town.ask(mediations.mediation_ends(), "2022-01-01", county=ALL) == []


@about(mediations.mediation_figures, mediations.mediation_states, mediations.mediation_counties)
@pytest.mark.parametrize(
    "query",
    [
        mediations.mediation_figures,
        mediations.mediation_states,
        lambda: mediations.mediation_counties()[0],
    ],
    ids=["figures", "states", "counties"],
)
def test_a_case_that_was_not_filed_by_then_is_no_case(town: Town, query: Callable[[], str]) -> None:
    before = town.ask(query(), AT, county=ALL)
    town.tell(
        *mediation("M-1", "accepted 2021-02-01", f"filed {AFTER}"),
        *mediation("M-2", "agreement_reached 2021-02-01"),
    )
    assert town.ask(query(), AT, county=ALL) == before
