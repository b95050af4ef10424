"""The rows that every published view of figures must show, computed by the fold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final

from tests.figures.fold import (
    DAILY_DIMS,
    HOURLY_DIMS,
    TOTALS,
    ZONE,
    Figures,
    Posting,
    added,
    dims,
)

Row = dict[str, Any]
Expected = Callable[[Sequence[Posting], datetime], list[Row]]
"""The rows of a view over a history; only views with the parameter `at` use the instant."""
KEPT: Final = {
    "visit.recorded": "recorded",
    "visit.request_raised": "request_raised",
    "visit.request_closed": "request_closed",
}
"""Event types counted by micro-grid and day."""


def instant(text: str) -> datetime:
    """An instant in city time, as tests write it."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


def hour(at: datetime) -> str:
    """Start of the hour, in the engine's format."""
    return f"{at:%Y-%m-%d %H}:00:00"


def of(entries: Iterable[Posting], topic: str) -> list[Posting]:
    """The postings of one topic."""
    return [posting for posting in entries if posting.topic == topic]


def rows(names: Sequence[str], found: dict[tuple[Any, ...], Figures]) -> list[Row]:
    """Figures by key as rows whose key columns are called `names`."""
    return [dict(zip(names, key, strict=True)) | figures for key, figures in found.items()]


def by_county_hour(topic: str) -> Expected:
    """Figures per type, county, dimension and hour."""
    names = HOURLY_DIMS[topic]

    def expected(entries: Sequence[Posting], _: datetime) -> list[Row]:
        return rows(
            ["type", "county", *names, "hour"],
            added(
                of(entries, topic),
                lambda p: (p.type, p.division[:6], *dims(p, names), hour(p.at)),
            ),
        )

    return expected


def to_date(topic: str) -> Expected:
    """Net figures of the instant's day, month and year, in whole hours up to and with its own."""
    names = HOURLY_DIMS[topic]
    figures = ["net_count", *(f"net_{name}" for name in TOTALS[topic])]

    def expected(entries: Sequence[Posting], at: datetime) -> list[Row]:
        end = hour(at)
        starts = {"today": end[:10], "month": end[:7], "year": end[:4]}
        upto = [p for p in of(entries, topic) if starts["year"] <= hour(p.at) <= end]
        sums = {
            span: added(
                [p for p in upto if hour(p.at) >= start],
                lambda p: (p.type, p.division[:6], *dims(p, names)),
            )
            for span, start in starts.items()
        }
        return [
            dict(zip(["type", "county", *names], key, strict=True))
            | {
                f"{name}_{span}": found.get(key, {}).get(name, 0)
                for span, found in sums.items()
                for name in figures
            }
            for key in sums["year"]
        ]

    return expected


def by_township_day(topic: str) -> Expected:
    """Figures per type, township, dimension and day; a wider place shows only its county."""
    names = DAILY_DIMS[topic]

    def key(p: Posting) -> tuple[Any, ...]:
        township = p.place[:9] if len(p.place) >= 9 else ""
        return (p.type, p.place[:6], township, *dims(p, names), str(p.at.date()))

    def expected(entries: Sequence[Posting], _: datetime) -> list[Row]:
        columns = ["type", "county", "township", *names, "day"]
        return rows(columns, added(of(entries, topic), key))

    return expected


def by_village(topic: str, grain: str) -> Expected:
    """Figures per type, village, dimension and day or year."""
    names = DAILY_DIMS[topic]

    def key(p: Posting) -> tuple[Any, ...] | None:
        if len(p.place) != 12:
            return None
        bucket = str(p.at.date()) if grain == "day" else p.at.year
        return (p.type, p.place[:6], p.place[:9], p.place, *dims(p, names), bucket)

    def expected(entries: Sequence[Posting], _: datetime) -> list[Row]:
        columns = ["type", "county", "township", "village", *names, grain]
        return rows(columns, added(of(entries, topic), key))

    return expected


def by_county_year(entries: Sequence[Posting], _: datetime) -> list[Row]:
    """Persons helped per type, county and year, of the years before the newest."""
    funds = of(entries, "funds")
    newest = max((p.at.year for p in funds), default=0)
    over = [p for p in funds if p.at.year < newest]
    found = rows(
        ["type", "county", "year"], added(over, lambda p: (p.type, p.division[:6], p.at.year))
    )
    names = ("type", "county", "year", "net_helped")
    return [{name: row[name] for name in names} for row in found if row["net_helped"]]


def by_county_month(topic: str) -> Expected:
    """Numbers of cases per type, county and month, of the months before the newest."""
    figures = [f"net_{name}" for name in TOTALS[topic]]

    def expected(entries: Sequence[Posting], _: datetime) -> list[Row]:
        events = of(entries, topic)
        newest = max((f"{p.at:%Y-%m}-01" for p in events), default="")
        over = [p for p in events if f"{p.at:%Y-%m}-01" < newest]
        key = added(over, lambda p: (p.type, p.division[:6], f"{p.at:%Y-%m}-01"))
        found = rows(["type", "county", "month"], key)
        names = ("type", "county", "month", *figures)
        return [
            {name: row[name] for name in names} for row in found if any(row[n] for n in figures)
        ]

    return expected


def all_by(place: str) -> Expected:
    """Net figures shared by several families, over all families; summed over the other columns."""

    def by_county(p: Posting) -> tuple[Any, ...]:
        return (p.type, p.division[:6], p.data.get("entry") or "", hour(p.at))

    def by_township(p: Posting) -> tuple[Any, ...]:
        township = p.place[:9] if len(p.place) >= 9 else ""
        known = int(len(p.place) == 12)
        return (p.type, p.place[:6], township, known, p.data.get("entry") or "", str(p.at.date()))

    def expected(entries: Sequence[Posting], _: datetime) -> list[Row]:
        columns = ["type", "county", "entry", "hour"]
        if place == "township":
            columns = ["type", "county", "township", "village_known", "entry", "day"]
        found = rows(columns, added(entries, by_county if place == "county" else by_township))
        shown = [*columns, "net_count", "net_people", "net_amount"]
        return [{name: row.get(name, 0) for name in shown} for row in found]

    return expected


def coverage(*, last_visit: bool) -> Expected:
    """Micro-grids with an event by the end of the instant's year; figures up to its day."""

    def expected(entries: Sequence[Posting], at: datetime) -> list[Row]:
        grids: dict[str, list[Posting]] = defaultdict(list)
        for p in of(entries, "visits"):
            if p.grid and p.at.year <= at.year:
                grids[p.grid].append(p)
        return [
            {"county": grid[:6], "township": grid[:9], "village": grid[:12], "grid": grid}
            | ({"last_visit": _last_visit(inside, at)} if last_visit else {})
            | _counts(inside, at)
            for grid, inside in grids.items()
        ]

    return expected


def _counts(entries: Iterable[Posting], at: datetime) -> Figures:
    found = dict.fromkeys(
        ("visits_this_year", "visits", "requests_found", "requests_closed"),
        0,
    )
    for p in entries:
        if p.at.date() > at.date():
            continue
        this_year = p.net * (p.at.year == at.year)
        if p.type == "visit.recorded":
            found["visits"] += p.net
            found["visits_this_year"] += this_year
        elif p.type == "visit.request_raised":
            found["requests_found"] += this_year
        elif p.type == "visit.request_closed":
            found["requests_closed"] += this_year
    return found


def _last_visit(entries: Iterable[Posting], at: datetime) -> str | None:
    days: dict[date, int] = defaultdict(int)
    for p in entries:
        if p.type == "visit.recorded":
            days[p.at.date()] += p.net
    return max((str(day) for day, n in days.items() if n and day <= at.date()), default=None)


def by_grid_day(entries: Sequence[Posting], _: datetime) -> list[Row]:
    """Net figures per kept type, micro-grid and day; a day with none has no row."""
    found = added(
        [p for p in of(entries, "visits") if p.type in KEPT and p.grid],
        lambda p: (p.type, p.grid[:6], p.grid[:9], p.grid[:12], p.grid, str(p.at.date())),
    )
    names = ["type", "county", "township", "village", "grid", "day"]
    return [
        {name: row[name] for name in [*names, "net_count"]}
        for row in rows(names, found)
        if row["net_count"]
    ]


def balances(entries: Sequence[Posting], at: datetime) -> list[Row]:
    """Money in and out of every place's own fund by the end of the day, by source."""
    money: dict[tuple[str, str], dict[str, int]] = {}
    column = {"fund.contributed": "raised", "fund.disbursed": "spent"}
    for p in of(entries, "funds"):
        if p.type not in column or p.at.date() > at.date():
            continue
        sums = money.setdefault((p.division, p.data["source"]), {"raised": 0, "spent": 0})
        sums[column[p.type]] += p.net * p.data["amount"]
    return [
        {
            "county": place[:6],
            "township": place[:9] if len(place) >= 9 else "",
            "village": place if len(place) == 12 else "",
            "source": source,
            **sums,
            "balance": sums["raised"] - sums["spent"],
        }
        for (place, source), sums in money.items()
    ]


EXPECTED: Final[dict[str, Expected]] = {
    **{f"{topic}_by_county_hour": by_county_hour(topic) for topic in TOTALS},
    **{f"{topic}_to_date": to_date(topic) for topic in TOTALS},
    **{f"{topic}_by_township_day": by_township_day(topic) for topic in TOTALS},
    **{
        f"{topic}_by_village_{grain}": by_village(topic, grain)
        for topic in TOTALS
        for grain in ("day", "year")
    },
    "funds_by_county_year": by_county_year,
    **{f"{topic}_by_county_month": by_county_month(topic) for topic in ("petitions", "mediations")},
    "all_by_county_hour": all_by("county"),
    "all_by_township_day": all_by("township"),
    "visits_coverage": coverage(last_visit=True),
    "visits_covered": coverage(last_visit=False),
    "visits_by_grid_day": by_grid_day,
    "funds_balances": balances,
}
"""Expected rows of every view of figures, as clerks see it."""
OF_CASES: Final = ("petitions", "mediations")
FINER: Final = {
    **{
        f"{topic}_by_county_hour": {
            *HOURLY_DIMS[topic],
            *(f"{kind}_{name}" for kind in ("gross", "net") for name in TOTALS[topic]),
        }
        for topic in OF_CASES
    },
    **{
        f"{topic}_to_date": {
            *HOURLY_DIMS[topic],
            *(
                f"net_{name}_{span}"
                for name in TOTALS[topic]
                for span in ("today", "month", "year")
            ),
        }
        for topic in OF_CASES
    },
    **{f"all_by_{place}": {"net_people"} for place in ("county_hour", "township_day")},
    "funds_by_county_hour": {"gross_helped", "net_helped"},
    "funds_by_township_day": {"gross_helped", "net_helped"},
    "funds_by_village_day": {"gross_helped", "net_helped"},
    "funds_by_village_year": {"gross_helped", "net_helped"},
    "funds_to_date": {f"net_helped_{span}" for span in ("today", "month", "year")},
}
"""Columns that only clerks see, by view."""
HIDDEN: Final = {
    f"{topic}_by_{grain}"
    for topic in OF_CASES
    for grain in ("township_day", "village_day", "village_year")
}
"""Views of figures that only clerks see."""
OF_AN_INSTANT: Final = {
    *(f"{topic}_to_date" for topic in TOTALS),
    *("visits_coverage", "visits_covered", "funds_balances"),
}
