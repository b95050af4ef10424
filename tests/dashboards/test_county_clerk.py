"""The clerk of one county at the shipped boards: the county's figures and cases, and no others.

The boards are the shipped ones, over every view, with events in two counties.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from dashboards import publish
from dashboards.boards import every
from dashboards.server import ServerConfig
from dashboards.server.county import Outside, check, is_outside
from dashboards.server.looks import recorded
from infra.http import Grants
from schemas.grain import County
from tests.dashboards.desks import county_desks, password
from tests.dashboards.inside import Inside, inside
from tests.histories.told import ms, told
from tests.town import Town

TOKEN = "publishes"
VILLAGES = {"431230": "431230100001", "431202": "431202001001"}
HERE, THERE, EMPTY = "431230", "431202", "431221"
NAME = "通道侗族自治县"
PLACES = ("county", "township", "village", "grid")
SPAN = {"from": str(ms("2021-06-01")), "to": str(ms("2021-06-15 13:59:59"))}
BOARDS = {board["uid"]: board for board in every()}
ACROSS = {"各县市区满意率"}
"""Clerks' panels that compare counties: a county's clerk finds one."""


@dataclass
class Doors:
    """A board server, and a token of each kind of reader."""

    server: Inside
    tokens: dict[str, str]
    looks: Path

    def get(self, path: str, reader: str, *fields: tuple[str, str]) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.tokens[reader]}"} if reader else {}
        return self.server.call("GET", f"{path}?{urlencode([*SPAN.items(), *fields])}",
                                headers=headers)  # fmt: skip

    def panel(self, uid: str, number: int, reader: str, **values: str) -> requests.Response:
        fields = [(f"var-{name}", value) for name, value in values.items()]
        return self.get(f"/api/boards/{uid}/panels/{number}/query", reader, *fields)

    def variables(self, uid: str, reader: str, **values: str) -> dict[str, Any]:
        fields = [(f"var-{name}", value) for name, value in values.items()]
        answer = self.get(f"/api/boards/{uid}/variables", reader, *fields)
        return {each["name"]: each for each in answer.json()["variables"]}

    def looked(self) -> list[dict[str, Any]]:
        return list(recorded(self.looks, pytest.fail))

    def publish(self, board: dict[str, Any]) -> None:
        body = {"dashboard": {"title": board["uid"], **board}, "overwrite": True}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert self.server.call("POST", "/api/dashboards/db", body, headers).status_code == 200


@pytest.fixture(scope="module")
def doors(whole_town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    whole_town.empty()
    shipped, root = whole_town.shipped, tmp_path_factory.mktemp("county")
    _told(whole_town)
    grants = Grants(root / "access.json")
    tokens = {
        "here": grants.add("desk-here", "clerk", County(HERE, NAME)),
        "there": grants.add("desk-there", "clerk", County(THERE, "鹤城区")),
        "clerk": grants.add("desk", "clerk"),
        "auditor": grants.add("audit", "auditor"),
        "publisher": TOKEN,
    }
    (root / "sources.json").write_text(json.dumps([*shipped.sources.values()]))
    config = ServerConfig(
        root / "state",
        data_sources=root / "sources.json",
        boards=Path(publish.__file__).parent / "json",
        zone="Asia/Shanghai",
        looks=root / "looks",
        desk_password=password,
    )
    with (
        county_desks(shipped, [HERE, THERE]),
        inside(config, TOKEN, grants=root / "access.json") as server,
    ):
        yield Doors(server, tokens, root / "looks")
    whole_town.empty()


def _told(town: Town) -> None:
    """Events of a county, and twice as many of another."""
    for county, number in ((HERE, 1), (THERE, 2)):
        place = VILLAGES[county]
        for n in range(number):
            key = f"{county}-{n}"
            town.tell(
                told("visit.recorded", key, "2021-06-02 09:00", place=place, grid=f"{place}001"),
                told("petition.registered", f"P-{key}", "2021-03-02 09:00", place=place),
                told("mediation.filed", f"M-{key}", "2021-06-03 09:00", place=place),
                told("fund.disbursed", f"F-{key}", "2021-06-04 09:00", place=place, helped=2),
            )
    town.beat()


def own(uid: str) -> dict[str, str]:
    """A place of the county for each variable of a board."""
    village = VILLAGES[HERE]
    places = {"county": HERE, "township": village[:9], "village": village, "grid": f"{village}001"}
    names = {each["name"] for each in BOARDS[uid]["templating"]["list"]}
    return {name: value for name, value in places.items() if name in names}


def asking(uid: str) -> list[dict[str, Any]]:
    return [each for each in BOARDS[uid]["panels"] if each.get("targets")]


def is_finer(panel: dict[str, Any]) -> bool:
    return bool(panel["datasource"]["uid"] == "gulou-desk")


def figures(answer: requests.Response) -> dict[str, Any]:
    """The values of each query, without the SQL that gave them."""
    assert answer.status_code == 200, answer.text
    return {
        ref: [frame["data"]["values"] for frame in result["frames"]]
        for ref, result in answer.json()["results"].items()
    }


def refused(doors: Doors, answer: requests.Response, place: str) -> None:
    message = (
        f"您的账号只能查看{NAME}的数据，不能查看“{place}”。 "
        "请从列表中另选；确需查看其他县市区的，请向管理员申请。"
    )
    assert (answer.status_code, answer.json()) == (403, {"message": message})


# ----------------------------------------------------------------------------- what is shown


@pytest.mark.parametrize("uid", sorted(u for u in BOARDS if any(map(is_finer, asking(u)))))
def test_a_county_sees_of_itself_what_a_clerk_of_all_counties_sees_of_it(
    doors: Doors, uid: str
) -> None:
    for panel in filter(is_finer, asking(uid)):
        title = panel["title"].removesuffix("${fresh}")
        mine = doors.panel(uid, panel["id"], "here", **own(uid))
        assert THERE not in mine.text and "鹤城" not in mine.text, title
        if title in ACROSS:
            assert figures(mine)
        else:
            assert figures(mine) == figures(doors.panel(uid, panel["id"], "clerk", **own(uid)))


@pytest.mark.parametrize("uid", ["gulou-county", "gulou-wall"])
def test_what_everybody_sees_a_countys_clerk_sees_too(doors: Doors, uid: str) -> None:
    for panel in asking(uid):
        if not any("pipeline" in target["rawSql"] for target in panel["targets"]):  # tells the time
            mine, everybodys = (
                doors.panel(uid, panel["id"], who, **own(uid)) for who in ("here", "")
            )
            assert mine.json() == everybodys.json(), panel["title"]
            assert mine.json()["results"]


def test_a_list_of_cases_has_the_countys_cases_alone(doors: Doors) -> None:
    (panel,) = (p for p in asking("gulou-petitions") if p["title"].startswith("逾期信访件"))
    cases = {
        reader: {c for c in ("P-431230-0", "P-431202-0", "P-431202-1") if c in answer.text}
        for reader in ("here", "there", "clerk", "auditor")
        for answer in [doors.panel("gulou-petitions", panel["id"], reader)]
    }
    assert cases == {
        "here": {"P-431230-0"},
        "there": {"P-431202-0", "P-431202-1"},
        "clerk": {"P-431230-0", "P-431202-0", "P-431202-1"},
        "auditor": {"P-431230-0", "P-431202-0", "P-431202-1"},
    }


@pytest.mark.parametrize("uid", sorted(uid for uid in BOARDS if uid != "gulou-wall"))
def test_lists_of_places_hold_the_county_alone(doors: Doors, uid: str) -> None:
    listed = doors.variables(uid, "here")
    places = {name: each for name, each in listed.items() if name in PLACES}
    for name, each in places.items():
        assert "unknown" not in each and "error" not in each, each
        codes = [option["value"] for option in each["options"]]
        assert codes and {code[:6] for code in codes} == {HERE}, name
        assert [picked["value"][:6] for picked in each["picked"]] == [HERE]
    if "county" in places:
        assert places["county"]["options"] == [{"value": HERE, "text": NAME}]


def test_a_countys_clerk_gets_the_place_that_was_chosen(doors: Doors) -> None:
    for name, above in (("township", {}), ("village", {"township": VILLAGES[HERE][:9]})):
        uid, wanted = f"gulou-{name}", {"county": HERE, **above}
        options = doors.variables(uid, "here", **wanted)[name]["options"]
        last = options[-1]["value"]
        assert last != options[0]["value"]
        chosen = doors.variables(uid, "here", **wanted, **{name: last})[name]
        assert [picked["value"] for picked in chosen["picked"]] == [last]


def test_all_counties_is_the_one_county(doors: Doors) -> None:
    whole = doors.variables("gulou-petitions", "clerk", county="$__all")
    assert whole["county"]["picked"] == [{"value": "$__all", "text": "全部"}]
    for value in ("$__all", "All"):
        found = doors.variables("gulou-petitions", "here", county=value)
        assert found["county"]["picked"] == [{"value": HERE, "text": NAME}]
    first = asking("gulou-petitions")[0]["id"]
    assert figures(doors.panel("gulou-petitions", first, "here", county="$__all")) == figures(
        doors.panel("gulou-petitions", first, "clerk", county=HERE)
    )


# --------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("county", THERE, "鹤城区"),
        ("county", "鹤城区", "鹤城区"),
        ("county", EMPTY, "中方县"),
        ("county", "431200", "未定位"),
        ("township", "431202001", "431202001"),
        ("village", "431202001001", "431202001001"),
        ("grid", "431202001001001", "431202001001001"),
    ],
)
def test_a_place_outside_the_county_is_refused_and_never_a_zero(
    doors: Doors, name: str, value: str, place: str
) -> None:
    uid = "gulou-microgrid" if name == "grid" else "gulou-village"
    for panel in asking(uid)[:3]:
        values = own(uid) | {name: value}
        refused(doors, doors.panel(uid, panel["id"], "here", **values), place)
    said = doors.variables(uid, "here", **{name: value})[name]
    assert said["unknown"].startswith(f"您的账号只能查看{NAME}的数据，不能查看“{place}”。")


@pytest.mark.parametrize(
    ("code", "value", "outside"),
    [
        (HERE, HERE, False), (HERE, "431230100001001", False), (HERE, "431230100", False),
        (HERE, THERE, True), (HERE, "431200", True), (HERE, "431202001001001", True),
        # Not the form of a place's code, or of another province.
        (HERE, "43120", False), (HERE, "4312021", False), (HERE, "110101", False),
        (HERE, "", False), (HERE, "visits", False), (HERE, "$__all", False),
        (HERE, "P-431202", False),
        # A city without one beginning of all its counties' codes.
        ("500101", "500233", True), ("500233", "500233001", False),
    ],
)  # fmt: skip
def test_a_place_is_known_by_the_form_of_its_code(code: str, value: str, outside: bool) -> None:
    assert is_outside(County(code, NAME), value) is outside


@pytest.mark.parametrize(
    ("sql", "outside"),
    [
        (f"SELECT 1 WHERE county = '{HERE}'", ""),
        (f"SELECT 1 WHERE county = '{THERE}'", THERE),
        (f"SELECT decodeURLComponent('%7B{HERE}%2C{THERE}%7D')", THERE),
        (f"SELECT 1 WHERE startsWith(village, '{THERE}001001')", f"{THERE}001001"),
        ("SELECT 1 WHERE county != '431200' AND t > 1431202000 LIMIT 432000", ""),
    ],
)
def test_filled_sql_is_refused_for_a_place_outside(sql: str, outside: str) -> None:
    if outside:
        with pytest.raises(Outside, match=outside):
            check(County(HERE, NAME), sql)
    else:
        check(County(HERE, NAME), sql)


def test_one_county_among_several_is_refused_all_the_same(doors: Doors) -> None:
    number = asking("gulou-petitions")[0]["id"]
    fields = [("var-county", HERE), ("var-county", THERE)]
    path = f"/api/boards/gulou-petitions/panels/{number}/query"
    refused(doors, doors.get(path, "here", *fields), "鹤城区")
    refused(doors, doors.get(path, "here", ("var-county", HERE), ("for-county", THERE)), "鹤城区")


def _desk(sql: str) -> dict[str, Any]:
    source = {"type": "grafana-clickhouse-datasource", "uid": "gulou-desk"}
    return {"refId": "A", "datasource": source, "rawSql": sql, "format": 1}


def test_a_board_that_is_made_for_another_county_is_refused(doors: Doors) -> None:
    where = f"FROM petitions_cases(at = {SPAN['to']}) WHERE county = "
    panels = [
        {"id": 1, "targets": [_desk(f"SELECT count() {where}'{THERE}'")]},
        {"id": 2, "targets": [_desk(f"SELECT count() {where}'${{fixed}}'")]},
        {"id": 3, "targets": [_desk(f"SELECT count() {where}'${{listed}}'")]},
        {"id": 4, "targets": [_desk(f"SELECT count() {where}'{HERE}' AND county != '431200'")]},
        {"id": 5, "targets": [_desk(f"SELECT count() {where}splitByChar(',', '1,{THERE}001')[2]")]},
    ]
    fixed = {"name": "fixed", "type": "constant", "query": THERE}
    listed = {"name": "listed", "type": "custom", "query": f"鹤城 : {THERE}, 中方 : {EMPTY}"}
    doors.publish({"uid": "of-another", "panels": panels,
                   "templating": {"list": [fixed, listed]}})  # fmt: skip
    for number, place in ((1, THERE), (2, THERE), (3, "鹤城”、“中方"), (5, f"{THERE}001")):
        refused(doors, doors.panel("of-another", number, "here"), place)
        assert doors.panel("of-another", number, "clerk").status_code == 200
    assert figures(doors.panel("of-another", 4, "here")) == {"A": [[[1]]]}


def test_a_panel_of_cases_says_beside_a_countys_figures_which_county_they_are_of(
    doors: Doors,
) -> None:
    sql = f"SELECT count() FROM petitions_cases(at = {SPAN['to']})"
    doors.publish({"uid": "unplaced", "panels": [{"id": 1, "targets": [_desk(sql)]}]})
    said = {
        reader: frame["schema"]["meta"].get("notices")
        for reader in ("here", "clerk")
        for frame in doors.panel("unplaced", 1, reader).json()["results"]["A"]["frames"]
    }
    assert said == {"here": [{"severity": "warning", "text": f"仅含{NAME}"}], "clerk": None}


def test_a_county_without_a_desk_is_said_to_have_none(tmp_path: Path) -> None:
    config = ServerConfig(tmp_path / "state", boards=Path(publish.__file__).parent / "json")
    grants = Grants(tmp_path / "access.json")
    token = grants.add("desk", "clerk", County(HERE, NAME))
    source = {"name": "gulou-desk", "uid": "gulou-desk", "type": "grafana-clickhouse-datasource",
              "jsonData": {"host": "127.0.0.1", "port": 1}}  # fmt: skip
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with inside(config, TOKEN, grants=tmp_path / "access.json") as server:
        assert server.call("POST", "/api/datasources", source, bearer).status_code == 200
        doors = Doors(server, {"here": token}, config.state / "looks")
        doors.publish({"uid": "cases", "panels": [{"id": 1, "targets": [_desk("SELECT 1")]}]})
        answer = doors.panel("cases", 1, "here")
    # A published source is never asked with a county's password.
    (result,) = answer.json()["results"].values()
    assert (answer.status_code, f"没有{NAME}的数据源" in result["error"]) == (400, True)


def test_counties_share_no_answer(doors: Doors) -> None:
    sql = f"SELECT count() FROM petitions_cases(at = {SPAN['to']})"
    doors.publish({"uid": "shared", "panels": [{"id": 1, "targets": [_desk(sql)]}]})
    path, often = "/api/boards/shared/panels/1/query", ("refreshMs", "60000")
    for _ in range(2):
        found = {
            reader: figures(doors.get(path, reader, often))["A"]
            for reader in ("here", "there", "clerk")
        }
        assert found == {"here": [[[1]]], "there": [[[2]]], "clerk": [[[3]]]}


# ------------------------------------------------------------------------- what is on record


def test_a_countys_looks_and_what_it_was_refused_are_on_record(doors: Doors) -> None:
    (panel,) = (p for p in asking("gulou-petitions") if p["title"].startswith("逾期信访件"))
    before = len(doors.looked())
    assert doors.panel("gulou-petitions", panel["id"], "here", county=HERE).status_code == 200
    # An address may hold anything beside the board's variables.
    asked = {"county": EMPTY, "no-variable": "\x1b[2K", "$__all": "x"}
    refused(doors, doors.panel("gulou-petitions", panel["id"], "here", **asked), "中方县")
    shown, not_shown = doors.looked()[before:]
    common = {
        "who": "desk-here", "role": "clerk", "county": HERE, "address": "127.0.0.1",
        "forwarded": "", "board": "gulou-petitions", "panel": panel["id"], "variable": "",
        "since": "2021-06-01T00:00:00.000+08:00", "until": "2021-06-15T13:59:59.000+08:00",
        "sql": "",
    }  # fmt: skip
    assert {name: shown[name] for name in common} == common
    assert {name: not_shown[name] for name in common} == common
    assert (shown["query"], shown["refused"]) == ("A", "")
    assert shown["variables"]["county"] == [HERE]
    assert not_shown["variables"] == {"county": [EMPTY]}
    assert not_shown["refused"].startswith(f"您的账号只能查看{NAME}的数据")


def test_a_list_of_places_that_was_refused_is_on_record_too(doors: Doors) -> None:
    before = len(doors.looked())
    doors.variables("gulou-mediations", "here", county=EMPTY, elsewhere="x")
    (noted,) = doors.looked()[before:]
    place = {name: noted[name] for name in ("board", "panel", "variable", "variables")}
    assert place == {
        "board": "gulou-mediations", "panel": None, "variable": "county",
        "variables": {"county": [EMPTY]},
    }  # fmt: skip
    assert noted["refused"].startswith(f"您的账号只能查看{NAME}的数据，不能查看“中方县”")


def test_what_everybody_may_see_is_no_look_at_cases(doors: Doors) -> None:
    before, panel = doors.looked(), asking("gulou-wall")[0]
    for reader in ("", "here", "clerk", "auditor", "publisher"):
        assert doors.panel("gulou-wall", panel["id"], reader).status_code == 200
    assert doors.looked() == before
