"""An attacker who asks everything right before and right after each event, and joins what moved.

What moves with one event belongs to one case. So does what moved over any other span in which the
public totals of a county show one case alone. The same attack succeeds on the clerks' counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from schemas.families import families
from schemas.grain import ROLES, Role
from tests.figures.readers import Rows, code_of, everything
from tests.histories.told import Told, instant, told, topic_of
from tests.town import Town

Snapshot = dict[str, Rows]
Key = tuple[str, str, str]
"""Topic, county, and the event or the month of a case."""
NEAR, FAR, ALONE = "431202", "431221", "431230"
"""Two counties with several cases in each month, and one with a single case."""
PLACES: Final = {
    NEAR: ("431202001001", "431202002001"),
    FAR: ("431221100001", "431221102001"),
    ALONE: ("431230100001",),
}
VIEWS: Final = "petitions_|mediations_|all_|recent_events"
COUNTS: Final = ("begun_this_year", "ended_this_year", "net_count", "gross_count")
"""Columns that one case moves by one."""
NUMBERS: Final = {f.name for family in families() if family.fold for f in family.totals}
WORDS: Final = {f.name for family in families() if family.fold for f in family.facts if f.choices}


def history() -> list[Told]:
    """A month in which cases begin in two counties, two of a kind in each, and the days after it.

    Each event has an instant of its own.
    """
    found = [_petition("P-alone", "2021-03-05 08:00", ALONE, 0)]
    for n, county in enumerate((NEAR, FAR, NEAR, FAR)):
        day = f"2021-03-{n + 10}"
        found.append(_petition(f"P-{n}", f"{day} 09:{n}1:02.003", county, n))
        if county == NEAR:
            found.append(_mediation(f"M-{n}", f"{day} 10:{n}1:02.003", county, n))
    for n, (petition, mediation) in enumerate(
        (("closed", "agreement_reached"), ("withdrawn", "terminated"))
    ):
        day, of = f"2021-03-{n + 20}", 2 * n
        how: dict[str, Any] = {"place": PLACES[NEAR][n]}
        found += [
            told(f"petition.{petition}", f"P-{of}", f"{day} 11:01:02.003", kind=_KINDS[of], **how),
            told(f"mediation.{mediation}", f"M-{of}", f"{day} 12:01:02.003", **how),
        ]
    found.append(_petition("P-late", "2021-04-03 09:00", NEAR, 0))
    found.append(_mediation("M-late", "2021-04-04 09:00", NEAR, 0))
    return [*found, _petition("P-last", "2021-04-05 09:00", NEAR, 2)]


_KINDS: Final = ("suggestion", "appeal", "appeal", "suggestion")
_CHANNELS: Final = ("letter", "visit", "telephone", "network")
_LEVELS: Final = ("county", "city", "province", "county")
_DISPUTES: Final = ("neighbours", "labour", "medical", "traffic_accident")
_ORIGINS: Final = ("grid", "police", "petition", "party")


def _petition(case: str, time: str, county: str, n: int) -> Told:
    return told("petition.registered", case, time, place=PLACES[county][n // 2], kind=_KINDS[n],
                channel=_CHANNELS[n], level=_LEVELS[n], people=n + 2)  # fmt: skip


def _mediation(case: str, time: str, county: str, n: int) -> Told:
    return told("mediation.filed", case, time, place=PLACES[county][n // 2],
                dispute=_DISPUTES[n], origin=_ORIGINS[n], people=n + 2)  # fmt: skip


@dataclass
class Span:
    """Two readings, and the one event between them; None while nothing was filed."""

    event: Told | None
    before: Snapshot
    after: Snapshot


@dataclass
class Learnt:
    """What is known of one case: properties by name, and the places named beside them."""

    properties: dict[str, Any] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def spans(whole_town: Town) -> Iterator[Mapping[Role, list[Span]]]:
    whole_town.empty()
    found: dict[Role, list[Span]] = {role: [] for role in ROLES}
    last: dict[Role, Snapshot] = {}
    for event in sorted(history(), key=lambda told_: told_["time"]):
        at = instant(event["time"])
        just_before = str(at - timedelta(milliseconds=1))
        # Of a clerk a few cases are enough.
        roles = [role for role in ROLES if role == "viewer" or event["data"].get("people") == 2]
        for role in roles:
            reading = everything(whole_town, role, [just_before], VIEWS)
            if role in last:
                found[role].append(Span(None, last[role], reading))
            found[role].append(Span(event, reading, {}))
        whole_town.tell(event)
        for role in roles:
            last[role] = found[role][-1].after = everything(whole_town, role, [str(at)], VIEWS)
    yield found
    whole_town.empty()


def moves(span: Span) -> Iterator[tuple[str, dict[str, Any], str, int]]:
    """View, words, column and change of every count that moved; lists of cases are no counts."""
    for view, rows in span.after.items():
        if any("case" in row for row in rows):
            continue
        found: dict[tuple[Any, ...], int] = defaultdict(int)
        for sign, told_ in ((1, rows), (-1, span.before.get(view, []))):
            for row in told_:
                words = {n: v for n, v in row.items() if n != "at" and isinstance(v, str)}
                for name, value in row.items():
                    if isinstance(value, int) and name != "year":
                        found[(*words.items(), name)] += sign * value
        for (*named, name), change in found.items():
            if change:
                yield view, dict(named), name, change


def learnt(spans: Sequence[Span]) -> dict[Key, Learnt]:
    """What is told of single cases, by topic, county, and the event or the month of the case."""
    found: dict[Key, Learnt] = defaultdict(Learnt)
    for span in spans:
        moved = list(moves(span))
        together: dict[tuple[str, ...], int] = defaultdict(int)
        for view, words, name, change in moved:
            if name in COUNTS:
                together[view, code_of(words)[:6], words.get("split", ""), name] += abs(change)
        for view, words, name, change in moved:
            place = code_of(words)
            if not place:
                continue
            topic = view.partition("_")[0]
            if "type" in words:
                topic = f"{words['type'].partition('.')[0]}s"
            one = found[topic, place[:6], _of(span, view, words)]
            if together.get((view, place[:6], words.get("split", ""), name)) == 1:
                said = {n: v for n, v in words.items() if n in WORDS}
                if words.get("split") in WORDS and words["part"]:
                    said[words["split"]] = words["part"]
                if span.event and "type" in words:
                    said["type"] = words["type"]
                one.properties |= said
                one.places.add(place)
            number = next((n for n in NUMBERS if n in name.split("_")), "")
            if number and _single(span, words, place):
                one.properties[number] = change
    return found


def _of(span: Span, view: str, words: Mapping[str, str]) -> str:
    """The month that a figure of a month is of; else the event of the span, empty for none."""
    if "month" in words:
        return words["month"][:7]
    if view.endswith("_before"):
        first = datetime.fromisoformat(span.after[view][0]["at"]).replace(day=1)
        return f"{first - timedelta(days=1):%Y-%m}"
    return str(span.event["id"]) if span.event else ""


def _single(span: Span, words: Mapping[str, str], place: str) -> bool:
    """Whether one event alone stands behind a number: by the span, or by the public counts."""
    if "month" not in words:
        return span.event is not None
    topic = f"{words['type'].partition('.')[0]}s"
    events: int = sum(
        row["net_count"]
        for row in span.after[f"{topic}_by_county_hour"]
        if row["type"] == words["type"]
        and row["county"] == place
        and row["hour"][:7] == words["month"][:7]
    )
    return events == 1


def test_no_two_properties_of_a_case_are_told_to_a_viewer(spans: Mapping[Role, list[Span]]) -> None:
    known = learnt(spans["viewer"])
    assert any(each.properties for each in known.values())
    for (topic, county, of), each in known.items():
        if county != ALONE:
            assert len(each.properties) <= 1, (topic, county, of, each)


def test_no_property_of_a_case_is_told_beside_a_place_below_the_county(
    spans: Mapping[Role, list[Span]],
) -> None:
    for key, each in learnt(spans["viewer"]).items():
        below = {place for place in each.places if len(place) > 6}
        if key[1] != ALONE:
            assert not (below and each.properties), (key, each)


def test_a_viewer_is_told_of_an_event_its_type_and_its_county_at_once(
    spans: Mapping[Role, list[Span]],
) -> None:
    known = learnt(spans["viewer"])
    for event in (span.event for span in spans["viewer"] if span.event):
        county = event["division"][:6]
        each = known[topic_of(event), county, event["id"]]
        assert each == Learnt({"type": event["type"]}, {county})


def test_the_same_attack_tells_a_clerk_each_case_with_its_village(
    spans: Mapping[Role, list[Span]],
) -> None:
    known = learnt(spans["clerk"])
    events = [span.event for span in spans["clerk"] if span.event]
    assert {event["type"] for event in events} == {"petition.registered", "mediation.filed"}
    for event in events:
        each, data = known[topic_of(event), event["division"][:6], event["id"]], event["data"]
        said = ("kind", "channel", "level") if "petition" in data else ("dispute", "origin")
        for name in (*said, "people"):
            assert each.properties[name] == data[name], (event, each)
        assert event["division"] in each.places


def test_the_only_case_of_a_county_in_a_month_is_told_once_the_month_is_over(
    spans: Mapping[Role, list[Span]],
) -> None:
    # A count of one is exact as every other: nothing is blanked. This is what remains.
    each = learnt(spans["viewer"])["petitions", ALONE, "2021-03"]
    data = history()[0]["data"]
    for name in ("kind", "channel", "level", "people"):
        assert each.properties[name] == data[name]
