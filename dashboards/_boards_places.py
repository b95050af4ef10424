"""县市区下钻: the same panels for a county, a township, a village; and one micro-grid."""

from __future__ import annotations

from typing import Any, Final

from dashboards import _queries_cases as cases
from dashboards import _queries_places as sql
from dashboards import queries
from dashboards._layout import Placed, board, query_variable
from dashboards.panels import BAD, GOOD, WARN, Number, Unit, note, stat, table, trend, trust, url_of

_RATE: Final = ((None, BAD), (0.9, WARN), (0.95, GOOD))
_COVERED: Final = ((None, BAD), (sql.WATCHED, WARN), (sql.REACHED, GOOD))
_LEDGERS: Final = "Sources: household visit forms and the counties' ledgers."
_PERCENT: Final = {"unit": "percentunit", "decimals": 1}
_VALUES: Final = {name: "${%s:percentencode}" % name for name in ("county", "township", "village")}  # noqa: UP031
_DOWN: Final = {
    "county": ("gulou-township", "township", ("county",)),
    "township": ("gulou-village", "village", ("county", "township")),
    "village": ("gulou-microgrid", "grid", ("county", "township", "village")),
}


def boards(fresh: Number, hidden: dict[str, Any]) -> list[dict[str, Any]]:
    """County, township, village and micro-grid; `fresh` and `hidden` are the wall's."""
    county = query_variable("county", "县市区", queries.county_options())
    township = query_variable("township", "乡镇街道", queries.below("township", "county"))
    village = query_variable("village", "村社区", queries.below("village", "township"))
    # What was visited by then: another day, other micro-grids.
    grid = query_variable("grid", "微网格", sql.grid_options(), timely=True)
    up = [
        ("↑ 全市", url_of("gulou-wall")),
        ("↑ 县市区", url_of("gulou-county", county=_VALUES["county"])),
        ("↑ 乡镇街道", _up("gulou-township", 2)),
        ("↑ 村社区", _up("gulou-village", 3)),
    ]
    chain = [county, township, village, grid]
    same = "the same figures as one level up and down."
    less = (
        "the same figures as one level up, but of petitions and disputes only the year's counts, as "
        "more could point at a household."
    )
    levels = (
        ("gulou-county", "县市区下钻", sql.COUNTY, same),
        ("gulou-township", "乡镇街道下钻", sql.TOWNSHIP, same),
        ("gulou-village", "村社区下钻", sql.VILLAGE, less),
    )
    found = [
        board(
            uid,
            title,
            f"One {level.name}: {scope} Compared with last month, last year and the city's mean.",
            _panels(level, fresh, hidden),
            chain[: n + 1],
            up=up[n],
        )
        for n, (uid, title, level, scope) in enumerate(levels)
    ]
    found.append(
        board(
            "gulou-microgrid",
            "微网格下钻",
            "One micro-grid of about 15 households: visits and requests. Petitions, mediations and "
            "persons helped are not shown below the village, where they could point at a household.",
            _microgrid(fresh),
            chain,
            up=up[3],
        )
    )
    return found


def _up(uid: str, depth: int) -> str:
    return url_of(uid, **dict(list(_VALUES.items())[:depth]))


def _themes() -> dict[str, tuple[str, str]]:
    """Links to the boards by theme, for the county chosen here."""
    here = {"county": "${county:percentencode}"}
    return {
        "visits": ("走访覆盖", url_of("gulou-visits", **here)),
        "petitions": ("信访诉求", url_of("gulou-petitions", **here)),
        "mediations": ("矛盾调解", url_of("gulou-mediations", **here)),
        "funds": ("幸福基金", url_of("gulou-funds", **here)),
    }


def _panels(level: sql.Level, fresh: Number, hidden: dict[str, Any]) -> list[Placed]:
    to_visits = _themes()["visits"]
    return [
        *_visit_figures(level, fresh),
        *_case_and_fund_figures(level),
        (_compared(level, to_visits, _LEDGERS, decimals=1), 13, 9),
        (trend(Number("走访与诉求趋势（户次、件）", Unit.COUNT, "Visits, requests raised and closed by "
         "day. Source: household visit form.", to_visits), sql.place_trend(level)), 11, 9),
        (_below(level, hidden), 24, 14),
    ]  # fmt: skip


def _visit_figures(level: sql.Level, fresh: Number) -> list[Placed]:
    span = "hour in which the range ends" if level is sql.COUNTY else "day on which it ends"
    year = f"Calendar year of the end of the range, to the end of the {span}."
    visits, to_visits = sql.place_visits(level), _themes()["visits"]
    return [
        (stat(Number("今日走访（户次）", Unit.COUNT, f"Household visits of the day of the end of the "
         f"range, to the end of the {span}, voided ones taken off. Source: household visit form.",
         to_visits, column="visits_today"), visits), 4, 4),
        (stat(Number("本年走访（户次）", Unit.COUNT, f"Household visits, voided ones taken off. {year} "
         "Source: household visit form.", to_visits, column="visits_year"), visits), 4, 4),
        (stat(Number("微网格覆盖率", Unit.RATE, "Micro-grids visited this year / all micro-grids of "
         "the place. Source: 党建+微网格.", to_visits, _COVERED, "covered", 1),
         sql.place_coverage(level)), 4, 4),
        (stat(Number("本年诉求登记（件）", Unit.COUNT, f"Requests raised in visits. {year} Source: "
         "联系服务群众五个到户.", to_visits, column="raised_year"), visits), 4, 4),
        (stat(Number("本年诉求办结（件）", Unit.COUNT, f"Requests closed. {year} Source: "
         "联系服务群众五个到户.", to_visits, column="closed_year"), visits), 4, 4),
        (trust(fresh, queries.freshness()), 4, 4),
    ]  # fmt: skip


def _case_and_fund_figures(level: sql.Level) -> list[Placed]:
    at_village = level is sql.VILLAGE
    whole = "Calendar year of the end of the range, all of it: below the township the year is one."
    case_year = whole if at_village else "Calendar year of the end of the range, to it."
    span = "全年" if at_village else "本年"
    wide = 3 if at_village else 4  # seven figures in its second row
    small = " Counts of 1-4 are withheld (个人信息保护法 28)." if at_village else ""
    to = _themes()
    to_petitions, to_mediations, to_funds = to["petitions"], to["mediations"], to["funds"]
    petitions = sql.village_petitions() if at_village else cases.petition_backlog(level.here)
    mediations, funds = sql.place_mediations(level), sql.place_funds(level)
    return [
        (stat(Number(f"{span}信访登记（件）", Unit.COUNT, f"Petitions registered. {case_year}{small} Source: "
         "信访工作条例 22; 检举控告 counts at county level only (30).", to_petitions,
         column="registered_year"), petitions), wide, 4),
        *(_village_figures(case_year + small) if at_village else _petition_figures(level)),
        (stat(Number(f"{span}调解成功率", Unit.RATE, f"Agreements / disputes ended, by agreement or "
         f"without. {case_year}{small} Source: 人民调解法 28-31.",
         to_mediations, column="success", decimals=1), mediations), wide, 4),
        (stat(Number("幸福基金余额（万元）", Unit.COUNT, "Raised less disbursed, all years to the end "
         "of the day on which the range ends. Source: fund ledgers of the villages.", to_funds,
         column="balance_now", decimals=1), funds), 4, 4),
    ]  # fmt: skip


def _petition_figures(level: sql.Level) -> list[Placed]:
    backlog, to_petitions = cases.petition_backlog(level.here), _themes()["petitions"]
    return [
        (stat(Number("未结信访（件）", Unit.COUNT, "Registered and not ended at the end of the "
         "range. Source: 信访工作条例 22-36.", to_petitions, column="open_now"), backlog), 4, 4),
        (stat(Number("逾期信访（件）", Unit.COUNT, "Past at least one legal due date not met. "
         "信访工作条例 22, 23, 34, 35, 36.", to_petitions, ((None, GOOD), (1.0, BAD)),
         "overdue_now"), backlog), 4, 4),
        (stat(Number("按期办结率", Unit.RATE, "Closed in time / all whose closing was due or "
         "done, open overdue ones included; withdrawn, merged or refused before their day: "
         "in neither. 信访工作条例 34.", to_petitions, _RATE, "closed_on_time", 1),
         cases.petition_punctuality(level.here)), 4, 4),
    ]  # fmt: skip


def _village_figures(case_year: str) -> list[Placed]:
    level, to = sql.VILLAGE, _themes()
    to_visits, to_mediations, to_funds = to["visits"], to["mediations"], to["funds"]
    mediations, funds = sql.place_mediations(level), sql.place_funds(level)
    return [
        (stat(Number("全年调解登记（件）", Unit.COUNT, f"Disputes filed. {case_year} Source: "
         "人民调解法 17.", to_mediations, column="filed_year"), mediations), 3, 4),
        (stat(Number("从未走访微网格（个）", Unit.COUNT, "Micro-grids of the village's register "
         "less those with any visit. The register gives their number and not their codes, so "
         "they cannot be opened one by one. Source: 党建+微网格 register, household visit "
         "form.", to_visits, ((None, GOOD), (1.0, BAD)), "never"),
         sql.place_coverage(level)), 4, 4),
        (stat(Number("累计筹集（万元）", Unit.COUNT, "Contributions that stand, all years to the "
         "end of the day on which the range ends. Source: fund ledger of the village.", to_funds,
         column="raised_all", decimals=2), funds), 4, 4),
        (stat(Number("基金使用率", Unit.RATE, "Disbursed / raised, all years. Source: fund "
         "ledger of the village.", to_funds, column="used", decimals=1), funds), 3, 4),
    ]  # fmt: skip


def _below(level: sql.Level, hidden: dict[str, Any]) -> Any:
    uid, variable, kept = _DOWN[level.name]
    code = "${__data.fields.微网格}" if level is sql.VILLAGE else "${__data.fields.code}"
    go = url_of(uid, **{name: _VALUES[name] for name in kept}, **{variable: code})
    link = {"links": [{"title": "进入下一级", "url": go}]}
    if level is sql.VILLAGE:
        number = Number("微网格（次、件、天）", Unit.COUNT, "Every micro-grid ever visited: its last "
            "visit, visits and requests of the year. Those never visited are counted above, but "
            "not listed: their numbers become known with the first visit. Source: household visit "
            "form.",
            ("进入微网格", go), columns={"微网格": {"unit": "string", "custom.width": 240, **link},
            "最近走访": {"unit": "time:YYYY-MM-DD"}})  # fmt: skip
        return table(number, sql.microgrids())
    name = "乡镇街道" if level is sql.COUNTY else "村社区"
    petitions = (
        "Petitions without a township, 检举控告 among them (信访工作条例 30), are counted one level up "
        "alone."
        if level is sql.COUNTY
        else "Petitions are of the whole calendar year; empty figures are withheld small counts "
        "(个人信息保护法 28), and those without a village are counted one level up alone."
    )
    number = Number(f"下一级：{name}（个、户次、件）", Unit.COUNT, "Each place one level below: "
        "micro-grids, share visited this year, visits, requests closed, petitions, fund balance in "
        f"10,000 yuan. {petitions} {_LEDGERS}", ("进入下一级", go),
        columns={"名称": {"unit": "string", "custom.width": 220, **link}, "覆盖率": _PERCENT,
                 "基金余额": {"displayName": "基金余额（万元）", "decimals": 2}, "code": hidden})  # fmt: skip
    return table(number, *sql.place_children(level))


def _compared(level: sql.Level, to: tuple[str, str], source: str, *, decimals: int) -> Any:
    # Days are kept by village: which micro-grid a visit was in is not told for a whole city's.
    placed = "village" if level is sql.MICROGRID else "place of this level"
    return table(Number("对比：本月至今、上月同期、去年同期、全市平均", Unit.COUNT, "The month up to the "
        "end of the day on which the range ends against the same days a month and a year before, "
        "and against the mean of all places of this level in the city, those without any event "
        f"included; events of which no {placed} is known are in no mean. Changes are (now - then) / "
        f"then. {source}", to, decimals=decimals,
        columns=dict.fromkeys(("环比", "同比", "较均值"), _PERCENT)
        | {"指标": {"unit": "string", "custom.width": 170}}), *sql.place_compared(level))  # fmt: skip


def _microgrid(fresh: Number) -> list[Placed]:
    one = sql.microgrid()
    back = ("回到本村", _up("gulou-village", 3))
    source = "Source: household visit form."
    return [
        (stat(Number("本年走访（户次）", Unit.COUNT, f"Visits that stand, this year. {source}", back,
         column="visits_year"), one), 4, 5),
        (stat(Number("历年走访（户次）", Unit.COUNT, f"Visits that stand, all years. {source}", back,
         column="visits_all"), one), 4, 5),
        (stat(Number("距上次走访（天）", Unit.COUNT, f"Days from the last visit that stands to the "
         f"end of the range. {source}", back, ((None, GOOD), (90.0, WARN), (180.0, BAD)),
         "idle_days"), one), 4, 5),
        (stat(Number("本年诉求登记（件）", Unit.COUNT, f"Requests raised this year. {source}", back,
         column="raised_year"), one), 4, 5),
        (stat(Number("本年诉求办结（件）", Unit.COUNT, f"Requests closed this year. {source}", back,
         column="closed_year"), one), 4, 5),
        (trust(fresh, queries.freshness()), 4, 5),
        (_compared(sql.MICROGRID, back, source, decimals=2), 13, 7),
        (table(Number("对比：本年与各级平均（户次、件）", Unit.COUNT, f"The micro-grid against the means of all "
         f"micro-grids of its village, township, county and of the city, never visited ones "
         f"included. What no micro-grid is known of is in none. {source}", back, decimals=2,
         columns={"范围": {"unit": "string"}}), sql.microgrid_compared()), 11, 7),
        (note("为什么只有走访；从未走访的在哪里", "微网格约 15 户。信访、调解、受助人次在村以下不显示，"
         "以免指认到户（个人信息保护法 28）。\n\n台账只登记每个村社区的微网格**数目**，编号随第一次走访"
         "才知道：从未走访的微网格在“村社区下钻”计数，不能逐个打开。"), 24, 4),
    ]  # fmt: skip
