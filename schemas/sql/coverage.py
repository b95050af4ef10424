"""The published views of a diary: which micro-grids were reached, when last, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from schemas.family import Family
from schemas.projections import Diary, Kept
from schemas.sql.columns import (
    COUNTY,
    MICROGRID,
    NET,
    TOWNSHIP,
    TYPE,
    VILLAGE,
    PublishedView,
    instant,
    quoted,
    starts,
)
from schemas.sql.targets import LAST_DAY, count_of, days_of, target
from schemas.words import Text

_NEVER: Final = "toDate(0)"
_PLACES: Final = {"county": COUNTY, "township": TOWNSHIP, "village": VILLAGE, "grid": MICROGRID}


def coverage(family: Family, diary: Diary, database: str, zone: str) -> PublishedView:
    """One row per micro-grid: its last day, and its counts as of the day of `at`."""
    last = Text(
        f"Last day with a {diary.seen.type} that stands; NULL when none does.",
        f"最近一次{diary.seen.zh}的日期；没有时为 NULL。",
    )
    return PublishedView(
        f"{family.topic}_{diary.name}",
        diary.zh,
        Text(
            "Micro-grids with an event by the end of the year of `at`, as of its day.",
            "至 `at` 所在年末有过事件的微网格，数据以 `at` 当日为准。",
        ),
        {**_PLACES, diary.last: last, **_counts(diary)},
        _by_grid(family, diary, database, zone, last_day=True),
        family.topic,
    )


def covered(family: Family, diary: Diary, database: str, zone: str) -> PublishedView:
    """Only the counts: finding the last day is half of the engine's query analysis."""
    return PublishedView(
        f"{family.topic}_covered",
        f"{family.zh}·微网格",
        Text(
            f"The counts of `{family.topic}_{diary.name}` alone, which the engine reads faster.",
            f"只含 `{family.topic}_{diary.name}` 的各项计数，查询更快。",
        ),
        {**_PLACES, **_counts(diary)},
        _by_grid(family, diary, database, zone, last_day=False),
        family.topic,
    )


def by_grid_day(family: Family, diary: Diary, database: str) -> PublishedView:
    """One row per event type, micro-grid and day with a net count."""
    kept = ", ".join(f"({quoted(t)}, {days_of(t)})" for t in diary.types)
    return PublishedView(
        f"{family.topic}_by_grid_day",
        f"{family.zh}·微网格·日",
        Text(
            "Events by type, micro-grid and day.",
            f"{family.zh}统计，按事件类型、微网格和日期。",
        ),
        {"type": TYPE, **_PLACES, "day": starts("day"), "net_count": NET},
        "SELECT type, substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,\n"
        "  substring(grid, 1, 12) AS village, grid, day, sum(n) AS net_count\n"
        "FROM (SELECT grid, kept.1 AS type, kept.2 AS days\n"
        f"  FROM {_table(family, diary, database)}\n"
        f"  ARRAY JOIN [{kept}] AS kept WHERE grid != '')\n"
        "ARRAY JOIN days.1 AS day, days.2 AS n\n"
        # A day taken back sums to zero, but leaves the map only when parts are merged.
        "GROUP BY type, grid, day HAVING net_count != 0",
        family.topic,
    )


def this_year(kept: Kept) -> str:
    """Column that counts the calendar year only; `kept.column` counts all years."""
    return f"{kept.column}_this_year"


def _counts(diary: Diary) -> Mapping[str, Text]:
    def of_year(kept: Kept) -> Text:
        return Text(f"{kept.en} in the calendar year of `at`.", f"`at` 所在年份{kept.zh}。")

    seen = diary.seen
    return {
        this_year(seen): of_year(seen),
        seen.column: Text(f"{seen.en}, all years.", f"历年{seen.zh}合计。"),
        **{kept.column: of_year(kept) for kept in diary.also},
    }


def _table(family: Family, diary: Diary, database: str) -> str:
    return f"`{database}`.`{target(family, diary)}`"


def _by_grid(family: Family, diary: Diary, database: str, zone: str, *, last_day: bool) -> str:
    """SQL: one row per micro-grid with its places, its last day if wanted, and its counts."""
    table, seen = _table(family, diary, database), diary.seen
    last = f"if(grid IN ({_taken_back(diary, table)}), max(r.mended), max(r.last))"
    lasts = f"  nullIf({last}, {_NEVER}) AS {diary.last},\n" if last_day else ""
    also = "".join(
        f",\n  sumIf(r.n{n}, year = this_year) AS {kept.column}"
        for n, kept in enumerate(diary.also, start=1)
    )
    return (
        f"WITH toDate({instant(zone)}) AS today, toYear(today) AS this_year\n"
        "SELECT substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,\n"
        f"  substring(grid, 1, 12) AS village, r.grid AS grid,\n{lasts}"
        f"  sumIf(r.n0, year = this_year) AS {this_year(seen)}, sum(r.n0) AS {seen.column}"
        f"{also}\n"
        f"FROM (\n  {_up_to_today(diary, table, last_day=last_day)}\n) AS r\nGROUP BY grid"
    )


def _taken_back(diary: Diary, table: str) -> str:
    """SQL: the micro-grids with a day below zero in some part of the table."""
    return f"SELECT grid FROM {table} WHERE arrayExists(n -> n < 0, {days_of(diary.seen.type)}.2)"


def _up_to_today(diary: Diary, table: str, *, last_day: bool) -> str:
    """SQL: the counts and the last day of every row of the diary, as of the day `today`."""
    seen = days_of(diary.seen.type)

    def rows(last: str, mended: str, counts: Iterable[str], of: str, year: str = "year") -> str:
        lasts = f"\n    {last} AS last, {mended} AS mended," if last_day else ""
        shown = ", ".join(f"{count} AS n{n}" for n, count in enumerate(counts))
        return f"SELECT grid, {year} AS year,{lasts}\n    {shown}\n  FROM {of}"

    # Rows that end by `today` need only their counts; reading their days takes twice as long.
    ended = rows(
        f"{seen}.1[-1]",
        _NEVER,
        map(count_of, diary.types),
        f"{table} WHERE grid != '' AND {LAST_DAY} <= today",
    )
    going_on = rows(
        f"arrayLast(day -> day <= today, {seen}.1)",
        _NEVER,
        _counted_by_day(diary),
        f"{table} WHERE grid != '' AND {LAST_DAY} > today AND year <= this_year",
    )
    if not last_day:
        return "\n  UNION ALL\n  ".join((ended, going_on))
    # One part of the table may hold a visit and a later part its removal. Days must then be summed,
    # but only for those few micro-grids, in a SELECT of their own. Carrying the days of all along
    # takes half as long again, and a join costs even where nobody asks for the last day (D-23).
    summed = rows(
        _NEVER,
        f"arrayMax((day, n) -> if(n > 0 AND day <= today, day, {_NEVER}), days.1, days.2)",
        ["0"] * len(diary.types),
        f"(SELECT grid, sumMap({seen}) AS days FROM {table}\n"
        f"    WHERE grid != '' AND year <= this_year AND grid IN ({_taken_back(diary, table)}) "
        "GROUP BY grid)",
        "0",
    )
    return "\n  UNION ALL\n  ".join((ended, going_on, summed))


def _counted_by_day(diary: Diary) -> Iterator[str]:
    for days in map(days_of, diary.types):
        yield f"arraySum((day, n) -> if(day <= today, n, 0), {days}.1, {days}.2)"
