"""Both sides of every rule between the fields of an event, and about its version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.wire import Decoder, Reason, Rejected
from tests.histories.told import ms, told

Change = dict[str, Any]
UNKNOWN = "dataschema names no type and version of this topic"


def visit(**head: Any) -> Change:
    return told("visit.recorded", "1", "2021-03-01 09:00", recorded="2021-03-01 10:00") | head


def judged(decoders: dict[str, Decoder], event: Change, topic: str = "visits") -> Any:
    """The decoded event; asserts that a single message and a batch give the same."""
    payload = json.dumps(event, ensure_ascii=False).encode()
    decoder = decoders[topic]
    found, times, recordings = decoder.timed([payload])
    alone = decoder.one(payload)
    assert alone == (found[0], times[0], recordings[0])
    assert decoder([payload]) == found
    return found[0]


@pytest.mark.parametrize(
    ("time", "recorded", "says"),
    [
        # An event is recorded when it happens, or later.
        ("2021-03-01T10:00:00+08:00", "2021-03-01T10:00:00+08:00", ""),
        ("2021-03-01T10:00:00.001+08:00", "2021-03-01T10:00:00+08:00", "recorded before"),
        ("2021-03-01T10:00:00+08:00", "2021-03-01T02:00:00Z", ""),
        ("2021-03-01T10:00:00+08:00", "2021-03-01T01:59:59.999Z", "recorded before"),
        # Its year in the office's own offset is 1971 or later.
        ("1971-01-01T00:00:00+08:00", "2021-03-01T10:00:00+08:00", ""),
        ("1971-01-01T00:00:00+14:00", "2021-03-01T10:00:00+08:00", ""),
        ("1970-12-31T23:59:59.999+08:00", "2021-03-01T10:00:00+08:00", "lies before 1971"),
        ("1970-12-31T23:59:59.999-23:59", "2021-03-01T10:00:00+08:00", "lies before 1971"),
        ("1970-01-01T00:00:00Z", "2021-03-01T10:00:00+08:00", "lies before 1971"),
        ("1969-12-31T00:00:00Z", "2021-03-01T10:00:00+08:00", "lies before 1971"),
    ],
)
def test_an_event_happens_after_1970_and_not_after_it_was_recorded(
    time: str, recorded: str, says: str, decoders: dict[str, Decoder]
) -> None:
    found = judged(decoders, visit(time=time, recorded=recorded))
    if says:
        assert isinstance(found, Rejected)
        assert found.reason == "contradiction"
        assert says in found.message
    else:
        assert isinstance(found, dict)


@pytest.mark.parametrize(
    ("division", "grid", "outcome"),
    [
        ("431202001001", "431202001001001", "ok"),
        ("431202001001", "431202001002001", "contradiction"),
        ("431202001", "431202001001001", "contradiction"),  # a township has no micro-grid
        ("431202", "431202001001001", "contradiction"),
        ("431202001", None, "ok"),
        ("431202", None, "ok"),
        ("431200", None, "ok"),  # the city itself: place unknown
        ("431202001999", None, "division"),
        ("431202001999", "431202001999001", "division"),
        (431202001001, None, "division"),
    ],
)
def test_a_micro_grid_lies_in_a_village_that_exists(
    division: Any, grid: str | None, outcome: str, decoders: dict[str, Decoder]
) -> None:
    found = judged(decoders, visit(division=division) | ({"grid": grid} if grid else {}))
    assert (found.reason if isinstance(found, Rejected) else "ok") == outcome


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("1", "field"),  # the box of hours is missing
        ("2", ""),
        ("3", "newer_version"),
        ("9999", "newer_version"),
        ("10000", "unknown_type"),
        ("0", "unknown_type"),
        ("03", "unknown_type"),
        ("+3", "unknown_type"),
        ("3 ", "unknown_type"),
        ("1_0", "unknown_type"),
        ("", "unknown_type"),
        ("٣", "unknown_type"),
    ],
)
def test_a_version_is_a_number_of_up_to_four_digits(
    version: str, reason: str, decoders: dict[str, Decoder]
) -> None:
    found = judged(decoders, visit(dataschema=f"urn:gulou:visit.recorded:{version}"))
    assert (found.reason if isinstance(found, Rejected) else "") == reason


@pytest.mark.parametrize(
    ("changes", "reason", "message"),
    [
        ({"dataschema": None}, "unknown_type", UNKNOWN),
        ({"dataschema": "urn:gulou:visit.voided:1"}, "unknown_type", UNKNOWN),
        ({"dataschema": "urn:other:visit.recorded:3"}, "unknown_type", UNKNOWN),
        ({"type": "fund.pledged"}, "unknown_type", "type 'fund.pledged' is not of this topic"),
        ({"type": "visit.张三"}, "unknown_type", "type (not repeated here) is not of this topic"),
        ({"type": 7}, "unknown_type", "type (not repeated here) is not of this topic"),
        ({"division": "431299"}, "division", "division '431299' does not exist"),
        (
            {"division": "431202199001011234"},
            "division",
            "division (not repeated here) does not exist",
        ),
        ({"13812345678": 1}, "field", "(no field name): Extra inputs are not permitted"),
        ({"nickname": 1}, "field", "nickname: Extra inputs are not permitted"),
        ({"data": 7}, "field", "data: Input should be an object"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_is_wrong_and_repeats_nothing_that_may_be_personal(
    changes: Change, reason: str, message: str, decoders: dict[str, Decoder]
) -> None:
    assert judged(decoders, visit(**changes)) == Rejected(reason, message)  # type: ignore[arg-type]


def test_a_version_newer_than_the_program_is_parked_whatever_its_content(
    decoders: dict[str, Decoder],
) -> None:
    found = judged(decoders, visit(dataschema="urn:gulou:visit.recorded:3", data={"mood": "good"}))
    assert found == Rejected(
        Reason.NEWER_VERSION,
        "visit.recorded version 3 is newer than 2, the newest this program knows; upgrade it, "
        "then resubmit",
    )
    assert found.status == "parked"
    assert Rejected(Reason.FIELD, "").status == "dead"
    bare = visit(dataschema="urn:gulou:visit.recorded:3", data=[])
    assert judged(decoders, bare) == Rejected(Reason.FIELD, "data: an object is required")


def test_a_key_that_stands_twice_is_refused_in_a_newer_and_an_older_version(
    decoders: dict[str, Decoder],
) -> None:
    for version in (1, 2, 3):
        text = json.dumps(visit(dataschema=f"urn:gulou:visit.recorded:{version}"))
        payload = text[:-2] + ', "met": 3}}'
        (found,) = decoders["visits"]([payload.encode()])
        assert found == Rejected(Reason.DUPLICATE_KEY, "key met stands twice")


def test_instants_are_rounded_to_the_nearest_millisecond(decoders: dict[str, Decoder]) -> None:
    nine = ms("2021-03-01 09:00")
    for text, more in (
        ("2021-03-01T09:00:00.0004+08:00", 0),
        ("2021-03-01T09:00:00.0006+08:00", 1),
        ("2021-03-01T01:00:00.999499Z", 999),
        ("2021-03-01T01:00:00.999501Z", 1000),
    ):
        payload = json.dumps(visit(time=text, recorded=text)).encode()
        found, times, recordings = decoders["visits"].timed([payload])
        assert isinstance(found[0], dict)
        assert times == recordings == [nine + more]
        assert decoders["visits"].one(payload) == (found[0], nine + more, nine + more)


@pytest.mark.parametrize("route", ["31.1", "31.2", "31.3", "31.4", "31.5", "31.6", "none"])
@pytest.mark.parametrize("kind", ["suggestion", "accusation", "appeal"])
@pytest.mark.parametrize("type_", ["petition.accepted", "petition.extended"])
def test_what_is_no_appeal_takes_no_route_of_article_31(
    type_: str, kind: str, route: str, decoders: dict[str, Decoder]
) -> None:
    event = told(type_, "P-1", "2021-03-01 09:00", kind=kind, route=route)
    found = judged(decoders, event, "petitions")
    if kind == "appeal" or route == "none":
        assert isinstance(found, dict)
    else:
        said = f"data: route {route} of a petition that is no appeal"
        assert found == Rejected(Reason.CONTRADICTION, said)
