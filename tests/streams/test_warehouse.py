"""A worker's statements on a real ClickHouse: inserts, the fence, look-ups, heartbeats."""

from __future__ import annotations

from typing import Any

import pytest

from infra import _child
from schemas.errors import Unavailable
from streams.connection import INSERT_SETTINGS, Address, says
from streams.identities import hashes
from streams.ingest import StoredEvent
from streams.repair import query_id
from streams.store import Beat
from streams.warehouse import ClickHouseStore
from tests.histories.told import ms
from tests.streams.ground import FAMILY, HERE, TARGETS, THERE, Ground
from tests.streams.stories import GRID, LOGGED, Said, fresh

SOURCE = "//huaihua/test"


def test_an_insert_stores_rows_with_the_token_and_feeds_every_projection(ground: Ground) -> None:
    worker = ground.worker()
    token = ground.claim(worker)
    ground.store(worker, token, *fresh(3), Said("dead", "x"))
    assert ground.events("kpart, koff, koff_prev, toString(status), tok") == [
        (0, 0, -1, "ok", token),
        (0, 1, 0, "ok", token),
        (0, 2, 1, "ok", token),
        (0, 3, 2, "dead", token),
    ]
    assert [ground.net(table) for table in TARGETS] == [3, 3, 3]


def test_a_worker_whose_partition_another_has_claimed_stores_nothing(ground: Ground) -> None:
    old, new = ground.worker(), ground.worker()
    token = ground.claim(old)
    ground.claim(new, THERE)
    both = ground.rows(*fresh(2, "h"))
    there = ground.rows(*fresh(2, "t"), kpart=1)
    for name, values in there.columns.items():
        both.columns[name] += values
    both.last |= there.last
    both.identities += there.identities
    with pytest.raises(Unavailable) as refused:
        old.insert(both, token)
    assert refused.value.what.startswith(
        "An insert of 4 rows into `ground_of_visits`.`events_visits` did not end well: Code: 469."
    )
    assert refused.value.do == "The partitions are claimed again and the rows re-read."
    assert "household" not in str(refused.value)
    assert ground.events("koff") == []
    assert [ground.net(table) for table in TARGETS] == [0, 0, 0]
    # It may still store its own partition, on the connection that failed.
    ground.store(old, token, *fresh(2))
    assert ground.events("kpart, koff") == [(0, 0), (0, 1)]


def test_nothing_is_stored_of_an_insert_that_a_view_stops(ground: Ground) -> None:
    worker = ground.worker()
    token = ground.claim(worker)
    ground.run(
        "CREATE MATERIALIZED VIEW DB.a_stop TO DB.heartbeat AS "
        "SELECT topic FROM (SELECT throwIf(id = 'e2') AS n, 'x' AS topic FROM DB.events_visits)"
        " WHERE n = 0"
    )
    try:
        with pytest.raises(Unavailable, match="did not end well: Code: 395"):
            ground.store(worker, token, *fresh(3))
    finally:
        ground.run("DROP TABLE DB.a_stop SYNC")
    ground.claim(worker)
    stored = len(ground.events("koff"))
    assert [ground.net(table) for table in TARGETS] == [stored] * 3


def test_a_claim_says_what_is_stored_and_what_corrections_await(ground: Ground) -> None:
    worker = ground.worker()
    token = ground.claim(worker)
    waits = Said("better", "b", "missing", value=2, at=1)
    ground.store(worker, token, *fresh(2), waits, Said("void", "v", "gone", at=3))
    ground.store(worker, token, Said("better", "c", "there", value=2, at=1), kpart=1, first=5)
    claim = worker.claim([THERE, HERE], ground.buried.extend)
    assert claim.stored == {HERE: 3, THERE: 5}
    assert claim.awaited == {
        "visits": {(0, SOURCE, "missing"), (0, SOURCE, "gone"), (1, SOURCE, "there")}
    }
    part = worker.claim([THERE], ground.buried.extend)
    assert part.stored == {THERE: 5}
    assert part.awaited == {"visits": {(1, SOURCE, "there")}}


def test_a_claim_of_empty_tables_begins_before_the_first_offset(ground: Ground) -> None:
    claim = ground.worker().claim([HERE, THERE], ground.buried.extend)
    assert claim.stored == {HERE: -1, THERE: -1}
    assert claim.awaited == {"visits": set()}


def test_a_claim_of_nothing_takes_nothing_away(ground: Ground) -> None:
    old = ground.worker()
    token = ground.claim(old)
    claim = ground.worker().claim([], ground.buried.extend)
    assert (claim.stored, claim.awaited) == ({}, {})
    ground.store(old, token, *fresh(1))
    assert len(ground.events("koff")) == 1


def test_no_two_claims_have_one_token_and_none_has_that_of_an_empty_table(ground: Ground) -> None:
    worker = ground.worker()
    tokens = [ground.claim(worker, HERE) for _ in range(8)]
    assert len(set(tokens)) == 8
    # The fence reads 0 without a claim, and a UInt64 may pass through an Int64.
    assert all(token % 2 == 1 and 0 < token < 2**63 for token in tokens)


@pytest.fixture
def full(ground: Ground) -> tuple[Ground, ClickHouseStore]:
    """Events of every status in partition 0; one of the same ids in partition 1."""
    worker = ground.worker()
    token = ground.claim(worker)
    one, fix = Said("first", "1", value=3), Said("better", "b", "1", value=9, at=2)
    ground.store(
        worker, token,
        one, fix, one, Said("first", "1", value=4), Said("void", "w", "7", at=5),
        Said("dead", "x"), Said("first", "2", value=5),
    )  # fmt: skip
    ground.store(worker, token, one, kpart=1)
    return ground, worker


def found(rows: list[StoredEvent]) -> list[tuple[int, int, str]]:
    return sorted((row.kpart, row.koff, row.status) for row in rows)


def test_rows_of_an_identity_are_given_whole(full: tuple[Ground, ClickHouseStore]) -> None:
    ground, worker = full
    (row,) = worker.related("visits", {(0, SOURCE, "2")}, set())
    ((payload, digest, data),) = ground.client.execute(
        "SELECT payload, sha256, data FROM ground_of_visits.events_visits WHERE id = '2'",
        settings={"strings_as_bytes": True},
    )
    assert b'"met":5' in payload
    assert row == StoredEvent(
        kpart=0,
        koff=6,
        source=SOURCE,
        id="2",
        corrects="",
        type="visit.recorded",
        status="ok",
        sha256=digest,
        time=ms("2021-03-01 09:00"),
        recorded=ms("2021-04-01 00:00"),
        division="431202001001",
        grid=GRID,
        data=data,
    )


@pytest.mark.parametrize(
    ("identities", "roots", "right"),
    [
        # Of two events with the same id, the first counts; repeats, conflicts and dead ones do not.
        ({(0, SOURCE, "1")}, set(), [(0, 0, "ok")]),
        ({(1, SOURCE, "1")}, set(), [(1, 0, "ok")]),
        ({(0, SOURCE, "1"), (1, SOURCE, "x")}, set(), [(0, 0, "ok"), (1, 0, "ok")]),
        ({(0, SOURCE, "w")}, set(), [(0, 4, "orphan")]),
        # A root finds itself and its corrections.
        (set(), {(0, SOURCE, "1")}, [(0, 0, "ok"), (0, 1, "ok")]),
        (set(), {(0, SOURCE, "7")}, [(0, 4, "orphan")]),
        ({(0, SOURCE, "2")}, {(0, SOURCE, "7")}, [(0, 4, "orphan"), (0, 6, "ok")]),
        ({(0, SOURCE, "7")}, set(), []),
        ({(0, "//elsewhere", "2")}, set(), [(0, 6, "ok")]),
        ({(3, SOURCE, "2")}, set(), []),
        (set(), set(), []),
    ],
)
def test_counted_rows_of_identities_and_corrections_of_roots_are_found(
    full: tuple[Ground, ClickHouseStore],
    identities: Any,
    roots: Any,
    right: list[tuple[int, int, str]],
) -> None:
    _, worker = full
    assert found(worker.related("visits", identities, roots)) == right


def test_ids_in_any_script_and_many_of_them_are_looked_up(ground: Ground) -> None:
    worker = ground.worker()
    token = ground.claim(worker)
    named = Said("first", "走访'\\ 1", value=3)
    ground.store(worker, token, named)
    # Longer than a query may be by default: 262,144 bytes.
    many = {(0, SOURCE, f"{n:0100}") for n in range(3000)}
    (row,) = worker.related("visits", {(0, SOURCE, named.id), *many}, many)
    assert row.id == named.id


def test_hashes_of_counted_identities_behind_an_offset_are_given(
    full: tuple[Ground, ClickHouseStore],
) -> None:
    _, worker = full
    for after, ids in ((-1, "1bw2"), (0, "bw2"), (3, "w2"), (4, "2"), (6, "")):
        got = worker.identities("visits", 0, after)
        assert sorted(got) == sorted(hashes([SOURCE] * len(ids), list(ids)))
        assert got.dtype == "uint64"
    assert sorted(worker.identities("visits", 1, -1)) == list(hashes([SOURCE], ["1"]))


def test_a_beat_is_written_as_it_is_said(ground: Ground) -> None:
    worker = ground.worker()
    worker.beat([Beat("visits", 0, LOGGED + 5, 7, 41, LOGGED), Beat("visits", 1, LOGGED, 0, -1, 0)])
    assert ground.ask(
        "SELECT topic, kpart, toUnixTimestamp64Milli(beat), lag, watermark, "
        "toUnixTimestamp64Milli(behind_since) FROM ground_of_visits.heartbeat ORDER BY kpart"
    ) == [("visits", 0, LOGGED + 5, 7, 41, LOGGED), ("visits", 1, LOGGED, 0, -1, 0)]


def test_a_beat_that_the_server_refuses_is_told_and_the_next_one_is_written(
    ground: Ground,
) -> None:
    worker = ground.worker()
    ground.run("RENAME TABLE DB.heartbeat TO DB.elsewhere")
    try:
        with pytest.raises(Unavailable, match=r"^No heartbeat could be written: Code: 60") as told:
            worker.beat([Beat("visits", 0, LOGGED, 0, 1, 0)])
        assert told.value.do == "The next one is tried."
    finally:
        ground.run("RENAME TABLE DB.elsewhere TO DB.heartbeat")
    worker.beat([Beat("visits", 0, LOGGED, 0, 1, 0)])
    assert ground.ask("SELECT count() FROM ground_of_visits.heartbeat") == [(1,)]


def test_a_server_that_is_not_there_is_unavailable_to_every_operation(ground: Ground) -> None:
    nobody = Address("127.0.0.1", _child.free_port(), "gulou", "x", {"connect_timeout": 1})
    worker = ClickHouseStore(nobody, [FAMILY], ground.layout)
    with pytest.raises(Unavailable, match=r"^ClickHouse does not answer: ") as told:
        worker.claim([HERE], ground.buried.extend)
    assert told.value.do == "It is asked again."
    with pytest.raises(Unavailable, match=r"^ClickHouse does not answer: "):
        worker.related("visits", {(0, SOURCE, "1")}, set())
    with pytest.raises(Unavailable, match=r"^ClickHouse does not answer: "):
        worker.identities("visits", 0, -1)
    with pytest.raises(Unavailable, match=r"^ClickHouse does not answer: "):
        worker.beat([Beat("visits", 0, 1, 0, 1, 0)])
    with pytest.raises(Unavailable, match=r"^An insert of 2 rows into .* did not end well: "):
        worker.insert(ground.rows(*fresh(2)), 1)
    worker.close()


def test_inserts_and_repairs_name_their_partitions_and_bring_one_block(ground: Ground) -> None:
    """A view records each: the id of its query, its rows and its settings."""
    names = [name for name in INSERT_SETTINGS if name != "insert_block_size"]
    settings = ", ".join(f"toString(getSetting('{name}'))" for name in names)
    ground.run(
        "CREATE TABLE DB.seen (id String, n UInt64, settings Array(String)) "
        "ENGINE = MergeTree ORDER BY tuple()"
    )
    for view, table in (("seen_events", "events_visits"), ("seen_daily", "visits_daily")):
        ground.run(
            f"CREATE MATERIALIZED VIEW DB.{view} TO DB.seen AS "
            f"SELECT p.query_id AS id, n, [{settings}] AS settings "
            f"FROM (SELECT count() AS n FROM DB.{table}) AS brought "
            "CROSS JOIN (SELECT query_id FROM system.processes WHERE query LIKE 'INSERT%') AS p"
        )
    try:
        worker = ground.worker()
        token = ground.claim(worker)
        ground.store(worker, token, *(Said("first", f"e{n}") for n in range(2500)))
        ground.run("TRUNCATE TABLE DB.visits_daily")
        ground.claim(worker, HERE)
        # The insert, its figures, and the figures of the repair.
        rows = ground.ask("SELECT id, n, settings FROM ground_of_visits.seen")
        assert sorted(n for _, n, _ in rows) == [1, 1, 2500]
        ids = {id_ for id_, *_ in rows}
        assert len(ids) == 2
        for id_ in ids:
            assert id_.startswith("gulou.visits@0.")
        right = {
            "async_insert": "false",
            "insert_deduplicate": "false",
            "materialized_views_ignore_errors": "false",
            "parallel_view_processing": "false",
            "max_insert_threads": "1",
            "min_insert_block_size_rows": "10000000",
            "min_insert_block_size_bytes": "0",
        }
        assert {tuple(s) for *_, s in rows} == {tuple(right[name] for name in names)}
        assert list(right) == names
    finally:
        for table in ("seen_events", "seen_daily", "seen"):
            ground.run(f"DROP TABLE DB.{table} SYNC")


def test_a_query_names_every_partition_it_writes_and_is_named_like_no_other() -> None:
    first, second = (query_id("visits", (0, 12)) for _ in range(2))
    assert first.startswith("gulou.visits@0.visits@12.")
    assert len(first.split(".")[-1]) == 32
    assert first != second


@pytest.mark.parametrize(
    ("host", "packed"),
    [
        ("127.0.0.1", False),
        ("127.8.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("10.1.2.3", "lz4"),
        ("192.168.0.9", "lz4"),
        ("clickhouse1", "lz4"),
    ],
)
def test_rows_are_packed_unless_they_stay_on_this_machine(host: str, packed: str | bool) -> None:
    assert Address(host, 9000, "u", "p").compression == packed


def test_a_server_that_says_nothing_for_two_minutes_is_given_up_unless_options_say_otherwise() -> (
    None
):
    def timeout(**options: Any) -> float:
        client = Address("127.0.0.1", 9000, "u", "p", options).connect()
        return float(client.connection.send_receive_timeout)

    assert timeout() == 120
    assert timeout(send_receive_timeout=7) == 7


def test_an_address_never_shows_its_password() -> None:
    assert "secret" not in repr(Address("h", 1, "u", "secret"))


def test_what_a_server_says_is_cut_before_its_stack_and_after_300_characters() -> None:
    said = says(Exception("Code: 1.\n DB::Exception:  " + "a" * 400 + "Stack trace: x"))
    assert said == ("Code: 1. DB::Exception: " + "a" * 400)[:300]
    assert says(Exception("short. Stack trace:\n 0. main")) == "short."
