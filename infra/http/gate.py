"""Guards an HTTP part: token, session cookie, same origin, no foreign code in its pages."""

from __future__ import annotations

import asyncio
import html
import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from infra.http.grants import Grant, Grants, session_of
from schemas.errors import Misconfigured
from schemas.grain import Caller, may_publish

CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
LOGIN = "/login"
HEALTH = "/api/health"
_WITHOUT_TOKEN = (LOGIN, HEALTH)
COOKIE = "gulou_session"
SESSION_S = 90 * 86_400  # A wall is mounted once and must not ask for its token every week.

_FORM = "application/x-www-form-urlencoded"
_FORM_BYTES = 16 * 1024  # A login's: the token and an address to go back to.
_FORM_S = 10.0
_BODY_S = 60.0  # A publisher's board, over a slow line.

# Headers that a proxy adds: behind it, a connection from this machine may be anybody's.
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def token_in(path: Path | None) -> str:
    """The token that a file holds; empty without a file.

    Raises:
        Misconfigured: the file cannot be read, or is empty.
    """
    if path is None:
        return ""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Misconfigured(
            f"token file {path} cannot be read ({error.strerror}).", do="Make it, mode 0600."
        ) from error
    if not token:
        raise Misconfigured(f"token file {path} is empty.", do="Write a long random word into it.")
    return token


def loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Gate:
    """Decides who comes in, and what each may do.

    Without a token, everybody on this machine may do everything. With one, it is the publisher's;
    the others stand in the file of access. A client that sends a token as Bearer may do what the
    token is for. A session (a token typed into the form, or given once as `?token=`) looks, and
    sees what its token may see. Everybody on this machine may look as a viewer, as long as nobody
    else can reach the server. A request through a proxy counts as one from elsewhere and needs a
    token, wherever the proxy runs.

    Args:
        host: address the server listens on.
        token: the publisher's secret, "" for none.
        closed: ask for a token on this machine too.
        caller: request key under which a part finds who asks.
        grants: file of access.

    Raises:
        Misconfigured: no token though others can reach `host`.
    """

    def __init__(
        self,
        host: str,
        token: str,
        *,
        closed: bool = False,
        caller: web.RequestKey[Caller] = CALLER,
        grants: Path | None = None,
    ) -> None:
        if not token and not loopback(host):
            raise Misconfigured(
                f"a server may not listen on {host!r} without a token.",
                do="Give it --token-file, or let it listen on 127.0.0.1.",
            )
        own = [Grant.of("publisher", "publisher", token)] if token else []
        self._grants, self._key = Grants(grants, own), caller
        self._free = not token
        self._open = loopback(host) and not closed

    def guard(self, app: web.Application) -> web.Application:
        """The application behind this gate: every request passes it first.

        An application without a health path gets one.
        """
        app.middlewares.insert(0, self.middleware)  # type: ignore[arg-type]
        app.on_response_prepare.append(_harden)
        app.router.add_routes([web.get(LOGIN, self.form), web.post(LOGIN, self.login)])
        if not any(each.canonical == HEALTH for each in app.router.resources()):
            app.router.add_get(HEALTH, _health)
        return app

    @property
    def middleware(self) -> Handler:
        """The middleware that admits or refuses each request."""
        gate = self

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                gate._well_formed(request)
                gate._same_origin(request)
                caller = gate._caller(request)
            except ValueError:  # a host or an origin that is none, a token that is no text
                return web.json_response({"message": "请求的格式有误。"}, status=400)
            if request.headers.get("Content-Encoding", "identity") != "identity":
                return web.json_response(
                    {"message": "请求正文不能压缩：请去掉 Content-Encoding 再发。"}, status=415
                )
            # A login is the only POST of a session: whatever else it may do is a GET.
            looks = request.method in ("GET", "HEAD") or request.path == LOGIN
            if caller is None and not (looks and request.path in _WITHOUT_TOKEN):
                return gate._turned_away(request)
            if caller is not None:
                request[gate._key] = caller
            if caller and not looks and not gate._publishes(request, caller):
                return web.json_response(
                    {"message": "没有权限：会话只能查看，发布需要令牌。"}, status=403
                )
            if caller and request.query.get("token") and request.method == "GET":
                return gate._visited(request)
            refusal = await _with_body(request)
            return await handler(request) if refusal is None else refusal

        return guard  # type: ignore[return-value]

    def _well_formed(self, request: web.Request) -> None:
        """Refuses what no browser and no program of ours asks.

        Raises:
            ValueError: the request says no host.
        """
        if _inside(request.raw_path) != request.raw_path:
            raise web.HTTPNotFound(text="not found")
        if not request.headers.get("Host"):
            raise ValueError("no host")

    def _same_origin(self, request: web.Request) -> None:
        """Refuses requests from another site's page or under another host name (DNS rebinding)."""
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.host
        foreign = foreign or _from_elsewhere(request)
        name = urlsplit(f"//{request.host}").hostname or ""
        # A proxy's own name is allowed: a request through a proxy needs the token anyway.
        if foreign or (self._open and not _proxied(request) and not loopback(name)):
            raise web.HTTPForbidden(
                text='{"message": "origin not allowed"}', content_type="application/json"
            )

    def _caller(self, request: web.Request) -> Caller | None:
        if self._free:
            return None if _proxied(request) else Caller(access="admin")
        if "Authorization" in request.headers:
            kind, _, given = request.headers["Authorization"].partition(" ")
            grant = self._grants.by_token(given.strip()) if kind == "Bearer" else None
            return grant.caller if grant else None
        # The session first: a link with somebody else's token must not change who looks.
        grant = self._grants.by_session(request.cookies.get(COOKIE, "")) or self._grants.by_token(
            request.query.get("token", "")
        )
        if grant:
            return grant.caller
        return Caller() if self._open and not _proxied(request) else None

    def _publishes(self, request: web.Request, caller: Caller) -> bool:
        # A session never writes: a page of another site could make a browser send its cookie.
        return may_publish(caller.access) and (self._free or "Authorization" in request.headers)

    def _turned_away(self, request: web.Request) -> web.Response:
        page = "text/html" in request.headers.get("Accept", "")
        if request.path.startswith("/api/") or not page:
            return web.json_response({"message": "Unauthorized"}, status=401)
        return _login(str(request.rel_url.without_query_params("token")), status=401)

    def _visited(self, request: web.Request) -> web.Response:
        """Takes the token out of the address of a page; a session begins where none is valid."""
        to, token = str(request.rel_url.without_query_params("token")), request.query["token"]
        grant = self._grants.by_token(token)
        session = self._grants.by_session(request.cookies.get(COOKIE, ""))
        # A picture with such an address must not log anybody in.
        page = request.headers.get("Sec-Fetch-Dest", "document") == "document"
        begins = grant is not None and session in (None, grant) and page
        return self._welcomed(request, to, token if begins else "")

    def _welcomed(self, request: web.Request, to: str, token: str) -> web.Response:
        answer = web.Response(status=303, headers={"Location": _inside(to)})
        if token:
            answer.set_cookie(
                COOKIE,
                session_of(token),
                max_age=SESSION_S,
                httponly=True,
                samesite="Lax",
                secure=request.headers.get("X-Forwarded-Proto") == "https",
            )
        return answer

    async def login(self, request: web.Request) -> web.Response:
        """POST /login: a session for whoever knows the token."""
        form = _form(await request.read())
        to, token = _inside(form.get("to") or "/"), form.get("token", "")
        if self._grants.by_token(token) is None:
            return _login(to, status=401)
        return self._welcomed(request, to, token)

    async def form(self, request: web.Request) -> web.Response:
        """GET /login: the form."""
        return _login(_inside(request.query.get("to", "/")))


async def _with_body(request: web.Request) -> web.Response | None:
    """Reads the request's body in a bounded time; the refusal of one that is none of ours."""
    form = request.path == LOGIN
    if request.method in ("GET", "HEAD"):
        return None
    if form:
        # From anybody: an unbounded form would be read up to the size of a board.
        length = request.content_length
        if length is None or length > _FORM_BYTES:
            return web.json_response({"message": "登录请求太大。"}, status=413)
        if length and request.content_type != _FORM:
            return web.json_response({"message": "登录请求的格式有误。"}, status=415)
    try:
        async with asyncio.timeout(_FORM_S if form else _BODY_S):
            await request.read()
    except TimeoutError:
        return web.json_response({"message": "请求正文来得太慢。"}, status=408)
    return None


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form; none of a body that is no form."""
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10))
    except ValueError:
        return {}


def _from_elsewhere(request: web.Request) -> bool:
    """Whether another site's page asks, which may link to a page of ours and do nothing else.

    Another port of the same host counts as the same site, so it is another account's here.
    """
    said = request.headers
    if said.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return False
    visits = said.get("Sec-Fetch-Mode") == "navigate" and said.get("Sec-Fetch-Dest") == "document"
    inside = request.path.startswith("/api/") or "token" in request.query
    return request.method != "GET" or not visits or inside


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"ready": True})


def _proxied(request: web.Request) -> bool:
    return any(name in request.headers for name in _FORWARDED)


def _inside(to: str) -> str:
    """`to` when it is a path of this server, else `/`: a login must not redirect elsewhere."""
    # Browsers drop tabs and line ends from an address, so "/\t/evil" is "//evil" to them.
    clean = to.isprintable() and to.startswith("/") and to[1:2] not in ("/", "\\")
    return to if clean else "/"


def _login(to: str, status: int = 200) -> web.Response:
    """The form that asks for the token and then redirects to `to`."""
    text = _LOGIN.replace("{to}", html.escape(to, quote=True))
    return web.Response(text=text, content_type="text/html", status=status)


_LOGIN = """<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>鼓楼 · 登录</title>
<meta name="viewport" content="width=device-width,initial-scale=1"><style>
body{margin:0;min-height:100vh;display:grid;place-items:center;background:#0b1220;color:#e8eefc;
font:16px "Noto Sans CJK SC","Noto Sans SC","Microsoft YaHei","PingFang SC",sans-serif}
form{background:#121c30;padding:40px;border-radius:8px;border:1px solid #2a3a5a;width:320px}
h1{margin:0 0 4px;font-size:28px}p{margin:0 0 24px;color:#a9b8d8}
input{box-sizing:border-box;width:100%;padding:10px;border-radius:4px;border:1px solid #4a5f8a;
background:#0b1220;color:#fff;font-size:16px}
button{margin-top:16px;width:100%;padding:10px;border:0;border-radius:4px;background:#3d71d9;
color:#fff;font-size:16px;cursor:pointer}</style></head><body>
<form method="post" action="/login"><h1>鼓楼</h1><p>请输入访问令牌 · Access token</p>
<input type="password" name="token" autocomplete="current-password" aria-label="访问令牌" autofocus>
<input type="hidden" name="to" value="{to}">
<button>进入</button></form></body></html>"""


# No script, style, font, picture or request from anywhere else: a wall stands on an intranet.
_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer."""
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
