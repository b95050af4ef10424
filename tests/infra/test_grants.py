"""Who is let in: tokens with a role, kept as digests; sessions that only look."""

from __future__ import annotations

import asyncio
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from infra.cli.main import app
from infra.http import ACCESS, Gate, Grants
from infra.http.gate import CALLER, COOKIE
from schemas.errors import Misconfigured, Refused
from schemas.grain import Access, Caller, County, may_publish, may_see

OWN = "the publisher's own"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "access.json"


async def _role(request: web.Request) -> web.Response:
    return web.json_response({"role": request[CALLER].access})


def asked(
    file: Path, *requests: tuple[str, str, dict[str, str]], closed: bool = True
) -> list[tuple[int, str]]:
    """Status and role of each request (method, path, headers), in turn, to one part."""

    async def ask() -> list[tuple[int, str]]:
        part = web.Application()
        part.router.add_route("*", "/thing", _role)
        gate = Gate("127.0.0.1", OWN, closed=closed, grants=file)
        found = []
        async with TestServer(gate.guard(part)) as server, ClientSession() as client:
            for method, path, headers in requests:
                url = server.make_url(path)
                async with client.request(
                    method, url, headers=headers, allow_redirects=False
                ) as answer:
                    body = await answer.json() if answer.status == 200 else {}
                    found.append((answer.status, body.get("role", "")))
        return found

    return asyncio.run(ask())


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("role", "sees", "publishes"),
    [
        ("viewer", ["viewer"], False),
        ("clerk", ["viewer", "clerk"], False),
        ("auditor", ["viewer", "clerk"], False),
        ("publisher", ["viewer", "clerk"], True),
        ("admin", ["viewer", "clerk"], True),
    ],
)
def test_a_role_sees_and_does_what_it_is_for(
    file: Path, role: Access, sees: list[str], publishes: bool
) -> None:
    token = Grants(file).add("somebody", role)
    assert [each for each in ("viewer", "clerk") if may_see(role, each)] == sees
    assert may_publish(role) is publishes
    get, post = ("GET", "/thing", bearer(token)), ("POST", "/thing", bearer(token))
    assert asked(file, get, post) == [(200, role), (200, role) if publishes else (403, "")]


@pytest.mark.parametrize("role", ACCESS)
def test_a_session_of_any_role_only_looks(file: Path, role: Access) -> None:
    token = Grants(file).add("wall", role)
    cookie = {"Cookie": f"{COOKIE}={_cookie(file, token)}"}
    for headers, status in ((cookie, 403), (cookie | bearer("wrong"), 401)):
        posted = [("POST", "/thing", headers), ("DELETE", "/thing", headers)]
        assert asked(file, *posted) == [(status, "")] * 2
    assert asked(file, ("GET", "/thing", cookie)) == [(200, role)]


def _cookie(file: Path, token: str) -> str:
    """What a login by the token leaves in the browser."""

    async def login() -> str:
        gate = Gate("127.0.0.1", OWN, closed=True, grants=file)
        async with TestServer(gate.guard(web.Application())) as server, ClientSession() as client:
            url = server.make_url("/login")
            async with client.post(url, data={"token": token}, allow_redirects=False) as answer:
                assert answer.status == 303
                return answer.cookies[COOKIE].value

    return asyncio.run(login())


def test_a_revoked_token_and_its_sessions_are_refused_at_once(file: Path) -> None:
    grants = Grants(file)
    token, other = grants.add("wall-1", "viewer"), grants.add("wall-2", "viewer")
    cookie = {"Cookie": f"{COOKIE}={_cookie(file, token)}"}
    wanted = [("GET", "/thing", cookie), ("GET", "/thing", bearer(token))]
    assert asked(file, *wanted) == [(200, "viewer")] * 2
    grants.revoke("wall-1")
    assert asked(file, *wanted) == [(401, "")] * 2
    assert asked(file, ("GET", "/thing", bearer(other))) == [(200, "viewer")]


def test_a_running_part_learns_of_a_grant_without_a_restart(file: Path) -> None:
    grants = Grants(file)
    running = Grants(file)
    assert running.all() == ()
    token = grants.add("desk", "clerk")
    found = running.by_token(token)
    assert found is not None
    assert (found.name, found.role) == ("desk", "clerk")
    grants.revoke("desk")
    assert running.by_token(token) is None


def test_the_file_holds_no_token_and_is_its_owners_alone(file: Path) -> None:
    token = Grants(file).add("wall", "viewer")
    text = file.read_text()
    assert token not in text
    assert _cookie(file, token) not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    # What is in the file opens no door.
    (said,) = json.loads(text)
    for digest in (said["token"], said["session"]):
        cookie = {"Cookie": f"{COOKIE}={digest}"}
        tried = [("GET", "/thing", bearer(digest)), ("GET", "/thing", cookie)]
        assert asked(file, *tried, ("GET", f"/thing?token={digest}", {})) == [(401, "")] * 3


@settings(deadline=None)
@given(st.text())
def test_no_other_text_is_a_token(text: str) -> None:
    assert Grants(None).by_token(text) is None
    assert Grants(None).by_session(text) is None


def test_a_clerk_may_be_bound_to_a_county_and_nobody_else(file: Path) -> None:
    grants, here = Grants(file), County("431230", "通道侗族自治县")
    bound, free = grants.add("desk-1", "clerk", here), grants.add("desk-2", "clerk")
    assert [grant.caller for grant in Grants(file).all()] == [
        Caller("desk-1", "clerk", here), Caller("desk-2", "clerk")
    ]  # fmt: skip
    assert Grants(file).counties() == ("431230",)
    others = [role for role in ACCESS if role != "clerk"]
    for role in others:
        with pytest.raises(Refused, match="Only a clerk"):
            grants.add("somebody", role, here)
    assert asked(file, *(("GET", "/thing", bearer(token)) for token in (bound, free))) == [
        (200, "clerk"), (200, "clerk")
    ]  # fmt: skip
    grants.revoke("desk-1")
    assert Grants(file).counties() == ()


def test_a_file_of_access_from_before_counties_is_read(file: Path) -> None:
    Grants(file).add("wall", "viewer")
    (said,) = json.loads(file.read_text())
    file.write_text(json.dumps([{k: v for k, v in said.items() if not k.startswith("county")}]))
    assert [grant.caller for grant in Grants(file).all()] == [Caller("wall", "viewer")]


def test_nobody_but_this_machine_looks_without_a_token(file: Path) -> None:
    there = {"X-Forwarded-For": "10.0.0.9"}
    looks = [("GET", "/thing", {}), ("GET", "/thing", there), ("POST", "/thing", {})]
    assert asked(file, *looks, closed=False) == [(200, "viewer"), (401, ""), (403, "")]
    assert asked(file, *looks, closed=True) == [(401, "")] * 3


def test_grants_added_at_the_same_time_are_all_kept(file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: Grants(file).add(f"wall-{n}", "viewer"), range(40)))
    assert {grant.name for grant in Grants(file).all()} == {f"wall-{n}" for n in range(40)}


def test_a_name_has_one_grant_and_an_unknown_one_none_to_revoke(file: Path) -> None:
    grants = Grants(file)
    grants.add("wall", "viewer")
    with pytest.raises(Refused, match="'wall' has access already"):
        grants.add("wall", "clerk")
    with pytest.raises(Refused, match="'desk' has no access"):
        grants.revoke("desk")
    assert [(grant.name, grant.role) for grant in grants.all()] == [("wall", "viewer")]


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[1]", '[{"name": "x"}]',
     '[{"name": "x", "role": "king", "token": "", "session": "", "since": ""}]',
     '[{"name": "x", "role": "clerk", "token": "", "session": "", "since": "", "county": "43`"}]',
     '[{"name": "x", "role": "admin", "token": "", "session": "", "since": "", '
     '"county": "431230"}]'],
)  # fmt: skip
def test_a_broken_file_of_access_lets_nobody_in_and_says_so(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(Misconfigured, match="access"):
        Grants(file).all()


def test_access_is_added_listed_and_revoked_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GULOU_HOME", str(tmp_path))
    run = CliRunner()
    added = run.invoke(app, ["access", "add", "clerk", "desk"])
    token = added.output.splitlines()[0]
    grants = Grants(tmp_path / "secrets" / "access.json")
    found = grants.by_token(token)
    assert found is not None
    assert (found.name, found.role) == ("desk", "clerk")
    listed = run.invoke(app, ["access", "list"]).output
    assert ("desk" in listed, "clerk" in listed, token in listed) == (True, True, False)
    assert run.invoke(app, ["access", "add", "king", "desk"]).exit_code == 2
    assert run.invoke(app, ["access", "revoke", "desk"]).exit_code == 0
    assert grants.by_token(token) is None
