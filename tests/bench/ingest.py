"""From visits in Kafka to rows in every projection, queryable: Gulou and its yardsticks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from infra.settings import ROOT, Settings
from schemas import names
from schemas.sql.tables import event_columns
from tests.bench.ground import Ground, Program, projected, say, stored, until, worker

_BENCH_PYTHON = str(ROOT / ".venv-bench" / "bin" / "python")
_QUIX_SHARE = 5
_FAUST_SHARE = 10
_RUN_S = 400.0
_POLL_S = 0.05


class Race:
    """Several ways of ingesting the same messages on one machine.

    Args:
        ground: with the messages in Kafka. lines: file of the same messages.
        events: number of messages.
    """

    def __init__(self, ground: Ground, lines: Path, events: int) -> None:
        self._ground, self._lines, self._events = ground, lines, events

    def gulou(self) -> float:
        """Events per second of the shipped worker, from its claim of the partitions."""
        return self._worker(worker, fenced=True)

    def unguarded(self) -> float:
        """The same without fence, id filter, settling and claim."""
        return self._worker(
            lambda settings: Program(["-m", "tests.bench.rivals.unguarded", "worker"], settings),
            fenced=False,
        )

    def quixstreams(self) -> float:
        """A quixstreams application, from its first rows to a share of the messages."""
        return self._rival(
            ["-m", "tests.bench.rivals.quix"], self._events // _QUIX_SHARE, _BENCH_PYTHON
        )

    def stock_faust(self) -> float:
        """A stock Faust agent, from its first rows to a share of the messages."""
        command = ["-m", "tests.bench.rivals.stock_faust", "worker", "--loglevel=INFO"]
        return self._rival(command, self._events // _FAUST_SHARE)

    def ceiling(self) -> float:
        """Only ClickHouse, which reads the same JSON from a file into the same tables and views."""
        with self._ground.database() as settings:
            self._unfence(settings)
            client = self._ground.client(settings)
            began = time.monotonic()
            client.execute(_load(settings, self._lines))
            took = time.monotonic() - began
            return stored(client, settings, ["visits"]) / took

    def _worker(self, start: Callable[[Settings], Program], *, fenced: bool) -> float:
        with self._ground.database() as settings:
            if not fenced:
                self._unfence(settings)
            client = self._ground.client(settings)
            with start(settings) as running:
                running.await_ready()
                began = time.monotonic()
                parts = (running.process, self._ground.process("clickhouse"))
                before = [sum(part.cpu_times()[:2]) for part in parts]
                ended = until(
                    lambda: (
                        stored(client, settings, ["visits"]) >= self._events
                        and projected(client, settings, "visits")
                    ),
                    f"{self._events} messages stored",
                    running.check,
                    _RUN_S,
                )
                spent = [
                    (sum(part.cpu_times()[:2]) - was) / self._events * 1e6
                    for part, was in zip(parts, before, strict=True)
                ]
            say(f"    CPU an event: worker {spent[0]:.1f} us, ClickHouse {spent[1]:.1f} us")
            return self._events / (ended - began)

    def _rival(self, command: list[str], events: int, python: str = "") -> float:
        """Events per second from the first visible rows: a rival's start does not count."""
        with self._ground.database() as settings:
            self._unfence(settings)
            client = self._ground.client(settings)
            # Of Gulou's users at Kafka the auditor may read in groups of its own.
            name, kafka = settings.kafka_login("auditor")
            password = {
                "BENCH_PASSWORD": settings.clickhouse_password.get_secret_value(),
                "BENCH_KAFKA_USER": name,
                "BENCH_KAFKA_PASSWORD": kafka.get_secret_value(),
            }
            given = {"python": python} if python else {}
            with Program(command, settings, extra=password, **given) as running:

                def seen() -> int:
                    return stored(client, settings, ["visits"])

                began = until(seen, "the first rows", running.check, _RUN_S)
                first = seen()
                ended = until(lambda: seen() >= events, f"{events} rows", running.check, _RUN_S)
                return (seen() - first) / (ended - began)

    def _unfence(self, settings: Settings) -> None:
        table = f"`{settings.database}`.{names.events_table('visits')}"
        self._ground.client(settings).execute(f"ALTER TABLE {table} DROP CONSTRAINT fenced")


def _load(settings: Settings, lines: Path) -> str:
    """The INSERT that fills every column from the messages."""
    text = (
        "Tuple(id String, source String, type String, time String, recorded String, "
        "division String, grid String, actor String, correlationid String, causationid String)"
    )
    instant = "parseDateTime64BestEffortOrZero(e.{}, 3, 'UTC')"
    filled = {
        "kpart": "0",
        "koff": "rowNumberInAllBlocks()",
        "koff_prev": "-1",
        "status": "'ok'",
        **{name: f"e.{name}" for name in ("source", "id", "type", "division", "grid", "actor")},
        "time": instant.format("time"),
        "recorded": instant.format("recorded"),
        "logged": "now64(3)",
        "key": "JSONExtractString(data, 'household')",
        "correlation": "e.correlationid",
        "causation": "e.causationid",
        "corrects": "JSONExtractString(data, 'corrects')",
        "payload": "payload",
        "sha256": "SHA256(payload)",
        "data": "data",
    }
    columns = [column.name for column in event_columns("UTC") if column.name in filled]
    picks = ", ".join(f"{filled[name]} AS _{name}" for name in columns)
    return (
        f"INSERT INTO `{settings.database}`.events_visits ({', '.join(columns)}) "
        f"SELECT {picks} FROM (SELECT line AS payload, JSONExtract(line, '{text}') AS e, "
        "JSONExtractRaw(line, 'data') AS data "
        f"FROM file('{lines}', 'LineAsString', 'line String')) "
        "SETTINGS max_insert_threads = 1"
    )
