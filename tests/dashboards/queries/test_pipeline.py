"""The pipeline's board: stored, waiting and refused messages, and lag.

Queries that read the wall clock get a fixed clock, so that both sides of a second can be tested.
Each test gives the partitions and times of heartbeats and messages.
"""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.queries import freshness, pipeline
from schemas.wire import Reason
from tests.dashboards.queries.about import about, cuts
from tests.dashboards.queries.register import table
from tests.dashboards.queries.steps import mediation
from tests.town import Town

NOW = "2021-06-01 09:01:00"
AT = "2021-12-31"
ALL_OF_TIME = "2000-01-01"


def _by_clock(sql: str, now: str = NOW) -> str:
    """A query with a fixed clock in place of the wall clock."""
    assert "now()" in sql
    return sql.replace("now()", f"toDateTime('{now}', 'Asia/Shanghai')")


def _sql(time: str) -> str:
    return f"toDateTime64('{time}', 3, 'Asia/Shanghai')"


def beat(town: Town, topic: str, kpart: int, time: str, lag: int = 0, since: str = "") -> None:
    columns = {"beat": _sql(time), "lag": str(lag)} | (
        {"behind_since": _sql(since)} if since else {}
    )
    town.beat(topic=topic, kpart=kpart, **columns)


def said(topic: str, kpart: int, logged: str, **columns: Any) -> dict[str, Any]:
    """A message with default content; `columns` override its stored columns."""
    return {"topic": topic, "kpart": kpart, "time": logged, **columns}


def store(town: Town, *messages: dict[str, Any]) -> None:
    """Stores messages as a worker does, one insert per topic."""
    city = town.shipped.city
    rows = [city.row(data={}, **{"type_": "visit.said", **message}) for message in messages]
    for topic in {row["topic"]: None for row in rows}:
        city.insert([row for row in rows if row["topic"] == topic])


# ---------------------------------------------------------------------------------- freshness


NEVER, STOPPED = "处理程序从未报到：数据不可信", "处理程序停止于 06-01 09:00:29，数字停在此刻"
NIGHT = "2021-06-01 03:00:00"
Beat = tuple[str, int, str, int, str]
"""Topic, partition, time, number of waiting messages, start of the uninterrupted wait."""
FRESHNESS: dict[str, tuple[list[Beat], list[tuple[str, int, str]], int, str]] = {
    # name: heartbeats; messages by partition and append time; stale, reason.
    "nothing at all": ([], [], 1, NEVER),
    "a replay has no worker": ([], [("visits", 0, NIGHT)], 0, "正常 · 回放数据，不再更新"),
    "a new city": ([("visits", 0, NOW, 0, "")], [], 0, "正常 · 最新消息 无"),
    "a quiet night": (
        [("visits", 0, NOW, 0, "")], [("visits", 0, NIGHT)], 0, "正常 · 最新消息 06-01 03:00:00",
    ),
    "silent for 30 s": (
        [("visits", 0, "2021-06-01 09:00:30", 0, "")], [], 0, "正常 · 最新消息 无",
    ),
    "silent for 31 s": ([("visits", 0, "2021-06-01 09:00:29", 0, "")], [], 1, STOPPED),
    "one of two is silent": (
        [("visits", 1, NOW, 0, ""), ("funds", 0, "2021-06-01 09:00:29", 0, "")],
        [("visits", 1, NOW)], 1, STOPPED,
    ),
    "silent with messages waiting": (
        [("visits", 0, "2021-06-01 09:00:29", 3, NIGHT)], [], 1, STOPPED,
    ),
    "none stored for 60 s": (
        [("visits", 0, NOW, 3, "2021-06-01 09:00:00")], [], 0, "正常 · 最新消息 无",
    ),
    "none stored for 61 s": (
        [("visits", 0, NOW, 3, "2021-06-01 08:59:59")], [], 1, "积压 3 条未入库，数字偏旧",
    ),
    "the newest waited for 60 s": (
        [("visits", 0, NOW, 3, NIGHT)], [("visits", 0, "2021-06-01 09:00:00")], 0,
        "正常 · 最新消息 06-01 09:00:00",
    ),
    "the newest waited for 61 s": (
        [("visits", 0, NOW, 3, NIGHT)], [("visits", 0, "2021-06-01 08:59:59")], 1,
        "积压 3 条未入库，数字偏旧",
    ),
    "the first message after a quiet night": (
        [("visits", 0, NOW, 1, "2021-06-01 09:00:55")], [("visits", 0, NIGHT)], 0,
        "正常 · 最新消息 06-01 03:00:00",
    ),
    "one of two stands still": (
        [("visits", 0, NOW, 3, NIGHT), ("visits", 1, NOW, 4, "2021-06-01 09:00:50")],
        [("visits", 1, NOW), ("visits", 0, NIGHT)], 1, "积压 7 条未入库，数字偏旧",
    ),
    "the newest of two": (
        [("visits", 0, NOW, 0, ""), ("visits", 1, NOW, 0, "")],
        [("visits", 0, NIGHT), ("visits", 1, "2021-06-01 08:00:01.999")], 0,
        "正常 · 最新消息 06-01 08:00:01",
    ),
}  # fmt: skip


@about(freshness.freshness, freshness.stale_mark)
@pytest.mark.parametrize("name", FRESHNESS)
def test_freshness_says_whether_the_figures_may_be_believed_and_why(town: Town, name: str) -> None:
    beats, messages, stale, reason = FRESHNESS[name]
    for topic, kpart, time, lag, since in beats:
        beat(town, topic, kpart, time, lag, since)
    store(town, *(said(*message) for message in messages))
    assert table(town.ask(_by_clock(freshness.freshness()), AT)) == [
        ("stale", "reason"), (stale, reason),
    ]  # fmt: skip
    marks = town.ask(_by_clock(freshness.stale_mark()), AT)
    assert marks == ([{"mark": "■数据停更"}] if stale else [])


@about(freshness.freshness)
def test_freshness_is_by_the_clock_on_the_wall_whatever_the_range(town: Town) -> None:
    town.beat()
    (fresh,) = town.ask(freshness.freshness(), "2001-01-01")
    assert (fresh["stale"], fresh["reason"]) == (0, "正常 · 最新消息 无")
    town.beat(beat="now64(3) - INTERVAL 31 SECOND", topic="funds")
    (silent,) = town.ask(freshness.freshness(), "2101-01-01")
    assert silent["stale"] == 1


# ------------------------------------------------------------------------------- what is stored


def _three_parts(town: Town) -> None:
    """Partitions: two of visits, one of funds, one without heartbeat, one that stored nothing."""
    beat(town, "visits", 10, "2021-06-01 09:00:58.500", lag=7)
    beat(town, "visits", 2, "2021-06-01 09:00:40", lag=5)
    beat(town, "visits", 2, "2021-06-01 09:00:50", lag=2)
    beat(town, "funds", 0, "2021-06-01 09:01:30", lag=1)  # its clock is ahead
    store(
        town,
        said("visits", 2, "2021-06-01 08:59:00", koff=4),
        said("visits", 2, "2021-06-01 08:58:00", koff=9, status="dead", reason="json: no"),
        said("visits", 2, "2021-06-01 08:57:00", koff=5),
        said("visits", 3, "2021-06-01 09:00:59", koff=1),  # no heartbeat
        said("funds", 0, "2021-06-01 09:00:30.250", koff=3),
    )


@about(pipeline.pipeline_parts)
def test_a_row_for_each_partition_says_what_is_stored_and_what_waits(town: Town) -> None:
    assert town.ask(pipeline.pipeline_parts(), AT) == []
    _three_parts(town)
    assert table(town.ask(pipeline.pipeline_parts(), AT)) == [
        ("topic", "partition", "messages", "lag", "watermark", "heartbeat", "stored"),
        ("funds", "0", 1, 1, "2021-06-01 09:00:30.250", "2021-06-01 09:01:30.000", 3),
        ("visits", "2", 3, 2, "2021-06-01 08:59:00.000", "2021-06-01 09:00:50.000", 9),
        ("visits", "10", 0, 7, None, "2021-06-01 09:00:58.500", None),
    ]


@cuts(pipeline.pipeline_parts)
@about(pipeline.pipeline_parts)
def test_no_more_than_two_hundred_partitions_are_shown(town: Town) -> None:
    town.shipped.city.run(
        "INSERT INTO gulou.heartbeat (topic, kpart, beat, watermark) "
        "SELECT 'visits', number, now64(3), 1 FROM numbers(201)"
    )
    shown = [row["partition"] for row in town.ask(pipeline.pipeline_parts(), AT)]
    assert shown == [str(n) for n in range(200)]


@about(pipeline.pipeline_now)
def test_the_whole_pipeline_is_as_old_as_its_oldest_beat_and_its_newest_message(
    town: Town,
) -> None:
    names = ("behind", "beat_age", "newest_age", "stored_all", "partitions")
    # No heartbeat: its age is NULL, not 0.
    assert table(town.ask(_by_clock(pipeline.pipeline_now()), AT)) == [names, (0, None, None, 0, 0)]
    _three_parts(town)
    # Heartbeats 10, 2 and -30 s ago; newest 120 and 30 s ago; 7 + 2 + 1 wait; 3 + 1 are stored.
    assert table(town.ask(_by_clock(pipeline.pipeline_now()), AT)) == [names, (10, 10, 30, 4, 3)]
    # Only a clock that is ahead: the age is never negative.
    (row,) = town.ask(_by_clock(pipeline.pipeline_now(), "2021-06-01 09:00:00"), AT)
    assert (row["beat_age"], row["newest_age"]) == (0, -30)


@about(pipeline.pipeline_lag)
def test_lag_is_a_bar_for_each_topic_longest_first(town: Town) -> None:
    assert town.ask(pipeline.pipeline_lag(), AT) == []
    for topic, kpart, lag in (
        ("petitions", 0, 3), ("visits", 0, 1), ("visits", 1, 4), ("mediations", 0, 3),
        ("funds", 0, 0),
    ):  # fmt: skip
        beat(town, topic, kpart, NOW, lag)
    assert table(town.ask(pipeline.pipeline_lag(), AT)) == [
        ("name", "value"), ("visits", 5), ("mediations", 3), ("petitions", 3), ("funds", 0),
    ]  # fmt: skip


@about(pipeline.pipeline_throughput)
def test_throughput_is_messages_a_minute_with_zeros_where_none_came(town: Town) -> None:
    came = (
        ("visits", "08:59:59.999"), ("visits", "09:00:00"), ("visits", "09:00:59.999"),
        ("visits", "09:01:30"), ("visits", "09:01:31"),
        ("petitions", "09:00:30"), ("mediations", "09:03:00"), ("funds", "09:03:10"),
        ("funds", "09:03:20"), ("visits", "09:05:00"),
    )  # fmt: skip
    store(town, *(said(topic, 0, f"2021-06-01 {time}", status="dead") for topic, time in came))
    names = ("time", "funds", "mediations", "petitions", "visits")

    def asked(at: str, since: str, interval_s: float) -> list[tuple[Any, ...]]:
        return table(
            town.ask(
                pipeline.pipeline_throughput(), f"2021-06-01 {at}", f"2021-06-01 {since}",
                interval_ms=int(interval_s * 1000),
            )
        )  # fmt: skip

    def at(minute: int) -> str:
        return f"2021-06-01 09:{minute:02}:00"

    assert asked("09:04:59.999", "09:00", 60) == [
        names, (at(0), 0, 0, 1, 2), (at(1), 0, 0, 0, 2), (at(2), 0, 0, 0, 0), (at(3), 2, 1, 0, 0),
    ]  # fmt: skip
    # Points of two minutes: half as many per minute. The range includes its last instant.
    assert asked("09:05", "09:00", 120) == [
        names, (at(0), 0, 0, 0.5, 2), (at(2), 1, 0.5, 0, 0), (at(4), 0, 0, 0, 0.5),
    ]  # fmt: skip
    # Points of half a minute: the rate still counts a whole minute.
    assert asked("09:00:59", "08:59:00", 30) == [
        names, ("2021-06-01 08:59:00", 0, 0, 0, 1), ("2021-06-01 08:59:30", 0, 0, 0, 0),
        (at(0), 0, 0, 1, 2),
    ]  # fmt: skip
    assert len(asked("09:00", "08:59", 0.25)) == 1 + 61, "a second a point at the least"
    assert asked("08:00", "07:00", 60) == []


@cuts(pipeline.pipeline_throughput)
@about(pipeline.pipeline_throughput)
def test_no_more_than_two_thousand_points_of_throughput_are_shown(town: Town) -> None:
    # 2,000 minutes apart, so 2,001 points.
    store(town, said("visits", 0, "2021-06-01"), said("visits", 0, "2021-06-02 09:20:00"))
    sql, since = pipeline.pipeline_throughput(), "2021-06-01"
    asked = town.ask(sql, "2021-06-02 09:20", since, interval_ms=60_000)
    assert [row["visits"] for row in asked] == [1] + [0] * 1999
    # A whole day by the minute.
    town.empty()
    store(town, said("visits", 0, "2021-06-01"), said("visits", 0, "2021-06-01 23:59:00"))
    asked = town.ask(sql, "2021-06-01 23:59", since, interval_ms=60_000)
    assert [row["visits"] for row in asked] == [1] + [0] * 1438 + [1]


# ---------------------------------------------------------------------------------- what lags


@about(pipeline.pipeline_projections)
def test_a_projection_may_be_one_insert_behind_and_no_more(town: Town) -> None:
    names = ("topic", "projection", "partitions", "up_to_date", "farthest", "mark")
    assert town.ask(pipeline.pipeline_projections(), AT) == []
    # Highest offset 49,999 and nothing in the figures: 50,000 messages.
    store(town, said("visits", 0, NOW, koff=49_999), said("petitions", 0, NOW, koff=50_000))
    for target in ("visits_hourly", "petitions_daily"):
        town.shipped.city.run(f"TRUNCATE TABLE gulou.{target}")
    store(town, said("visits", 1, NOW, koff=7))
    assert table(town.ask(pipeline.pipeline_projections(), AT)) == [
        names,
        ("petitions", "daily", 1, 0, 50_001, "■ 落后"),
        ("visits", "hourly", 2, 1, 50_000, "▲ 追赶中"),
        ("petitions", "cases", 1, 1, 0, "● 一致"),
        ("petitions", "hourly", 1, 1, 0, "● 一致"),
        ("visits", "coverage", 2, 2, 0, "● 一致"),
        ("visits", "daily", 2, 2, 0, "● 一致"),
    ]


def _of_tables(*tables: tuple[str, int, int, int]) -> str:
    """The query over these tables (name, parts, rows, bytes) instead of the engine's.

    The engine takes seconds to write and drop a thousand real parts.
    """
    sql = pipeline.pipeline_tables()
    assert "FROM table_parts" in sql
    columns = "t.1 AS table, t.2 AS parts, t.3 AS rows, t.4 AS bytes"
    made = f"SELECT {columns} FROM (SELECT arrayJoin({list(tables)}) AS t)"
    return sql.replace("FROM table_parts", f"FROM ({made})")


@cuts(pipeline.pipeline_tables)
@about(pipeline.pipeline_tables)
def test_a_table_has_many_parts_from_three_hundred_on_and_too_many_from_a_thousand(
    town: Town,
) -> None:
    asked = town.ask(
        _of_tables(
            ("b", 299, 7, 70), ("a", 299, 8, 80), ("c", 300, 9, 90), ("d", 999, 10, 100),
            ("e", 1000, 11, 110),
        ),
        AT,
    )  # fmt: skip
    # Equal numbers of parts: by name.
    assert table(asked) == [
        ("table", "parts", "rows", "bytes", "mark"),
        ("e", 1000, 11, 110, "■ 过多"),
        ("d", 999, 10, 100, "▲ 偏多"),
        ("c", 300, 9, 90, "▲ 偏多"),
        ("a", 299, 8, 80, "● 正常"),
        ("b", 299, 7, 70, "● 正常"),
    ]
    many = [(f"t{n:03}", 1, 1, 1) for n in range(201)]
    shown = [row["table"] for row in town.ask(_of_tables(*many), AT)]
    assert shown == [name for name, *_ in many[:200]]


@about(pipeline.pipeline_tables)
def test_the_tables_shown_are_the_engines_own(town: Town) -> None:
    client = town.shipped.city.client
    client.execute(
        "CREATE TABLE gulou.made (n UInt32) ENGINE = MergeTree PARTITION BY n % 50 ORDER BY n"
    )
    try:
        client.execute("INSERT INTO gulou.made SELECT number FROM numbers(120)")
        client.execute("ALTER TABLE gulou.made DROP PARTITION 0")  # its rows were 0, 50, 100
        (stored,) = town.rows(
            "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND table = 'made'"
        )
        head, *shown = table(town.ask(pipeline.pipeline_tables(), AT))
    finally:
        client.execute("DROP TABLE gulou.made SYNC")
    assert head == ("table", "parts", "rows", "bytes", "mark")
    assert shown[0] == ("made", 49, 117, stored["bytes"], "● 正常")
    assert "divisions" in {row[0] for row in shown}
    assert "events_visits" not in {row[0] for row in shown}, "it holds nothing"


# ------------------------------------------------------------------------------- what is refused


@about(pipeline.pipeline_refused)
def test_refused_messages_are_counted_by_topic_status_and_reason(town: Town) -> None:
    assert town.ask(pipeline.pipeline_refused(), AT) == []
    refused = (
        ("visits", "05-31 23:59:59", "dead", "field: data.role: unknown"),
        ("visits", "06-02 00:00:00", "dead", "field: data.met: -1"),
        ("visits", "06-01 09:00:00", "dead", "json: line 1: column 2"),
        ("visits", "06-01 09:00:00", "repeat", ""),
        ("visits", "06-01 09:00:00", "conflict", ""),
        ("visits", "06-01 09:00:00", "orphan", ""),
        ("funds", "06-01 09:00:00", "parked", "newer_version: 9"),
        ("funds", "06-03 09:00:00", "parked", "newer_version: 9"),
        ("funds", "06-03 00:00:00", "parked", "newer_version: 8"),
        ("visits", "06-01 09:00:00", "dead", "of_another_release: x"),
        ("visits", "06-01 09:00:00", "ok", ""),
    )
    store(
        town,
        *(said(topic, 0, f"2021-{day}", status=s, reason=r) for topic, day, s, r in refused),
    )
    # All of them, in any range. A code without a name stays itself.
    assert table(town.ask(pipeline.pipeline_refused(), "2020-01-02", "2020-01-01")) == [
        ("topic", "outcome", "reason_name", "reason", "refused", "last_day"),
        ("funds", "搁置", "版本高于本程序", "newer_version", 3, "2021-06-03"),
        ("visits", "死信", "字段缺失或不合规", "field", 2, "2021-06-02"),
        ("visits", "冲突", "", "", 1, "2021-06-01"),
        ("visits", "更正对象未到", "", "", 1, "2021-06-01"),
        ("visits", "重复", "", "", 1, "2021-06-01"),
        ("visits", "死信", "不是一个 JSON 对象", "json", 1, "2021-06-01"),
        ("visits", "死信", "of_another_release", "of_another_release", 1, "2021-06-01"),
    ]


@about(pipeline.pipeline_refused)
def test_every_reason_of_a_dead_letter_is_shown_in_chinese_beside_its_code(town: Town) -> None:
    store(town, *(said("visits", 0, NOW, status="dead", reason=f"{each}: x") for each in Reason))
    shown = {row["reason"]: row["reason_name"] for row in town.ask(pipeline.pipeline_refused(), AT)}
    assert shown == {each.value: each.zh for each in Reason}


@cuts(pipeline.pipeline_refused)
@about(pipeline.pipeline_refused)
def test_no_more_than_two_hundred_reasons_are_shown(town: Town) -> None:
    reasons = [f"r{n:03}" for n in range(201)]
    store(town, *(said("visits", 0, NOW, status="dead", reason=f"{r}: x") for r in reasons))
    shown = [row["reason"] for row in town.ask(pipeline.pipeline_refused(), AT)]
    assert shown == reasons[:200]


@about(pipeline.pipeline_refused_totals)
def test_refused_messages_are_added_up_by_status(town: Town) -> None:
    names = ("repeats", "conflicts", "orphans", "parkeds", "deads")
    sql = pipeline.pipeline_refused_totals()
    assert table(town.ask(sql, AT)) == [names, (0, 0, 0, 0, 0)]
    statuses = ("repeat", "conflict", "orphan", "parked", "dead", "ok")
    times = [status for count, status in enumerate(statuses, 1) for _ in range(count)]
    store(town, *(said(("visits", "funds")[n % 2], 0, NOW, status=s) for n, s in enumerate(times)))
    assert table(town.ask(sql, "2020-01-02", "2020-01-01")) == [names, (1, 2, 3, 4, 5)]


@about(pipeline.pipeline_refused, pipeline.pipeline_refused_totals)
def test_what_a_worker_refuses_is_found_again(town: Town) -> None:
    (filed,) = mediation("M-1", "filed 2021-06-01 09:00")
    other = filed | {"data": filed["data"] | {"people": 9}}
    town.tell(filed, filed, other, logged="2021-06-02 00:30")
    assert table(town.ask(pipeline.pipeline_refused(), AT))[1:] == [
        ("mediations", "冲突", "", "", 1, "2021-06-02"),
        ("mediations", "重复", "", "", 1, "2021-06-02"),
    ]
    assert table(town.ask(pipeline.pipeline_refused_totals(), AT))[1:] == [(1, 1, 0, 0, 0)]
