"""Positions of the shipped boards' panels, and of the counties on the wall's map."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from grafana_foundation_sdk.models import dashboard as sdk

from dashboards import boards, panels
from dashboards.boards._default import of_family
from dashboards.layout import _flowed
from dashboards.queries import wall
from schemas.families import families
from schemas.reference.divisions import SHIPPED

EVERY = boards.every()
COLUMNS = 24
WITH_DEFAULTS = [*EVERY, *(of_family(found) for found in families())]
"""The boards, and the default board of every family."""

Box = tuple[int, int, int, int]
"""Left, top, width and height."""

Ring = list[tuple[float, float]]


def boxes(board: dict[str, Any]) -> list[Box]:
    return [tuple(p["gridPos"][side] for side in "xywh") for p in board["panels"]]


def parts(found: list[Box], side: int) -> list[list[Box]]:
    """Panels between two lines that cross no panel: vertical for side 0, horizontal for side 1."""
    ends = sorted({box[side] + box[side + 2] for box in found} | {min(b[side] for b in found)})
    cuts = [at for at in ends if not any(b[side] < at < b[side] + b[side + 2] for b in found)]
    return [[b for b in found if low <= b[side] < high] for low, high in pairwise(cuts)]


@pytest.mark.parametrize("board", WITH_DEFAULTS, ids=lambda board: board["uid"])
def test_every_row_of_24_columns_is_full_without_gap_or_overlap(board: dict[str, Any]) -> None:
    found = boxes(board)
    cells = [
        (row, column)
        for x, y, w, h in found
        for row in range(y, y + h)
        for column in range(x, x + w)
    ]
    rows = max(y + h for _, y, _, h in found)
    # Each cell once: a missing one is a gap, an extra one an overlap or outside the board.
    assert sorted(cells) == [(row, column) for row in range(rows) for column in range(COLUMNS)]


@pytest.mark.parametrize("board", WITH_DEFAULTS, ids=lambda board: board["uid"])
def test_panels_of_one_row_are_equally_high(board: dict[str, Any]) -> None:
    for band in parts(boxes(board), 1):
        if len({h for *_, h in band}) == 1:
            continue
        # For a tall panel beside several rows, the rows of each stack are checked separately.
        stacks = parts(band, 0)
        assert len(stacks) > 1
        rows = [row for stack in stacks for row in parts(stack, 1)]
        assert [row for row in rows if len({(y, h) for _, y, _, h in row}) > 1] == []


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_key_figures_of_one_line_are_as_equally_wide_as_24_columns_allow(
    board: dict[str, Any],
) -> None:
    lines: dict[int, list[int]] = {}
    for panel in board["panels"]:
        if panel["type"] == "stat" and panel["title"].endswith(panels.STALE_MARK):
            lines.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"]["w"])
    assert lines
    assert {top: widths for top, widths in lines.items() if max(widths) > min(widths) + 1} == {}


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_panels_are_numbered_from_1_in_reading_order(board: dict[str, Any]) -> None:
    assert [p["id"] for p in board["panels"]] == list(range(1, len(board["panels"]) + 1))


def flowed(*sizes: tuple[int, int] | None) -> list[Box]:
    """Positions of panels of these sizes; None is a row heading."""
    placed = [
        (panels.row("r"), 0, 0) if size is None else (sdk.Panel(type_val="text"), *size)
        for size in sizes
    ]
    found = [one.grid_pos for one in _flowed(placed)]
    return [(at.x, at.y, at.w, at.h) for at in found if at is not None]


@pytest.mark.parametrize(
    ("sizes", "places"),
    [
        ([(12, 2), (12, 2), (24, 1)], [(0, 0, 12, 2), (12, 0, 12, 2), (0, 2, 24, 1)]),
        # The highest free place; of several at the same height, the leftmost.
        ([(8, 4), (8, 2), (8, 4), (8, 2)],
         [(0, 0, 8, 4), (8, 0, 8, 2), (16, 0, 8, 4), (8, 2, 8, 2)]),
        ([(13, 2), (12, 2)], [(0, 0, 13, 2), (0, 2, 12, 2)]),
        ([(12, 2), (11, 2), (1, 2)], [(0, 0, 12, 2), (12, 0, 11, 2), (23, 0, 1, 2)]),
        # A heading is below all earlier panels and above all later ones.
        ([(12, 2), (12, 5), None, (6, 1)],
         [(0, 0, 12, 2), (12, 0, 12, 5), (0, 5, 24, 1), (0, 6, 6, 1)]),
    ],
)  # fmt: skip
def test_panels_flow_as_text_does(sizes: list[tuple[int, int] | None], places: list[Box]) -> None:
    assert flowed(*sizes) == places


# ----------------------------------------------------------------------------------- the map


def rings(shape: dict[str, Any]) -> list[Ring]:
    parts = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
    return [[(x, y) for x, y, *_ in ring] for part in parts for ring in part]


def inside(point: tuple[float, float], outline: list[Ring]) -> bool:
    """Whether a line from the point to the east crosses the outline an odd number of times."""
    px, py = point
    crossings = 0
    for ring in outline:
        for (x1, y1), (x2, y2) in pairwise(ring):
            if (y1 > py) != (y2 > py) and px < x1 + (py - y1) * (x2 - x1) / (y2 - y1):
                crossings += 1
    return crossings % 2 == 1


def test_each_point_of_the_walls_map_lies_in_its_own_county_and_in_no_other() -> None:
    text = (SHIPPED.parent / "outlines_431200.geojson").read_text(encoding="utf-8")
    outlines = {
        each["properties"]["code"]: rings(each["geometry"]) for each in json.loads(text)["features"]
    }
    # The centres that came with the outlines, and the old town of 洪江管理区, which has none.
    middles = {
        each["properties"]["code"]: tuple(each["properties"]["cp"])
        for each in json.loads(text)["features"]
    } | {"431271": (109.996, 27.117)}
    for sql in wall.wall_counties():
        points = {
            code: (float(x), float(y))
            for code, x, y in re.findall(r"\('(\d{6})', (\d+\.\d+), (\d+\.\d+)\)", sql)
        }
        lies = {
            c: [o for o, ring in outlines.items() if inside(p, ring)] for c, p in points.items()
        }
        assert lies == {code: [code] for code in outlines} | {"431271": ["431281"]}
        assert len(points) == 13
        assert points == middles
