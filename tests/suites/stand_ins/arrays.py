"""Stands in for `tests/numpy/util.py` of clickhouse-driver, which its sdist leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def check_numpy(test: Callable[..., Any]) -> Callable[..., Any]:
    """numpy is installed here."""
    return test
