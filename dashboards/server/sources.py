"""Grafana's API of data sources."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web

from dashboards.roles import SOURCES
from dashboards.server.answers import Denied, body_of, caller_of, found, reply
from dashboards.server.reader import Reader, source
from dashboards.server.shelf import Conflict, Record, Shelf
from schemas.errors import GulouError, Misconfigured, Refused
from schemas.grain import Role, may_publish

Handler = Callable[[web.Request], Awaitable[web.Response]]

_SAME_PLACE: Final = frozenset(
    ("defaultDatabase", "dialTimeout", "queryTimeout", "timeout", "customSettings")
)
"""Fields that do not say where a password is sent, as whose, or who can read it on the way."""


def save_source(store: Shelf, fields: Record, old: Record | None = None) -> Record:
    """Adds or changes a data source; secrets are stored apart and never returned.

    Raises:
        Refused: no name or no type; or another place to send the password to, and no password.
        Conflict: another data source has the name.
    """
    fields = dict(fields)
    hidden = fields.pop("secureJsonData", None) or {}
    for name in ("id", "version", "secureJsonFields", "readOnly"):
        fields.pop(name, None)
    if not all(fields.get(each) and isinstance(fields[each], str) for each in ("name", "type")):
        raise Refused("bad request data: a data source needs a name and a type.", do="Add them.")
    twin = store.find("datasources", name=fields["name"])
    if twin and (old is None or twin["uid"] != old["uid"]):
        raise Conflict("data source with the same name already exists", do="Update it by its uid.")
    if old and store.secret_names(old["uid"]) and _place(old) != _place({**old, **fields}):
        if not hidden.get("password"):
            raise Refused(
                f"data source {old['name']!r} gets another server, port, protocol or user; the "
                "password it has is not sent there.",
                do="Send the password again, as secureJsonData.password.",
            )
        store.forget_secrets(old["uid"])
    record = store.change("datasources", old, fields) if old else store.add("datasources", fields)
    if record.get("isDefault"):
        for other in list(store.all("datasources")):
            if other["uid"] != record["uid"] and other.get("isDefault"):
                store.change("datasources", other, {"isDefault": False})
    if hidden:
        store.keep_secrets(record["uid"], {str(k): str(v) for k, v in hidden.items()})
    return record


def _place(record: Record) -> Record:
    """What says where the secrets of a data source are sent."""
    data = record.get("jsonData") or {}
    sent = {name: value for name, value in data.items() if name not in _SAME_PLACE}
    return {"type": record.get("type"), **sent}


def _publishers(handler: Handler) -> Handler:
    """The handler, for those alone who may publish: it tells servers and users."""

    async def checked(request: web.Request) -> web.Response:
        if not may_publish(caller_of(request).access):
            raise Denied("数据源仅供发布人员查看和修改。", do="请使用发布令牌。")
        return await handler(request)

    return checked


class Started:
    """The data sources that the server was started with; they alone may be for viewers (D-125).

    A uid or a name says nothing of what a data source reads: publishers choose both.
    """

    def __init__(self, rows: Sequence[Record]) -> None:
        self._rows = {row["uid"]: row for row in rows}

    @property
    def clerks(self) -> Record | None:
        """The clerks' data source, if the server was started with one."""
        return self._rows.get(SOURCES["clerk"])

    def role(self, record: Record) -> Role:
        """The role whose figures a stored data source gives.

        What a publisher added or turned to another server or user is the clerks': it is shown to
        nobody without a token, and each look at it is recorded.
        """
        started = self._rows.get(record["uid"])
        if started is None or started is self.clerks or _place(started) != _place(record):
            return "clerk"
        return "viewer"


def provision(store: Shelf, rows: Sequence[Record]) -> Started:
    """Stores the data sources that the server is started with, each under its uid.

    A publisher's own data source that has one of their names is renamed.

    Raises:
        Misconfigured: one has no uid.
    """
    for fields in rows:
        uid, name = fields.get("uid"), fields.get("name")
        if not uid:
            raise Misconfigured(
                f"data source {name!r} of the start has no uid.", do="Give it one in its file."
            )
        twin = store.find("datasources", name=name)
        if twin and twin["uid"] != uid:
            store.change("datasources", twin, {"name": f"{name} ({twin['uid']})"})
        save_source(store, fields, store.find("datasources", uid=uid))
    return Started(rows)


class Sources:
    """Handlers of data sources, where panels send their queries."""

    def __init__(self, store: Shelf, reader: Reader) -> None:
        self.store = store
        self.reader = reader

    def routes(self) -> list[web.RouteDef]:
        """Its routes."""
        every: list[tuple[str, str, Handler]] = []
        for way in ("uid/{uid}", "name/{name}", r"{id:\d{1,9}}"):
            path = f"/api/datasources/{way}"
            every += [
                ("GET", path, self.source),
                ("PUT", path, self.put_source),
                ("DELETE", path, self.delete_source),
            ]
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/api/datasources", self.sources),
            ("POST", "/api/datasources", self.post_source),
            ("GET", "/api/datasources/id/{name}", self.source_id),
            ("GET", "/api/datasources/uid/{uid}/health", self.source_health),
            *every,
        ]
        return [web.route(method, path, _publishers(each)) for method, path, each in routes]

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
        """GET /api/datasources."""
        return web.json_response([self._shown(r) for r in self.store.all("datasources")])

    async def source(self, request: web.Request) -> web.Response:
        """GET one data source."""
        return web.json_response(self._shown(self._source(request)))

    async def source_id(self, request: web.Request) -> web.Response:
        """GET /api/datasources/id/{name}."""
        return web.json_response({"id": self._source(request)["id"]})

    async def post_source(self, request: web.Request) -> web.Response:
        """POST /api/datasources."""
        try:
            record = save_source(self.store, await body_of(request))
        except Conflict as error:
            return reply(409, error)
        return self._saved(record, "Datasource added")

    async def put_source(self, request: web.Request) -> web.Response:
        """PUT its fields."""
        record = save_source(self.store, await body_of(request), self._source(request))
        self.reader.forget(record["uid"])
        return self._saved(record, "Datasource updated")

    def _saved(self, record: Record, message: str) -> web.Response:
        named = {"id": record["id"], "name": record["name"], "message": message}
        return web.json_response({"datasource": self._shown(record), **named})

    async def delete_source(self, request: web.Request) -> web.Response:
        """DELETE it."""
        record = self._source(request)
        self.store.remove("datasources", record)
        self.reader.forget(record["uid"])
        return web.json_response({"id": record["id"], "message": "Data source deleted"})

    async def source_health(self, request: web.Request) -> web.Response:
        """GET /api/datasources/uid/{uid}/health."""
        record = self._source(request)
        try:
            origin = source(record, self.store.secret(record["uid"], "password"))
            await self.reader.run(origin, "SELECT 1")
        except GulouError as error:
            return web.json_response({"status": "ERROR", "message": str(error)}, status=400)
        return web.json_response({"status": "OK", "message": "Data source is working"})
