"""Responses in Grafana's shape, and checks of request bodies."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final

from aiohttp import web

from dashboards.server.shelf import Conflict, Record
from dashboards.server.turns import Crowded
from schemas.clients import network
from schemas.errors import GulouError, Misconfigured, Refused, Unavailable
from schemas.grain import Caller, may_publish

CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
"""Request key of who asks; set by the code that serves the app. Without it, a viewer asks."""
BODY_LIMIT = 4 * 1024 * 1024  # A board with a large map inside is about 1 MB.
VERSION = "13.2.2"  # Version of the Grafana components that the page uses.


class Said(Refused):
    """A refusal in words for whoever looks at boards."""


class Denied(Said):
    """The caller's role may not see what was asked for."""


def caller_of(request: web.Request) -> Caller:
    """Who asks."""
    caller: Caller = request.get(CALLER, Caller())
    return caller


def client_of(request: web.Request) -> str:
    """Who shares one part of the queries: those of one token, else those of one network."""
    name = caller_of(request).name
    return f"token {name}" if name else f"address {network(request.remote or '')}"


def told(error: GulouError, caller: Caller) -> str:
    """What a reader sees of an error: publishers all of it, others a sentence in Chinese.

    Addresses, users and SQL are of use to nobody else.
    """
    if may_publish(caller.access) or isinstance(error, Said) or _CHINESE.match(error.what):
        return str(error)
    if isinstance(error, Unavailable):
        return "数据库暂时没有应答。 请稍候；仍然如此，请联系管理员。"
    return "这项查询没有完成。 请稍候刷新页面；仍然如此，请联系管理员。"


_CHINESE: Final = re.compile("[\u4e00-\u9fff]")  # A sentence that begins so.


def reply(code: int, error: GulouError | str, **more: Any) -> web.Response:
    """An error in Grafana's shape."""
    return web.json_response({"message": str(error), **more}, status=code)


def status_of(error: GulouError) -> int:
    """HTTP status of an error."""
    if isinstance(error, Denied):
        return 403
    if isinstance(error, Conflict):
        return 412
    if isinstance(error, Crowded):
        return 429
    if isinstance(error, Unavailable):
        return 502
    return 400 if isinstance(error, Refused | Misconfigured) else 500


async def body_of(request: web.Request, most: int = BODY_LIMIT) -> Record:
    """The request's JSON object.

    Args:
        request: with the body.
        most: bytes.

    Raises:
        Refused: the body is too large, is not a JSON object, or has too many brackets within
            brackets.
    """
    size = len(await request.read())
    if size > most:
        raise Refused(f"bad request data: {size} bytes; {most} at most.", do="Send less at once.")
    try:
        text = await request.text()
        # In a thread: meanwhile others are answered.
        body = await asyncio.to_thread(_parsed, text)
    except (ValueError, LookupError):  # LookupError: a charset that nobody knows
        body = None
    if not isinstance(body, dict):
        raise Refused("bad request data: a JSON object is needed.", do="Send one.")
    return body


_DEPTH: Final = 100  # A board has about fifteen; Python's own parsers end at a thousand.
# Possessive: with a way back to each repetition a text of 4 MB would take 500 MB.
_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"|".*|[\[{]|[\]}]', re.DOTALL)


def _parsed(text: str) -> Any:
    if _depth(text) > _DEPTH:
        raise Refused(f"bad request data: deeper than {_DEPTH} brackets.", do="Flatten it.")
    return json.loads(text)


def _depth(text: str) -> int:
    """The most brackets within brackets in a JSON text."""
    deepest = depth = 0
    for each in _BRACKETS.finditer(text):
        if each[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif each[0] in "]}":
            depth -= 1
    return deepest


def found(record: Record | None, message: str) -> Record:
    """`record`, or Grafana's 404 for it."""
    if record is None:
        raise web.HTTPNotFound(text=f'{{"message": "{message}"}}', content_type="application/json")
    return record


def slug(title: str) -> str:
    """A title as part of an address."""
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-") or "board"


async def no_permissions(_request: web.Request) -> web.Response:
    """GET permissions: an empty list."""
    return web.json_response([])


async def keep_permissions(_request: web.Request) -> web.Response:
    """POST permissions: accepted without effect."""
    # One token, one role: no permissions to store, but publishing must not fail here.
    return web.json_response({"message": "Permissions updated"})
