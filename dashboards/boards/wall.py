"""城市运行总览: the whole city on one 16:9 screen."""

from __future__ import annotations

from typing import Any, Final

from dashboards.boards._shared import HIDDEN, TRUST, duties, duty
from dashboards.edition import edition, say
from dashboards.layout import Placed, board, choice_variable
from dashboards.panels import (
    BAD,
    GOOD,
    WARN,
    Number,
    Unit,
    city_map,
    heading,
    ranking,
    stat,
    table,
    trend,
    trust,
    url_of,
)
from dashboards.queries import freshness, mediations, petitions, visits, wall
from dashboards.queries.pieces import EVERYWHERE
from schemas.projections import verb

_FIGURES: Final = (
    ("visits", "本年走访（户次）"),
    ("closed", "本年诉求办结（件）"),
    ("raised", "本年诉求登记（件）"),
    ("open", "未结信访（件）"),
    ("overdue", "逾期信访（件）"),
    ("balance", "基金余额（万元）"),
)


def boards() -> list[dict[str, Any]]:
    """One board."""
    return [
        board(
            "gulou-wall",
            "城市运行总览",
            "The city's command-centre wall: visits, requests, petitions, mediation and funds, judged "
            "at the end of the time range.",
            [*_wall_figures(), *_wall_pictures()],
            [choice_variable("figure", "地图指标", _FIGURES)],
            refresh="5s",
            listed=False,
            on_walls=True,
        )
    ]


def _wall_figures() -> list[Placed]:
    """The three rows of figures under the heading: requests, cases, money."""
    household, backlog = visits.hourly_visits(EVERYWHERE), petitions.petition_backlog(EVERYWHERE)
    punctual = petitions.petition_punctuality(EVERYWHERE)
    disputes, funds = mediations.mediation_figures(EVERYWHERE), wall.wall_funds()
    to_visits = ("走访覆盖", url_of("gulou-visits"))
    to_petitions = ("信访诉求", url_of("gulou-petitions"))
    to_mediations = ("矛盾调解", url_of("gulou-mediations"))
    to_funds = ("幸福基金", url_of("gulou-funds"))
    hours = "counted to the end of the hour in which the range ends."
    day = f"Day of the end of the range, {hours}"
    year = f"Calendar year of the end of the range, {hours}"
    form = "Source: 党建+微网格 household visit form."
    doors = "Source: 联系服务群众五个到户."
    many = ((None, GOOD), (1.0, BAD))
    rate = ((None, BAD), (0.9, WARN), (0.95, GOOD))
    return [
        (heading(_of_city("# {city} · 城市运行总览　　截至 ${__to:date:YYYY-MM-DD HH:mm:ss}")), 24, 2),
        (stat(Number("今日走访（户次）", Unit.COUNT, "Household visits recorded, voided ones taken "
         f"off. {day} {form}", to_visits, column="visits_today"), household), 4, 4),
        (stat(Number("本年走访（户次）", Unit.COUNT, "Household visits recorded, voided ones taken "
         f"off. {year} {form}", to_visits, column="visits_year"), household), 4, 4),
        (stat(Number("今日诉求登记（件）", Unit.COUNT, f"Requests raised in visits. {day} {doors}",
         to_visits, column="raised_today"), household), 4, 4),
        (stat(Number("本年诉求登记（件）", Unit.COUNT, f"Requests raised in visits. {year} {doors}",
         to_visits, column="raised_year"), household), 4, 4),
        (stat(Number("今日诉求办结（件）", Unit.COUNT, "Requests closed, whenever they were raised. "
         f"{day} {doors}", to_visits, column="closed_today"), household), 4, 4),
        (stat(Number("本年诉求办结（件）", Unit.COUNT, "Requests closed, whenever they were raised. "
         f"{year} {doors}", to_visits, column="closed_year"), household), 4, 4),
        (stat(Number("今日信访登记（件）", Unit.COUNT, "Petitions registered on the day of the end of "
         "the range, to its second. Source: 信访工作条例 17, 22.", to_petitions,
         column="registered_today"), backlog), 4, 4),
        (stat(Number("本年信访登记（件）", Unit.COUNT, "Petitions registered in the calendar year of "
         "the end of the range, to its second. Source: 信访工作条例 17, 22.", to_petitions,
         column="registered_year"), backlog), 4, 4),
        (stat(Number("未结信访（件）", Unit.COUNT, "Petitions registered and not closed, "
         "withdrawn, merged or refused by the end of the range. Source: 信访工作条例 22-36.",
         to_petitions, column="open_now"), backlog), 4, 4),
        (stat(Number("逾期信访（件）", Unit.COUNT, "Petitions past at least one legal due date "
         f"not met by the end of the range. Source: {duties('petitions')}.",
         to_petitions, many, column="overdue_now"), backlog), 4, 4),
        (stat(Number("按期办结率", Unit.RATE, "Petitions closed in time / all whose closing was "
         "due or done, open overdue ones included; those withdrawn, merged or refused before "
         f"their day are in neither. Source: {duty('petitions', 'close')}.",
         to_petitions, rate, "closed_on_time", 1), punctual), 4, 4),
        (stat(Number("本年调解成功率", Unit.RATE, "Disputes with an agreement / all disputes ended "
         "this year. Source: 人民调解法 28-31 (no time limit of its own).", to_mediations,
         column="success", decimals=1), disputes), 4, 4),
        (stat(Number("在办调解（件）", Unit.COUNT, "Disputes filed and neither agreed nor terminated "
         "at the end of the range. Source: 人民调解法 26-28.", to_mediations, column="open_now"),
         disputes), 4, 4),
        (stat(Number("幸福基金余额（万元）", Unit.COUNT, "Contributions less disbursements that "
         "stand, all years to the end of the day on which the range ends. Source: fund ledgers of "
         "the villages.", to_funds, column="balance_now", decimals=0), funds), 4, 4),
        (stat(Number("基金使用率", Unit.RATE, "Disbursed / raised, all years to the end of the day "
         "on which the range ends. Source: fund ledgers of the villages.", to_funds,
         column="used", decimals=1), funds), 4, 4),
        (trust(TRUST, freshness.freshness(), size=28), 12, 4),
    ]  # fmt: skip


def _wall_pictures() -> list[Placed]:
    """Ranking, map, trends, newest events and alerts."""
    to_visits = ("走访覆盖", url_of("gulou-visits"))
    to_petitions = ("信访诉求", url_of("gulou-petitions"))
    return [
        *_map_and_ranking(),
        (trend(Number("走访趋势（户次）", Unit.COUNT, "Household visits by who went, by day, or by "
         "hour for a range up to four days. Source: household visit form.", to_visits), wall.wall_visit_trend(),
         labelled=True), 4, 7),
        (trend(Number("诉求、信访与调解趋势（件）", Unit.COUNT, "Requests raised and closed, "
         "petitions registered, agreements reached, by day or hour. Source: household visit form; "
         "信访工作条例 22; 人民调解法 28.", to_petitions),
         wall.wall_trend(), {verb(t): zh for t, zh in wall.TREND.items()}), 5, 7),
        (table(Number("预警：逾期事项（件）", Unit.COUNT, "Cases past a legal due date at the end "
         "of the range, by duty and county; days past the last day of the longest. Source: the article "
         "in the last column.", none="没有逾期事项", columns={
             "cases_over": {"custom.width": 100},
             "longest_days": {"custom.width": 130},
             "county_name": {"custom.width": 190, "links": [{"title": "信访诉求",
                 "url": url_of("gulou-petitions", county="${__data.fields.code}")}]},
             "code": HIDDEN}), *wall.alerts(), largest="longest_days"), 9, 7),
        (table(Number("最新事件（件）", Unit.COUNT, "Newest events up to the end of the range by "
         "county; for a past day its last hours, counted by the hour in which they lie. "
         "Source: the events as their offices filed them.", columns={
             "happened": {"unit": "time:MM-DD HH:mm", "custom.width": 120},
             "events": {"custom.width": 80},
             "county_name": {"custom.width": 190, "links": [{"title": "进入",
                 "url": url_of("gulou-county", county="${__data.fields.code}")}]},
             "code": HIDDEN}), wall.newest_events()), 10 if edition().map else 15, 5),
    ]  # fmt: skip


def _map_and_ranking() -> list[Placed]:
    """The chosen figure per county; a city without outlines gets only the ranking, wider."""
    counties, shown = wall.wall_counties(), edition().map
    county = ("进入 ${__data.fields.name}", url_of("gulou-county", county="${__data.fields.code}"))
    source = "Source: that of the figure itself, above."
    bars = ranking(Number("各县市区：${figure:text}", Unit.COUNT, "The chosen figure of every county, "
        "highest first, to the hour (fund: the day) in which the range ends; 未定位 are events whose "
        f"place is unknown. {source}", county,
        columns=dict.fromkeys(("code", "value", "longitude", "latitude"), HIDDEN)), *counties)  # fmt: skip
    if shown is None:
        return [(bars, 15, 9)]
    drawn = city_map(Number(_of_city("{city}地图：${figure:text}"), Unit.COUNT, "The chosen figure by "
        f"county; size and shade grow with it. {source}", county, columns={
            "code": HIDDEN, "own": HIDDEN, "value": {"displayName": "${figure:text}"}}), *counties)  # fmt: skip
    return [(bars, 5, 14), (drawn, 10, 9)]


def _of_city(text: str) -> str:
    return say(text).replace("{city}", edition().city)
