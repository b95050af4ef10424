"""Shared parts of the drill-down boards: county, township, village and micro-grid (D-61)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from grafana_foundation_sdk.models import dashboard as sdk

from dashboards.boards._shared import (
    COVERED,
    HIDDEN,
    MANY,
    PERCENT,
    RATE,
    TRUST,
    before,
    type_names,
)
from dashboards.layout import Placed, board, query_variable
from dashboards.panels import Number, Unit, stat, table, trend, trust, url_of
from dashboards.queries import choices, freshness, petitions, places
from dashboards.queries.pieces import VISIT_TYPES

_LEDGERS: Final = "Sources: household visit forms and the counties' ledgers."
_VALUES: Final = {name: "${%s:percentencode}" % name for name in ("county", "township", "village")}  # noqa: UP031
_DOWN: Final = {
    "county": ("gulou-township", "township", ("county",)),
    "township": ("gulou-village", "village", ("county", "township")),
    "village": ("gulou-microgrid", "grid", ("county", "township", "village")),
}
_PARENTS: Final = ("全市", "县市区", "乡镇街道", "村社区")
_UIDS: Final = ("gulou-wall", "gulou-county", "gulou-township", "gulou-village")


def of_level(
    level: places.PlaceLevel, uid: str, title: str, description: str, panels: Sequence[Placed]
) -> dict[str, Any]:
    """The board of one level, with the variables that choose its place and the link up."""
    depth = _LEVELS.index(level)
    way = (f"↑ {_PARENTS[depth]}", up(_UIDS[depth], depth))
    chain = _chain()[: depth + 1]
    return board(uid, title, description, panels, chain, up=way, listed=level is places.COUNTY)


_LEVELS: Final = (places.COUNTY, places.TOWNSHIP, places.VILLAGE, places.MICROGRID)


def _chain() -> list[sdk.VariableModel]:
    """Variables for county, township, village and micro-grid; each lists places in the one above."""
    return [
        query_variable("county", "县市区", choices.county_options()),
        query_variable("township", "乡镇街道", choices.below("township", "county")),
        query_variable("village", "村社区", choices.below("village", "township")),
        # Timely: the options are the micro-grids visited by the end of the time range.
        query_variable("grid", "微网格", places.grid_options(), timely=True),
    ]


def up(uid: str, depth: int) -> str:
    """Address of a higher board that takes the first `depth` places chosen on this board."""
    return url_of(uid, **dict(list(_VALUES.items())[:depth]))


def _themes() -> dict[str, tuple[str, str]]:
    """Links to the theme boards, with the county chosen here."""
    here = {"county": "${county:percentencode}"}
    return {
        "visits": ("走访覆盖", url_of("gulou-visits", **here)),
        "petitions": ("信访诉求", url_of("gulou-petitions", **here)),
        "mediations": ("矛盾调解", url_of("gulou-mediations", **here)),
        "funds": ("幸福基金", url_of("gulou-funds", **here)),
    }


def panels(level: places.PlaceLevel) -> list[Placed]:
    """Figures, comparison, trend and the places one level below."""
    to_visits = _themes()["visits"]
    return [
        *_visit_figures(level),
        *_case_and_fund_figures(level),
        (compared(level, to_visits, _LEDGERS, decimals=1), 13, 9),
        (trend(Number("走访与诉求趋势（户次、件）", Unit.COUNT, "Visits, requests raised and closed by "
         "day. Source: household visit form.", to_visits), places.place_trend(level), type_names("visits", VISIT_TYPES)), 11, 9),
        (_below(level), 24 if level is not places.TOWNSHIP else 18, 14),
        *([(_petitions_below(), 6, 14)] if level is places.TOWNSHIP else []),
    ]  # fmt: skip


def _visit_figures(
    level: places.PlaceLevel,
) -> list[Placed]:
    span = "hour in which the range ends" if level is places.COUNTY else "day on which it ends"
    year = f"Calendar year of the end of the range, to the end of the {span}."
    visits, to_visits = places.place_visits(level), _themes()["visits"]
    return [
        (stat(Number("今日走访（户次）", Unit.COUNT, f"Household visits of the day of the end of the "
         f"range, to the end of the {span}, voided ones taken off. Source: household visit form.",
         to_visits, column="visits_today"), visits), 4, 4),
        (stat(Number("本年走访（户次）", Unit.COUNT, f"Household visits, voided ones taken off. {year} "
         "Source: household visit form.", to_visits, column="visits_year"), visits), 4, 4),
        (stat(Number("微网格覆盖率", Unit.RATE, "Micro-grids visited this year / all micro-grids of "
         "the place. Source: 党建+微网格.", to_visits, COVERED, "covered", 1),
         places.place_coverage(level)), 4, 4),
        (stat(Number("本年诉求登记（件）", Unit.COUNT, f"Requests raised in visits. {year} Source: "
         "联系服务群众五个到户.", to_visits, column="raised_year"), visits), 4, 4),
        (stat(Number("本年诉求办结（件）", Unit.COUNT, f"Requests closed. {year} Source: "
         "联系服务群众五个到户.", to_visits, column="closed_year"), visits), 4, 4),
        (trust(TRUST, freshness.freshness()), 4, 4),
    ]  # fmt: skip


def _case_and_fund_figures(level: places.PlaceLevel) -> list[Placed]:
    at_village = level is places.VILLAGE
    whole = "Calendar year of the end of the range, all of it: below the township the year is one."
    case_year = whole if at_village else "Calendar year of the end of the range, to it."
    span = "全年" if at_village else "本年"
    at_township = level is places.TOWNSHIP
    ended, as_of = before("petitions")
    filed_in = f"{as_of} Calendar year of that day." if at_township else case_year
    wide = 3 if at_village else 4  # seven figures in its second row
    to = _themes()
    to_petitions, to_mediations, to_funds = to["petitions"], to["mediations"], to["funds"]
    filed = places.village_petitions() if at_village else _petitions(level)
    until = f"，{ended}" if at_township else ""
    mediations, funds = places.place_mediations(level), places.place_funds(level)
    return [
        (stat(Number(f"{span}信访登记（件{until}）", Unit.COUNT, f"Petitions registered. {filed_in} Source: "
         "信访工作条例 22; 检举控告 counts at county level only (30).", to_petitions,
         column="registered_year"), filed), wide, 4),
        *(_village_figures(case_year) if at_village else _petition_figures(level)),
        (stat(Number(f"{span}调解成功率", Unit.RATE, f"Agreements / disputes ended, by agreement or "
         f"without. {case_year} Source: 人民调解法 28-31.",
         to_mediations, column="success", decimals=1), mediations), wide, 4),
        (stat(Number("幸福基金余额（万元）", Unit.COUNT, "Raised less disbursed, all years to the end "
         "of the day on which the range ends. Source: fund ledgers of the villages.", to_funds,
         column="balance_now", decimals=1), funds), 4, 4),
    ]  # fmt: skip


def _petition_figures(level: places.PlaceLevel) -> list[Placed]:
    backlog, to_petitions = _petitions(level), _themes()["petitions"]
    punctual, until, at = petitions.petition_punctuality(level.here), "", ""
    if level is places.TOWNSHIP:
        punctual = petitions.petition_punctuality_before(level.here)
        until, at = before("petitions")
        at = f"{at} "
    count, rate = (f"（件，{until}）", f"（{until}）") if until else ("（件）", "")
    return [
        (stat(Number(f"未结信访{count}", Unit.COUNT, f"{at}Registered and not ended by then. "
         "Source: 信访工作条例 22-36.", to_petitions, column="open_now"), backlog), 4, 4),
        (stat(Number(f"逾期信访{count}", Unit.COUNT, f"{at}Past at least one legal due date not met. "
         "信访工作条例 22, 23, 34, 35, 36.", to_petitions, MANY,
         "overdue_now"), backlog), 4, 4),
        (stat(Number(f"按期办结率{rate}", Unit.RATE, f"{at}Closed in time / all whose closing was due or "
         "done, open overdue ones included; withdrawn, merged or refused before their day: "
         "in neither. 信访工作条例 34.", to_petitions, RATE, "closed_on_time", 1),
         punctual), 4, 4),
    ]  # fmt: skip


def _petitions(level: places.PlaceLevel) -> str:
    """Counts of a county's petitions as they move, of a township's once the month is over."""
    if level is places.TOWNSHIP:
        return petitions.petition_standing(level.here)
    return petitions.petition_backlog(level.here)


def _village_figures(case_year: str) -> list[Placed]:
    level, to = places.VILLAGE, _themes()
    to_visits, to_mediations, to_funds = to["visits"], to["mediations"], to["funds"]
    mediations, funds = places.place_mediations(level), places.place_funds(level)
    return [
        (stat(Number("全年调解登记（件）", Unit.COUNT, f"Disputes filed. {case_year} Source: "
         "人民调解法 17.", to_mediations, column="filed_year"), mediations), 3, 4),
        (stat(Number("从未走访微网格（个）", Unit.COUNT, "Micro-grids of the village's register "
         "less those with any visit. The register gives their number and not their codes, so "
         "they cannot be opened one by one. Source: 党建+微网格 register, household visit "
         "form.", to_visits, MANY, "never"),
         places.place_coverage(level)), 4, 4),
        (stat(Number("累计筹集（万元）", Unit.COUNT, "Contributions that stand, all years to the "
         "end of the day on which the range ends. Source: fund ledger of the village.", to_funds,
         column="raised_all", decimals=2), funds), 4, 4),
        (stat(Number("基金使用率", Unit.RATE, "Disbursed / raised, all years. Source: fund "
         "ledger of the village.", to_funds, column="used", decimals=1), funds), 3, 4),
    ]  # fmt: skip


def _below(level: places.PlaceLevel) -> Any:
    uid, variable, kept = _DOWN[level.name]
    code = "${__data.fields.grid}" if level is places.VILLAGE else "${__data.fields.code}"
    go = url_of(uid, **{name: _VALUES[name] for name in kept}, **{variable: code})
    link = {"links": [{"title": "进入下一级", "url": go}]}
    if level is places.VILLAGE:
        number = Number("微网格（次、件、天）", Unit.COUNT, "Every micro-grid ever visited: its last "
            "visit, visits and requests of the year. Those never visited are counted above, but "
            "not listed: their numbers become known with the first visit. Source: household visit "
            "form.",
            ("进入微网格", go), columns={"grid": {"unit": "string", "custom.width": 240, **link},
            "last_visit": {"unit": "time:YYYY-MM-DD"}})  # fmt: skip
        return table(number, places.microgrids())
    name = "乡镇街道" if level is places.COUNTY else "村社区"
    shown, told = "micro-grids, share visited this year, visits, requests closed", ""
    if level is places.COUNTY:
        shown += ", petitions"
        told = (
            f"Petitions: {before('petitions')[1]} Those without a township, 检举控告 among them (信访工作条例 30), are counted one "
            "level up alone. "
        )
    number = Number(f"下一级：{name}（个、户次、件）", Unit.COUNT, "Each place one level below: "
        f"{shown}, fund balance in 10,000 yuan. {told}{_LEDGERS}", ("进入下一级", go),
        columns={"place_name": {"unit": "string", "custom.width": 220, **link}, "covered": PERCENT,
                 "fund_balance": {"decimals": 2}, "code": HIDDEN})  # fmt: skip
    return table(number, *places.place_children(level))


def _petitions_below() -> Any:
    """The petitions of each village, apart from its other figures: only clerks see them."""
    return table(Number("各村社区信访（件）", Unit.COUNT, "Petitions registered in the calendar year of "
        "the end of the range, all of it, by village; those without a village are counted in the "
        "township alone. Source: 信访工作条例 22.", _themes()["petitions"],
        columns={"place_name": {"unit": "string"}, "code": HIDDEN}),
        places.villages_petitions(), topic="petitions")  # fmt: skip


def compared(level: places.PlaceLevel, to: tuple[str, str], source: str, *, decimals: int) -> Any:
    # The city's daily rollup knows whether an event has a village, but no micro-grids.
    placed = "village" if level is places.MICROGRID else "place of this level"
    return table(Number("对比：本月至今、上月同期、去年同期、全市平均", Unit.COUNT, "The month up to the "
        "end of the day on which the range ends against the same days a month and a year before, "
        "and against the mean of all places of this level in the city, those without any event "
        f"included; events without a known {placed} do not count in any mean. Changes are (now - then) / "
        f"then. {source}", to, decimals=decimals,
        columns=dict.fromkeys(("to_last_month", "to_last_year", "to_mean"), PERCENT)
        | {"figure": {"unit": "string", "custom.width": 170}}), *places.place_compared(level))  # fmt: skip
