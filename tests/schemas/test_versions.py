"""Committed bytes of every version of every type: once accepted, always accepted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from schemas.event import Event
from schemas.families import families
from schemas.wire import Decoder, Reason, Rejected

if TYPE_CHECKING:
    from tests.schemas.conftest import Decode, MakeMessage

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
EVERY_VERSION = [
    pytest.param(family.topic, cls, version, id=f"{cls.spec.name}.{version}")
    for family in families()
    for cls in family.events
    for version in range(1, cls.spec.version + 1)
]


@pytest.mark.parametrize(("topic", "cls", "version"), EVERY_VERSION)
def test_every_version_of_every_type_has_a_sample_that_is_still_accepted(
    topic: str, cls: type[Event], version: int, decoders: dict[str, Decoder]
) -> None:
    path = SAMPLES / f"{cls.spec.name}.{version}.json"
    assert path.exists(), f"run make catalog, which writes {path.name}, and commit it"
    payload = path.read_bytes()
    assert json.loads(payload)["dataschema"] == f"urn:gulou:{cls.spec.name}:{version}"
    (event,) = decoders[topic]([payload])
    assert isinstance(event, dict), event
    assert event["dataschema"] == cls.spec.urn


@pytest.mark.parametrize(("topic", "cls", "version"), EVERY_VERSION)
def test_the_sample_of_the_newest_version_is_what_its_class_writes(
    topic: str, cls: type[Event], version: int, message: MakeMessage
) -> None:
    # A change of the class without a new version shows here; samples never change.
    if version == cls.spec.version:
        sample = (SAMPLES / f"{cls.spec.name}.{version}.json").read_bytes()
        assert sample.rstrip(b"\n") == message(cls)


def test_no_sample_is_of_a_type_or_version_that_no_longer_exists() -> None:
    known = {str(param.id) for param in EVERY_VERSION}
    assert {path.stem for path in SAMPLES.glob("*.json")} == known


def test_version_1_of_a_visit_told_hours_and_version_2_tells_minutes(decode: Decode) -> None:
    event = decode((SAMPLES / "visit.recorded.1.json").read_bytes())
    noon = datetime(2020, 11, 2, 9, 30, tzinfo=UTC)
    assert event == {
        "specversion": "1.0",
        "id": "v-2020-1",
        "source": "//huaihua/grid",
        "type": "visit.recorded",
        "dataschema": "urn:gulou:visit.recorded:2",
        "time": noon,
        "recorded": noon,
        "division": "431202001001",
        "grid": "431202001001001",
        "data": {
            "household": "k1.0123456789abcdef0123456789abcdef",
            "role": "grid_member",
            "purpose": "care",
            "lasted": 120,  # 2 hours x 60 minutes
            "met": 2,
        },
    }


@pytest.mark.parametrize(
    ("hours", "says"),
    [
        ('"2"', "data: not the shape of version 1"),
        ("true", "data: not the shape of version 1"),
        ("1.5", "data: not the shape of version 1"),
        ("25", "data.lasted: Input should be less than or equal to 1440"),
        ("-1", "data.lasted: Input should be greater than or equal to 0"),
        ("9" * 4_300, "data: not the shape of version 1"),
    ],
)
def test_what_cannot_be_brought_up_to_date_is_refused(
    hours: str, says: str, decode: Decode
) -> None:
    old = (SAMPLES / "visit.recorded.1.json").read_text()
    found = decode(old.replace('"lasted_hours":2', f'"lasted_hours":{hours}').encode())
    assert isinstance(found, Rejected)
    assert found.message == says


def test_an_older_version_must_be_whole_and_may_not_mix_with_the_newer(decode: Decode) -> None:
    old = json.loads((SAMPLES / "visit.recorded.1.json").read_text())

    def outcome(data: dict[str, Any]) -> object:
        return decode(json.dumps(old | {"data": data}).encode())

    without = {k: v for k, v in old["data"].items() if k != "lasted_hours"}
    assert outcome(without) == Rejected(Reason.FIELD, "data: version 1 needs lasted_hours")
    found = outcome(old["data"] | {"extra": 1})
    assert found == Rejected(Reason.FIELD, "data.extra: Extra inputs are not permitted")
    assert decode(json.dumps(old | {"data": []}).encode()) == Rejected(
        Reason.FIELD, "data: an object is required"
    )
