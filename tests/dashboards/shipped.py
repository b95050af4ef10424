"""ClickHouse with everything the shipped classes declare, queried as the boards' users."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from clickhouse_driver import Client

from dashboards import publish
from dashboards.roles import SOURCES, role_of
from dashboards.server.macros import Scope, expand
from infra import database as apply
from infra.settings import Settings
from infra.warehouse import EmbeddedClickHouse
from infra.warehouse.access import write_users
from schemas.families import families
from schemas.grain import Role
from schemas.sql.tables import Layout
from schemas.sql.targets import target
from tests.schemas.conftest import CITY, City

USERS: Final[Mapping[Role, str]] = {"viewer": "board", "clerk": "desk"}
PASSWORD = "looks"
OWNER_TOKEN = 7
HOUR_MS = 3_600_000


@dataclass
class Shipped:
    """The warehouse: inserts rows as a worker does, answers panels' queries as for a page."""

    warehouse: EmbeddedClickHouse
    city: City
    sources: dict[Role, dict[str, Any]]

    def ask(
        self,
        sql: str,
        at: str,
        since: str = "2021-01-01T00:00",
        interval_ms: int = HOUR_MS,
        **values: str,
    ) -> list[Any]:
        """Rows of a panel's query over a range in city time, as the role it needs gets them.

        `interval_ms` is the width of one point of the panel.
        """
        return self.asked_by(role_of(sql), sql, at, since, interval_ms, values)

    def asked_by(
        self,
        role: Role,
        sql: str,
        at: str,
        since: str,
        interval_ms: int,
        values: Mapping[str, str],
    ) -> list[Any]:
        """The same as a given role gets them."""
        start, end = (
            round(datetime.fromisoformat(t).replace(tzinfo=CITY).timestamp() * 1000)
            for t in (since, at)
        )
        text = expand(publish.filled(sql, values), Scope(start, end, interval_ms))
        options = {
            "database": self.sources[role]["jsonData"]["defaultDatabase"],
            # Servers often use UTC: a query that does not name the city's zone gives wrong rows.
            "settings": {"session_timezone": "UTC"},
        }
        with Client(
            self.warehouse.host, self.warehouse.port, user=USERS[role], password=PASSWORD, **options
        ) as client:
            return replace(self.city, client=client).rows(text)

    def beat(self, topic: str = "visits", kpart: int = 0, **columns: Any) -> None:
        """Inserts a heartbeat of a partition: now and without lag, or SQL values in `columns`."""
        beat = {"lag": "0", "beat": "now64(3)", "behind_since": "toDateTime64(0, 3)"} | columns
        self.city.run(
            f"INSERT INTO gulou.heartbeat (topic, kpart, watermark, {', '.join(beat)}) "
            f"SELECT '{topic}', {kpart}, 1, {', '.join(beat.values())}"
        )

    def empty(self) -> None:
        """Deletes every event, figure and heartbeat; the divisions stay."""
        told = {"heartbeat", *(f"events_{family.topic}" for family in families())}
        told |= {target(family, each) for family in families() for each in family.projections}
        # A test fills a few tables, and to empty the others takes a tenth of its time.
        filled = "SELECT DISTINCT table FROM system.parts WHERE database = 'gulou' AND active"
        for table in told.intersection(row["table"] for row in self.city.rows(filled)):
            self.city.run(f"TRUNCATE TABLE gulou.{table}")


@contextlib.contextmanager
def shipped(
    root: Path,
    divisions: Path | None = None,
    start: Callable[..., EmbeddedClickHouse] = EmbeddedClickHouse,
) -> Iterator[Shipped]:
    """Starts it without events; `divisions` defaults to the shipped city's file."""
    users = root / "users.json"
    owner = {"password": "owns", "role": "writer"}
    readers = {
        USERS[role]: {"password": PASSWORD, "role": "board", "databases": [database]}
        for role, database in Layout().views.items()
    }
    write_users(users, {"gulou": owner, **readers})
    word = root / "word"
    word.write_text("owns")
    # Another zone than the city's: SQL that does not name its zone is then hours off.
    with start(root, users=users, timezone="UTC") as running:
        settings = Settings(
            home=root / "home",
            clickhouse_host=running.host,
            clickhouse_port=running.port,
            clickhouse_password_file=word,
            divisions=divisions,
        )
        apply.apply(settings)
        client = Client(running.host, running.port, user="gulou", password="owns")
        city = City(client, apply.layout(settings))
        claims = [
            {"topic": family.topic, "kpart": kpart, "tok": OWNER_TOKEN}
            for family in families()
            for kpart in range(family.partitions)
        ]
        city.fill("gulou.owner", {"topic": "String", "kpart": "UInt16", "tok": "UInt64"}, claims)
        sources: dict[Role, dict[str, Any]] = {
            role: {
                "uid": SOURCES[role],
                "name": SOURCES[role],
                "type": "grafana-clickhouse-datasource",
                "access": "proxy",
                "isDefault": role == "viewer",
                "jsonData": {
                    "host": running.host,
                    "port": running.port,
                    "protocol": "native",
                    "username": USERS[role],
                    "defaultDatabase": database,
                },
                "secureJsonData": {"password": PASSWORD},
            }
            for role, database in Layout().views.items()
        }
        yield Shipped(running, city, sources)
        client.disconnect()


def provisioned(
    root: Path,
    sources: Iterable[dict[str, Any]],
    boards: Path = Path(publish.__file__).parent / "json",
) -> tuple[str, ...]:
    """Options of a board server over it, with the shipped boards or a folder's."""
    file = root / "sources.json"
    file.write_text(json.dumps([*sources]))
    return ("--data-sources", str(file), "--boards", str(boards))
