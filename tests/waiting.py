"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 300.0
"""A deadline, not an expectation: the machine may be busy with other tests."""
_POLL_S: Final = 0.02
T = TypeVar("T")


def until(condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """What `condition` gives, once that is true.

    Raises:
        AssertionError: with `what`, if it does not become true in time.
    """
    deadline = time.monotonic() + patience_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(_POLL_S)
    return found
