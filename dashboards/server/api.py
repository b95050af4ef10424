"""The part of Grafana's HTTP API that publishing and viewing need."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from dashboards.server.answers import VERSION, caller_of, reply
from dashboards.server.boards import Boards
from dashboards.server.folders import Folders
from dashboards.server.playlists import Playlists
from dashboards.server.reader import Reader
from dashboards.server.shelf import Shelf
from dashboards.server.sources import Sources


class Api:
    """The handlers of all resources over one store; `routes` adds them to an application."""

    def __init__(self, store: Shelf, reader: Reader) -> None:
        self._parts = (Sources(store, reader), Folders(store), Boards(store), Playlists(store))

    def routes(self) -> Iterable[web.RouteDef]:
        """Its routes, the catch-all last."""
        return [
            web.get("/api/health", self.health),
            web.get("/api/user", self.user),
            web.get("/api/org", self.org),
            *(route for part in self._parts for route in part.routes()),
            web.route("*", "/api/{rest:.*}", self.unknown),
        ]

    async def health(self, _request: web.Request) -> web.Response:
        """GET /api/health: shows that the server answers; needs no token."""
        return web.json_response(
            {"database": "ok", "version": VERSION, "commit": "", "product": "gulou"}
        )

    async def user(self, request: web.Request) -> web.Response:
        """GET /api/user."""
        caller = caller_of(request)
        name = caller.name or caller.access
        return web.json_response(
            {"id": 1, "login": name, "name": name, "orgId": 1, "isGrafanaAdmin": False}
        )

    async def org(self, _request: web.Request) -> web.Response:
        """GET /api/org."""
        return web.json_response({"id": 1, "name": "Main Org."})

    async def unknown(self, request: web.Request) -> web.Response:
        """Any other request under /api."""
        return reply(404, f"Not found: {request.method} {request.path}")
