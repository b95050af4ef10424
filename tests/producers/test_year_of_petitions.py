"""The simulated petitions: every step in a lawful order, every share as intended.

The figures are made up (示例), so the tests repeat the intended ones; the lawful order comes from
信访工作条例 22-36.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from producers.simulator.history import City
from producers.simulator.petitions import petitions
from tests.producers.drawn import (
    DAY,
    END,
    OFFICE,
    ONLINE,
    YEAR_END,
    Drawn,
    Told,
    assert_near,
    assert_rhythm,
    assert_shares,
    days_between,
    median,
    works,
)

N = 19_000  # half of the 38,000 cases of the whole city
Case = dict[str, list[Told]]

ROUTES = {"31.1": 6, "31.2": 4, "31.3": 1, "31.4": 5, "31.5": 14, "31.6": 70}
UNITS = {
    *("民政局", "人社局", "住建局", "自然资源局", "农业农村局"),
    *("交通运输局", "生态环境局", "教育局", "卫健局", "城管局"),
}
CATEGORIES = {
    "城乡建设": 20,
    "劳动社保": 14,
    "农业农村": 14,
    "自然资源": 12,
    "交通运输": 8,
    "生态环境": 8,
    "教育文体": 7,
    "卫生健康": 6,
    "民政救助": 6,
    "其他": 5,
}


@pytest.fixture(scope="module")
def year(huaihua: City) -> Drawn:
    return Drawn(petitions(huaihua, "t", np.random.default_rng(5), 0.5))


@pytest.fixture(scope="module")
def cases(year: Drawn) -> list[Case]:
    return list(year.cases("petition").values())


def values(year: Drawn, type_: str, name: str) -> list[Any]:
    return [event["data"][name] for event in year.of(f"petition.{type_}")]


def pairs(cases: list[Case], first: str, then: str) -> list[tuple[int, int]]:
    """First instants of two steps, for cases with both."""
    return [(c[first][0]["t"], c[then][0]["t"]) for c in cases if first in c and then in c]


def test_every_case_is_registered_once_in_2021_by_a_petitioner(
    year: Drawn, cases: list[Case]
) -> None:
    assert len(cases) == len(year.of("petition.registered")) == N
    assert all(0 <= event["t"] < YEAR_END for event in year.of("petition.registered"))
    assert all(
        event["t"] <= event["r"] < END for events in year.events.values() for event in events
    )


@pytest.mark.parametrize(
    ("type_", "name", "weights"),
    [
        ("registered", "kind", {"suggestion": 17, "accusation": 5, "appeal": 78}),
        (
            "registered",
            "channel",
            {"network": 46, "letter": 8, "telephone": 22, "fax": 0.5, "visit": 23.5},
        ),
        ("registered", "level", {"county": 80, "city": 15, "province": 3.7, "capital": 1.3}),
        ("registered", "repeated", {True: 22, False: 78}),
        ("transferred", "mode", {"passed_on": 70, "assigned": 25, "reported": 5}),
        (
            "not_accepted",
            "reason",
            {"not_ours": 30, "legal_route": 45, "already_ended": 10, "no_facts": 15},
        ),
        ("review_decided", "verdict", {"upheld": 78, "changed": 14, "revoked": 8}),
        ("recheck_decided", "verdict", {"upheld": 78, "changed": 14, "revoked": 8}),
        ("rated", "satisfaction", {1: 7, 2: 7, 3: 14, 4: 26, 5: 46}),
        ("extended", "route", {"31.6": 1}),
        ("extended", "days", dict.fromkeys((10, 15, 20, 25, 30), 1)),
    ],
)
def test_every_value_of_a_vocabulary_occurs_as_often_as_it_was_meant_to(
    year: Drawn, type_: str, name: str, weights: dict[Any, float]
) -> None:
    assert_shares(values(year, type_, name), weights)


def test_replies_support_46_in_100_and_new_replies_after_a_revoked_one_60(
    cases: list[Case],
) -> None:
    replied = [case["replied"] for case in cases if "replied" in case]
    first = [events[0]["data"]["result"] for events in replied]
    assert_shares(first, {"supported": 46, "explained": 38, "not_supported": 16})
    anew = [events[1]["data"]["result"] for events in replied if len(events) > 1]
    assert_shares(anew, {"supported": 60, "explained": 30, "not_supported": 10})


def test_94_in_100_have_a_class_of_the_citys_list(year: Drawn) -> None:
    registered = year.of("petition.registered")
    classes = [e["data"]["category"] for e in registered if "category" in e["data"]]
    assert_near(len(classes), N, 0.94)
    assert_shares(classes, CATEGORIES)


def test_appeals_alone_take_one_of_the_six_routes(cases: list[Case]) -> None:
    accepted = [case["accepted"][0]["data"] for case in cases if "accepted" in case]
    assert_shares([d["route"] for d in accepted if d["kind"] == "appeal"], ROUTES)
    assert {d["route"] for d in accepted if d["kind"] != "appeal"} == {"none"}
    assert all(len({e["data"]["kind"] for es in c.values() for e in es}) == 1 for c in cases)


def test_only_visits_come_in_groups_and_none_is_larger_than_60(year: Drawn) -> None:
    people = [(e["data"]["channel"], e["data"]["people"]) for e in year.of("petition.registered")]
    groups = [n for channel, n in people if n > 1]
    assert {channel for channel, n in people if n > 1} == {"visit"}
    assert_near(len(groups), sum(channel == "visit" for channel, _ in people), 0.16)
    # 2 and a geometric number of mean 1 / 0.22: 6.5 people, three at least.
    assert 6.2 < np.mean(groups) < 6.9
    assert min(groups) == 3
    assert 25 < max(groups) <= 60


def test_who_comes_again_is_one_of_few(year: Drawn) -> None:
    again = Counter[str]()
    first = Counter[str]()
    for event in year.of("petition.registered"):
        (again if event["data"]["repeated"] else first)[event["data"]["petitioner"]] += 1
    assert set(first.values()) == {1}
    assert not set(first) & set(again)
    # 22 % of 19,000 by a twelfth as many people, 1,583: 2.6 petitions each.
    assert 2.6 < sum(again.values()) / len(again) < 3.1
    assert len(again) <= N // 12


def test_texts_are_sealed_for_8_in_100_registrations_and_replies(
    year: Drawn, cases: list[Case]
) -> None:
    registered = [event["data"] for event in year.of("petition.registered")]
    texted = [data for data in registered if "text" in data]
    assert_near(len(texted), N, 0.08)
    assert all({"title", "text", "content"} <= set(data) for data in texted)
    assert not any({"title", "content"} & set(data) for data in registered if "text" not in data)
    # Four texts, each with its own title: equal digests are equal texts.
    assert_shares([data["content"] for data in texted], {d["content"]: 1 for d in texted})
    assert len({data["content"] for data in texted}) == 4
    first = [case["replied"][0]["data"] for case in cases if "replied" in case]
    assert_near(sum("reply" in data for data in first), len(first), 0.08)


def test_a_reply_is_one_of_three_texts_under_the_key_of_its_case(
    year: Drawn, huaihua: City
) -> None:
    texts = [
        huaihua.vault.unseal(f"petitions:{data['petition']}", event["id"], "reply", data["reply"])
        for event in year.of("petition.replied")
        if "reply" in (data := event["data"])
    ]
    assert len(set(texts)) == 3
    assert_shares(texts, dict.fromkeys(texts, 1))


FIRST_STEPS = {"not_accepted": 0.06, "merged": 0.03, "withdrawn": 0.03}


@pytest.mark.parametrize("step", FIRST_STEPS)
def test_cases_that_leave_the_way_leave_it_in_their_share(cases: list[Case], step: str) -> None:
    assert_near(sum(step in case for case in cases), N, FIRST_STEPS[step], step)


def test_what_is_refused_or_merged_takes_no_further_step(cases: list[Case]) -> None:
    for case in cases:
        for step in ("not_accepted", "merged"):
            if step in case:
                assert set(case) == {"registered", step}
                assert len(case[step]) == 1
    numbers = {case["registered"][0]["data"]["petition"]: case for case in cases}
    for case in cases:
        if "merged" in case:
            into = numbers[case["merged"][0]["data"]["into"]]
            assert into["registered"][0]["t"] <= case["registered"][0]["t"]
            assert into is not case


def test_a_withdrawn_petition_is_neither_handed_over_nor_answered_afterwards(
    cases: list[Case],
) -> None:
    withdrawn = [case for case in cases if "withdrawn" in case]
    early = [case for case in withdrawn if "accepted" not in case]
    later = [case for case in withdrawn if "accepted" in case]
    for case in withdrawn:
        (gone,) = case["withdrawn"]
        assert "replied" not in case and "closed" not in case
        assert all(e["t"] <= gone["t"] for events in case.values() for e in events)
    assert_near(len(early), len(withdrawn), 0.3)
    assert any("transferred" not in case for case in early)
    assert any("transferred" in case for case in early)
    # Withdrawals after the acceptance come within 30 days.
    waits = [c["withdrawn"][0]["t"] - c["accepted"][0]["t"] for c in later]
    assert min(waits) > 0 and 25 * DAY < max(waits) <= 30 * DAY


ORDER = (
    *("registered", "transferred", "accepted", "replied", "review_requested"),
    *("review_decided", "recheck_requested", "recheck_decided", "closed", "rated"),
)


def test_the_first_of_every_step_follows_the_first_of_the_step_before(cases: list[Case]) -> None:
    for case in cases:
        times = [case[step][0]["t"] for step in ORDER if step in case]
        assert times == sorted(times)
        assert "accepted" in case or not {"replied", "closed", "extended"} & set(case)
        assert "replied" in case or not {"closed", "rated", "review_requested"} & set(case)
        assert "closed" in case or "rated" not in case
        once = [step for step in case if len(case[step]) > 1]
        assert set(once) <= {"transferred", "replied", "hearing_held", "urged"}


def test_two_in_a_hundred_units_object_and_the_petition_goes_on_to_another(
    cases: list[Case],
) -> None:
    handed = [case for case in cases if "transferred" in case]
    objected = [case for case in handed if "objected" in case]
    assert_near(len(objected), len(handed), 0.02)
    assert {len(case["transferred"]) for case in handed if "objected" not in case} == {1}
    moved = 0
    for case in objected:
        first, *second = case["transferred"]
        (objection,) = case["objected"]
        assert objection["data"]["unit"] == first["data"]["unit"]
        assert first["t"] < objection["t"]
        for event in second:
            assert objection["t"] < event["t"]
            moved += event["data"]["unit"] != first["data"]["unit"]
        if "accepted" in case:
            assert case["accepted"][0]["data"]["unit"] == second[0]["data"]["unit"]
            assert case["accepted"][0]["t"] > second[0]["t"]
    # One of ten offices, drawn again: the same one for one in ten.
    assert_near(moved, sum(len(case["transferred"]) == 2 for case in objected), 0.9)


def test_units_are_ten_offices_of_the_petitions_county(year: Drawn) -> None:
    for type_ in ("transferred", "accepted", "objected", "urged"):
        named = {
            (e["division"][:6], *e["data"]["unit"].split("-")) for e in year.of(f"petition.{type_}")
        }
        assert all(county == own for county, own, _ in named)
        assert {office for *_, office in named} == UNITS
    offices = [u.partition("-")[2] for u in values(year, "accepted", "unit")]
    assert_shares(offices, dict.fromkeys(UNITS, 1))


# Whole days until the next step, without the wait for a working day: uniform integers, so the
# minimum and maximum of thousands are the ends of the range.
WAITS = [
    ("registered", "not_accepted", 1, 13),
    ("registered", "merged", 0, 9),
    ("transferred", "objected", 1, 3),
    ("accepted", "extended", 42, 55),
    ("replied", "review_requested", 2, 25),
    ("review_decided", "recheck_requested", 2, 25),
    ("recheck_requested", "recheck_decided", 10, 27),
]


@pytest.mark.parametrize(("first", "then", "least", "most"), WAITS)
def test_offices_and_petitioners_wait_so_many_days(
    cases: list[Case], first: str, then: str, least: int, most: int
) -> None:
    assert days_between(pairs(cases, first, then)) == (least, most)


def test_a_new_transfer_a_new_reply_and_an_urging_take_their_days(cases: list[Case]) -> None:
    again = [
        (c["objected"][0]["t"], c["transferred"][1]["t"])
        for c in cases
        if len(c.get("transferred", ())) > 1
    ]
    assert days_between(again) == (1, 5)
    anew = [
        (c["review_decided"][0]["t"], c["replied"][1]["t"])
        for c in cases
        if len(c.get("replied", ())) > 1
    ]
    least, most = days_between(anew)
    assert 8 <= least <= 11 and 36 <= most <= 39  # a few dozen cases
    left = [
        (c["transferred"][-1]["t"], c["urged"][0]["t"])
        for c in cases
        if "urged" in c and "accepted" not in c
    ]
    least, most = days_between(left)
    assert 18 <= least <= 20 and 37 <= most <= 39


def test_three_in_a_hundred_transfers_and_four_notices_are_late(cases: list[Case]) -> None:
    # 22, 23: 15 days. In time: at most 12 days and a day off; late: 16 days or more.
    for first, then, share, longest in (
        ("registered", "transferred", 0.03, 27),
        ("transferred", "accepted", 0.04, 29),
    ):
        waits = [
            (c[first][-1]["t"], c[then][0]["t"])
            for c in cases
            if first in c and then in c and "objected" not in c
        ]
        late = [pair for pair in waits if days_between([pair])[1] > 13]
        assert_near(len(late), len(waits), share, then)
        least, most = days_between(late)
        assert 16 <= least <= 17 and most == longest
        in_time = [pair for pair in waits if days_between([pair])[0] < 16]
        assert days_between(in_time)[1] == 12


def test_waits_in_time_have_the_middle_that_was_meant(cases: list[Case]) -> None:
    # Median waits in days; up to a day longer if many of them include days off.
    days = {
        then: median((b - a) / DAY for a, b in pairs(cases, first, then))
        for first, then in (
            ("registered", "transferred"),
            ("transferred", "accepted"),
            ("closed", "rated"),
        )
    }
    assert 2.8 < days["transferred"] < 3.9  # gamma(1.6, 2.2): 2.8
    assert 4 < days["accepted"] < 5.2  # gamma(2, 2.4): 4.0
    assert 2.5 < days["rated"] < 3.1  # exponential(4): 4 ln 2 = 2.8, and ten minutes
    closed = median(
        (c["closed"][0]["t"] - c["replied"][0]["t"]) / DAY
        for c in cases
        if "closed" in c and "review_requested" not in c
    )
    assert 1.7 < closed < 2.6  # gamma(1.2, 2): 1.8


def is_ordinary(case: Case) -> bool:
    """Whether it is an appeal under 31(6), the only route with the 60 days of 34."""
    return "accepted" in case and case["accepted"][0]["data"]["route"] == "31.6"


def test_eight_in_a_hundred_ordinary_appeals_are_extended_before_their_60_days_end(
    cases: list[Case],
) -> None:
    taken = [case for case in cases if is_ordinary(case) and "withdrawn" not in case]
    extended = [case for case in taken if "extended" in case]
    assert_near(len(extended), len(taken), 0.08)
    assert all("extended" not in case for case in cases if not is_ordinary(case))
    for case in extended:
        (event,) = case["extended"]
        assert event["data"]["since"] == case["accepted"][0]["time"]
        assert "replied" not in case or event["t"] < case["replied"][0]["t"]
    answered = [(c["accepted"][0]["t"], c["replied"][0]["t"]) for c in extended if "replied" in c]
    assert days_between(answered) == (61, 83)


def test_five_in_a_hundred_ordinary_appeals_are_answered_late(cases: list[Case]) -> None:
    answered = [
        (c["accepted"][0]["t"], c["replied"][0]["t"])
        for c in cases
        if is_ordinary(c) and "replied" in c and "extended" not in c
    ]
    late = [pair for pair in answered if days_between([pair])[1] > 57]
    assert_near(len(late), len(answered), 0.05)
    assert days_between(late) == (62, 129)
    in_time = [pair for pair in answered if days_between([pair])[1] <= 57]
    assert days_between(in_time)[1] == 56
    # Lognormal with median exp(3.2) = 24.5 days, plus days off; the cut at 56 days does not move
    # the median.
    assert 24 < median((b - a) / DAY for a, b in in_time) < 27


def test_other_routes_are_answered_in_24_days_and_some_after_many(cases: list[Case]) -> None:
    others = [
        (c["replied"][0]["t"] - c["accepted"][0]["t"]) / DAY
        for c in cases
        if "replied" in c and c["accepted"][0]["data"]["route"] != "31.6"
    ]
    assert 24 < median(others) < 27
    # Spread 0.55: one in six waits longer than 24.5 × exp(0.55 × 0.97) = 42 days.
    assert 40 < float(np.quantile(others, 0.835)) < 46
    assert 100 < max(others) < 165


def test_a_few_are_never_taken_up_or_never_answered(cases: list[Case]) -> None:
    handed = [c for c in cases if "transferred" in c and "withdrawn" not in c]
    handed = [c for c in handed if c["transferred"][-1]["t"] < YEAR_END]
    left = [c for c in handed if "accepted" not in c]
    assert_near(len(left), len(handed), 0.008)
    assert_near(sum("urged" in c for c in left), len(left), 0.5)
    old = [c for c in handed if "accepted" in c and c["accepted"][0]["t"] < 270 * DAY]
    assert_near(sum("replied" not in c for c in old), len(old), 0.02)


def test_hearings_and_urgings_come_between_acceptance_and_reply(cases: list[Case]) -> None:
    taken = [c for c in cases if "accepted" in c and "withdrawn" not in c]
    for step, share, wait in (("hearing_held", 0.015, 0), ("urged", 0.04, 5 * DAY)):
        found = 0
        for case in taken:
            for event in case.get(step, ())[:1]:
                if event["t"] > case["replied"][0]["t"] if "replied" in case else False:
                    continue
                assert event["t"] >= case["accepted"][0]["t"] + wait
                found += 1
        # Nobody urges the quickest cases, those answered within five days.
        assert 0.9 * share < found / len(taken) < 1.15 * share
    assert all("withdrawn" not in c for c in cases if {"urged", "hearing_held"} & set(c))
    people = [e["data"]["people"] for c in cases for e in c.get("hearing_held", ())]
    assert (min(people), max(people)) == (5, 19)


def test_one_in_five_rechecks_holds_a_hearing(cases: list[Case]) -> None:
    rechecked = [c for c in cases if "recheck_decided" in c]
    heard = [
        c
        for c in rechecked
        if any(
            c["recheck_requested"][0]["t"] <= e["t"] <= c["recheck_decided"][0]["t"]
            for e in c.get("hearing_held", ())
        )
    ]
    assert_near(len(heard), len(rechecked), 0.2)


def test_five_in_a_hundred_appeals_are_reviewed_and_a_third_of_those_rechecked(
    cases: list[Case],
) -> None:
    replied = [c for c in cases if "replied" in c and c["replied"][0]["t"] < 400 * DAY]
    appeals = [c for c in replied if c["replied"][0]["data"]["kind"] == "appeal"]
    reviewed = [c for c in appeals if "review_requested" in c]
    assert_near(len(reviewed), len(appeals), 0.05)
    assert len(reviewed) == sum("review_requested" in c for c in replied)
    old = [c for c in reviewed if "review_decided" in c and c["review_decided"][0]["t"] < 380 * DAY]
    verdicts = [(c["review_decided"][0]["data"]["verdict"], c) for c in old]
    revoked = [c for verdict, c in verdicts if verdict == "revoked"]
    stands = [c for verdict, c in verdicts if verdict != "revoked"]
    assert all(len(c["replied"]) == 2 and "recheck_requested" not in c for c in revoked)
    assert all(len(c["replied"]) == 1 for c in stands)
    assert_near(sum("recheck_requested" in c for c in stands), len(stands), 0.38)


def test_five_in_a_hundred_reviews_take_longer_than_their_30_days(cases: list[Case]) -> None:
    waits = pairs(cases, "review_requested", "review_decided")
    late = [pair for pair in waits if days_between([pair])[1] > 27]
    assert_near(len(late), len(waits), 0.05)
    least, most = days_between(late)
    assert 31 <= least <= 34 and 46 <= most <= 49  # 31 to 49 days, a few dozen cases
    assert days_between([pair for pair in waits if days_between([pair])[0] < 31]) == (8, 26)


def test_nearly_every_answered_petition_is_closed_and_62_in_100_of_these_rated(
    cases: list[Case],
) -> None:
    old = [c for c in cases if "replied" in c and c["replied"][0]["t"] < 300 * DAY]
    assert all("closed" in c for c in old)
    closed = [c for c in cases if "closed" in c and c["closed"][0]["t"] < 400 * DAY]
    assert_near(sum("rated" in c for c in closed), len(closed), 0.62)
    waits = [
        (c["replied"][0]["t"], c["closed"][0]["t"]) for c in closed if "review_requested" not in c
    ]
    assert days_between(waits)[1] == 14
    assert min(c["rated"][0]["t"] - c["closed"][0]["t"] for c in closed if "rated" in c) >= 600


def test_offices_work_in_their_hours_on_working_days(cases: list[Case]) -> None:
    steps = ("registered", "transferred", "accepted", "replied", "closed")
    at_once = found = 0
    for case in cases:
        if {"objected", "review_requested"} & set(case):
            continue
        times = [case[step][0]["t"] for step in steps if step in case]
        for before, time in pairwise(times):
            found += 1
            if works(time // DAY) and 8.5 * 3600 <= time % DAY < 17.5 * 3600:
                continue
            # A step after office hours may be handled at once, within half an hour.
            assert 120 <= time - before < 1_800
            at_once += 1
    assert at_once < found / 50


def test_who_writes_online_does_so_at_night_too(year: Drawn) -> None:
    hours: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}
    for event in year.of("petition.registered"):
        hours[event["data"]["channel"] == "network"][event["t"] % DAY // 3600] += 1
    for found, weights in (
        (hours[True], ONLINE),
        (hours[False], OFFICE),
    ):
        assert_shares(found.elements(), weights)


def test_places_are_as_narrow_as_offices_know_them(year: Drawn) -> None:
    digits = Counter(len(event["division"]) for event in year.of("petition.registered"))
    city = sum(event["division"] == "431200" for event in year.of("petition.registered"))
    assert_near(digits[12], N, 0.62)
    assert_near(digits[9], N, 0.28)
    assert_near(digits[6] - city, N, 0.08)
    assert_near(city, N, 0.02)


def test_mondays_see_most_petitions_and_holidays_hardly_any(year: Drawn) -> None:
    times = [event["t"] for event in year.of("petition.registered")]
    assert_rhythm(times, (1.3, 1.05, 1, 1, 0.95, 0.22, 0.16), 0.6)
