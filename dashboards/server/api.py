"""The part of Grafana's HTTP API that publishing uses: sources, folders, boards, lists.

Answers have the fields, codes and messages of Grafana 11 to 13, so that a client finds no
difference. Routes by numeric id are kept too: grafana-api 1.0.3 still calls them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from dashboards.server.reader import Reader, source
from dashboards.server.shelf import Conflict, Record, Shelf, ShelfKind
from schemas.errors import GulouError, Misconfigured, Refused, Unavailable

VERSION = "13.2.2"  # The Grafana whose components the page is made of.
GENERAL = "General"


def reply(code: int, error: GulouError | str, **more: Any) -> web.Response:
    """An error in Grafana's shape."""
    return web.json_response({"message": str(error), **more}, status=code)


def status_of(error: GulouError) -> int:
    if isinstance(error, Conflict):
        return 412
    if isinstance(error, Unavailable):
        return 502
    return 400 if isinstance(error, Refused | Misconfigured) else 500


async def body_of(request: web.Request) -> Record:
    """The request's JSON object.

    Raises:
        Refused: it is none.
    """
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused("bad request data: a JSON object is needed.", do="Send one.")
    return body


def save_source(store: Shelf, fields: Record, old: Record | None = None) -> Record:
    """Adds or changes a data source; what is secret goes apart and never comes back.

    Raises:
        Refused: no name or no type.
        Conflict: the name belongs to another.
    """
    fields = dict(fields)
    hidden = fields.pop("secureJsonData", None) or {}
    for name in ("id", "version", "secureJsonFields", "readOnly"):
        fields.pop(name, None)
    if not fields.get("name") or not fields.get("type"):
        raise Refused("bad request data: a data source needs a name and a type.", do="Add them.")
    twin = store.find("datasources", name=fields["name"])
    if twin and (old is None or twin["uid"] != old["uid"]):
        raise Conflict("data source with the same name already exists", do="Update it by its uid.")
    record = store.change("datasources", old, fields) if old else store.add("datasources", fields)
    if record.get("isDefault"):
        for other in list(store.all("datasources")):
            if other["uid"] != record["uid"] and other.get("isDefault"):
                store.change("datasources", other, {"isDefault": False})
    if hidden:
        store.keep_secrets(record["uid"], {str(k): str(v) for k, v in hidden.items()})
    return record


def slug(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-") or "board"


class Api:
    """Handlers over one store; `routes` adds them to an application."""

    def __init__(self, store: Shelf, reader: Reader) -> None:
        self.store = store
        self.reader = reader

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.get("/api/health", self.health),
            web.get("/api/user", self.user),
            web.get("/api/org", self.org),
            *self._source_routes(),
            *self._folder_routes(),
            *self._board_routes(),
            *self._playlist_routes(),
            web.route("*", "/api/{rest:.*}", self.unknown),
        ]

    async def health(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {"database": "ok", "version": VERSION, "commit": "", "product": "gulou"}
        )

    async def user(self, request: web.Request) -> web.Response:
        role = request.get("role", "Viewer")
        return web.json_response(
            {"id": 1, "login": role.lower(), "name": role, "orgId": 1, "isGrafanaAdmin": False}
        )

    async def org(self, _request: web.Request) -> web.Response:
        return web.json_response({"id": 1, "name": "Main Org."})

    async def unknown(self, request: web.Request) -> web.Response:
        return reply(404, f"Not found: {request.method} {request.path}")

    # ---------------------------------------------------------------------------- data sources

    def _source_routes(self) -> list[web.RouteDef]:
        every = []
        for way in ("uid/{uid}", "name/{name}", r"{id:\d+}"):
            path = f"/api/datasources/{way}"
            every += [
                web.get(path, self.source),
                web.put(path, self.put_source),
                web.delete(path, self.delete_source),
            ]
        return [
            web.get("/api/datasources", self.sources),
            web.post("/api/datasources", self.post_source),
            web.get("/api/datasources/id/{name}", self.source_id),
            web.get("/api/datasources/uid/{uid}/health", self.source_health),
            *every,
        ]

    def _shown(self, record: Record) -> Record:
        names = self.store.secret_names(record["uid"])
        return {
            "orgId": 1,
            "access": "proxy",
            "url": "",
            "isDefault": False,
            "readOnly": False,
            "jsonData": {},
            **record,
            "secureJsonFields": dict.fromkeys(names, True),
        }

    def _source(self, request: web.Request) -> Record:
        want: dict[str, Any] = dict(request.match_info)
        if "id" in want:
            want["id"] = int(want["id"])
        return found(self.store.find("datasources", **want), "Data source not found")

    async def sources(self, _request: web.Request) -> web.Response:
        return web.json_response([self._shown(r) for r in self.store.all("datasources")])

    async def source(self, request: web.Request) -> web.Response:
        return web.json_response(self._shown(self._source(request)))

    async def source_id(self, request: web.Request) -> web.Response:
        return web.json_response({"id": self._source(request)["id"]})

    async def post_source(self, request: web.Request) -> web.Response:
        try:
            record = save_source(self.store, await body_of(request))
        except Conflict as error:
            return reply(409, error)
        return self._saved(record, "Datasource added")

    async def put_source(self, request: web.Request) -> web.Response:
        record = save_source(self.store, await body_of(request), self._source(request))
        self.reader.forget(record["uid"])
        return self._saved(record, "Datasource updated")

    def _saved(self, record: Record, message: str) -> web.Response:
        named = {"id": record["id"], "name": record["name"], "message": message}
        return web.json_response({"datasource": self._shown(record), **named})

    async def delete_source(self, request: web.Request) -> web.Response:
        record = self._source(request)
        self.store.remove("datasources", record)
        self.reader.forget(record["uid"])
        return web.json_response({"id": record["id"], "message": "Data source deleted"})

    async def source_health(self, request: web.Request) -> web.Response:
        record = self._source(request)
        try:
            origin = source(record, self.store.secret(record["uid"], "password"))
            await self.reader.run(origin, "SELECT 1")
        except GulouError as error:
            return web.json_response({"status": "ERROR", "message": str(error)}, status=400)
        return web.json_response({"status": "OK", "message": "Data source is working"})

    # --------------------------------------------------------------------------------- folders

    def _folder_routes(self) -> list[web.RouteDef]:
        one = "/api/folders/{uid}"
        return [
            web.get("/api/folders", self.folders),
            web.post("/api/folders", self.post_folder),
            web.get(r"/api/folders/id/{id:\d+}", self.folder),
            web.get(one, self.folder),
            web.put(one, self.put_folder),
            web.delete(one, self.delete_folder),
            web.get(one + "/permissions", self.no_permissions),
            web.post(one + "/permissions", self.keep_permissions),
        ]

    def _folder(self, request: web.Request) -> Record:
        want: dict[str, Any] = dict(request.match_info)
        if "id" in want:
            want["id"] = int(want["id"])
        return found(self.store.find("folders", **want), "folder not found")

    def _folder_shown(self, record: Record) -> Record:
        return {
            **record,
            "orgId": 1,
            "url": f"/dashboards/f/{record['uid']}/{slug(record['title'])}",
        }

    async def folders(self, _request: web.Request) -> web.Response:
        return web.json_response([self._folder_shown(r) for r in self.store.all("folders")])

    async def folder(self, request: web.Request) -> web.Response:
        return web.json_response(self._folder_shown(self._folder(request)))

    async def post_folder(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        if not body.get("title"):
            raise Refused("folder title cannot be empty", do="Give it one.")
        names = ("uid", "title", "parentUid", "description")
        fields: Record = {name: body[name] for name in names if name in body}
        return web.json_response(self._folder_shown(self.store.add("folders", fields)))

    async def put_folder(self, request: web.Request) -> web.Response:
        old, body = self._folder(request), await body_of(request)
        if not body.get("overwrite") and body.get("version") != old["version"]:
            raise Conflict(
                "the folder has been changed by someone else", do="Read it again, or overwrite."
            )
        fields = {k: body[k] for k in ("title", "description") if body.get(k)}
        return web.json_response(self._folder_shown(self.store.change("folders", old, fields)))

    async def delete_folder(self, request: web.Request) -> web.Response:
        record = self._folder(request)
        for board in self.store.boards():
            if board["folderUid"] == record["uid"]:
                self.store.remove_board(board["dashboard"]["uid"])
        self.store.remove("folders", record)
        return web.json_response(
            {"id": record["id"], "title": record["title"], "message": "Folder deleted"}
        )

    async def no_permissions(self, _request: web.Request) -> web.Response:
        return web.json_response([])

    async def keep_permissions(self, _request: web.Request) -> web.Response:
        # One token, one role: there is nobody to tell apart, and publishing must not fail on it.
        return web.json_response({"message": "Permissions updated"})

    # ---------------------------------------------------------------------------------- boards

    def _board_routes(self) -> list[web.RouteDef]:
        one = "/api/dashboards/uid/{uid}"
        rights = r"/api/dashboards/id/{id:\d+}/permissions"
        return [
            web.post("/api/dashboards/db", self.post_board),
            web.get(one, self.board),
            web.delete(one, self.delete_board),
            web.get("/api/dashboards/home", self.home),
            web.get("/api/dashboards/tags", self.tags),
            web.get("/api/search", self.search),
            web.get("/api/annotations", self.no_permissions),
            *(web.get(path, self.no_permissions) for path in (rights, one + "/permissions")),
            *(web.post(path, self.keep_permissions) for path in (rights, one + "/permissions")),
        ]

    async def post_board(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        board = body.get("dashboard")
        if not isinstance(board, dict):
            raise Refused("bad request data: no dashboard.", do="Send it under `dashboard`.")
        folder = str(body.get("folderUid") or "")
        if not folder and body.get("folderId"):
            by_id = self.store.find("folders", id=body["folderId"])
            folder = found(by_id, "folder not found")["uid"]
        elif folder:
            found(self.store.find("folders", uid=folder), "folder not found")
        try:
            record = self.store.put_board(
                board,
                folder=folder,
                overwrite=bool(body.get("overwrite")),
                message=str(body.get("message") or ""),
            )
        except Conflict as error:
            return reply(412, error, status="version-mismatch")
        uid, name = record["dashboard"]["uid"], slug(record["dashboard"]["title"])
        return web.json_response(
            {
                "id": record["id"],
                "uid": uid,
                "url": f"/d/{uid}/{name}",
                "slug": name,
                "status": "success",
                "version": record["version"],
                "folderUid": folder,
            }
        )

    def _board(self, request: web.Request) -> Record:
        return found(self.store.board(request.match_info["uid"]), "Dashboard not found")

    async def board(self, request: web.Request) -> web.Response:
        record = self._board(request)
        folder = self.store.find("folders", uid=record["folderUid"]) or {}
        uid, name = record["dashboard"]["uid"], slug(record["dashboard"]["title"])
        meta = {
            "type": "db",
            "slug": name,
            "url": f"/d/{uid}/{name}",
            "version": record["version"],
            "created": record["created"],
            "updated": record["updated"],
            "folderUid": record["folderUid"],
            "folderId": folder.get("id", 0),
            "folderTitle": folder.get("title", GENERAL),
            "canSave": request.get("role") == "Admin",
            "provisioned": False,
        }
        return web.json_response({"dashboard": record["dashboard"], "meta": meta})

    async def delete_board(self, request: web.Request) -> web.Response:
        record = self._board(request)
        title = record["dashboard"]["title"]
        self.store.remove_board(record["dashboard"]["uid"])
        return web.json_response(
            {"id": record["id"], "title": title, "message": f"Dashboard {title} deleted"}
        )

    async def home(self, _request: web.Request) -> web.Response:
        return web.json_response({"redirectUri": "/"})

    async def tags(self, _request: web.Request) -> web.Response:
        counts: dict[str, int] = {}
        for record in self.store.boards():
            for tag in record["dashboard"].get("tags") or ():
                counts[tag] = counts.get(tag, 0) + 1
        return web.json_response([{"term": t, "count": n} for t, n in sorted(counts.items())])

    async def search(self, request: web.Request) -> web.Response:
        ask = request.query
        words = ask.get("query", "").lower()
        kind, tags = ask.get("type"), ask.getall("tag", [])
        uids = ask.getall("dashboardUIDs", []) + ask.getall("dashboardUID", [])
        within = ask.getall("folderUIDs", [])
        hits: list[Record] = []
        if kind != "dash-db" and not (tags or uids or within):
            hits += [_folder_hit(r) for r in self.store.all("folders")]
        if kind != "dash-folder":
            hits += [self._board_hit(r) for r in self.store.boards()]
        hits = [
            h
            for h in hits
            if words in h["title"].lower()
            and set(tags) <= set(h["tags"])
            and (not uids or h["uid"] in uids)
            and (not within or h.get("folderUid", "general") in within)
        ]
        hits.sort(key=lambda h: (h["type"] == "dash-db", h["title"]))
        limit = _count(ask.get("limit"), "limit", 1000)
        first = (_count(ask.get("page"), "page", 1) - 1) * limit
        return web.json_response(hits[first : first + limit])

    def _board_hit(self, record: Record) -> Record:
        board = record["dashboard"]
        hit = {
            "id": record["id"],
            "uid": board["uid"],
            "title": board["title"],
            "uri": f"db/{slug(board['title'])}",
            "url": f"/d/{board['uid']}/{slug(board['title'])}",
            "type": "dash-db",
            "tags": board.get("tags") or [],
            "description": board.get("description") or "",
        }
        if folder := self.store.find("folders", uid=record["folderUid"]):
            hit |= {"folderUid": folder["uid"], "folderTitle": folder["title"]}
            hit |= {"folderId": folder["id"]}
        return hit

    # ------------------------------------------------------------------------------- playlists

    def _playlist_routes(self) -> list[web.RouteDef]:
        one = "/api/playlists/{uid}"
        return [
            web.get("/api/playlists", self.playlists),
            web.post("/api/playlists", self.post_playlist),
            web.get(one, self.playlist),
            web.put(one, self.put_playlist),
            web.delete(one, self.delete_playlist),
            web.get(one + "/items", self.playlist_items),
        ]

    def _playlist(self, request: web.Request) -> Record:
        return found(
            self.store.find("playlists", uid=request.match_info["uid"]), "Playlist not found"
        )

    async def playlists(self, _request: web.Request) -> web.Response:
        keep = ("id", "uid", "name", "interval")
        rows = [{k: r[k] for k in keep} for r in self.store.all("playlists")]
        return web.json_response(rows)

    async def playlist(self, request: web.Request) -> web.Response:
        return web.json_response(self._playlist(request))

    async def playlist_items(self, request: web.Request) -> web.Response:
        return web.json_response(self._playlist(request)["items"])

    async def post_playlist(self, request: web.Request) -> web.Response:
        fields = _playlist_fields(await body_of(request))
        return web.json_response(self.store.add("playlists", fields))

    async def put_playlist(self, request: web.Request) -> web.Response:
        old = self._playlist(request)
        fields = _playlist_fields({**await body_of(request), "uid": old["uid"]})
        return web.json_response(self.store.change("playlists", old, fields))

    async def delete_playlist(self, request: web.Request) -> web.Response:
        self.store.remove("playlists", self._playlist(request))
        return web.json_response({})


def found(record: Record | None, message: str) -> Record:
    """`record`, or Grafana's 404 for it."""
    if record is None:
        raise web.HTTPNotFound(text=f'{{"message": "{message}"}}', content_type="application/json")
    return record


def _count(given: str | None, name: str, default: int) -> int:
    """A number from 1 up in the address, or `default` where there is none."""
    if not given:
        return default
    if not given.isdecimal() or len(given) > 9 or int(given) < 1:
        raise Refused(f"{name} {given!r} is no count.", do="Send a whole number from 1 up.")
    return int(given)


def _folder_hit(record: Record) -> Record:
    title = record["title"]
    return {
        "id": record["id"],
        "uid": record["uid"],
        "title": title,
        "uri": f"db/{slug(title)}",
        "url": f"/dashboards/f/{record['uid']}/{slug(title)}",
        "type": "dash-folder",
        "tags": [],
    }


_PLAYLIST_ITEM: tuple[str, ...] = ("dashboard_by_uid", "dashboard_by_tag")


def _playlist_fields(body: Record) -> Record:
    name, items = body.get("name"), body.get("items")
    if not name or not isinstance(items, list):
        raise Refused("a playlist needs a name and items.", do="Send both.")
    for item in items:
        if not isinstance(item, dict) or item.get("type") not in _PLAYLIST_ITEM:
            raise Refused(
                f"playlist item {item!r} is of no known type.", do=f"Use {_PLAYLIST_ITEM[0]}."
            )
    uid = body.get("uid") or secrets.token_hex(5)
    return {"uid": uid, "name": name, "interval": body.get("interval") or "1m", "items": items}


__all__ = ["Api", "ShelfKind", "body_of", "found", "reply", "save_source", "status_of"]
