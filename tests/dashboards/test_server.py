"""The board server's API, as grafana-api and Grafana's own clients use it."""

from __future__ import annotations

import html
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from grafana_api.grafana_api import GrafanaClientError
from grafana_api.grafana_face import GrafanaFace

from dashboards import boards, publish
from dashboards.boards.__main__ import JSON
from dashboards.roles import SOURCES
from tests.dashboards.servers import REPOSITORY, BoardServer, board_server

SOURCE: dict[str, Any] = {
    "name": "怀化 ClickHouse",
    "uid": "city",
    "type": "grafana-clickhouse-datasource",
    "access": "proxy",
    "jsonData": {"host": "127.0.0.1", "port": 1, "protocol": "native", "username": "board"},
    "secureJsonData": {"password": "correct horse"},
}
BOARD: dict[str, Any] = {"uid": "wall", "title": "城市运行总览", "tags": ["wall"], "panels": []}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BoardServer]:
    with board_server(tmp_path / "state") as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    """A server for tests that store nothing in it."""
    with board_server(tmp_path_factory.mktemp("shared")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardServer]:
    """A closed server; a test that stores something in it removes it."""
    root = tmp_path_factory.mktemp("guarded")
    secret = root / "token"
    secret.write_text("glsa_test\n")
    with board_server(
        root / "state", "--closed", "--token-file", str(secret), token="glsa_test"
    ) as running:
        yield running


def _face(server: BoardServer) -> GrafanaFace:
    return GrafanaFace(auth=server.token or "none", host="127.0.0.1", port=server.port)


def test_grafana_api_publishes_a_source_a_folder_and_a_board(guarded: BoardServer) -> None:
    grafana = _face(guarded)
    made = grafana.datasource.create_datasource(SOURCE)
    assert (made["message"], made["name"]) == ("Datasource added", "怀化 ClickHouse")
    by_name = grafana.datasource.get_datasource_by_name("怀化 ClickHouse")
    assert by_name["uid"] == "city"
    assert grafana.datasource.get_datasource_id_by_name("怀化 ClickHouse") == {"id": made["id"]}

    folder = grafana.folder.create_folder("治理", uid="governance")
    assert grafana.folder.get_folder("governance")["title"] == "治理"
    saved = grafana.dashboard.update_dashboard(
        {"dashboard": BOARD, "folderId": folder["id"], "overwrite": True}
    )
    assert (saved["uid"], saved["status"], saved["version"]) == ("wall", "success", 1)
    read = grafana.dashboard.get_dashboard("wall")
    assert read["dashboard"]["title"] == "城市运行总览"
    assert read["meta"]["folderUid"] == "governance"
    assert [hit["uid"] for hit in grafana.search.search_dashboards(tag="wall")] == ["wall"]

    grafana.dashboard.delete_dashboard("wall")
    with pytest.raises(GrafanaClientError, match="Dashboard not found"):
        grafana.dashboard.get_dashboard("wall")
    grafana.folder.delete_folder("governance")
    grafana.datasource.delete_datasource_by_id(made["id"])


def test_a_source_is_updated_by_uid_and_by_id_and_keeps_its_password(server: BoardServer) -> None:
    grafana = _face(server)
    number = grafana.datasource.create_datasource(SOURCE)["id"]
    plain = {k: v for k, v in SOURCE.items() if k != "secureJsonData"}
    changed = grafana.api.PUT("/datasources/uid/city", json={**plain, "name": "改名"})
    assert changed["datasource"]["version"] == 2
    grafana.datasource.update_datasource(number, {**plain, "name": "再改"})
    read = server.call("GET", "/api/datasources/uid/city").json()
    assert (read["name"], read["version"]) == ("再改", 3)
    assert read["secureJsonFields"] == {"password": True}


def test_a_password_is_stored_for_the_owner_only_and_never_told(
    server: BoardServer, tmp_path: Path
) -> None:
    server.call("POST", "/api/datasources", SOURCE)
    told = [
        server.call("GET", path).text
        for path in (
            "/api/datasources",
            "/api/datasources/uid/city",
            "/api/datasources/name/怀化 ClickHouse",
        )
    ]
    told.append(server.call("PUT", "/api/datasources/uid/city", SOURCE).text)
    assert not any("correct horse" in text for text in told)
    secrets = tmp_path / "state" / "secrets.json"
    assert secrets.stat().st_mode & 0o777 == 0o600
    open_files = [p for p in secrets.parent.rglob("*") if p != secrets and p.is_file()]
    assert not any("correct horse" in p.read_text() for p in open_files)


def test_the_same_name_twice_is_a_conflict(server: BoardServer) -> None:
    server.call("POST", "/api/datasources", SOURCE)
    again = server.call("POST", "/api/datasources", {**SOURCE, "uid": "other"})
    assert again.status_code == 409
    assert "same name already exists" in again.json()["message"]


def test_boards_survive_a_restart_and_a_clean_stop_ends_with_zero(tmp_path: Path) -> None:
    with board_server(tmp_path / "state") as first:
        first.call("POST", "/api/dashboards/db", {"dashboard": BOARD})
        first.call("POST", "/api/playlists", _playlist("墙"))
        assert first.stop() == 0
    with board_server(tmp_path / "state") as second:
        read = second.call("GET", "/api/dashboards/uid/wall").json()
        assert read["dashboard"] == {"id": 1, "version": 1, **BOARD}
        assert [p["name"] for p in second.call("GET", "/api/playlists").json()] == ["墙"]


def test_publishing_an_unchanged_board_keeps_its_version(server: BoardServer) -> None:
    bodies = [{"dashboard": BOARD, "overwrite": True}] * 2
    bodies.append({"dashboard": {**BOARD, "title": "新题"}, "overwrite": True})
    answers = [server.call("POST", "/api/dashboards/db", b).json() for b in bodies]
    assert [a["version"] for a in answers] == [1, 1, 2]


def test_a_board_changed_meanwhile_is_not_overwritten_unasked(server: BoardServer) -> None:
    server.call("POST", "/api/dashboards/db", {"dashboard": BOARD})
    late = {"dashboard": {**BOARD, "title": "旧", "version": 7}}
    answer = server.call("POST", "/api/dashboards/db", late)
    assert (answer.status_code, answer.json()["status"]) == (412, "version-mismatch")


def test_a_uid_that_is_no_file_name_is_refused(server: BoardServer, tmp_path: Path) -> None:
    for uid in ("../../etc/passwd", "a/b", "a" * 41, "键"):
        body = {"dashboard": {**BOARD, "uid": uid}}
        answer = server.call("POST", "/api/dashboards/db", body)
        said = answer.json()["message"]
        assert (answer.status_code, "illegal characters" in said) == (400, True), uid
    assert not list((tmp_path / "state" / "dashboards").iterdir())


def test_a_board_without_a_title_and_a_body_without_json_are_refused(shared: BoardServer) -> None:
    empty = shared.call("POST", "/api/dashboards/db", {"dashboard": {"uid": "x"}})
    assert (empty.status_code, "title cannot be empty" in empty.text) == (400, True)
    broken = requests.post(shared.url + "/api/dashboards/db", data="{", timeout=10)
    assert (broken.status_code, "JSON object" in broken.json()["message"]) == (400, True)


def test_a_folder_takes_its_boards_with_it(server: BoardServer) -> None:
    server.call("POST", "/api/folders", {"uid": "f", "title": "一"})
    server.call("POST", "/api/dashboards/db", {"dashboard": BOARD, "folderUid": "f"})
    hits = server.call("GET", "/api/search?folderUIDs=f").json()
    assert [(h["uid"], h["folderTitle"]) for h in hits] == [("wall", "一")]
    assert server.call("PUT", "/api/folders/f", {"title": "二"}).status_code == 412
    renamed = server.call("PUT", "/api/folders/f", {"title": "二", "version": 1}).json()
    assert renamed["title"] == "二"
    server.call("DELETE", "/api/folders/f")
    assert server.call("GET", "/api/dashboards/uid/wall").status_code == 404


def _playlist(name: str) -> dict[str, Any]:
    items = [{"type": "dashboard_by_uid", "value": "wall"}]
    return {"name": name, "interval": "30s", "items": items}


def test_a_playlist_is_made_read_changed_and_removed(server: BoardServer) -> None:
    uid = server.call("POST", "/api/playlists", _playlist("墙")).json()["uid"]
    assert server.call("PUT", f"/api/playlists/{uid}", _playlist("大屏")).json()["name"] == "大屏"
    items = server.call("GET", f"/api/playlists/{uid}/items").json()
    assert items == [{"type": "dashboard_by_uid", "value": "wall"}]
    server.call("DELETE", f"/api/playlists/{uid}")
    assert server.call("GET", f"/api/playlists/{uid}").status_code == 404


def test_an_unknown_route_answers_in_json(shared: BoardServer) -> None:
    answer = shared.call("GET", "/api/alerting")
    assert (answer.status_code, answer.json()["message"]) == (404, "Not found: GET /api/alerting")


def test_a_source_that_does_not_answer_says_where_it_was_sought(server: BoardServer) -> None:
    server.call("POST", "/api/datasources", SOURCE)
    health = server.call("GET", "/api/datasources/uid/city/health")
    assert (health.status_code, health.json()["status"]) == (400, "ERROR")
    assert "ClickHouse at 127.0.0.1:1 does not answer" in health.json()["message"]
    result = server.query("SELECT 1")
    assert (result["status"], "127.0.0.1:1" in result["error"]) == (502, True)


def test_provisioned_files_are_stored_at_each_start(tmp_path: Path) -> None:
    sources, boards = tmp_path / "sources.json", tmp_path / "boards"
    sources.write_text(json.dumps([SOURCE]))
    (boards / "治理").mkdir(parents=True)
    (boards / "治理" / "wall.json").write_text(json.dumps(BOARD))
    options = ("--data-sources", str(sources), "--boards", str(boards))
    for _start in range(2):
        with board_server(tmp_path / "state", *options) as running:
            hit = running.call("GET", "/api/search?type=dash-db").json()[0]
            assert (hit["uid"], hit["folderTitle"]) == ("wall", "治理")
            source = running.call("GET", "/api/datasources/uid/city").json()
            assert source["secureJsonFields"] == {"password": True}


# ------------------------------------------------------------------------------------ who may

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/search"), ("POST", "/api/ds/query"), ("PUT", "/api/datasources/uid/x")],
)
def test_without_its_token_a_guarded_server_answers_401(
    guarded: BoardServer, method: str, path: str
) -> None:
    bare = requests.request(method, guarded.url + path, json={}, timeout=10)
    wrong = {"Authorization": "Bearer glsa_tes"}
    almost = requests.request(method, guarded.url + path, json={}, headers=wrong, timeout=10)
    assert (bare.status_code, almost.status_code) == (401, 401)
    page = requests.get(guarded.url + "/", headers=BROWSER, timeout=10)
    assert (page.status_code, "访问令牌" in page.text) == (401, True)


def test_a_wall_signs_in_by_form_or_by_link_and_may_look_but_not_publish(
    guarded: BoardServer,
) -> None:
    form, link = requests.Session(), requests.Session()
    assert form.post(guarded.url + "/login", data={"token": "x"}, timeout=10).status_code == 401
    form.post(guarded.url + "/login", data={"token": "glsa_test"}, timeout=10)
    landed = link.get(guarded.url + "/?token=glsa_test&kiosk=", timeout=10)
    assert landed.status_code == 200
    assert "token" not in landed.url, "the secret must not stay in the address bar"
    for wall in (form, link):
        assert wall.get(guarded.url + "/api/search", timeout=10).status_code == 200
        body = {"dashboard": BOARD}
        refused = wall.post(guarded.url + "/api/dashboards/db", json=body, timeout=10)
        assert refused.status_code == 403
        assert "glsa_test" not in str(wall.cookies.get_dict())


def test_on_this_machine_anybody_may_look_and_the_token_publishes(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("glsa_test")
    with board_server(tmp_path / "state", "--token-file", str(secret)) as here:
        body = {"dashboard": BOARD}
        assert here.call("GET", "/").status_code == 200
        assert here.call("GET", "/api/search").status_code == 200
        assert here.call("POST", "/api/dashboards/db", body).status_code == 403
        here.session.headers["Authorization"] = "Bearer glsa_test"
        assert here.call("POST", "/api/dashboards/db", body).status_code == 200
        here.session.headers["Authorization"] = "Bearer wrong"
        assert here.call("GET", "/api/search").status_code == 401


def test_a_page_of_another_site_is_refused(shared: BoardServer) -> None:
    strange = {"Origin": "http://evil.example"}
    crossed = requests.post(
        shared.url + "/api/dashboards/db", json={"dashboard": BOARD}, headers=strange, timeout=10
    )
    # DNS rebinding: a foreign name that resolves to 127.0.0.1 arrives as the Host header.
    bent = requests.get(shared.url + "/api/search", headers={"Host": "evil.example"}, timeout=10)
    assert (crossed.status_code, bent.status_code) == (403, 403)


def test_a_login_never_sends_a_person_elsewhere(guarded: BoardServer) -> None:
    for to in ("https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example"):
        form = {"token": "glsa_test", "to": to}
        answer = requests.post(guarded.url + "/login", data=form, allow_redirects=False, timeout=10)
        assert answer.headers["Location"] == "/"


def test_a_login_goes_on_to_the_board_that_was_asked_for(guarded: BoardServer) -> None:
    wanted = '/d/wall?kiosk&var-county=431202&from=now/d"><script>'
    asked = requests.get(guarded.url + wanted, headers=BROWSER, timeout=10)
    target = html.unescape(asked.text.partition('name="to" value="')[2].partition('"')[0])
    assert target.startswith("/d/wall?kiosk&var-county=431202&from=now/d")
    assert "<script>" not in asked.text
    wrong = requests.post(guarded.url + "/login", data={"token": "x", "to": target}, timeout=10)
    assert html.escape(target) in wrong.text, "a slip of the finger must not lose the way"
    form = {"token": "glsa_test", "to": target}
    right = requests.post(guarded.url + "/login", data=form, allow_redirects=False, timeout=10)
    assert right.headers["Location"] == target
    page = requests.get(guarded.url + "/login", params={"to": "//evil.example"}, timeout=10)
    assert "evil.example" not in page.text


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host"]
)
def test_what_a_proxy_on_this_machine_hands_on_needs_the_token(tmp_path: Path, header: str) -> None:
    secret = tmp_path / "token"
    secret.write_text("glsa_test")
    through = {header: "for=203.0.113.9"}
    with board_server(tmp_path / "state", "--token-file", str(secret)) as here:
        there = here.url + "/api/search"
        assert requests.get(there, headers=through, timeout=10).status_code == 401
        known = {"Authorization": "Bearer glsa_test", "Host": "boards.city.example", **through}
        assert requests.get(there, headers=known, timeout=10).status_code == 200
    with board_server(tmp_path / "other") as without_token:
        there = without_token.url + "/api/search"
        assert requests.get(there, headers=through, timeout=10).status_code == 401
        empty = requests.post(
            without_token.url + "/login", data={"token": ""}, headers=through, timeout=10
        )
        assert (empty.status_code, dict(empty.cookies)) == (401, {})


def test_beyond_this_machine_everything_but_health_and_login_is_401(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("glsa_test")
    options = ("--host", "0.0.0.0", "--token-file", str(secret))
    with board_server(tmp_path / "state", *options, token="glsa_test") as everywhere:
        addresses = {a.address for each in psutil.net_if_addrs().values() for a in each
                     if a.family == socket.AF_INET}  # fmt: skip
        for address in addresses:
            url = f"http://{address}:{everywhere.port}"
            codes = {
                path: requests.request(method, url + path, json={}, timeout=10).status_code
                for method, path in (
                    ("GET", "/"), ("GET", "/d/wall"), ("GET", "/api/search"),
                    ("GET", "/api/datasources"), ("POST", "/api/ds/query"),
                    ("POST", "/api/dashboards/db"), ("GET", "/assets/x.js"),
                    ("GET", "/api/health"), ("GET", "/login"),
                )
            }  # fmt: skip
            asked = dict.fromkeys(codes, 401) | {"/api/health": 200, "/login": 200}
            assert codes == asked, address
            bearer = {"Authorization": "Bearer glsa_test"}
            let_in = requests.get(url + "/api/search", headers=bearer, timeout=10)
            assert let_in.status_code == 200, address


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"refreshMs": "soon"}, "refreshMs 'soon' is no count of milliseconds"),
        ({"refreshMs": {}}, "refreshMs {} is no count of milliseconds"),
        ({"refreshMs": "1e999"}, "refreshMs '1e999' is no count"),
        ({"from": "yesterday"}, "from 'yesterday' is unreadable"),
        ({"to": "9" * 30}, "is unreadable"),
        ({"to": "now-5y"}, "time 'now-5y' is unreadable"),
        ({"from": "now-²d"}, "time 'now-²d' is unreadable"),
        ({"queries": ["SELECT 1"]}, "a query is no JSON object"),
    ],
)
def test_a_query_with_bad_numbers_is_refused_in_a_sentence(
    shared: BoardServer, fields: dict[str, Any], told: str
) -> None:
    body = {"queries": [{"refId": "A", "rawSql": "SELECT 1"}], **fields}
    answer = shared.call("POST", "/api/ds/query", body)
    assert answer.status_code == 400
    assert told in answer.json()["message"]


def test_a_bad_interval_is_its_own_querys_error(server: BoardServer) -> None:
    server.call("POST", "/api/datasources", SOURCE)
    body = {"queries": [{"refId": "A", "datasource": {"uid": "city"}, "rawSql": "SELECT 1",
                         "intervalMs": "wide"}]}  # fmt: skip
    answer = server.call("POST", "/api/ds/query", body)
    assert "intervalMs 'wide' is no count" in answer.json()["results"]["A"]["error"]


@pytest.mark.parametrize("query", ["limit=many", "page=x", "limit=-1", "page=0", "limit=²"])
def test_a_search_with_bad_numbers_is_refused_in_a_sentence(
    shared: BoardServer, query: str
) -> None:
    answer = shared.call("GET", f"/api/search?{query}")
    assert answer.status_code == 400
    assert "is no count" in answer.json()["message"]


def test_a_start_and_a_publishing_put_the_shipped_boards_in_the_same_place(
    tmp_path: Path,
) -> None:
    secret, file = tmp_path / "token", tmp_path / "sources.json"
    secret.write_text("glsa_test")
    sources = [
        {**SOURCE, "uid": uid, "name": uid, "isDefault": role == "viewer"}
        for role, uid in SOURCES.items()
    ]
    file.write_text(json.dumps(sources))
    options = ("--token-file", str(secret), "--data-sources", str(file), "--boards",
               str(JSON))  # fmt: skip
    for _start in range(2):
        with board_server(tmp_path / "state", *options, token="glsa_test") as running:
            grafana = publish.Grafana(running.url, "glsa_test")
            assert publish.drift(grafana, sources, boards.every()) == []
            publish.publish(grafana, sources, boards.every(), lambda _told: None)
    with board_server(tmp_path / "state", *options, token="glsa_test") as running:
        versions = {
            hit["uid"]: running.call("GET", f"/api/dashboards/uid/{hit['uid']}").json()["meta"]
            for hit in running.call("GET", "/api/search?type=dash-db").json()
        }
    assert {meta["version"] for meta in versions.values()} == {1}


def _ended(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.board_server", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )


def test_listening_beyond_this_machine_needs_a_token(tmp_path: Path) -> None:
    done = _ended("--host", "0.0.0.0", "--port", "0", "--state", str(tmp_path / "s"))
    assert done.returncode == 4
    assert "may not listen on '0.0.0.0' without a token" in done.stderr


def test_a_taken_port_is_told_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _ended("--port", str(port), "--state", str(tmp_path / "s"))
    assert done.returncode == 4
    assert done.stderr.startswith(f"the board server cannot listen on 127.0.0.1:{port}")
    assert len(done.stderr.splitlines()) == 1


# --------------------------------------------------------------------------------- the page


def test_the_page_asks_for_nothing_outside(shared: BoardServer) -> None:
    page = shared.call("GET", "/d/wall/anything")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http" not in page.text
    script = page.text.partition('src="')[2].partition('"')[0]
    asset = shared.call("GET", script)
    assert asset.headers["Cache-Control"].endswith("immutable")
    assert asset.headers["Content-Encoding"] == "gzip"


def test_files_outside_the_bundle_are_not_served(shared: BoardServer) -> None:
    for path in (
        "/assets/../../server.py",
        "/public/%2e%2e/%2e%2e/server.py",
        "/assets/nothing.js",
    ):
        assert shared.call("GET", path).status_code == 404
