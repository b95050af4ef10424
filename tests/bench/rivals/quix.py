"""A quixstreams application with a sink that inserts the library's batches."""

from __future__ import annotations

import os
from typing import Any

from quixstreams import Application, message_context
from quixstreams.kafka import ConnectionConfig
from quixstreams.sinks import BatchingSink, SinkBatch

from tests.bench.rivals.rows import Table, reader, row


class ClickHouseSink(BatchingSink):  # type: ignore[misc]
    """Inserts every batch of the library's checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self._table = Table()

    def write(self, batch: SinkBatch) -> None:
        """Stores one batch of one partition."""
        self._table.insert([item.value for item in batch])


def main() -> None:
    """Runs until it is stopped."""
    app = Application(
        broker_address=ConnectionConfig(
            bootstrap_servers=f"{os.environ['GULOU_HOST']}:{os.environ['GULOU_KAFKA_PORT']}",
            security_protocol="sasl_plaintext",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username=os.environ["BENCH_KAFKA_USER"],
            sasl_password=os.environ["BENCH_KAFKA_PASSWORD"],
        ),
        consumer_group=os.environ["BENCH_KAFKA_USER"] + "-quix-" + os.environ["GULOU_DATABASE"],
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_interval=1.0,
    )
    visits = app.topic("visits", value_deserializer="bytes", key_deserializer="bytes")
    decode = reader()

    def as_row(value: bytes, key: Any, timestamp: int, headers: Any) -> tuple[Any, ...]:
        place = message_context()
        return row(decode, value, place.partition, place.offset, timestamp)

    frame = app.dataframe(visits)
    frame = frame.apply(as_row, metadata=True)
    frame.sink(ClickHouseSink())
    app.run()


if __name__ == "__main__":
    main()
