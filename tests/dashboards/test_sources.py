"""Data sources: who may see and change them, and where their passwords are sent."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.server.app import ServerConfig
from dashboards.server.looks import recorded
from infra.http import ACCESS, Grants
from infra.warehouse import EmbeddedClickHouse
from infra.warehouse.access import write_users
from schemas.grain import County
from tests.dashboards.city import DATABASE
from tests.dashboards.conftest import BOARD_USER, writer
from tests.dashboards.desks import password
from tests.dashboards.inside import Inside, inside
from tests.dashboards.test_api_edges import ONE, TWO, shown


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Inside]:
    with inside(ServerConfig(tmp_path / "state")) as running:
        yield running


PLACED: dict[str, Any] = {
    **ONE,
    "jsonData": {"host": "127.0.0.1", "port": 9000, "username": "board", "protocol": "native",
                 "defaultDatabase": "gulou_published"},
}  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [{"host": "192.0.2.1"}, {"server": "192.0.2.1"}, {"port": 9001}, {"username": "desk"},
     {"protocol": "http"}, {"secure": True}, {"tlsSkipVerify": True}, {"path": "/x"}, {"new": 1}],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_a_kept_password_goes_to_no_other_place(
    server: Inside, tmp_path: Path, changed: dict[str, Any]
) -> None:
    hidden = {"secureJsonData": {"password": "kept", "tlsClientKey": "kept too"}}
    server.call("POST", "/api/datasources", {**PLACED, **hidden})
    other = {**PLACED, "jsonData": {**PLACED["jsonData"], **changed}}
    nothing: list[dict[str, Any]] = [{}, {"password": ""}, {"tlsClientKey": "anew"}]
    for more in [{}, *({"secureJsonData": each} for each in nothing)]:
        code, told = server.told("PUT", "/api/datasources/uid/one", {**other, **more})
        assert (code, "the password it has is not sent there" in told["message"]) == (400, True)
    kept = shown(1, 1, **PLACED) | {"secureJsonFields": {"password": True, "tlsClientKey": True}}
    assert server.told("GET", "/api/datasources/uid/one") == (200, kept)
    anew = {**other, "secureJsonData": {"password": "anew"}}
    assert server.told("PUT", "/api/datasources/uid/one", anew)[0] == 200
    secrets = (tmp_path / "state" / "secrets.json").read_text()
    assert ("anew" in secrets, "kept" in secrets) == (True, False)


def test_a_kept_password_stays_where_nothing_changes_but_name_database_and_limits(
    server: Inside, tmp_path: Path
) -> None:
    server.call("POST", "/api/datasources", {**PLACED, "secureJsonData": {"password": "kept"}})
    data = {**PLACED["jsonData"], "defaultDatabase": "x", "queryTimeout": "9", "dialTimeout": "1"}
    for fields in (
        PLACED,
        {**PLACED, "name": "三", "isDefault": False},
        {**PLACED, "jsonData": data},
    ):
        assert server.told("PUT", "/api/datasources/uid/one", fields)[0] == 200
    assert "kept" in (tmp_path / "state" / "secrets.json").read_text()
    # Without a password there is nothing to send.
    server.call("POST", "/api/datasources", TWO)
    elsewhere = {**TWO, "jsonData": {"host": "192.0.2.1"}}
    assert server.told("PUT", "/api/datasources/uid/two", elsewhere)[0] == 200


def test_data_sources_are_for_those_who_publish(tmp_path: Path) -> None:
    grants = Grants(tmp_path / "access.json")
    tokens = {role: grants.add(role, role) for role in ACCESS}
    with inside(ServerConfig(tmp_path / "state"), "word", grants=tmp_path / "access.json") as doors:
        bearer = {role: {"Authorization": f"Bearer {token}"} for role, token in tokens.items()}
        assert doors.call("POST", "/api/datasources", ONE, bearer["publisher"]).status_code == 200
        paths = ("", "/uid/one", "/name/一", "/1", "/id/一", "/uid/one/health")
        for path in paths:
            for role in ACCESS:
                told = doors.call("GET", f"/api/datasources{path}", headers=bearer[role])
                if role in ("publisher", "admin"):
                    assert told.status_code in (200, 400), path  # 400: it has no host to ask
                else:
                    message = "数据源仅供发布人员查看和修改。 请使用发布令牌。"
                    assert (told.status_code, told.json()) == (403, {"message": message})
            assert doors.call("GET", f"/api/datasources{path}").status_code == 403


# ---------------------------------------------------------------- what a data source is is no name


CASES = "SELECT currentDatabase() AS what"
DESK = f"{DATABASE}_desk"

HERE = County("431230", "通道侗族自治县")
COUNTY = f"{DESK}_{HERE.code}"


class Desk:
    """A server that was started with both roles' sources, each a user of its own."""

    def __init__(self, server: Inside, tokens: dict[str, str], looks: Path) -> None:
        self.server, self.tokens, self._looks = server, tokens, looks

    def publish(self, method: str, path: str, body: Any = None) -> int:
        return self.server.call(method, path, body, {"Authorization": "Bearer word"}).status_code

    def board(self, uid: str, source: str) -> None:
        target = {"refId": "A", "datasource": {"uid": source}, "rawSql": CASES, "format": 1}
        board = {"uid": uid, "title": uid, "panels": [{"id": 1, "targets": [target]}]}
        assert self.publish("POST", "/api/dashboards/db", {"dashboard": board}) == 200

    def seen(self, uid: str, role: str = "") -> Any:
        """The database that a panel's answer comes from, or the status of the refusal."""
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        path = f"/api/boards/{uid}/panels/1/query?from=0&to=1&refreshMs=60000"
        answer = self.server.call("GET", path, headers=headers)
        if answer.status_code != 200:
            return answer.status_code
        return answer.json()["results"]["A"]["frames"][0]["data"]["values"][0][0]

    @property
    def looks(self) -> int:
        return len(list(recorded(self._looks, pytest.fail))) if self._looks.exists() else 0


@contextlib.contextmanager
def desk(root: Path, warehouse: EmbeddedClickHouse) -> Iterator[Desk]:
    file = warehouse.data / "users.json"
    before = json.loads(file.read_text())["users"]
    users = {DESK: ("desk", "opens"), COUNTY: (f"desk_{HERE.code}", password(HERE.code))}
    made = {
        name: {"password": word, "role": "board", "databases": [database]}
        for database, (name, word) in users.items()
    }
    owner = writer(warehouse)
    for database in users:
        owner.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
    owner.disconnect()
    write_users(file, before | made)
    grants = Grants(root / "access.json")
    if not grants.all():
        (root / "tokens.json").write_text(
            json.dumps({"clerk": grants.add("a", "clerk"), "here": grants.add("b", "clerk", HERE)})
        )
    (root / "sources.json").write_text(
        json.dumps(
            [
                placed(warehouse, "gulou", *BOARD_USER, DATABASE),
                placed(warehouse, "gulou-desk", "desk", "opens"),
            ]
        )
    )
    config = ServerConfig(
        root / "state", data_sources=root / "sources.json", looks=root / "looks",
        desk_password=password,
    )  # fmt: skip
    try:
        with inside(config, "word", grants=root / "access.json") as server:
            yield Desk(server, json.loads((root / "tokens.json").read_text()), root / "looks")
    finally:
        write_users(file, before)


def placed(
    warehouse: EmbeddedClickHouse, uid: str, user: str, word: str, database: str = DESK
) -> dict[str, Any]:
    data = {"host": warehouse.host, "port": warehouse.port, "protocol": "native",
            "username": user, "defaultDatabase": database}  # fmt: skip
    return {"uid": uid, "name": uid, "type": "grafana-clickhouse-datasource", "jsonData": data,
            "secureJsonData": {"password": word}, "isDefault": uid == "gulou"}  # fmt: skip


def test_a_uid_that_a_publisher_chose_gets_nobody_elses_connection_or_answer(
    tmp_path: Path, city_clickhouse: EmbeddedClickHouse
) -> None:
    with desk(tmp_path, city_clickhouse) as doors:
        doors.board("cases", "gulou-desk")
        assert doors.seen("cases", "here") == COUNTY
        before = doors.looks
        for uid in (f"gulou-desk-{HERE.code}", f"desk-{HERE.code}", f"desk{HERE.code}"):
            fake = placed(city_clickhouse, uid, "nobody", "wrong")
            assert doors.publish("POST", "/api/datasources", fake) == 200
            doors.board("open", uid)
            # Nobody looks at it without a token, and who has one gets what its own user may see.
            assert doors.seen("open") == 403
            assert doors.seen("open", "here") == 403
            assert doors.seen("open", "clerk") == 400
            assert doors.publish("DELETE", "/api/dashboards/uid/open") == 200
        # Three looks of the clerk; what was refused to the same reader again is one line.
        assert doors.looks == before + 3 + 2
        # Nor does the clerk get the publisher's.
        assert doors.seen("cases", "here") == COUNTY
        fake = placed(city_clickhouse, f"desk:{HERE.code}", "nobody", "wrong")
        assert doors.publish("POST", "/api/datasources", fake) == 400


def test_a_source_removed_and_added_again_shares_nothing_with_its_past(
    tmp_path: Path, city_clickhouse: EmbeddedClickHouse
) -> None:
    with desk(tmp_path, city_clickhouse) as doors:
        own = placed(city_clickhouse, "own", "desk", "opens")
        doors.publish("POST", "/api/datasources", own)
        doors.board("own", "own")
        assert doors.seen("own", "clerk") == DESK
        assert doors.publish("DELETE", "/api/datasources/uid/own") == 200
        doors.publish("POST", "/api/datasources", placed(city_clickhouse, "own", "desk", "wrong"))
        assert doors.seen("own", "clerk") == 400


def test_a_name_of_the_clerks_source_gets_neither_its_password_nor_its_viewers(
    tmp_path: Path, city_clickhouse: EmbeddedClickHouse
) -> None:
    twin = placed(city_clickhouse, "mine", "desk", "wrong") | {"name": "gulou-desk"}
    with desk(tmp_path, city_clickhouse) as doors:
        assert doors.publish("DELETE", "/api/datasources/uid/gulou-desk") == 200
        assert doors.publish("POST", "/api/datasources", twin) == 200
        doors.board("mine", "mine")
        doors.board("cases", "gulou-desk")
    with desk(tmp_path, city_clickhouse) as doors:
        before = doors.looks
        assert (doors.seen("mine"), doors.seen("mine", "clerk")) == (403, 400)
        assert (doors.seen("cases"), doors.seen("cases", "clerk")) == (403, DESK)
        assert doors.looks == before + 4
        bearer = {"Authorization": "Bearer word"}
        stored = doors.server.call("GET", "/api/datasources", headers=bearer).json()
        names = {each["uid"]: each["name"] for each in stored}
        assert names == {
            "gulou": "gulou", "gulou-desk": "gulou-desk", "mine": "gulou-desk (mine)",
        }  # fmt: skip


def test_viewers_ask_the_source_of_the_start_and_no_other_that_has_its_uid(
    tmp_path: Path, city_clickhouse: EmbeddedClickHouse
) -> None:
    with desk(tmp_path, city_clickhouse) as doors:
        doors.board("wall", "gulou")
        assert (doors.seen("wall"), doors.looks) == (DATABASE, 0)
        turned = placed(city_clickhouse, "gulou", "desk", "opens")
        assert doors.publish("PUT", "/api/datasources/uid/gulou", turned) == 200
        assert (doors.seen("wall"), doors.seen("wall", "clerk")) == (403, DESK)
        assert doors.looks == 2
    with desk(tmp_path, city_clickhouse) as doors:
        assert doors.seen("wall") == DATABASE
