"""Claims on a real ClickHouse that find figures behind, ahead, half emptied or failing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from schemas.errors import Halted, Unavailable
from schemas.sql.targets import select as whole
from streams import repair as module
from streams.connection import NotDigested
from streams.store import Poison
from streams.warehouse import ClickHouseStore
from tests.streams.ground import DAILY, FAMILY, HERE, TARGETS, THERE, Ground, Told
from tests.streams.stories import LOGGED, Said, fresh

INDIGESTIBLE = 395  # default error code of throwIf
PASSING = {
    159: "TIMEOUT_EXCEEDED",
    160: "TOO_SLOW",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    469: "VIOLATED_CONSTRAINT: another worker owns the partition",
    999: "KEEPER_EXCEPTION",
}
LASTING = {6: "CANNOT_PARSE_TEXT", 153: "ILLEGAL_DIVISION", 407: "DECIMAL_OVERFLOW"}


def repairs(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The repairs in the log."""
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    return [line.removeprefix("repaired ") for line in said if line.startswith("repaired ")]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "streams.repair")
    return caplog


@pytest.mark.parametrize("table", TARGETS)
def test_a_projection_without_figures_is_filled_again_by_ranges(
    told: Told, table: str, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, _, _ = told
    before = ground.figures()
    assert ground.net(table) == 7
    monkeypatch.setattr(module, "REPAIR_SPAN", 3)
    ground.run(f"TRUNCATE TABLE DB.{table}")
    ground.claim(ground.worker(), HERE)
    ranges = ("0 to 2", "3 to 5", "6 to 6")
    assert repairs(log) == [f"{table} for offsets {r} of visits@0" for r in ranges]
    assert (ground.net(table, 0), ground.net(table, 1)) == (7, 0)  # not ours to repair
    log.clear()
    ground.claim(ground.worker(), THERE)
    assert repairs(log) == [f"{table} for offsets {r} of visits@1" for r in ranges]
    assert ground.figures() == before
    assert ground.pending() == []


@pytest.mark.parametrize(("span", "ranges"), [(6, ["0 to 5", "6 to 6"]), (7, ["0 to 6"])])
def test_a_repair_goes_up_to_what_is_stored_and_no_further(
    told: Told, log: Any, monkeypatch: pytest.MonkeyPatch, span: int, ranges: list[str]
) -> None:
    ground, _, _ = told
    monkeypatch.setattr(module, "REPAIR_SPAN", span)
    ground.run("TRUNCATE TABLE DB.visits_daily")
    ground.claim(ground.worker(), HERE)
    assert repairs(log) == [f"visits_daily for offsets {r} of visits@0" for r in ranges]


def test_a_repair_covers_100_000_offsets_at_once() -> None:
    assert module.REPAIR_SPAN == 100_000


def test_a_projection_that_is_behind_gets_only_what_it_lacks(ground: Ground, log: Any) -> None:
    worker, said = ground.worker(), fresh(7)
    token = ground.claim(worker)
    ground.store(worker, token, *said[:4])
    ground.run("CREATE TABLE DB.half AS DB.visits_daily")
    ground.run("INSERT INTO DB.half SELECT * FROM DB.visits_daily")
    ground.store(worker, token, *said[4:], first=4)
    before = ground.figures()
    ground.run("TRUNCATE TABLE DB.visits_daily")
    ground.run("INSERT INTO DB.visits_daily SELECT * FROM DB.half")
    ground.run("DROP TABLE DB.half SYNC")
    ground.claim(ground.worker())
    assert repairs(log) == ["visits_daily for offsets 4 to 6 of visits@0"]
    assert ground.figures() == before


def test_nothing_is_repaired_where_every_mark_is_what_is_stored(told: Told, log: Any) -> None:
    ground, _, _ = told
    before = ground.figures()
    ground.claim(ground.worker())
    assert repairs(log) == []
    assert [r for r in log.records if r.levelno == logging.WARNING] == []
    assert ground.figures() == before


def test_figures_ahead_of_their_events_are_made_anew(told: Told, log: Any) -> None:
    ground, _, _ = told
    ground.run("ALTER TABLE DB.events_visits DELETE WHERE kpart = 0 AND koff > 3")
    claim = ground.worker().claim([HERE], ground.buried.extend)
    assert claim.stored == {HERE: 3}
    assert repairs(log) == [f"{table} for offsets 0 to 3 of visits@0" for table in TARGETS]
    warned = [r.getMessage() for r in log.records if r.levelno == logging.WARNING]
    assert warned == [f"{table} is ahead of its events; rebuilt" for table in TARGETS]
    assert [(ground.net(t, 0), ground.net(t, 1)) for t in TARGETS] == [(4, 7)] * 3
    assert ground.pending() == []
    assert ground.ask(f"SELECT count() FROM {ground.layout.database}.rebuilds") == [(3,)]


def test_all_events_gone_leaves_no_figure(told: Told) -> None:
    ground, _, _ = told
    ground.run("TRUNCATE TABLE DB.events_visits")
    claim = ground.worker().claim([HERE], ground.buried.extend)
    assert claim.stored == {HERE: -1}
    assert [(ground.net(t, 0), ground.net(t, 1)) for t in TARGETS] == [(0, 7)] * 3


def test_a_rebuild_that_was_not_finished_is_begun_again(told: Told, log: Any) -> None:
    ground, worker, token = told
    before = ground.figures()
    worker.repair.note_rebuild(FAMILY, DAILY, 0, token, pending=True)
    worker.repair.note_rebuild(FAMILY, DAILY, 1, token, pending=True)
    # As after a kill while the table was emptied: no figures, but the mark is at the end.
    ground.run("ALTER TABLE DB.visits_daily UPDATE net_count = 0 WHERE kpart = 0")
    ground.claim(ground.worker(), HERE)
    assert repairs(log) == ["visits_daily for offsets 0 to 6 of visits@0"]
    assert ground.figures() == before
    assert ground.pending() == [("visits_daily", 1)]


def spoilt(
    monkeypatch: pytest.MonkeyPatch,
    ids: Sequence[str],
    *,
    repairing: int = INDIGESTIBLE,
    asking: int = INDIGESTIBLE,
) -> None:
    """Makes every query of the daily figures fail on living events with those ids.

    Args:
        repairing: error code in a repair; asking: in the query for the failing event.
    """

    def select(family: Any, projection: Any, zone: str, *, database: str, where: str) -> str:
        if projection is DAILY and ids:
            code = repairing if "joinGet" in where else asking
            names = ", ".join(f"'{id_}'" for id_ in ids)
            # The range is in the condition too: the engine may evaluate rows outside it.
            blamed = f"({where}) AND status != 'dead' AND id IN ({names})"
            where += f" AND throwIf({blamed}, 'no', toInt16({code})) = 0"
        return whole(family, projection, zone, database=database, where=where)

    monkeypatch.setattr(module, "select", select)


def worker_of(ground: Ground) -> ClickHouseStore:
    """A worker on a server that throws with a given code."""
    found = ground.worker()
    found._connection._client.settings["allow_custom_error_code_in_throwif"] = 1
    return found


@pytest.mark.parametrize(
    "culprits",
    [[3], [0], [6], [0, 6], [2, 3], [0, 1, 2, 3, 4, 5, 6]],
    ids=lambda found: ",".join(map(str, found)),
)
def test_events_that_a_view_cannot_digest_are_found_buried_and_made_dead(
    told: Told, monkeypatch: pytest.MonkeyPatch, culprits: list[int]
) -> None:
    ground, _, _ = told
    before = ground.events("koff, payload, sha256, id, data, status")
    ground.run("TRUNCATE TABLE DB.visits_daily")
    spoilt(monkeypatch, [f"p0-{n}" for n in culprits])
    ground.claim(worker_of(ground))
    reason = ground.buried[0].reason
    assert reason.startswith("projection: visits_daily: Code: 395")
    assert len(reason) <= 400
    # Both inserts begin at the same instant.
    assert sorted(ground.buried, key=lambda each: each.offset) == [
        Poison("visits", 0, n, LOGGED + 1000 * (n % 4), before[n][1].encode(), reason)
        for n in culprits
    ]
    # Position, bytes and hash stay; the other events keep everything.
    after = ground.events("koff, payload, sha256, id, data, status, reason, net")
    assert after == [
        (*row[:4], "", "dead", reason, "") if n in culprits else (*row, "", "")
        for n, row in enumerate(before)
    ]
    left = 7 - len(culprits)
    assert [(ground.net(t, 0), ground.net(t, 1)) for t in TARGETS] == [(left, 7)] * 3
    assert ground.pending() == []
    marks = f"SELECT max(hi) FROM {ground.layout.database}.visits_daily GROUP BY kpart"
    assert ground.ask(marks) == [(6,), (6,)]


def test_poison_is_buried_before_it_is_made_dead_and_stays_if_that_fails(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, _, _ = told
    ground.run("TRUNCATE TABLE DB.visits_daily")
    spoilt(monkeypatch, ["p0-3"])

    def bury(poison: Sequence[Poison]) -> None:
        raise OSError("no broker")

    with pytest.raises(OSError, match="no broker"):
        worker_of(ground).claim([HERE], bury)
    assert ground.events("status") == [("ok",)] * 14
    assert ground.pending() == []
    # The next claim finds it again.
    ground.claim(worker_of(ground))
    assert [each.offset for each in ground.buried] == [3]
    assert ground.net("visits_daily") == 6


def test_every_projection_is_noted_to_be_made_anew_before_poison_is_made_dead(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, _, _ = told
    ground.run("TRUNCATE TABLE DB.visits_daily")
    spoilt(monkeypatch, ["p0-3"])
    # The mutation never ends: the rebuilds noted by then must suffice for the repair.
    ground.run("SYSTEM STOP MERGES DB.events_visits")
    worker = worker_of(ground)
    ended: list[BaseException] = []

    def claim() -> None:
        try:
            ground.claim(worker, HERE)
        except BaseException as error:
            ended.append(error)

    claiming = threading.Thread(target=claim)
    claiming.start()
    try:
        ground.until("SELECT count() FROM system.mutations WHERE NOT is_done", 1)
        assert ground.pending() == [(table, 0) for table in sorted(TARGETS)]
        assert [each.offset for each in ground.buried] == [3]
    finally:
        ground.run("SYSTEM START MERGES DB.events_visits")
        claiming.join()
    assert ended == []
    assert [ground.net(t) for t in TARGETS] == [6] * 3


def test_poison_of_a_partition_that_was_lost_meanwhile_is_left_to_its_owner(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, _, _ = told
    ground.run("TRUNCATE TABLE DB.visits_daily")
    spoilt(monkeypatch, ["p0-3"])

    def bury(poison: Sequence[Poison]) -> None:
        ground.run("INSERT INTO DB.owner VALUES ('visits', 0, 42)")

    with pytest.raises(Unavailable, match=r"^visits@0 belongs to another worker now"):
        worker_of(ground).claim([HERE], bury)
    assert ground.events("status") == [("ok",)] * 14
    assert ground.pending() == []


def test_a_range_that_cannot_be_repaired_though_each_event_can_halts_the_worker(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, _, _ = told
    ground.run("TRUNCATE TABLE DB.visits_daily")

    def select(family: Any, projection: Any, zone: str, *, database: str, where: str) -> str:
        if projection is DAILY and "joinGet" in where:
            where += " AND throwIf(1, 'no') = 0"
        return whole(family, projection, zone, database=database, where=where)

    monkeypatch.setattr(module, "select", select)
    with pytest.raises(Halted) as halted:
        ground.claim(ground.worker(), HERE)
    assert halted.value.what.startswith(
        "visits_daily cannot be repaired for offsets 0 to 6 of visits@0, though each alone can: "
        "Code: 395"
    )
    assert ground.buried == []
    assert ground.events("status") == [("ok",)] * 14


@pytest.mark.parametrize("where", ["repairing", "asking"])
def test_an_error_of_the_server_makes_no_event_dead(
    told: Told, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whether it occurs in the repair or in the queries for the failing event."""
    ground, _, _ = told
    before = ground.figures()
    ground.run("TRUNCATE TABLE DB.visits_daily")
    worker = worker_of(ground)
    for code, name in PASSING.items():
        with monkeypatch.context() as patch:
            spoilt(patch, ["p0-3"], **{where: code})
            with pytest.raises(Unavailable) as passing:
                ground.claim(worker)
        assert passing.value.what.startswith(f"Code: {code}."), name
        assert passing.value.do == "It is asked again."
        assert ground.buried == []
    ground.claim(ground.worker())
    assert ground.events("status") == [("ok",)] * 14
    assert ground.figures() == before


@pytest.mark.parametrize("code", LASTING, ids=LASTING.get)
def test_an_error_of_content_makes_its_event_dead(
    told: Told, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    ground, _, _ = told
    ground.run("TRUNCATE TABLE DB.visits_daily")
    spoilt(monkeypatch, ["p0-3"], repairing=code, asking=code)
    ground.claim(worker_of(ground), HERE)
    (poison,) = ground.buried
    assert poison.offset == 3
    assert poison.reason.startswith(f"projection: visits_daily: Code: {code}. DB::Exception: ")
    assert ground.net("visits_daily") == 6


def test_an_error_of_a_claim_that_has_to_do_with_no_event_is_told_as_it_is(ground: Ground) -> None:
    ground.run("RENAME TABLE DB.rebuilds TO DB.elsewhere")
    try:
        with pytest.raises(NotDigested, match=r"^Code: 60\. .*UNKNOWN_TABLE"):
            ground.claim(ground.worker())
    finally:
        ground.run("RENAME TABLE DB.elsewhere TO DB.rebuilds")


def test_two_events_said_of_one_visit_survive_a_repair(ground: Ground) -> None:
    worker = ground.worker()
    token = ground.claim(worker)
    ground.store(
        worker,
        token,
        Said("first", "1", value=3),
        Said("better", "b", "1", value=9, at=2),
        Said("first", "1", value=3),
        Said("dead", "x"),
    )
    before = ground.figures()
    assert ground.net("visits_daily") == 1
    for table in TARGETS:
        ground.run(f"TRUNCATE TABLE DB.{table}")
    ground.claim(ground.worker())
    assert ground.figures() == before
