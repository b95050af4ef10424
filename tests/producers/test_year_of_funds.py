"""The simulated funds: exact sums, valid balances, every share and order as intended.

The three totals are those of 法治日报 2022-03-18; the rest is made up (示例), so the tests repeat
the intended figures.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest

from producers.simulator.funds import funds
from producers.simulator.history import City
from tests.producers.drawn import (
    DAY,
    END,
    OFFICE,
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

# A fifth of 3.12 亿元, of 23,000 person-times and of 172,000 projects.
RAISED_FEN, HELPED, PROJECTS = 6_240_000_000, 4_600, 34_400
SOURCES = {"pledge": 90, "collective": 1.2, "donation": 8, "reward": 0.8}
USES = ("old_and_young", "merit_and_need", "public_good")


@pytest.fixture(scope="module")
def year(huaihua: City) -> Drawn:
    return Drawn(funds(huaihua, "t", np.random.default_rng(8), 0.2))


def opening(year: Drawn, type_: str) -> list[Told]:
    return [e for e in year.of(f"fund.{type_}") if e["data"].get("entry") == "opening"]


def moving(year: Drawn, type_: str) -> list[Told]:
    """Net events without opening balances."""
    return [e for e in year.standing(f"fund.{type_}") if "entry" not in e["data"]]


def total(events: list[Told], name: str) -> int:
    return sum(event["data"][name] for event in events)


def test_the_sums_are_the_published_ones_and_the_openings_their_shares(year: Drawn) -> None:
    for type_, name, whole, share in (
        ("contributed", "amount", RAISED_FEN, 0.625),
        ("disbursed", "helped", HELPED, 0.54),
        ("project_opened", "projects", PROJECTS, 0.65),
    ):
        assert total(year.standing(f"fund.{type_}"), name) == whole
        assert total(opening(year, type_), name) == round(whole * share)


def test_opening_balances_are_of_the_first_midnight_for_every_fund(
    year: Drawn, huaihua: City
) -> None:
    accounts = {event["data"]["account"] for event in opening(year, "contributed")}
    assert len(accounts) == 555  # a fifth of 2,777 villages
    assert all(account[2:] in huaihua.microgrids for account in accounts)
    for type_, each in (
        ("contributed", SOURCES),
        ("disbursed", SOURCES),
        ("project_opened", USES),
        ("project_closed", USES),
    ):
        events = opening(year, type_)
        assert Counter(event["data"]["account"] for event in events) == dict.fromkeys(
            accounts, len(each)
        )
        assert {(event["t"], event["r"]) for event in events} == {(0, 8 * 3600)}
        assert not {event["id"] for event in events} & year.taken_back
    assert not any("giver" in event["data"] for event in opening(year, "contributed"))


def test_a_third_of_the_opening_money_was_spent_each_source_on_its_use(year: Drawn) -> None:
    raised = total(opening(year, "contributed"), "amount")
    # 35 in 100, times a factor between 0.6 and 1.3 with mean 0.95.
    assert total(opening(year, "disbursed"), "amount") / raised == pytest.approx(
        0.35 * 0.95, rel=0.03
    )
    in_ = {
        (e["data"]["account"], e["data"]["source"]): e["data"]["amount"]
        for e in opening(year, "contributed")
    }
    parts = [
        e["data"]["amount"] / in_[e["data"]["account"], e["data"]["source"]]
        for e in opening(year, "disbursed")
    ]
    assert 0.35 * 0.6 <= min(parts) < 0.22 and 0.44 < max(parts) <= 0.35 * 1.3
    uses = {(e["data"]["source"], e["data"]["use"]) for e in opening(year, "disbursed")}
    assert uses == {
        ("pledge", "merit_and_need"),
        ("collective", "public_good"),
        ("donation", "old_and_young"),
        ("reward", "public_good"),
    }
    helping = [e for e in opening(year, "disbursed") if e["data"]["helped"]]
    assert {e["data"]["source"] for e in helping} == {"pledge"}


def test_opening_projects_are_three_fifths_public_good_and_93_in_100_closed(year: Drawn) -> None:
    opened = opening(year, "project_opened")
    by_use = Counter[str]()
    for event in opened:
        by_use[event["data"]["use"]] += event["data"]["projects"]
    for use, share in zip(USES, (0.2, 0.2, 0.6), strict=True):
        assert by_use[use] / total(opened, "projects") == pytest.approx(share, abs=0.01)
    closed = {e["data"]["project"]: e["data"] for e in opening(year, "project_closed")}
    assert len(closed) == len(opened) == 3 * 555
    for event in opened:
        own = event["data"]
        assert closed[own["project"]]["account"] == own["account"]
        assert closed[own["project"]]["projects"] == int(own["projects"] * 0.93)


def test_funds_are_as_large_as_their_villages(year: Drawn, huaihua: City) -> None:
    amounts = Counter[str]()
    for event in opening(year, "contributed"):
        amounts[event["data"]["account"]] += event["data"]["amount"]
    sizes = [huaihua.microgrids[account[2:]] + 1 for account in amounts]
    assert float(np.corrcoef(list(amounts.values()), sizes)[0, 1]) > 0.9
    often = Counter(e["data"]["account"] for e in moving(year, "contributed"))
    assert float(np.corrcoef([often[a] for a in amounts], sizes)[0, 1]) > 0.95


def test_66_000_contributions_come_from_four_sources(year: Drawn) -> None:
    gifts = moving(year, "contributed")
    assert len(gifts) == 66_000  # a fifth of 330,000
    assert_shares([event["data"]["source"] for event in gifts], SOURCES)
    assert all(
        ("giver" in event["data"]) is (event["data"]["source"] in ("pledge", "donation"))
        for event in gifts
    )
    assert all(event["data"]["amount"] % 100 == 0 for event in gifts)  # whole yuan
    assert min(event["data"]["amount"] for event in gifts) >= 100


def test_a_pledge_is_smaller_than_a_donation_and_a_reward_is_the_largest(year: Drawn) -> None:
    yuan: dict[str, list[float]] = defaultdict(list)
    for event in moving(year, "contributed"):
        yuan[event["data"]["source"]].append(event["data"]["amount"] / 100)
    middle = {source: median(amounts) for source, amounts in yuan.items()}
    # Ratios of the medians, which are 100, 6,000, 600 and 7,000.
    assert middle["collective"] / middle["pledge"] == pytest.approx(60, rel=0.15)
    assert middle["donation"] / middle["pledge"] == pytest.approx(6, rel=0.1)
    assert middle["reward"] / middle["pledge"] == pytest.approx(70, rel=0.15)
    spread = {source: float(np.std(np.log(amounts))) for source, amounts in yuan.items()}
    for source, expected in {
        "pledge": 0.6,
        "collective": 0.7,
        "donation": 0.9,
        "reward": 0.6,
    }.items():
        assert spread[source] == pytest.approx(expected, rel=0.12)
    assert 60 < middle["pledge"] < 200


def test_promises_are_kept_but_for_six_in_a_hundred(year: Drawn) -> None:
    gifts = Counter(event["data"]["source"] for event in moving(year, "contributed"))
    promised = Counter(event["data"]["source"] for event in moving(year, "pledged"))
    shares = {"pledge": 0.17, "collective": 0.15, "donation": 0.05, "reward": 0.3}
    assert set(promised) == set(shares)
    for source, share in shares.items():
        # Of the gifts without pledge, 6 in 100 of that share have an unfulfilled pledge.
        whole = share + (1 - share) * share * 0.06
        assert_near(promised[source], gifts[source], whole, source)
    money = {
        (e["data"]["account"], e["data"]["source"], e["data"]["amount"]): e["t"]
        for e in gifts_of(year)
    }
    kept = [
        e
        for e in moving(year, "pledged")
        if (e["data"]["account"], e["data"]["source"], e["data"]["amount"]) in money
    ]
    assert len(kept) > 0.9 * len(moving(year, "pledged"))
    for event in moving(year, "pledged"):
        named = event["data"]["source"] in ("pledge", "donation")
        assert ("giver" in event["data"]) is named


def gifts_of(year: Drawn) -> list[Told]:
    return moving(year, "contributed")


def test_promised_money_comes_in_office_hours_some_eighteen_days_later(year: Drawn) -> None:
    paid = defaultdict(list)
    for event in gifts_of(year):
        if "giver" in event["data"]:
            content = event["data"]
            paid[content["account"], content["giver"], content["amount"]].append(event["t"])
    waits = []
    for event in moving(year, "pledged"):
        content = event["data"]
        if "giver" in content:
            times = paid[content["account"], content["giver"], content["amount"]]
            if len(times) == 1 and times[0] > event["t"]:
                waits.append((times[0] - event["t"]) / DAY)
                if times[0] - event["t"] > 1_800:
                    assert works(times[0] // DAY)
    assert len(waits) > 5_000
    # gamma(2, 9): median 15.1, and a day off.
    assert 14.5 < median(waits) < 17


def test_gifts_come_in_the_hours_of_visits(year: Drawn) -> None:
    direct = [e for e in gifts_of(year) if e["data"]["source"] == "donation" and e["t"] < YEAR_END]
    hours = Counter(event["t"] % DAY // 3600 for event in direct)
    for hour, weight in VISITING.items():
        share = weight / sum(VISITING.values())
        assert hours[hour] / len(direct) == pytest.approx(share, abs=0.02)


def test_no_purse_is_ever_below_nothing(year: Drawn) -> None:
    moves = [*year.standing("fund.contributed"), *year.standing("fund.disbursed")]
    balance: Counter[tuple[str, str]] = Counter()
    for event in sorted(moves, key=lambda e: (e["t"], e["type"] != "fund.contributed")):
        sign = 1 if event["type"] == "fund.contributed" else -1
        purse = event["data"]["account"], event["data"]["source"]
        balance[purse] += sign * event["data"]["amount"]
        assert balance[purse] >= 0


def payments(year: Drawn) -> tuple[list[Told], list[Told]]:
    """Payments to people and for projects."""
    paid = moving(year, "disbursed")
    return [e for e in paid if "receiver" in e["data"]], [e for e in paid if "correlationid" in e]


def test_people_are_helped_by_85_payments_for_each_hundred(year: Drawn) -> None:
    helping, projects = payments(year)
    # 46 in 100 of 4,600: 2,116 person-times in 1,799 payments of one or two.
    assert total(helping, "helped") == 2_116
    assert len(helping) == 1_799
    assert Counter(e["data"]["helped"] for e in helping) == {1: 1_482, 2: 317}
    assert_shares([e["data"]["use"] for e in helping], {"old_and_young": 35, "merit_and_need": 65})
    assert len(moving(year, "disbursed")) == len(helping) + len(projects)
    assert {e["data"]["helped"] for e in projects} == {0}
    # Lognormal of median exp(6.7) = 812 yuan, 5,000 at most.
    amounts = [e["data"]["amount"] for e in helping]
    assert 78_000 < median(amounts) < 84_000
    assert max(amounts) <= 500_000
    assert float(np.quantile(amounts, 0.84)) == pytest.approx(81_200 * np.exp(0.5), rel=0.1)


def test_money_is_spent_in_equal_parts_of_all_sources(year: Drawn) -> None:
    paid = moving(year, "disbursed")
    found = Counter(event["data"]["source"] for event in paid)
    # The source with the largest balance pays, and the four start equal.
    for source in SOURCES:
        assert 0.2 < found[source] / len(paid) < 0.3


def projects_of(year: Drawn) -> list[tuple[Told, list[Told], list[Told]]]:
    paid: dict[str, list[Told]] = defaultdict(list)
    closed: dict[str, list[Told]] = defaultdict(list)
    for event in payments(year)[1]:
        paid[event["correlationid"]].append(event)
    for event in moving(year, "project_closed"):
        closed[event["data"]["project"]].append(event)
    return [
        (e, paid[e["data"]["project"]], closed[e["data"]["project"]])
        for e in moving(year, "project_opened")
    ]


def test_a_project_is_approved_opened_paid_for_and_closed_once(year: Drawn) -> None:
    approved = {event["id"]: event for event in year.standing("fund.approved")}
    found = projects_of(year)
    assert len(found) == PROJECTS - round(PROJECTS * 0.65)
    assert {event["data"]["projects"] for event, *_ in found} == {1}
    assert_shares([e["data"]["use"] for e, *_ in found], dict(zip(USES, (22, 18, 60), strict=True)))
    paying, closing = [], []
    for opened, paid, closed in found:
        assert len(paid) <= 1 and len(closed) <= len(paid)
        assert opened["t"] < YEAR_END
        for payment in paid:
            approval = approved[payment["causationid"]]
            assert approval["t"] < opened["t"] < payment["t"]
            for name in ("account", "use"):
                assert {approval["data"][name]} == {opened["data"][name], payment["data"][name]}
            assert approval["data"]["amount"] == payment["data"]["amount"]
            paying.append((payment["t"] - opened["t"]) / DAY)
        for end in closed:
            assert end["t"] > paid[0]["t"] and end["data"]["projects"] == 1
            assert end["data"]["account"] == opened["data"]["account"]
            closing.append((end["t"] - paid[0]["t"]) / DAY)
    assert len(paying) > 0.99 * len(found) and len(closing) > 0.97 * len(found)
    # gamma(2, 5) and gamma(2, 22): medians 8.4 and 36.9, and a day off.
    assert 8 < median(paying) < 10
    assert 35 < median(closing) < 39
    # Lognormal of median exp(6.2) = 493 yuan, 8,000 at most.
    amounts = [paid[0]["data"]["amount"] for _, paid, _ in found if paid]
    assert 47_000 < median(amounts) < 51_000
    assert max(amounts) <= 800_000
    assert float(np.quantile(amounts, 0.84)) == pytest.approx(49_300 * np.exp(0.6), rel=0.1)


def test_spending_is_approved_days_before_at_the_hour_of_an_office(year: Drawn) -> None:
    approved = {event["id"]: event for event in year.standing("fund.approved")}
    for found, most in ((payments(year)[0], 8), (projects_of(year), 5)):
        days = []
        for event in found:
            payment, then = (event, event) if isinstance(event, dict) else (event[1][:1], event[0])
            if not payment:
                continue
            cause = payment if isinstance(payment, dict) else payment[0]
            wait = then["t"] - approved[cause["causationid"]]["t"]
            assert wait % DAY == 0 or (wait == 600 and then["t"] < most * DAY + DAY)
            if wait != 600:
                days.append(wait // DAY)
        assert_shares(days, dict.fromkeys(range(1, most + 1), 1))
    hours = Counter(e["t"] % DAY // 3600 for e in payments(year)[0])
    assert_shares(hours.elements(), OFFICE)


def test_five_entries_in_a_thousand_are_taken_back_and_the_sums_stay(year: Drawn) -> None:
    entries = {e["id"]: e for events in year.events.values() for e in events}
    found = Counter[str]()
    wrong: dict[str, list[Told]] = defaultdict(list)
    for back in year.of("fund.reversed"):
        entry = entries[back["data"]["corrects"]]
        assert back["data"]["account"] == entry["data"]["account"]
        assert back["source"] == entry["source"]
        assert back["actor"] == f"{back['division'][:6]}-三资中心"
        assert entry["r"] <= back["t"] == back["r"] <= entry["r"] + 5 * DAY + 600
        found[entry["type"]] += 1
        wrong[entry["type"]].append(entry)
    assert len(year.taken_back) == sum(found.values())
    assert set(found) == {
        *("fund.contributed", "fund.pledged", "fund.approved"),
        *("fund.disbursed", "fund.project_opened", "fund.project_closed"),
    }
    for type_, n in found.items():
        assert_near(n, len(moving(year, type_.partition(".")[2])), 0.005, type_)
    whys: dict[bool, list[str]] = {True: [], False: []}
    for back in year.of("fund.reversed"):
        paid = entries[back["data"]["corrects"]]["type"] == "fund.disbursed"
        whys[paid].append(back["data"]["why"])
    assert set(whys[True]) == {"账户选错"}
    assert_shares(whys[False], {"金额录错": 55, "重复录入": 30, "账户选错": 15})
    amounts = {type_: total_of(events) for type_, events in wrong.items()}
    # One zero too many: a wrong entry is ten times a right one, so it ends in three zeros.
    right = RAISED_FEN * 0.375 / 66_000
    assert 5 * right < amounts["fund.contributed"] < 20 * right
    gifts = Counter(e["data"]["amount"] for e in gifts_of(year))
    assert all(e["data"]["amount"] % 1_000 == 0 for e in wrong["fund.contributed"])
    assert all(gifts[e["data"]["amount"] // 10] for e in wrong["fund.contributed"])
    for type_ in ("fund.project_opened", "fund.project_closed"):
        # A wrong project number instead: ten times one project would be ten projects.
        assert all("x" in e["data"]["project"] for e in wrong[type_])
        assert {e["data"]["projects"] for e in wrong[type_]} == {1}
    assert {e["data"]["helped"] for e in wrong["fund.disbursed"]} == {0, 1}


def total_of(events: list[Told]) -> float:
    return float(np.mean([event["data"].get("amount", 0) for event in events]))


def test_nothing_happens_after_the_article_or_is_known_before_it_happens(year: Drawn) -> None:
    for events in year.events.values():
        for event in events:
            assert 0 <= event["t"] <= event["r"] < END
            assert event["t"] >= YEAR_END or event["r"] < YEAR_END


def test_givers_and_receivers_are_people_of_their_fund(year: Drawn) -> None:
    people: dict[str, set[str]] = defaultdict(set)
    for type_, name in (("contributed", "giver"), ("disbursed", "receiver")):
        for event in year.of(f"fund.{type_}"):
            if name in event["data"]:
                people[event["data"][name]].add(event["data"]["account"])
    assert all(len(accounts) == 1 for accounts in people.values())
    # Givers are drawn evenly from 1,999 people per fund: expected distinct givers of n gifts.
    gifts = Counter(
        e["data"]["account"] for e in year.of("fund.contributed") if "giver" in e["data"]
    )
    givers = {e["data"]["giver"] for e in year.of("fund.contributed") if "giver" in e["data"]}
    new = sum(1_999 * (1 - (1 - 1 / 1_999) ** n) for n in gifts.values())
    assert len(givers) == pytest.approx(new, rel=0.01)


def value_types(year: Drawn) -> dict[str, set[Any]]:
    found: dict[str, set[Any]] = defaultdict(set)
    for type_, events in year.events.items():
        for event in events:
            for name in ("source", "use"):
                if name in event["data"]:
                    found[f"{type_}.{name}"].add(event["data"][name])
    return found


def test_every_source_and_use_occurs_wherever_one_is_named(year: Drawn) -> None:
    for name, values in value_types(year).items():
        assert values == (set(SOURCES) if name.endswith("source") else set(USES)), name


def test_weekends_and_holidays_see_fewer_promises_payments_and_projects(year: Drawn) -> None:
    week = (1, 1, 1, 1, 1, 0.45, 0.35)
    assert_rhythm([event["t"] for event in moving(year, "pledged")], week, 0.8)
    assert_rhythm([event["t"] for event in payments(year)[0]], week, 0.4)
    assert_rhythm([event["t"] for event in moving(year, "project_opened")], week, 0.4)
