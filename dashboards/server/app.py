"""The board server: Grafana's boards and its API, without Grafana."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from dashboards.layout import in_order
from dashboards.publish import FOLDER, playlist
from dashboards.server.answers import body_of, status_of
from dashboards.server.api import Api
from dashboards.server.frames import frames
from dashboards.server.macros import Scope, expand
from dashboards.server.page import Files
from dashboards.server.reader import DataSource, Reader, source
from dashboards.server.shelf import Record, Shelf
from dashboards.server.sources import save_source
from schemas.errors import GulouError, Misconfigured, Refused, Unavailable

READS = ("/api/ds/query",)
"""Paths to which a POST changes nothing."""
BODY_LIMIT = 16 * 1024 * 1024  # A board with a large map inside is about 1 MB.
SHARE_CEILING_S = 30.0


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Settings of a board server.

    Args:
        state: directory of everything published; created if missing.
        data_sources: JSON file with data sources as POST /api/datasources takes them, stored at
            each start.
        boards: directory of board JSON files, stored at each start; a subdirectory becomes a
            folder, and files outside any go to the folder that publishing uses.
        outlines: GeoJSON file of the counties, served as `public/maps/<its city>.geojson`.
        zone: time zone of `$__dateFilter`; Grafana's container uses UTC.
        rows: rows kept of a query's result.
        query_s: maximum run time of a query.
    """

    state: Path
    data_sources: Path | None = None
    boards: Path | None = None
    outlines: Path | None = None
    zone: str = "UTC"
    rows: int = 10_000
    query_s: float = 30.0


def application(config: ServerConfig) -> web.Application:
    """The server as an aiohttp application, already provisioned.

    Raises:
        Misconfigured: a provisioning file is unreadable or has the wrong shape.
    """
    store = Shelf(config.state)
    _provision(store, config)
    reader = Reader(config.rows, config.query_s)
    files = Files(config.outlines)
    queries = _Queries(store, reader, config.zone)
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[_told])
    app.router.add_post("/api/ds/query", queries.query)
    app.router.add_routes(Api(store, reader).routes())
    app.router.add_routes(
        [
            web.get(r"/assets/{name:.+}", files.asset),
            web.get(r"/public/{name:.+}", files.asset),
            *(
                web.get(path, files.index)
                for path in ("/", "/d/{uid}", "/d/{uid}/{slug}", "/playlists/play/{uid}")
            ),
        ]
    )

    async def close(_app: web.Application) -> None:
        reader.close()

    app.on_cleanup.append(close)
    return app


@web.middleware
async def _told(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turns our errors into Grafana's JSON; adds the server's clock to every API response."""
    try:
        response: web.StreamResponse = await handler(request)
    except GulouError as error:
        response = web.json_response({"message": str(error)}, status=status_of(error))
    if request.path.startswith("/api/"):
        # Screens take "now" from this clock, so that one query serves them all (D-63).
        response.headers["X-Server-Time-Ms"] = str(time.time_ns() // 1_000_000)
        response.headers["Cache-Control"] = "no-store"
    return response


def _provision(store: Shelf, config: ServerConfig) -> None:
    if config.data_sources:
        content = _json(config.data_sources)
        rows = content.get("datasources") if isinstance(content, dict) else content
        if not isinstance(rows, list):
            raise Misconfigured(
                f"{config.data_sources} holds no list of data sources.",
                do="Write a list, or an object with `datasources`.",
            )
        for fields in rows:
            old = store.find("datasources", uid=fields.get("uid"))
            old = old or store.find("datasources", name=fields.get("name"))
            save_source(store, fields, old)
    if config.boards:
        shipped = []
        for path in sorted(config.boards.rglob("*.json")):
            inside = path.relative_to(config.boards).parent.as_posix()
            folder = _home(store) if inside == "." else _folder(store, inside.replace("/", "-"))
            shipped.append(_json(path))
            store.put_board(shipped[-1], folder=folder, overwrite=True, message="provisioned")
        _playlist(store, playlist(sorted(shipped, key=in_order)))


def _home(store: Shelf) -> str:
    """Uid of the folder that publishing uses too: a restart must not undo a publication."""
    uid, title = FOLDER
    old = store.find("folders", uid=uid)
    if old is None:
        store.add("folders", {"uid": uid, "title": title})
    elif old["title"] != title:
        store.change("folders", old, {"title": title})
    return uid


def _playlist(store: Shelf, wanted: Record) -> None:
    """Stores the walls' playlist as publishing does; nothing if no board is for walls."""
    if not wanted["items"]:
        return
    old = store.find("playlists", uid=wanted["uid"])
    if old is None:
        store.add("playlists", wanted)
    elif any(old.get(key) != value for key, value in wanted.items()):
        store.change("playlists", old, wanted)


def _folder(store: Shelf, name: str) -> str:
    found = store.find("folders", title=name) or store.add("folders", {"title": name})
    return str(found["uid"])


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{path} cannot be read as JSON ({error}).", do="Mend it.") from error


@dataclass(frozen=True, slots=True)
class _Result:
    ok: bool
    body: bytes


class _Queries:
    """POST /api/ds/query: each query's frames or its error, in Grafana's envelope."""

    def __init__(self, store: Shelf, reader: Reader, zone: str) -> None:
        self.store = store
        self.reader = reader
        self.zone = zone

    async def query(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        asked = body.get("queries")
        if not isinstance(asked, list) or not asked:
            raise Refused("no queries found", do="Send at least one.")
        if not all(isinstance(each, dict) for each in asked):
            raise Refused("a query is no JSON object.", do="Send refId, datasource and rawSql.")
        start_ms, end_ms = _range(body)
        share_s = min(_whole(body, "refreshMs", 0) / 2000, SHARE_CEILING_S)
        names = [str(q.get("refId") or "A") for q in asked]
        results = await asyncio.gather(
            *(
                self._one(q, name, start_ms, end_ms, share_s)
                for q, name in zip(asked, names, strict=True)
            )
        )
        pairs = (
            json.dumps(n).encode() + b":" + r.body for n, r in zip(names, results, strict=True)
        )
        text = b'{"results":{' + b",".join(pairs) + b"}}"
        # Grafana answers 400 for the whole request when one of several queries fails.
        status = 200 if all(r.ok for r in results) else 400
        return web.Response(body=text, content_type="application/json", status=status)

    async def _one(
        self, asked: Record, ref: str, start_ms: int, end_ms: int, share_s: float
    ) -> _Result:
        try:
            origin = self._origin(asked)
            form = _form(asked.get("format"))
            scope = Scope(
                start_ms,
                end_ms,
                interval_ms=max(_whole(asked, "intervalMs", 1000), 1),
                zone=self.zone,
                table=str(asked.get("table") or ""),
                column=str(asked.get("column") or ""),
            )
            sql = expand(str(asked.get("rawSql") or ""), scope)
            if not sql.strip():
                raise Refused("the query is empty.", do="Write the panel's SQL.")
        except GulouError as error:
            return _failed(error, "")
        key = (origin.uid, origin.version, sql, form, ref)
        return await self.reader.shared(
            key, share_s, lambda: self._answer(origin, sql, form=form, ref=ref)
        )

    async def _answer(self, origin: DataSource, sql: str, *, form: int, ref: str) -> _Result:
        try:
            answer = await self.reader.run(origin, sql)
            notice = f"只显示前 {self.reader.rows} 行" if answer.cut else ""
            made = frames(answer.columns, ref=ref, form=form, sql=sql, notice=notice)
        except GulouError as error:
            return _failed(error, sql)
        return _Result(True, _encoded({"status": 200, "frames": made}))

    def _origin(self, asked: Record) -> DataSource:
        named = asked.get("datasource")
        uid = named.get("uid") if isinstance(named, dict) else named
        record = self.store.find("datasources", uid=uid) if uid else None
        if record is None and uid in (None, "", "default"):
            record = self.store.find("datasources", isDefault=True)
        if record is None:
            raise Refused(f"data source {uid!r} not found.", do="Publish it, or choose another.")
        return source(record, self.store.secret(record["uid"], "password"))


def _failed(error: GulouError, sql: str) -> _Result:
    status = 502 if isinstance(error, Unavailable) else 400
    told: Record = {"error": str(error), "errorSource": "downstream", "status": status}
    if sql:
        told["frames"] = [{"schema": {"meta": {"executedQueryString": sql}, "fields": []}}]
    return _Result(False, _encoded(told))


def _encoded(value: Record) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


_FORMS = {"timeseries": 0, "table": 1, "logs": 2, "traces": 3, "multi": 4}


def _form(given: object) -> int:
    """The format's code; missing or empty is a time series, as in Grafana's SDK."""
    if given is None or given == "":
        return 0
    code = _FORMS.get(str(given), given)
    with contextlib.suppress(TypeError, ValueError):
        number = int(str(code))
        if 0 <= number <= 4:
            return number
    raise Refused(f"format {given!r} is unknown.", do="Use 0 (time series) or 1 (table).")


def _whole(fields: Record, name: str, default: int) -> int:
    """A count of ms that a client sent as a number or as text.

    Raises:
        Refused: not a number, or beyond any board's range.
    """
    given = fields.get(name)
    if given is None or given == "":
        return default
    try:
        number = int(float(given))
    except (TypeError, ValueError, OverflowError):  # Overflow: Python's json accepts Infinity.
        number = -1
    if 0 <= number <= _LAST_MS:
        return number
    raise Refused(f"{name} {given!r} is no count of milliseconds.", do="Send a whole number.")


_LAST_MS = 4_102_444_800_000  # The year 2100: ClickHouse's toDateTime ends in 2106.


def _range(body: Record) -> tuple[int, int]:
    """`from` and `to` in ms; Grafana sends them as numbers in text, or as `now-6h`."""
    return _instant(body, "from", 0), _instant(body, "to", time.time_ns() // 1_000_000)


def _instant(body: Record, name: str, default: int) -> int:
    given = body.get(name)
    if isinstance(given, str) and given.startswith("now"):
        return _relative(given)
    try:
        return _whole(body, name, default)
    except Refused:
        raise Refused(
            f"{name} {given!r} is unreadable.", do="Send ms since 1970, now or now-6h."
        ) from None


_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def _relative(text: str) -> int:
    """`now` or `now-6h` as ms; the page resolves other forms, since it knows the board's zone."""
    now = time.time_ns() // 1_000_000
    head, _, back = text.partition("-")
    if head == "now" and not back:
        return now
    if head == "now" and back[:-1].isdecimal() and len(back) < 10 and back[-1] in _UNITS_S:
        return max(now - int(back[:-1]) * _UNITS_S[back[-1]] * 1000, 0)
    raise Refused(f"time {text!r} is unreadable.", do="Send ms since 1970, now or now-6h.")
