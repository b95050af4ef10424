"""One row of the events table from one message, for programs that see one message at a time.

It uses Gulou's decoder, columns and bytes, without the parts that make Gulou exact: corrections
reverse nothing, a repeat counts twice, keys are not compared.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Any

from clickhouse_driver import Client
from pydantic_core import to_json

from schemas.families import family
from schemas.reference.divisions import Divisions
from schemas.sql.tables import event_columns
from schemas.wire import Decoder, Rejected

_FAMILY = family("visits")
_VERSIONS = {cls.spec.name: cls.spec.version for cls in _FAMILY.events}
_COLUMNS = ", ".join(f"`{column.name}`" for column in event_columns("UTC"))
_DAY_MS = 86_400_000

Row = tuple[Any, ...]


def reader() -> Decoder:
    """The decoder of visits."""
    return Decoder(_FAMILY.events, Divisions.load())


def row(decode: Decoder, payload: bytes, kpart: int, koff: int, logged: int) -> Row:
    """The columns of one message, in order."""
    found, time, recorded = decode.one(payload)
    digest = sha256(payload or b"").digest()
    if isinstance(found, Rejected):
        reason = f"{found.reason}: {found.message}"
        empty = ("", "", "", 0, "", 0, 0, logged, *[""] * 6, False)
        rest = (payload or b"", digest, b"", b"", -1, 0)
        return (kpart, koff, koff - 1, "dead", reason, *empty, *rest)
    data, type_ = found["data"], found["type"]
    return (
        kpart,
        koff,
        koff - 1,
        "ok",
        "",
        found["source"],
        found["id"],
        type_,
        _VERSIONS[type_],
        data["household"],
        time,
        recorded,
        logged,
        found["division"],
        found.get("grid", ""),
        found.get("actor", ""),
        found.get("correlationid", ""),
        found.get("causationid", ""),
        data.get("corrects", ""),
        recorded < logged - _DAY_MS,
        payload,
        digest,
        to_json(data),
        b"",
        -1,
        0,
    )


class Table:
    """The events table of visits, at the address in the environment."""

    def __init__(self) -> None:
        name = os.environ["GULOU_DATABASE"]
        self._insert = f"INSERT INTO `{name}`.events_visits ({_COLUMNS}) VALUES"
        self._client = Client(
            os.environ["GULOU_HOST"],
            int(os.environ["GULOU_CLICKHOUSE_PORT"]),
            user=os.environ["GULOU_CLICKHOUSE_USER"],
            password=os.environ["BENCH_PASSWORD"],
            settings={"insert_block_size": 1_048_576, "async_insert": 0},
            # Like Gulou on this machine: no network, so no compression.
            compression=False,
        )

    def insert(self, rows: list[Row]) -> None:
        """Stores rows, and with them the views' figures."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._client.execute(self._insert, columns, columnar=True)
