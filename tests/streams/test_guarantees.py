"""ClickHouse shows exactly the messages in Kafka, row by row, whatever failed meanwhile.

All tests share one stack; each sends more, breaks something, and lets the oracle compare
everything sent so far.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from clickhouse_driver import errors as driver_errors
from kafka import KafkaProducer

from infra import _child
from schemas.errors import Halted, Unavailable
from tests.histories.small import History, Message, refused
from tests.live import Live

Load = Callable[[int], AbstractContextManager[list[int]]]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]


def test_rows_and_every_projection_equal_the_oracle_and_bad_messages_are_told_apart(
    live: Live,
) -> None:
    bad = refused("first")
    messages = History(1).messages(2500)
    dice = random.Random(1)
    for message in bad.values():
        messages.insert(dice.randrange(len(messages)), message)
    live.send(messages)
    oracle = live.oracle()
    live.await_counted()
    assert oracle.differences() == []
    assert all(oracle.messages[s] for s in ("ok", "repeat", "conflict", "orphan", "parked", "dead"))
    letters = live.dead()
    rows = live.ask(
        "SELECT kpart, koff, toString(status), reason, payload FROM gulou.events_visits "
        "WHERE status IN ('dead', 'parked')"
    )
    kept = {("visits", k, o): (status, reason) for k, o, status, reason, _ in rows}
    told = {w: (s["status"], s["reason"]) for w, s in letters.items() if w[0] == "visits"}
    assert told == kept
    said = Counter(each["reason"].partition(":")[0] for each in letters.values())
    assert Counter(name.partition("-")[0] for name in bad) <= said
    payloads = {each["payload"] for each in letters.values()}
    assert {message.payload or b"" for message in bad.values()} <= payloads


def test_every_event_sent_twice_weeks_apart_in_any_order_counts_once(live: Live) -> None:
    messages = History(2).messages(800)
    live.send(messages)
    live.await_counted()
    # Weeks later there are other workers, which know earlier events only from the table.
    for name in live.workers():
        before = live.stack.restarts(name)
        live.stack.kill(name)
        live.stack.await_ready(name, restarts=before + 1)
    again = [*messages, *History(3).messages(800)]
    random.Random(2).shuffle(again)
    live.send(again)
    oracle = live.oracle()
    live.await_counted()
    assert oracle.differences() == []
    assert oracle.messages["repeat"] > 700


def test_events_sent_again_by_a_client_that_spreads_keys_its_own_way_count_once(
    live: Live,
) -> None:
    messages = History(20).messages(200)
    live.send(messages)
    live.await_counted()
    counted = live.ask("SELECT count() FROM gulou.events WHERE status = 'ok'")
    for n, m in enumerate(messages):
        live.producer.send(m.topic, key=m.key, value=m.payload, partition=n % 4)
    live.producer.flush(120)
    assert live.differences() == []
    assert live.ask("SELECT count() FROM gulou.events WHERE status = 'ok'") == counted
    refused = "SELECT count() FROM gulou.events WHERE startsWith(reason, 'partition:')"
    assert live.ask(refused)[0][0] > 100


def test_a_message_larger_than_its_letter_may_be_is_refused_and_the_stream_goes_on(
    live: Live,
) -> None:
    # Some 20 kB in Kafka, 17 MB when unpacked: more than a topic of letters takes.
    large = b'{"note": "' + b" " * 17_000_000 + b'"}'
    sending = KafkaProducer(
        **live.settings.kafka_options("producer"),
        acks="all",
        compression_type="gzip",
        max_request_size=20_000_000,
    )
    landed = sending.send("visits", key=b"large", value=large, partition=1).get(60)
    sending.close()
    live.send(History(31).messages(200))
    assert live.differences() == []
    letter = live.dead()["visits", 1, landed.offset]
    assert (letter["status"], letter["payload"]) == ("dead", large[:8_388_608])
    assert letter["size"] == str(len(large))
    assert letter["sha256"] == hashlib.sha256(large).hexdigest()
    kept = f"SELECT payload FROM gulou.events_visits WHERE kpart = 1 AND koff = {landed.offset}"
    assert live.ask(kept, strings_as_bytes=True) == [(large,)]


def test_a_worker_that_starts_while_clickhouse_hangs_counts_when_it_answers_again(
    live: Live,
) -> None:
    live.send(History(32).messages(200))
    live.await_counted()
    live.signal("clickhouse", signal.SIGSTOP)
    try:
        for name in live.workers():
            before = live.stack.restarts(name)
            live.stack.kill(name)
            live.until(lambda n=name, b=before: live.stack.restarts(n) > b, f"{name} starts")  # type: ignore[misc]
        live.send(History(33).messages(200))
        # Longer than Faust lets a claim take, 90 s.
        threading.Event().wait(110)
    finally:
        live.signal("clickhouse", signal.SIGCONT)
    assert live.differences() == []


def test_batches_are_bounded_by_bytes_even_when_kafka_compressed_them(live: Live) -> None:
    # 20 kB each: together several times the limit of a batch, 1 MB.
    texts = [
        Message("visits", m.key, (m.payload or b"")[:-1] + b',"x":"' + b"a" * 20_000 + b'"}')
        for m in History(4).messages(500)
        if m.topic == "visits"
    ]
    live.ask("SYSTEM STOP MERGES gulou.events_visits")  # each part is then one INSERT
    try:
        live.send(texts)
        assert live.differences() == []
        sizes = live.ask(
            "SELECT sum(length(payload)) FROM gulou.events_visits "
            "WHERE length(payload) > 20000 AND length(payload) < 30000 GROUP BY _part"
        )
    finally:
        live.ask("SYSTEM START MERGES gulou.events_visits")
    assert sum(size for (size,) in sizes) > 3 * live.settings.batch_bytes
    assert 0 < max(size for (size,) in sizes) <= live.settings.batch_bytes


def test_five_kills_of_clickhouse_and_five_of_workers_under_load_change_nothing(
    live: Live, load: Load
) -> None:
    dice = random.Random(5)
    with load(5) as sent:
        for _ in range(5):
            for name in ("clickhouse", dice.choice(live.workers())):
                time.sleep(dice.random())  # the kill must hit any moment of a batch
                before = live.stack.restarts(name)
                live.stack.kill(name)
                live.stack.await_ready(name, restarts=before + 1)
    assert live.differences() == []
    assert sent[0] > 500


def test_a_rebalance_between_two_workers_under_load_changes_nothing(live: Live, load: Load) -> None:
    with load(6) as sent:
        for name in live.workers():
            before = live.stack.restarts(name)
            live.signal(name, signal.SIGTERM)  # leaves the group properly, and comes back
            live.stack.await_ready(name, restarts=before + 1)
            live.until(lambda: _shares(live) == [8, 8], "both workers have their share")
    assert live.differences() == []
    assert sent[0] > 200


def test_a_worker_stopped_past_its_session_and_continued_adds_nothing(
    live: Live, load: Load
) -> None:
    with load(7) as sent:
        for _ in range(3):
            name = live.workers()[0]
            live.signal(name, signal.SIGSTOP)
            try:
                # The other has all partitions once the group has dropped this one.
                live.until(lambda: max(_shares(live)) == 16, "the other worker took over")
            finally:
                live.signal(name, signal.SIGCONT)
            live.until(lambda: _shares(live) == [8, 8], "both workers have their share")
    assert live.differences() == []
    assert sent[0] > 500


def test_a_kafka_restart_loses_and_doubles_nothing(live: Live, load: Load) -> None:
    with load(8) as sent:
        before = live.stack.restarts("kafka")
        live.stack.kill("kafka")
        live.stack.await_ready("kafka", restarts=before + 1)
    assert live.differences() == []
    assert sent[0] > 50


@pytest.mark.parametrize("to", ["earliest", "latest"])
def test_offsets_reset_by_hand_are_not_believed(live: Live, to: str) -> None:
    live.send(History(9, to).messages(300))
    live.await_counted()
    live.set_offsets(to, lambda: live.send(History(10, to).messages(300)))
    assert live.differences() == []


def test_an_insert_that_is_stopped_is_an_error_to_its_client(live: Live) -> None:
    client = live.client()
    try:
        with pytest.raises(driver_errors.ServerException) as fence:
            client.execute("INSERT INTO gulou.events_visits (kpart, koff, tok) VALUES", [(0, 1, 1)])
        assert fence.value.code == 469
        client.execute("CREATE DATABASE IF NOT EXISTS scratch")
        client.execute("CREATE TABLE scratch.source (n UInt64) ENGINE = MergeTree ORDER BY n")
        client.execute("CREATE TABLE scratch.target (n UInt64) ENGINE = MergeTree ORDER BY n")
        client.execute(
            "CREATE MATERIALIZED VIEW scratch.mv TO scratch.target AS "
            "SELECT n + throwIf(n = 7) + sleepEachRow(0.05) AS n FROM scratch.source"
        )
        with pytest.raises(driver_errors.ServerException) as thrown:
            client.execute("INSERT INTO scratch.source VALUES", [(7,)])
        assert thrown.value.code == 395
        with ThreadPoolExecutor(1) as pool:
            killing = pool.submit(_kill, live, "gulou.scratch@0.1")
            with pytest.raises(driver_errors.ServerException) as killed:
                client.execute(
                    "INSERT INTO scratch.source VALUES",
                    [(8,)] * 100,
                    query_id="gulou.scratch@0.1",
                    settings={
                        "max_block_size": 10,
                        "function_sleep_max_microseconds_per_block": 10**8,
                    },
                )
            killing.result()
        assert killed.value.code == 394
        assert live.ask("SELECT count() FROM scratch.target") == [(0,)]
        client.execute("DROP DATABASE scratch SYNC")
    finally:
        client.disconnect()
    assert live.differences() == []


def test_too_many_dead_letters_stop_the_worker_with_exit_code_5(live: Live) -> None:
    with _extra_worker(live, dead_ceiling=3) as worker:
        key = b"no such case"
        live.send(
            Message(t, key + bytes([n]), b"{") for n in range(50) for t in ("visits", "funds")
        )
        assert worker.wait(240) == Halted.exit_code
    assert "were refused within" in live.log("extra")
    assert live.differences() == []


def test_a_worker_that_stands_still_with_lag_exits_to_be_restarted(live: Live) -> None:
    with _extra_worker(live, watchdog_s=5) as worker:
        live.signal("clickhouse", signal.SIGSTOP)
        try:
            live.send(History(11).messages(400))
            assert worker.wait(240) == Unavailable.exit_code
        finally:
            live.signal("clickhouse", signal.SIGCONT)
    assert "no watermark moved for" in live.log("extra")
    assert live.differences() == []


def test_the_stack_starts_a_worker_again_that_ended_itself_for_standing_still(live: Live) -> None:
    before = {name: live.stack.restarts(name) for name in live.workers()}
    live.signal("clickhouse", signal.SIGSTOP)
    try:
        live.send(History(12).messages(400))
        live.until(
            lambda: any(live.stack.restarts(name) > n for name, n in before.items()),
            "a worker was started again",
        )
    finally:
        live.signal("clickhouse", signal.SIGCONT)
    assert live.differences() == []


def _shares(live: Live, *more: int) -> list[int]:
    """Partition counts of the workers that answer, ascending."""
    first = live.settings.metrics_port
    found = []
    for port in (*(first + n for n in range(live.settings.workers)), *more):
        link = http.client.HTTPConnection(live.settings.host, port, timeout=1)
        # A stopped or starting worker does not answer.
        with contextlib.suppress(OSError), contextlib.closing(link):
            link.request("GET", "/ready")
            with link.getresponse() as answer:
                found.append(json.load(answer)["partitions"])
    return sorted(found)


def _kill(live: Live, query_id: str) -> None:
    """Kills the query with that id as soon as it runs."""
    sql = f"KILL QUERY WHERE query_id = '{query_id}' SYNC"
    live.until(lambda: bool(live.ask(sql)), "an insert to kill")


@contextmanager
def _extra_worker(live: Live, **changed: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with other settings; it has all partitions while the others are stopped."""
    port = _child.free_port()
    settings = live.settings.model_copy(update={**changed, "metrics_port": port})
    log = live.settings.home / "log" / "extra.log"
    worker = _child.spawn(
        [sys.executable, "-m", "infra.worker"],
        log=log,
        env={**os.environ, **settings.environment()},
    )
    for name in live.workers():
        live.signal(name, signal.SIGSTOP)
    try:
        live.until(lambda: max(_shares(live, port)) == 16, "it has every partition")
        yield worker
    finally:
        for name in live.workers():
            live.signal(name, signal.SIGCONT)
        _child.stop(worker, 20)
