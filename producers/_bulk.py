"""Sends histories of millions of events in prepared batches."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.errors import GulouError, Unavailable
from schemas.partitions import partitions

_CHUNK: Final = 4096  # messages partitioned at once
_BATCH_BYTES: Final = 512 * 1024  # before compression
_IN_FLIGHT: Final = 32  # batches; 16 MB
_PATIENCE_S: Final = 60.0
_STOP_S: Final = 2.0  # time for aiokafka to stop after a failed delivery

_T = TypeVar("_T")


class BulkProducer:
    """Sends millions of messages that `Encoder.encode` made, in order for each key.

    Uses aiokafka's prepared batches on an event loop in its own thread: eight times as fast as
    sending event by event. A batch leaves when it is full or `flush` is called. Sends are
    idempotent and acknowledged by all replicas; after the first failure it sends no more, and the
    next batch or `flush` raises that failure.

    Args:
        bootstrap: host:port[,host:port] of the brokers.
        options: further arguments, such as TLS and SASL; aiokafka has kafka-python's names.
        patience_s: seconds after which a batch without an answer has failed.

    Raises:
        Unavailable: no broker answers.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        options: Mapping[str, Any] | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._patience_s = patience_s
        self._options = {**(options or {}), "bootstrap_servers": bootstrap}
        self._waiting: dict[str, list[tuple[bytes, bytes]]] = {}
        self._open: dict[tuple[str, int], Any] = {}
        self._turns: dict[tuple[str, int], asyncio.Lock] = {}
        self._partitions: dict[str, int] = {}
        self._room = threading.BoundedSemaphore(_IN_FLIGHT)
        self._failed: list[Exception] = []
        self.acknowledged = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._kafka = self._run(self._start())
        except (KafkaError, OSError) as error:
            self._end()
            raise unreachable(bootstrap, error) from error

    def send_bytes(self, topic: str, key: bytes, payload: bytes) -> None:
        """Takes one message; waits while too many batches are under way.

        Raises:
            Unavailable: an earlier message was not delivered.
        """
        waiting = self._waiting.setdefault(topic, [])
        waiting.append((key, payload))
        if len(waiting) >= _CHUNK:
            self._place(topic)

    def flush(self) -> None:
        """Returns once every message taken so far is with all replicas.

        Raises:
            Unavailable: some were not delivered.
        """
        for topic in list(self._waiting):
            self._place(topic)
        for topic, partition in list(self._open):
            self._submit(topic, partition)
        # All permits acquired: no batch is in flight.
        for _ in range(_IN_FLIGHT):
            self._room.acquire()
        self._room.release(_IN_FLIGHT)
        self._check()

    def close(self) -> None:
        """Flushes and disconnects."""
        try:
            self.flush()
        finally:
            self._run(self._leave())
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            self.close()
        except GulouError as lost:
            if error is None:
                raise
            error.add_note(str(lost))

    def _place(self, topic: str) -> None:
        """Moves a topic's waiting messages into the batches of its partitions, in order."""
        self._check()
        waiting = self._waiting.pop(topic, [])
        if topic not in self._partitions:
            try:
                self._partitions[topic] = self._run(self._count(topic))
            except KafkaError as error:
                raise undelivered(f"anything for topic {topic!r}", error) from error
        places = partitions([key for key, _ in waiting], self._partitions[topic])
        for (key, payload), partition in zip(waiting, places, strict=True):
            while True:
                batch = self._open.get((topic, partition))
                if batch is None:
                    batch = self._open[topic, partition] = self._kafka.create_batch()
                if batch.append(key=key, value=payload, timestamp=None) is not None:
                    break
                self._submit(topic, partition)

    def _submit(self, topic: str, partition: int) -> None:
        batch = self._open.pop((topic, partition))
        batch.close()
        self._room.acquire()
        asyncio.run_coroutine_threadsafe(self._deliver(batch, topic, partition), self._loop)

    async def _deliver(self, batch: Any, topic: str, partition: int) -> None:
        try:
            events = batch.record_count()
            # aiokafka holds one batch per partition. The lock queues the others in order: without
            # it a later batch could overtake a waiting one.
            async with self._turns.setdefault((topic, partition), asyncio.Lock()):
                if self._failed:
                    return
                landed = await self._kafka.send_batch(batch, topic, partition=partition)
            # An idempotent aiokafka retries for ever, and the caller would wait for ever (D-82).
            await asyncio.wait_for(landed, self._patience_s)
            self.acknowledged += events
        except TimeoutError:
            self._failed.append(TimeoutError(f"no answer within {self._patience_s:g} s"))
        except Exception as error:
            # Any exception: nobody reads this coroutine's result, so it would be lost.
            self._failed.append(error)
        finally:
            self._room.release()

    async def _start(self) -> Any:
        kafka = AIOKafkaProducer(
            **self._options,
            enable_idempotence=True,
            acks="all",
            compression_type="lz4",
            max_batch_size=_BATCH_BYTES,
        )
        try:
            await kafka.start()
        except BaseException:
            await kafka.stop()
            raise
        return kafka

    async def _leave(self) -> None:
        if not self._failed:
            await self._kafka.stop()
            return
        try:
            await asyncio.wait_for(self._kafka.stop(), _STOP_S)
        except TimeoutError:
            # stop() waits for answers that may never arrive; the caller sends again what failed.
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await self._kafka.client.close()

    async def _count(self, topic: str) -> int:
        return len(await self._kafka.partitions_for(topic))

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _check(self) -> None:
        if self._failed:
            raise undelivered(f"all events; {self.acknowledged:,} arrived, then", self._failed[0])


def undelivered(what: str, error: Exception) -> Unavailable:
    """The error for events that Kafka did not take."""
    return Unavailable(
        f"Kafka did not take {what}: {type(error).__name__}: {error}",
        do="Check that the brokers run and that the topics exist, then send again: an event that "
        "did arrive is known by its id and counts once.",
    )


def unreachable(bootstrap: str, error: Exception) -> Unavailable:
    """The error for a Kafka that does not answer."""
    return Unavailable(
        f"No Kafka answers at {bootstrap!r}: {type(error).__name__}: {error}",
        do="Start it, or correct the address and the security settings.",
    )
