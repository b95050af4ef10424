"""An event as bytes, a city's decoders, and an engine that runs the derived SQL."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from clickhouse_driver import Client

from infra.warehouse import EmbeddedClickHouse
from schemas.event import Content, Event, encode, example
from schemas.families import families
from schemas.family import Family
from schemas.grain import Role
from schemas.reference.divisions import Divisions
from schemas.sql.tables import Layout, database_statements, event_columns, statements
from schemas.wire import Decoder, Rejected

CITY = timezone(timedelta(hours=8))
VILLAGE = "431202001001"
Outcome = Content | Rejected
MakeMessage = Callable[..., bytes]
Decode = Callable[[bytes | None], Outcome]


@pytest.fixture(scope="session")
def divisions() -> Divisions:
    return Divisions.load()


@pytest.fixture(scope="session")
def decoders(divisions: Divisions) -> dict[str, Decoder]:
    return {family.topic: Decoder(family.events, divisions) for family in families()}


@pytest.fixture(scope="session")
def decode(decoders: dict[str, Decoder]) -> Decode:
    """Decodes one message of topic visits."""

    def one(payload: bytes | None) -> Outcome:
        (found,) = decoders["visits"]([payload])
        return found

    return one


@pytest.fixture(scope="session")
def message() -> MakeMessage:
    """Bytes of an event of class `cls`; `content` changes its example, `head` its envelope."""

    def make(cls: type[Event], content: Content | None = None, **head: Any) -> bytes:
        envelope = {
            "id": "v-1",
            "source": "//huaihua/grid",
            "time": datetime(2021, 3, 1, 10, tzinfo=CITY),
            "recorded": datetime(2021, 3, 1, 12, tzinfo=CITY),
            "division": VILLAGE,
        }
        # From JSON, because examples of instants are the text a form would send.
        text = json.dumps(example(cls) | (content or {}))
        return encode(cls.model_validate_json(text), envelope | head)

    return make


@dataclass
class City:
    """Databases of one test: inserts rows as a worker would, reads figures."""

    client: Client
    layout: Layout
    offsets: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def run(self, sql: str) -> None:
        # The statement contains the rows, even a thousand villages.
        self.client.execute(sql, settings={"max_query_size": 10_000_000})

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query; days and instants as text in their column's zone."""
        found, described = self.client.execute(sql, with_column_types=True)
        names, types = zip(*described, strict=True)
        return [
            {n: _shown(v, t) for n, v, t in zip(names, row, types, strict=True)} for row in found
        ]

    def published(
        self, view: str, at: str = "", where: str = "1", role: Role = "clerk"
    ) -> list[dict[str, Any]]:
        """Rows of a published view of a role; `at` is an instant in the city's zone."""
        moment = datetime.fromisoformat(at).replace(tzinfo=CITY) if at else None
        call = f"(at = {round(moment.timestamp() * 1000)})" if moment else ""
        return self.rows(f"SELECT * FROM {self.layout.views[role]}.{view}{call} WHERE {where}")

    def row(self, topic: str, type_: str, time: str, data: Content, **more: Any) -> dict[str, Any]:
        """A row of the events table; times are in the city's zone."""
        head = {
            "kpart": 0,
            "koff": next(self.offsets),
            "status": "ok",
            "type": type_,
            "time": time,
            "recorded": time,
            "logged": time,
            "division": VILLAGE,
            "tok": 7,
        }
        text = {"data": json.dumps(data, ensure_ascii=False), "topic": topic}
        return head | text | more

    def insert(self, rows: Sequence[dict[str, Any]]) -> None:
        """One INSERT of rows of one topic."""
        types = {column.name: column.type for column in event_columns(self.layout.zone)}
        names = sorted({name for row in rows for name in row} - {"topic"})
        table = f"{self.layout.database}.events_{rows[0]['topic']}"
        self.fill(table, {name: types[name] for name in names}, rows)

    def fill(self, table: str, types: dict[str, str], rows: Sequence[dict[str, Any]]) -> None:
        """Inserts rows of JSON values."""
        shape = ", ".join(f"{name} {type_}" for name, type_ in types.items())
        shape = shape.replace("'", "\\'")
        lines = "\n".join(
            json.dumps({name: row[name] for name in types if name in row}, ensure_ascii=False)
            for row in rows
        )
        self.run(
            f"INSERT INTO {table} ({', '.join(types)}) "
            f"SELECT * FROM format(JSONEachRow, '{shape}', $rows${lines}$rows$)"
        )

    def add(self, topic: str, type_: str, time: str, data: Content, **more: Any) -> None:
        """Inserts one row with its own INSERT."""
        self.insert([self.row(topic, type_, time, data, **more)])

    def empty(self) -> None:
        """Deletes every event and figure."""
        for table in self.rows(
            f"SELECT name FROM system.tables WHERE database = '{self.layout.database}' "
            "AND engine LIKE '%MergeTree' AND name NOT IN ('divisions', 'heartbeat')"
        ):
            self.run(f"TRUNCATE TABLE {self.layout.database}.{table['name']}")


def _shown(value: Any, type_: str) -> Any:
    if isinstance(value, datetime):
        text = f"{value:%Y-%m-%d %H:%M:%S}"
        return f"{text}.{value.microsecond // 1000:03}" if "DateTime64" in type_ else text
    return str(value) if isinstance(value, date | UUID) else value


@pytest.fixture(scope="session")
def client(warehouse: EmbeddedClickHouse) -> Iterator[Client]:
    with Client(
        warehouse.host, warehouse.port, user=warehouse.user, password=warehouse.password
    ) as connected:
        yield connected


_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def make_city(client: Client, divisions: Divisions) -> Callable[[Sequence[Family]], City]:
    """Creates everything that families declare, in new databases, with one claim each."""

    def make(chosen: Sequence[Family]) -> City:
        name = f"city{next(_NUMBERS)}"
        layout = Layout(name, f"{name}_published", f"{name}_desk")
        city = City(client, layout)
        for statement in database_statements(layout) + statements(chosen, layout):
            city.run(statement.sql)
        claims = [
            {"topic": family.topic, "kpart": kpart, "tok": 7}
            for family in chosen
            for kpart in range(family.partitions)
        ]
        city.fill(f"{name}.owner", {"topic": "String", "kpart": "UInt16", "tok": "UInt64"}, claims)
        villages = [
            {"code": d.code, "name": d.name, "level": d.level, "parent": d.code[:9]}
            for d in divisions.villages
        ]
        city.fill(f"{name}.divisions", dict.fromkeys(villages[0], "String"), villages)
        return city

    return make


@pytest.fixture(scope="session")
def whole_city(make_city: Callable[[Sequence[Family]], City]) -> City:
    return make_city(families())


@pytest.fixture
def city(whole_city: City) -> City:
    """Every family's tables and views, empty."""
    whole_city.empty()
    return whole_city
