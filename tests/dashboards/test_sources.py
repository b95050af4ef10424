"""Data sources: who may see and change them, and where their passwords are sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.server.app import ServerConfig
from infra.http import ACCESS, Grants
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
