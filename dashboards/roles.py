"""What a role sees of the boards: the data source that a query needs, and the boards of one role.

The embedded board server has every board with both data sources and asks for the role. A Grafana
has no rights on data sources: there each role gets an organisation with its own data source alone,
and boards that ask no other.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import Any, Final

from dashboards.edition import say
from schemas.families import families
from schemas.family import Family
from schemas.grain import Role
from schemas.sql.published import published

SOURCES: Final[Mapping[Role, str]] = {"viewer": "gulou", "clerk": "gulou-desk"}
"""Uid of each role's data source."""

_LITERAL: Final = re.compile(r"'(?:\\.|[^'\\])*'")
_FINER: Final = "本图的数据细于公开口径，仅供经办人员查看。"


def role_of(*queries: str) -> Role:
    """The role whose views can answer all the queries: a viewer's where they do, else a clerk's."""
    words = {word for sql in queries for word in re.findall(r"\w+", _LITERAL.sub("", sql))}
    finer = _finer(families())
    read = [columns for view, columns in finer.items() if view in words]
    return "clerk" if any(columns is None or columns & words for columns in read) else "viewer"


@cache
def _finer(chosen: Sequence[Family]) -> Mapping[str, Set[str] | None]:
    """By view of the clerks': the columns that the viewers' lacks; None if viewers have no such."""
    shown = {view.name: view.columns.keys() for view in published(chosen, "", "", "viewer")}
    return {
        view.name: view.columns.keys() - shown[view.name] if view.name in shown else None
        for view in published(chosen, "", "", "clerk")
    }


def sourced(board: dict[str, Any]) -> dict[str, Any]:
    """The board, with the clerks' data source in each panel and variable that needs it."""
    for variable in board["templating"]["list"]:
        if variable["type"] == "query" and role_of(variable["query"]["rawSql"]) == "clerk":
            variable["datasource"]["uid"] = SOURCES["clerk"]
    for panel in board["panels"]:
        targets = panel.get("targets") or ()
        if role_of(*(target["rawSql"] for target in targets)) == "clerk":
            for each in (panel, *targets):
                each["datasource"]["uid"] = SOURCES["clerk"]
    return board


def boards_of(role: Role, boards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The boards for an organisation that has only the role's data source.

    A panel that is too fine for viewers becomes a text that says so. A clerk's boards ask the
    clerks' data source for everything, as it has all views.
    """
    found = []
    for board in copy.deepcopy(list(boards)):
        made = dict(board)
        if role == "viewer":
            made["panels"] = [_or_a_note(panel) for panel in made["panels"]]
        for variable in made["templating"]["list"]:
            if variable["type"] == "datasource":
                variable["current"] |= {"text": SOURCES[role], "value": SOURCES[role]}
                if role == "clerk":
                    variable["regex"] = ""  # theirs is the only one there
        found.append(made)
    return found


def _or_a_note(panel: dict[str, Any]) -> dict[str, Any]:
    if (panel.get("datasource") or {}).get("uid") != SOURCES["clerk"]:
        return panel
    return {name: panel[name] for name in ("id", "gridPos", "title", "description")} | {
        "type": "text",
        "options": {"mode": "markdown", "content": say(_FINER)},
    }
