"""Every table, chart and map: its queries and the format of each column, written by hand.

`count` and `rate` are Grafana's units of numbers and of shares in percent, `.1` their decimals;
`hidden` columns only feed links. Columns not listed have the format of the picture.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from dashboards import boards
from dashboards.columns import columns_of
from dashboards.queries import funds, mediations, petitions, pipeline, places, visits, wall

EVERY = {board["uid"]: board for board in boards.every()}
KINDS: Final = ("barchart", "geomap", "piechart", "table", "timeseries")
UNITS: Final = {
    "locale": "count",
    "percentunit": "rate",
    "string": "text",
    "bytes": "bytes",
    "time:YYYY-MM-DD": "day",
    "time:MM-DD HH:mm:ss": "time",
    "time:MM-DD HH:mm": "minute",
}
HIDDEN: Final = {
    "custom.hidden": True,
    "custom.hideFrom.viz": True,
    "custom.hideFrom": {"viz": True, "legend": True, "tooltip": True},
    "unit": "string",
}
Picture = tuple[str, str, list[str], str, dict[str, str]]
"""Title, kind, queries, format of the picture, formats of single columns by shown name."""


def written(settings: dict[str, Any]) -> str:
    """Unit and decimals of a column, or `hidden`."""
    settings = {k: v for k, v in settings.items() if k not in ("custom.width", "links")}
    if settings == HIDDEN:
        return "hidden"
    words = [UNITS[settings.pop("unit")]] if "unit" in settings else []
    if (decimals := settings.pop("decimals", None)) is not None:
        words.append(f".{decimals:g}")
    assert not settings, settings
    return "".join(words)


def shown(panel: dict[str, Any]) -> Picture:
    """The entry of a panel in the tables."""
    config = panel["fieldConfig"]
    own = {name: config["defaults"].get(name) for name in ("unit", "decimals")}
    columns = {}
    for each in config["overrides"]:
        settings = {p["id"]: p["value"] for p in each["properties"]}
        name = settings.pop("displayName", each["matcher"]["options"])
        columns[name] = written(settings)
    assert {each["matcher"]["id"] for each in config["overrides"]} <= {"byName"}
    return (
        panel["title"],
        panel["type"],
        [target["rawSql"] for target in panel["targets"]],
        written({name: value for name, value in own.items() if value is not None}),
        {name: how for name, how in columns.items() if how},
    )


def display_names(panel: dict[str, Any]) -> dict[str, str]:
    """The name that a panel shows for a column, by column."""
    return {
        each["matcher"]["options"]: p["value"]
        for each in panel["fieldConfig"]["overrides"]
        for p in each["properties"]
        if p["id"] == "displayName"
    }


PERCENT, BAR, RING = "rate.1", "barchart", "piechart"
COUNTY: Final = {"县市区": "text", "code": "hidden"}
STEPS: Final = {"用时中位数（天）": ".1", "从": "text", "到": "text"}
CHANGES: Final = {"环比": PERCENT, "同比": PERCENT, "较均值": PERCENT, "指标": "text"}


def of_wall() -> list[Picture]:
    counties = wall.wall_counties()
    hidden = dict.fromkeys(("code", "value", "longitude", "latitude"), "hidden")
    mapped = {"code": "hidden", "own": "hidden"}
    return [
        ("各县市区：${figure:text}", BAR, counties, "count", hidden),
        ("怀化市地图：${figure:text}", "geomap", counties, "count", mapped),
        ("走访趋势（户次）", "timeseries", [wall.wall_visit_trend()], "count", {}),
        ("诉求、信访与调解趋势（件）", "timeseries", [wall.wall_trend()], "count", {}),
        ("预警：逾期事项（件）", "table", wall.alerts(), "count", {"code": "hidden"}),
        (
            "最新事件（件）",
            "table",
            [wall.newest_events()],
            "count",
            {"时间": "minute", "code": "hidden"},
        ),
    ]


def of_place(level: places.PlaceLevel) -> list[Picture]:
    trend = [places.place_trend(level)]
    below = {
        "名称": "text",
        "覆盖率": PERCENT,
        "基金余额（万元）": ".2",
        "code": "hidden",
    }
    last: Picture
    if level is places.VILLAGE:
        grids = {"微网格": "text", "最近走访": "day"}
        last = ("微网格（次、件、天）", "table", [places.microgrids()], "count", grids)
    else:
        name = {"county": "乡镇街道", "township": "村社区"}[level.name]
        children = list(places.place_children(level))
        last = (f"下一级：{name}（个、户次、件）", "table", children, "count", below)
    petitions_: list[Picture] = []
    if level is places.TOWNSHIP:
        named, asked = {"名称": "text", "code": "hidden"}, [places.villages_petitions()]
        petitions_ = [("各村社区信访（件）", "table", asked, "count", named)]
    return [
        (COMPARED, "table", places.place_compared(level), "count.1", CHANGES),
        ("走访与诉求趋势（户次、件）", "timeseries", trend, "count", {}),
        last,
        *petitions_,
    ]


COMPARED = "对比：本月至今、上月同期、去年同期、全市平均"


def of_micro_grid() -> list[Picture]:
    compared = places.place_compared(places.MICROGRID)
    means = [places.microgrid_compared()]
    return [
        (COMPARED, "table", compared, "count.2", CHANGES),
        ("对比：本年与各级平均（户次、件）", "table", means, "count.2", {"范围": "text"}),
    ]


def of_petitions() -> list[Picture]:
    clocks = {"按期率": PERCENT, "时限": "text", "依据": "text"}
    rates, satisfied = COUNTY | {"按期办结率": PERCENT}, COUNTY | {"满意率": PERCENT}
    late = COUNTY | {"信访件": "text"}
    counties = list(petitions.petition_counties())
    return [
        ("法定时限（件）", "table", [petitions.petition_clocks()], "count", clocks),
        ("办结期限分布（件）", BAR, [petitions.petition_due()], "count", {}),
        ("未结件龄（件，截至上月末）", BAR, [petitions.petition_ageing()], "count", {}),
        ("未结件所处环节（件，截至上月末）", BAR, [petitions.petition_states()], "count", {}),
        ("环节流转：从哪步到哪步（件）", "table", [petitions.petition_steps()], "count", STEPS),
        ("进与出（件）", "timeseries", [petitions.petition_flow()], "count", {}),
        ("各县市区（件）", "table", counties, "count", rates),
        ("各县市区满意率", "table", [petitions.petition_satisfaction()], "rate", satisfied),
        ("信访类别（件，截至上月末）", RING, [petitions.petition_kinds()], "count", {}),
        ("信访渠道（件，截至上月末）", RING, [petitions.petition_channels()], "count", {}),
        ("到访层级（件，截至上月末）", RING, [petitions.petition_levels()], "count", {}),
        ("逾期信访件（天）", "table", [petitions.petition_overdue_cases()], "count", late),
    ]


def of_mediations() -> list[Picture]:
    rates = COUNTY | {"成功率": PERCENT, "协议金额（万元，截至上月末）": ".1"}
    return [
        ("纠纷类型（件，截至上月末）", BAR, [mediations.mediation_types()], "count", {}),
        ("各县市区（件）", "table", list(mediations.mediation_counties()), "count", rates),
        ("来源（件，截至上月末）", RING, [mediations.mediation_origins()], "count", {}),
        ("结案去向（件）", RING, [mediations.mediation_ends()], "count", {}),
        ("环节流转：从哪步到哪步（件）", "table", [mediations.mediation_steps()], "count", STEPS),
        ("进与出（件）", "timeseries", [mediations.mediation_flow()], "count", {}),
        ("在办件龄（件，截至上月末）", BAR, [mediations.mediation_ageing()], "count", {}),
        ("在办环节（件，截至上月末）", BAR, [mediations.mediation_states()], "count", {}),
        ("调解员成功率", BAR, [mediations.mediation_mediators()], PERCENT, {}),
    ]


def of_visits() -> list[Picture]:
    rates = COUNTY | {"覆盖率": PERCENT}
    codes = dict.fromkeys(("county", "township", "village"), "hidden")
    unvisited = [visits.coverage_unvisited()]
    return [
        ("距上次走访（个）", BAR, [visits.coverage_recency()], "count", {}),
        ("走访人身份（户次）", RING, [visits.coverage_roles()], "count", {}),
        ("各县市区（个、户次、件）", "table", [visits.coverage_counties()], "count", rates),
        ("走访与诉求趋势（户次、件）", "timeseries", [visits.coverage_trend()], "count", {}),
        (
            "未走访微网格最多的村社区（个）",
            "table",
            unvisited,
            "count",
            {"县市区": "text", "村社区": "text"} | codes,
        ),
    ]


def of_funds() -> list[Picture]:
    money = {f"{name}（万元）": ".1" for name in ("累计筹集", "累计支出", "余额")}
    counties = COUNTY | money | {"使用率": PERCENT}
    return [
        ("资金来源（万元）", RING, [funds.fund_sources()], "count.0", {}),
        ("支出用途（万元）", RING, [funds.fund_uses()], "count.0", {}),
        ("筹集与支出（万元）", "timeseries", [funds.fund_trend()], "count", {}),
        ("各县市区（万元）", "table", [funds.fund_counties()], "count", counties),
        ("透支的基金（万元）", "table", [funds.fund_negative()], "count.2", {}),
    ]


def of_pipeline() -> list[Picture]:
    refused = {"最近一日": "day", "原因": "text", "原因代码": "text"}
    parts = {"水位": "time", "心跳": "time", "分区": "text"}
    projections, tables = pipeline.pipeline_projections(), pipeline.pipeline_tables()
    named = {"主题": "text", "统计表": "text"}
    return [
        ("入库速率（条/分钟）", "timeseries", [pipeline.pipeline_throughput()], "count.0", {}),
        ("各主题积压（条）", BAR, [pipeline.pipeline_lag()], "count", {}),
        ("未计入的消息（条）", "table", [pipeline.pipeline_refused()], "count", refused),
        ("投影水位（条）", "table", [projections], "count", named),
        ("数据块（个、行）", "table", [tables], "count", {"磁盘": "bytes", "数据表": "text"}),
        ("分区与水位（条）", "table", [pipeline.pipeline_parts()], "count", parts),
    ]


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


def pictures(uid: str) -> list[dict[str, Any]]:
    return [panel for panel in EVERY[uid]["panels"] if panel["type"] in KINDS]


def test_every_board_has_a_table_and_every_panel_is_of_a_kind_that_is_looked_at() -> None:
    assert set(TABLES) == set(EVERY)
    kinds = {panel["type"] for board in EVERY.values() for panel in board["panels"]}
    assert kinds == {*KINDS, "stat", "gauge", "text"}


@pytest.mark.parametrize("uid", TABLES)
def test_a_picture_shows_its_query_and_writes_each_column_as_it_should(uid: str) -> None:
    found = [shown(panel) for panel in pictures(uid)]
    assert [picture[0] for picture in found] == [picture[0] for picture in TABLES[uid]]
    for picture, expected in zip(found, TABLES[uid], strict=True):
        assert picture == expected


ORDERED: Final[list[tuple[str, Any]]] = [
    ("merge", {}),
    ("sortBy", {"sort": [{"field": "longest_days", "desc": True}]}),
]
"""Rows of two queries in one list, the longest overdue first."""


@pytest.mark.parametrize("uid", TABLES)
def test_rows_of_several_queries_are_one_table_and_alerts_the_longest_overdue_first(
    uid: str,
) -> None:
    for panel in pictures(uid):
        steps = [(s["id"], s["options"]) for s in panel.get("transformations") or ()]
        letters = "".join(target["refId"] for target in panel["targets"])
        assert letters == "ABCDEF"[: len(letters)]
        if panel["title"].startswith("预警"):
            assert steps == ORDERED
        else:
            assert steps == ([("merge", {})] if len(letters) > 1 else []), panel["title"]


def test_what_a_list_without_a_row_says() -> None:
    said = {
        panel["title"]: panel["fieldConfig"]["defaults"]["noValue"]
        for uid in TABLES
        for panel in pictures(uid)
    }
    assert {title: words for title, words in said.items() if words != "—"} == {
        "预警：逾期事项（件）": "没有逾期事项",
        "透支的基金（万元）": "没有透支的基金",
    }


def test_a_trend_is_of_whole_hours_and_the_pipelines_of_minutes() -> None:
    trends = [panel for uid in TABLES for panel in pictures(uid) if panel["type"] == "timeseries"]
    assert {p["title"]: p["interval"] for p in trends if p["interval"] != "1h"} == {
        "入库速率（条/分钟）": "1m"
    }
    for panel in trends:
        config, (target,) = panel["fieldConfig"]["defaults"], panel["targets"]
        # One line per value of the text column `line`, if the query has that column.
        named = config.get("displayName") == "${__field.labels.line}"
        assert named == (panel["title"] == "走访趋势（户次）")
        assert (target["format"], target["queryType"]) == (0, "timeseries")
        assert config["color"]["mode"] == "palette-classic"
        assert config["custom"]["showPoints"] == "auto"  # a single day has no line
        assert config["custom"]["spanNulls"] is False


@pytest.mark.parametrize("uid", TABLES)
def test_bars_lie_in_a_ranking_and_stand_in_a_distribution(uid: str) -> None:
    ages = {f"{what}件龄（件，截至上月末）" for what in ("未结", "在办")}
    standing = ages | {"办结期限分布（件）", "距上次走访（个）"}
    for panel in pictures(uid):
        if panel["type"] == BAR:
            lies = panel["options"]["orientation"] == "horizontal"
            assert lies == (panel["title"] not in standing), panel["title"]
            assert panel["options"]["legend"] == {"showLegend": False}
            custom = panel["fieldConfig"]["defaults"]["custom"]
            assert custom == {"fillOpacity": 85, "lineWidth": 0}, "full bars without a rim"
        if panel["type"] == RING:
            reduced = panel["options"]["reduceOptions"]
            assert reduced["values"] is True, "a part a row"
            legend = panel["options"]["legend"]
            assert (legend["showLegend"], legend["values"]) == (True, ["value", "percent"])
        if panel["type"] == "table":
            assert panel["options"]["showHeader"] is True
        if panel["type"] != "timeseries":
            assert {t["format"] for t in panel["targets"]} == {1}
            assert {t["queryType"] for t in panel["targets"]} == {"table"}


def test_the_map_draws_each_county_where_it_lies_as_large_as_its_figure() -> None:
    (panel,) = (p for p in pictures("gulou-wall") if p["type"] == "geomap")
    outlines, markers = panel["options"]["layers"]
    assert markers["location"] == {
        "mode": "coords", "latitude": "latitude", "longitude": "longitude",
    }  # fmt: skip
    style = markers["config"]["style"]
    fields = {name: style[name]["field"] for name in ("size", "color", "text")}
    assert fields == {"size": "value", "color": "value", "text": "name"}
    assert style["size"]["min"] < style["size"]["max"]
    assert (outlines["type"], markers["type"]) == ("geojson", "markers")
    # The tooltip says which figure it is.
    assert display_names(panel)["value"] == "${figure:text}"
    # The centre of the city.
    view = panel["options"]["view"]
    assert (view["lat"], view["lon"], view["zoom"]) == (27.3, 109.9, 7.6)
    assert panel["fieldConfig"]["defaults"]["color"]["mode"] == "continuous-blues"


NAMES_OF_LINES: Final = {
    "诉求、信访与调解趋势（件）": ["诉求登记", "诉求办结", "信访登记", "调解成功"],
    "走访与诉求趋势（户次、件）": ["走访登记", "诉求登记", "诉求办结"],
    "筹集与支出（万元）": ["筹集", "支出"],
    "入库速率（条/分钟）": ["幸福基金", "调解", "信访", "走访"],
    ("gulou-petitions", "进与出（件）"): ["登记", "受理", "答复", "办结"],
    ("gulou-mediations", "进与出（件）"): ["登记", "达成协议", "终止", "履行"],
}


@pytest.mark.parametrize("uid", TABLES)
def test_every_column_and_line_has_a_chinese_name_of_its_own(uid: str) -> None:
    for panel in pictures(uid):
        named = display_names(panel)
        assert len(set(named.values())) == len(named), panel["title"]
        if panel["type"] == "timeseries" and panel["title"] != "走访趋势（户次）":
            lines = NAMES_OF_LINES.get((uid, panel["title"])) or NAMES_OF_LINES[panel["title"]]
            assert list(named.values()) == lines, panel["title"]
        if panel["type"] == "table":
            hidden = {"code", "county", "township", "village"}
            shown = {c for target in panel["targets"] for c in columns_of(target["rawSql"])}
            assert {name for name in shown if name not in named} <= hidden, panel["title"]
            assert not [zh for zh in named.values() if zh.isascii()]
