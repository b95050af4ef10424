"""Each property of a stored variable that the server reads, by its list, its choice and its SQL.

The expectations are Grafana's own: https://grafana.com/docs/grafana/latest/visualizations/
dashboards/variables/ and the JSON that its editor stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from dashboards.panels import PLUGIN
from dashboards.server.app import ServerConfig
from infra.warehouse import EmbeddedClickHouse
from tests.dashboards.inside import Inside, inside

BEARER = {"Authorization": "Bearer word"}
SPAN = {"from": "1640361600000", "to": "1640966399000"}
SOURCE = {"type": PLUGIN, "uid": "live"}
ALL = "$__all"
Model = dict[str, Any]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, warehouse: EmbeddedClickHouse
) -> Iterator[Inside]:
    """A board server with two sources of one type and one of another."""
    at = {"host": warehouse.host, "port": warehouse.port, "username": warehouse.user}
    word = {"password": warehouse.password}
    with inside(ServerConfig(tmp_path_factory.mktemp("state")), "word") as running:
        for uid in ("live", "late"):
            source = {**SOURCE, "uid": uid, "name": f"the {uid} one", "access": "proxy",
                      "jsonData": at, "secureJsonData": word}  # fmt: skip
            made = running.call("POST", "/api/datasources", source, headers=BEARER)
            assert made.status_code == 200, made.text
        yield running


def publish(server: Inside, sql: str, *models: Model) -> None:
    target = {"refId": "A", "datasource": SOURCE, "rawSql": sql, "format": 1}
    board = {"uid": "b", "title": "b", "panels": [{"id": 1, "targets": [target]}],
             "templating": {"list": list(models)}}  # fmt: skip
    body = {"dashboard": board, "overwrite": True}
    published = server.call("POST", "/api/dashboards/db", body, headers=BEARER)
    assert published.status_code == 200, published.text


def asked(server: Inside, path: str, values: tuple[str, ...]) -> Any:
    query = urlencode([*SPAN.items(), *(("var-v", value) for value in values)])
    return server.call("GET", f"/api/boards/b/{path}?{query}", headers=BEARER).json()


def shown(server: Inside, model: Model, *values: str) -> tuple[list[str], list[str]]:
    """The list of a variable and its choice, as `value` or `value=text`."""
    publish(server, "SELECT 1", {"name": "v", **model})
    (told,) = asked(server, "variables", values)["variables"]

    def written(options: list[dict[str, str]]) -> list[str]:
        return [o["value"] + (f"={o['text']}" if o["text"] != o["value"] else "") for o in options]

    return written(told["options"]), written(told["picked"])


def counted(server: Inside, sql: str, model: Model, *values: str) -> Any:
    """The one value that SQL with the variable gives; or the message of its refusal."""
    publish(server, sql, {"name": "v", **model})
    answer = asked(server, "panels/1/query", values)
    if "results" not in answer:
        return answer["message"]
    ((value,),) = answer["results"]["A"]["frames"][0]["data"]["values"]
    return value


def custom(query: str = "a,b,c", **more: Any) -> Model:
    return {"type": "custom", "query": query, **more}


def listing(sql: Any, **more: Any) -> Model:
    return {"type": "query", "query": sql, "datasource": SOURCE, **more}


SEVERAL: Model = {"multi": True, "includeAll": True}


@pytest.mark.parametrize(
    ("model", "values", "number"),
    [
        # "All" is every option, or what the board's author wrote for it.
        (custom(**SEVERAL), [ALL], 3),
        (custom(**SEVERAL, allValue="'p', 'q'"), [ALL], 2),
        (custom(**SEVERAL, allValue=""), [ALL], 3),
        (custom(**SEVERAL, allValue=None), [ALL], 3),
        # What is written for "All" stands for nothing else.
        (custom(**SEVERAL, allValue="'p', 'q'"), ["a"], 1),
        (custom(**SEVERAL, allValue="'p'"), ["a", "b"], 2),
        (custom(includeAll=True, allValue="'p', 'q'"), [ALL], 2),
        (listing("SELECT arrayJoin(['a', 'b'])", **SEVERAL, allValue="1, 2, 3"), [ALL], 3),
    ],
)  # fmt: skip
def test_all_is_every_option_or_what_the_board_says(
    server: Inside, model: Model, values: list[str], number: int
) -> None:
    written = "${v}" if model.get("multi") else "$v"
    assert counted(server, f"SELECT length([{written}]) AS n", model, *values) == number


@pytest.mark.parametrize(
    ("model", "values", "picked"),
    [
        # Nothing asked: what the board was saved with, else "All", else the first.
        (custom(), [], ["a"]),
        (custom(current={"value": "b"}), [], ["b"]),
        (custom(current={"value": ["b", "c"]}, multi=True), [], ["b", "c"]),
        (custom(current={"value": ["b", "gone"]}, multi=True), [], ["b"]),
        (custom(current={"value": "gone"}), [], ["a"]),
        (custom(current={"value": "gone"}, includeAll=True), [], [f"{ALL}=全部"]),
        (custom(current={"value": ""}, includeAll=True), [], [f"{ALL}=全部"]),
        (custom("0,1", current={"value": 1}), [], ["1"]),
        (custom("1,0", current={"value": 0}), [], ["0"]),
        (custom(current=None), [], ["a"]),
        # A value or its text; several only where the board allows them; "All" takes the others in.
        (custom(), ["c"], ["c"]),
        (custom("x : a, y : b"), ["y"], ["b=y"]),
        (custom("b : a, y : b"), ["b"], ["b=y"]),
        (custom(), ["c", "b"], ["c"]),
        (custom(multi=True), ["c", "b"], ["c", "b"]),
        (custom(**SEVERAL), ["c", ALL], [f"{ALL}=全部"]),
        (custom(**SEVERAL), ["All"], [f"{ALL}=全部"]),
        (custom("All,b", current={"value": "b"}), ["All"], ["All"]),
        (custom("a,All", includeAll=True), ["All"], [f"{ALL}=全部"]),
        (custom(current={"value": "b"}), [ALL], ["b"]),
        (custom(current={"value": "b"}), [""], ["b"]),
        # The address does not reach these.
        (custom(skipUrlSync=True), ["c"], ["a"]),
        (custom(skipUrlSync=False), ["c"], ["c"]),
        ({"type": "constant", "query": "7"}, ["8"], ["7"]),
        # A text: the first one asked for, that the pattern allows.
        ({"type": "textbox", "query": "x", "regex": "/[a-z]+/"}, [], ["x"]),
        ({"type": "textbox", "query": "x", "regex": "/[a-z]+/"}, ["ab", "2"], ["ab"]),
        ({"type": "textbox", "query": "x", "current": {"value": "y"}}, [], ["y"]),
        ({"type": "textbox", "query": ""}, [], [""]),
    ],
)  # fmt: skip
def test_what_is_chosen_follows_the_address_as_far_as_the_board_lets_it(
    server: Inside, model: Model, values: list[str], picked: list[str]
) -> None:
    assert shown(server, model, *values)[1] == picked


@pytest.mark.parametrize(
    ("model", "values", "refusal"),
    [
        (custom(label="名"), ["d"], "没有这个名：“d”。 请从列表中另选。"),
        (custom(), ["d"], "没有这个v：“d”。 请从列表中另选。"),
        (custom(multi=True), [*"daefg"], "没有这个v：“d”、“e”、“f”。 请从列表中另选。"),
        (custom(), ["x" * 40], f"没有这个v：“{'x' * 40}”。 请从列表中另选。"),
        (custom(), ["x" * 41], f"没有这个v：“{'x' * 40}…”。 请从列表中另选。"),
        ({"type": "interval", "query": "1h"}, ["7m"], "没有这个v：“7m”。 请从列表中另选。"),
        ({"type": "interval", "query": "1h", "auto": True}, ["7"],
         "没有这个v：“7”。 请从列表中另选。"),
        ({"type": "textbox", "query": "x", "regex": "/[a-z]+/"}, ["ab2"],
         "v不能是“ab2”。 请改写。"),
        (listing("SELECT 1 WHERE 0", label="名"), [], "没有可选的名。 请另选。"),
        (listing("SELECT 1 WHERE 0"), [], "没有可选的v。 请另选。"),
    ],
)  # fmt: skip
def test_what_is_no_option_is_refused_by_its_label(
    server: Inside, model: Model, values: list[str], refusal: str
) -> None:
    assert counted(server, "SELECT length('$v') AS n", model, *values) == refusal


LIVE, LATE = "live=the live one", "late=the late one"


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (custom(r"a, b\,c ,d : e, f:g,"), ["a", "b,c", "e=d", "f:g"]),
        (custom(""), []),
        ({"type": "constant", "query": "7"}, ["7"]),
        ({"type": "switch", "query": "x"}, ["true", "false"]),
        ({"type": "interval", "query": "1m, 1h,"}, ["1m", "1h"]),
        ({"type": "interval", "query": "1h", "auto": True}, ["$__auto=auto", "1h"]),
        ({"type": "datasource", "query": PLUGIN, "regex": ""}, [LIVE, LATE]),
        ({"type": "datasource", "query": PLUGIN, "regex": "/LATE/i"}, [LATE]),
        ({"type": "datasource", "query": "loki"}, []),
        # Of another kind: the options it was saved with.
        ({"type": "groupby", "query": "x", "options": [
            {"value": ALL, "text": "All"}, {"value": "p", "text": "P"}, {"value": 2, "text": "2"},
        ]}, ["p=P", "2"]),
        ({"type": "groupby"}, []),
        # A query in each of the forms in which Grafana has stored it.
        (listing("SELECT 'x'"), ["x"]),
        (listing({"rawSql": "SELECT 'x'"}), ["x"]),
        (listing({"query": "SELECT 'x'"}), ["x"]),
        (listing({"rawSql": "SELECT 'x'", "query": "SELECT 'y'"}), ["x"]),
        (listing("", definition="SELECT 'x'"), ["x"]),
        (listing({}, definition="SELECT 'x'"), ["x"]),
        (listing("SELECT 'x'", definition="SELECT 'y'"), ["x"]),
        (listing("  "), []),
        # A row: the value and its text, written as the page writes them, listed once.
        (listing("SELECT 'x', 'X', 'third'"), ["x=X"]),
        (listing("SELECT arrayJoin([1, 1, 2])"), ["1", "2"]),
        (listing("SELECT arrayJoin([2.0, 2.5])"), ["2", "2.5"]),
        (listing("SELECT true"), ["true"]),
        (listing("SELECT NULL, 'none'"), ["=none"]),
        # What matches is kept, and its groups are the value and its text.
        (listing("SELECT arrayJoin(['ab', 'xb', 'xx'])", regex="a|b"), ["ab", "xb"]),
        (listing("SELECT arrayJoin(['ab', 'AB'])", regex="/^a/"), ["ab"]),
        (listing("SELECT arrayJoin(['ab', 'AB'])", regex="/^a/i"), ["ab", "AB"]),
        (listing("SELECT arrayJoin(['a-1', 'a-2'])", regex="/-(.)/"), ["1", "2"]),
        (listing("SELECT 'v', 'a-1'", regex="/(?<text>.)-(?<value>.)/"), ["1=a"]),
        (listing("SELECT 'v', 'a-1'", regex="/(?<value>.)-./"), ["a"]),
        (listing("SELECT 'v', 'a-1'", regex="/a/"), ["v=a-1"]),
    ],
)  # fmt: skip
def test_a_list_is_made_as_its_kind_makes_it(
    server: Inside, model: Model, options: list[str]
) -> None:
    assert shown(server, model)[0] == options


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (0, "b10 B9 a2 x C"),
        (None, "b10 B9 a2 x C"),
        # By characters: capitals before small letters.
        (1, "B9 C a2 b10 x"),
        (2, "x b10 a2 C B9"),
        # By the first number; what has none comes first.
        (3, "x C a2 B9 b10"),
        (4, "b10 B9 a2 x C"),
        # By letters of either case.
        (5, "a2 b10 B9 C x"),
        (6, "x C B9 b10 a2"),
        # Numbers within a text by their size.
        (7, "B9 C a2 b10 x"),
        (8, "x b10 a2 C B9"),
        (9, "b10 B9 a2 x C"),
    ],
)
def test_a_list_is_sorted_by_grafanas_codes(server: Inside, sort: int | None, order: str) -> None:
    sql = "SELECT arrayJoin(['b10', 'B9', 'a2', 'x', 'C'])"
    assert " ".join(shown(server, listing(sql, sort=sort))[0]) == order


def test_a_text_with_numbers_is_sorted_by_their_size(server: Inside) -> None:
    sql = "SELECT arrayJoin(['a10b2', 'a9', 'a10b10', 'a'])"
    assert shown(server, listing(sql, sort=7))[0] == ["a", "a9", "a10b2", "a10b10"]
    assert shown(server, listing(sql, sort=1))[0] == ["a", "a10b10", "a10b2", "a9"]


@pytest.mark.parametrize(
    ("sql", "refresh", "same"),
    [
        ("SELECT generateUUIDv4()", 1, True),
        ("SELECT generateUUIDv4(), '1'", 0, True),
        ("SELECT generateUUIDv4(), '2'", 2, False),
        # It depends on the range.
        ("SELECT generateUUIDv4(), $__fromTime", 1, False),
    ],
)
def test_a_list_is_asked_anew_where_it_follows_the_range(
    server: Inside, sql: str, refresh: int, same: bool
) -> None:
    before, after = (shown(server, listing(sql, refresh=refresh))[0] for _ in range(2))
    assert len(before) == 1
    assert (before == after) is same


def test_an_interval_of_its_own_is_any_step_where_the_board_offers_auto(server: Inside) -> None:
    model = {"type": "interval", "query": "1h", "auto": True}
    assert shown(server, model, "7m")[1] == ["7m"]
    assert shown(server, model, "500ms")[1] == ["500ms"]
