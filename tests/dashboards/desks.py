"""The desk of a county on a town: its database of views and its ClickHouse user."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from infra import desks
from infra.warehouse.access import write_users
from schemas.families import families
from schemas.sql.tables import database_statements, desk_statements
from tests.dashboards.shipped import USERS, Shipped

KEY = "a key for the test"
password = partial(desks.password, KEY)


@contextlib.contextmanager
def county_desks(shipped: Shipped, counties: Sequence[str]) -> Iterator[dict[str, str]]:
    """Makes what `gulou access add clerk NAME --county` makes; gives each county's database."""
    layout = replace(shipped.city.layout, counties=tuple(counties))
    for statement in (*database_statements(layout), *desk_statements(families(), layout)):
        shipped.city.run(statement.sql)
    file = shipped.warehouse.data / "users.json"
    before = json.loads(file.read_text())["users"]
    made = {
        f"{USERS['clerk']}_{code}": {
            "password": password(code), "role": "board", "databases": [database],
        }
        for code, database in layout.desks.items()
    }  # fmt: skip
    write_users(file, before | made)
    try:
        yield dict(layout.desks)
    finally:
        write_users(file, before)
        for database in layout.desks.values():
            shipped.city.run(f"DROP DATABASE {database} SYNC")
