"""What a part that speaks HTTP gets from `infra.http`, seen on a part with one path of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from infra.http import HEALTH, Gate, token_in
from schemas.errors import Misconfigured


async def _taken(_request: web.Request) -> web.Response:
    return web.json_response({"taken": 1})


def answer(path: str, headers: Mapping[str, str], *, own_health: bool = False) -> tuple[int, str]:
    """Status and text of one GET to a closed part, as a client on this machine sees them."""

    async def ask() -> tuple[int, str]:
        app = web.Application()
        app.router.add_get("/intake", _taken)
        if own_health:
            app.router.add_get(HEALTH, _taken)
        gate = Gate("127.0.0.1", "word", closed=True)
        async with (
            TestServer(gate.guard(app)) as server,
            ClientSession() as session,
            session.get(server.make_url(path), headers=headers) as found,
        ):
            return found.status, await found.text()

    return asyncio.run(ask())


def test_a_part_has_a_health_path_that_needs_no_token() -> None:
    assert answer(HEALTH, {}) == (200, '{"ready": true}')


def test_a_part_may_answer_its_health_path_itself() -> None:
    assert answer(HEALTH, {}, own_health=True) == (200, '{"taken": 1}')


@pytest.mark.parametrize("accept", ["", "*/*", "application/json"])
def test_a_program_without_the_token_is_refused_in_json(accept: str) -> None:
    refused = (401, '{"message": "Unauthorized"}')
    assert answer("/intake", {"Accept": accept}) == refused
    assert answer("/intake", {"Accept": accept, "Authorization": "Bearer other"}) == refused


def test_a_browser_without_the_token_is_shown_the_form() -> None:
    status, text = answer("/intake", {"Accept": "text/html,*/*;q=0.8"})
    assert status == 401
    assert "<form" in text


def test_a_program_with_the_token_is_served() -> None:
    assert answer("/intake", {"Authorization": "Bearer word"}) == (200, '{"taken": 1}')


def test_a_token_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("word\n")
    assert (token_in(file), token_in(None)) == ("word", "")


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_token_file_that_gives_no_token_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Misconfigured, match=f"token file {file} (is empty|cannot be read)"):
        token_in(file)
