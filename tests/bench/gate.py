"""What the check of a board's statement costs when it comes for the first time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from dashboards.boards import every
from dashboards.publish import filled
from dashboards.server.macros import Scope, expand
from infra.warehouse import gate, write_users
from infra.warehouse.access import User, Users
from infra.warehouse.engine import Engine, Session
from tests.bench.ground import say

_TIMES: Final = 20
_DAY_MS: Final = 86_400_000
_RELATION: Final = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")
_DATABASE: Final = "bench"


def measure(home: Path) -> list[float]:
    """Milliseconds of each panel's query, each the median of several new texts of it.

    The engine of this process has relations of the names alone: the check asks for no columns.
    """
    statements = list(_statements())
    engine = Engine(home / "engine", timezone="Asia/Shanghai")
    names = {name for sql in statements for name in _RELATION.findall(sql)}
    with closing(Session(engine, "bench")) as session:
        session.run(f"CREATE DATABASE {_DATABASE}", "Null")
        for name in sorted(names):
            session.run(f"CREATE VIEW {_DATABASE}.{name} AS SELECT 1 AS one", "Null")
    users = home / "users.json"
    write_users(users, {"b": {"password": "b", "role": "board", "databases": [_DATABASE]}})
    user = Users(users).login("b", "b")
    gate.checked(engine, user, _DATABASE, "SELECT 1")  # loads the names of the engine
    found = [_median_ms(engine, user, sql) for sql in statements]
    engine.close()
    p95 = np.percentile(found, 95)
    say(f"    {len(found)} queries: median {np.median(found):.2f} ms, p95 {p95:.2f} ms")
    return found


def _statements() -> Iterator[str]:
    """The query of every panel, as the board server sends it."""
    scope = Scope(1_700_000_000_000, 1_700_000_000_000 + 30 * _DAY_MS)
    for board in every():
        values = {
            each["name"]: str(each["current"]["value"])
            for each in board["templating"]["list"]
            if "current" in each
        }
        for panel in board["panels"]:
            for target in panel.get("targets") or ():
                yield expand(filled(target["rawSql"], values), scope)


def _median_ms(engine: Engine, user: User, sql: str) -> float:
    took = []
    for time_ in range(_TIMES):
        began = time.perf_counter()
        gate.checked(engine, user, _DATABASE, f"{sql} -- {time_}")
        took.append(1000 * (time.perf_counter() - began))
    return float(np.median(took))
