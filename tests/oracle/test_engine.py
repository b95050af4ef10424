"""Everything stored and shown of a history, compared with the oracle on one engine.

The decoder, due dates, corrections, inserts, tables and views are real. Kafka and Faust are left
out, so that a history of thousands of messages takes seconds.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest

from streams.chunks import Chunk
from streams.connection import Address
from tests.dashboards.shipped import OWNER_TOKEN
from tests.histories.small import History, Message, refused
from tests.oracle import BOOK, Law, Oracle, Record
from tests.town import Town

LOGGED = 1_760_000_000_000  # 2025-10-09 in the city: after all events of the histories
BATCHES = 7


def log(messages: Sequence[Message]) -> dict[str, dict[int, list[Record]]]:
    """The messages as records of Kafka partitions."""
    found: dict[str, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for n, message in enumerate(messages):
        place = Law(BOOK[message.topic]).place(message.key or b"")
        kpart = place if message.kpart is None else message.kpart
        records = found[message.topic][kpart]
        records.append(Record(len(records), LOGGED + n, message.key, message.payload, kpart))
    return found


def store(town: Town, topic: str, records: dict[int, list[Record]]) -> None:
    """Stores them as a worker does, in a few batches over all partitions."""
    ingest, awaited = town.ingests[topic], set[Any]()
    size = max(map(len, records.values()))
    for start, end in pairwise(range(0, size + BATCHES, -(-size // BATCHES))):
        chunks = [
            Chunk(topic, kpart, 1, start - 1, _arrived(batch[start:end]))
            for kpart, batch in records.items()
            if batch[start:end]
        ]
        rows = ingest.prepare(chunks)
        roots = {rows.root(row) for row in rows.corrective} | awaited.intersection(rows.identities)
        related = town.warehouse.related(topic, set(rows.identities), roots)
        ingest.settle(rows, range(len(rows)), related, awaited)
        town.warehouse.insert(rows, OWNER_TOKEN)


class _Arrived:
    """A record as aiokafka delivers it."""

    def __init__(self, record: Record) -> None:
        self.offset, self.timestamp = record.offset, record.logged
        self.key, self.value = record.key, record.value


def _arrived(records: Sequence[Record]) -> list[_Arrived]:
    return list(map(_Arrived, records))


@pytest.fixture(scope="module")
def oracle(whole_town: Town) -> Iterator[Callable[[], Oracle]]:
    """An oracle over 2,000 messages of a history, with every kind of wrong message."""
    whole_town.empty()
    messages, dice = History(17).messages(2000), random.Random(17)
    for message in refused("engine").values():
        messages.insert(dice.randrange(len(messages)), message)
    held = log(messages)
    for topic, records in held.items():
        store(whole_town, topic, records)
    server = whole_town.shipped.warehouse
    address = Address(server.host, server.port, "gulou", "owns")
    client, plain = address.connect(strings_as_bytes=True), address.connect()

    def ask(sql: str, *, strings_as_bytes: bool = False) -> Any:
        return (client if strings_as_bytes else plain).execute(sql)

    yield lambda: Oracle(lambda topic: held[topic], ask)
    client.disconnect()
    plain.disconnect()


def test_rows_figures_and_views_of_cases_equal_the_oracle(
    oracle: Callable[[], Oracle],
) -> None:
    found = oracle()
    assert found.differences() == []
    wanted = ("ok", "repeat", "conflict", "orphan", "parked", "dead")
    assert all(found.messages[status] for status in wanted), dict(found.messages)
