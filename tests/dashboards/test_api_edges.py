"""Both sides of every comparison in the board server's API, on whole responses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.server.answers import slug, status_of
from dashboards.server.app import ServerConfig
from dashboards.server.shelf import Conflict, Shelf, checked_uid
from schemas.errors import GulouError, Halted, Misconfigured, Refused, Unavailable
from tests.dashboards.inside import Inside, inside, without_times

PLUGIN = "grafana-clickhouse-datasource"
ONE: dict[str, Any] = {"uid": "one", "name": "一", "type": PLUGIN, "isDefault": True}
TWO: dict[str, Any] = {"uid": "two", "name": "二", "type": PLUGIN}
NO_SOURCE = (404, {"message": "Data source not found"})
NO_FOLDER = (404, {"message": "folder not found"})
NO_BOARD = (404, {"message": "Dashboard not found"})
NO_PLAYLIST = (404, {"message": "Playlist not found"})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Inside]:
    with inside(ServerConfig(tmp_path / "state")) as running:
        yield running


def shown(number: int, version: int, **fields: Any) -> dict[str, Any]:
    """A data source as the API shows it."""
    return {
        "orgId": 1, "access": "proxy", "url": "", "isDefault": False, "readOnly": False,
        "jsonData": {}, "secureJsonFields": {}, "id": number, "version": version, **fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "/api/folders/id/{}",
        "/api/datasources/{}",
        "/api/boards/b/panels/{}/query",
        "/api/dashboards/id/{}/permissions",
    ],
)
def test_a_number_without_end_in_an_address_is_not_found_and_writes_no_log(
    server: Inside, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    # Python reads numbers of 4,300 digits and raises an error for more.
    assert server.call("GET", path.format("7" * 5_000)).status_code == 404
    assert not caplog.records


# --------------------------------------------------------------------------------- what it is


def test_health_user_and_organisation_answer_as_grafana_does(server: Inside) -> None:
    health = {"database": "ok", "version": "13.2.2", "commit": "", "product": "gulou"}
    user = {"id": 1, "login": "admin", "name": "admin", "orgId": 1, "isGrafanaAdmin": False}
    assert server.told("GET", "/api/health") == (200, health)
    assert server.told("GET", "/api/user") == (200, user)
    assert server.told("GET", "/api/org") == (200, {"id": 1, "name": "Main Org."})
    assert server.told("GET", "/api/dashboards/home") == (200, {"redirectUri": "/"})
    assert server.told("DELETE", "/api/org") == (404, {"message": "Not found: DELETE /api/org"})


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Conflict, 412), (Refused, 400), (Misconfigured, 400), (Unavailable, 502), (Halted, 500),
        (GulouError, 500),
    ],
)  # fmt: skip
def test_each_kind_of_error_has_its_status(kind: type[GulouError], code: int) -> None:
    assert status_of(kind("what", do="do")) == code


def test_permissions_and_annotations_are_empty_and_may_be_saved(server: Inside) -> None:
    saved = (200, {"message": "Permissions updated"})
    paths = (
        "/api/folders/f/permissions",
        "/api/dashboards/uid/b/permissions",
        "/api/dashboards/id/7/permissions",
    )
    assert [server.told("GET", path) for path in paths] == [(200, [])] * 3
    assert [server.told("POST", path, {}) for path in paths] == [saved] * 3
    assert server.told("GET", "/api/annotations") == (200, [])


# -------------------------------------------------------------------------------- data sources


def test_a_data_source_is_found_by_uid_by_name_and_by_number(server: Inside) -> None:
    server.call("POST", "/api/datasources", ONE)
    added = server.told("POST", "/api/datasources", {**TWO, "secureJsonData": {"password": "p"}})
    two = shown(2, 1, **TWO) | {"secureJsonFields": {"password": True}}
    told = {"id": 2, "name": "二", "message": "Datasource added"}
    assert added == (200, {"datasource": two, **told})
    for way in ("uid/two", "name/二", "2"):
        assert server.told("GET", f"/api/datasources/{way}") == (200, two)
    for way in ("uid/二", "name/two", "3", "uid/three", "id/two"):
        assert server.told("GET", f"/api/datasources/{way}") == NO_SOURCE
    assert server.told("GET", "/api/datasources/id/二") == (200, {"id": 2})
    assert server.told("GET", "/api/datasources") == (200, [shown(1, 1, **ONE), two])


def test_one_data_source_at_most_is_the_default(server: Inside) -> None:
    server.call("POST", "/api/datasources", ONE)
    server.call("POST", "/api/datasources", TWO)
    # A second source that is not the default leaves the first unchanged, version included.
    assert server.told("GET", "/api/datasources/uid/one") == (200, shown(1, 1, **ONE))
    default = {**TWO, "isDefault": True}
    changed = server.told("PUT", "/api/datasources/uid/two", default)
    told = {"id": 2, "name": "二", "message": "Datasource updated"}
    assert changed == (200, {"datasource": shown(2, 2, **default), **told})
    first = shown(1, 2, **{**ONE, "isDefault": False})
    assert server.told("GET", "/api/datasources") == (200, [first, shown(2, 2, **default)])


def test_a_data_source_needs_a_name_and_a_type_and_a_name_of_its_own(server: Inside) -> None:
    needed = "bad request data: a data source needs a name and a type. Add them."
    for fields in ({"name": "一"}, {"type": PLUGIN}, {**ONE, "name": ""}):
        assert server.told("POST", "/api/datasources", fields) == (400, {"message": needed})
    server.call("POST", "/api/datasources", ONE)
    server.call("POST", "/api/datasources", TWO)
    twin = {"message": "data source with the same name already exists Update it by its uid."}
    assert server.told("POST", "/api/datasources", {**TWO, "uid": "x"}) == (409, twin)
    assert server.told("PUT", "/api/datasources/uid/one", {**ONE, "name": "二"}) == (412, twin)
    taken = {"message": "datasources: uid 'one' is taken. Update it by its uid."}
    assert server.told("POST", "/api/datasources", {**ONE, "name": "三"}) == (409, taken)


def test_what_a_sender_cannot_decide_about_a_data_source_is_left_out(server: Inside) -> None:
    server.call("POST", "/api/datasources", ONE)
    odd = {"id": 9, "version": 9, "readOnly": True, "secureJsonFields": {"x": True}, "uid": "y"}
    server.call("PUT", "/api/datasources/uid/one", {**ONE, **odd})
    assert server.told("GET", "/api/datasources/uid/one") == (200, shown(1, 2, **ONE))


def test_a_removed_data_source_takes_its_password_with_it(server: Inside, tmp_path: Path) -> None:
    server.call("POST", "/api/datasources", {**ONE, "secureJsonData": {"password": "p"}})
    server.call("POST", "/api/datasources", TWO)
    gone = server.told("DELETE", "/api/datasources/name/一")
    assert gone == (200, {"id": 1, "message": "Data source deleted"})
    assert server.told("DELETE", "/api/datasources/name/一") == NO_SOURCE
    assert (tmp_path / "state" / "secrets.json").read_text() == "{}"
    # The next id is one above the largest that is left.
    server.call("POST", "/api/datasources", ONE)
    assert server.told("GET", "/api/datasources") == (200, [shown(2, 1, **TWO), shown(3, 1, **ONE)])


# ------------------------------------------------------------------------------------- folders


def folder(number: int, version: int, uid: str, title: str, name: str) -> dict[str, Any]:
    url = f"/dashboards/f/{uid}/{name}"
    return {"orgId": 1, "id": number, "version": version, "uid": uid, "title": title, "url": url}


def test_a_folder_is_found_by_uid_and_by_number_and_not_by_its_title(server: Inside) -> None:
    one, two = folder(1, 1, "f", "City Hall!", "city-hall"), folder(2, 1, "g", "治理", "治理")
    extra = {"orgId": 5, "version": 8, "canSave": True}
    made = server.told("POST", "/api/folders", {"uid": "f", "title": "City Hall!", **extra})
    assert made == (200, one)
    assert server.told("POST", "/api/folders", {"uid": "g", "title": "治理"}) == (200, two)
    assert server.told("GET", "/api/folders") == (200, [one, two])
    third = server.told("POST", "/api/folders", {"uid": "i", "title": "三"})[1]
    assert third["id"] == 3, "a number of its own"
    assert server.call("DELETE", "/api/folders/i").status_code == 200
    for path in ("g", "id/2"):
        assert server.told("GET", f"/api/folders/{path}") == (200, two)
    for path in ("治理", "id/3", "2"):
        assert server.told("GET", f"/api/folders/{path}") == NO_FOLDER
    empty = (400, {"message": "folder title cannot be empty Give it one."})
    assert server.told("POST", "/api/folders", {"uid": "h", "title": ""}) == empty
    taken = (412, {"message": "folders: uid 'g' is taken. Update it by its uid."})
    assert server.told("POST", "/api/folders", {"uid": "g", "title": "二"}) == taken


def test_a_folder_is_renamed_by_its_version_or_by_overwriting(server: Inside) -> None:
    server.call("POST", "/api/folders", {"uid": "f", "title": "一"})
    late = (412, {"message": "the folder has been changed by someone else "
                             "Read it again, or overwrite."})  # fmt: skip
    assert server.told("PUT", "/api/folders/f", {"title": "二", "version": 0}) == late
    assert server.told("PUT", "/api/folders/f", {"title": "二", "version": 2}) == late
    second = (200, folder(1, 2, "f", "二", "二"))
    assert server.told("PUT", "/api/folders/f", {"title": "二", "version": 1}) == second
    third = (200, folder(1, 3, "f", "三", "三"))
    assert server.told("PUT", "/api/folders/f", {"title": "三", "overwrite": True}) == third
    # Without a title the old one stays.
    fourth = (200, folder(1, 4, "f", "三", "三"))
    assert server.told("PUT", "/api/folders/f", {"title": "", "version": 3}) == fourth


def test_a_removed_folder_takes_its_own_boards_alone(server: Inside, tmp_path: Path) -> None:
    for uid in ("f", "g"):
        server.call("POST", "/api/folders", {"uid": uid, "title": uid})
    for uid, where in (("a", "f"), ("b", "g"), ("c", ""), ("d", "f")):
        put(server, {"uid": uid, "title": uid}, folderUid=where)
    gone = (200, {"id": 1, "title": "f", "message": "Folder deleted"})
    assert server.told("DELETE", "/api/folders/f") == gone
    left = sorted(p.name for p in (tmp_path / "state" / "dashboards").iterdir())
    assert left == ["b.json", "c.json"]
    assert found(server, "") == ["g", "b", "c"]


# -------------------------------------------------------------------------------------- boards


def put(server: Inside, board: dict[str, Any], **more: Any) -> tuple[int, Any]:
    return server.told("POST", "/api/dashboards/db", {"dashboard": board, **more})


def saved(number: int, uid: str, name: str, version: int, where: str = "") -> tuple[int, Any]:
    return 200, {
        "id": number, "uid": uid, "url": f"/d/{uid}/{name}", "slug": name, "status": "success",
        "version": version, "folderUid": where,
    }  # fmt: skip


def test_a_saved_board_is_read_with_its_folder_and_version(server: Inside) -> None:
    server.call("POST", "/api/folders", {"uid": "e", "title": "空"})
    server.call("POST", "/api/folders", {"uid": "f", "title": "治理"})
    board = {"uid": "b", "title": " City  Wall ", "tags": ["x"]}
    assert put(server, {"uid": "a", "title": "?"}) == saved(1, "a", "board", 1)
    assert put(server, board, folderId=2) == saved(2, "b", "city-wall", 1, "f")
    meta = {
        "type": "db", "slug": "city-wall", "url": "/d/b/city-wall", "version": 1,
        "folderUid": "f", "folderId": 2, "folderTitle": "治理", "canSave": True,
        "provisioned": False,
    }  # fmt: skip
    read = {"dashboard": {"id": 2, "version": 1, **board}, "meta": meta}
    assert server.told("GET", "/api/dashboards/uid/b") == (200, read)
    general = server.call("GET", "/api/dashboards/uid/a").json()["meta"]
    where = {name: general[name] for name in ("folderUid", "folderId", "folderTitle")}
    assert where == {"folderUid": "", "folderId": 0, "folderTitle": "General"}
    for wrong in ({"folderUid": "治理"}, {"folderId": 9}):
        assert put(server, {"uid": "c", "title": "三"}, **wrong) == NO_FOLDER
    # A uid takes precedence over a numeric id.
    assert put(server, {"uid": "c", "title": "三"}, folderUid="f", folderId=1) == saved(
        3, "c", "三", 1, "f"
    )
    deleted = {"id": 1, "title": "?", "message": "Dashboard ? deleted"}
    assert server.told("DELETE", "/api/dashboards/uid/a") == (200, deleted)
    for verb in ("GET", "DELETE"):
        assert server.told(verb, "/api/dashboards/uid/a") == NO_BOARD


def test_a_board_goes_up_by_one_version_when_its_text_or_its_folder_changes(
    server: Inside,
) -> None:
    server.call("POST", "/api/folders", {"uid": "f", "title": "治理"})
    board = {"uid": "b", "title": "一"}
    assert put(server, board) == saved(1, "b", "一", 1)
    assert put(server, {**board, "id": 99, "version": 1}) == saved(1, "b", "一", 1)
    assert put(server, board, folderUid="f", overwrite=True) == saved(1, "b", "一", 2, "f")
    late = (
        "The dashboard has been changed by someone else Read it again, or publish with overwrite."
    )
    for version in (1, 3, None):
        refused = put(server, {**board, "version": version}, folderUid="f")
        assert refused == (412, {"message": late, "status": "version-mismatch"})
    changed = {"uid": "b", "title": "二", "version": 2}
    assert put(server, changed, folderUid="f") == saved(1, "b", "二", 3, "f")
    assert put(server, {"uid": "c", "title": "三"}) == saved(2, "c", "三", 1)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"dashboard": []}, "bad request data: no dashboard. Send it under `dashboard`."),
        ({}, "bad request data: no dashboard. Send it under `dashboard`."),
        ([], "bad request data: a JSON object is needed. Send one."),
        ({"dashboard": {"title": " "}}, "Dashboard title cannot be empty Give the board a title."),
    ],
)
def test_a_body_without_a_board_is_refused(server: Inside, body: Any, told: str) -> None:
    assert server.told("POST", "/api/dashboards/db", body) == (400, {"message": told})


def test_a_uid_has_at_most_40_characters_of_an_address(tmp_path: Path) -> None:
    longest = "aZ09_-" + "x" * 34
    assert (len(longest), checked_uid(longest), checked_uid(None), checked_uid("")) == (
        40, longest, "", ""
    )  # fmt: skip
    for wrong in (longest + "x", "a b", "a.b", 7):
        with pytest.raises(Refused, match="illegal characters or is longer than 40"):
            checked_uid(wrong)
    made = Shelf(tmp_path / "s").put_board({"title": "一"}, folder="", overwrite=False)
    assert checked_uid(made["dashboard"]["uid"]) != ""


# -------------------------------------------------------------------------------------- search


def found(server: Inside, query: str) -> list[str]:
    answer = server.call("GET", f"/api/search?{query}")
    assert answer.status_code == 200
    return [hit["uid"] for hit in answer.json()]


def shelves(server: Inside) -> None:
    """Folder f has board a, folder g has b, and c is in no folder."""
    server.call("POST", "/api/folders", {"uid": "g", "title": "Z last"})
    server.call("POST", "/api/folders", {"uid": "f", "title": "First wall"})
    put(server, {"uid": "c", "title": "Beta", "tags": ["x", "y"]})
    put(server, {"uid": "b", "title": "Gamma", "tags": ["x"], "description": "d"}, folderUid="g")
    put(server, {"uid": "a", "title": "Alpha Wall"}, folderUid="f")


@pytest.mark.parametrize(
    ("query", "uids"),
    [
        ("", ["f", "g", "a", "c", "b"]),  # folders before boards, each by title
        ("type=dash-folder", ["f", "g"]),
        ("type=dash-db", ["a", "c", "b"]),
        ("query=WALL", ["f", "a"]),
        ("query=walls", []),
        ("tag=x", ["c", "b"]),
        ("tag=x&tag=y", ["c"]),
        ("tag=z", []),
        ("type=dash-folder&tag=x", []),
        ("dashboardUIDs=a&dashboardUIDs=b", ["a", "b"]),
        ("dashboardUID=c&dashboardUIDs=b", ["c", "b"]),
        ("dashboardUIDs=f", []),
        ("folderUIDs=f", ["a"]),
        ("folderUIDs=f&folderUIDs=g", ["a", "b"]),
        ("folderUIDs=general", ["c"]),
        ("limit=2", ["f", "g"]),
        ("limit=2&page=1", ["f", "g"]),
        ("limit=2&page=2", ["a", "c"]),
        ("limit=2&page=3", ["b"]),
        ("limit=2&page=4", []),
        ("limit=1", ["f"]),
        ("limit=999999999", ["f", "g", "a", "c", "b"]),
    ],
)
def test_a_search_finds_by_word_type_tag_uid_and_folder(
    shelved: Inside, query: str, uids: list[str]
) -> None:
    assert found(shelved, query) == uids


@pytest.fixture(scope="module")
def shelved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with inside(ServerConfig(tmp_path_factory.mktemp("shelves"))) as running:
        shelves(running)
        yield running


def test_a_hit_says_what_it_is_and_where_it_lies(shelved: Inside) -> None:
    f = {
        "id": 2, "uid": "f", "title": "First wall", "uri": "db/first-wall",
        "url": "/dashboards/f/f/first-wall", "type": "dash-folder", "tags": [],
    }  # fmt: skip
    a = {
        "id": 3, "uid": "a", "title": "Alpha Wall", "uri": "db/alpha-wall",
        "url": "/d/a/alpha-wall", "type": "dash-db", "tags": [], "description": "",
        "folderUid": "f", "folderTitle": "First wall", "folderId": 2,
    }  # fmt: skip
    assert shelved.told("GET", "/api/search?query=wall") == (200, [f, a])
    c = {
        "id": 1, "uid": "c", "title": "Beta", "uri": "db/beta", "url": "/d/c/beta",
        "type": "dash-db", "tags": ["x", "y"], "description": "",
    }  # fmt: skip
    assert shelved.told("GET", "/api/search?dashboardUID=c") == (200, [c])
    (b,) = shelved.call("GET", "/api/search?dashboardUID=b").json()
    assert (b["description"], b["folderId"]) == ("d", 1)


def test_tags_are_counted_over_all_boards(shelved: Inside) -> None:
    counted = [{"term": "x", "count": 2}, {"term": "y", "count": 1}]
    assert shelved.told("GET", "/api/dashboards/tags") == (200, counted)


@pytest.mark.parametrize("query", ["limit=0", "limit=1000000000", "page=1.5"])
def test_a_count_lies_between_1_and_nine_digits(shelved: Inside, query: str) -> None:
    name, _, given = query.partition("=")
    told = f"{name} '{given}' is no count. Send a whole number from 1 up."
    assert shelved.told("GET", f"/api/search?{query}") == (400, {"message": told})


def test_a_search_gives_a_thousand_hits_unless_it_is_asked_for_more(tmp_path: Path) -> None:
    store = Shelf(tmp_path / "state")
    store._lists["folders"] = [
        {"id": n, "uid": f"u{n:04}", "title": f"t{n:04}"} for n in range(1001)
    ]
    store._save("folders")
    with inside(ServerConfig(tmp_path / "state")) as running:
        first = found(running, "")
        assert (len(first), first[-1]) == (1000, "u0999")
        assert found(running, "page=2") == ["u1000"]
        assert len(found(running, "limit=1001")) == 1001


@pytest.mark.parametrize(
    ("title", "name"),
    [("City  Hall", "city-hall"), ("走访（户次）", "走访-户次"), ("!?", "board"), ("", "board"),
     ("-a-", "a")],
)  # fmt: skip
def test_a_title_becomes_a_name_for_the_address(title: str, name: str) -> None:
    assert slug(title) == name


# ----------------------------------------------------------------------------------- playlists


def test_a_playlist_is_kept_as_it_was_sent_item_by_item_and_in_order(server: Inside) -> None:
    items = [{"type": "dashboard_by_uid", "value": "a"}, {"type": "dashboard_by_tag", "value": "x"}]
    one = {"uid": "p", "name": "墙", "interval": "1m", "items": items}
    kept = {**one, "id": 1, "version": 1}
    sent = {k: v for k, v in one.items() if k != "interval"} | {"extra": 1}
    assert server.told("POST", "/api/playlists", sent) == (200, kept)
    other = server.call("POST", "/api/playlists", {"name": "二", "interval": "5s", "items": []})
    made = other.json()["uid"]
    assert len(made) == 10
    turned = {"name": "新", "interval": "30s", "items": items[::-1], "uid": "q"}
    changed = turned | {"uid": "p", "id": 1, "version": 2}
    assert server.told("PUT", "/api/playlists/p", turned) == (200, changed)
    assert server.told("GET", "/api/playlists/p") == (200, changed)
    assert server.told("GET", "/api/playlists/p/items") == (200, items[::-1])
    short = [
        {"id": 1, "uid": "p", "name": "新", "interval": "30s"},
        {"id": 2, "uid": made, "name": "二", "interval": "5s"},
    ]
    assert server.told("GET", "/api/playlists") == (200, short)
    assert server.told("DELETE", "/api/playlists/p") == (200, {})
    for verb, path in (("GET", ""), ("GET", "/items"), ("PUT", ""), ("DELETE", "")):
        assert server.told(verb, f"/api/playlists/p{path}", {}) == NO_PLAYLIST


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"name": "墙"}, "a playlist needs a name and items. Send both."),
        ({"items": []}, "a playlist needs a name and items. Send both."),
        ({"name": "墙", "items": {}}, "a playlist needs a name and items. Send both."),
        ({"name": "墙", "items": ["a"]}, "playlist item 'a' is of no known type. "
                                        "Use dashboard_by_uid."),
        ({"name": "墙", "items": [{"type": "dashboard_by_uid"}, {"type": "dashboard_by_id"}]},
         "playlist item {'type': 'dashboard_by_id'} is of no known type. Use dashboard_by_uid."),
    ],
)  # fmt: skip
def test_a_playlist_that_no_wall_could_play_is_refused(
    shelved: Inside, body: Any, told: str
) -> None:
    assert shelved.told("POST", "/api/playlists", body) == (400, {"message": told})


# --------------------------------------------------------------------------------------- store


def test_a_record_keeps_its_birth_and_a_conflict_is_raised_by_its_uid_alone(
    tmp_path: Path,
) -> None:
    store = Shelf(tmp_path / "s")
    born = store.add("folders", {"uid": "f", "title": "一"})
    old = {**born, "created": "2000-01-01T00:00:00Z", "updated": "2000-01-01T00:00:00Z"}
    store._lists["folders"] = [old]
    new = store.change("folders", old, {"title": "二", "uid": "x", "id": 5, "created": "never"})
    assert new["created"] == old["created"] != new["updated"]
    assert without_times(new) == {"uid": "f", "title": "二", "id": 1, "version": 2}
    assert Shelf(tmp_path / "s").all("folders") == [new]
    with pytest.raises(Conflict):
        store.add("folders", {"uid": "f", "title": "三"})
    assert store.add("folders", {"uid": "F", "title": "二"})["id"] == 2
    assert store.find("folders", uid="F", title="一") is None, "every field must agree"


def test_a_board_keeps_its_birth_its_number_and_the_senders_words(tmp_path: Path) -> None:
    store = Shelf(tmp_path / "s")
    first = store.put_board({"uid": "b", "title": "一"}, folder="", overwrite=False, message="m")
    first["created"] = "2000-01-01T00:00:00Z"
    second = store.put_board({"uid": "b", "title": "二"}, folder="", overwrite=True, message="n")
    assert second["created"] == "2000-01-01T00:00:00Z" != second["updated"]
    body = {"id": 1, "version": 2, "uid": "b", "title": "二"}
    assert without_times(second) == {
        "id": 1, "folderUid": "", "version": 2, "message": "n", "dashboard": body,
    }  # fmt: skip
    assert Shelf(tmp_path / "s").boards() == [second]


def test_a_secret_keeps_its_value_until_it_is_named_again(tmp_path: Path) -> None:
    store = Shelf(tmp_path / "s")
    store.keep_secrets("u", {"password": "a", "key": "k"})
    store.keep_secrets("u", {"password": "b", "empty": ""})
    again = Shelf(tmp_path / "s")
    assert [again.secret("u", n) for n in ("password", "key", "other")] == ["b", "k", ""]
    assert (again.secret_names("u"), again.secret_names("v")) == (["key", "password"], [])
    assert again.secret("v", "password") == ""


def test_the_state_is_the_owners_alone_and_a_broken_file_is_named(tmp_path: Path) -> None:
    root = tmp_path / "s"
    Shelf(root).add("folders", {"title": "一"})
    assert (root.stat().st_mode & 0o777, (root / "folders.json").stat().st_mode & 0o777) == (
        0o700, 0o600,
    )  # fmt: skip
    (root / "folders.json").write_text("{")
    with pytest.raises(Misconfigured, match=r"folders\.json is not JSON"):
        Shelf(root)


@pytest.mark.parametrize(
    ("board", "where"),
    [
        ({"title": 5}, "title"), ({"title": ["x"]}, "title"),
        ({"title": "t", "tags": [{"a": 1}]}, "tags.0"), ({"title": "t", "tags": "x"}, "tags"),
        ({"title": "t", "description": 5}, "description"),
        ({"title": "t", "panels": ["x"]}, "panels.0"), ({"title": "t", "panels": {}}, "panels"),
        ({"title": "t", "panels": [{"targets": ["x"]}]}, "panels.0.targets.0"),
        ({"title": "t", "panels": [{"panels": [7]}]}, "panels.0.panels.0"),
        ({"title": "t", "templating": [1]}, "templating"),
        ({"title": "t", "templating": {"list": [1]}}, "templating.list.0"),
        ({"title": "t", "templating": {"list": [{}]}}, "templating.list.0.name"),
    ],
)  # fmt: skip
def test_a_board_that_its_readers_could_not_read_is_refused(
    server: Inside, board: dict[str, Any], where: str
) -> None:
    body = {"dashboard": {"uid": "odd", **board}}
    code, told = server.told("POST", "/api/dashboards/db", body)
    assert (code, f"the board's {where} is wrong: " in told["message"]) == (400, True)
    for path in ("/api/search", "/api/dashboards/tags", "/api/search?tag=x"):
        assert server.call("GET", path).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/folders", {"title": 5}), ("/api/playlists", {"name": 5, "items": []}),
        ("/api/datasources", {**ONE, "name": 5}), ("/api/datasources", {**ONE, "type": 5}),
        ("/api/dashboards/db", {"dashboard": {"uid": "nl\n", "title": "t"}}),
    ],
)  # fmt: skip
def test_a_name_is_a_text_and_a_uid_has_no_line_end(
    server: Inside, path: str, body: dict[str, Any]
) -> None:
    assert server.call("POST", path, body).status_code == 400
    assert server.call("GET", "/api/search").status_code == 200
