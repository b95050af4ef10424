"""Every declared value has a Chinese name on the boards: officials cannot read codes."""

from __future__ import annotations

import re

import pytest

from dashboards.boards import every
from dashboards.queries import cases, wall
from dashboards.queries.pipeline import pipeline_refused
from schemas.families import families
from schemas.family import Family
from schemas.sql.published import published

CHINESE = re.compile(r"[\u4e00-\u9fff]")
WITH_CASES = [pytest.param(f, id=f.topic) for f in families() if f.fold]
WITH_CLOCKS = [pytest.param(f, id=f.topic) for f in families() if f.clocks]


def literals(sql: str) -> set[str]:
    return set(re.findall(r"'([^']*)'", sql))


@pytest.mark.parametrize("family", WITH_CASES)
def test_every_state_of_a_case_has_a_name_where_cases_stand(family: Family) -> None:
    assert family.fold is not None
    shown = literals(cases.states(family.topic))
    for stage in family.fold.stages:
        assert {stage.state, stage.zh} <= shown
        assert CHINESE.search(stage.zh)


@pytest.mark.parametrize("family", WITH_CLOCKS)
def test_every_clock_has_a_name_and_its_articles_in_the_alerts_and_in_its_table(
    family: Family,
) -> None:
    (alerts,) = (sql for sql in wall.alerts() if f"{family.topic}_duties" in sql)
    for sql in (alerts, cases.clocks(family.topic)):
        for clock in family.clocks:
            assert {clock.name, clock.basis} <= literals(sql)
            assert any(clock.zh in text for text in literals(sql))


def test_a_status_has_one_chinese_name_on_boards_and_in_the_catalogue() -> None:
    (view,) = (v for v in published(families(), "gulou", "UTC", "viewer") if v.name == "uncounted")
    said = dict(re.findall(r"(\w+) ([\u4e00-\u9fff]+)", view.columns["status"].zh))
    assert said == {
        "repeat": "重复",
        "conflict": "冲突",
        "orphan": "更正对象未到",
        "parked": "搁置",
        "dead": "死信",
    }
    assert {*said, *said.values()} <= literals(pipeline_refused())
    (board,) = (b for b in every() if b["uid"] == "gulou-pipeline")
    titles = [panel["title"] for panel in board["panels"]]
    for zh in said.values():
        assert [title for title in titles if title.startswith(f"{zh}（条）")]
