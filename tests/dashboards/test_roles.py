"""Which role a panel needs, and the boards of an organisation that has one role's data source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards import boards, publish
from dashboards.boards._default import of_family
from dashboards.roles import SOURCES, boards_of, role_of, sourced
from schemas.families import families
from schemas.grain import ROLES, Role
from tests.dashboards.servers import board_server
from tests.dashboards.shipped import HOUR_MS
from tests.histories.told import ms
from tests.town import Town

TOKEN = "a-long-word-for-the-test"
AT, SINCE = "2021-12-31 23:59:59", "2021-12-01"
DEFAULT = [of_family(found) for found in families()]
SHOWN = [*boards.every(), *DEFAULT]
FINER = {
    "gulou-township": {"各村社区信访（件）", "本年调解成功率"},
    "gulou-village": {
        *("全年信访登记（件）", "全年调解登记（件）", "全年调解成功率"),
    },
    "gulou-petitions": {
        *(
            "办结期限分布（件）",
            "参评率",
            "满意率",
            "各县市区满意率",
            "环节流转：从哪步到哪步（件）",
            "逾期信访件（天）",
        ),
    },
    "gulou-mediations": {
        *("协议履行率", "司法确认申请（件）", "结案去向（件）", "环节流转：从哪步到哪步（件）"),
        "调解员成功率",
    },
    "gulou-funds": {"本年帮扶（人次）"},
}
"""The panels that are for clerks, by board."""


def asked(board: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What asks (a panel's or variable's title), the uid of its data source, its SQL."""
    for panel in board["panels"]:
        for target in panel.get("targets") or ():
            yield (
                panel["title"].removesuffix("${fresh}"),
                target["datasource"]["uid"],
                target["rawSql"],
            )
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["datasource"]["uid"], variable["query"]["rawSql"]


@pytest.mark.parametrize(
    ("sql", "role"),
    [
        ("SELECT sum(net_count) FROM visits_by_village_day", "viewer"),
        ("SELECT 1", "viewer"),
        ("SELECT case FROM petitions_cases(at = 1)", "clerk"),
        ("SELECT 1 FROM divisions AS d LEFT JOIN mediations_steps AS s ON 1", "clerk"),
        # A view that viewers have, and a column of it that they do not.
        ("SELECT sum(net_amount) FROM funds_by_village_day", "viewer"),
        ("SELECT sum(net_amount), sum(net_helped) FROM funds_by_village_day", "clerk"),
        ("SELECT sum(net_helped) FROM funds_by_county_year", "viewer"),
        # What looks closer at cases than a county's totals: once the month is over.
        ("SELECT sum(open_cases) FROM petitions_pending(at = 1)", "viewer"),
        ("SELECT sum(open_cases) FROM petitions_pending(at = 1) WHERE township = ''", "clerk"),
        ("SELECT township FROM petitions_pending_before(at = 1)", "viewer"),
        ("SELECT part FROM petitions_breakdown(at = 1)", "clerk"),
        ("SELECT part FROM petitions_breakdown_before(at = 1)", "viewer"),
        ("SELECT sum(net_people) FROM petitions_by_county_hour", "clerk"),
        ("SELECT sum(net_people) FROM petitions_by_county_month", "viewer"),
        ("SELECT kind FROM petitions_by_county_hour", "clerk"),
        # Names in a text are no names.
        ("SELECT 'petitions_cases' FROM labels WHERE zh = 'it\\'s petitions_steps'", "viewer"),
        ("SELECT net_helped FROM labels", "viewer"),
    ],
)  # fmt: skip
def test_a_query_needs_the_role_whose_views_can_answer_it(sql: str, role: Role) -> None:
    assert role_of(sql) == role
    assert role_of("SELECT 1", sql, "SELECT 2") == role


@pytest.mark.parametrize("board", SHOWN, ids=lambda board: board["uid"])
def test_panels_that_are_too_fine_for_viewers_ask_the_clerks_source(board: dict[str, Any]) -> None:
    finer = {what for what, uid, _ in asked(board) if uid == "gulou-desk"}
    assert {uid for _, uid, _ in asked(board)} <= {"${source}", "gulou-desk"}
    for panel in board["panels"]:
        if targets := panel.get("targets"):
            assert {t["datasource"]["uid"] for t in targets} == {panel["datasource"]["uid"]}
    if board in boards.every():
        assert finer == FINER.get(board["uid"], set())


@pytest.mark.parametrize("board", DEFAULT, ids=lambda board: board["uid"])
@pytest.mark.parametrize("role", ROLES)
def test_the_source_of_every_panel_of_a_default_board_can_answer_it(
    board: dict[str, Any], role: Role, town: Town
) -> None:
    (made,) = boards_of(role, [board])
    values = {
        "county": "431202", "township": "431202001", "village": "431202001001",
        "grid": "431202001001001", "figure": "visits",
    }  # fmt: skip
    uids = {uid.replace("${source}", SOURCES[role]) for _, uid, _ in asked(made)}
    assert uids == {SOURCES[role]}
    for _, _, sql in asked(made):
        town.shipped.asked_by(role, sql, AT, SINCE, HOUR_MS, values)


@pytest.mark.parametrize("role", ROLES)
def test_an_organisation_with_one_source_answers_every_query_of_its_boards(
    role: Role, town: Town, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(TOKEN)
    made, options = boards_of(role, boards.every()), ("--token-file", str(tmp_path / "token"))
    town.beat()
    with board_server(tmp_path / "state", *options, token=TOKEN) as server:
        grafana = publish.Grafana(server.url, TOKEN)
        publish.publish(grafana, [town.shipped.sources[role]], made, lambda _told: None)
        assert [source["uid"] for source in grafana.get("/datasources")] == [SOURCES[role]]
        assert publish.drift(grafana, [town.shipped.sources[role]], made) == []
        end = ms(AT)
        asked_ = list(
            publish.check(grafana, SOURCES[role], made, start_ms=end - publish.DAY_MS, end_ms=end)
        )
    assert len(asked_) > 100
    assert [one for one in asked_ if one.error] == []


def test_a_list_of_cases_in_a_variable_is_asked_of_the_clerks_source() -> None:
    def listed(sql: str) -> dict[str, Any]:
        return {"type": "query", "datasource": {"uid": "${source}"}, "query": {"rawSql": sql}}

    open_, cases = (
        listed("SELECT code FROM divisions"),
        listed("SELECT case FROM petitions_cases(at = 1)"),
    )
    sourced({"templating": {"list": [{"type": "custom"}, open_, cases]}, "panels": []})
    assert open_["datasource"] == {"uid": "${source}"}
    assert cases["datasource"] == {"uid": SOURCES["clerk"]}


def test_viewers_boards_say_in_chinese_what_is_not_for_them() -> None:
    for board in boards_of("viewer", boards.every()):
        assert "gulou-desk" not in json.dumps(board)
        notes = {
            panel["title"].removesuffix("${fresh}"): panel["options"]["content"]
            for panel in board["panels"]
            if panel["type"] == "text"
        }
        (original,) = (each for each in boards.every() if each["uid"] == board["uid"])
        for panel in original["panels"]:
            if panel["type"] == "text":
                del notes[panel["title"]]
        assert notes.keys() == FINER.get(board["uid"], set())
        assert set(notes.values()) <= {"本图的数据细于公开口径，仅供经办人员查看。"}
        spots = [[panel["gridPos"] for panel in each["panels"]] for each in (board, original)]
        assert spots[0] == spots[1]


@pytest.mark.parametrize("role", ROLES)
def test_boards_of_a_role_begin_with_its_own_source(role: Role) -> None:
    for board in boards_of(role, boards.every()):
        source = board["templating"]["list"][0]
        assert source["current"] == {"text": SOURCES[role], "value": SOURCES[role]}
        # Beside the viewers' source, that of the clerks is no choice: its panels name it.
        assert bool(source["regex"]) is (role == "viewer")


def test_an_organisation_gets_one_role_and_nothing_of_the_other() -> None:
    for role in ROLES:
        text = json.dumps(boards_of(role, boards.every()))
        (other,) = set(SOURCES.values()) - {SOURCES[role]}
        assert f'"uid": "{other}"' not in text
    assert publish.playlist(boards_of("viewer", boards.every())) == publish.playlist(boards.every())
