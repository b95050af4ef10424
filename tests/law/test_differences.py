"""Differences between the declarations and the articles, each with the right answer.

Every test is a strict xfail: it fails until the difference is fixed, and then reports it. The
number is that of the difference. Differences that need a new event or field are not here.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from dashboards.queries import mediations, petitions, visits
from tests.histories.told import told
from tests.law.judged import clocks_of, event, shown

if TYPE_CHECKING:
    from tests.town import Town


def differs(number: int, what: str) -> pytest.MarkDecorator:
    """A strict xfail until the declaration follows its article."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"law {number}: {what}")


def tell(town: Town, *steps: tuple[str, str] | tuple[str, str, dict[str, Any]]) -> None:
    """Stores the events of one petition of 2024."""
    for verb, day, *data in steps:
        more: dict[str, Any] = data[0] if data else {}
        town.tell(event("petitions", verb, "P", f"2024-{day} 09:00", **more))


def clock(town: Town, name: str, at: str) -> tuple[Any, ...] | None:
    """Due day, overdue and on time of one of the petition's clocks."""
    found = clocks_of(shown(town, "petitions", f"2024-{at}")["P"]).get(name)
    return found and (found[0][5:10], *found[1:])


@differs(1, "the closing of the case ends a review that was asked for afterwards")
def test_a_review_asked_for_after_the_closing_is_late_until_it_is_decided(town: Town) -> None:
    tell(town, ("registered", "03-01"), ("accepted", "03-01"), ("replied", "04-01"),
         ("closed", "04-02"), ("review_requested", "04-22"),
         ("review_decided", "08-30"))  # fmt: skip
    # 22 April + 30: 8 left in April, Wednesday 22 May (35).
    assert clock(town, "review", "05-23 00:00") == ("05-23", 1, 0)
    assert clock(town, "review", "12-31") == ("05-23", 0, 0)


@differs(2, "what meets a duty may lie before the start it answers")
def test_a_unit_that_says_not_ours_refuses_nothing_and_the_next_one_owes_the_notice(
    town: Town,
) -> None:
    tell(town, ("registered", "03-04"), ("transferred", "03-05"),
         ("not_accepted", "03-15", {"reason": "not_ours"}), ("transferred", "03-20"))  # fmt: skip
    # 20 March + 15: 11 left in March, 4 April; 清明 to 6 April -> Sunday 7 April is worked (23).
    assert clock(town, "notice", "04-08 00:00") == ("04-08", 1, 0)
    assert shown(town, "petitions", "2024-12-31")["P"]["open"] == 1


@differs(2, "what meets a duty may lie before the start it answers")
def test_the_notice_of_one_unit_is_not_that_of_the_next(town: Town) -> None:
    tell(town, ("registered", "03-04"), ("transferred", "03-05"), ("accepted", "03-08"),
         ("transferred", "03-20"))  # fmt: skip
    assert clock(town, "notice", "04-08 00:00") == ("04-08", 1, 0)


@differs(3, "an extension after the term has passed makes late on time")
def test_an_extension_after_the_reply_heals_nothing(town: Town) -> None:
    tell(town, ("registered", "03-01"), ("accepted", "03-01"), ("replied", "05-20"),
         ("extended", "05-25", {"since": "2024-03-01T09:00:00+08:00", "days": 30}))  # fmt: skip
    # 1 March + 60: 30 left in March, Tuesday 30 April (34).
    assert clock(town, "close", "12-31") == ("05-01", 0, 0)


@differs(3, "the acceptance that an extension names is not checked")
def test_an_extension_counts_from_the_real_acceptance(town: Town) -> None:
    tell(town, ("registered", "03-01"), ("accepted", "03-01"),
         ("extended", "04-20", {"since": "2024-04-01T09:00:00+08:00", "days": 30}))  # fmt: skip
    # 1 March + 90: 30 + 30, Thursday 30 May (34).
    assert clock(town, "close", "05-31 00:00") == ("05-31", 1, 0)


@differs(4, "an appeal without a route passes")
def test_an_appeal_has_a_route(town: Town) -> None:
    content = {"kind": "appeal", "route": "none"}
    slipped = event("petitions", "accepted", "P", "2024-03-01 09:00", **content)
    with contextlib.suppress(AssertionError):
        town.tell(slipped)
    assert town.statuses("petitions") == []


@differs(7, "only the first review of a petition is judged")
def test_a_second_review_has_30_days_of_its_own(town: Town) -> None:
    tell(town, ("registered", "01-02"), ("accepted", "01-03"), ("replied", "03-01"),
         ("review_requested", "03-05"), ("review_decided", "03-20", {"verdict": "revoked"}),
         ("replied", "04-30"), ("review_requested", "05-06"))  # fmt: skip
    # 6 May + 30: 25 left in May, Wednesday 5 June (35).
    assert clock(town, "review", "06-06 00:00") == ("06-06", 1, 0)


@differs(8, "reporting upwards starts the notice")
def test_what_is_reported_upwards_owes_no_notice(town: Town) -> None:
    tell(town, ("registered", "03-01"), ("transferred", "03-01", {"mode": "reported"}))
    assert clock(town, "notice", "03-19") is None


@differs(8, "an accusation starts the notice")
def test_an_accusation_owes_no_notice_by_article_23(town: Town) -> None:
    kind = {"kind": "accusation"}
    tell(town, ("registered", "03-01", kind), ("transferred", "03-01", kind))
    assert clock(town, "notice", "03-19") is None


@differs(9, "the terms of mediation cite another text")
def test_the_terms_of_mediation_cite_where_they_stand(town: Town) -> None:
    (row,) = town.rows(
        "SELECT comment FROM system.columns "
        "WHERE database = 'gulou' AND table = 'mediations_cases' AND name = 'due_mediate'"
    )
    assert "法释〔2016〕14号" in row["comment"]


def labels(town: Town, field: str) -> dict[str, str]:
    """Chinese names of the values of a vocabulary."""
    rows = town.published("labels", where=f"field = '{field}'")
    return {row["value"]: row["zh"] for row in rows}


@differs(11, "复议 stands under arbitration")
def test_the_routes_bear_the_names_of_article_31(town: Town) -> None:
    routes = labels(town, "route")
    assert "仲裁" in routes["31.2"]
    assert "复议" not in routes["31.2"]  # 31(2): only arbitration
    assert "复议" in routes["31.4"]  # 31(4): 行政复议, 裁决, 确认, 许可, 处罚
    assert "处罚" in routes["31.4"]


@differs(12, "one list of results for all classes of petitions")
def test_a_suggestion_may_be_taken_up(town: Town) -> None:
    # 29: 采纳 or 部分采纳; 支持 is a result of an appeal (32).
    found = {row["zh"] for row in town.published("labels")}
    assert {"采纳", "部分采纳"} <= found


@differs(13, "facts are folded by max")
@pytest.mark.parametrize(
    ("topic", "verb", "fact", "values"),
    [
        ("petitions", "rated", "satisfaction", (2, 5)),
        ("petitions", "rated", "satisfaction", (5, 2)),
        ("petitions", "replied", "result", ("not_supported", "explained")),
        ("petitions", "replied", "result", ("explained", "not_supported")),
        ("petitions", "accepted", "route", ("31.6", "31.1")),
        ("petitions", "hearing_held", "kind", ("appeal", "suggestion")),
        ("mediations", "confirmation_decided", "ruling", ("refused", "confirmed")),
        ("mediations", "accepted", "mode", ("passed", "applied")),
        ("mediations", "terminated", "why", ("party_left", "not_agreed")),
    ],
)
def test_of_two_values_of_a_fact_the_latest_known_is_shown(
    town: Town, topic: str, verb: str, fact: str, values: tuple[object, object]
) -> None:
    opening = {"petitions": "registered", "mediations": "filed"}[topic]
    days = ("2024-03-12 09:00", "2024-03-20 09:00")
    town.tell(
        event(topic, opening, "X", "2024-03-01 09:00"),
        *(event(topic, verb, "X", day, **{fact: value})
          for day, value in zip(days, values, strict=True)),
    )  # fmt: skip
    facts = [shown(town, topic, at)["X"][fact] for at in ("2024-03-15", "2024-03-31")]
    assert facts == list(values)


@differs(15, "a refusal before acceptance counts as a failure of mediation")
def test_success_is_of_the_cases_that_were_taken(town: Town) -> None:
    town.tell(
        event("mediations", "filed", "M", "2024-03-01 09:00"),
        event("mediations", "terminated", "M", "2024-03-02 09:00", why="not_fit"),
    )
    (row,) = town.ask(mediations.mediation_figures(), "2024-12-31T00:00", county="$__all")
    assert row["success"] is None


@differs(19, "three stars count as dissatisfied")
def test_three_stars_are_on_the_whole_satisfied(town: Town) -> None:
    tell(town, ("registered", "03-01"), ("replied", "04-01"), ("rated", "04-02",
         {"satisfaction": 3}))  # fmt: skip
    (row,) = town.ask(petitions.petition_ratings(), "2024-12-31T00:00", county="$__all")
    # 基本满意 stands between 满意 and 不满意, and counts with the former.
    assert row["satisfied_share"] == 1


@differs(21, "a request passed on counts as closed")
def test_a_request_passed_on_is_not_closed(town: Town) -> None:
    town.tell(told("visit.request_closed", "h", "2024-03-01 09:00", outcome="passed_on"))
    (row,) = town.ask(visits.hourly_visits("1 = 1"), "2024-03-01T12:00")
    assert row["closed_today"] == 0
