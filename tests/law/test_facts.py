"""Facts of a case: which event sets them, from when on; and the place that a case shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.histories.told import VILLAGE
from tests.law.judged import after, cases, event, tell_apart
from tests.law.tables import FACTS, NEVER_PUBLISHED, OPENING, STATELESS, STATES

if TYPE_CHECKING:
    from tests.histories.told import Told
    from tests.town import Town

TOPICS = tuple(FACTS)
OPENED, SAID, AGAIN = (f"2021-03-{day} 09:00:00.000" for day in ("01", "02", "03"))


def verbs_of(topic: str) -> list[str]:
    """Every event type of a family."""
    return [*STATES[topic], *STATELESS[topic]]


def told(topic: str, case: str, verb: str, **data: Any) -> list[Told]:
    """A case opened on 1 March, and an event on the 2nd."""
    kind = {"kind": data["kind"]} if "kind" in data else {}
    opening = event(topic, OPENING[topic], case, OPENED, **kind)
    first = [] if verb == OPENING[topic] else [opening]
    return [*first, event(topic, verb, case, SAID, **data)]


def fitting(verb: str, data: dict[str, Any]) -> dict[str, Any]:
    """The content with the route that its kind requires: only an appeal has one."""
    if data.get("kind", "appeal") != "appeal" and verb in FACTS["petitions"]["route"].says:
        return data | {"route": "none"}
    return data | ({"kind": "suggestion"} if data.get("route") == "none" else {})


@pytest.mark.parametrize("topic", TOPICS)
def test_every_fact_is_known_from_the_instant_it_is_said(town: Town, topic: str) -> None:
    histories, before, expected = [], {}, {}
    for name, fact in FACTS[topic].items():
        for verb in fact.says:
            for n, value in enumerate(fact.values):
                case, data = f"{name}.{verb}.{n}", fitting(verb, {name: value})
                histories.append(told(topic, case, verb, **data))
                if verb != OPENING[topic]:
                    before[case] = value if name == "kind" else fact.unsaid
                expected[case] = fact.unsaid if value is None else value
    tell_apart(town, histories)
    for at, known in ((after(SAID, -1), before), (SAID, expected), ("2031-01-01", expected)):
        found = cases(town, topic, at)
        assert {case: row[case.partition(".")[0]] for case, row in found.items()} == known, at


@pytest.mark.parametrize("topic", TOPICS)
def test_what_nobody_said_is_empty(town: Town, topic: str) -> None:
    town.tell(event(topic, OPENING[topic], "X", OPENED))
    (row,) = cases(town, topic, "2031-01-01").values()
    later = {n: f.unsaid for n, f in FACTS[topic].items() if OPENING[topic] not in f.says}
    assert later
    assert {name: row[name] for name in later} == later


def test_a_kind_set_right_by_any_later_event_is_the_kind(town: Town) -> None:
    later = FACTS["petitions"]["kind"].says[1:]
    tell_apart(
        town,
        (
            [
                event("petitions", "registered", f"{verb}.{n}", OPENED, kind=first),
                event("petitions", verb, f"{verb}.{n}", SAID, **fitting(verb, {"kind": second})),
            ]
            for verb in later
            for n, (first, second) in enumerate(
                (("appeal", "suggestion"), ("accusation", "suggestion"), ("accusation", "appeal"))
            )
        ),
    )
    found = cases(town, "petitions", SAID)
    assert {case: row["kind"] for case, row in found.items()} == {
        f"{verb}.{n}": kind
        for verb in later
        for n, kind in enumerate(("suggestion", "suggestion", "appeal"))
    }


@pytest.mark.parametrize(
    ("topic", "verb"), [("petitions", "hearing_held"), ("mediations", "session_held")]
)
def test_people_at_a_meeting_are_not_the_people_of_the_case(
    town: Town, topic: str, verb: str
) -> None:
    town.tell(
        event(topic, OPENING[topic], "X", OPENED, people=3),
        event(topic, verb, "X", SAID, people=900),
    )
    (row,) = cases(town, topic, SAID).values()
    assert row["people"] == 3


@pytest.mark.parametrize("topic", TOPICS)
def test_every_event_has_the_instant_it_first_happened(town: Town, topic: str) -> None:
    others = [verb for verb in verbs_of(topic) if verb != OPENING[topic]]
    tell_apart(
        town,
        ([*told(topic, verb, verb), event(topic, verb, verb, AGAIN)] for verb in others),
    )

    def instants(at: str) -> dict[str, dict[str, Any]]:
        return {
            case: {verb: row[f"{verb}_at"] for verb in verbs_of(topic) if row[f"{verb}_at"]}
            for case, row in cases(town, topic, at).items()
        }

    opened = {OPENING[topic]: OPENED}
    assert instants(after(SAID, -1)) == dict.fromkeys(others, opened)
    for at in (SAID, AGAIN, "2031-01-01"):
        assert instants(at) == {verb: opened | {verb: SAID} for verb in others}


def test_the_whole_row_of_a_petition(town: Town) -> None:
    order = verbs_of("petitions")
    days = {verb: f"2021-03-{n:02} 09:00:00.000" for n, verb in enumerate(order, 1)}
    route = {"route": "31.2"}
    town.tell(
        *(
            event("petitions", verb, "P-1", day, **(route if verb in ("accepted",) else {}))
            for verb, day in days.items()
            if verb not in ("extended", "merged", "withdrawn", "not_accepted")
        )
    )
    (row,) = cases(town, "petitions", "2031-01-01 00:00").values()
    gone = dict.fromkeys(("extended_at", "merged_at", "withdrawn_at", "not_accepted_at"))
    # Registered on 1 March, transferred on the 2nd: + 15 = 16 and 17 March. Review requested on
    # the 5th: 4 April, 清明 3 to 5 -> 6 April; recheck requested on the 7th: 6 April.
    assert row == {
        "case": "P-1", "county": "431202", "township": "431202001",
        "state": "closed", "open": 0, "ended_at": days["closed"],
        "kind": "appeal", "channel": "network", "level": "county", "people": 1,
        "repeated": False, "category": "", "route": "31.2", "reason": "", "result": "supported",
        "satisfaction": 4,
        **{f"{verb}_at": day for verb, day in days.items()}, **gone,
        "due_transfer": "2021-03-17 00:00:00.000", "overdue_transfer": 0, "on_time_transfer": 1,
        "due_notice": "2021-03-18 00:00:00.000", "overdue_notice": 0, "on_time_notice": 1,
        "due_close": None, "overdue_close": 0, "on_time_close": None,
        "due_review": "2021-04-07 00:00:00.000", "overdue_review": 0, "on_time_review": 1,
        "due_recheck": "2021-04-07 00:00:00.000", "overdue_recheck": 0, "on_time_recheck": 1,
    }  # fmt: skip
    assert not NEVER_PUBLISHED["petitions"] & set(row)


def test_the_whole_row_of_a_mediation(town: Town) -> None:
    order = verbs_of("mediations")
    days = {verb: f"2021-03-{n:02} 09:00:00.000" for n, verb in enumerate(order, 1)}
    court = {"accepted": {"mode": "court_summary"}}
    town.tell(
        *(event("mediations", verb, "M-1", day, **court.get(verb, {}))
          for verb, day in days.items())
    )  # fmt: skip
    (row,) = cases(town, "mediations", "2031-01-01 00:00").values()
    # Accepted on 2 March + 7: Tuesday 9 March. Agreed on the 4th, terminated afterwards.
    assert row == {
        "case": "M-1", "county": "431202", "township": "431202001",
        "state": "referred", "open": 0, "ended_at": days["agreement_reached"],
        "dispute": "neighbours", "origin": "grid", "scale": "individual", "people": 2,
        "mode": "court_summary", "mediator": "five_elders", "form": "written", "amount": 120_000,
        "averted_crime": False, "averted_group": False, "why": "not_agreed", "ruling": "confirmed",
        "to": "lawsuit",
        **{f"{verb}_at": day for verb, day in days.items()},
        "due_mediate": "2021-03-10 00:00:00.000", "overdue_mediate": 0, "on_time_mediate": 1,
    }  # fmt: skip


def test_the_whole_rows_of_deadlines_and_of_pending_cases(town: Town) -> None:
    town.tell(
        event("petitions", "registered", "P-1", OPENED),
        event("mediations", "filed", "M-1", OPENED),
        event("mediations", "accepted", "M-1", OPENED, mode="court_summary"),
    )
    place = {"county": "431202", "township": "431202001"}
    # 1 March + 15: Tuesday 16 March; + 7: Monday 8 March.
    assert town.published("petitions_deadlines", "2021-03-17") == [
        {
            "case": "P-1", **place, "open": 1, "kind": "appeal", "channel": "network",
            "level": "county", "clock": "transfer", "due": "2021-03-17 00:00:00.000", "overdue": 1,
            "on_time": 0,
        }
    ]  # fmt: skip
    assert town.published("mediations_deadlines", "2021-03-08") == [
        {
            "case": "M-1", **place, "open": 1, "dispute": "neighbours", "origin": "grid",
            "scale": "individual", "clock": "mediate", "due": "2021-03-09 00:00:00.000",
            "overdue": 0, "on_time": None,
        }
    ]  # fmt: skip
    counted = {"begun_today": 0, "begun_this_year": 1, "open_cases": 1, "ended_this_year": 0}
    ended = {
        "petitions": ("closed", "withdrawn", "merged", "not_accepted"),
        "mediations": ("agreement_reached", "terminated"),
    }
    sums = {
        "petitions": {"people_this_year": 1, "satisfaction_this_year": 0},
        "mediations": {"people_this_year": 2, "amount_this_year": 0},
    }
    for topic in TOPICS:
        none = {f"{verb}_this_year": 0 for verb in ended[topic]}
        row = place | counted | none | sums[topic] | {"overdue_cases": 1}
        assert town.published(f"{topic}_pending", "2021-03-17") == [row]
        (duty,) = town.published(f"{topic}_duties", "2021-03-17")
        due = {"petitions": "2021-03-17", "mediations": "2021-03-09"}[topic]
        clock = {"petitions": "transfer", "mediations": "mediate"}[topic]
        judged = {"met": 0, "late": 0, "past": 1, "running": 0}
        assert duty == place | {"clock": clock, **judged, "oldest_due": f"{due} 00:00:00.000"}


def test_an_accusation_is_never_shown_below_its_county(town: Town) -> None:
    verbs = verbs_of("petitions")

    def history(verb: str, case: str, kind: str) -> list[Told]:
        first = [] if verb == "registered" else [event("petitions", "registered", case, OPENED)]
        return [*first, event("petitions", verb, case, SAID, **fitting(verb, {"kind": kind}))]

    tell_apart(
        town,
        (
            history(verb, f"{verb}.{kind}", kind)
            for verb in verbs
            for kind in ("accusation", "suggestion")
        ),
    )
    # Not even before any event calls it an accusation; `cases` compares the other views.
    for at, begun in ((OPENED, verbs[1:]), (SAID, verbs)):
        found = cases(town, "petitions", at)
        assert {case: (row["county"], row["township"]) for case, row in found.items()} == {
            f"{verb}.{kind}": ("431202", "" if kind == "accusation" else "431202001")
            for verb in begun
            for kind in ("accusation", "suggestion")
        }, at
    steps = {(row["case"].partition(".")[2], row["township"])
             for row in town.published("petitions_steps")}  # fmt: skip
    assert steps == {("accusation", ""), ("suggestion", "431202001")}


def test_an_accusation_is_counted_at_its_county_alone(town: Town) -> None:
    accusation, appeal = {"kind": "accusation"}, {"kind": "appeal"}
    town.tell(
        event("petitions", "registered", "P-1", OPENED, **accusation),
        event("petitions", "replied", "P-1", SAID, place=VILLAGE, **accusation),
        # It becomes an accusation later: the earlier counts keep their place.
        event("petitions", "registered", "P-2", OPENED, **appeal),
        event("petitions", "replied", "P-2", SAID, place=VILLAGE, **accusation),
    )
    rows = town.published("petitions_by_township_day")
    assert {(row["type"], row["township"]): row["net_count"] for row in rows} == {
        ("petition.registered", ""): 1,
        ("petition.registered", "431202001"): 1,
        ("petition.replied", ""): 2,
    }
    assert {row["type"] for row in town.published("petitions_by_village_year")} == {
        "petition.registered"
    }


@pytest.mark.parametrize("topic", TOPICS)
def test_a_case_is_where_it_was_opened_as_far_as_that_is_known(town: Town, topic: str) -> None:
    places = {
        VILLAGE: ("431202", "431202001"),
        "431202001": ("431202", "431202001"),
        "431202": ("431202", ""),
        "431200": ("431200", ""),
        "431281": ("431281", ""),
    }
    # Later events have the greatest code there is, or a micro-grid: they do not move the case.
    more = [verb for verb in verbs_of(topic) if verb != OPENING[topic]]
    tell_apart(
        town,
        (
            [
                event(topic, OPENING[topic], code, OPENED, place=code),
                *(event(topic, verb, code, SAID, place="431281") for verb in more),
            ]
            for code in places
        ),
    )
    for at in (OPENED, SAID):
        found = cases(town, topic, at)
        assert {case: (row["county"], row["township"]) for case, row in found.items()} == places


@pytest.mark.parametrize("topic", TOPICS)
def test_pending_cases_are_counted_by_day_year_and_place(town: Town, topic: str) -> None:
    opening = OPENING[topic]
    begun = {
        "a": "2021-12-31 23:59:59.999", "b": "2022-01-01 00:00", "c": "2022-03-04 23:59:59.999",
        "d": "2022-03-05 00:00", "e": "2022-03-05 12:00", "f": "2022-03-05 23:59:59.999",
    }  # fmt: skip
    tell_apart(
        town, ([event(topic, opening, case, time, place="431202")] for case, time in begun.items())
    )

    def counted(at: str) -> list[tuple[int, ...]]:
        names = ("begun_today", "begun_this_year", "open_cases")
        return [tuple(r[n] for n in names) for r in town.published(f"{topic}_pending", at)]

    assert counted("2021-12-31 23:59:59.998") == []
    assert counted("2021-12-31 23:59:59.999") == [(1, 1, 1)]
    assert counted("2022-01-01 00:00:00.000") == [(1, 1, 2)]
    assert counted("2022-03-04 23:59:59.999") == [(1, 2, 3)]
    assert counted("2022-03-05 00:00:00.000") == [(1, 3, 4)]
    assert counted("2022-03-05 12:00:00.000") == [(2, 4, 5)]
    assert counted("2022-03-05 23:59:59.999") == [(3, 5, 6)]
    assert counted("2022-03-06 00:00:00.000") == [(0, 5, 6)]


@pytest.mark.parametrize("topic", TOPICS)
def test_what_does_not_count_makes_no_case_and_changes_none(town: Town, topic: str) -> None:
    opening = OPENING[topic]
    ending = {"petitions": "closed", "mediations": "terminated"}[topic]
    town.tell(
        event(topic, opening, "X", OPENED, people=1, id="same"),
        event(topic, opening, "X", "2021-02-01 09:00", people=7, id="same"),
        event(topic, ending, "X", SAID, id="same"),
    )
    assert town.statuses(topic) == ["ok", "conflict", "conflict"]
    found = cases(town, topic, "2031-01-01")
    assert {case: (row["people"], row["open"], row[f"{opening}_at"])
            for case, row in found.items()} == {"X": (1, 1, OPENED)}  # fmt: skip
