"""What the check of a board's statement costs: when it comes first, and with another instant."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from dashboards.boards import every
from dashboards.publish import filled
from dashboards.server.macros import Scope, expand
from infra.warehouse import gate, write_users
from infra.warehouse.access import Users
from infra.warehouse.engine import Engine, Session
from tests.bench.ground import say

_REFRESHES: Final = 10
_REFRESH_MS: Final = 5_000
_BEGIN_MS: Final = 1_700_000_000_000
_DAY_MS: Final = 86_400_000
_RELATION: Final = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")
_DATABASE: Final = "bench"


@dataclass
class Costs:
    """Milliseconds of each check."""

    first: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)


def measure(home: Path) -> Costs:
    """Checks every panel's query as a board sends it, and at each refresh after that.

    The engine of this process has relations of the names alone: the check asks for no columns.
    """
    engine = Engine(home / "engine", timezone="Asia/Shanghai")
    names = {name for sql in _statements(0) for name in _RELATION.findall(sql)}
    with closing(Session(engine, "bench")) as session:
        session.run(f"CREATE DATABASE {_DATABASE}", "Null")
        for name in sorted(names):
            session.run(f"CREATE VIEW {_DATABASE}.{name} AS SELECT 1 AS one", "Null")
    users = home / "users.json"
    write_users(users, {"b": {"password": "b", "role": "board", "databases": [_DATABASE]}})
    user = Users(users).login("b", "b")
    gate.checked(engine, user, _DATABASE, "SELECT 1")  # loads the names of the engine
    found = Costs()
    for refresh in range(1 + _REFRESHES):
        for sql in _statements(refresh):
            began = time.perf_counter()
            gate.checked(engine, user, _DATABASE, sql)
            took = 1000 * (time.perf_counter() - began)
            (found.again if refresh else found.first).append(took)
    engine.close()
    for name, took_ms in (("first", found.first), ("with another instant", found.again)):
        say(f"    {name}: median {np.median(took_ms):.2f} ms, p95 {np.percentile(took_ms, 95):.2f}")
    return found


def _statements(refresh: int) -> Iterator[str]:
    """The query of every panel, as the board server sends it at that refresh."""
    end = _BEGIN_MS + 30 * _DAY_MS + refresh * _REFRESH_MS
    scope = Scope(end - 30 * _DAY_MS, end)
    for board in every():
        values = {
            each["name"]: str(each["current"]["value"])
            for each in board["templating"]["list"]
            if "current" in each
        }
        for panel in board["panels"]:
            for target in panel.get("targets") or ():
                yield expand(filled(target["rawSql"], values), scope)
