"""What viewers ask: the stored panels of a board and its variables, never SQL of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from dashboards.server.answers import found, told
from dashboards.server.county import Outside
from dashboards.server.filling import ALL, Filling, filled, filled_sql
from dashboards.server.queries import Ask, Inquiry, Queries, Span, source_uid
from dashboards.server.shelf import Conflict, Record, Shelf
from dashboards.server.variables import Chosen, Nothing, OptionLists, Unknown, Variables
from schemas.errors import Refused
from schemas.grain import Caller

_VALUE: Final = "var-"
_COPY: Final = "for-"


class Stored:
    """Handlers of stored panels and variables, asked as in a board's address.

    `from`, `to` and `refreshMs` give the range, `version` the board's version that the page shows,
    `var-<name>` values of variables.
    """

    def __init__(self, store: Shelf, queries: Queries) -> None:
        self.store = store
        self.queries = queries
        self._lists = OptionLists()

    def routes(self) -> list[web.RouteDef]:
        """Its routes. All are GET: a session may look, and nothing else."""
        return [
            web.get("/api/boards/{uid}/variables", self.variables),
            web.get(r"/api/boards/{uid}/panels/{id:\d{1,9}}/query", self.panel),
        ]

    async def variables(self, request: web.Request) -> web.Response:
        """GET the board's variables: their options, what is chosen, what is unknown.

        `carried` names variables whose value came along when another was changed.
        """
        asked = _values(request, _VALUE)
        carried = request.query.getall("carried", [])
        board, inquiry = self._asked(request)
        variables = Variables(board, self.queries, self._lists, inquiry, asked, carried)
        settled = await variables.all()
        for each in settled:
            if isinstance(each.problem, Outside) and each.name in asked:
                await self._refused(inquiry, each.problem, {each.name: asked[each.name]}, each.name)
        return web.json_response({"variables": [_shown(each, inquiry.caller) for each in settled]})

    async def panel(self, request: web.Request) -> web.Response:
        """GET the answers of a panel's queries, those in `ref` or all.

        `for-<name>` gives the one value of a repeated panel's copy, `intervalMs` the width of one
        of its points.
        """
        board, inquiry = self._asked(request)
        panel = found(_panel(board, int(request.match_info["id"])), "看板里没有这个面板")
        targets = _targets(panel, request.query.getall("ref", []))
        copy = _copy(request)
        asked = _values(request, _VALUE) | copy
        uids = [source_uid(each.get("datasource") or panel.get("datasource")) for each in targets]
        sqls = [str(target["rawSql"]) for target in targets]
        variables = Variables(board, self.queries, self._lists, inquiry, asked)
        try:
            fillings = _singled(await variables.fillings([*uids, *sqls]), copy)
        except Outside as problem:
            # Its own alone: an address may hold anything.
            own = {name: each for name, each in asked.items() if name in variables.names}
            await self._refused(inquiry, problem, own)
            raise
        values = {
            name: ALL if each.everything else each.value
            for name, each in fillings.items()
            if not name.startswith("__")
        }
        asks = [
            Ask(
                str(target.get("refId") or "A"),
                {
                    "datasource": filled(uid, fillings),
                    "rawSql": filled_sql(sql, fillings),
                    "format": target.get("format"),
                    "intervalMs": request.query.get("intervalMs"),
                    "table": target.get("table"),
                    "column": target.get("column"),
                },
                values,
            )
            for target, uid, sql in zip(targets, uids, sqls, strict=True)
        ]
        return await self.queries.answered(asks, inquiry)

    async def _refused(
        self, inquiry: Inquiry, problem: Outside, asked: Mapping[str, Any], variable: str = ""
    ) -> None:
        refused = replace(inquiry.look, variables=asked, variable=variable, refused=str(problem))
        await self.queries.looks.note(refused)

    def _asked(self, request: web.Request) -> tuple[Record, Inquiry]:
        """The board that is asked, and the inquiry."""
        record = found(self.store.board(request.match_info["uid"]), "没有这个看板")
        shown = request.query.get("version", "")
        if shown and shown != str(record["version"]):
            raise Conflict("看板已更新。", do="请重新打开。")
        inquiry = Inquiry.of(request, Span.of(request.query))
        look = replace(inquiry.look, version=record["version"])
        return record["dashboard"], replace(inquiry, look=look)


def _values(request: web.Request, prefix: str) -> dict[str, list[str]]:
    """Parameters of the address with this prefix, by the name behind it."""
    values: dict[str, list[str]] = {}
    for key, value in request.query.items():
        if key.startswith(prefix):
            values.setdefault(key.removeprefix(prefix), []).append(value)
    return values


def _copy(request: web.Request) -> dict[str, list[str]]:
    """The value of each variable that a repeated panel's copy was made for.

    Raises:
        Refused: several values; a copy is made for one.
    """
    copy = {name: each for name, each in _values(request, _COPY).items() if each != [""]}
    for name, each in copy.items():
        if len(each) > 1:
            raise Refused(f"重复面板的变量 {name} 只能有一个值。", do="请重新打开看板。")
    return copy


def _panel(board: Record, number: int) -> Record | None:
    return next((each for each in _panels(board) if each.get("id") == number), None)


def _panels(within: Record) -> Iterator[Record]:
    """Every panel, those of closed rows too."""
    for each in within.get("panels") or ():
        yield each
        yield from _panels(each)


def _targets(panel: Record, refs: list[str]) -> list[Record]:
    """The panel's queries that are not hidden, those of these letters or all.

    Raises:
        Refused: there is none.
    """
    shown = [
        target
        for target in panel.get("targets") or ()
        if not target.get("hide") and str(target.get("rawSql") or "").strip()
    ]
    wanted = [each for each in shown if not refs or str(each.get("refId") or "A") in refs]
    if not wanted:
        raise Refused("这个面板没有这样的查询。", do="请重新打开看板。")
    return wanted


def _singled(fillings: dict[str, Filling], copy: Mapping[str, Any]) -> dict[str, Filling]:
    """Fillings of a repeated panel's copy: the variable it was made for has one value, no list."""
    ones = {
        name: replace(filling, value="".join(filling.value), text="".join(filling.text))
        for name, filling in fillings.items()
        if name in copy and len(copy[name]) == 1 and not filling.everything
    }
    return fillings | ones


def _shown(chosen: Chosen, caller: Caller) -> Record:
    """A variable as the page reads it."""
    problem = chosen.problem
    shown: Record = {
        "name": chosen.name,
        "parents": list(chosen.parents),
        "options": [{"value": each.value, "text": each.text} for each in chosen.options],
        "picked": [{"value": each.value, "text": each.text} for each in chosen.picked],
    }
    if isinstance(problem, Unknown | Outside):
        shown["unknown"] = str(problem)
    elif problem is not None and not isinstance(problem, Nothing):
        shown["error"] = told(problem, caller)
    return shown
