"""Marks the query functions that a test covers, so that an untested query is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

ASKED: Final[set[Callable[..., Any]]] = set()
"""Every query function named by a test in this folder; `test_every_query` reads it."""

CUT: Final[set[Callable[..., Any]]] = set()
"""Query functions that a test gives more rows than they show; `test_cuts` reads it."""

_Test = TypeVar("_Test", bound=Callable[..., Any])


def about(*queries: Callable[..., Any]) -> Callable[[_Test], _Test]:
    """Registers the query functions that the decorated test covers: `@about(petition_backlog)`."""

    def named(test: _Test) -> _Test:
        ASKED.update(queries)
        return test

    return named


def cuts(*queries: Callable[..., Any]) -> Callable[[_Test], _Test]:
    """Registers the query functions that the decorated test gives more rows than they show."""

    def named(test: _Test) -> _Test:
        CUT.update(queries)
        return test

    return named
