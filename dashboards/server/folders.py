"""Grafana's API of folders."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dashboards.server.answers import body_of, found, keep_permissions, no_permissions, slug
from dashboards.server.shelf import Conflict, Record, Shelf
from schemas.errors import Refused


class Folders:
    """Handlers of board folders."""

    def __init__(self, store: Shelf) -> None:
        self.store = store

    def routes(self) -> list[web.RouteDef]:
        """Its routes."""
        one = "/api/folders/{uid}"
        return [
            web.get("/api/folders", self.folders),
            web.post("/api/folders", self.post_folder),
            web.get(r"/api/folders/id/{id:\d{1,9}}", self.folder),
            web.get(one, self.folder),
            web.put(one, self.put_folder),
            web.delete(one, self.delete_folder),
            web.get(one + "/permissions", no_permissions),
            web.post(one + "/permissions", keep_permissions),
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
        """GET /api/folders."""
        return web.json_response([self._folder_shown(r) for r in self.store.all("folders")])

    async def folder(self, request: web.Request) -> web.Response:
        """GET one folder."""
        return web.json_response(self._folder_shown(self._folder(request)))

    async def post_folder(self, request: web.Request) -> web.Response:
        """POST /api/folders."""
        body = await body_of(request)
        if not body.get("title") or not isinstance(body["title"], str):
            raise Refused("folder title cannot be empty", do="Give it one.")
        names = ("uid", "title", "parentUid", "description")
        fields: Record = {name: body[name] for name in names if name in body}
        return web.json_response(self._folder_shown(self.store.add("folders", fields)))

    async def put_folder(self, request: web.Request) -> web.Response:
        """PUT its title."""
        old, body = self._folder(request), await body_of(request)
        if not body.get("overwrite") and body.get("version") != old["version"]:
            raise Conflict(
                "the folder has been changed by someone else", do="Read it again, or overwrite."
            )
        fields = {k: str(body[k]) for k in ("title", "description") if body.get(k)}
        return web.json_response(self._folder_shown(self.store.change("folders", old, fields)))

    async def delete_folder(self, request: web.Request) -> web.Response:
        """DELETE it with its boards."""
        record = self._folder(request)
        for board in self.store.boards():
            if board["folderUid"] == record["uid"]:
                self.store.remove_board(board["dashboard"]["uid"])
        self.store.remove("folders", record)
        return web.json_response(
            {"id": record["id"], "title": record["title"], "message": "Folder deleted"}
        )
