"""Queries of boards: expanded, run or shared, and answered in Grafana's envelope."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from dashboards.roles import SOURCES
from dashboards.server.answers import Denied, body_of, caller_of, status_of, told
from dashboards.server.county import Desks, check
from dashboards.server.frames import frames
from dashboards.server.looks import SQL_KEPT, Look, Looks
from dashboards.server.macros import Scope, expand
from dashboards.server.reader import Answer, DataSource, Reader, source
from dashboards.server.shelf import Record, Shelf
from dashboards.server.sources import Started
from dashboards.server.turns import Crowded
from schemas.errors import GulouError, Refused, Unavailable
from schemas.grain import Caller, may_publish, may_see

SHARE_CEILING_S = 30.0
_BODY = 1024 * 1024  # Bytes; a board's queries are about 30 kB.
_HOW = "请用经办人员的访问令牌登录，令牌由管理员发放。"


@dataclass(frozen=True, slots=True)
class Span:
    """The time range of a request, in ms since 1970 UTC.

    Attributes:
        share_s: age up to which its answers may be shared.
    """

    start_ms: int
    end_ms: int
    share_s: float

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Span:
        """The range in `from`, `to` and `refreshMs` of a body or an address.

        Raises:
            Refused: one of them is unreadable.
        """
        start_ms, end_ms = _range(fields)
        share_s = min(_whole(fields, "refreshMs", 0) / 2000, SHARE_CEILING_S)
        return cls(start_ms, end_ms, share_s)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One request for figures: who asks, for which range, and what goes on record of it.

    Attributes:
        look: of the whole request; each query adds its letter and values.
    """

    caller: Caller
    span: Span
    look: Look

    @classmethod
    def of(cls, request: web.Request, span: Span) -> Inquiry:
        """The inquiry of a request; a board's address gives `uid` and `id`."""
        caller, panel = caller_of(request), request.match_info.get("id")
        look = Look(
            who=caller.name,
            role=caller.access,
            county=caller.county.code if caller.county else "",
            address=request.remote or "",
            forwarded=request.headers.get("X-Forwarded-For", ""),
            board=request.match_info.get("uid", ""),
            panel=int(panel) if panel else None,
            since=span.start_ms,
            until=span.end_ms,
        )
        return cls(caller, span, look)

    def looking(self, sql: str, variables: Mapping[str, Any]) -> Look:
        """The look at what a query gives: the SQL too of who may publish, for he may change it."""
        said = sql if may_publish(self.caller.access) else ""
        return replace(self.look, sql=said, variables=variables)


@dataclass(frozen=True, slots=True)
class Ask:
    """One query: a target of a panel with its variables filled in, or one that a publisher sent.

    Attributes:
        fields: as in Grafana's API; `datasource`, `rawSql`, `format`, `intervalMs` are read.
        values: of the variables that are filled in; None of a publisher's own query.
    """

    ref: str
    fields: Mapping[str, Any]
    values: Mapping[str, Any] | None = field(default=None)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """One query that may be asked: its look is on record."""

    origin: DataSource
    sql: str
    form: int
    ref: str


@dataclass(frozen=True, slots=True)
class _Result:
    """Frames as they are sent, or the error in their place; shared by readers of every role."""

    body: bytes = b""
    error: GulouError | None = None
    sql: str = ""

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.body) + len(self.sql)

    def told(self, caller: Caller) -> bytes:
        """What one reader gets of it."""
        if self.error is None:
            return self.body
        status = status_of(self.error)
        said: Record = {
            "error": told(self.error, caller), "errorSource": "downstream", "status": status,
        }  # fmt: skip
        if self.sql:
            said["frames"] = [{"schema": {"meta": {"executedQueryString": self.sql}, "fields": []}}]
        return _encoded(said)


class Queries:
    """Runs queries on the stored data sources, through one reader."""

    def __init__(
        self,
        store: Shelf,
        reader: Reader,
        looks: Looks,
        started: Started,
        desks: Desks,
        zone: str,
    ) -> None:
        self.store, self.reader, self.looks = store, reader, looks
        self.zone = zone
        self._started, self._desks = started, desks

    def routes(self) -> list[web.RouteDef]:
        """The route of publishers, who write their own SQL."""
        return [web.post("/api/ds/query", self.query)]

    async def query(self, request: web.Request) -> web.Response:
        """POST /api/ds/query: each query's frames or its error."""
        body = await body_of(request, _BODY)
        asked = body.get("queries")
        if not isinstance(asked, list) or not asked:
            raise Refused("no queries found", do="Send at least one.")
        if not all(isinstance(each, dict) for each in asked):
            raise Refused("a query is no JSON object.", do="Send refId, datasource and rawSql.")
        asks = [Ask(str(each.get("refId") or "A"), each) for each in asked]
        return await self.answered(asks, Inquiry.of(request, Span.of(body)))

    async def answered(self, asks: Sequence[Ask], inquiry: Inquiry) -> web.Response:
        """The frames or the error of each query, keyed by refId; status 400 if any query fails.

        Raises:
            Denied: a query needs figures that the caller may not see.
            Unavailable: a look at cases could not be recorded.
        """
        queries = [await self._prepared(each, inquiry) for each in asks]
        results = await asyncio.gather(*(self._one(each, inquiry.span) for each in queries))
        pairs = (
            json.dumps(each.ref).encode() + b":" + result.told(inquiry.caller)
            for each, result in zip(asks, results, strict=True)
        )
        text = b'{"results":{' + b",".join(pairs) + b"}}"
        # Grafana answers 400 for the whole request when one of several queries fails.
        status = 200 if all(result.error is None for result in results) else 400
        return web.Response(body=text, content_type="application/json", status=status)

    async def table(self, origin: DataSource, sql: str, span: Span) -> Answer:
        """The columns of a query whose macros are not expanded yet.

        Raises:
            Refused: ClickHouse refused the query.
            Unavailable: ClickHouse does not answer.
        """
        text = expand(sql, Scope(span.start_ms, span.end_ms, zone=self.zone))
        key = ("table", origin, text)
        return await self.reader.shared(key, span.share_s, lambda: self.reader.run(origin, text))

    async def origin(self, named: object, sql: str, caller: Caller, look: Look) -> DataSource:
        """The data source that answers a query, once the look is on record if it is one at cases.

        Args:
            named: an object with a uid, a uid, or nothing for the default.
            sql: the query as it will run, or with its variables filled in.
            caller: who asks. The clerk of a county gets that county's source for the clerks'.
            look: what to record.

        Raises:
            Denied: the caller may not ask it, or not this.
            Refused: there is none of this uid, or the SQL is too long for the record.
            Misconfigured: it is not one this server can ask.
            Unavailable: the look could not be recorded.
        """
        uid = source_uid(named)
        record = self.store.find("datasources", uid=uid) if uid else None
        if record is None and uid in ("", "default"):
            record = self.store.find("datasources", isDefault=True)
        if record is None:
            raise Refused(f"data source {uid!r} not found.", do="Publish it, or choose another.")
        if self._started.role(record) == "viewer":
            return source(record, self.store.secret(record["uid"], "password"))
        try:
            origin = self._of_clerks(record, sql, caller)
        except Denied as refused:
            await self.looks.note(replace(look, refused=str(refused)))
            raise
        if len(look.sql) > SQL_KEPT:
            raise Refused(
                f"the SQL has {len(look.sql)} characters; a query of cases goes on record, "
                f"{SQL_KEPT} at most.",
                do="Shorten it.",
            )
        await self.looks.note(look)
        return origin

    def _of_clerks(self, record: Record, sql: str, caller: Caller) -> DataSource:
        if not may_see(caller.access, "clerk"):
            raise Denied("此图的数据仅供经办人员查看，当前身份不能查看。", do=_HOW)
        if caller.county:
            if record["uid"] != SOURCES["clerk"]:
                raise Denied("此图的数据不分县市区，您的账号不能查看。", do="请向管理员申请。")
            check(caller.county, sql)
            return self._desks.origin(caller.county)
        return source(record, self.store.secret(record["uid"], "password"))

    async def _prepared(self, ask: Ask, inquiry: Inquiry) -> _Admitted | GulouError:
        """The query as it will run, once its look is on record; an error where only it fails.

        What goes on record is what runs: macros can hold any SQL.
        """
        asked, span = ask.fields, inquiry.span
        try:
            form = _form(asked.get("format"))
            scope = Scope(
                span.start_ms,
                span.end_ms,
                interval_ms=max(_whole(asked, "intervalMs", 1000), 1),
                zone=self.zone,
                table=str(asked.get("table") or ""),
                column=str(asked.get("column") or ""),
            )
            sql = expand(str(asked.get("rawSql") or ""), scope)
            if not sql.strip():
                raise Refused("the query is empty.", do="Write the panel's SQL.")
            look = replace(inquiry.looking(sql, ask.values or {}), query=ask.ref)
            origin = await self.origin(asked.get("datasource"), sql, inquiry.caller, look)
        except (Denied, Unavailable):
            raise  # for the whole request: nothing of it may be shown
        except GulouError as error:
            return error
        return _Admitted(origin, sql, form, ask.ref)

    async def _one(self, query: _Admitted | GulouError, span: Span) -> _Result:
        if isinstance(query, GulouError):
            return _Result(error=query)
        try:
            return await self.reader.shared(query, span.share_s, lambda: self._answer(query))
        except Crowded as error:
            return _Result(error=error)

    async def _answer(self, query: _Admitted) -> _Result:
        try:
            answer = await self.reader.run(query.origin, query.sql)
            cut = f"只显示前 {self.reader.rows} 行" if answer.cut else ""
            notice = "，".join(filter(None, (query.origin.note, cut)))
            made = frames(
                answer.columns, ref=query.ref, form=query.form, sql=query.sql, notice=notice
            )
        except GulouError as error:
            return _Result(error=error, sql=query.sql)
        return _Result(_encoded({"status": 200, "frames": made}))


def source_uid(named: object) -> str:
    """Uid in a reference to a data source, an object with a uid or a uid; empty for the default."""
    uid = named.get("uid") if isinstance(named, Mapping) else named
    return str(uid or "")


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


def _whole(fields: Mapping[str, Any], name: str, default: int) -> int:
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


def _range(fields: Mapping[str, Any]) -> tuple[int, int]:
    """`from` and `to` in ms; Grafana sends them as numbers in text, or as `now-6h`."""
    return _instant(fields, "from", 0), _instant(fields, "to", time.time_ns() // 1_000_000)


def _instant(fields: Mapping[str, Any], name: str, default: int) -> int:
    given = fields.get(name)
    if isinstance(given, str) and given.startswith("now"):
        return _relative(given)
    try:
        return _whole(fields, name, default)
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
