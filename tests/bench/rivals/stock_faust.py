"""A stock Faust agent: one event at a time, inserting batches of 5,000."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import faust

from tests.bench.rivals.rows import Row, Table, reader, row

_BATCH = 5_000
_IDLE_S = 1.0

app = faust.App(
    os.environ["BENCH_KAFKA_USER"] + "-stock-faust-" + os.environ["GULOU_DATABASE"],
    broker=f"kafka://{os.environ['GULOU_HOST']}:{os.environ['GULOU_KAFKA_PORT']}",
    broker_credentials=faust.SASLCredentials(
        username=os.environ["BENCH_KAFKA_USER"],
        password=os.environ["BENCH_KAFKA_PASSWORD"],
        mechanism="SCRAM-SHA-512",
    ),
    consumer_auto_offset_reset="earliest",
    topic_allow_declare=False,
    topic_disable_leader=True,
    web_enabled=False,
    store="memory://",
)
visits = app.topic("visits", value_serializer="raw", key_serializer="raw")
decode, table = reader(), Table()
rows: list[Row] = []
_storing = asyncio.Lock()


async def store() -> None:
    """Inserts the collected rows."""
    async with _storing:
        ready, rows[:] = list(rows), []
        if ready:
            await asyncio.get_running_loop().run_in_executor(None, table.insert, ready)


@app.agent(visits)  # type: ignore[untyped-decorator]
async def ingest(stream: Any) -> None:
    """Counts visits."""
    async for event in stream.events():
        message = event.message
        logged = int(message.timestamp * 1000)
        rows.append(row(decode, event.value, message.partition, message.offset, logged))
        if len(rows) >= _BATCH:
            await store()


@app.timer(_IDLE_S)  # type: ignore[untyped-decorator]
async def rest() -> None:
    """Inserts the remaining rows when no more events come."""
    await store()


if __name__ == "__main__":
    app.main()
