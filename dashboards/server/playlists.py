"""Grafana's API of playlists."""

from __future__ import annotations

import secrets

from aiohttp import web

from dashboards.server.answers import body_of, found
from dashboards.server.shelf import Record, Shelf
from schemas.errors import Refused


class Playlists:
    """Handlers of playlists: the boards that a wall cycles through."""

    def __init__(self, store: Shelf) -> None:
        self.store = store

    def routes(self) -> list[web.RouteDef]:
        """Its routes."""
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
        """GET /api/playlists."""
        keep = ("id", "uid", "name", "interval")
        rows = [{k: r[k] for k in keep} for r in self.store.all("playlists")]
        return web.json_response(rows)

    async def playlist(self, request: web.Request) -> web.Response:
        """GET one playlist."""
        return web.json_response(self._playlist(request))

    async def playlist_items(self, request: web.Request) -> web.Response:
        """GET its items."""
        return web.json_response(self._playlist(request)["items"])

    async def post_playlist(self, request: web.Request) -> web.Response:
        """POST /api/playlists."""
        fields = _playlist_fields(await body_of(request))
        return web.json_response(self.store.add("playlists", fields))

    async def put_playlist(self, request: web.Request) -> web.Response:
        """PUT its fields."""
        old = self._playlist(request)
        fields = _playlist_fields({**await body_of(request), "uid": old["uid"]})
        return web.json_response(self.store.change("playlists", old, fields))

    async def delete_playlist(self, request: web.Request) -> web.Response:
        """DELETE it."""
        self.store.remove("playlists", self._playlist(request))
        return web.json_response({})


_PLAYLIST_ITEM: tuple[str, ...] = ("dashboard_by_uid", "dashboard_by_tag")


def _playlist_fields(body: Record) -> Record:
    name, items = body.get("name"), body.get("items")
    if not name or not isinstance(name, str) or not isinstance(items, list):
        raise Refused("a playlist needs a name and items.", do="Send both.")
    for item in items:
        if not isinstance(item, dict) or item.get("type") not in _PLAYLIST_ITEM:
            raise Refused(
                f"playlist item {item!r} is of no known type.", do=f"Use {_PLAYLIST_ITEM[0]}."
            )
    uid = body.get("uid") or secrets.token_hex(5)
    return {"uid": uid, "name": name, "interval": body.get("interval") or "1m", "items": items}
