"""The published counts of a family's cases as of an instant: by place, property and legal clock.

Viewers see a county's totals as of `at`. What looks closer at the cases, by township or by
property, they see as of the end of a period that is over: as of `at`, two figures that an event
moves together would tell two things of its case. Those views are named `…_before`.
"""

from __future__ import annotations

from typing import Final

from schemas.event import FieldSpec
from schemas.family import Family
from schemas.grain import Role
from schemas.projections import CaseFold, verb
from schemas.sql.columns import BEFORE, TOWNSHIP_IF_SHOWN, PublishedView, quoted
from schemas.sql.judged import (
    CASE_COUNTY,
    NOW,
    OPEN,
    PLACE_CODES,
    begun,
    clock_names,
    clock_terms,
    digits_of,
    each_clock,
    fact_of,
    first_at,
    first_of,
    if_known,
    is_on_time,
    is_overdue,
    latest_due,
    past_due,
    state_of,
)
from schemas.words import Text


def pending(family: Family, fold: CaseFold, database: str, zone: str, role: Role) -> PublishedView:
    """How many cases have begun, are open, are overdue and have ended, by place.

    `cases` has all of it too, but analysing `cases` costs more than counting it.
    """
    flags = _counted(fold, zone)
    sums = {
        name: (sql, text)
        for name, (field, sql, text) in _summed(family, zone).items()
        if family.grain_of(field).shows("county", role)
    }
    counts = [f"countIf({sql}) AS {name}" for name, (sql, _) in flags.items()]
    counts += [f"{sql} AS {name}" for name, (sql, _) in sums.items()]
    where, codes, by, by_zh = _places(family, role)
    return PublishedView(
        f"{family.topic}_pending",
        f"{family.zh}·在办",
        Text(
            f"Cases by {by}, counted as they stood at the instant `at`.",
            f"{family.zh}案件数，按{by_zh}，以时刻 `at` 的状态为准。",
        ),
        {
            **where,
            **{name: text for name, (_, text) in flags.items()},
            **{name: text for name, (_, text) in sums.items()},
            "overdue_cases": _OVERDUE,
        },
        f"SELECT {codes},\n  {', '.join(counts)},\n"
        f"  countIf({_overdue(family)}) AS overdue_cases\n"
        f"{begun(family, fold, database, zone, _moved(family), digits_of(family, role))}\n"
        # Not by county and township: per case, and as two keys, they took a sixth of the time.
        "GROUP BY _place",
        family.topic,
    )


def pending_before(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """The totals by township, as viewers see them: as of the end of a period that is over.

    Without how they ended, which is a property, and without the day's own.
    """
    period, flags = family.closer, _totals(fold, zone)
    counts = ", ".join(f"countIf({sql}) AS {name}" for name, (sql, _) in flags.items())
    digits = digits_of(family, "viewer", period)
    return PublishedView(
        f"{family.topic}_pending_before",
        f"{family.zh}·期末在办",
        Text(
            f"Cases by county and township, counted as they stood at {BEFORE[period].en}.",
            f"{family.zh}案件数，按县市区和乡镇街道，以{BEFORE[period].zh}的状态为准。",
        ),
        {
            "county": CASE_COUNTY,
            "township": TOWNSHIP_IF_SHOWN,
            **{name: text for name, (_, text) in flags.items()},
            "overdue_cases": _OVERDUE,
        },
        f"SELECT {PLACE_CODES},\n  {counts},\n  countIf({_overdue(family)}) AS overdue_cases\n"
        f"{begun(family, fold, database, zone, _moved(family), digits, period)}\n"
        "GROUP BY _place",
        family.topic,
    )


def breakdown(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """Counts of cases by county and by one thing at a time: state, first day, each vocabulary."""
    return _split(
        family,
        fold,
        f"{family.topic}_breakdown",
        f"{family.zh}·分项",
        Text("the instant `at`", "时刻 `at` "),
        _counted(fold, zone),
        begun(family, fold, database, zone, {}, "6"),
    )


def breakdown_before(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """The same as of the end of a period that is over, and without how the cases ended.

    Never by two things at once, nor by a smaller place: such counts would describe single cases.
    """
    return _split(
        family,
        fold,
        f"{family.topic}_breakdown_before",
        f"{family.zh}·期末分项",
        BEFORE[family.closer],
        _totals(fold, zone),
        begun(family, fold, database, zone, {}, "6", family.closer),
    )


def _split(
    family: Family,
    fold: CaseFold,
    name: str,
    zh: str,
    instant: Text,
    flags: dict[str, tuple[str, Text]],
    source: str,
) -> PublishedView:
    first_day = f"toString(toDate({first_at(fold.opens)}))"
    splits = {
        "state": state_of(fold),
        "begun": f"if({OPEN}, {first_day}, '')",
        **{
            f.name: if_known(family, fold, f, f"toString({fact_of(f)})", "''")
            for f in family.facts
            if (f.choices or f.stored == "Bool") and not f.personal
        },
    }
    marked = ", ".join(f"toUInt8({sql}) AS {name}" for name, (sql, _) in flags.items())
    sums = ", ".join(f"sum(b.{name}) AS {name}" for name in flags)
    return PublishedView(
        name,
        zh,
        Text(
            f"Cases by county and one property at a time, as they stood at {instant.en}; each "
            "property counts every case once.",
            f"{family.zh}案件数，按县市区和单个项目，以{instant.zh}的状态为准；"
            "每个项目下每案计一次。",
        ),
        {
            "county": CASE_COUNTY,
            "split": Text(
                f"Property: {', '.join(splits)}; begun is the first day of an open case.",
                f"项目：{'，'.join(splits)}；begun 为未结案件的开始日期。",
            ),
            "part": Text(
                "Value of the property; empty when not known at the instant.",
                "该项目的取值；该时刻不明的为空。",
            ),
            **{name: text for name, (_, text) in flags.items()},
        },
        f"SELECT b._place AS county, split, part, {sums}\n"
        f"FROM (SELECT _place, {marked},\n"
        f"  [{', '.join(map(quoted, splits))}] AS splits,\n"
        f"  [{', '.join(splits.values())}] AS parts\n"
        f"{source}) AS b\n"
        "ARRAY JOIN splits AS split, parts AS part\nGROUP BY b._place, split, part",
        family.topic,
    )


def duties(family: Family, fold: CaseFold, database: str, zone: str, role: Role) -> PublishedView:
    """How many cases met, missed or still run under each legal clock, by place."""
    where, codes, by, by_zh = _places(family, role)
    return PublishedView(
        f"{family.topic}_duties",
        f"{family.zh}·时限",
        Text(
            f"Cases by {by} and legal clock that runs, counted as they stood at the instant `at`.",
            f"{family.zh}案件数，按{by_zh}和法定期限，以时刻 `at` 的状态为准。",
        ),
        {
            **where,
            "clock": clock_names(family),
            **_JUDGED,
            "oldest_due": Text(
                "When the first of those past due was due; NULL when none is past.",
                "其中最早到期的届满时刻；没有逾期的为 NULL。",
            ),
        },
        f"SELECT {codes}, clock, {_JUDGING},\n"
        "  minOrNullIf(due, overdue = 1) AS oldest_due\n"
        f"FROM ({_JUDGED_BY}"
        f"  {each_clock(family, fold, database, zone, [], digits_of(family, role))})\n"
        "GROUP BY _place, clock",
        family.topic,
    )


def duties_before(family: Family, fold: CaseFold, database: str, zone: str) -> PublishedView:
    """The clocks by township, as viewers see them: as of the end of a period that is over."""
    period = family.closer
    digits = digits_of(family, "viewer", period)
    return PublishedView(
        f"{family.topic}_duties_before",
        f"{family.zh}·期末时限",
        Text(
            "Cases by county, township and legal clock that runs, counted as they stood at "
            f"{BEFORE[period].en}.",
            f"{family.zh}案件数，按县市区、乡镇街道和法定期限，以{BEFORE[period].zh}的状态为准。",
        ),
        {
            "county": CASE_COUNTY,
            "township": TOWNSHIP_IF_SHOWN,
            "clock": clock_names(family),
            **_JUDGED,
        },
        f"SELECT {PLACE_CODES}, clock, {_JUDGING}\n"
        f"FROM ({_JUDGED_BY}"
        f"  {each_clock(family, fold, database, zone, [], digits, period)})\n"
        "GROUP BY _place, clock",
        family.topic,
    )


_JUDGED: Final = {
    "met": Text("Met in time.", "按期完成的案件数。"),
    "late": Text("Met late.", "逾期后完成的案件数。"),
    "past": Text("Past due and not met.", "已到期而未完成的案件数。"),
    "running": Text("Open and not due yet.", "未结且未到期的案件数。"),
}
_JUDGING: Final = (
    "countIf(on_time = 1) AS met,\n"
    "  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,\n"
    "  countIf(open = 1 AND on_time IS NULL) AS running"
)
_JUDGED_BY: Final = (
    f"SELECT _place, clock, open, due, {is_overdue('due', 'met')} AS overdue,\n"
    f"    {is_on_time('due', 'met', 'really_met')} AS on_time\n"
)
_OVERDUE: Final = Text(
    "Cases with a deadline past and not met at the instant.",
    "该时刻有期限已到而未完成的案件数。",
)


def _places(family: Family, role: Role) -> tuple[dict[str, Text], str, str, str]:
    """Columns of the place, their SQL, and what they are called: townships if shown live."""
    if family.shows("township", role):
        where = {"county": CASE_COUNTY, "township": TOWNSHIP_IF_SHOWN}
        return where, PLACE_CODES, "county and township", "县市区和乡镇街道"
    return {"county": CASE_COUNTY}, "_place AS county", "county", "县市区"


def _overdue(family: Family) -> str:
    """SQL: whether a deadline is past and not met."""
    return " OR ".join(f"({past_due(clock)})" for clock in family.clocks) or "0"


def _moved(family: Family) -> dict[str, str]:
    """The terms that `_overdue` uses."""
    latest = {latest_due(clock): clock for clock in family.clocks if clock.moves}
    return {name: clock_terms(clock)[name] for name, clock in latest.items()}


def _totals(fold: CaseFold, zone: str) -> dict[str, tuple[str, Text]]:
    """What is counted of cases, without the day's own and without how they ended."""
    named = ("begun_this_year", "open_cases", "ended_this_year")
    return {name: told for name, told in _counted(fold, zone).items() if name in named}


def _counted(fold: CaseFold, zone: str) -> dict[str, tuple[str, Text]]:
    """What is counted of cases: the condition and its meaning, by column."""
    opening, year = first_at(fold.opens), _new_year(zone)
    ended = f"c.ended_at >= {year} AND c.ended_at <= {NOW}"
    begun = "Cases begun {} of `at`."
    found = {
        "begun_today": (
            f"{opening} >= toStartOfDay({NOW})",
            Text(begun.format("on the day"), "`at` 当日开始的案件数。"),
        ),
        "begun_this_year": (
            f"{opening} >= {year}",
            Text(begun.format("in the calendar year"), "`at` 所在年份开始的案件数。"),
        ),
        "open_cases": (
            OPEN,
            Text("Cases not ended at the instant.", "该时刻未结束的案件数。"),
        ),
        "ended_this_year": (
            ended,
            Text("Cases ended in the calendar year of `at`.", "`at` 所在年份结束的案件数。"),
        ),
    }
    for type_ in fold.ends:
        found[ended_by(type_)] = (
            f"{ended} AND {first_at(type_)} <= {NOW}",
            Text(
                f"Those ended in the calendar year of `at` that have a {type_}.",
                f"`at` 所在年份结束且有 {type_} 的案件数。",
            ),
        )
    return found


def _new_year(zone: str) -> str:
    """SQL: the first instant of the year of the instant."""
    return f"toDateTime(toStartOfYear({NOW}), {quoted(zone)})"


def _summed(family: Family, zone: str) -> dict[str, tuple[FieldSpec, str, Text]]:
    """The totals that are facts of a case: their sum over the cases that say them this year."""
    year = _new_year(zone)
    return {
        f"{f.name}_this_year": (
            f,
            f"sumIf({fact_of(f)}, {said} >= {year} AND {said} <= {NOW})",
            f.doc + Text("Said in the calendar year of `at`.", "只计 `at` 所在年份登记的。"),
        )
        for f in family.facts
        if f.total
        for said in [first_of(family.sayers(f.name, "fact"))]
    }


def ended_by(type_: str) -> str:
    """Column that counts the cases ended this year with an event of the type."""
    return f"{verb(type_)}_this_year"
