"""Stored panels and variables over HTTP: what a viewer may ask, and what never goes into SQL."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from dashboards.server import app as board_server
from dashboards.server.app import ServerConfig
from dashboards.server.reader import Answer, DataSource, Reader
from tests.dashboards.city import COUNTIES, DATABASE, TOWNSHIPS
from tests.dashboards.conftest import BOARDS, writer
from tests.dashboards.inside import Inside, inside

TOKEN = "glsa_test"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
SPAN = {"from": "1640361600000", "to": "1640966399000"}
CANARY = "never-to-be-seen"
DENIED = (
    "此图的数据仅供经办人员查看，当前身份不能查看。 请用经办人员的访问令牌登录，令牌由管理员发放。"
)
SOURCE = {"type": "grafana-clickhouse-datasource", "uid": "city"}
DESK = {**SOURCE, "uid": "gulou-desk"}  # the clerks'


class Counted(Reader):
    """The real reader; it records the SQL that reached ClickHouse."""

    ran: list[str] = []  # noqa: RUF012 - one list for the only server of this module

    async def run(self, origin: DataSource, sql: str) -> Answer:
        self.ran.append(sql)
        return await super().run(origin, sql)


@pytest.fixture(scope="module")
def walls(
    tmp_path_factory: pytest.TempPathFactory,
    city_source: dict[str, Any],
    city_clickhouse: Any,
) -> Iterator[Inside]:
    """A board server with a token over the fixture city, beside whose rows lies a canary."""
    client = writer(city_clickhouse)
    client.execute(
        f"CREATE OR REPLACE TABLE {DATABASE}.canary ENGINE = Memory AS SELECT '{CANARY}' AS word"
    )
    root = tmp_path_factory.mktemp("walls")
    desk = {**city_source, "uid": DESK["uid"], "name": "desk", "isDefault": False}
    (root / "sources.json").write_text(json.dumps([city_source, desk]))
    config = ServerConfig(root / "state", data_sources=root / "sources.json", boards=BOARDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(board_server, "Reader", Counted)
        with inside(config, TOKEN) as running:
            yield running
    client.execute(f"DROP TABLE {DATABASE}.canary SYNC")
    client.disconnect()


def panel(
    server: Inside, uid: str, number: int, *more: tuple[str, str], **fields: str
) -> tuple[int, Any]:
    """Status and JSON of a stored panel's answer to a viewer."""
    query = urlencode([*(SPAN | fields).items(), *more])
    answer = server.call("GET", f"/api/boards/{uid}/panels/{number}/query?{query}")
    assert CANARY not in answer.text
    return answer.status_code, answer.json()


def rows(answer: tuple[int, Any], ref: str = "A") -> list[Any]:
    """The columns of one query's only frame."""
    status, body = answer
    assert status == 200, body
    (frame,) = body["results"][ref]["frames"]
    values: list[Any] = frame["data"]["values"]
    return values


def wrong(server: Inside, uid: str, *more: tuple[str, str]) -> str:
    """What a publisher reads of the error of a board's first panel."""
    query = urlencode([*SPAN.items(), *more])
    path = f"/api/boards/{uid}/panels/1/query?{query}"
    return str(server.call("GET", path, headers=BEARER).json()["message"])


def variables(server: Inside, uid: str, *more: tuple[str, str]) -> dict[str, Any]:
    query = urlencode([*SPAN.items(), *more])
    answer = server.call("GET", f"/api/boards/{uid}/variables?{query}")
    assert answer.status_code == 200, answer.text
    assert CANARY not in answer.text
    return {each["name"]: each for each in answer.json()["variables"]}


def publish(server: Inside, board: dict[str, Any]) -> None:
    body = {"dashboard": {"title": board["uid"], **board}, "overwrite": True}
    published = server.call("POST", "/api/dashboards/db", body, headers=BEARER)
    assert published.status_code == 200, published.text


def target(sql: str, **more: Any) -> dict[str, Any]:
    return {"refId": "A", "datasource": SOURCE, "rawSql": sql, "format": 1, **more}


def query_variable(name: str, sql: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "query", "label": name, "query": {"rawSql": sql},
            "datasource": SOURCE, "current": {}, **more}  # fmt: skip


# ------------------------------------------------------------------------------ stored panels


def test_a_viewer_sees_a_stored_panels_figures_for_what_is_chosen(walls: Inside) -> None:
    visits = {code: n for code, _name, _lon, _lat, n, _share, _open in COUNTIES}
    for chosen in ((), ("$__all",), ("431222",), ("431202", "431221"), ("沅陵县",)):
        asked = [("var-county", value) for value in chosen]
        codes = {"沅陵县": ["431222"], "$__all": list(visits)}
        wanted = [c for v in chosen for c in codes.get(v, [v])] or list(visits)
        found = rows(panel(walls, "fixture-county", 2, *asked))
        assert found == [[sum(visits[code] for code in wanted)]], chosen


def test_a_copy_of_a_repeated_panel_has_the_one_value_it_was_made_for(walls: Inside) -> None:
    chosen = (("var-county", "431202"), ("var-county", "431222"), ("for-county", "431222"))
    assert rows(panel(walls, "fixture-county", 6, *chosen)) == [[151_900]]


@pytest.mark.parametrize("second", ["", "431202", "431221"])
def test_a_copy_made_for_two_values_is_refused(walls: Inside, second: str) -> None:
    # Any of them would be a guess, and the figure would look like the other's.
    asked = (("var-county", "431202"), ("for-county", "431202"), ("for-county", second))
    status, told = panel(walls, "fixture-county", 6, *asked)
    said = "重复面板的变量 county 只能有一个值。 请重新打开看板。"
    assert (status, told) == (400, {"message": said})


def test_a_copy_for_nothing_is_the_panel_itself(walls: Inside) -> None:
    asked = (("var-county", "431222"), ("for-county", ""))
    assert rows(panel(walls, "fixture-county", 6, *asked)) == [[151_900]]


def test_only_the_letters_that_are_asked_for_are_answered(walls: Inside) -> None:
    queries = [target("SELECT 1 AS n"), target("SELECT 2 AS n", refId="B"),
               target("SELECT 3 AS n", refId="C", hide=True)]  # fmt: skip
    publish(walls, {"uid": "letters", "panels": [{"id": 1, "targets": queries}]})
    assert set(panel(walls, "letters", 1)[1]["results"]) == {"A", "B"}
    assert set(panel(walls, "letters", 1, ("ref", "B"))[1]["results"]) == {"B"}
    status, told = panel(walls, "letters", 1, ("ref", "C"))
    assert (status, told["message"]) == (400, "这个面板没有这样的查询。 请重新打开看板。")


def test_of_a_panel_in_a_closed_row_only_queries_with_text_that_are_not_hidden_are_asked(
    walls: Inside,
) -> None:
    targets = [target("SELECT 1 AS a", refId="H", hide=True), target("  ", refId="E"),
               target("SELECT 2 AS a", refId="B", hide=False),
               {"datasource": SOURCE, "rawSql": "SELECT 3 AS a", "format": 1}]  # fmt: skip
    row = {"id": 1, "type": "row", "panels": [{"id": 2, "targets": targets}]}
    publish(walls, {"uid": "hidden", "panels": [row]})
    status, body = panel(walls, "hidden", 2)
    assert (status, sorted(body["results"])) == (200, ["A", "B"])
    for ref, number in (("A", 3), ("B", 2)):  # without a letter it is A
        assert rows(panel(walls, "hidden", 2, ("ref", ref)), ref) == [[number]]
    for ref in ("H", "E", "Z"):
        status, told = panel(walls, "hidden", 2, ("ref", ref))
        assert (status, told["message"]) == (400, "这个面板没有这样的查询。 请重新打开看板。")


def test_a_panel_or_a_board_that_is_not_there_is_404_in_chinese(walls: Inside) -> None:
    assert panel(walls, "fixture-county", 99) == (404, {"message": "看板里没有这个面板"})
    assert panel(walls, "none", 1) == (404, {"message": "没有这个看板"})


def test_a_page_that_shows_an_older_version_of_the_board_is_told_so(walls: Inside) -> None:
    board = {"uid": "renewed", "panels": [{"id": 1, "targets": [target("SELECT 1 AS n")]}]}
    publish(walls, board)
    assert rows(panel(walls, "renewed", 1, version="1")) == [[1]]
    publish(walls, board | {"panels": [{"id": 1, "targets": [target("SELECT 2 AS n")]}]})
    status, told = panel(walls, "renewed", 1, version="1")
    assert (status, told["message"]) == (412, "看板已更新。 请重新打开。")
    assert rows(panel(walls, "renewed", 1, version="2")) == [[2]]


@pytest.mark.parametrize("whose", ["the panel's", "the query's", "one of two", "by a variable"])
def test_what_only_clerks_may_ask_is_refused_in_chinese_to_a_viewer(
    walls: Inside, whose: str
) -> None:
    sql = target("SELECT 1 AS n")
    nameless = {name: value for name, value in sql.items() if name != "datasource"}
    by_name = target("SELECT 1 AS n", datasource={**DESK, "uid": "${of}"})
    panels = {
        "the panel's": {"id": 1, "datasource": DESK, "targets": [nameless]},
        "the query's": {"id": 1, "datasource": SOURCE, "targets": [{**sql, "datasource": DESK}]},
        "one of two": {"id": 1, "targets": [sql, {**sql, "refId": "B", "datasource": DESK}]},
        "by a variable": {"id": 1, "targets": [by_name]},
    }
    sources = {
        "name": "of",
        "type": "datasource",
        "query": DESK["type"],
        "regex": "",
        "current": {},
    }
    publish(walls, {"uid": "clerks", "panels": [panels[whose]],
                    "templating": {"list": [sources]}})  # fmt: skip
    status, told = panel(walls, "clerks", 1, ("var-of", DESK["uid"]))
    assert (status, told) == (403, {"message": DENIED})
    path = f"/api/boards/clerks/panels/1/query?{urlencode({**SPAN, 'var-of': DESK['uid']})}"
    assert walls.call("GET", path, headers=BEARER).status_code == 200


def test_options_that_only_clerks_may_ask_are_not_told_to_a_viewer(walls: Inside) -> None:
    listed = query_variable("county", "SELECT code, name FROM county", datasource=DESK)
    publish(walls, {"uid": "lists", "panels": [], "templating": {"list": [listed]}})
    path = f"/api/boards/lists/variables?{urlencode(SPAN)}"
    for headers, known in (({}, False), (BEARER, True), ({}, False)):
        (told,) = walls.call("GET", path, headers=headers).json()["variables"]
        assert (bool(told["options"]), told.get("error") == DENIED) == (known, not known)


def test_fifty_walls_cost_one_query_and_one_list_of_options(walls: Inside) -> None:
    text = "SELECT sum(visits) AS fifty FROM county WHERE code = '${county}'"
    options = "SELECT code, name FROM county WHERE 50 = 50 ORDER BY code"
    publish(walls, {"uid": "fifty", "panels": [{"id": 1, "targets": [target(text)]}],
                    "templating": {"list": [query_variable("county", options)]}})  # fmt: skip
    Counted.ran.clear()
    found: list[Any] = []

    def wall() -> None:
        found.append(panel(walls, "fifty", 1, ("var-county", "431222"), refreshMs="60000"))

    threads = [threading.Thread(target=wall) for _ in range(50)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [rows(each) for each in found] == [[[151_900]]] * 50
    assert sorted(Counted.ran) == sorted([options, text.replace("${county}", "431222")])


# ---------------------------------------------------------------------------------- variables


def test_a_board_without_a_choice_opens_with_its_own(walls: Inside) -> None:
    found = variables(walls, "fixture-county")
    assert list(found) == ["source", "county", "township", "width", "level", "search"]
    picked = {name: [each["value"] for each in v["picked"]] for name, v in found.items()}
    assert picked == {
        "source": ["city"], "county": ["$__all"], "township": ["$__all"], "width": ["1h"],
        "level": ["county"], "search": ["鹤城第1乡镇"],
    }  # fmt: skip
    assert found["level"]["options"] == [
        {"value": "county", "text": "县"}, {"value": "township", "text": "乡镇"},
    ]  # fmt: skip
    assert found["township"]["parents"] == ["county", "source"]
    assert [o["value"] for o in found["township"]["options"]] == sorted(t[0] for t in TOWNSHIPS)


def test_a_child_list_holds_the_places_of_its_parent(walls: Inside) -> None:
    found = variables(walls, "fixture-county", ("var-county", "431222"))
    names = [name for _code, name, county, _n in TOWNSHIPS if county == "431222"]
    assert [each["text"] for each in found["township"]["options"]] == names


def test_a_child_that_came_along_falls_back_and_one_that_was_written_is_unknown(
    walls: Inside,
) -> None:
    asked = (("var-county", "431222"), ("var-township", "431202001"))
    found = variables(walls, "fixture-county", *asked, ("carried", "township"))["township"]
    assert ([each["value"] for each in found["picked"]], "unknown" in found) == (["$__all"], False)
    kept = (("var-county", "431222"), ("var-township", "431222002"), ("carried", "township"))
    found = variables(walls, "fixture-county", *kept)["township"]
    assert [each["text"] for each in found["picked"]] == ["沅陵第2乡镇"]
    said = "沅陵县没有这个乡镇：“431202001”。 请从列表中另选。"
    assert variables(walls, "fixture-county", *asked)["township"]["unknown"] == said
    status, told = panel(walls, "fixture-county", 3, *asked)
    assert (status, told["message"]) == (400, said)


def test_what_depends_on_an_unknown_place_is_unknown_with_it(walls: Inside) -> None:
    said = "没有这个县市区：“nonsense”。 请从列表中另选。"
    found = variables(walls, "fixture-county", ("var-county", "nonsense"))
    assert [found[name].get("unknown") for name in ("source", "county", "township")] == [
        None, said, said,
    ]  # fmt: skip
    for number in (2, 3):
        status, told = panel(walls, "fixture-county", number, ("var-county", "nonsense"))
        assert (status, told["message"]) == (400, said)


def test_a_list_without_options_chooses_nothing_and_shows_nothing(walls: Inside) -> None:
    everything = "SELECT sum(visits) FROM county WHERE $__conditionalAll(code = '$county', $county)"
    empty = query_variable("county", "SELECT code FROM county WHERE 0", label="县市区")
    publish(walls, {"uid": "empty", "panels": [{"id": 1, "targets": [target(everything)]}],
                    "templating": {"list": [empty]}})  # fmt: skip
    found = variables(walls, "empty")["county"]
    assert (found["picked"], "unknown" in found, "error" in found) == ([], False, False)
    status, told = panel(walls, "empty", 1)
    assert (status, told["message"]) == (400, "没有可选的县市区。 请另选。")


def test_options_that_cannot_be_had_are_an_error_of_their_own(walls: Inside) -> None:
    broken = query_variable("county", "SELECT code FROM no_such_table")
    publish(walls, {"uid": "broken", "panels": [{"id": 1, "targets": [target("SELECT '$county'")]}],
                    "templating": {"list": [broken]}})  # fmt: skip
    found = variables(walls, "broken", ("var-county", "431222"))["county"]
    status, told = panel(walls, "broken", 1, ("var-county", "431222"))
    assert (status, told["message"]) == (400, found["error"])
    assert "no_such_table" in wrong(walls, "broken", ("var-county", "431222"))


def test_options_are_matched_named_sorted_and_listed_once(walls: Inside) -> None:
    sql = "SELECT arrayJoin(['b-2', 'a-10', 'a-9', 'x', 'a-10']) AS v"
    regex = {"regex": "/(?<text>[ab]-(?<value>\\d+))/", "sort": 3}
    board = {"uid": "matched", "templating": {"list": [query_variable("n", sql, **regex)]}}
    publish(walls, board)
    # Numbers of the texts, ascending: 2, 9, 10.
    assert variables(walls, "matched")["n"]["options"] == [
        {"value": "2", "text": "b-2"}, {"value": "9", "text": "a-9"},
        {"value": "10", "text": "a-10"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sort", "order"),
    [(0, "鹤辰中"), (1, "辰鹤中"), (2, "中鹤辰")],  # chén, hè, zhōng
)
def test_chinese_options_are_sorted_by_their_sound(walls: Inside, sort: int, order: str) -> None:
    spoken = query_variable("v", "SELECT arrayJoin(['鹤', '辰', '中']) AS v", sort=sort)
    publish(walls, {"uid": "spoken", "templating": {"list": [spoken]}})
    found = variables(walls, "spoken")["v"]["options"]
    assert "".join(each["text"] for each in found) == order


# ------------------------------------------------------------------------------------ hostile

HOSTILE = [
    "'; DROP TABLE canary", "')) UNION ALL SELECT word FROM canary --",
    "\\') UNION ALL SELECT word FROM canary -- ", "') OR 1=1 --",
    "1 UNION ALL SELECT word FROM canary", "%27%29%20UNION%20ALL%20SELECT%20word%20FROM%20canary",
    "{431202,431222}", "431202,431222", "${source}", "$__timeFilter(now())", "$__all ", "*/ /*",
]  # fmt: skip

RAW = {"refId": "A", "datasource": SOURCE, "rawSql": "SELECT word FROM canary", "format": 1}


def test_a_viewers_own_sql_is_refused_in_every_form(walls: Inside) -> None:
    body = {"queries": [RAW], **SPAN}
    asked = [("POST", "/api/ds/query"), ("POST", "/api/ds/query/"), ("PUT", "/api/ds/query"),
             ("POST", "/api/ds/query?token="), ("GET", "/api/ds/query"),
             ("POST", "//api/ds/query"), ("POST", "/api/boards/fixture-county/panels/2/query"),
             ("POST", "/api/boards/fixture-county/variables")]  # fmt: skip
    session = {"Cookie": walls.call("GET", f"/?token={TOKEN}").headers["Set-Cookie"].split(";")[0]}
    for headers in ({}, session):
        for verb, path in asked:
            answer = walls.call(verb, path, body, headers=headers)
            assert answer.status_code in (403, 404), (verb, path)
            assert CANARY not in answer.text
    as_publisher = walls.call("POST", "/api/ds/query", body, headers=BEARER)
    assert CANARY in as_publisher.text, "with the token the same body reaches the canary"
    text = str(RAW["rawSql"])
    sql = [("rawSql", text), ("sql", text), ("queries", json.dumps([RAW]))]
    assert rows(panel(walls, "fixture-county", 2, *sql)) == [[sum(c[4] for c in COUNTIES)]]


def test_a_value_that_is_no_option_never_reaches_the_sql(walls: Inside) -> None:
    labels = {"source": "数据", "county": "县市区", "township": "乡镇"}
    Counted.ran.clear()
    for value in HOSTILE:
        for name, label in labels.items():
            for prefix in ("var", "for"):
                status, told = panel(walls, "fixture-county", 3, (f"{prefix}-{name}", value))
                assert status == 400, (name, value)
                assert f"没有这个{label}：“" in told["message"]
        status, told = panel(walls, "fixture-county", 4, ("var-search", value))
        assert (status, "名称不能是“" in told["message"]) == (400, True), value
    assert not [sql for sql in Counted.ran if any(value in sql for value in HOSTILE)]


def test_one_bad_value_among_good_ones_refuses_them_all(walls: Inside) -> None:
    asked = (("var-county", "431222"), ("var-county", "nonsense"))
    status, told = panel(walls, "fixture-county", 2, *asked)
    assert (status, told["message"]) == (400, "没有这个县市区：“nonsense”。 请从列表中另选。")


def test_a_text_goes_in_only_as_the_board_declares(walls: Inside) -> None:
    assert rows(panel(walls, "fixture-county", 4, ("var-search", "沅陵第2乡镇"))) == [[1]]
    assert rows(panel(walls, "fixture-county", 4, ("var-search", "没有这里"))) == [[0]]
    undeclared = {"name": "search", "type": "textbox", "label": "名称", "query": "鹤城第1乡镇"}
    text = "SELECT count() FROM township WHERE name = decodeURLComponent('${search:percentencode}')"
    publish(walls, {"uid": "typed", "panels": [{"id": 1, "targets": [target(text)]}],
                    "templating": {"list": [undeclared]}})  # fmt: skip
    assert rows(panel(walls, "typed", 1)) == [[1]]
    assert rows(panel(walls, "typed", 1, ("var-search", "鹤城第1乡镇"))) == [[1]]
    status, told = panel(walls, "typed", 1, ("var-search", "沅陵第2乡镇"))
    assert (status, told["message"]) == (400, "名称不能是“沅陵第2乡镇”。 请改写。")


HARMFUL = "x') UNION ALL SELECT word FROM canary -- "


@pytest.mark.parametrize("written", ["'$v'", "'${v:raw}'", "${v:doublequote}", "$v", "[[v]]"])
def test_an_option_that_data_made_harmful_is_not_spliced_into_sql(
    walls: Inside, written: str
) -> None:
    literal = HARMFUL.replace("'", "''")
    one = query_variable("v", f"SELECT '{literal}' AS v")
    sql = f"SELECT word FROM (SELECT 'x' AS word) WHERE word IN ({written})"
    publish(walls, {"uid": "harmful", "panels": [{"id": 1, "targets": [target(sql)]}],
                    "templating": {"list": [one]}})  # fmt: skip
    assert panel(walls, "harmful", 1)[0] == 400
    assert "is more than a word" in wrong(walls, "harmful")


@pytest.mark.parametrize("written", ["${v:csv}", "${v:doublequote}", "${v}"])
def test_a_harmful_option_among_harmless_ones_refuses_them_all(walls: Inside, written: str) -> None:
    literal = HARMFUL.replace("'", "''")
    several = query_variable(
        "v", f"SELECT arrayJoin(['x', '{literal}', 'y'])", multi=True,
        current={"value": ["x", HARMFUL, "y"]},
    )  # fmt: skip
    publish(walls, {"uid": "mixed", "panels": [{"id": 1, "targets": [target(f"SELECT {written}")]}],
                    "templating": {"list": [several]}})  # fmt: skip
    assert panel(walls, "mixed", 1)[0] == 400
    assert "is more than a word" in wrong(walls, "mixed")


@pytest.mark.parametrize(
    "written",
    ["${v:sqlstring}", "${v:singlequote}", "decodeURLComponent('${v:percentencode}')"],
)
@pytest.mark.parametrize("value", [HARMFUL, "\\' OR 1=1 -- ", "a\\", "'", "一,二"])
def test_an_encoded_option_means_itself_whatever_is_in_it(
    walls: Inside, written: str, value: str
) -> None:
    literal = value.replace("\\", "\\\\").replace("'", "''")
    one = query_variable("v", f"SELECT '{literal}' AS v")
    publish(walls, {"uid": "encoded", "templating": {"list": [one]},
                    "panels": [{"id": 1, "targets": [target(f"SELECT {written} AS v")]}],
                    })  # fmt: skip
    assert rows(panel(walls, "encoded", 1)) == [[value]]


def test_a_format_that_sql_cannot_use_is_refused(walls: Inside) -> None:
    publish(walls, {"uid": "formats", "templating": {"list": [query_variable("v", "SELECT 'a'")]},
                    "panels": [{"id": 1, "targets": [target("SELECT '${v:html}'")]}]})  # fmt: skip
    assert panel(walls, "formats", 1)[0] == 400
    assert "format 'html' of variable 'v'" in wrong(walls, "formats")


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT '${v}' AS a", "SELECT 'x' AS a"),
        ("SELECT [${m}] AS a", "SELECT ['x','y'] AS a"),
        ("SELECT '${m:csv}|${m:pipe}|${m:glob}|${m:regex}|${m:join:;}' AS a",
         "SELECT 'x,y|x|y|{x,y}|(x|y)|x;y' AS a"),
        ("SELECT '${m:percentencode}' AS a", "SELECT '%7Bx%2Cy%7D' AS a"),
        ("SELECT '${m:text}' AS a", "SELECT 'X + Y' AS a"),
        ("SELECT '$v' AS a, '[[v]]' AS b, '$vv' AS c", "SELECT 'x' AS a, 'x' AS b, '$vv' AS c"),
        ("SELECT $__from AS a, ${__to:date:seconds} AS b",
         "SELECT 1640361600000 AS a, 1640966399 AS b"),
        ("SELECT 1 AS a WHERE $__conditionalAll(dummy IN (0, (1)), $all)",
         "SELECT 1 AS a WHERE 1=1"),
        ("SELECT 1 AS a WHERE $__conditionalAll('$v' = 'x', ${v})",
         "SELECT 1 AS a WHERE 'x' = 'x'"),
        ("SELECT 1 AS a SETTINGS $__adHocFilters('t')",
         "SELECT 1 AS a SETTINGS additional_table_filters={}"),
    ],
)  # fmt: skip
def test_variables_and_the_pages_macros_are_filled_in_as_grafana_does(
    walls: Inside, sql: str, text: str
) -> None:
    several = {"multi": True, "includeAll": True}
    pair = "SELECT t.1, t.2 FROM (SELECT arrayJoin([('x', 'X'), ('y', 'Y')]) AS t)"
    listed = [
        query_variable("v", "SELECT 'x'"),
        query_variable("m", pair, **several, current={"value": ["x", "y"]}),
        query_variable("all", "SELECT 'x'", **several, current={"value": ["$__all"]}),
    ]
    publish(walls, {"uid": "filled", "templating": {"list": listed},
                    "panels": [{"id": 1, "targets": [target(sql)]}]})  # fmt: skip
    Counted.ran.clear()
    panel(walls, "filled", 1)
    assert text in Counted.ran


# ------------------------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("panels", "fields", "said"),
    [
        ([{"id": 1, "targets": [target("SELECT nope")]}], {}, "nope"),
        ([{"id": 1, "targets": [target("SELECT $__table")]}], {}, "names no table"),
        ([{"id": 1, "targets": [target("SELECT 1", datasource={"uid": "gone"})]}], {}, "'gone'"),
        ([{"id": 1, "targets": [target("SELECT 1", datasource={"uid": "dead"})]}], {},
         "ClickHouse at 127.0.0.1:1 does not answer"),
        ([{"id": 1, "targets": [target("SELECT 1")]}], {"from": "x"}, "from 'x' is unreadable"),
    ],
    ids=["sql", "macro", "no source", "away", "range"],
)  # fmt: skip
def test_an_official_reads_chinese_and_a_publisher_what_is_wrong(
    tmp_path: Path, city_source: dict[str, Any], caplog: pytest.LogCaptureFixture,
    panels: list[Any], fields: dict[str, str], said: str,
) -> None:  # fmt: skip
    away = {**city_source, "uid": "dead", "name": "dead", "isDefault": False}
    away["jsonData"] = {**city_source["jsonData"], "port": 1}
    (tmp_path / "sources.json").write_text(json.dumps([city_source, away]))
    config = ServerConfig(tmp_path / "state", data_sources=tmp_path / "sources.json")
    with inside(config, TOKEN) as server:
        publish(server, {"uid": "told", "panels": panels})
        query = urlencode({**SPAN, "refreshMs": "60000", **fields})
        path = f"/api/boards/told/panels/1/query?{query}"
        texts = []
        # They share one answer, and each reads it in his own words.
        for headers in (BEARER, {}, BEARER, {}):
            body = server.call("GET", path, headers=headers).json()
            found = body["results"]["A"]["error"] if "results" in body else body["message"]
            texts.append(found)
    assert texts[:2] == texts[2:]
    assert said in texts[0]
    assert re.fullmatch("[\u4e00-\u9fff，。； ]+", texts[1]), texts[1]
    assert texts[1].endswith("请联系管理员。")
    # Nor does what readers can repeat fill the log.
    assert [each for each in caplog.records if each.levelname in ("ERROR", "WARNING")] == []


def test_a_time_series_without_rows_is_said_so_to_everybody(walls: Inside) -> None:
    # The page knows it by these words of Grafana's and shows an empty picture.
    none = target("SELECT toDateTime(0) AS time, 1 AS n WHERE 0", format=0)
    publish(walls, {"uid": "empty", "panels": [{"id": 1, "targets": [none]}]})
    _, body = panel(walls, "empty", 1)
    assert body["results"]["A"]["error"].startswith("no results returned from query")
