"""The worker's heartbeat, readiness, watchdog and dead letters, without a broker."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from faust.types import TP

from schemas.errors import Unavailable
from schemas.families import families
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import Divisions
from schemas.sql.tables import Layout
from streams import app as module
from streams import metrics
from streams.app import GulouApp, WorkerConfig, build_app
from streams.chunks import Position
from streams.connection import Address
from streams.dead_letters import DeadLetter
from tests.streams.driven import LIMITS, counted, limits

V0, V1 = ("visits", 0), ("visits", 1)


class Ended(BaseException):
    """Raised in place of ending the process."""


class Consumer:
    """The part of Faust's consumer that the heartbeat uses."""

    def __init__(self) -> None:
        self.ends: dict[Position, int | None] = {}
        self.assigned: set[TP] = set()
        self.asked: list[set[TP]] = []
        self.hints: list[Mapping[Position, int]] = []
        self._thread = self

    def assignment(self) -> set[TP]:
        return self.assigned

    async def highwaters(self, *partitions: TP) -> dict[TP, int | None]:
        self.asked.append(set(partitions))
        return {TP(*p): end for p, end in self.ends.items() if TP(*p) in partitions}

    async def hint(self, held: Mapping[Position, int]) -> None:
        self.hints.append(dict(held))


class Pipeline:
    """The part of the pipeline that the heartbeat reads."""

    def __init__(self) -> None:
        self.epoch = 1
        self.watermarks: dict[Position, int] = {}
        self.progressed_at: dict[Position, float] = {}
        self.noted: list[list[Position]] = []

    def progressed(self, positions: Any) -> None:
        self.noted.append(sorted(positions))


class Beats:
    """Receives the heartbeats."""

    def __init__(self) -> None:
        self.beats: list[list[tuple[Any, ...]]] = []
        self.fails: Exception | None = None

    def beat(self, beats: Sequence[tuple[Any, ...]]) -> None:
        if self.fails is not None:
            raise self.fails
        self.beats.append(sorted(beats))


class Worker:
    """The service of an app that is not started, with its own clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        self.now, self.still = 1_790_000_000.25, 1000.0
        self.consumer, self.pipeline, self.store = Consumer(), Pipeline(), Beats()
        self.app = built(home)
        monkeypatch.setattr(GulouApp, "consumer", self.consumer)
        self.app.__dict__["pipeline"] = self.pipeline
        clock = SimpleNamespace(
            time=lambda: self.now, monotonic=lambda: self.still, sleep=self.sleep
        )
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(os, "_exit", self.exit)
        self.service = module._served(self.app)()
        self.service._beats = self.store
        self.service._beat_at = self.still
        self.service._lags, self.service._behind_since = {}, {}
        self.slept: list[float] = []
        self.codes: list[int] = []

    def beat(self) -> None:
        # The timer needs a started service; this is the function that it calls.
        asyncio.run(self.service._beat.fun.__wrapped__(self.service))

    def ready(self) -> tuple[int, dict[str, Any]]:
        answer = asyncio.run(self.service._ready(make_mocked_request("GET", "/ready")))
        return answer.status, json.loads(answer.text)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > 3:
            raise Ended

    def exit(self, code: int) -> None:
        self.codes.append(code)
        raise Ended

    def watch(self) -> list[int]:
        """The exit codes of the watchdog within three checks, if it ends the process."""
        with pytest.raises(Ended):
            self.service._watch()
        return self.codes


async def unheard(_site: web.Application, _host: str, _port: int) -> web.AppRunner:
    raise AssertionError("no test of this file starts a worker")


def built(home: Path) -> GulouApp:
    return build_app(
        WorkerConfig(
            bootstrap=["k1:9092", "k2:9092"],
            warehouse=Address("127.0.0.1", 1, "u", "p"),
            layout=Layout(database="x", published="y"),
            divisions=Divisions.load(),
            calendar=Calendar.load("Asia/Shanghai"),
            http=("127.0.0.1", 0),
            datadir=home,
            limits=LIMITS,
            watchdog_s=60.0,
            session_timeout_s=20.0,
            listen=unheard,
        ),
        families(),
    )


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Worker:
    return Worker(monkeypatch, tmp_path)


NOW = 1_790_000_000_250


def test_lag_is_what_lies_behind_the_watermark(worker: Worker) -> None:
    worker.consumer.assigned = {TP("visits", n) for n in range(6)}
    worker.pipeline.watermarks = {("visits", n): at for n, at in enumerate([9, 9, 9, -1, -1, 4])}
    # The end is the next offset: 10 with a watermark of 9 is no lag.
    ends = [10, 11, 9, 0, 3, None]
    worker.consumer.ends = {("visits", n): end for n, end in enumerate(ends)}
    worker.beat()
    assert [worker.service._lags["visits", n] for n in range(6)] == [0, 1, 0, 0, 3, 0]
    assert worker.store.beats == [
        [
            ("visits", 0, NOW, 0, 9, 0),
            ("visits", 1, NOW, 1, 9, NOW),
            ("visits", 2, NOW, 0, 9, 0),
            ("visits", 3, NOW, 0, -1, 0),
            ("visits", 4, NOW, 3, -1, NOW),
            ("visits", 5, NOW, 0, 4, 0),
        ]
    ]
    assert [counted(metrics.LAG, "visits", str(n)) for n in range(6)] == [0, 1, 0, 0, 3, 0]
    assert worker.pipeline.noted == [[("visits", n) for n in (0, 2, 3, 5)]]
    assert worker.consumer.hints == [worker.pipeline.watermarks]


def test_a_partition_is_behind_since_the_first_beat_of_an_unbroken_row(worker: Worker) -> None:
    worker.consumer.assigned = {TP(*V0), TP(*V1)}
    worker.pipeline.watermarks = {V0: 0, V1: 0}
    since = []
    for ends in ((5, 1), (7, 1), (1, 1), (2, 9), (2, 9)):
        worker.consumer.ends = dict(zip((V0, V1), ends, strict=True))
        worker.beat()
        since.append([beat[5] for beat in worker.store.beats[-1]])
        worker.now += 2
    second = [NOW + 2000 * n for n in range(5)]
    assert since == [
        [second[0], 0], [second[0], 0], [0, 0], [second[3], second[3]], [second[3], second[3]]
    ]  # fmt: skip


def test_only_partitions_that_are_assigned_and_claimed_beat_and_others_leave_the_metrics(
    worker: Worker,
) -> None:
    worker.consumer.assigned = {TP(*V0), TP("visits", 2)}
    worker.pipeline.watermarks = {V0: 3, V1: 3}
    worker.consumer.ends = {V0: 9, V1: 9, ("visits", 2): 9}
    worker.service._lags = {V0: 1, V1: 1}
    metrics.LAG.labels("visits", "1").set(5)
    worker.beat()
    assert worker.consumer.asked == [{TP(*V0)}]
    assert worker.store.beats == [[("visits", 0, NOW, 5, 3, NOW)]]
    assert worker.consumer.hints == [{V0: 3}]
    assert worker.service._lags == {V0: 5}
    held = {s.labels["kpart"] for m in metrics.LAG.collect() for s in m.samples}
    assert "0" in held
    assert "1" not in held


def test_a_worker_without_partitions_asks_and_writes_nothing_and_beats_on(worker: Worker) -> None:
    worker.still = 2000.0
    worker.beat()
    assert (worker.consumer.asked, worker.store.beats, worker.consumer.hints) == ([], [], [])
    assert worker.service._beat_at == 2000.0


def test_a_beat_that_cannot_be_written_is_no_reason_to_end(worker: Worker, caplog: Any) -> None:
    worker.consumer.assigned, worker.pipeline.watermarks = {TP(*V0)}, {V0: 3}
    worker.store.fails = Unavailable("No heartbeat could be written.")
    worker.still = 2000.0
    worker.beat()
    assert worker.service._beat_at == 2000.0
    assert worker.consumer.hints == [{V0: 3}]
    assert [r.getMessage() for r in caplog.records] == ["No heartbeat could be written."]
    worker.store.fails = ValueError("a slip")
    with pytest.raises(ValueError, match="a slip"):
        worker.beat()


def test_a_beat_frees_what_inserts_leave_behind_in_cycles(worker: Worker) -> None:
    class Column:
        pass

    column = Column()
    column.__dict__["of"] = column
    left = weakref.ref(column)
    gc.disable()
    try:
        del column
        assert left() is not None
        worker.beat()
        assert left() is None
    finally:
        gc.enable()


def test_a_worker_is_ready_when_it_has_claimed_or_has_nothing_to_claim(worker: Worker) -> None:
    worker.pipeline.epoch = 0
    assert worker.ready() == (200, {"ready": True, "partitions": 0, "lag": 0})
    worker.consumer.assigned = {TP(*V0)}
    assert worker.ready() == (503, {"ready": False, "partitions": 0, "lag": 0})
    worker.pipeline.epoch = 1
    worker.pipeline.watermarks = {V0: 3, V1: 3}
    worker.service._lags = {V0: 2, V1: 3}
    assert worker.ready() == (200, {"ready": True, "partitions": 2, "lag": 5})


@pytest.mark.parametrize(
    ("beat", "moved", "lags", "ends"),
    [
        (0, {}, {}, False),
        (60, {}, {}, False),  # exactly the limit
        (60.5, {}, {}, True),  # the heartbeat itself stands still
        (0, {V0: 60}, {V0: 1}, False),
        (0, {V0: 60.5}, {V0: 1}, True),
        (0, {V0: 0, V1: 61}, {V0: 1, V1: 1}, True),  # a moving one does not hide a stuck one
        (0, {V0: 0, V1: 61}, {V0: 1}, False),  # belongs to another worker
    ],
)
def test_a_worker_ends_itself_when_a_partition_of_its_own_stands_still(
    worker: Worker,
    beat: float,
    moved: Mapping[Position, float],
    lags: dict[Position, int],
    ends: bool,
    caplog: Any,
) -> None:
    worker.service._beat_at = worker.still - beat
    worker.pipeline.progressed_at = {p: worker.still - ago for p, ago in moved.items()}
    worker.service._lags = lags
    assert worker.watch() == ([3] if ends else [])
    assert worker.slept[0] == 1.0
    if ends:
        (said,) = [r.getMessage() for r in caplog.records]
        assert said.startswith("no watermark moved for 6")
        assert said.endswith("; waiting: " + ", ".join(f"visits@{k}" for _, k in lags))


def test_a_watchdog_of_a_few_seconds_looks_four_times_in_them(worker: Worker) -> None:
    worker.app.config = SimpleNamespace(watchdog_s=2.0)  # type: ignore[assignment]
    assert worker.watch() == []
    assert worker.slept == [0.5] * 4


def test_partitions_that_wait_for_nothing_are_not_named(worker: Worker, caplog: Any) -> None:
    worker.service._lags = {V0: 0, V1: 4}
    worker.pipeline.progressed_at = {V1: worker.still - 100}
    assert worker.watch() == [3]
    assert caplog.records[0].getMessage() == "no watermark moved for 100 s; waiting: visits@1"


def test_a_worker_beats_every_two_seconds() -> None:
    assert module.HEARTBEAT_S == 2.0


def test_a_lane_that_raises_crashes_the_app_and_one_that_is_cancelled_does_not(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed: list[BaseException] = []

    async def crash(error: BaseException) -> None:
        crashed.append(error)

    monkeypatch.setattr(worker.app, "crash", crash)

    async def raises(error: BaseException) -> None:
        raise error

    error = Unavailable("gone")
    asyncio.run(worker.service._guard(raises(error)))
    assert crashed == [error]
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(worker.service._guard(raises(asyncio.CancelledError())))
    assert crashed == [error]


def test_metrics_are_served_as_prometheus_reads_them(worker: Worker) -> None:
    metrics.LAG.labels("visits", "7").set(12)
    answer = asyncio.run(worker.service._metrics(make_mocked_request("GET", "/metrics")))
    assert b'gulou_lag_messages{kpart="7",topic="visits"} 12.0' in answer.body
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    metrics.forget("visits", 7)


def test_dead_letters_are_sent_under_their_position_and_awaited(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    done: list[int] = []

    class Topic:
        def __init__(self, name: str, **_: Any) -> None:
            self.name = name

        async def send(self, **told: Any) -> Any:
            sent.append((self.name, told))

            async def acked() -> None:
                await asyncio.sleep(0)
                done.append(len(done))

            return acked()

    monkeypatch.setattr(worker.app, "topic", Topic)
    letters = [
        DeadLetter("visits", 2, 7, 1_790, "dead", "json: x", b"{"),
        DeadLetter("funds", 0, 9, 1_791, "parked", "newer_version: 3", b"[]"),
    ]
    asyncio.run(worker.app.bury(letters))
    assert done == [0, 1]
    raw = {"key_serializer": "raw", "value_serializer": "raw"}
    assert sent == [
        ("visits.dead", {
            "key": b"2@7", "value": b"{", **raw,
            "headers": {"status": b"dead", "reason": b"json: x", "topic": b"visits",
                        "partition": b"2", "offset": b"7", "logged": b"1790",
                        # echo -n '{' | sha256sum
                        "size": b"1", "sha256": b"021fb596db81e6d02bf3d2586ee3981f"
                        b"e519f275c0ac9ca76bbcf2ebb4097d96"},
        }),
        ("funds.dead", {
            "key": b"0@9", "value": b"[]", **raw,
            "headers": {"status": b"parked", "reason": b"newer_version: 3", "topic": b"funds",
                        "partition": b"0", "offset": b"9", "logged": b"1791",
                        # echo -n '[]' | sha256sum
                        "size": b"2", "sha256": b"4f53cda18c2baa0c0354bb5f9a3ecbe5"
                        b"ed12ab4d8e11ba873c2f11161202b945"},
        }),
    ]  # fmt: skip


def test_the_app_is_set_up_to_lose_and_reorder_nothing(tmp_path: Path) -> None:
    app = built(tmp_path)
    conf = app.conf
    assert [str(url) for url in conf.broker] == ["kafka://k1:9092", "kafka://k2:9092"]
    assert conf.id == "gulou-ingest"
    assert conf.broker_session_timeout == 20.0
    assert conf.broker_heartbeat_interval == 5.0
    assert conf.broker_max_poll_records == LIMITS.batch_events
    assert conf.consumer_auto_offset_reset == "earliest"
    assert conf.producer_acks == -1
    assert (conf.topic_allow_declare, conf.topic_disable_leader) == (False, True)
    assert sorted(app.agents) == [f"ingest-{f.topic}" for f in sorted_families()]
    assert {agent.concurrency for agent in app.agents.values()} == {1}


def sorted_families() -> list[Any]:
    return sorted(families(), key=lambda family: family.topic)


@pytest.mark.parametrize(("batch", "poll"), [(9_999, 9_999), (50_000, 10_000)])
def test_a_fetch_brings_no_more_than_a_batch_holds(tmp_path: Path, batch: int, poll: int) -> None:
    config = built(tmp_path).config
    changed = {name: getattr(config, name) for name in WorkerConfig.__slots__}
    app = build_app(WorkerConfig(**changed | {"limits": limits(batch_events=batch)}), families())
    assert app.conf.broker_max_poll_records == poll


def test_every_family_has_a_lane_and_a_recovery_seeks_by_the_consumer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = built(tmp_path)
    assert set(app.pipeline._lanes) == {family.topic for family in families()}
    assert app.pipeline is app.pipeline
    sought = []

    async def perform_seek() -> None:
        sought.append(1)

    monkeypatch.setattr(GulouApp, "consumer", SimpleNamespace(perform_seek=perform_seek))
    assert app.pipeline._reseek == app.reseek
    asyncio.run(app.reseek())
    assert sought == [1]
