"""The simulated visits and requests: every share, rhythm and order as intended.

The figures are made up (示例), so the tests repeat the intended ones; the two totals of the year
are those of 法治日报 2022-03-18.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest

from producers.simulator.history import City
from producers.simulator.visits import visits
from tests.producers.drawn import (
    DAY,
    END,
    VISITING,
    YEAR_END,
    Drawn,
    Told,
    assert_near,
    assert_rhythm,
    assert_shares,
    median,
    works,
)

N = 94_050  # a twentieth of 1,881,000 net visits
CLOSED = 16_950  # a twentieth of 339,000
ROLES = {"grid_member": 46, "party_member": 27, "working_party_member": 17, "cadre": 10}
PURPOSES = {"routine": 52, "care": 20, "policy": 13, "dispute": 7, "safety": 8}
MATTERS = {
    "livelihood": 34,
    "infrastructure": 22,
    "environment": 16,
    "policy": 15,
    "dispute": 8,
    "other": 5,
}
OUTCOMES = {"settled": 68, "explained": 20, "passed_on": 9, "not_possible": 3}


@pytest.fixture(scope="module")
def year(huaihua: City) -> Drawn:
    return Drawn(visits(huaihua, "t", np.random.default_rng(4), 0.05))


def values(year: Drawn, type_: str, name: str) -> list[Any]:
    return [event["data"][name] for event in year.of(f"visit.{type_}")]


def test_visits_that_stand_are_the_published_ones_and_four_in_a_thousand_are_voided(
    year: Drawn,
) -> None:
    recorded = year.of("visit.recorded")
    assert len(year.standing("visit.recorded")) == N
    assert len(recorded) == N + 376  # 0.004 × 94,050
    assert len(year.of("visit.voided")) == 376
    assert all(0 <= event["t"] <= event["r"] < YEAR_END for event in recorded)
    closed = year.of("visit.request_closed")
    assert sum(event["t"] < YEAR_END for event in closed) == CLOSED
    assert all(event["t"] <= event["r"] < END for event in closed)


@pytest.mark.parametrize(
    ("type_", "name", "weights"),
    [
        ("recorded", "role", ROLES),
        ("recorded", "purpose", PURPOSES),
        ("corrected", "role", ROLES),
        ("corrected", "purpose", PURPOSES),
        ("request_raised", "matter", MATTERS),
        ("request_closed", "outcome", OUTCOMES),
        ("voided", "why", {"重复填报": 60, "户号选错": 25, "非本网格住户": 15}),
        ("corrected", "met", dict.fromkeys(range(1, 7), 1)),
    ],
)
def test_every_value_of_a_vocabulary_occurs_as_often_as_it_was_meant_to(
    year: Drawn, type_: str, name: str, weights: dict[Any, float]
) -> None:
    assert_shares(values(year, type_, name), weights)


def test_visits_last_22_minutes_in_the_middle_and_meet_two_people(year: Drawn) -> None:
    lasted = values(year, "recorded", "lasted")
    # gamma(3.2, 7.5): mean 24, median 21.6, deviation 13.4; at least four minutes.
    assert 23.3 < np.mean(lasted) < 24.2
    assert 20.5 < median(lasted) < 22.5
    assert 12.8 < np.std(lasted) < 13.8
    assert min(lasted) == 4 and 90 < max(lasted) <= 180
    met = values(year, "recorded", "met")
    # Poisson with mean 2.1, at most nine: nobody in 12.2 %, and the full mean.
    assert np.mean(met) == pytest.approx(2.1, abs=0.03)
    assert_near(met.count(0), len(met), np.exp(-2.1))
    assert (min(met), max(met)) == (0, 9)


def test_texts_are_sealed_for_two_in_a_thousand_visits_and_requests(year: Drawn) -> None:
    for type_, name in (("recorded", "remark"), ("request_raised", "text")):
        events = year.of(f"visit.{type_}")
        assert_near(sum(name in event["data"] for event in events), len(events), 0.002)
    corrected = year.of("visit.corrected")
    assert_near(sum("remark" in event["data"] for event in corrected), len(corrected), 0.03)


def test_every_text_of_a_request_occurs(year: Drawn, huaihua: City) -> None:
    texted = [each for each in year.of("visit.request_raised") if "text" in each["data"]]
    unsealed = [
        huaihua.vault.unseal(e["data"]["household"], e["id"], "text", e["data"]["text"])
        for e in texted
    ]
    starts = {text[:4] for text in unsealed}
    assert starts == {"组里路灯", "自来水水", "想申请低", "垃圾清运", "入户道路"}


def test_a_form_is_entered_after_the_visit_soon_or_for_three_in_a_hundred_days_later(
    year: Drawn,
) -> None:
    early = [e for e in year.of("visit.recorded") if e["t"] < 350 * DAY]
    waits = [e["r"] - e["t"] - 60 * e["data"]["lasted"] for e in early]
    assert min(waits) >= 0
    late = [wait for wait in waits if wait > 4 * 3600]
    assert_near(len(late), len(early), 0.03)
    # 1 to 12 whole days, plus up to four hours.
    assert Counter(wait // DAY for wait in late).keys() == set(range(1, 13))
    soon = [wait for wait in waits if wait <= 4 * 3600]
    assert median(soon) == pytest.approx(2_400 * np.log(2), rel=0.03)


def test_visits_are_paid_when_people_are_at_home(year: Drawn) -> None:
    hours = Counter(event["t"] % DAY // 3600 for event in year.of("visit.recorded"))
    assert_shares(hours.elements(), VISITING)
    minutes = Counter(event["t"] % 3600 // 60 for event in year.of("visit.recorded"))
    assert_shares(minutes.elements(), dict.fromkeys(range(60), 1))


def test_every_visit_names_a_household_of_its_micro_grid_and_many_come_again(
    year: Drawn, huaihua: City
) -> None:
    grids: dict[str, set[str]] = defaultdict(set)
    at_home = Counter[str]()
    for event in year.of("visit.recorded"):
        assert event["grid"][:12] == event["division"]
        grids[event["grid"]].add(event["data"]["household"])
        at_home[event["data"]["household"]] += 1
    homes: dict[str, set[str]] = defaultdict(set)
    for grid, households in grids.items():
        for household in households:
            homes[household].add(grid)
    assert all(len(grids_) == 1 for grids_ in homes.values())
    assert max(map(len, grids.values())) <= 18
    # 94,426 visits to some 1.7 million homes: at the end, 5.6 in 100 visits hit a visited home by
    # chance, on average half of that, and a little more because micro-grids differ in weight.
    again = sum(n > 1 for n in at_home.values())
    assert 0.02 < again / len(at_home) < 0.05


def test_counties_are_visited_as_they_are_large(year: Drawn, huaihua: City) -> None:
    size = Counter[str]()
    for code, grids in huaihua.microgrids.items():
        size[code[:6]] += grids
    found = Counter(event["division"][:6] for event in year.of("visit.recorded"))
    assert set(found) == set(size)
    for county, n in found.items():
        share = size[county] / sum(size.values())
        assert n / sum(found.values()) == pytest.approx(share, rel=0.06)


def test_corrections_follow_within_five_days_and_some_twice(year: Drawn) -> None:
    recorded = {event["id"]: event for event in year.of("visit.recorded")}
    times = Counter[str]()
    anew = 0
    for event in sorted(year.of("visit.corrected"), key=lambda event: (event["r"], event["id"])):
        form, name = recorded[event["data"]["corrects"]], event["data"]["corrects"]
        times[name] += 1
        assert event["data"]["household"] == form["data"]["household"]
        assert (event["grid"], event["source"]) == (form["grid"], form["source"])
        assert event["t"] == event["r"] >= form["r"]
        assert event["data"]["lasted"] == min(form["data"]["lasted"] + 5, 240)
        if times[name] == 1 and name not in year.taken_back:
            assert event["r"] - form["r"] <= 5 * DAY + 600
            anew += any(
                event["data"][field] != form["data"][field] for field in ("role", "purpose")
            )
    standing = {name: n for name, n in times.items() if name not in year.taken_back}
    assert_near(len(standing), N, 0.008)
    assert_near(sum(n == 2 for n in standing.values()), len(standing), 0.05)
    assert max(times.values()) == 2
    # Role and purpose drawn again for 30 in 100; the same pair in 0.32 × 0.35 = 11 of 100.
    assert_near(anew, len(standing), 0.3 * 0.89)
    in_vain = [name for name in times if name in year.taken_back]
    assert_near(len(in_vain), 376, 0.06)
    assert in_vain


def test_what_is_recorded_last_of_a_voided_form_is_the_void(year: Drawn) -> None:
    corrected: dict[str, int] = defaultdict(int)
    for event in year.of("visit.corrected"):
        corrected[event["data"]["corrects"]] = max(corrected[event["data"]["corrects"]], event["r"])
    recorded = {event["id"]: event for event in year.of("visit.recorded")}
    waits = []
    for event in year.of("visit.voided"):
        name = event["data"]["corrects"]
        assert corrected[name] < event["r"]
        assert event["t"] == event["r"] < YEAR_END
        assert event["source"] == recorded[name]["source"]
        waits.append(event["r"] - recorded[name]["r"])
    # Uniform within six days, plus ten minutes.
    assert 5.5 * DAY < max(waits) <= 6 * DAY + 600
    assert 2.6 * DAY < np.mean(waits) < 3.4 * DAY


def test_who_corrects_or_voids_is_the_countys_grid_office(year: Drawn) -> None:
    for type_ in ("corrected", "voided"):
        for event in year.of(f"visit.{type_}"):
            assert event["actor"] == f"{event['division'][:6]}-网格办"
    assert not any("actor" in event for event in year.of("visit.recorded"))


@pytest.fixture(scope="module")
def requests(year: Drawn) -> list[tuple[Told, Told, Told | None]]:
    """Visit, raising and closing of each request."""
    recorded = {event["id"]: event for event in year.of("visit.recorded")}
    closed = {event["data"]["request"]: event for event in year.of("visit.request_closed")}
    return [
        (recorded[event["causationid"]], event, closed.get(event["data"]["request"]))
        for event in year.of("visit.request_raised")
    ]


def test_requests_are_raised_within_four_minutes_of_a_visit_that_stands(
    year: Drawn, requests: list[tuple[Told, Told, Told | None]]
) -> None:
    # 1.045 per request closed within the year.
    assert len(requests) == len({raised["data"]["request"] for _, raised, _ in requests}) == 17_713
    assert len({visit["id"] for visit, _, _ in requests}) == len(requests)
    waits = []
    for visit, raised, _ in requests:
        assert visit["id"] not in year.taken_back
        assert raised["data"]["household"] == visit["data"]["household"]
        assert raised["grid"] == visit["grid"]
        assert raised["correlationid"] == raised["data"]["request"]
        assert raised["r"] >= visit["r"]
        if visit["t"] < YEAR_END - 300:
            waits.append(raised["t"] - visit["t"])
    assert 60 <= min(waits) < 65 and 235 < max(waits) < 240


def test_47_in_100_requests_are_closed_inside_the_visit_and_the_others_in_five_days(
    requests: list[tuple[Told, Told, Told | None]],
) -> None:
    early = [(v, r, c) for v, r, c in requests if c and v["t"] < 250 * DAY]
    left = [(max(v["t"] + v["data"]["lasted"] * 60, r["t"]), c) for v, r, c in early if c]
    at_once = [c for end, c in left if c["t"] == end]
    assert_near(len(at_once), len(left), 0.47)
    later = [(c["t"] - end) / DAY for end, c in left if c["t"] != end]
    # Lognormal with median exp(1.6) = 5 days and spread 0.95; days off add up to one day.
    assert 5 < median(later) < 6.2
    assert 11.5 < float(np.quantile(later, 0.84)) < 14.5  # 5 × exp(0.95) = 12.8
    assert 60 < max(later) < 85
    for end, closing in left:
        if closing["t"] != end and not works(closing["t"] // DAY):
            assert closing["t"] - end < 1_800


def test_a_closing_names_the_request_it_answers_and_is_entered_after_it(
    year: Drawn, requests: list[tuple[Told, Told, Told | None]]
) -> None:
    assert len(year.of("visit.request_closed")) == sum(c is not None for *_, c in requests)
    for _, raised, closed in requests:
        if closed:
            assert closed["causationid"] == raised["id"]
            assert closed["correlationid"] == raised["data"]["request"]
            assert closed["data"]["household"] == raised["data"]["household"]
            assert closed["t"] >= raised["t"] and closed["r"] >= raised["r"]
            assert closed["grid"] == raised["grid"]


def test_requests_left_open_are_the_latest_and_most_are_closed_by_the_articles_day(
    requests: list[tuple[Told, Told, Told | None]],
) -> None:
    late = [c for *_, c in requests if c and c["t"] >= YEAR_END]
    never = [raised for _, raised, c in requests if c is None]
    assert len(late) + len(never) == 17_713 - CLOSED  # 763
    # Waits of 4 to 114 days, while the history lasts 77 more: a third ends after it.
    assert 0.15 < len(never) / (len(late) + len(never)) < 0.4
    assert min(raised["t"] for raised in never) > 250 * DAY
    assert min(c["t"] for c in late) >= YEAR_END


def test_one_or_two_messages_in_a_thousand_are_sent_again(year: Drawn) -> None:
    assert_near(year.repeats, year.sent - year.repeats, 0.0015)


def test_weekends_and_holidays_see_fewer_visits(year: Drawn) -> None:
    times = [event["t"] for event in year.of("visit.recorded")]
    assert_rhythm(times, (1, 1, 1, 1.02, 1.05, 0.78, 0.6), 0.7)
