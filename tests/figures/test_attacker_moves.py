"""An attacker who asks everything right before and right after each event, and joins what moved.

What moves with one event belongs to one case. So does what moved over any other span in which the
public totals of a county show one case alone. The same attack succeeds on the clerks' counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest

from schemas.families import families
from schemas.grain import ROLES, Role
from tests.figures.readers import Rows, code_of, everything
from tests.histories.told import Told, instant, told
from tests.town import Town

Snapshot = dict[str, Rows]
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


def learnt(span: Span) -> dict[str, Learnt]:
    """What the span tells of a single case, by county."""
    found: dict[str, Learnt] = defaultdict(Learnt)
    moved = list(moves(span))
    together: dict[tuple[str, ...], int] = defaultdict(int)
    for view, words, name, change in moved:
        if name in COUNTS:
            together[view, code_of(words)[:6], words.get("split", ""), name] += abs(change)
    for view, words, name, change in moved:
        place = code_of(words)
        if not place:
            continue
        one = found[place[:6]]
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
            one.places.add(place)
    return found


def _single(span: Span, words: Mapping[str, str], place: str) -> bool:
    """Whether one event alone stands behind a number: by the span, or by the public counts."""
    if span.event:
        return True
    topic = f"{words.get('type', '').partition('.')[0]}s"
    events: int = sum(
        row["net_count"]
        for row in span.after.get(f"{topic}_by_county_hour", ())
        if row["type"] == words["type"]
        and row["county"] == place
        and row["hour"][:7] == words.get("month", "")[:7]
    )
    return events == 1


def test_no_two_properties_of_a_case_move_together_before_a_viewer(
    spans: Mapping[Role, list[Span]],
) -> None:
    assert any(span.event for span in spans["viewer"])
    for span in spans["viewer"]:
        for county, known in learnt(span).items():
            if county != ALONE:
                assert len(known.properties) <= 1, (span.event, known)


def test_no_property_of_a_case_is_seen_beside_a_place_below_the_county(
    spans: Mapping[Role, list[Span]],
) -> None:
    for span in spans["viewer"]:
        for county, known in learnt(span).items():
            below = {place for place in known.places if len(place) > 6}
            if county != ALONE:
                assert not (below and known.properties), (span.event, known)
            if span.event:
                assert below == set(), (span.event, known)


def test_a_viewer_sees_of_an_event_its_type_and_its_county_at_once(
    spans: Mapping[Role, list[Span]],
) -> None:
    for span in spans["viewer"]:
        if span.event:
            known = learnt(span)[span.event["division"][:6]]
            assert known.properties == {"type": span.event["type"]}


def test_the_same_attack_tells_a_clerk_each_case_with_its_village(
    spans: Mapping[Role, list[Span]],
) -> None:
    for span in spans["clerk"]:
        if span.event:
            known = learnt(span)[span.event["division"][:6]]
            data = span.event["data"]
            said = ("kind", "channel", "level") if "petition" in data else ("dispute", "origin")
            for name in (*said, "people"):
                assert known.properties[name] == data[name], (span.event, known)
            assert span.event["division"] in known.places


def test_the_only_case_of_a_county_in_a_month_is_told_once_the_month_is_over(
    spans: Mapping[Role, list[Span]],
) -> None:
    # A count of one is exact as every other: nothing is blanked. This is what remains.
    known = [learnt(span).get(ALONE, Learnt()) for span in spans["viewer"]]
    whole = [each for each in known if len(each.properties) > 1]
    assert len(whole) >= 1
    names = {name for each in whole for name in each.properties}
    assert {"kind", "channel", "level"} <= names
