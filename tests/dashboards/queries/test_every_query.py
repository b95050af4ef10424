"""Every panel query has a test with a history: checked on the queries and on the boards."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dashboards import boards, queries
from dashboards.boards._default import of_family
from dashboards.queries import cases
from schemas.families import families
from tests.dashboards.queries.about import ASKED

MODULES = [
    importlib.import_module(f"dashboards.queries.{found.name}")
    for found in pkgutil.iter_modules(queries.__path__)
    if found.name not in ("pieces", "cases")
]
HERE = Path(__file__)

Query = Callable[..., Any]


def _queries(module: ModuleType) -> dict[str, Query]:
    return {
        name: found
        for name, found in inspect.getmembers(module, inspect.isfunction)
        if found.__module__ == module.__name__ and not name.startswith("_")
    }


def test_every_query_is_asked_by_a_test() -> None:
    for file in sorted(HERE.parent.glob("test_*.py")):
        if file != HERE:
            importlib.import_module(f"tests.dashboards.queries.{file.stem}")
    every = {found for module in MODULES for found in _queries(module).values()}
    assert len(every) > 60
    names = sorted(f"{each.__module__}.{each.__name__}" for each in every - ASKED)
    assert not names, "write a small history with @about for each of them"


def _sql_of(board: dict[str, Any]) -> Iterator[str]:
    for panel in board["panels"]:
        for target in panel.get("targets") or ():
            yield target["rawSql"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["rawSql"]


def test_the_boards_ask_these_queries_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    by_query: dict[str, set[str]] = {}

    def watched(query: Query) -> Query:
        def ask(*args: Any, **kwargs: Any) -> Any:
            made = query(*args, **kwargs)
            by_query[query.__name__] |= {made} if isinstance(made, str) else set(made)
            return made

        return ask

    for module in MODULES:
        for name, query in _queries(module).items():
            by_query[name] = set()
            monkeypatch.setattr(module, name, watched(query))
    for name in ("ageing", "clocks", "states"):  # for every family that has cases
        by_query[name] = set()
        monkeypatch.setattr(cases, name, watched(getattr(cases, name)))
    shown = [*boards.every(), *(of_family(found) for found in families())]
    on_boards = {sql for board in shown for sql in _sql_of(board)}
    assert len(on_boards) > 90
    assert sorted(on_boards - set().union(*by_query.values())) == [], "SQL of no named query"
    unused = [name for name, made in by_query.items() if not made & on_boards]
    assert unused == [], "a query that no board shows"


def test_no_span_of_days_is_left_to_the_servers_zone() -> None:
    spans = [
        call
        for board in boards.every()
        for sql in _sql_of(board)
        for call in sql.split("dateDiff(")[1:]
        if not call.startswith("'second'")
    ]
    assert len(spans) > 10
    # The zone is the fourth argument, followed only by the call's closing bracket.
    assert [call for call in spans if ", 'Asia/Shanghai')" not in call] == []
