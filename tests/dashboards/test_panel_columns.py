"""On the engine: every column that a panel names is a column of its query's result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from dashboards import boards
from tests.town import Town

EVERY = boards.every()
CHOSEN: Final = {
    "county": "431202",
    "township": "431202001",
    "village": "431202001001",
    "grid": "431202001001001001",
    "figure": "visits",
}
"""A value of every variable."""
NUMBER = re.compile(r"(Nullable\()?(U?Int|Float)\d+\)?$")


_DESCRIBED: dict[str, dict[str, str]] = {}
"""Columns by query; several panels have the same query."""


def described(town: Town, sql: str) -> dict[str, str]:
    """Name and type of each column of a query's result."""
    if sql not in _DESCRIBED:
        chosen: dict[str, Any] = dict(CHOSEN)
        found = town.ask(f"DESCRIBE TABLE ({sql})", "2021-06-15 14:30", **chosen)
        _DESCRIBED[sql] = {row["name"]: row["type"] for row in found}
    return _DESCRIBED[sql]


def columns(town: Town, panel: dict[str, Any]) -> dict[str, str]:
    """Columns of all queries of a panel."""
    found: dict[str, str] = {}
    for target in panel["targets"]:
        found |= described(town, target["rawSql"])
    return found


def named(panel: dict[str, Any]) -> Iterator[str]:
    """The columns that a panel shows, formats, hides, sorts by or puts into an address."""
    config, options = panel["fieldConfig"], panel["options"]
    field = options.get("reduceOptions", {}).get("fields", "")
    if field:
        yield field[2:-2]
    for each in config["overrides"]:
        yield each["matcher"]["options"]
    for step in panel.get("transformations") or ():
        yield from (by["field"] for by in step["options"].get("sort", ()))
    # A field's name in a link, or in a title.
    yield from re.findall(r"\$\{__data\.fields\.([^}]+)\}", str(panel))
    yield from re.findall(r"\$\{__field\.labels\.([^}]+)\}", str(panel))
    if panel["type"] == "geomap":
        yield from ("name", "code", "longitude", "latitude", "value")


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_every_column_a_panel_names_is_in_its_answer(town: Town, board: dict[str, Any]) -> None:
    asked = [panel for panel in board["panels"] if panel.get("targets")]
    assert asked
    for panel in asked:
        found = columns(town, panel)
        assert set(named(panel)) <= found.keys(), panel["title"]


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_a_picture_finds_the_columns_it_is_drawn_of(town: Town, board: dict[str, Any]) -> None:
    for panel in board["panels"]:
        if not panel.get("targets") or panel["type"] == "table":
            continue
        found = columns(town, panel)
        numbers = [name for name, type_ in found.items() if NUMBER.match(type_)]
        title, kind = panel["title"], panel["type"]
        if kind == "timeseries":
            first, type_ = next(iter(found.items()))
            assert (first, type_.startswith("DateTime")) == ("time", True), title
            assert numbers, title
        elif kind in ("barchart", "piechart"):
            # The first text names a bar or a slice; the first visible number is its length.
            assert next(iter(found)) == "name", title
            hidden = {
                each["matcher"]["options"]
                for each in panel["fieldConfig"]["overrides"]
                if {"id": "custom.hidden", "value": True} in each["properties"]
            }
            shown = [name for name in numbers if name not in hidden]
            assert shown == [{"各县市区：${figure:text}": "own"}.get(title, "value")]
        elif kind in ("stat", "gauge") and title != "数据状态":
            assert panel["options"]["reduceOptions"]["fields"][2:-2] in numbers, title


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_a_variables_options_are_values_with_their_names(town: Town, board: dict[str, Any]) -> None:
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            found = list(described(town, variable["query"]["rawSql"]))
            assert found == {
                "grid": ["grid", "name"], "fresh": ["mark"],
            }.get(variable["name"], ["code", "name"])  # fmt: skip
