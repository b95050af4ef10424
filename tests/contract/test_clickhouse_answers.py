"""Answers over HTTP: errors before and behind rows, headers, sessions, logins, counts."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import re
import uuid
from typing import Any
from urllib.parse import quote, urlencode

import lz4.frame
import pytest
import requests

from infra.warehouse.wire import BytesSource
from tests.contract.conftest import Address
from tests.warehouse.by_hand import frames

TIMEOUT_S = 60
LATE = "SELECT throwIf(number = 90000, 'too late') AS late, repeat('x', 50) FROM numbers(100000)"
"""Fails when many blocks are sent already."""
SLOWLY = {"max_block_size": "1000", "max_threads": "1", "http_response_buffer_size": "0"}


def ask(server: Address, sql: Any = "", **options: Any) -> requests.Response:
    headers = {**server.headers, **options.pop("headers", {})}
    return requests.post(server.url, data=sql, headers=headers, timeout=TIMEOUT_S, **options)


def cut_short(server: Address, sql: str, **options: str) -> tuple[dict[str, str], bytes]:
    """The headers, in lower case, and the bytes of an answer that may break off."""
    make = http.client.HTTPSConnection if server.secure else http.client.HTTPConnection
    connection = make(server.host, server.http_port, timeout=TIMEOUT_S)
    accepted = {"Accept-Encoding": options.pop("accepted")} if "accepted" in options else {}
    try:
        path = f"/?{urlencode({**SLOWLY, **options})}"
        connection.request("POST", path, sql.encode(), {**server.headers, **accepted})
        answer = connection.getresponse()
        try:
            content = answer.read()
        except http.client.IncompleteRead as error:
            content = error.partial
        assert answer.status == 200, content[:500]
        return {name.lower(): value for name, value in answer.getheaders()}, content
    finally:
        connection.close()


def error_behind(headers: dict[str, str], content: bytes) -> tuple[bytes, str]:
    """The rows of an answer and the error behind them, as ClickHouse 25.11 and newer mark it."""
    tag = headers["x-clickhouse-exception-tag"].encode()
    assert re.fullmatch(rb"[a-z]{16}", tag)
    begin, end = b"\r\n__exception__\r\n" + tag + b"\r\n", b" " + tag + b"\r\n__exception__\r\n"
    rows, found, tail = content.partition(begin)
    assert found, content[-500:]
    assert tail.endswith(end)
    message, _, length = tail.removesuffix(end).rpartition(b"\n")
    assert int(length) == len(message) + 1
    return rows, message.decode()


def test_an_error_before_the_first_block_has_a_status_of_its_own(server: Address) -> None:
    for format_name in ("TSV", "Native", "JSON"):
        answer = ask(server, f"SELECT throwIf(number = 3) FROM numbers(9) FORMAT {format_name}")

        assert answer.headers["X-ClickHouse-Exception-Code"] == "395"
        assert answer.status_code >= 400


def test_an_error_behind_rows_is_marked(server: Address) -> None:
    headers, content = cut_short(server, f"{LATE} FORMAT TSV")

    rows, message = error_behind(headers, content)

    assert message.startswith("Code: 395. DB::Exception: too late")
    assert rows.endswith(b"\n")
    assert set(rows.splitlines()) == {b"0\t" + b"x" * 50}


def test_an_error_behind_blocks_comes_after_a_whole_block(server: Address) -> None:
    headers, content = cut_short(server, f"{LATE} FORMAT Native")

    blocks, message = error_behind(headers, content)

    assert message.startswith("Code: 395. ")
    source = BytesSource(blocks)
    seen = 0
    while source.more():
        assert source.varint() == 2
        rows = source.varint()
        for _ in range(2):
            name, kind = source.text(), source.text()
            if kind == "UInt8":
                source.skip(rows)
            else:
                assert (name, kind) == ("repeat('x', 50)", "String")
                source.skip_strings(rows)
        seen += rows
    assert 0 < seen <= 90_000


def test_an_error_in_a_packed_answer_is_packed_too(server: Address) -> None:
    headers, content = cut_short(
        server, f"{LATE} FORMAT TSV", enable_http_compression="1", accepted="gzip"
    )
    assert headers["content-encoding"] == "gzip"
    rows, message = error_behind(headers, gzip.decompress(content))
    assert (rows[:2], message[:10]) == (b"0\t", "Code: 395.")


def test_an_error_in_frames_is_a_frame(server: Address) -> None:
    headers, content = cut_short(server, f"{LATE} FORMAT TSV", compress="1")
    source, unpacked = frames(content), b""
    with contextlib.suppress(EOFError):
        while True:
            source.fill()
            unpacked += bytes(source.buffer[: source.current_buffer_size])
    rows, message = error_behind(headers, unpacked)
    assert (rows[:2], message[:10]) == (b"0\t", "Code: 395.")


def test_who_waits_for_the_end_has_all_or_an_error(server: Address) -> None:
    answer = ask(server, LATE, params={**SLOWLY, "wait_end_of_query": "1"})

    assert answer.headers["X-ClickHouse-Exception-Code"] == "395"
    assert b"xxx" not in answer.content


@pytest.mark.parametrize("evil", ["x\r\nSet-Cookie: a=b", "x\nSet-Cookie: a=b", "x\r\n\r\nbody"])
@pytest.mark.parametrize("where", ["query_id", "default_format"])
def test_no_value_of_the_address_ends_a_header(
    server: Address, database: str, where: str, evil: str
) -> None:
    ask(server, f"CREATE TABLE {database}.t (n UInt8) ENGINE = Memory")

    for sql in ("SELECT 1", f"INSERT INTO {database}.t VALUES (1)", "nonsense"):
        answer = ask(server, sql, params={where: evil})

        assert "Set-Cookie" not in answer.headers
        assert answer.text != "body"


def test_a_query_id_may_have_any_letters(server: Address) -> None:
    query_id = f"查询 {uuid.uuid4()}"

    answer = ask(server, "SELECT 1", params={"query_id": query_id})

    assert answer.headers["X-ClickHouse-Query-Id"].encode("latin-1").decode() == query_id


def test_a_statement_without_rows_may_come_with_a_format(server: Address, database: str) -> None:
    for format_name in ("JSON", "Native", "JSONEachRow", "Parquet"):
        wanted = {"X-ClickHouse-Format": format_name}
        made = ask(server, f"CREATE TABLE {database}.t (n UInt8) ENGINE = Memory", headers=wanted)
        stored = ask(server, f"INSERT INTO {database}.t VALUES (1)", headers=wanted)
        gone = ask(server, f"DROP TABLE {database}.t", headers=wanted)

        assert [each.status_code for each in (made, stored, gone)] == [200] * 3, made.text
        assert [each.content for each in (made, stored, gone)] == [b""] * 3


def test_a_database_of_the_address_does_not_stick_to_the_session(
    server: Address, database: str
) -> None:
    session = {"session_id": uuid.uuid4().hex}
    read = "SELECT currentDatabase()"

    before = ask(server, read, params=session).text
    within = ask(server, read, params={**session, "database": database}).text
    after = ask(server, read, params=session).text
    ask(server, f"USE {database}", params=session)
    chosen = ask(server, read, params=session).text
    elsewhere = ask(server, read, params={**session, "database": "system"}).text
    again = ask(server, read, params=session).text

    assert (before, within, after) == ("default\n", f"{database}\n", "default\n")
    assert (chosen, elsewhere, again) == (f"{database}\n", "system\n", f"{database}\n")


def test_a_role_that_does_not_exist_is_an_error(server: Address) -> None:
    answer = ask(server, "SELECT 1", params={"role": "no_such_role"})

    assert answer.headers["X-ClickHouse-Exception-Code"] == "511"


def test_two_ways_of_logging_in_are_not_mixed(server: Address) -> None:
    asked = {"query": "SELECT 1"}
    by_key = {"X-ClickHouse-Key": server.password}
    mixed = (
        {"params": {**asked, "user": server.user}, "headers": by_key},
        {"params": {**asked, "user": server.user}, "headers": server.headers},
        {"params": asked, "headers": server.headers, "auth": (server.user, server.password)},
        {
            "params": {**asked, "password": server.password},
            "auth": (server.user, server.password),
        },
    )

    for options in mixed:
        refused = requests.get(server.url, timeout=TIMEOUT_S, **options)

        assert refused.headers["X-ClickHouse-Exception-Code"] == "516"
        assert "it is not allowed to" in refused.text


@pytest.mark.parametrize("value", ["Basic !", "Basic /w==", "Bearer abc", "x"])
def test_an_authorization_that_cannot_be_read_is_refused(server: Address, value: str) -> None:
    answer = requests.get(
        server.url,
        params={"query": "SELECT 1"},
        headers={"Authorization": value},
        timeout=TIMEOUT_S,
    )

    assert answer.status_code in (400, 401, 403)


def test_an_answer_counts_what_was_read_and_written(server: Address, database: str) -> None:
    ask(server, f"CREATE TABLE {database}.t (n UInt64) ENGINE = MergeTree ORDER BY n")
    stored = ask(server, f"INSERT INTO {database}.t SELECT number FROM numbers(1000)")
    read = ask(server, f"SELECT sum(n) FROM {database}.t", params={"wait_end_of_query": "1"})

    written, seen = (json.loads(each.headers["X-ClickHouse-Summary"]) for each in (stored, read))
    assert written["written_rows"] == "1000"
    assert (seen["read_rows"], seen["read_bytes"]) == ("1000", "8000")
    assert int(seen["elapsed_ns"]) > 0


def test_an_answer_packed_with_lz4_is_one_frame(server: Address) -> None:
    answer = ask(
        server,
        "SELECT number FROM numbers(100000) FORMAT TSV",
        params={"enable_http_compression": "1"},
        headers={"Accept-Encoding": "lz4"},
    )

    assert answer.headers["Content-Encoding"] == "lz4"
    assert lz4.frame.decompress(answer.content).count(b"\n") == 100_000


def test_an_address_is_read_as_bytes(server: Address) -> None:
    answer = requests.get(
        f"{server.url}?query={quote('SELECT hex({b:String})')}&param_b=%FFa",
        headers=server.headers,
        timeout=TIMEOUT_S,
    )

    assert answer.text == "FF61\n"
