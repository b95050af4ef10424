"""Which query functions a test is about, so that a query without a test is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

ASKED: Final[set[Callable[..., Any]]] = set()
"""Every query function that a test of this folder names; `test_every_query` reads it."""

_Test = TypeVar("_Test", bound=Callable[..., Any])


def about(*queries: Callable[..., Any]) -> Callable[[_Test], _Test]:
    """Says which query functions the decorated test asks: `@about(cases.petition_backlog)`."""

    def named(test: _Test) -> _Test:
        ASKED.update(queries)
        return test

    return named
