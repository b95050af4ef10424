"""ClickHouse's HTTP interface, on the embedded server and on any real one."""

from __future__ import annotations

import gzip
import json
import uuid
from typing import Any

import pytest
import requests
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

from tests.contract.conftest import Address

TIMEOUT_S = 60


def ask(server: Address, sql: str = "", **options: Any) -> requests.Response:
    parameters = options.pop("params", {})
    return requests.post(
        server.url,
        params=parameters,
        data=sql.encode() if isinstance(sql, str) else sql,
        headers={**server.headers, **options.pop("headers", {})},
        timeout=TIMEOUT_S,
        **options,
    )


def test_a_ping_needs_no_password(server: Address) -> None:
    answer = requests.get(f"{server.url}ping", timeout=TIMEOUT_S)

    assert (answer.status_code, answer.text) == (200, "Ok.\n")


def test_credentials_travel_in_headers_basic_or_the_address(server: Address) -> None:
    asked = {"query": "SELECT 1"}
    in_address = {**asked, "user": server.user, "password": server.password}
    answers = [
        requests.get(server.url, params=asked, headers=server.headers, timeout=TIMEOUT_S),
        requests.get(
            server.url, params=asked, auth=(server.user, server.password), timeout=TIMEOUT_S
        ),
        requests.get(server.url, params=in_address, timeout=TIMEOUT_S),
    ]
    refused = requests.get(server.url, params=asked, auth=(server.user, "no"), timeout=TIMEOUT_S)

    assert [answer.text for answer in answers] == ["1\n"] * 3
    assert refused.status_code in (401, 403)
    assert refused.headers["X-ClickHouse-Exception-Code"] == "516"


def test_get_reads_and_does_not_write(server: Address, database: str) -> None:
    refused = requests.get(
        server.url,
        params={"query": f"CREATE TABLE {database}.t (n UInt8) ENGINE = Memory"},
        headers=server.headers,
        timeout=TIMEOUT_S,
    )

    assert refused.headers["X-ClickHouse-Exception-Code"] == "164"


def test_the_format_is_that_of_the_statement_the_header_or_the_address(server: Address) -> None:
    in_statement = ask(server, "SELECT 1 AS one FORMAT JSONEachRow")
    in_header = ask(server, "SELECT 1 AS one", headers={"X-ClickHouse-Format": "CSVWithNames"})
    in_address = ask(server, "SELECT 1 AS one", params={"default_format": "JSON"})
    unnamed = ask(server, "SELECT 1 AS one")

    assert in_statement.text == '{"one":1}\n'
    assert in_header.text == '"one"\n1\n'
    assert (in_address.json()["data"], in_address.json()["rows"]) == ([{"one": 1}], 1)
    assert unnamed.text == "1\n"
    assert in_address.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("format_name", ["JSON", "CSVWithNames", "TSVWithNames", "JSONCompact"])
def test_a_format_with_a_head_has_one_head_for_many_blocks(
    server: Address, format_name: str
) -> None:
    answer = ask(server, f"SELECT number FROM numbers(150000) FORMAT {format_name}")

    if format_name.startswith("JSON"):
        assert answer.json()["rows"] == 150_000
    else:
        assert answer.text.count("number") == 1
        assert len(answer.text.splitlines()) == 150_001


def test_parameters_and_settings_come_in_the_address(server: Address) -> None:
    answer = ask(
        server,
        "SELECT {text:String}, {list:Array(UInt8)}, getSetting('max_block_size')",
        params={"param_text": "a\\tb'鼓", "param_list": "[1,2]", "max_block_size": "777"},
    )
    unknown = ask(server, "SELECT 1", params={"no_such_setting": "1"})

    assert answer.text == "a\\tb\\'鼓\t[1,2]\t777\n"
    assert unknown.headers["X-ClickHouse-Exception-Code"] == "115"


def test_a_database_in_the_address_is_the_current_one(server: Address, database: str) -> None:
    ask(server, "CREATE TABLE t (n UInt8) ENGINE = Memory", params={"database": database})
    ask(server, "INSERT INTO t VALUES (1),(2)", params={"database": database})

    assert ask(server, f"SELECT sum(n) FROM {database}.t").text == "3\n"


def test_gzip_works_both_ways(server: Address, database: str) -> None:
    ask(server, f"CREATE TABLE {database}.t (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    rows = "".join(f"{number}\tx{number}\n" for number in range(30_000))
    stored = requests.post(
        server.url,
        params={"query": f"INSERT INTO {database}.t FORMAT TSV"},
        data=gzip.compress(rows.encode()),
        headers={**server.headers, "Content-Encoding": "gzip"},
        timeout=TIMEOUT_S,
    )
    answer = ask(
        server,
        f"SELECT n, s FROM {database}.t ORDER BY n FORMAT TSV",
        params={"enable_http_compression": "1"},
        headers={"Accept-Encoding": "gzip"},
    )

    assert (stored.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert answer.text == rows


def test_rows_may_come_in_chunks_or_behind_the_statement(server: Address, database: str) -> None:
    ask(server, f"CREATE TABLE {database}.t (n UInt8, s String) ENGINE = MergeTree ORDER BY n")
    pieces = (f'{{"n": {number}, "s": "鼓"}}\n'.encode() for number in range(3))
    chunked = requests.post(
        server.url,
        params={"query": f"INSERT INTO {database}.t FORMAT JSONEachRow"},
        data=pieces,
        headers=server.headers,
        timeout=TIMEOUT_S,
    )
    behind = ask(server, f'INSERT INTO {database}.t (n, s) FORMAT CSV\n3,"楼"\n4,x\n')
    nothing = ask(server, f"INSERT INTO {database}.t FORMAT CSV")

    assert [each.status_code for each in (chunked, behind, nothing)] == [200, 200, 200]
    assert ask(
        server, f"SELECT groupArray(s) FROM (SELECT s FROM {database}.t ORDER BY n)"
    ).text == ("['鼓','鼓','鼓','楼','x']\n")


def test_rows_that_cannot_be_read_are_an_error_and_none_is_stored(
    server: Address, database: str
) -> None:
    ask(server, f"CREATE TABLE {database}.t (n UInt8) ENGINE = MergeTree ORDER BY n")

    answer = ask(server, f"INSERT INTO {database}.t FORMAT TSV\n1\n2\nthree\n")

    assert answer.status_code >= 400
    assert ask(server, f"SELECT count() FROM {database}.t").text == "0\n"


def test_answers_name_their_query_zone_and_rows(server: Address, database: str) -> None:
    query_id = uuid.uuid4().hex
    answer = ask(server, "SELECT 1", params={"query_id": query_id})
    ask(server, f"CREATE TABLE {database}.t (n UInt8) ENGINE = MergeTree ORDER BY n")
    stored = ask(server, f"INSERT INTO {database}.t VALUES (1),(2),(3)")

    assert answer.headers["X-ClickHouse-Query-Id"] == query_id
    assert answer.headers["X-ClickHouse-Timezone"]
    assert json.loads(stored.headers["X-ClickHouse-Summary"])["written_rows"] == "3"


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [("SELEC", 400, "62"), ("SELECT * FROM nothing_here", 404, "60"), ("SELECT nope", 404, "47")],
)
def test_errors_have_a_status_a_code_and_a_text(
    server: Address, sql: str, status: int, code: str
) -> None:
    answer = ask(server, sql)

    assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (status, code)
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")


def test_an_answer_that_fails_half_way_is_no_whole_answer(server: Address) -> None:
    sql = "SELECT throwIf(number = 900000), repeat('x', 100) FROM numbers(1000000) FORMAT TSV"

    try:
        seen = ask(server, sql).text
    except requests.exceptions.ChunkedEncodingError:
        seen = "DB::Exception"

    assert "DB::Exception" in seen


def test_a_session_keeps_its_settings_and_tables(server: Address) -> None:
    session = {"session_id": uuid.uuid4().hex}
    ask(server, "CREATE TEMPORARY TABLE kept (n UInt8) ENGINE = Memory", params=session)
    ask(server, "INSERT INTO kept VALUES (5)", params=session)
    ask(server, "SET max_result_rows = 77", params=session)

    found = ask(server, "SELECT n, getSetting('max_result_rows') FROM kept", params=session)
    elsewhere = ask(server, "SELECT n FROM kept")

    assert found.text == "5\t77\n"
    assert elsewhere.headers["X-ClickHouse-Exception-Code"] == "60"


def test_a_client_may_ask_for_blocks_of_the_native_protocol(server: Address) -> None:
    asked = {"default_format": "Native", "client_protocol_version": "54460"}
    block = ask(server, "SELECT toUInt8(7) AS n", params=asked).content

    # Block info, 1 column, 1 row, name, type, no custom serialization, the value.
    assert block.endswith(b"\x01\x01\x01n\x05UInt8\x00\x07")
    assert block[:8] == bytes((1, 0, 2, 255, 255, 255, 255, 0))


def test_clickhouse_connect_streams_many_blocks_and_sees_errors(server: Address) -> None:
    client = server.over_http()
    with client.query_rows_stream("SELECT number, 'x' FROM numbers(300000)") as stream:
        total = sum(row[0] for row in stream)
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        client.query("SELECT * FROM nothing_here")
    found = client.query("SELECT {n:UInt8} + 1", parameters={"n": 41}).result_rows
    client.close()

    # 0 + 1 + … + 299,999
    assert (total, found) == (44_999_850_000, [(42,)])


@pytest.mark.parametrize("compress", [False, "gzip", "lz4", "zstd", "br"])
def test_clickhouse_connect_packs_rows_and_answers(
    server: Address, database: str, compress: str | bool
) -> None:
    client = server.over_http(compress=compress)
    client.command(f"CREATE TABLE {database}.t (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    client.insert(f"{database}.t", [[n, f"鼓楼 {n}"] for n in range(30_000)])

    found = client.query(f"SELECT n, s FROM {database}.t ORDER BY n").result_rows
    client.close()

    assert found == [(n, f"鼓楼 {n}") for n in range(30_000)]


@pytest.mark.parametrize("in_form", [False, True])
def test_clickhouse_connect_brings_tables(server: Address, in_form: bool) -> None:
    client = server.over_http(form_encode_query_params=in_form)
    brought = ExternalData(
        file_name="brought", data=b"1,x\n2,y\n", fmt="CSV", structure=["n UInt8", "s String"]
    )

    found = client.query(
        "SELECT s FROM brought WHERE n > {least:UInt8}",
        parameters={"least": 1},
        external_data=brought,
    ).result_rows
    client.close()

    assert found == [("y",)]


def test_clickhouse_connect_sees_an_error_behind_rows(server: Address) -> None:
    client = server.over_http()

    answer = client.query(
        "SELECT sleepEachRow(0.0001), throwIf(number = 2000, 'too late') FROM numbers(3000)",
        settings={"max_block_size": 100, "wait_end_of_query": 0},
    )
    with pytest.raises(StreamFailureError, match="too late"):
        _ = answer.result_rows
    client.close()
