"""走访: households visited by grid members, Party members and cadres, and what they asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal

from schemas.event import Content, Event, field
from schemas.projections import Diary, Family, PublishedView, Rollup, instant
from schemas.sql.columns import COUNTY, MICROGRID, NET, TOWNSHIP, TYPE, VILLAGE, quoted, starts
from schemas.sql.targets import LAST_DAY, count_of, days_of, target
from schemas.words import CaseId, EventId, Labels, Minutes, Note, Persons, Pseudonym, Sealed, Text

Role = Annotated[
    Literal["grid_member", "party_member", "working_party_member", "cadre"],
    Labels(
        grid_member="网格员", party_member="党员", working_party_member="在职党员", cadre="干部"
    ),
]
Purpose = Annotated[
    Literal["routine", "care", "policy", "dispute", "safety"],
    Labels(
        routine="日常走访",
        care="关爱帮扶",
        policy="政策宣讲",
        dispute="矛盾排查",
        safety="安全检查",
    ),
]
Matter = Annotated[
    Literal["livelihood", "infrastructure", "environment", "policy", "dispute", "other"],
    Labels(
        livelihood="民生保障",
        infrastructure="基础设施",
        environment="环境卫生",
        policy="政策咨询",
        dispute="矛盾纠纷",
        other="其他",
    ),
]
Outcome = Annotated[
    Literal["settled", "explained", "passed_on", "not_possible"],
    Labels(settled="已解决", explained="已解释", passed_on="已转办", not_possible="暂不能解决"),
]


def _hours_to_minutes(content: Content) -> Content:
    """Version 1 stored whole hours in `lasted_hours`."""
    hours = content["lasted_hours"]
    if type(hours) is not int:  # bool is an int to isinstance
        raise ValueError("lasted_hours is no whole number")
    rest = {name: value for name, value in content.items() if name != "lasted_hours"}
    return rest | {"lasted": hours * 60}


_RECORDED, _RAISED, _CLOSED = "visit.recorded", "visit.request_raised", "visit.request_closed"
_KEPT = (_RECORDED, _RAISED, _CLOSED)
"""What the diary keeps the days of."""
_NEVER: Final = "toDate(0)"


def _diary(family: Family, database: str) -> str:
    return f"`{database}`.`{target(family, family.projections[2])}`"


def _taken_back(table: str) -> str:
    """SQL: the micro-grids of which a part of the table holds a day below zero."""
    return f"SELECT grid FROM {table} WHERE arrayExists(n -> n < 0, {days_of(_RECORDED)}.2)"


def _up_to_today(table: str, *, last_visit: bool) -> str:
    """SQL: of every row of the diary its counts and its last visit, as of the day `today`."""
    went, taken_back = days_of(_RECORDED), _taken_back(table)

    def rows(last: str, mended: str, counts: Iterable[str], of: str, year: str = "year") -> str:
        visits, found, closed = counts
        lasts = f"\n    {last} AS last, {mended} AS mended," if last_visit else ""
        return (
            f"SELECT grid, {year} AS year,{lasts}\n"
            f"    {visits} AS visits, {found} AS found, {closed} AS closed\n"
            f"  FROM {of}"
        )

    # Of rows that end by the day the counts say all; to look into the days takes twice as long.
    ended = rows(
        f"{went}.1[-1]",
        _NEVER,
        map(count_of, _KEPT),
        f"{table} WHERE grid != '' AND {LAST_DAY} <= today",
    )
    going_on = rows(
        f"arrayLast(day -> day <= today, {went}.1)",
        _NEVER,
        (
            f"arraySum((day, n) -> if(day <= today, n, 0), {days}.1, {days}.2)"
            for days in map(days_of, _KEPT)
        ),
        f"{table} WHERE grid != '' AND {LAST_DAY} > today AND year <= this_year",
    )
    if not last_visit:
        return "\n  UNION ALL\n  ".join((ended, going_on))
    # A part of the table may hold a visit and a later one that it was taken back: days are then
    # added up, but for those few micro-grids alone, beside the others. To carry the days of all
    # along takes half as long again, and a join costs where nobody asks for the last visit.
    summed = rows(
        _NEVER,
        f"arrayMax((day, n) -> if(n > 0 AND day <= today, day, {_NEVER}), days.1, days.2)",
        "000",
        f"(SELECT grid, sumMap({went}) AS days FROM {table}\n"
        f"    WHERE grid != '' AND year <= this_year AND grid IN ({taken_back}) GROUP BY grid)",
        "0",
    )
    return "\n  UNION ALL\n  ".join((ended, going_on, summed))


_PLACES = {"county": COUNTY, "township": TOWNSHIP, "village": VILLAGE, "grid": MICROGRID}
_COUNTS = {
    "visits_this_year": Text(
        "Visits that stand in the calendar year of `at`.", "`at` 所在年份的有效走访户次。"
    ),
    "visits": Text("Visits that stand, all years.", "历年有效走访户次合计。"),
    "requests_found": Text(
        "Requests raised in visits of the calendar year of `at`.",
        "`at` 所在年份走访中登记的诉求件数。",
    ),
    "requests_closed": Text(
        "Requests closed in the calendar year of `at`.", "`at` 所在年份办结的诉求件数。"
    ),
}


def _by_grid(family: Family, database: str, zone: str, *, last_visit: bool) -> str:
    """SQL: a row a micro-grid with its places, its last visit if wanted, and its counts."""
    table = _diary(family, database)
    last = f"if(grid IN ({_taken_back(table)}), max(r.mended), max(r.last))"
    lasts = f"  nullIf({last}, {_NEVER}) AS last_visit,\n" if last_visit else ""
    return (
        f"WITH toDate({instant(zone)}) AS today, toYear(today) AS this_year\n"
        "SELECT substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,\n"
        f"  substring(grid, 1, 12) AS village, r.grid AS grid,\n{lasts}"
        "  sumIf(r.visits, year = this_year) AS visits_this_year, sum(r.visits) AS visits,\n"
        "  sumIf(r.found, year = this_year) AS requests_found,\n"
        "  sumIf(r.closed, year = this_year) AS requests_closed\n"
        f"FROM (\n  {_up_to_today(table, last_visit=last_visit)}\n) AS r\nGROUP BY grid"
    )


def _coverage(family: Family, database: str, zone: str) -> PublishedView:
    last_visit = Text(
        "Day of the last visit that stands; NULL when none does.",
        "最近一次有效走访的日期；没有时为 NULL。",
    )
    return PublishedView(
        "visits_coverage",
        "走访覆盖",
        Text(
            "Micro-grids with an event by the end of the year of `at`, as of its day.",
            "至 `at` 所在年末有过事件的微网格，数据以 `at` 当日为准。",
        ),
        {**_PLACES, "last_visit": last_visit, **_COUNTS},
        _by_grid(family, database, zone, last_visit=True),
    )


def _covered(family: Family, database: str, zone: str) -> PublishedView:
    """Most ask for counts alone, and to find the last visit is half of the engine's analysis."""
    return PublishedView(
        "visits_covered",
        "走访户次·微网格",
        Text(
            "The counts of `visits_coverage` alone, which the engine reads faster.",
            "只含 `visits_coverage` 的各项计数，查询更快。",
        ),
        {**_PLACES, **_COUNTS},
        _by_grid(family, database, zone, last_visit=False),
    )


def _by_grid_day(family: Family, database: str, _zone: str) -> PublishedView:
    table = _diary(family, database)
    kept = ", ".join(f"({quoted(t)}, {days_of(t)})" for t in _KEPT)
    return PublishedView(
        "visits_by_grid_day",
        "走访·微网格·日",
        Text("Events by type, micro-grid and day.", "走访统计，按事件类型、微网格和日期。"),
        {
            "type": TYPE,
            "county": COUNTY,
            "township": TOWNSHIP,
            "village": VILLAGE,
            "grid": MICROGRID,
            "day": starts("day"),
            "net_count": NET,
        },
        "SELECT type, substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,\n"
        "  substring(grid, 1, 12) AS village, grid, day, sum(n) AS net_count\n"
        f"FROM (SELECT grid, kept.1 AS type, kept.2 AS days FROM {table}\n"
        f"  ARRAY JOIN [{kept}] AS kept WHERE grid != '')\n"
        "ARRAY JOIN days.1 AS day, days.2 AS n\n"
        # A day taken back adds up to nothing, and leaves the map only when parts are merged.
        "GROUP BY type, grid, day HAVING net_count != 0",
    )


class Visit(
    Event,
    topic="visits",
    key="household",
    zh="走访",
    zh_doc="走访：入户走访，记录群众诉求并跟踪办理到底。"
    "来源：党建+微网格，联系服务群众五个到户；走访登记表。",
):
    """走访: a household is visited, what it asks for is written down and followed to its end.

    Source: 党建+微网格, 联系服务群众五个到户; the household visit form.
    """

    household: Pseudonym = field(
        "Household visited; a pseudonym, never a name.",
        "受访户，以假名表示，不得填写姓名。",
        zh="户",
        example="k1.0123456789abcdef0123456789abcdef",
    )

    projections: ClassVar = (
        Rollup("hourly", "county", "hour", dims=("role",)),
        Rollup("daily", "division", "day"),
        Diary("coverage", _KEPT),
    )
    views: ClassVar = (_coverage, _covered, _by_grid_day)


class VisitRecorded(
    Visit,
    name="visit.recorded",
    zh="走访登记",
    zh_doc="入户走访并填报走访表。来源：走访登记表第3至9栏。",
    version=2,
):
    """A household was visited and the form was filed.

    Source: household visit form, boxes 3-9.
    """

    role: Role = field("Who visited.", "走访人的身份。", zh="走访人身份", example="grid_member")
    purpose: Purpose = field("What for.", "走访的事由。", zh="走访事由", example="routine")
    lasted: Minutes = field(
        "From arrival to leaving, in minutes.",
        "从到达至离开的时长，以分钟计。",
        zh="走访时长",
        example=25,
    )
    met: Persons = field(
        "People met at home.", "入户见到的人数。", zh="见到人数", example=3, total=True
    )
    remark: Sealed | None = field(
        "What was seen, sealed.", "走访所见，加密保存。", zh="备注", default=None
    )

    upcasts: ClassVar = {1: _hours_to_minutes}


class VisitCorrected(
    VisitRecorded,
    name="visit.corrected",
    zh="走访更正",
    zh_doc="对此前走访表的全部内容予以更正。",
    version=1,
    corrects="visit.recorded",
):
    """The whole content of an earlier visit form, set right."""

    corrects: EventId = field(
        "Id of the visit form set right.",
        "被更正的走访表的事件编号。",
        zh="更正对象",
        example="v-1",
    )

    upcasts: ClassVar = {}


class VisitVoided(
    Visit,
    name="visit.voided",
    zh="走访作废",
    zh_doc="走访表作废：走访并未发生，或者重复填报。",
    voids=("visit.recorded",),
):
    """A visit form taken back: it never happened, or was filed twice."""

    corrects: EventId = field(
        "Id of the visit form taken back.",
        "被作废的走访表的事件编号。",
        zh="作废对象",
        example="v-1",
    )
    why: Note = field("Why it is taken back.", "作废的原因。", zh="作废原因", example="重复填报")


class RequestRaised(
    Visit, name="visit.request_raised", zh="诉求登记", zh_doc="群众在走访中提出诉求。"
):
    """A household asked for something during a visit."""

    request: CaseId = field(
        "The grid's own number of the request.",
        "网格自编的诉求编号。",
        zh="诉求编号",
        example="r-1",
    )
    matter: Matter = field(
        "What it is about.", "诉求涉及的类别。", zh="诉求类别", example="livelihood"
    )
    text: Sealed | None = field(
        "The request in the household's words, sealed.",
        "群众原话所述的诉求内容，加密保存。",
        zh="诉求内容",
        default=None,
    )


class RequestClosed(
    Visit, name="visit.request_closed", zh="诉求办结", zh_doc="群众的诉求已经办理，并已告知本人。"
):
    """What the household asked for has been dealt with and it was told so."""

    request: CaseId = field(
        "The grid's own number of the request.",
        "网格自编的诉求编号。",
        zh="诉求编号",
        example="r-1",
    )
    outcome: Outcome = field(
        "What came of it.", "诉求的办理结果。", zh="办理结果", example="settled"
    )
