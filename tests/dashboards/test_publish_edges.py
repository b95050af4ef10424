"""Differences that publishing finds, its requests, and a board server's start with files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards import publish
from dashboards.boards import every
from dashboards.panels import PLUGIN
from dashboards.publish import Grafana
from dashboards.server.app import ServerConfig, application
from dashboards.server.shelf import Shelf
from infra import board_server as command
from infra.http import Listening
from infra.warehouse import EmbeddedClickHouse
from schemas.errors import Misconfigured, Unavailable
from tests.dashboards.inside import Inside, inside

SOURCE: dict[str, Any] = {
    "uid": "gulou", "name": "gulou", "type": PLUGIN, "access": "proxy", "isDefault": True,
    "jsonData": {"host": "127.0.0.1", "port": 1}, "secureJsonData": {"password": "looks"},
}  # fmt: skip
BOARD: dict[str, Any] = {"uid": "b", "title": "一", "panels": []}
WALLS = ["gulou-wall", "gulou-funds", "gulou-mediations", "gulou-petitions", "gulou-visits"]
ICON = "public/build/img/icons/unicons/apps.svg"
"""A file that every board server serves."""
LIST: dict[str, Any] = {
    "uid": "gulou-walls", "name": "鼓楼大屏轮播", "interval": "1m",
    "items": [{"type": "dashboard_by_uid", "value": uid, "title": uid} for uid in WALLS],
}  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Inside]:
    with inside(ServerConfig(tmp_path / "state"), "word") as running:
        yield running


@pytest.fixture
def grafana(server: Inside) -> Grafana:
    return Grafana(server.url, "word")


def outcomes(grafana: Grafana, source: dict[str, Any] = SOURCE, *boards: Any) -> list[str]:
    told: list[str] = []
    publish.publish(grafana, [source], boards or [BOARD], told.append)
    return told


# -------------------------------------------------------------------------------- differences


def test_the_walls_playlist_has_five_boards_for_a_minute_each() -> None:
    assert publish.playlist(every()) == LIST


@pytest.mark.parametrize(
    ("fields", "differs"),
    [
        ({}, False), ({"id": 9, "uid": "old", "version": 3}, False),
        ({"items": [{"value": uid} for uid in WALLS]}, False),
        ({"items": LIST["items"][::-1]}, True), ({"items": LIST["items"][:-1]}, True),
        ({"items": [*LIST["items"], LIST["items"][0]]}, True), ({"items": None}, True),
        ({"items": [*LIST["items"][:-1], {"value": "gulou-fund"}]}, True),
        ({"name": "墙"}, True), ({"interval": "60s"}, True), ({"interval": "2m"}, True),
    ],
)  # fmt: skip
def test_a_playlist_differs_by_its_boards_their_order_its_name_and_its_rhythm(
    fields: dict[str, Any], differs: bool
) -> None:
    assert publish._playlist_drift(LIST | fields, LIST) is differs


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (BOARD, []), ({**BOARD, "id": 3, "version": 9}, []),
        ({**BOARD, "title": "二"}, ["title was changed"]),
        ({**BOARD, "tags": []}, ["tags was changed"]),
        ({"uid": "b"}, ["panels was changed", "title was changed"]),
    ],
)  # fmt: skip
def test_a_board_differs_by_each_field_that_either_side_has(
    there: dict[str, Any], told: list[str]
) -> None:
    kept = {"dashboard": there, "meta": {"folderUid": "gulou"}}
    assert publish._board_drift(kept, BOARD) == told
    for meta in ({"folderUid": "other"}, {}, None):
        moved = [*told, "lies in another folder"]
        assert publish._board_drift({"dashboard": there, "meta": meta}, BOARD) == moved


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, []), ({"id": 4, "version": 2, "url": ""}, []),
        ({"isDefault": False}, ["isDefault is another"]),
        ({"name": "x", "access": None}, ["name is another", "access is another"]),
        ({"jsonData": {"host": "127.0.0.1", "port": 1, "more": 1}}, []),
        ({"jsonData": {"host": "127.0.0.1", "port": 2}}, ["port is 2 instead of 1"]),
        ({"jsonData": None}, ["host is None instead of '127.0.0.1'", "port is None instead of 1"]),
        ({"secureJsonData": None}, []),
    ],
)  # fmt: skip
def test_a_data_source_differs_by_what_can_be_compared(
    fields: dict[str, Any], told: list[str]
) -> None:
    assert publish._source_drift(SOURCE | fields, SOURCE) == told


# --------------------------------------------------------------------------------- publishing


def test_everything_that_is_missing_is_told_and_then_added_once(
    grafana: Grafana, server: Inside
) -> None:
    assert publish.drift(grafana, [SOURCE], [BOARD]) == [
        "data source gulou is missing", "folder 鼓楼 is missing", "board 一 is missing",
        "playlist 鼓楼大屏轮播 is missing",
    ]  # fmt: skip
    names = ("data source gulou", "folder 鼓楼", "board 一", "playlist 鼓楼大屏轮播")
    same = "map outlines: as it was"
    assert outcomes(grafana) == [*(f"{name}: added" for name in names), same]
    assert outcomes(grafana) == [
        "data source gulou: set anew, as its health check failed",
        *(f"{name}: as it was" for name in names[1:]), same,
    ]  # fmt: skip
    assert publish.drift(grafana, [SOURCE], [BOARD]) == []
    kept = grafana.call("GET", "/dashboards/uid/b")
    assert kept["dashboard"] == {"id": 1, "version": 1, **BOARD}
    assert (kept["meta"]["folderUid"], kept["meta"]["folderTitle"]) == ("gulou", "鼓楼")


def test_everything_that_differs_is_told_and_then_changed(grafana: Grafana) -> None:
    outcomes(grafana)
    grafana.call("PUT", "/datasources/uid/gulou", {**SOURCE, "isDefault": False})
    grafana.call("PUT", "/folders/gulou", {"title": "旧", "overwrite": True})
    other = {"dashboard": {**BOARD, "title": "二"}, "folderUid": "gulou", "overwrite": True}
    grafana.call("POST", "/dashboards/db", other)
    grafana.call("PUT", "/playlists/gulou-walls", {**LIST, "interval": "2m"})
    assert publish.drift(grafana, [SOURCE], [BOARD]) == [
        "data source gulou: isDefault is another", "folder 鼓楼 has another title",
        "board 一: title was changed",
        "playlist 鼓楼大屏轮播 has other boards or another rhythm",
    ]  # fmt: skip
    assert outcomes(grafana) == [
        "data source gulou: changed", "folder 鼓楼: renamed", "board 一: changed",
        "playlist 鼓楼大屏轮播: changed", "map outlines: as it was",
    ]  # fmt: skip
    assert publish.drift(grafana, [SOURCE], [BOARD]) == []
    assert grafana.call("GET", "/folders/gulou")["title"] == "鼓楼"


def test_a_playlist_under_another_uid_is_found_by_its_name(grafana: Grafana) -> None:
    grafana.call("POST", "/playlists", {**LIST, "uid": "first", "name": "别的"})
    grafana.call("POST", "/playlists", {**LIST, "uid": "own", "interval": "5m"})
    assert publish._put_playlist(grafana, every()) == "changed"
    assert publish._put_playlist(grafana, every()) == "as it was"
    listed = [(p["uid"], p["name"], p["interval"]) for p in grafana.call("GET", "/playlists")]
    assert listed == [("first", "别的", "1m"), ("own", "鼓楼大屏轮播", "1m")]


def test_a_source_that_works_is_left_as_it_was(
    grafana: Grafana, warehouse: EmbeddedClickHouse
) -> None:
    data = {"host": warehouse.host, "port": warehouse.port, "username": warehouse.user}
    right = {**SOURCE, "jsonData": data, "secureJsonData": {"password": warehouse.password}}
    wrong = {**right, "secureJsonData": {"password": "wrong"}}
    first = [outcomes(grafana, given)[0] for given in (wrong, right, right)]
    assert first == [
        "data source gulou: added",
        "data source gulou: set anew, as its health check failed",
        "data source gulou: as it was",
    ]
    health = grafana.call("GET", "/datasources/uid/gulou/health")
    assert health == {"status": "OK", "message": "Data source is working"}


@pytest.mark.parametrize("url", ["ftp://host", "host:3000", "http://", "/boards", ""])
def test_what_is_no_address_of_the_web_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="is no address of a Grafana"):
        Grafana(url, "word")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://h", "http://h"), ("https://h", "https://h"), ("http://h:3000/", "http://h:3000"),
        ("https://h/boards/", "https://h/boards"), ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)  # fmt: skip
def test_an_address_is_asked_with_its_port_and_its_path(url: str, asked: str) -> None:
    assert Grafana(url, "word")._face.api.url == f"{asked}/api"


def test_each_kind_of_no_is_an_error_of_its_own(server: Inside, grafana: Grafana) -> None:
    with pytest.raises(Misconfigured, match=r"the token is not let in"):  # 401
        Grafana(server.url, "wrong").call("GET", "/folders")
    with pytest.raises(publish.Missing, match=r"GET /folders/x at http.*: there is none"):
        grafana.call("GET", "/folders/x")
    assert grafana.get("/folders/x") is None
    with pytest.raises(publish.Failed, match="folder title cannot be empty") as failed:
        grafana.call("POST", "/folders", {})
    assert failed.value.answer == {"message": "folder title cannot be empty Give it one."}
    with pytest.raises(Unavailable, match="got no answer"):
        Grafana("http://127.0.0.1:1", "word").call("GET", "/folders")
    with pytest.raises(Unavailable, match="got no answer"):
        Grafana("http://127.0.0.1:1", "word").serves("x")
    assert [grafana.serves(f) for f in (ICON, "public/none")] == [True, False]
    assert Grafana(server.url + "/", "word").serves(ICON)


# ------------------------------------------------------------------------------------ checking


def panel(title: str, *targets: tuple[str, str]) -> dict[str, Any]:
    asked = [{"refId": ref, "rawSql": sql, "format": 1} for ref, sql in targets]
    return {"title": title, "targets": asked}


def variable(name: str, sql: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "query", "query": {"rawSql": sql}, **more}


def test_each_query_is_asked_with_the_variables_before_it(
    grafana: Grafana, warehouse: EmbeddedClickHouse
) -> None:
    data = {"host": warehouse.host, "port": warehouse.port, "username": warehouse.user}
    source = {**SOURCE, "jsonData": data, "secureJsonData": {"password": warehouse.password}}
    grafana.call("POST", "/datasources", source)
    quoted = "decodeURLComponent('${one:percentencode}')"
    board: dict[str, Any] = {
        "title": "板",
        "templating": {"list": [
            {"name": "source", "type": "datasource", "current": {"value": "live"}},
            {"name": "kind", "type": "custom", "current": {"value": 3}},
            variable("one", "SELECT 'a b' UNION ALL SELECT 'a b'"),
            variable("all", "SELECT 1 WHERE 0", includeAll=True),
        ]},
        "panels": [
            {"title": "文"},
            panel("一${fresh}", ("A", f"SELECT throwIf({quoted} != 'a b')")),
            panel("二", ("A", "SELECT 1 WHERE $__conditionalAll(0, $all)"), ("B", "SELECT nope")),
            panel("三", ("A", "SELECT throwIf('${kind:percentencode}' != '3')")),
            panel("四", ("freshness", "SELECT 1")),
            panel("五", ("freshness", "SELECT number FROM numbers(2)")),
            panel("六", ("freshness", "SELECT 1 WHERE 0")),
        ],
    }  # fmt: skip
    board["panels"].append(
        {"title": "七", "targets": [{"refId": "A", "rawSql": "SELECT now() WHERE 0", "format": 0}]}
    )
    told = list(publish.check(grafana, "gulou", [board], start_ms=0, end_ms=1))
    assert {(one.board, one.took_ms > 0) for one in told} == {("板", True)}
    two, none = (f"the freshness query gave {n} rows instead of one" for n in (2, 0))
    seen = [(one.panel, one.ref, one.rows, one.error) for one in told]
    unknown = seen.pop(4)
    assert seen == [
        ("变量 one", "v", 2, ""), ("变量 all", "v", 0, ""),
        ("一", "A", 1, ""), ("二 A", "A", 1, ""),
        ("三", "A", 1, ""), ("四", "freshness", 1, ""), ("五", "freshness", 2, two),
        ("六", "freshness", 0, none), ("七", "A", 0, ""),
    ]  # fmt: skip
    assert unknown[:3] == ("二 B", "B", 0)
    assert unknown[3].startswith("code: 47, message: ")  # ClickHouse's UNKNOWN_IDENTIFIER


def test_a_query_that_gets_no_results_at_all_is_told_with_the_reason(
    grafana: Grafana,
) -> None:
    board = {"title": "板", "templating": {"list": []}, "panels": [panel("一", ("A", "SELECT 1"))]}
    for each, span, said in (
        (grafana, 10**30, "is unreadable"),
        (Grafana("http://127.0.0.1:1", "word"), 1, "got no answer"),
    ):
        (one,) = publish.check(each, "gulou", [board], start_ms=0, end_ms=span)
        assert (one.panel, one.ref, one.rows) == ("一", "A", 0)
        assert said in one.error


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("", "1=1"), ("$__all", "1=1"), ("x", "c = 'x'"), ("a/b", "c = 'a%2Fb'")],
)
def test_a_condition_on_all_is_left_out(value: str, wanted: str) -> None:
    sql = "$__conditionalAll(c = '${v:percentencode}', $v) ${other:percentencode}."
    assert publish.filled(sql, {"v": value}) == f"{wanted} ."
    assert publish.filled("$__conditionalAll(c, $v)", {}) == "1=1"


# --------------------------------------------------------------------- starting with its files


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def test_a_boards_folder_on_the_disk_is_its_folder_here(tmp_path: Path) -> None:
    disk, config = tmp_path / "disk", ServerConfig(tmp_path / "state", boards=tmp_path / "disk")
    write(disk / "a.json", {"uid": "a", "title": "A"})
    write(disk / "治理" / "b.json", {"uid": "b", "title": "B"})
    write(disk / "治理" / "县" / "c.json", {"uid": "c", "title": "C"})
    write(disk / "notes.txt", {})
    for _start in range(2):
        application(config)
        store = Shelf(config.state)
        titles = {each["uid"]: each["title"] for each in store.all("folders")}
        assert titles["gulou"] == "鼓楼"
        assert sorted(titles.values()) == ["治理", "治理-县", "鼓楼"]
        lie = {b["dashboard"]["uid"]: titles[b["folderUid"]] for b in store.boards()}
        assert lie == {"a": "鼓楼", "b": "治理", "c": "治理-县"}
        assert {(b["version"], b["message"]) for b in store.boards()} == {(1, "provisioned")}
        assert store.all("playlists") == [], "walls whose boards are missing have no playlist"
    store.change("folders", store.all("folders")[0], {"title": "改"})
    write(disk / "a.json", {"uid": "a", "title": "A2"})
    application(config)
    store = Shelf(config.state)
    home, changed = store.find("folders", uid="gulou"), store.board("a")
    assert home is not None
    assert changed is not None
    assert (home["title"], home["version"], changed["version"]) == ("鼓楼", 3, 2)


def test_the_walls_playlist_has_the_boards_made_for_walls_and_is_kept(tmp_path: Path) -> None:
    disk, config = tmp_path / "disk", ServerConfig(tmp_path / "state", boards=tmp_path / "disk")

    def lists() -> list[tuple[int, dict[str, Any]]]:
        application(config)
        kept = Shelf(config.state).all("playlists")
        return [(each["version"], {k: each[k] for k in LIST}) for each in kept]

    write(disk / "county.json", {"uid": "gulou-county", "title": "county", "tags": ["鼓楼"]})
    assert lists() == [], "no board is made for walls"
    for uid in WALLS:
        tags = ["鼓楼", "鼓楼-大屏"]
        write(disk / f"{uid}.json", {"uid": uid, "title": uid, "tags": tags})
    assert [lists(), lists()] == [[(1, LIST)], [(1, LIST)]]
    store = Shelf(config.state)
    store.change("playlists", store.all("playlists")[0], {"items": LIST["items"][::-1]})
    assert [lists(), lists()] == [[(3, LIST)], [(3, LIST)]]


def test_without_boards_on_the_disk_nothing_is_made(tmp_path: Path) -> None:
    application(ServerConfig(tmp_path / "state"))
    store = Shelf(tmp_path / "state")
    assert (store.boards(), store.all("folders"), store.all("playlists")) == ([], [], [])


def test_a_source_is_found_by_uid_alone_and_another_of_its_name_is_renamed(tmp_path: Path) -> None:
    path = tmp_path / "sources.json"

    def start(*rows: dict[str, Any]) -> list[tuple[str, str, int]]:
        path.write_text(json.dumps(list(rows)))
        with inside(ServerConfig(tmp_path / "state", data_sources=path)) as running:
            found = running.call("GET", "/api/datasources").json()
        return [(each["uid"], each["name"], each["version"]) for each in found]

    plain = {"type": PLUGIN}
    assert start({"uid": "a", "name": "A", **plain}) == [("a", "A", 1)]
    assert start({"uid": "a", "name": "B", **plain}) == [("a", "B", 2)]
    assert start({"uid": "c", "name": "B", **plain}) == [("a", "B (a)", 3), ("c", "B", 1)]
    three = [("a", "B (a)", 3), ("c", "B", 1), ("d", "D", 1)]
    assert start({"uid": "d", "name": "D", **plain}) == three
    with pytest.raises(Misconfigured, match="'E' of the start has no uid"):
        start({"name": "E", **plain})


@pytest.mark.parametrize("text", ["{}", '{"datasources": {}}', "7"])
def test_a_file_without_a_list_of_sources_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.json"
    path.write_text(text)
    config = ServerConfig(tmp_path / "state", data_sources=path)
    with pytest.raises(Misconfigured, match="holds no list of data sources"):
        application(config)
    path.write_text("{")
    with pytest.raises(Misconfigured, match="cannot be read as JSON"):
        application(config)


# --------------------------------------------------------------------------------- the command


def started(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, Any]:
    """Exit code, and the configuration that the command would have served."""
    served: list[Any] = []
    monkeypatch.setattr(command, "Gate", lambda host, token, **how: (host, token, how["closed"]))
    monkeypatch.setattr(command, "application", lambda config: config)
    monkeypatch.setattr(command, "serve", lambda make, *others: served.append((make(), *others)))
    return command.main(list(arguments)), served[0] if served else None


def test_the_command_serves_with_the_documented_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = ServerConfig(
        tmp_path, data_sources=None, boards=None, outlines=None, zone="UTC", rows=10_000,
        query_s=30.0,
    )  # fmt: skip
    listening, gate = Listening("the board server", "127.0.0.1", 13000), ("127.0.0.1", "", False)
    assert started(monkeypatch, "--state", str(tmp_path)) == (0, (plain, listening, gate))
    assert ServerConfig(tmp_path) == plain
    word = tmp_path / "word"
    word.write_text(" secret\n")
    full = ServerConfig(
        tmp_path, data_sources=Path("s"), boards=Path("b"), outlines=Path("o"),
        zone="Asia/Shanghai", rows=5, query_s=2.5,
    )  # fmt: skip
    options = (
        f"--state {tmp_path} --host 0.0.0.0 --port 1 --token-file {word} --data-sources s "
        "--boards b --outlines o --closed --zone Asia/Shanghai --rows 5 --query-seconds 2.5"
    )
    listening, gate = Listening("the board server", "0.0.0.0", 1), ("0.0.0.0", "secret", True)
    assert started(monkeypatch, *options.split()) == (0, (full, listening, gate))


def test_a_token_file_that_is_empty_or_missing_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    word = tmp_path / "word"
    asked = ("--state", str(tmp_path), "--token-file", str(word))
    assert started(monkeypatch, *asked) == (4, None)
    assert f"token file {word} cannot be read" in capsys.readouterr().err
    word.write_text(" \n")
    assert started(monkeypatch, *asked) == (4, None)
    assert f"token file {word} is empty" in capsys.readouterr().err


def test_a_request_has_at_most_4_mebibytes(tmp_path: Path) -> None:
    most = 4 * 1024 * 1024
    empty = len(json.dumps({"name": "", "items": []}))
    with inside(ServerConfig(tmp_path / "state")) as running:
        codes = [
            running.call("POST", "/api/playlists", {"name": "x" * n, "items": []}).status_code
            for n in (most - empty, most - empty + 1)
        ]
    assert codes == [200, 413]
