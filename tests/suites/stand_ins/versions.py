"""Stands in for `tests/util.py` of clickhouse-driver, which its sdist leaves out."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from io import StringIO
from typing import Any
from unittest import TestCase
from unittest.mock import patch


def skip_by_server_version(case: TestCase, required: tuple[int, ...]) -> None:
    """Skips a test that needs a newer server."""
    case.skipTest(f"needs ClickHouse {'.'.join(map(str, required))}")


def require_server_version(*required: int) -> Callable[..., Any]:
    """Skips the decorated test on an older server."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(test)
        def checked(case: Any, *arguments: Any) -> Any:
            if required > case.server_version:
                skip_by_server_version(case, required)
            return test(case, *arguments)

        return checked

    return decorate


@contextmanager
def capture_logging(name: str, level: str) -> Iterator[StringIO]:
    """What a logger writes."""
    logger, written = logging.getLogger(name), StringIO()
    handler, before = logging.StreamHandler(written), logger.level
    logger.setLevel(level)
    logger.addHandler(handler)
    try:
        yield written
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def patch_env_tz(zone: str) -> Iterator[None]:
    """The process in another time zone."""
    with patch.dict(os.environ, {"TZ": zone}):
        time.tzset()
        yield
    time.tzset()
