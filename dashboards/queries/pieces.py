"""Pieces of the panels' SQL: the judged instant, safe use of a variable, names of places.

Everything is judged at the end of the board's time range and never by the clock on the wall, so a
board set to a past day shows that day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from schemas.reference.divisions import UNKNOWN_PLACE

ZONE: Final = "Asia/Shanghai"

END: Final = "$__toTime"
AT: Final = "toUnixTimestamp64Milli($__toTime_ms)"
"""The judged instant as the published views take it."""

# Named zone: the server's own may be another, and a day that starts at 8 is a wrong day.
TODAY: Final = f"toDate(toTimeZone({END}, '{ZONE}'))"
MIDNIGHT: Final = f"toStartOfDay(toTimeZone({END}, '{ZONE}'))"
NEW_YEAR: Final = f"toStartOfYear({TODAY})"
NEW_YEAR_HOUR: Final = f"toDateTime({NEW_YEAR}, '{ZONE}')"
MONTH: Final = f"toStartOfMonth({TODAY})"

BUCKET: Final = (
    f"if(dateDiff('hour', $__fromTime, {END}, '{ZONE}') > 96, toStartOfDay(hour), "
    "toStartOfHour(hour))"
)
"""Hours for a few days, days for more; whole days of the city, which seconds since 1970 are not."""

UNKNOWN: Final = f"if(level = 'city', '{UNKNOWN_PLACE}', name)"
COUNTIES: Final = (
    f"(SELECT code, {UNKNOWN} AS name FROM divisions WHERE level IN ('city', 'county'))"
)
"""The 13 divisions, and the city itself for events whose place is unknown."""

YUAN: Final = 1_000_000
"""fen in 10,000 yuan."""

LIMIT: Final = 200
"""Rows a table may have; more hangs a browser long before it helps anybody."""


def days(since: str, until: str) -> str:
    """Midnights of the city from one instant to another.

    Without the zone ClickHouse takes each side's own, and the end of a range has the server's: in
    UTC eight hours of every day would be the day before.
    """
    return f"dateDiff('day', {since}, {until}, '{ZONE}')"


def overdue_days(due: str) -> str:
    """Days past the last day at the end of the range; `due` is the midnight after that day."""
    return days(f"{due} - INTERVAL 1 SECOND", "$__toTime_ms")


def picked(name: str) -> str:
    """The values chosen in variable `name`, as an array of strings.

    No character of a value reaches the SQL unencoded; any quoting would be undone by ClickHouse's
    backslashes.
    """
    return f"splitByChar(',', trim(BOTH '{{}}' FROM {one(name)}))"


def one(name: str) -> str:
    """The value of a single-value variable, as a string."""
    return f"decodeURLComponent('${{{name}:percentencode}}')"


def among(column: str, name: str) -> str:
    """Condition that `column` is one of the chosen; true when all are."""
    return f"$__conditionalAll({column} IN {picked(name)}, ${name})"


IN_PLACE: Final = among("county", "county")
"""Condition that a row is of one of the counties chosen."""


def visit_sums(today: str) -> str:
    """Visits and requests of the day that condition `today` tells, and of all rows, a year's."""
    figures = {"visits": "recorded", "raised": "request_raised", "closed": "request_closed"}
    return ",\n  ".join(
        f"sumIf(net_count, type = 'visit.{type_}'{condition}) AS {name}_{span}"
        for name, type_ in figures.items()
        for span, condition in (("today", f" AND {today}"), ("year", ""))
    )


EVERYWHERE: Final = "1 = 1"
"""Condition that every row fulfils."""


def share(part: str, whole: str) -> str:
    """`part` of `whole`; NULL when there is nothing to divide by, which is no 0 %."""
    return f"({part}) / nullIf({whole}, 0)"


def word(field: str, value: str) -> str:
    """Chinese name of a vocabulary's value; the value itself while it has none."""
    return _named(value, f"groupArray(value), groupArray(zh) FROM labels WHERE field = '{field}'")


def arrays(rows: Iterable[Sequence[str]]) -> list[str]:
    """The columns of constant rows, each as an array of strings."""
    return [
        "[" + ", ".join(f"'{cell}'" for cell in cells) + "]" for cells in zip(*rows, strict=True)
    ]


def place(code: str) -> str:
    """Name of a county or township; the code itself while it has none.

    Cheaper than a join, whose every side is a query to analyse and to read.
    """
    return _named(
        code,
        "groupArray(code), groupArray(name) FROM divisions WHERE level IN ('county', 'township')",
    )


def county_name(code: str) -> str:
    """Name of a county, or that the place is unknown; the code itself while it has none."""
    return _named(
        code,
        f"groupArray(code), groupArray({UNKNOWN}) FROM divisions WHERE level IN ('city', 'county')",
    )


def _named(value: str, names: str) -> str:
    columns = f"(SELECT {names})"
    return f"transform({value}, tupleElement({columns}, 1), tupleElement({columns}, 2), {value})"
