"""Pieces of the panels' SQL: the judged instant, safe use of a variable, names of places.

Everything is judged at the end of the board's time range and never by the clock on the wall, so a
board set to a past day shows that day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from dashboards.edition import edition, say
from schemas.families import families, family
from schemas.projections import verb
from schemas.reference.divisions import UNKNOWN_PLACE
from schemas.sql.columns import quoted

END: Final = "$__toTime"
AT: Final = "toUnixTimestamp64Milli($__toTime_ms)"
"""The judged instant as the published views take it."""


def zone() -> str:
    """The city's zone, as a literal. A server's own may be another: its day is a wrong day."""
    return quoted(edition().zone)


def today() -> str:
    """Day of the end of the range."""
    return f"toDate(toTimeZone({END}, {zone()}))"


def midnight() -> str:
    """First instant of that day."""
    return f"toStartOfDay(toTimeZone({END}, {zone()}))"


def new_year() -> str:
    """First day of its year."""
    return f"toStartOfYear({today()})"


def new_year_hour() -> str:
    """First hour of its year."""
    return f"toDateTime({new_year()}, {zone()})"


def month() -> str:
    """First day of its month."""
    return f"toStartOfMonth({today()})"


def bucket() -> str:
    """Hours for a few days, days for more: the city's, which seconds since 1970 do not give."""
    return (
        f"if(dateDiff('hour', $__fromTime, {END}, {zone()}) > 96, toStartOfDay(hour), "
        "toStartOfHour(hour))"
    )


def unknown() -> str:
    """Name of a county; of the city's own code that the place is unknown."""
    return f"if(level = 'city', {text(UNKNOWN_PLACE)}, name)"


def counties() -> str:
    """The counties, and the city itself for events whose place is unknown."""
    return f"(SELECT code, {unknown()} AS name FROM divisions WHERE level IN ('city', 'county'))"


def text(zh: str) -> str:
    """A text that people read, as a literal in the language of the edition."""
    return quoted(say(zh))


YUAN: Final = 1_000_000
"""fen in 10,000 yuan."""

LIMIT: Final = 200
"""Rows a table may have; more hangs a browser long before it helps anybody."""


def days(since: str, until: str) -> str:
    """Midnights of the city from one instant to another.

    Without the zone ClickHouse takes each side's own, and the end of a range has the server's: in
    UTC eight hours of every day would be the day before.
    """
    return f"dateDiff('day', {since}, {until}, {zone()})"


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


VISIT_TYPES: Final = ("visit.recorded", "visit.request_raised", "visit.request_closed")


def count_column(type_: str) -> str:
    """Column that counts an event type: that of its verb."""
    return f"{verb(type_)}_count"


def visit_lines() -> str:
    """Visits, requests raised and closed, a column each named by its verb."""
    return ", ".join(f"sumIf(net_count, type = '{t}') AS {verb(t)}" for t in VISIT_TYPES)


EVERYWHERE: Final = "1 = 1"
"""Condition that every row fulfils."""


def share(part: str, whole: str) -> str:
    """`part` of `whole`; NULL when there is nothing to divide by, which is no 0 %."""
    return f"({part}) / nullIf({whole}, 0)"


def word(topic: str, field: str, value: str = "") -> str:
    """Name of a vocabulary's value; the value itself while it has none.

    Args:
        topic: family whose vocabulary it is.
        field: field of that vocabulary.
        value: SQL of the value; the column of the field's name where it is not given.
    """
    labels = {k: zh for f in family(topic).fields_named(field) for k, zh in f.labels.items()}
    return named(value or field, labels)


def type_name(value: str) -> str:
    """Name of an event type, with its family's where it would be a riddle alone."""
    names = {
        cls.spec.name: cls.spec.zh if found.zh in cls.spec.zh else say(found.zh) + say(cls.spec.zh)
        for found in families()
        for cls in found.events
    }
    return named(value, names)


def topic_name(value: str) -> str:
    """Name of a family by its topic."""
    return named(value, {found.topic: found.zh for found in families()})


def named(value: str, texts: Mapping[str, str]) -> str:
    """Transforms codes to what people read; a code without a text stays itself."""
    shown = [text(zh) for zh in texts.values()]
    return f"transform({value}, {arrays(texts)}, [{', '.join(shown)}], {value})"


def arrays(values: Iterable[str]) -> str:
    """Constant codes as an array of strings."""
    return f"[{', '.join(map(quoted, values))}]"


def place(code: str) -> str:
    """Name of a county or township; the code itself while it has none.

    Cheaper than a join, whose every side is a query to analyse and to read.
    """
    return _found(
        code,
        "groupArray(code), groupArray(name) FROM divisions WHERE level IN ('county', 'township')",
    )


def county_name(code: str) -> str:
    """Name of a county, or that the place is unknown; the code itself while it has none."""
    names = f"groupArray(code), groupArray({unknown()})"
    return _found(code, f"{names} FROM divisions WHERE level IN ('city', 'county')")


def _found(value: str, names: str) -> str:
    columns = f"(SELECT {names})"
    return f"transform({value}, tupleElement({columns}, 1), tupleElement({columns}, 2), {value})"
