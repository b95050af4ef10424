"""The points of a city's counties. The shipped outlines: `tests/dashboards/test_truth.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import Misconfigured
from schemas.reference.divisions import Divisions
from schemas.reference.outlines import Outlines, outlines

CITY = Divisions.load()


def beside(folder: Path, text: str) -> Path:
    """A divisions file with this text as its outlines."""
    (folder / "outlines_431200.geojson").write_text(text, encoding="utf-8")
    return folder / "divisions.csv"


def of(**properties: Any) -> str:
    return json.dumps({"features": [{"properties": properties}]})


def test_the_middle_lies_halfway_between_the_outermost_points() -> None:
    points = {"a": (109.0, 26.0), "b": (110.0, 29.0), "c": (113.0, 27.0)}
    assert Outlines(Path("unread"), points).middle == (111.0, 27.5)


def test_a_point_is_read_of_each_county_and_of_those_within_it(tmp_path: Path) -> None:
    text = of(code="431202", cp=[110, 27.5], within={"431271": [109.9, 27]})
    found = outlines(beside(tmp_path, text), CITY)
    assert found is not None
    assert found.points == {"431202": (110.0, 27.5), "431271": (109.9, 27.0)}


def test_a_city_without_outlines_has_none(tmp_path: Path) -> None:
    assert outlines(tmp_path / "divisions.csv", CITY) is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        "[]",
        '{"features": 3}',
        '{"features": [3]}',
        '{"features": [{}]}',
        of(code="431202"),
        of(cp=[110, 27]),
        of(code="431202", cp=3),
        of(code="431202", cp=[110]),
        of(code="431202", cp=["east", "north"]),
        of(code="431202", cp=[110, 27], within=[3]),
    ],
)
def test_outlines_that_cannot_be_read_are_refused_with_what_they_should_be(
    text: str, tmp_path: Path
) -> None:
    said = "The outlines 'outlines_431200.geojson' cannot be read"
    with pytest.raises(Misconfigured, match=said):
        outlines(beside(tmp_path, text), CITY)


def test_a_folder_in_the_place_of_outlines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outlines_431200.geojson").mkdir()
    with pytest.raises(Misconfigured, match="cannot be read"):
        outlines(tmp_path / "divisions.csv", CITY)


@pytest.mark.parametrize(
    ("text", "named"), [(of(code="430102", cp=[113, 28]), "430102"), ('{"features": []}', "no")]
)
def test_outlines_of_another_city_or_of_nothing_are_refused(
    text: str, named: str, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match=f"name .*{named}"):
        outlines(beside(tmp_path, text), CITY)
