"""Grafana's API of boards and their search."""

from __future__ import annotations

from aiohttp import web

from dashboards.server.answers import (
    body_of,
    caller_of,
    found,
    keep_permissions,
    no_permissions,
    reply,
    slug,
)
from dashboards.server.shelf import Conflict, Record, Shelf
from schemas.errors import Refused
from schemas.grain import may_publish

GENERAL = "General"


class Boards:
    """Handlers of boards and of their search."""

    def __init__(self, store: Shelf) -> None:
        self.store = store

    def routes(self) -> list[web.RouteDef]:
        """Its routes."""
        one = "/api/dashboards/uid/{uid}"
        rights = r"/api/dashboards/id/{id:\d{1,9}}/permissions"
        return [
            web.post("/api/dashboards/db", self.post_board),
            web.get(one, self.board),
            web.delete(one, self.delete_board),
            web.get("/api/dashboards/home", self.home),
            web.get("/api/dashboards/tags", self.tags),
            web.get("/api/search", self.search),
            web.get("/api/annotations", no_permissions),
            *(web.get(path, no_permissions) for path in (rights, one + "/permissions")),
            *(web.post(path, keep_permissions) for path in (rights, one + "/permissions")),
        ]

    async def post_board(self, request: web.Request) -> web.Response:
        """POST /api/dashboards/db."""
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
        """GET one board, with its folder and version."""
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
            "canSave": may_publish(caller_of(request).access),
            "provisioned": False,
        }
        return web.json_response({"dashboard": record["dashboard"], "meta": meta})

    async def delete_board(self, request: web.Request) -> web.Response:
        """DELETE one board."""
        record = self._board(request)
        title = record["dashboard"]["title"]
        self.store.remove_board(record["dashboard"]["uid"])
        return web.json_response(
            {"id": record["id"], "title": title, "message": f"Dashboard {title} deleted"}
        )

    async def home(self, _request: web.Request) -> web.Response:
        """GET /api/dashboards/home."""
        return web.json_response({"redirectUri": "/"})

    async def tags(self, _request: web.Request) -> web.Response:
        """GET /api/dashboards/tags."""
        counts: dict[str, int] = {}
        for record in self.store.boards():
            for tag in record["dashboard"].get("tags") or ():
                counts[tag] = counts.get(tag, 0) + 1
        return web.json_response([{"term": t, "count": n} for t, n in sorted(counts.items())])

    async def search(self, request: web.Request) -> web.Response:
        """GET /api/search."""
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


def _count(given: str | None, name: str, default: int) -> int:
    """A query parameter as a number of at least 1; `default` if it is missing."""
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
