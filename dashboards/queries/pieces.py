"""Pieces of the panels' SQL: the judged instant, safe use of a variable, names of places.

Everything is judged at the end of the board's time range, never by the wall clock, so a board set
to a past day shows that day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from dashboards.edition import edition, say
from schemas.families import families, family
from schemas.projections import verb
from schemas.reference.divisions import UNKNOWN_PLACE
from schemas.sql.columns import quoted

END: Final = "$__toTime"
AT: Final = "toUnixTimestamp64Milli($__toTime_ms)"
"""The judged instant, as the argument of the published views."""


def zone() -> str:
    """The city's time zone, as a literal. The server's zone may differ, and so would its days."""
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
    """SQL: the hour for ranges up to 96 hours, else the day; both in the city's time zone."""
    return (
        f"if(dateDiff('hour', $__fromTime, {END}, {zone()}) > 96, toStartOfDay(hour), "
        "toStartOfHour(hour))"
    )


def unknown() -> str:
    """SQL: a county's name; for the city's own code, the text for an unknown place."""
    return f"if(level = 'city', {text(UNKNOWN_PLACE)}, name)"


def counties() -> str:
    """The counties, and the city itself for events whose place is unknown."""
    return f"(SELECT code, {unknown()} AS name FROM divisions WHERE level IN ('city', 'county'))"


def text(zh: str) -> str:
    """A visible text, as a literal in the language of the edition."""
    return quoted(say(zh))


YUAN: Final = 1_000_000
"""fen in 10,000 yuan."""

LIMIT: Final = 200
"""Maximum rows of a table; many more hang the browser."""


def days(since: str, until: str) -> str:
    """Number of the city's midnights between two instants.

    Without the zone ClickHouse uses the zone of each argument, and the end of a range has the
    server's: in UTC, eight hours of every day would fall on the day before.
    """
    return f"dateDiff('day', {since}, {until}, {zone()})"


def overdue_days(due: str) -> str:
    """Days past the last day in time, at the end of the range; `due` is the midnight after it."""
    return days(f"{due} - INTERVAL 1 SECOND", "$__toTime_ms")


def picked(name: str) -> str:
    """The values chosen in variable `name`, as an array of strings.

    Values reach the SQL percent-encoded. Quoting is not safe: ClickHouse reads backslashes as
    escapes.
    """
    return f"splitByChar(',', trim(BOTH '{{}}' FROM {one(name)}))"


def one(name: str) -> str:
    """The value of a single-value variable, as a string."""
    return f"decodeURLComponent('${{{name}:percentencode}}')"


def among(column: str, name: str) -> str:
    """Condition that `column` is one of the chosen values; true when all are chosen."""
    return f"$__conditionalAll({column} IN {picked(name)}, ${name})"


IN_PLACE: Final = among("county", "county")
"""Condition that a row belongs to a chosen county."""


def visit_sums(today: str) -> str:
    """Visits and requests of the rows that meet condition `today`, and of all rows (the year)."""
    figures = {"visits": "recorded", "raised": "request_raised", "closed": "request_closed"}
    return ",\n  ".join(
        f"sumIf(net_count, type = 'visit.{type_}'{condition}) AS {name}_{span}"
        for name, type_ in figures.items()
        for span, condition in (("today", f" AND {today}"), ("year", ""))
    )


VISIT_TYPES: Final = ("visit.recorded", "visit.request_raised", "visit.request_closed")


def count_column(type_: str) -> str:
    """Name of the column that counts an event type: `recorded_count` of `visit.recorded`."""
    return f"{verb(type_)}_count"


def sums(types: Iterable[str], figure: str = "net_count", name: Callable[[str], str] = verb) -> str:
    """SQL: the sum of a figure for each event type, in a column that `name` names after it."""
    return ", ".join(f"sumIf({figure}, type = '{type_}') AS {name(type_)}" for type_ in types)


EVERYWHERE: Final = "1 = 1"
"""Condition that every row fulfils."""


def share(part: str, whole: str) -> str:
    """`part` / `whole`; NULL if `whole` is 0, because no cases is not 0 %."""
    return f"({part}) / nullIf({whole}, 0)"


def word(topic: str, field: str, value: str = "") -> str:
    """Name of a vocabulary's value; a value without a name stays itself.

    Args:
        topic: family that declares the vocabulary.
        field: field of that vocabulary.
        value: SQL of the value; by default the column named after the field.
    """
    labels = {k: zh for f in family(topic).fields_named(field) for k, zh in f.labels.items()}
    return named(value or field, labels)


def type_name(value: str) -> str:
    """Name of an event type, prefixed with its family's name unless it already contains it."""
    names = {
        cls.spec.name: cls.spec.zh if found.zh in cls.spec.zh else say(found.zh) + say(cls.spec.zh)
        for found in families()
        for cls in found.events
    }
    return named(value, names)


def named(value: str, texts: Mapping[str, str]) -> str:
    """SQL: the text of a code; a code without a text stays itself."""
    shown = [text(zh) for zh in texts.values()]
    return f"transform({value}, {arrays(texts)}, [{', '.join(shown)}], {value})"


def arrays(values: Iterable[str]) -> str:
    """Constant codes as an array of strings."""
    return f"[{', '.join(map(quoted, values))}]"


def place(code: str) -> str:
    """Name of a county or township; a code without a name stays itself.

    Cheaper than a join: each side of a join is another query to analyse and read.
    """
    return _found(
        code,
        "groupArray(code), groupArray(name) FROM divisions WHERE level IN ('county', 'township')",
    )


def village(code: str) -> str:
    """Name of a village; a code without a name stays itself."""
    return _found(code, "groupArray(code), groupArray(name) FROM divisions WHERE level = 'village'")


def county_name(code: str) -> str:
    """Name of a county, or the text for an unknown place; a code without a name stays itself."""
    names = f"groupArray(code), groupArray({unknown()})"
    return _found(code, f"{names} FROM divisions WHERE level IN ('city', 'county')")


def _found(value: str, names: str) -> str:
    columns = f"(SELECT {names})"
    return f"transform({value}, tupleElement({columns}, 1), tupleElement({columns}, 2), {value})"
