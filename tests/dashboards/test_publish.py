"""Publishing by uid: once or twice, to an empty or a changed server, the result is the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards import boards, publish
from infra.cli.boards import _unreachable
from infra.parts import board_source
from infra.settings import Settings
from schemas.errors import Misconfigured, Unavailable
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
    publish.publish(publish.Grafana(server.url, TOKEN), [SOURCE], EVERY, told.append)
    return told


def test_a_second_publishing_changes_nothing(server: BoardServer) -> None:
    first, second = published(server), published(server)
    outlines = ["as it was"]  # the board server has them
    assert [line.rpartition(": ")[2] for line in first] == ["added"] * (len(EVERY) + 3) + outlines
    # Nothing listens on the source's port, so its password might be wrong.
    again = ["set anew, as its health check failed"] + ["as it was"] * (len(EVERY) + 2) + outlines
    assert [line.rpartition(": ")[2] for line in second] == again
    assert publish.drift(publish.Grafana(server.url, TOKEN), [SOURCE], EVERY) == []


def test_what_someone_changed_is_told_and_put_right(server: BoardServer) -> None:
    grafana = publish.Grafana(server.url, TOKEN)
    published(server)
    changed = {**EVERY[0], "title": "改过的标题"}
    grafana.call("POST", "/dashboards/db", {"dashboard": changed, "overwrite": True})
    grafana.call("DELETE", f"/playlists/{publish.PLAYLIST[0]}")
    assert publish.drift(grafana, [SOURCE], EVERY) == [
        "board 城市运行总览: title was changed",
        "board 城市运行总览: lies in another folder",
        "playlist 鼓楼大屏轮播 is missing",
    ]
    published(server)
    assert publish.drift(grafana, [SOURCE], EVERY) == []


def test_each_panels_failing_query_is_told_by_its_board_and_name(server: BoardServer) -> None:
    published(server)
    pipeline = [board for board in EVERY if board["uid"] == "gulou-pipeline"]
    told = list(
        publish.check(publish.Grafana(server.url, TOKEN), "gulou", pipeline, start_ms=0, end_ms=1)
    )
    panels = [p for p in pipeline[0]["panels"] for _ in p.get("targets") or ()]
    titles = [panel["title"].removesuffix("${fresh}") for panel in panels]
    assert [one.panel for one in told] == ["变量 fresh", *titles]
    assert all(one.error for one in told)  # Nothing listens on the source's port.


def test_of_several_queries_of_a_panel_each_is_told_by_its_letter(server: BoardServer) -> None:
    published(server)
    village = [board for board in EVERY if board["uid"] == "gulou-village"]
    told = publish.check(publish.Grafana(server.url, TOKEN), "gulou", village, start_ms=0, end_ms=1)
    names = [one.panel for one in told]
    compared = "对比：本月至今、上月同期、去年同期、全市平均"
    assert [name for name in names if name.startswith(compared)] == [
        f"{compared} A", f"{compared} B"
    ]  # fmt: skip
    assert "今日走访（户次）" in names


def test_a_wrong_token_and_a_silent_address_are_told_apart(server: BoardServer) -> None:
    with pytest.raises(Misconfigured, match="token"):
        publish.publish(publish.Grafana(server.url, "wrong"), [SOURCE], EVERY, print)
    with pytest.raises(Unavailable, match="no answer"):
        publish.drift(publish.Grafana("http://127.0.0.1:1", TOKEN), [SOURCE], EVERY)
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


def test_a_query_is_asked_of_its_source_by_plugin_in_its_format_over_the_range() -> None:
    asked: list[Any] = []

    class Listening(publish.Grafana):
        def call(self, verb: str, path: str, body: object = None) -> Any:
            asked.append((verb, path, body))
            return {"results": {"B": {"frames": [{"data": {"values": [[1]]}}]}}}

    grafana = Listening("http://grafana.example", TOKEN)
    target = {"rawSql": "SELECT 1", "format": 0, "refId": "B"}
    board = {
        "title": "b",
        "templating": {"list": []},
        "panels": [{"title": "p", "targets": [target]}],
    }
    (found,) = publish.check(grafana, "mine", [board], start_ms=1, end_ms=2)
    assert (found.rows, found.error) == (1, "")
    ((verb, path, body),) = asked
    assert (verb, path) == ("POST", "/ds/query")
    (query,) = body.pop("queries")
    assert body == {"from": "1", "to": "2"}
    assert query["datasource"] == {"type": "grafana-clickhouse-datasource", "uid": "mine"}
    assert (query["refId"], query["rawSql"], query["format"]) == ("B", "SELECT 1", 0)


@pytest.mark.parametrize(
    ("result", "rows", "error"),
    [
        ({"frames": [{"data": {"values": [[1, 2, 3], ["a", "b", "c"]]}}]}, 3, ""),
        ({"frames": [{"data": {"values": [[]]}}]}, 0, ""),
        ({"frames": [{"data": {"values": []}}]}, 0, ""),
        ({"frames": [{"data": {"values": None}}]}, 0, ""),
        # Grafana's time series without rows: no frame at all.
        ({"frames": []}, 0, ""), ({"frames": None}, 0, ""), ({}, 0, ""),
        ({"error": "no results found"}, 0, ""), ({"error": "code: 47"}, 0, "code: 47"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ref", ["B", "freshness"])
def test_an_answer_has_the_rows_of_its_first_column_and_none_without_columns(
    result: dict[str, Any], rows: int, error: str, ref: str
) -> None:
    class Answering(publish.Grafana):
        def call(self, verb: str, path: str, body: object = None) -> Any:
            return {"results": {ref: result}}

    target = {"rawSql": "SELECT 1", "format": 0, "refId": ref}
    panels = [{"title": "p", "targets": [target]}]
    board = {"title": "b", "templating": {"list": []}, "panels": panels}
    grafana = Answering("http://grafana.example", TOKEN)
    (found,) = publish.check(grafana, "mine", [board], start_ms=1, end_ms=2)
    if ref == "freshness" and not result.get("error"):  # it is asked for one row
        error = "" if rows == 1 else f"the freshness query gave {rows} rows instead of one"
    assert (found.rows, found.error) == (rows, error)


# --------------------------------------------------------- a Grafana that reads from its disk

PROVISIONED = {
    **{key: value for key, value in SOURCE.items() if key != "secureJsonData"},
    "readOnly": True,
}


class Stub(publish.Grafana):
    """Answers as a provisioned Grafana; refuses changes to what it has on disk."""

    def __init__(self, source: dict[str, Any], board: dict[str, Any]) -> None:
        self.there = {
            "/datasources/uid/gulou": source,
            "/folders/gulou": {"title": publish.FOLDER[1]},
            f"/playlists/{publish.PLAYLIST[0]}": {**publish.playlist([board])},
            f"/dashboards/uid/{board['uid']}": {
                "dashboard": {**board, "id": 7, "version": 3},
                "meta": {"folderUid": "gulou", "provisioned": True},
            },
        }

    def call(self, verb: str, path: str, body: object = None) -> Any:
        if verb != "GET":
            raise Misconfigured(f"{verb} {path}: Cannot update read-only.", do="Nothing.")
        if path not in self.there:
            raise publish.Missing(path, do="Nothing.")
        return self.there[path]

    def serves(self, file: str) -> bool:
        return False


def told_by(grafana: publish.Grafana) -> dict[str, str]:
    told: list[str] = []
    publish.publish(grafana, [SOURCE], EVERY[:1], told.append)
    return {what: outcome for what, _, outcome in (line.partition(": ") for line in told)}


def test_what_a_grafana_reads_from_its_disk_is_left_alone_when_it_is_right() -> None:
    told = told_by(Stub(PROVISIONED, EVERY[0]))
    assert (told["data source gulou"], told["board 城市运行总览"]) == ("as it was", "as it was")


def test_what_differs_on_a_grafanas_disk_is_told_and_is_no_matter_of_the_token() -> None:
    elsewhere = {**PROVISIONED, "jsonData": {**SOURCE["jsonData"], "host": "clickhouse"}}
    told = told_by(Stub(elsewhere, {**EVERY[0], "refresh": "1h"}))
    assert told["data source gulou"] == (
        "read-only there; change it in that Grafana's provisioning files: "
        "host is 'clickhouse' instead of '127.0.0.1'"
    )
    assert told["board 城市运行总览"] == (
        "read-only there; change it in that Grafana's provisioning files: refresh was changed"
    )


def test_missing_map_outlines_are_told_with_where_to_put_them() -> None:
    told = told_by(Stub(PROVISIONED, EVERY[0]))
    assert "public/maps/431200.geojson" in told["map outlines"]
    assert told["map outlines"].startswith("missing")
    assert any("map outlines" in line for line in publish.drift(
        Stub(PROVISIONED, EVERY[0]), [SOURCE], EVERY[:1]
    ))  # fmt: skip


def test_settings_that_grafanas_own_form_adds_are_no_difference() -> None:
    saved = {**PROVISIONED, "jsonData": {**SOURCE["jsonData"], "version": "4.20.0"}}
    assert publish._source_drift(saved, SOURCE) == []


def test_a_grafana_elsewhere_is_told_the_address_it_can_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Settings(home=tmp_path, grafana_url="http://grafana.city.example:3000")
    host = str(board_source(here)["jsonData"]["host"])
    assert "GULOU_GRAFANA_CLICKHOUSE_HOST" in _unreachable(here.grafana_url, host)
    monkeypatch.setenv("GULOU_GRAFANA_CLICKHOUSE_HOST", "ch.city.example")
    monkeypatch.setenv("GULOU_GRAFANA_CLICKHOUSE_PORT", "9440")
    there = Settings(home=tmp_path, grafana_url="http://grafana.city.example:3000")
    made = board_source(there)["jsonData"]
    assert (made["host"], made["port"]) == ("ch.city.example", 9440)
    assert _unreachable(there.grafana_url, "ch.city.example") == ""
    # The embedded board server still works.
    assert board_source(Settings(home=tmp_path))["jsonData"]["host"] == "127.0.0.1"
