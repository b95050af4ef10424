"""Publishing goes by uid: once or twice, to an empty server or a changed one, all ends the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards import boards, publish
from schemas._errors import Misconfigured, Unavailable
from tests.dashboards.servers import BoardServer, board_server

TOKEN = "a-long-word-for-the-test"
SOURCE: dict[str, Any] = {
    "uid": "gulou",
    "name": "gulou",
    "type": "grafana-clickhouse-datasource",
    "access": "proxy",
    "isDefault": True,
    "jsonData": {"host": "127.0.0.1", "port": 1, "protocol": "native", "username": "board"},
    "secureJsonData": {"password": "looks"},
}
EVERY = boards.every()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BoardServer]:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    arguments = ("--token-file", str(token))
    with board_server(tmp_path / "state", *arguments, token=TOKEN) as running:
        yield running


def published(server: BoardServer) -> list[str]:
    told: list[str] = []
    publish.publish(publish.Grafana(server.url, TOKEN), SOURCE, EVERY, told.append)
    return told


def test_a_second_publishing_changes_nothing(server: BoardServer) -> None:
    first, second = published(server), published(server)
    assert [line.rpartition(": ")[2] for line in first] == ["added"] * (len(EVERY) + 3)
    assert [line.rpartition(": ")[2] for line in second] == ["as it was"] * (len(EVERY) + 3)
    assert publish.drift(publish.Grafana(server.url, TOKEN), SOURCE, EVERY) == []


def test_what_someone_changed_is_told_and_put_right(server: BoardServer) -> None:
    grafana = publish.Grafana(server.url, TOKEN)
    published(server)
    changed = {**EVERY[0], "title": "改过的标题"}
    grafana.call("POST", "/dashboards/db", {"dashboard": changed, "overwrite": True})
    grafana.call("DELETE", f"/playlists/{publish.PLAYLIST[0]}")
    assert publish.drift(grafana, SOURCE, EVERY) == [
        "board 城市运行总览: title was changed",
        "board 城市运行总览: lies in another folder",
        "playlist 鼓楼大屏轮播 is missing",
    ]
    published(server)
    assert publish.drift(grafana, SOURCE, EVERY) == []


def test_each_panels_failing_query_is_told_by_its_board_and_name(server: BoardServer) -> None:
    published(server)
    pipeline = [board for board in EVERY if board["uid"] == "gulou-pipeline"]
    told = list(
        publish.check(publish.Grafana(server.url, TOKEN), "gulou", pipeline, start_ms=0, end_ms=1)
    )
    panels = [p for p in pipeline[0]["panels"] for _ in p.get("targets") or ()]
    assert [one.panel for one in told] == [panel["title"] for panel in panels]
    assert all(one.error for one in told)  # Nothing listens on the source's port.


def test_a_wrong_token_and_a_silent_address_are_told_apart(server: BoardServer) -> None:
    with pytest.raises(Misconfigured, match="token"):
        publish.publish(publish.Grafana(server.url, "wrong"), SOURCE, EVERY, print)
    with pytest.raises(Unavailable, match="no answer"):
        publish.drift(publish.Grafana("http://127.0.0.1:1", TOKEN), SOURCE, EVERY)
    with pytest.raises(Misconfigured, match="no address"):
        publish.Grafana("grafana.example", TOKEN)


def test_the_checks_fill_a_query_in_as_the_page_does() -> None:
    sql = (
        "SELECT 1 WHERE $__conditionalAll(county IN splitByChar(',', trim(BOTH '{}' FROM "
        "decodeURLComponent('${county:percentencode}'))), $county)"
    )
    assert publish.filled(sql, {"county": "$__all"}) == "SELECT 1 WHERE 1=1"
    assert publish.filled(sql, {"county": "\\' OR 1=1 -- "}) == (
        "SELECT 1 WHERE county IN splitByChar(',', trim(BOTH '{}' FROM "
        "decodeURLComponent('%5C%27%20OR%201%3D1%20--%20')))"
    )
