"""What tables and views are made of: columns, published views, literals and common meanings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from schemas.event import FieldSpec
from schemas.family import Family
from schemas.grain import Period, Place, Role
from schemas.words import Text


@dataclass(frozen=True, slots=True)
class Column:
    """A ClickHouse column: name, type, and what people read in its comment and the catalogue."""

    name: str
    type: str
    doc: Text
    codec: str = ""
    """Compression codec; empty for ClickHouse's default."""

    @property
    def ddl(self) -> str:
        """The column's definition in CREATE TABLE."""
        packed = f" CODEC({self.codec})" if self.codec else ""
        return f"`{self.name}` {self.type} COMMENT {quoted(str(self.doc))}{packed}"


@dataclass(frozen=True, slots=True)
class PublishedView:
    """A view of the published database.

    Attributes:
        name: stable; `<topic>_<what>`.
        zh: what boards call it.
        doc: what a row is and, where the view takes an instant, as of which instant.
        columns: every column with its meaning and unit, in order.
        sql: the query; tables are qualified, parameters in ClickHouse's `{name:Type}`.
        topic: topic of the one family it shows; empty where it shows several, or none.
    """

    name: str
    zh: str
    doc: Text
    columns: Mapping[str, Text]
    sql: str
    topic: str = ""


def quoted(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def moment(zone: str) -> str:
    """The type of every stored instant: milliseconds, in a named zone, never the server's."""
    return f"DateTime64(3, {quoted(zone)})"


def instant(zone: str) -> str:
    """The instant a parameterised view judges by: `at`, in ms since 1970.

    Not a DateTime64: the engine passes a parameter as text, written in the zone of the value and
    read in the zone of the type, so `toDateTime(…)` would silently be hours off.
    """
    return f"fromUnixTimestamp64Milli({{at:Int64}}, {quoted(zone)})"


BEFORE: Final[Mapping[Period, Text]] = {
    "month": Text("the end of the month before `at`", "`at` 上月末"),
    "year": Text("the end of the year before `at`", "`at` 上年末"),
}
"""What a view named `…_before` is as of, by the period of the family's closer figures."""


def instant_before(zone: str, period: Period) -> str:
    """The last instant of the period before `at`."""
    start = f"toStartOf{period.capitalize()}({instant(zone)})"
    return f"toDateTime64({start}, 3, {quoted(zone)}) - toIntervalMillisecond(1)"


def of_types(family: Family, name: str, mark: str, column: str) -> str:
    """Condition that the row's event type has `mark` on field `name`; empty when all types do.

    Another event type may have a field of that name: the people at a hearing are no petitioners.
    """
    sayers = family.sayers(name, mark)
    if len(sayers) == len(family.fields_named(name)):
        return ""
    return f"{column} IN ({', '.join(map(quoted, sayers))})"


def codes_of(place: str) -> str:
    """SQL: county and township of a place's code of 6 or 9 digits; 6 digits have no township."""
    return f"substring({place}, 1, 6) AS county, if(length({place}) = 9, {place}, '') AS township"


TYPE: Final = Text("Event type.", "事件类型。")
COUNTY: Final = Text("County, six digits.", "县市区代码，6位。")
TOWNSHIP: Final = Text("Township, nine digits.", "乡镇街道代码，9位。")
VILLAGE: Final = Text("Village or community, twelve digits.", "村（社区）代码，12位。")
MICROGRID: Final = Text("Micro-grid.", "微网格代码。")
TOPIC: Final = Text("Topic.", "主题。")
KPART: Final = Text("Kafka partition.", "Kafka 分区。")
MONTH: Final = Text("First day of the month, city's zone.", "所属月份的首日，按本市时区。")
YEAR: Final = Text("Calendar year, city's zone.", "所属年份，按本市时区。")
COUNTY_OR_CITY: Final = Text(
    "County, six digits; the city's own code: place unknown (未定位).",
    "县市区代码，6位；为本市代码时表示未定位。",
)
TOWNSHIP_IF_SHOWN: Final = Text(
    "Township, nine digits; empty when unknown or not shown below county.",
    "乡镇街道代码，9位；不明或者只公布到县级时为空。",
)
GROSS: Final = Text("Events as first filed.", "原报件次。")
NET: Final = Text("Events that still stand after corrections.", "更正、作废之后仍有效的件次。")
_BUCKETS: Final = {"hour": "小时", "day": "日期"}


def as_filed(f: FieldSpec) -> Text:
    """Meaning of the gross total of a field."""
    return Text(f"As first filed: {f.doc.en}", f"原报合计：{f.doc.zh}")


def as_corrected(f: FieldSpec) -> Text:
    """Meaning of the net total of a field."""
    return Text(f"After corrections: {f.doc.en}", f"更正后合计：{f.doc.zh}")


def figures_of(
    family: Family, place: Place = "county", role: Role = "clerk", period: Period = "live"
) -> list[tuple[str, Text]]:
    """Names and meanings of the figures of a family's rollups; `net_` are those after corrections.

    Only those that readers of the role see at the level of place, for the period. Pairs, not a
    mapping, so that a target finds a name that comes twice.
    """
    found = []
    if family.shows(place, role, period):
        found += [("gross_count", GROSS), ("net_count", NET)]
    for f in family.totals:
        if family.grain_of(f).shows(place, role, period):
            found += [(f"gross_{f.name}", as_filed(f)), (f"net_{f.name}", as_corrected(f))]
    return found


def starts(grain: Literal["hour", "day"]) -> Text:
    """Meaning of the column of a time bucket."""
    return Text(f"Start of the {grain}, city's zone.", f"所属{_BUCKETS[grain]}，按本市时区。")
