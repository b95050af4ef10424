"""Everything that a role can read, asked by its own user, as an attacker would."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from schemas.grain import PLACES, Place, Role
from tests.dashboards.shipped import PASSWORD, USERS
from tests.histories.told import ms
from tests.schemas.conftest import City
from tests.town import Town

Rows = list[dict[str, Any]]
_CODE: Final = re.compile(r"4312\d{2}(\d{3}(\d{3}(\d{3})?)?)?")
"""A division or a micro-grid of the city."""
_LEVELS: Final[Mapping[int, Place]] = dict(zip((6, 9, 12, 15), PLACES, strict=True))


_TIMELY: Final[set[str]] = set()
"""Views that have refused to be read without an instant."""


def everything(
    town: Town, role: Role, instants: Sequence[str] = (), about: str = ""
) -> dict[str, Rows]:
    """Rows of every view that the role's user finds; a view with `at` once for each instant.

    Args:
        about: pattern that the view's name begins with.
    """
    with _connected(town, role) as client:
        return found_by(replace(town.shipped.city, client=client), instants, about)


def found_by(asking: City, instants: Sequence[str] = (), about: str = "") -> dict[str, Rows]:
    """Rows of every view that the user of a connection finds, see `everything`."""
    found: dict[str, Rows] = {}
    for (name,) in asking.client.execute("SHOW TABLES"):
        if not re.match(about, name):
            continue
        if name not in _TIMELY:
            try:
                found[name] = asking.rows(f"SELECT * FROM {name}")
                continue
            except ServerException:
                _TIMELY.add(name)
        calls = (f"{name}(at = {ms(at)})" for at in instants)
        found[name] = [
            {"at": at, **row}
            for at, call in zip(instants, calls, strict=True)
            for row in asking.rows(f"SELECT * FROM {call}")
        ]
    return found


def columns(town: Town, role: Role) -> dict[str, set[str]]:
    """The columns of every view that the role's user finds."""
    with _connected(town, role) as client:
        found: dict[str, set[str]] = {}
        for (name,) in client.execute("SHOW TABLES"):
            try:
                _, head = client.execute(f"SELECT * FROM {name} LIMIT 0", with_column_types=True)
            except ServerException:
                sql = f"SELECT * FROM {name}(at = 0) LIMIT 0"
                _, head = client.execute(sql, with_column_types=True)
            found[name] = {column for column, _ in head}
    return found


def ask(town: Town, role: Role, sql: str) -> list[Any]:
    """The answer that the role's user gets."""
    with _connected(town, role) as client:
        return list(client.execute(sql))


def _connected(town: Town, role: Role) -> Client:
    server, database = town.shipped.warehouse, town.shipped.city.layout.views[role]
    return Client(server.host, server.port, user=USERS[role], password=PASSWORD, database=database)


def code_of(row: Mapping[str, Any]) -> str:
    """The code of the narrowest place in a row; empty where it names none."""
    codes = (value for value in row.values() if isinstance(value, str) and _CODE.fullmatch(value))
    return max(codes, key=len, default="")


def level_of(code: str) -> Place:
    """The level of a place."""
    return _LEVELS[len(code)]
