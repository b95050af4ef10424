"""The points of a city's counties. The shipped outlines: `tests/dashboards/test_truth.py`."""

from __future__ import annotations

from pathlib import Path

from schemas.reference.outlines import Outlines


def test_the_middle_lies_halfway_between_the_outermost_points() -> None:
    points = {"a": (109.0, 26.0), "b": (110.0, 29.0), "c": (113.0, 27.0)}
    assert Outlines(Path("unread"), points).middle == (111.0, 27.5)
