"""The board server: Grafana's boards and its API, without Grafana."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from dashboards.layout import in_order
from dashboards.publish import FOLDER, playlist
from dashboards.server.answers import BODY_LIMIT, caller_of, client_of, status_of, told
from dashboards.server.api import Api
from dashboards.server.county import Desks
from dashboards.server.looks import Looks
from dashboards.server.page import Files
from dashboards.server.queries import Queries
from dashboards.server.reader import Reader
from dashboards.server.shelf import Record, Shelf
from dashboards.server.sources import Started, provision
from dashboards.server.stored import Stored
from dashboards.server.turns import ASKING, CLIENT, Crowded
from schemas.errors import GulouError, Misconfigured


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
        looks: folder of the record of looks at case-level data; by default one in `state`.
        looks_months: months for which the record is kept.
        desk_password: gives the password of a county's ClickHouse user by the county's code; None:
            no county has one.
    """

    state: Path
    data_sources: Path | None = None
    boards: Path | None = None
    outlines: Path | None = None
    zone: str = "UTC"
    rows: int = 10_000
    query_s: float = 30.0
    looks: Path | None = None
    looks_months: int = 6
    desk_password: Callable[[str], str] | None = None


def application(config: ServerConfig) -> web.Application:
    """The server as an aiohttp application, already provisioned.

    Raises:
        Misconfigured: a provisioning file is unreadable or has the wrong shape.
    """
    store = Shelf(config.state)
    started = _provision(store, config)
    looks = Looks(config.looks or config.state / "looks", config.looks_months, config.zone)
    reader = Reader(config.rows, config.query_s)
    files = Files(config.outlines)
    desks = Desks(started.clerks, config.desk_password)
    queries = Queries(store, reader, looks, started, desks, config.zone)
    app = web.Application(client_max_size=BODY_LIMIT, middlewares=[_told()])
    app.router.add_routes(queries.routes())
    app.router.add_routes(Stored(store, queries).routes())
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
        looks.close()

    app.on_cleanup.append(close)
    return app


def _told() -> Any:
    """Turns our errors into Grafana's JSON; adds the server's clock to every API response.

    It also says for whom the request's queries run, and bounds the requests of one client.
    """
    asking = Counter[str]()

    @web.middleware
    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        client = client_of(request)
        CLIENT.set(client)
        asking[client] += 1
        try:
            if asking[client] > ASKING:
                raise Crowded("请求太多。", do="请稍候片刻再试，或少开几个看板。")
            response: web.StreamResponse = await handler(request)
        except GulouError as error:
            text = told(error, caller_of(request))
            response = web.json_response({"message": text}, status=status_of(error))
        finally:
            asking[client] -= 1
            if not asking[client]:
                del asking[client]
        if request.path.startswith("/api/"):
            # Screens take "now" from this clock, so that one query serves them all (D-63).
            response.headers["X-Server-Time-Ms"] = str(time.time_ns() // 1_000_000)
            response.headers["Cache-Control"] = "no-store"
        return response

    return middleware


def _provision(store: Shelf, config: ServerConfig) -> Started:
    """Stores what the server is started with; returns its data sources."""
    rows: list[Record] = []
    if config.data_sources:
        content = _json(config.data_sources)
        listed = content.get("datasources") if isinstance(content, dict) else content
        if not isinstance(listed, list):
            raise Misconfigured(
                f"{config.data_sources} holds no list of data sources.",
                do="Write a list, or an object with `datasources`.",
            )
        rows = listed
    started = provision(store, rows)
    if config.boards:
        shipped = []
        for path in sorted(config.boards.rglob("*.json")):
            inside = path.relative_to(config.boards).parent.as_posix()
            folder = _home(store) if inside == "." else _folder(store, inside.replace("/", "-"))
            shipped.append(_json(path))
            store.put_board(shipped[-1], folder=folder, overwrite=True, message="provisioned")
        _playlist(store, playlist(sorted(shipped, key=in_order)))
    return started


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
