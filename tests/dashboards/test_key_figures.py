"""Every key figure of every board: its query, format and colour thresholds.

The tables are written by hand from the descriptions. A colour starts at its number: `■ 0.9 ▲ 0.95
●` is bad below 0.9 and good from 0.95 on. `rate.1` is a share in percent with one decimal.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from dashboards import boards
from dashboards.queries import (
    freshness,
    funds,
    mediations,
    petitions,
    pipeline,
    places,
    visits,
    wall,
)
from dashboards.queries.pieces import EVERYWHERE

SHAPES: Final = {"#56a8f5": "●", "#f0b429": "▲", "#ff7a5c": "■"}
CALM, NONE_MAY_BE = "●", "● 1 ■"
ON_TIME, COVERED, SUCCESS = "■ 0.9 ▲ 0.95 ●", "■ 0.9 ▲ 0.98 ●", "■ 0.8 ▲ 0.9 ●"
UNITS: Final = {"locale": "count", "percentunit": "rate", "s": "seconds"}

Key = tuple[str, str, str, str, str]
"""Title, query, column of the query, format, colours."""


def shown(panel: dict[str, Any]) -> Key:
    """The key figure of a stat or gauge."""
    defaults, options = panel["fieldConfig"]["defaults"], panel["options"]
    (target,) = panel["targets"]
    column = options["reduceOptions"]["fields"]
    assert column.startswith("/^") and column.endswith("$/"), column
    decimals = defaults.get("decimals")
    written = UNITS[defaults["unit"]] + ("" if decimals is None else f".{decimals:g}")
    return (
        panel["title"].removesuffix("${fresh}"),
        target["rawSql"],
        column[2:-2],
        written,
        colours(defaults),
    )


def colours(defaults: dict[str, Any]) -> str:
    """Thresholds in the notation of the tables below."""
    assert defaults["thresholds"]["mode"] == "absolute"
    assert defaults["color"]["mode"] == "thresholds"
    first, *steps = defaults["thresholds"]["steps"]
    assert first.get("value") is None
    return " ".join(
        [SHAPES[first["color"]], *(f"{s['value']:g} {SHAPES[s['color']]}" for s in steps)]
    )


def of_wall() -> list[Key]:
    household, backlog = visits.hourly_visits(EVERYWHERE), petitions.petition_backlog(EVERYWHERE)
    disputes, funds = mediations.mediation_figures(EVERYWHERE), wall.wall_funds()
    punctual = petitions.petition_punctuality(EVERYWHERE)
    return [
        ("今日走访（户次）", household, "visits_today", "count", CALM),
        ("本年走访（户次）", household, "visits_year", "count", CALM),
        ("今日诉求登记（件）", household, "raised_today", "count", CALM),
        ("本年诉求登记（件）", household, "raised_year", "count", CALM),
        ("今日诉求办结（件）", household, "closed_today", "count", CALM),
        ("本年诉求办结（件）", household, "closed_year", "count", CALM),
        ("今日信访登记（件）", backlog, "registered_today", "count", CALM),
        ("本年信访登记（件）", backlog, "registered_year", "count", CALM),
        ("未结信访（件）", backlog, "open_now", "count", CALM),
        ("逾期信访（件）", backlog, "overdue_now", "count", NONE_MAY_BE),
        ("按期办结率", punctual, "closed_on_time", "rate.1", ON_TIME),
        ("本年调解成功率", disputes, "success", "rate.1", CALM),
        ("在办调解（件）", disputes, "open_now", "count", CALM),
        ("幸福基金余额（万元）", funds, "balance_now", "count.0", CALM),
        ("基金使用率", funds, "used", "rate.1", CALM),
    ]


def of_place(level: places.PlaceLevel) -> list[Key]:
    visits, coverage = places.place_visits(level), places.place_coverage(level)
    return [
        ("今日走访（户次）", visits, "visits_today", "count", CALM),
        ("本年走访（户次）", visits, "visits_year", "count", CALM),
        ("微网格覆盖率", coverage, "covered", "rate.1", COVERED),
        ("本年诉求登记（件）", visits, "raised_year", "count", CALM),
        ("本年诉求办结（件）", visits, "closed_year", "count", CALM),
        *(of_village() if level is places.VILLAGE else of_cases(level)),
    ]


def of_cases(level: places.PlaceLevel) -> list[Key]:
    where = f"{level.name} = decodeURLComponent('${{{level.name}:percentencode}}')"
    backlog, punctual = petitions.petition_backlog(where), petitions.petition_punctuality(where)
    mediations, funds = places.place_mediations(level), places.place_funds(level)
    if level is places.TOWNSHIP:
        standing = petitions.petition_standing(where)
        punctual = petitions.petition_punctuality_before(where)
        return [
            ("本年信访登记（件，截至上月末）", standing, "registered_year", "count", CALM),
            ("未结信访（件，截至上月末）", standing, "open_now", "count", CALM),
            ("逾期信访（件，截至上月末）", standing, "overdue_now", "count", NONE_MAY_BE),
            ("按期办结率（截至上月末）", punctual, "closed_on_time", "rate.1", ON_TIME),
            ("本年调解成功率", mediations, "success", "rate.1", CALM),
            ("幸福基金余额（万元）", funds, "balance_now", "count.1", CALM),
        ]
    return [
        ("本年信访登记（件）", backlog, "registered_year", "count", CALM),
        ("未结信访（件）", backlog, "open_now", "count", CALM),
        ("逾期信访（件）", backlog, "overdue_now", "count", NONE_MAY_BE),
        ("按期办结率", punctual, "closed_on_time", "rate.1", ON_TIME),
        ("本年调解成功率", mediations, "success", "rate.1", CALM),
        ("幸福基金余额（万元）", funds, "balance_now", "count.1", CALM),
    ]


def of_village() -> list[Key]:
    level = places.VILLAGE
    mediations, funds = places.place_mediations(level), places.place_funds(level)
    return [
        ("全年信访登记（件）", places.village_petitions(), "registered_year", "count", CALM),
        ("全年调解登记（件）", mediations, "filed_year", "count", CALM),
        ("从未走访微网格（个）", places.place_coverage(level), "never", "count", NONE_MAY_BE),
        ("累计筹集（万元）", funds, "raised_all", "count.2", CALM),
        ("基金使用率", funds, "used", "rate.1", CALM),
        ("全年调解成功率", mediations, "success", "rate.1", CALM),
        ("幸福基金余额（万元）", funds, "balance_now", "count.1", CALM),
    ]


def of_micro_grid() -> list[Key]:
    one = places.microgrid()
    return [
        ("本年走访（户次）", one, "visits_year", "count", CALM),
        ("历年走访（户次）", one, "visits_all", "count", CALM),
        ("距上次走访（天）", one, "idle_days", "count", "● 90 ▲ 180 ■"),
        ("本年诉求登记（件）", one, "raised_year", "count", CALM),
        ("本年诉求办结（件）", one, "closed_year", "count", CALM),
    ]


def of_petitions() -> list[Key]:
    backlog, punctual = petitions.petition_backlog(), petitions.petition_punctuality()
    people, repeated = petitions.petition_people(), petitions.petition_repeated()
    ratings = petitions.petition_ratings()
    return [
        ("本年登记（件次）", backlog, "registered_year", "count", CALM),
        ("本年人次（人次，截至上月末）", people, "people_year", "count", CALM),
        ("未结（件）", backlog, "open_now", "count", CALM),
        ("逾期（件）", backlog, "overdue_now", "count", NONE_MAY_BE),
        ("重件率（截至上月末）", repeated, "repeated_share", "rate.1", CALM),
        ("及时受理率", punctual, "accepted_on_time", "rate.1", ON_TIME),
        ("按期办结率", punctual, "closed_on_time", "rate.1", ON_TIME),
        ("参评率", ratings, "rated_share", "rate.1", "■ 0.4 ▲ 0.6 ●"),
        ("满意率", ratings, "satisfied_share", "rate.1", SUCCESS),
    ]


def of_mediations() -> list[Key]:
    figures, after = mediations.mediation_figures(), mediations.mediation_after()
    overdue, averted = mediations.mediation_overdue(), mediations.mediation_averted()
    return [
        ("本年登记（件）", figures, "filed_year", "count", CALM),
        ("在办（件）", figures, "open_now", "count", CALM),
        ("法院委托逾期（件）", overdue, "overdue_now", "count", NONE_MAY_BE),
        (
            "协议金额（万元，截至上月末）",
            mediations.mediation_amount(),
            "amount_year",
            "count.0",
            CALM,
        ),
        ("司法确认申请（件）", after, "confirmations_year", "count", CALM),
        ("调解成功率", figures, "success", "rate.1", SUCCESS),
        ("协议履行率", after, "performed", "rate.1", SUCCESS),
        ("防止民转刑（件，截至上月末）", averted, "crime_year", "count", CALM),
        ("防止群体性上访（件，截至上月末）", averted, "group_year", "count", CALM),
    ]


def of_visits() -> list[Key]:
    figures = visits.coverage_figures()
    return [
        ("本年走访（户次）", figures, "visits_year", "count", CALM),
        ("微网格总数（个）", figures, "all_grids", "count", CALM),
        ("从未走访（个）", figures, "never", "count", NONE_MAY_BE),
        ("本年诉求登记（件）", figures, "raised_year", "count", CALM),
        ("本年诉求办结（件）", figures, "closed_year", "count", CALM),
        ("微网格覆盖率", figures, "covered", "rate.1", COVERED),
        ("诉求办结与登记之比", figures, "closed_to_raised", "rate.1", CALM),
    ]


def of_funds() -> list[Key]:
    figures, year = funds.fund_figures(), funds.fund_year()
    return [
        ("累计筹集（万元）", figures, "raised_all", "count.0", CALM),
        ("累计支出（万元）", figures, "spent_all", "count.0", CALM),
        ("余额（万元）", figures, "balance_now", "count.0", CALM),
        ("透支账户（个）", figures, "negative", "count", NONE_MAY_BE),
        ("使用率", figures, "used", "rate.1", CALM),
        ("本年筹集（万元）", year, "raised_year", "count.0", CALM),
        ("本年支出（万元）", year, "spent_year", "count.0", CALM),
        ("本年微公益项目（个）", year, "projects_year", "count", CALM),
        ("本年收支差（万元）", year, "net_year", "count.0", CALM),
        ("历年帮扶（人次）", funds.fund_helped_before(), "helped_all", "count", CALM),
        ("本年帮扶（人次）", funds.fund_helped(), "helped_year", "count", CALM),
    ]


def of_pipeline() -> list[Key]:
    now, refused = pipeline.pipeline_now(), pipeline.pipeline_refused_totals()
    return [
        ("积压（条）", now, "behind", "count", "● 1000 ▲ 10000 ■"),
        # 30 s without a heartbeat is a standstill.
        ("最旧心跳", now, "beat_age", "seconds", "● 10 ▲ 30 ■"),
        ("最新消息距今", now, "newest_age", "seconds", CALM),
        ("已入库（条）", now, "stored_all", "count", CALM),
        ("分区（个）", now, "partitions", "count", CALM),
        ("重复（条）", refused, "repeats", "count", CALM),
        ("冲突（条）", refused, "conflicts", "count", NONE_MAY_BE),
        ("更正对象未到（条）", refused, "orphans", "count", CALM),
        ("搁置（条）", refused, "parkeds", "count", CALM),
        ("死信（条）", refused, "deads", "count", NONE_MAY_BE),
    ]


EVERY = {board["uid"]: board for board in boards.every()}
TABLES: Final = {
    "gulou-wall": of_wall(),
    "gulou-county": of_place(places.COUNTY),
    "gulou-township": of_place(places.TOWNSHIP),
    "gulou-village": of_place(places.VILLAGE),
    "gulou-microgrid": of_micro_grid(),
    "gulou-petitions": of_petitions(),
    "gulou-mediations": of_mediations(),
    "gulou-visits": of_visits(),
    "gulou-funds": of_funds(),
    "gulou-pipeline": of_pipeline(),
}


def figures(uid: str) -> list[dict[str, Any]]:
    """The stats and gauges of a board, except its freshness tile."""
    return [
        panel
        for panel in EVERY[uid]["panels"]
        if panel["type"] in ("stat", "gauge") and panel["title"] != "数据状态"
    ]


def test_every_board_has_a_table() -> None:
    assert set(TABLES) == set(EVERY)


@pytest.mark.parametrize("uid", TABLES)
def test_a_key_figure_shows_its_column_in_its_unit_and_its_colours(uid: str) -> None:
    found = [shown(panel) for panel in figures(uid)]
    assert [key[0] for key in found] == [key[0] for key in TABLES[uid]]
    for key, expected in zip(found, TABLES[uid], strict=True):
        assert key == expected


@pytest.mark.parametrize("uid", TABLES)
def test_a_figure_is_its_last_value_and_a_dash_while_there_is_none(uid: str) -> None:
    dials = set()
    for panel in figures(uid):
        defaults, options = panel["fieldConfig"]["defaults"], panel["options"]
        reduced = options["reduceOptions"]
        assert (reduced["calcs"], reduced["values"]) == (["lastNotNull"], False), panel["title"]
        assert defaults["noValue"] == "—"
        if panel["type"] == "gauge":
            dials.add(panel["title"].removesuffix("${fresh}"))
            assert (defaults["min"], defaults["max"]) == (0, 1)
            assert options["showThresholdMarkers"] is True
            assert defaults["unit"] == "percentunit"
        else:
            assert (options["colorMode"], options["textMode"]) == ("value", "value")
            assert options["text"] == {}  # a fixed size would cut off digits on a small screen
            assert "min" not in defaults and "max" not in defaults
    assert dials == {
        "gulou-petitions": {"及时受理率", "按期办结率", "参评率", "满意率"},
        "gulou-mediations": {"调解成功率", "协议履行率"},
        "gulou-visits": {"微网格覆盖率"},
        "gulou-funds": {"使用率"},
    }.get(uid, set())


@pytest.mark.parametrize("uid", EVERY)
def test_whether_to_believe_a_board_is_calm_only_while_all_is_well(uid: str) -> None:
    (trust,) = (panel for panel in EVERY[uid]["panels"] if panel["title"] == "数据状态")
    (target,) = trust["targets"]
    defaults, options = trust["fieldConfig"]["defaults"], trust["options"]
    assert (target["refId"], target["rawSql"]) == ("freshness", freshness.freshness())
    assert options["reduceOptions"]["fields"] == "/^reason$/"
    assert defaults["unit"] == "string"
    assert options["text"]["valueSize"] == (28 if uid == "gulou-wall" else 17)
    # A text that begins with 正常 is calm; all others warn.
    assert colours(defaults) == "■"
    (mapping,) = defaults["mappings"]
    assert (mapping["type"], mapping["options"]["pattern"]) == (
        "regex",
        "/^(正常 · 最新消息 |正常 · 回放数据，不再更新)/",
    )
    assert SHAPES[mapping["options"]["result"]["color"]] == "●"


@pytest.mark.parametrize("level", ["county", "township", "village"])
def test_a_figure_of_the_whole_year_says_so_in_its_description(level: str) -> None:
    told = {panel["title"]: panel["description"] for panel in figures(f"gulou-{level}")}
    years = {title: text for title, text in told.items() if "Calendar year" in text}
    assert years
    for title, text in years.items():
        # What a village shows of cases is a whole year's, whatever day the range ends.
        assert ("all of it" in text) == title.startswith("全年"), title
