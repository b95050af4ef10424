"""The reader's addresses, limits and sharing at their edges; whole answers to queries."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import certifi
import pytest
from clickhouse_driver.errors import ServerException

from dashboards.server import app as board_server
from dashboards.server import queries as board_queries
from dashboards.server.app import ServerConfig
from dashboards.server.reader import DataSource, Reader, _client, _Going, _message, source
from infra.warehouse import EmbeddedClickHouse
from schemas.errors import Misconfigured, Refused
from tests.dashboards.inside import Inside, inside

PLUGIN = "grafana-clickhouse-datasource"
HOST = {"host": "ch.example"}


def live(warehouse: EmbeddedClickHouse) -> dict[str, Any]:
    """A data source that answers."""
    data = {"host": warehouse.host, "port": warehouse.port, "username": warehouse.user}
    return {"uid": "live", "name": "Live", "type": PLUGIN, "isDefault": True, "jsonData": data,
            "secureJsonData": {"password": warehouse.password}}  # fmt: skip


def record(**data: Any) -> dict[str, Any]:
    return {"uid": "u", "version": 3, "type": PLUGIN, "jsonData": data}


PLAIN: dict[str, Any] = {
    "uid": "u", "host": "ch.example", "port": 9000, "user": "default",
    "password": "p", "database": "", "secure": False, "cafile": "", "dial_s": 10.0,
    "query_s": 60.0, "settings": (),
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "differs"),
    [
        ({}, {}),
        ({"host": "", "server": "old.example"}, {"host": "old.example"}),
        ({"server": "old.example"}, {}),
        ({"protocol": "native"}, {}),
        ({"secure": True}, {"secure": True, "port": 9440}),
        ({"secure": True, "port": 9001}, {"secure": True, "port": 9001}),
        ({"port": "9001"}, {"port": 9001}),
        ({"port": 0}, {}),
        ({"username": "board", "defaultDatabase": "d"}, {"user": "board", "database": "d"}),
        ({"tlsCACertFile": "/ca.pem"}, {"cafile": "/ca.pem"}),
        ({"dialTimeout": "3"}, {"dial_s": 3.0}),
        ({"timeout": 4}, {"dial_s": 4.0}),
        ({"dialTimeout": 3, "timeout": 4}, {"dial_s": 3.0}),
        ({"queryTimeout": "7"}, {"query_s": 7.0}),
        ({"customSettings": [{"setting": "a", "value": 1}, {"setting": "b", "value": "x"}]},
         {"settings": (("a", "1"), ("b", "x"))}),
    ],
)  # fmt: skip
def test_a_data_source_is_an_address_with_the_plugins_defaults(
    data: dict[str, Any], differs: dict[str, Any]
) -> None:
    assert source(record(**(HOST | data)), "p") == DataSource(**(PLAIN | differs))


def test_every_part_of_an_address_makes_it_another_and_no_text_shows_its_password() -> None:
    plain = DataSource(**PLAIN)
    others = {"port": 1, "secure": True, "dial_s": 1.0, "query_s": 1.0, "settings": (("a", "1"),)}
    for name in PLAIN:
        assert DataSource(**(PLAIN | {name: others.get(name, "x")})) != plain, name
    assert "'p'" not in repr(plain)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({**record(**HOST), "type": "mysql"}, "of type 'mysql'; this server queries ClickHouse"),
        ({"uid": "u", "type": PLUGIN}, "needs jsonData.host and the native protocol"),
        (record(port=9000), "needs jsonData.host and the native protocol"),
        (record(**HOST, protocol="http"), "needs jsonData.host and the native protocol"),
    ],
)
def test_a_data_source_of_another_kind_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        source(given, "")


@pytest.mark.parametrize(
    ("asked_s", "ceiling_s", "runs_s", "waits_s"),
    [
        (60.0, 30.0, 30, 35.0),
        (7.0, 30.0, 7, 12.0),
        (30.0, 30.0, 30, 35.0),
        (2.9, 30.0, 2, 7.9),
        (1.0, 30.0, 1, 6.0),
        (0.5, 30.0, 1, 5.5),  # for ClickHouse, 0 would be no limit
    ],
)
def test_a_query_runs_as_long_as_the_lower_of_two_limits(
    asked_s: float, ceiling_s: float, runs_s: int, waits_s: float
) -> None:
    client = _client(DataSource(**(PLAIN | {"query_s": asked_s, "dial_s": 3.0})), ceiling_s)
    assert client.settings == {"max_execution_time": runs_s}
    line = client.connection
    assert (line.connect_timeout, line.send_receive_timeout) == (3.0, waits_s)


def test_a_connection_is_made_as_the_data_source_says() -> None:
    def line(**differs: Any) -> tuple[Any, ...]:
        client = _client(DataSource(**(PLAIN | differs)), 30.0)
        one = client.connection
        trusted = one.ssl_options.get("ca_certs")
        return (list(one.hosts), one.user, one.password, one.database, one.secure_socket, trusted,
                one.compressor_cls.__module__.rpartition(".")[2], client.settings)  # fmt: skip

    limit, usual, own = {"max_execution_time": 30}, certifi.where(), "/ca.pem"
    assert line() == ([("ch.example", 9000)], "default", "p", "", False, usual, "lz4", limit)
    assert line(secure=True, database="d")[3:6] == ("d", True, usual)
    assert line(secure=True, cafile=own)[3:6] == ("", True, own)
    # A data source's own setting overrides the server's.
    custom = (("readonly", "1"), ("max_execution_time", "5"))
    assert line(settings=custom)[-1] == {"max_execution_time": "5", "readonly": "1"}


def test_an_error_is_clickhouses_own_without_the_stack() -> None:
    error = ServerException("DB::Exception: no such table. Stack trace:\n\n0. main", 60)
    assert _message(error) == "code: 60, message: no such table."


# ------------------------------------------------------------------------------------ sharing


class Clock(asyncio.SelectorEventLoop):
    """A loop with a clock that a test sets."""

    now = 100.0

    def time(self) -> float:
        return self.now


@contextlib.contextmanager
def clocked() -> Iterator[tuple[Clock, Reader]]:
    loop, reader = Clock(), Reader(1, 1.0)
    try:
        yield loop, reader
    finally:
        reader.close()
        loop.close()


def told_at(*ages: float, seconds: float, fails: bool = False) -> list[int]:
    """Number of runs of the work after a request at each age of the first answer."""
    ran = 0

    async def work() -> int:
        nonlocal ran
        ran += 1
        if fails:
            raise Refused("no", do="")
        return ran

    async def ask(loop: Clock, reader: Reader) -> list[int]:
        seen = []
        for age in ages:
            loop.now = 100.0 + age
            try:
                await reader.shared("key", seconds, work)
            except Refused:
                assert fails
            seen.append(ran)
        return seen

    with clocked() as (loop, reader):
        return loop.run_until_complete(ask(loop, reader))


def test_an_answer_is_shared_up_to_its_age_and_no_longer() -> None:
    assert told_at(0, 4.9, 5.0, seconds=5) == [1, 1, 1]
    assert told_at(0, 5.1, seconds=5) == [1, 2]
    # The second answer has its own age: 7.6 - 5.1 is 2.5.
    assert told_at(0, 5.1, 7.6, seconds=5) == [1, 2, 2]
    assert told_at(0, 0.1, seconds=0) == [1, 2]
    assert told_at(0, 5.0, 5.1, seconds=5, fails=True) == [1, 1, 2]


def test_an_answer_that_nobody_may_share_any_more_is_let_go() -> None:
    async def work() -> int:
        return 1

    async def ask(loop: Clock, reader: Reader) -> list[int]:
        kept = []
        for age in (0.0, 5.1, 5.2, 10.0, 10.2):
            loop.now = 100.0 + age
            if age < 5.2:  # two requests: the second comes after the first answer expired
                await reader.shared("key", 5.0, work)
            else:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            kept.append(len(reader._shared))
        return kept

    # The first answer's expiry, at 5, does not drop the second one, which expires at 10.1.
    with clocked() as (loop, reader):
        assert loop.run_until_complete(ask(loop, reader)) == [1, 1, 1, 1, 0]


def test_work_that_has_not_ended_is_shared_whatever_its_age() -> None:
    started = []

    async def ask(loop: Clock, reader: Reader) -> tuple[str, str]:
        gate = asyncio.Event()

        async def work() -> str:
            started.append("one")
            await gate.wait()
            return "done"

        first = loop.create_task(reader.shared("key", 1.0, work))
        await asyncio.sleep(0)
        loop.now += 50.0
        second = loop.create_task(reader.shared("key", 1.0, work))
        other = loop.create_task(reader.shared("other", 1.0, work))
        await asyncio.sleep(0)
        first.cancel()  # One screen disconnects, and the query of the others continues.
        gate.set()
        return await second, await other

    with clocked() as (loop, reader):
        assert loop.run_until_complete(ask(loop, reader)) == ("done", "done")
    assert started == ["one", "one"], "one for each key"


# ------------------------------------------------------------------------------------ queries


class Watched(Reader):
    """The real reader; it records how long each answer may be shared."""

    shares: list[float] = []  # noqa: RUF012 - one list for the only server of a test
    made: list[Watched] = []  # noqa: RUF012

    def __init__(self, rows: int, seconds: float) -> None:
        super().__init__(rows, seconds)
        self.made.append(self)

    async def shared(
        self, key: object, seconds: float, work: Callable[[], Coroutine[Any, Any, Any]]
    ) -> Any:
        self.shares.append(seconds)
        return await super().shared(key, seconds, work)


@pytest.fixture(scope="module")
def asked(
    warehouse: EmbeddedClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Inside]:
    """A server with a limit of three rows, over ClickHouse; its default source is not the first."""
    root = tmp_path_factory.mktemp("asked")
    sources = [
        {
            "uid": "dead",
            "name": "dead",
            "type": PLUGIN,
            "jsonData": {"host": "127.0.0.1", "port": 1},
        },
        live(warehouse),
    ]
    (root / "sources.json").write_text(json.dumps({"datasources": sources}))
    config = ServerConfig(
        root / "state", data_sources=root / "sources.json", rows=3, zone="Asia/Shanghai"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board_server, "Reader", Watched)
        with inside(config) as running:
            yield running


def ask(server: Inside, *queries: dict[str, Any], **body: Any) -> tuple[int, Any]:
    filled = [{"rawSql": "SELECT 1 AS one", "format": 1, **query} for query in queries]
    return server.told("POST", "/api/ds/query", {"queries": filled, **body})


def framed(sql: str, values: list[Any], ref: str = "A", notice: str = "") -> dict[str, Any]:
    """The answer to a query with one column `one` of UInt8."""
    meta: dict[str, Any] = {"executedQueryString": sql, "preferredVisualisationType": "table"}
    if notice:
        meta["notices"] = [{"severity": "warning", "text": notice}]
    fields = [{"name": "one", "type": "number", "typeInfo": {"frame": "uint8"}}]
    schema = {"name": ref, "refId": ref, "meta": meta, "fields": fields}
    return {"status": 200, "frames": [{"schema": schema, "data": {"values": [values]}}]}


def test_each_query_has_its_answer_under_its_letter(asked: Inside) -> None:
    one = "SELECT 1 AS one"
    both = {"A": framed(one, [1]), "B": framed(one, [1], "B")}
    assert ask(asked, {}, {"refId": "B"}) == (200, {"results": both})
    for named in ("live", {"uid": "live"}, {"uid": ""}, {"uid": "default"}, {"uid": None}, {}):
        assert ask(asked, {"datasource": named}) == (200, {"results": {"A": framed(one, [1])}})


def test_one_query_that_fails_makes_the_answer_400_and_leaves_the_others(asked: Inside) -> None:
    status, answer = ask(
        asked, {}, {"refId": "B", "datasource": {"uid": "dead"}}, {"refId": "C", "rawSql": " "},
        {"refId": "D", "datasource": "none"}, {"refId": "E", "format": 5},
    )  # fmt: skip
    one = "SELECT 1 AS one"
    failed = {"errorSource": "downstream", "status": 400}
    silent = (
        "ClickHouse at 127.0.0.1:1 does not answer (NetworkError). "
        "See that it runs and that the data source's address is right."
    )
    frame = {"schema": {"meta": {"executedQueryString": one}, "fields": []}}
    assert (status, answer["results"]) == (
        400,
        {
            "A": framed(one, [1]),
            "B": {**failed, "status": 502, "error": silent, "frames": [frame]},
            "C": {**failed, "error": "the query is empty. Write the panel's SQL."},
            "D": {
                **failed,
                "error": "data source 'none' not found. Publish it, or choose another.",
            },
            "E": {
                **failed, "error": "format 5 is unknown. Use 0 (time series) or 1 (table).",
            },
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "kept", "notice"),
    [(0, 0, ""), (2, 2, ""), (3, 3, ""), (4, 3, "只显示前 3 行"), (100, 3, "只显示前 3 行")],
)
def test_rows_beyond_the_limit_are_cut_and_the_panel_says_so(
    asked: Inside, rows: int, kept: int, notice: str
) -> None:
    sql = f"SELECT toUInt8(number) AS one FROM numbers({rows})"
    wanted = framed(sql, list(range(kept)), notice=notice)
    assert ask(asked, {"rawSql": sql}) == (200, {"results": {"A": wanted}})


def test_connections_wait_for_the_next_query_until_their_source_changes(
    warehouse: EmbeddedClickHouse,
) -> None:
    reader = Reader(1, 30.0)
    fields = live(warehouse)
    first, second = (
        source(fields | {"jsonData": fields["jsonData"] | {"queryTimeout": n}}, warehouse.password)
        for n in (1, 2)
    )
    for _ in range(2):
        reader._run(first, "SELECT 1", _Going())
        assert [len(each) for each in reader._idle.values()] == [1]
    (old,) = reader._idle[first]
    with pytest.raises(Refused, match="code: 47"):  # a failed query keeps its connection
        reader._run(first, "SELECT nope", _Going())
    assert reader._idle == {first: [old]}
    reader.forget("live")
    assert (reader._idle, old.connection.connected) == ({}, False)
    reader._run(second, "SELECT 1", _Going())
    # A late query of the earlier address leaves no connection behind.
    late = _client(first, 30.0)
    late.execute("SELECT 1")
    reader._given_back(first, late)
    assert (list(reader._idle), late.connection.connected) == ([second], False)
    (last,) = reader._idle[second]
    reader.forget("none")
    assert reader._idle == {second: [last]}
    reader.close()
    assert (reader._idle, last.connection.connected) == ({}, False)


def test_a_changed_or_removed_source_closes_its_connections_at_once(
    asked: Inside, warehouse: EmbeddedClickHouse
) -> None:
    other = live(warehouse) | {"uid": "other", "name": "Other", "isDefault": False}
    query = {"datasource": {"uid": "other"}}
    for verb, path in (
        ("PUT", "/api/datasources/uid/other"), ("DELETE", "/api/datasources/uid/other"),
    ):  # fmt: skip
        asked.call("POST", "/api/datasources", other)
        assert ask(asked, query)[0] == 200
        assert "other" in {each.uid for each in Watched.made[-1]._idle}
        assert asked.call(verb, path, other).status_code == 200
        assert "other" not in {each.uid for each in Watched.made[-1]._idle}


@pytest.mark.parametrize(
    ("queries", "told"),
    [
        (None, "no queries found Send at least one."),
        ([], "no queries found Send at least one."),
        ({}, "no queries found Send at least one."),
        ([{"rawSql": "SELECT 1"}, 7], "a query is no JSON object. "
                                      "Send refId, datasource and rawSql."),
    ],
)  # fmt: skip
def test_a_body_without_queries_is_refused(asked: Inside, queries: Any, told: str) -> None:
    refused = asked.told("POST", "/api/ds/query", {"queries": queries})
    assert refused == (400, {"message": told})


def text_of(server: Inside, sql: str, query: dict[str, Any], **body: Any) -> str:
    """The SQL of a query with its macros expanded."""
    status, answer = ask(server, {"rawSql": f"SELECT '{sql}' AS x", **query}, **body)
    assert status == 200
    return str(answer["results"]["A"]["frames"][0]["data"]["values"][0][0])


def test_range_interval_and_zone_reach_the_macros(asked: Inside) -> None:
    span = {"from": "1640966400000", "to": 1640966401999}  # 2021-12-31 16:00 UTC, and 1.999 s on
    assert text_of(asked, "$__fromTime $__toTime", {}, **span) == (
        "toDateTime(1640966400) toDateTime(1640966401)"
    )
    assert text_of(asked, "$__fromTime", {}, to=1) == "toDateTime(0)"
    for given, ms in ((None, "1000"), ("", "1000"), (0, "1"), (1, "1"), ("2500", "2500")):
        assert text_of(asked, "$__interval_ms", {"intervalMs": given}) == ms
    named = {"table": "visits", "column": "hour"}
    assert text_of(asked, "$__table $__column", named) == "visits hour"
    # In Shanghai the new year has begun.
    sql = "SELECT $__dateFilter(d) AS one FROM (SELECT toDate(''2022-01-01'') AS d)"
    sql = sql.replace("''", "'")
    assert ask(asked, {"rawSql": sql}, **span)[1]["results"]["A"]["frames"][0]["data"] == {
        "values": [[1]]
    }


def test_an_answer_is_shared_for_half_of_the_refresh_and_half_a_minute_at_most(
    asked: Inside,
) -> None:
    Watched.shares.clear()
    for refresh in (None, 0, 1, 10_000, 59_998, 60_000, 60_002, 3_600_000):
        ask(asked, {}, refreshMs=refresh)
    assert Watched.shares == [0.0, 0.0, 0.0005, 5.0, 29.999, 30.0, 30.0, 30.0]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (None, 0), ("", 0), ("timeseries", 0), ("table", 1), ("logs", 2), ("traces", 3),
        ("multi", 4), (0, 0), (4, 4), ("3", 3),
    ],
)  # fmt: skip
def test_a_format_is_a_word_or_a_number_from_0_to_4(given: object, code: int) -> None:
    assert board_queries._form(given) == code


@pytest.mark.parametrize("given", [-1, 5, "wide", [], {}, True])
def test_any_other_format_is_refused(given: object) -> None:
    with pytest.raises(Refused, match="is unknown"):
        board_queries._form(given)


LAST = 4_102_444_800_000  # 2100-01-01 00:00 UTC: 47 482 days of 86 400 s


@pytest.mark.parametrize(
    ("given", "ms"),
    [(None, 7), ("", 7), (0, 0), ("0", 0), (12.9, 12), ("1e3", 1000), (LAST, LAST)],
)
def test_a_count_of_milliseconds_ends_with_the_century(given: object, ms: int) -> None:
    assert LAST == 47_482 * 86_400 * 1000
    assert board_queries._whole({"x": given}, "x", 7) == ms


@pytest.mark.parametrize("given", [-1, LAST + 1, "x", [], {}, float("inf"), float("nan")])
def test_what_is_no_count_of_milliseconds_is_refused(given: object) -> None:
    with pytest.raises(Refused, match="is no count of milliseconds"):
        board_queries._whole({"x": given}, "x", 7)


DAY = 86_400_000


@pytest.mark.parametrize(
    ("text", "back_ms"),
    [
        ("now", 0), ("now-", 0), ("now-1s", 1000), ("now-1m", 60_000), ("now-1h", 3_600_000),
        ("now-1d", DAY), ("now-1w", 7 * DAY), ("now-30d", 30 * DAY), ("now-0d", 0),
        ("now-99999999s", 99_999_999_000),
    ],
)  # fmt: skip
def test_a_time_before_now_is_counted_in_seconds_to_weeks(text: str, back_ms: int) -> None:
    before = time.time_ns() // 1_000_000
    found = board_queries._instant({"from": text}, "from", 5)
    assert before <= found + back_ms <= time.time_ns() // 1_000_000


def test_a_time_before_1970_is_1970() -> None:
    assert board_queries._relative("now-99999d") == 0


@pytest.mark.parametrize(
    "text",
    ["now/d", "now-1d/d", "now-1y", "now-1M", "now-1", "now-d", "now+1d", "nowish",
     "now--1d", "now-1.5d", "now-999999999s"],
)  # fmt: skip
def test_a_time_that_only_the_page_understands_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is unreadable"):
        board_queries._instant({"from": text}, "from", 5)


def test_the_range_is_all_that_was_until_now_where_none_is_given() -> None:
    before = time.time_ns() // 1_000_000
    start, end = board_queries._range({})
    assert start == 0
    assert before <= end <= time.time_ns() // 1_000_000
    assert board_queries._range({"from": "5", "to": 6}) == (5, 6)
