"""Stands in for `tests/log.py` of clickhouse-driver, which its sdist leaves out."""

from __future__ import annotations

import logging


def configure(level: str) -> None:
    """Sets the level of all loggers."""
    logging.basicConfig(level=level)
