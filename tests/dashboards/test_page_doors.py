"""Access to viewing and publishing, door by door; headers of the files."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import requests
from aiohttp import web

from dashboards.server.app import ServerConfig
from dashboards.server.page import DIST
from infra.http import Grants
from infra.http.gate import Gate, _inside, loopback
from schemas.errors import Misconfigured
from tests.dashboards.inside import WAIT_S, Inside, inside

TOKEN = "glsa_test"
# HMAC-SHA256 of "board session" with the token as key, by `openssl dgst -sha256 -hmac glsa_test`.
SESSION = "c62017955c2a30a86000f2b70a2bf73d079c0d8471cd81edc5670e4b01943387"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
COOKIE = {"Cookie": f"gulou_session={SESSION}"}
PROXY = {"X-Forwarded-For": "203.0.113.9"}
ELSEWHERE = {"Host": "boards.city.example"}
WRITE = "/api/playlists"


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """No token, only this machine."""
    with inside(ServerConfig(tmp_path_factory.mktemp("free"))) as running:
        yield running


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """A token, and everybody on this machine may view."""
    with inside(ServerConfig(tmp_path_factory.mktemp("known")), TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """A token, required on this machine too."""
    with inside(ServerConfig(tmp_path_factory.mktemp("closed")), TOKEN, closed=True) as running:
        yield running


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """As if it listened to other machines."""
    config = ServerConfig(tmp_path_factory.mktemp("wide"))
    with inside(config, TOKEN, host="0.0.0.0") as running:
        yield running


def doors(server: Inside, headers: dict[str, str], query: str = "") -> tuple[int, int, int, int]:
    """Statuses of reading, of a query of one's own, of publishing, and of the page."""
    return (
        server.call("GET", f"/api/folders{query}", headers=headers).status_code,
        # 400: admitted, but without a query.
        server.call("POST", f"/api/ds/query{query}", {}, headers=headers).status_code,
        server.call("POST", f"{WRITE}{query}", {}, headers=headers).status_code,
        server.call("GET", f"/d/wall{query}", headers=headers).status_code,
    )


ADMIN, VIEWER, NOBODY, FOREIGN = (
    (200, 400, 400, 200), (200, 403, 403, 200), (401, 401, 401, 401), (403, 403, 403, 403),
)  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "free_", "known_", "closed_", "wide_"),
    [
        ({}, ADMIN, VIEWER, NOBODY, NOBODY),
        (BEARER, ADMIN, ADMIN, ADMIN, ADMIN),
        ({"Authorization": f"Bearer  {TOKEN} "}, ADMIN, ADMIN, ADMIN, ADMIN),
        ({"Authorization": f"Bearer {TOKEN}x"}, ADMIN, NOBODY, NOBODY, NOBODY),
        ({"Authorization": "Bearer "}, ADMIN, NOBODY, NOBODY, NOBODY),
        ({"Authorization": f"Basic {TOKEN}"}, ADMIN, NOBODY, NOBODY, NOBODY),
        # A session does not make up for a wrong token.
        ({"Authorization": "Bearer x", **COOKIE}, ADMIN, NOBODY, NOBODY, NOBODY),
        (COOKIE, ADMIN, VIEWER, VIEWER, VIEWER),
        ({"Cookie": f"gulou_session={TOKEN}"}, ADMIN, VIEWER, NOBODY, NOBODY),
        ({"Cookie": f"session={SESSION}"}, ADMIN, VIEWER, NOBODY, NOBODY),
        ({"Cookie": "gulou_session="}, ADMIN, VIEWER, NOBODY, NOBODY),
        (PROXY, NOBODY, NOBODY, NOBODY, NOBODY),
        ({**PROXY, **BEARER}, NOBODY, ADMIN, ADMIN, ADMIN),
        ({**PROXY, **COOKIE}, NOBODY, VIEWER, VIEWER, VIEWER),
        ({**PROXY, **ELSEWHERE, **COOKIE}, NOBODY, VIEWER, VIEWER, VIEWER),
        # DNS rebinding: a foreign name for this machine's address, unless others may come anyway.
        (ELSEWHERE, FOREIGN, FOREIGN, NOBODY, NOBODY),
        ({**ELSEWHERE, **COOKIE}, FOREIGN, FOREIGN, VIEWER, VIEWER),
        ({"Host": "localhost:1"}, ADMIN, VIEWER, NOBODY, NOBODY),
        ({"Host": "[::1]:1"}, ADMIN, VIEWER, NOBODY, NOBODY),
        ({"Origin": "http://evil.example", **BEARER}, FOREIGN, FOREIGN, FOREIGN, FOREIGN),
        ({"Origin": "null", **BEARER}, FOREIGN, FOREIGN, FOREIGN, FOREIGN),
        # The same name with another port is another origin.
        ({"Origin": "http://localhost:2", "Host": "localhost:1", **BEARER},
         FOREIGN, FOREIGN, FOREIGN, FOREIGN),
        ({"Origin": "http://localhost:1", "Host": "localhost:1", **BEARER},
         ADMIN, ADMIN, ADMIN, ADMIN),
        # Behind a proxy that ends TLS the scheme differs, but not the name.
        ({"Origin": "https://boards.city.example", **ELSEWHERE, **PROXY, **COOKIE},
         NOBODY, VIEWER, VIEWER, VIEWER),
    ],
)  # fmt: skip
def test_each_door_opens_to_whom_it_should(
    free: Inside, known: Inside, closed: Inside, wide: Inside,
    headers: dict[str, str], free_: tuple[int, ...], known_: tuple[int, ...],
    closed_: tuple[int, ...], wide_: tuple[int, ...],
) -> None:  # fmt: skip
    opened = [doors(server, headers) for server in (free, known, closed, wide)]
    assert opened == [free_, known_, closed_, wide_]


@pytest.mark.parametrize(
    "header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"]
)
def test_each_header_that_a_proxy_adds_closes_the_door(
    free: Inside, known: Inside, header: str
) -> None:
    assert [doors(server, {header: "x"}) for server in (free, known)] == [NOBODY, NOBODY]


def test_health_and_login_are_open_to_everybody_and_nothing_beside_them(closed: Inside) -> None:
    paths = ("/api/health", "/login", "/api/healthy", "/loginx", "/api/user", "/assets/x.js", "/")
    codes = [closed.call("GET", path).status_code for path in paths]
    assert codes == [200, 200, 401, 401, 401, 401, 401]
    refused = closed.call("GET", "/api/user")
    assert (refused.json(), refused.headers["Content-Type"]) == (
        {"message": "Unauthorized"},
        "application/json; charset=utf-8",
    )


def test_a_session_may_get_head_and_log_in_and_nothing_else(closed: Inside) -> None:
    def status(verb: str, path: str) -> int:
        return closed.call(verb, path, headers=COOKIE).status_code

    assert [status(verb, "/api/folders") for verb in ("GET", "HEAD")] == [200, 200]
    written = [status(verb, "/api/folders/f") for verb in ("PUT", "POST", "DELETE", "PATCH")]
    assert written == [403] * 4
    told = closed.call("POST", WRITE, {}, headers=COOKIE).json()
    assert told == {"message": "没有权限：会话只能查看，发布需要令牌。"}
    forbidden = closed.call("GET", "/api/user", headers={"Origin": "http://x"})
    assert forbidden.json() == {"message": "origin not allowed"}


def test_a_role_is_told_and_may_save_is_the_publishers_alone(known: Inside) -> None:
    board = {"dashboard": {"uid": "b", "title": "一"}}
    known.call("POST", "/api/dashboards/db", board, headers=BEARER)
    for headers, role in ((BEARER, "publisher"), ({}, "viewer")):
        user = known.call("GET", "/api/user", headers=headers).json()
        assert (user["name"], user["login"]) == (role, role)
        meta = known.call("GET", "/api/dashboards/uid/b", headers=headers).json()["meta"]
        assert meta["canSave"] is (role == "publisher")


# --------------------------------------------------------------------------- token in addresses


def session_of(answer: requests.Response) -> str:
    """The Set-Cookie header without its expiry date."""
    parts = answer.headers["Set-Cookie"].split("; ")
    return "; ".join(part for part in parts if not part.startswith("expires="))


SET = f"gulou_session={SESSION}; HttpOnly; Max-Age=7776000; Path=/; SameSite=Lax"


def test_a_token_in_an_address_becomes_a_session_and_leaves_the_address(
    closed: Inside, free: Inside
) -> None:
    first = closed.call("GET", f"/d/wall?a=1&token={TOKEN}&b=2")
    assert (first.status_code, first.headers["Location"]) == (303, "/d/wall?a=1&b=2")
    assert session_of(first) == SET  # 90 days of 86 400 s
    # Only a page visit is redirected; a token in an address is a viewer's, who publishes nothing.
    query = f"?token={TOKEN}"
    assert doors(closed, {}, query) == (303, 403, 403, 303)
    for wrong in ("?token=", "?token=glsa_tes", f"?Token={TOKEN}"):
        assert doors(closed, {}, wrong) == NOBODY
    asked = closed.call("GET", "/d/wall?token=wrong&a=1", headers={"Accept": "text/html"})
    assert 'name="to" value="/d/wall?a=1"' in asked.text
    # Without a configured token, the address loses it all the same, and no session begins.
    assert free.call("GET", "/api/folders?token=x").status_code == 303


def test_a_form_signs_in_with_the_token_alone(closed: Inside) -> None:
    def send(**form: str) -> requests.Response:
        return requests.post(
            closed.url + "/login", data=form, timeout=WAIT_S, allow_redirects=False
        )

    right = send(token=TOKEN, to="/d/wall?kiosk")
    assert (right.status_code, right.headers["Location"]) == (303, "/d/wall?kiosk")
    assert session_of(right) == SET
    assert send(token=TOKEN).headers["Location"] == "/"
    for form in ({}, {"token": ""}, {"token": TOKEN + " "}, {"to": "/d/wall"}):
        wrong = send(**form)
        assert (wrong.status_code, "Set-Cookie" in wrong.headers) == (401, False)
        assert f'name="to" value="{form.get("to", "/")}"' in wrong.text
    asked = closed.call("GET", "/login?to=/d/wall%3Fa%26b")
    assert (asked.status_code, 'value="/d/wall?a&amp;b"' in asked.text) == (200, True)


def test_who_may_look_already_may_sign_in_all_the_same(known: Inside) -> None:
    for cookies in ({}, {"gulou_session": SESSION}):
        again = requests.post(
            known.url + "/login", data={"token": TOKEN}, cookies=cookies, timeout=WAIT_S,
            allow_redirects=False,
        )  # fmt: skip
        assert (again.status_code, session_of(again)) == (303, SET)


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        ("/", "/"), ("/d/wall", "/d/wall"), ("/d//wall", "/d//wall"), ("/看板", "/看板"),
        ("//evil.example", "/"), ("/\\evil.example", "/"), ("", "/"), ("d/wall", "/"),
        ("https://evil.example", "/"), ("/\t/evil.example", "/"), ("/d\n", "/"),
    ],
)  # fmt: skip
def test_a_login_goes_on_inside_this_server_alone(to: str, kept: str) -> None:
    assert _inside(to) == kept


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.255.255.255", True), ("::1", True),
        ("0.0.0.0", False), ("128.0.0.1", False), ("126.255.255.255", False), ("::2", False),
        ("::", False), ("10.0.0.1", False), ("localhost.example", False), ("", False),
    ],
)  # fmt: skip
def test_only_this_machines_addresses_need_no_token(host: str, here: bool) -> None:
    assert loopback(host) is here
    Gate(host, TOKEN)
    if here:
        Gate(host, "", closed=True)
    else:
        with pytest.raises(Misconfigured, match="without a token"):
            Gate(host, "")


def test_without_a_token_no_word_signs_in() -> None:
    gate = Gate("127.0.0.1", "")
    assert [gate._grants.by_token(word) for word in ("", "x")] == [None, None]
    request = SimpleNamespace(headers={"Via": "1.1 proxy"})
    assert gate._caller(cast(web.Request, request)) is None


# ------------------------------------------------------------------------------------- files


def test_the_page_is_asked_for_anew_and_its_parts_are_kept_for_a_year(free: Inside) -> None:
    raw = (DIST / "index.html").read_bytes()
    for path in ("/", "/d/wall", "/d/wall/name", "/playlists/play/p"):
        page = free.call("GET", path)
        assert (page.content, page.headers["Cache-Control"]) == (raw, "no-cache")
        assert page.headers["Content-Type"] == "text/html"
    assert [free.call("GET", p).status_code for p in ("/d", "/d/a/b/c", "/x")] == [404] * 3
    icon = free.call("GET", "/public/build/img/icons/unicons/apps.svg")
    assert icon.content == (DIST / "public/build/img/icons/unicons/apps.svg").read_bytes()
    assert icon.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert free.call("GET", "/public/maps/431200.geojson").status_code == 404
    missing = free.call("GET", "/assets/none.js")
    assert (missing.status_code, missing.text) == (404, "not found")


def test_a_citys_outlines_are_served_by_its_code_and_asked_for_anew(tmp_path: Path) -> None:
    outlines = tmp_path / "outlines_430300.geojson"
    outlines.write_text('{"type": "FeatureCollection", "features": []}')
    with inside(ServerConfig(tmp_path / "state", outlines=outlines)) as server:
        found = server.call("GET", "/public/maps/430300.geojson")
    assert (found.content, found.headers["Cache-Control"]) == (outlines.read_bytes(), "no-cache")
    assert found.headers["Content-Type"] == "application/geo+json"


def test_text_is_packed_for_whoever_takes_it_and_pictures_never_are(free: Inside) -> None:
    def sent(path: str, takes: str) -> tuple[str | None, bytes]:
        asked = requests.get(
            free.url + path, headers={"Accept-Encoding": takes}, stream=True, timeout=WAIT_S
        )
        assert asked.headers["Vary"] == "Accept-Encoding"
        return asked.headers.get("Content-Encoding"), asked.raw.read(decode_content=False)

    raw = (DIST / "index.html").read_bytes()
    for _ in range(2):
        encoding, body = sent("/", "br, gzip")
        assert (encoding, gzip.decompress(body)) == ("gzip", raw)
    assert sent("/", "br") == (None, raw)
    kinds = {p.suffix: p for p in sorted(DIST.rglob("*")) if p.is_file()}
    packed = {
        suffix: sent(f"/{path.relative_to(DIST).as_posix()}", "gzip")[0]
        for suffix, path in kinds.items()
        if path.parent != DIST
    }
    texts = {".js", ".css", ".svg", ".json", ".geojson"} & packed.keys()
    assert {suffix for suffix, encoding in packed.items() if encoding == "gzip"} == texts
    assert texts >= {".js", ".css"} and packed.keys() - texts


def test_every_answer_forbids_foreign_code_and_the_api_tells_the_time(closed: Inside) -> None:
    policy = (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
        "frame-ancestors 'self'"
    )
    for path, headers in (("/login", {}), ("/api/user", {}), ("/", BEARER), ("/api/user", BEARER)):
        told = closed.call("GET", path, headers=headers).headers
        assert told["Content-Security-Policy"] == policy
        assert told["X-Content-Type-Options"] == "nosniff"
        assert told["Referrer-Policy"] == "same-origin"
    api = closed.call("GET", "/api/user", headers=BEARER).headers
    assert api["Cache-Control"] == "no-store"
    # To the minute: the page reckons with it how old a figure is.
    assert abs(int(api["X-Server-Time-Ms"]) / 1000 - time.time()) < 60
    assert "X-Server-Time-Ms" not in closed.call("GET", "/", headers=BEARER).headers


# ------------------------------------------------------------------------ what is no request


def raw(server: Inside, sent: bytes) -> int:
    """Status of the answer to bytes on the wire."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as client:
        client.sendall(sent)
        return int(client.recv(65_536).split()[1])


HOST = b"Host: 127.0.0.1\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"GET /api/user HTTP/1.1\r\nHost: [\r\n\r\n", 400),
        (b"GET /api/user HTTP/1.1\r\nHost: \r\n\r\n", 400),
        (b"GET /api/user HTTP/1.0\r\n\r\n", 400),
        (b"GET /api/user HTTP/1.1\r\n" + HOST + b"Origin: http://[\r\n\r\n", 400),
        (b"GET /api/user HTTP/1.1\r\n" + HOST + b"Cookie: gulou_session=\xff\r\n\r\n", 400),
        (b"GET /api/user HTTP/1.1\r\n" + HOST + b"Authorization: Bearer \xff\r\n\r\n", 400),
        (b"GET /api/user HTTP/1.1\r\n" + HOST + b"no header\r\n\r\n", 400),
        (b"GET /api/user HTTP/9\r\n" + HOST + b"\r\n", 400),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET //api/user HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"GET http://evil.example/ HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"POST /login HTTP/1.1\r\n" + HOST + FORM + b"; charset=nope\r\n"
         b"Content-Length: 7\r\n\r\ntoken=x", 401),
        (b"POST /login HTTP/1.1\r\n" + HOST + FORM + b"\r\nContent-Length: 7\r\n\r\ntoken=\xff",
         401),
        (b"POST /login HTTP/1.1\r\n" + HOST + FORM + b"\r\nContent-Length: 40\r\n\r\n" + b"a&" * 20,
         401),
        (b"POST /login HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data\r\n"
         b"Content-Length: 7\r\n\r\ntoken=x", 415),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_and_fills_no_log(
    known: Inside, caplog: pytest.LogCaptureFixture, sent: bytes, code: int
) -> None:
    assert raw(known, sent) == code
    assert [each for each in caplog.records if each.levelname in ("ERROR", "WARNING")] == []


# ------------------------------------------------------------------- links and pages of others


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example/x", "http://evil.example/x"])
def test_no_address_leads_out_of_this_server(closed: Inside, path: str) -> None:
    sent = f"GET {path}?token={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", closed.port), timeout=WAIT_S) as client:
        client.sendall(sent)
        head = client.recv(65_536)
    assert b" 404 " in head and b"Location" not in head and b"Set-Cookie" not in head


def test_a_link_changes_nobodys_session(tmp_path: Path) -> None:
    grants = Grants(tmp_path / "access.json")
    tokens = {name: grants.add(name, "clerk") for name in ("one", "two")}
    with inside(ServerConfig(tmp_path / "state"), TOKEN, grants=tmp_path / "access.json") as server:
        begun = server.call("GET", f"/d/wall?token={tokens['one']}")
        cookie = {"Cookie": begun.headers["Set-Cookie"].partition(";")[0]}

        def followed(token: str, **headers: str) -> tuple[int, bool]:
            answer = server.call("GET", f"/d/wall?token={token}", headers=cookie | headers)
            return answer.status_code, "Set-Cookie" in answer.headers

        assert [followed(token) for token in ("x", tokens["two"])] == [(303, False)] * 2
        assert followed(tokens["one"]) == (303, True)  # lasts from now on
        seen = server.call("GET", "/api/user", headers=cookie).json()
        assert seen["login"] == "one"
        # Nor does a wrong token begin one, or a picture on a board.
        bare = server.call("GET", "/d/wall?token=x")
        picture = server.call(
            "GET", f"/?token={tokens['two']}", headers={"Sec-Fetch-Dest": "image"}
        )
        for answer in (bare, picture):
            assert (answer.status_code, "Set-Cookie" in answer.headers) == (303, False)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_others_may_link_to_a_page_and_do_nothing_else(known: Inside, site: str) -> None:
    visit = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

    def status(path: str, verb: str = "GET", **other: str) -> int:
        return known.call(verb, path, headers=visit | other).status_code

    assert status("/d/wall") == 200
    assert status("/api/user") == 403
    assert status(f"/d/wall?token={TOKEN}") == 403
    assert status("/login", "POST") == 403
    assert status("/d/wall", **{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}) == 403
    assert status("/d/wall", **{"Sec-Fetch-Dest": "iframe"}) == 403
    own = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    assert status("/api/user", **own) == 200


def test_a_session_behind_tls_travels_by_tls_alone(closed: Inside) -> None:
    sent = PROXY | {"X-Forwarded-Proto": "https"}
    told = closed.call("GET", f"/d/wall?token={TOKEN}", headers=sent).headers["Set-Cookie"]
    assert "Secure" in told.split("; ")
