"""ClickHouse columns as data frames, the same that Grafana's back end makes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

from dashboards.server.answers import Said
from schemas.errors import Refused

TIME_SERIES, TABLE, LOGS, TRACES, MULTI = range(5)
_VISUALISATION = {TABLE: "table", LOGS: "logs", TRACES: "trace"}


class Empty(Said):
    """No rows; in Grafana's words, by which the page knows it and shows an empty picture."""


@dataclass(frozen=True, slots=True)
class AnswerColumn:
    """One field of a frame.

    Args:
        kind: Grafana's type in JSON: number, string, boolean, time, other.
        cell: Grafana's Go type of a value, as in `typeInfo.frame`.
        values: ready for JSON; time as ms since 1970 UTC.
    """

    name: str
    kind: str
    cell: str
    nullable: bool
    values: list[Any]
    labels: dict[str, str] = field(default_factory=dict)


def column(name: str, clickhouse_type: str, values: Sequence[Any], zone: tzinfo) -> AnswerColumn:
    """Values of a ClickHouse column as a frame's field.

    Args:
        name: column name in the query.
        clickhouse_type: as the server names it, wrappers included.
        values: Python objects from the driver.
        zone: the server's time zone; the driver returns columns without a zone as naive local time.
    """
    plain, nullable = _unwrapped(clickhouse_type)
    kind, cell = _kind(plain)
    return AnswerColumn(name, kind, cell, nullable, [_cell(value, kind, zone) for value in values])


_WRAPPER = re.compile(r"^(Nullable|LowCardinality|SimpleAggregateFunction)\((.*)\)$", re.DOTALL)


def _unwrapped(clickhouse_type: str) -> tuple[str, bool]:
    nullable = False
    while found := _WRAPPER.match(clickhouse_type):
        wrapper, clickhouse_type = found[1], found[2]
        if wrapper == "Nullable":
            nullable = True
        elif wrapper == "SimpleAggregateFunction":
            clickhouse_type = clickhouse_type.partition(",")[2].strip()
    return clickhouse_type, nullable


_TEXT = ("String", "FixedString", "UUID", "Enum", "IPv4", "IPv6", "Interval")


def _kind(plain: str) -> tuple[str, str]:
    if found := re.match(r"^(U?Int)(8|16|32|64)$", plain):
        return "number", plain.lower()
    if re.match(r"^U?Int(128|256)$", plain) or plain.startswith("Decimal"):
        return "number", "float64"
    if found := re.match(r"^B?Float(\d+)$", plain):
        return "number", "float64" if found[1] == "64" else "float32"
    if plain == "Bool":
        return "boolean", "bool"
    if plain.startswith("Date"):
        return "time", "time.Time"
    if plain.startswith(_TEXT) or plain == "Nothing":
        return "string", "string"
    return "other", "json.RawMessage"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def _cell(value: Any, kind: str, zone: tzinfo) -> Any:
    if value is None:
        return None
    match kind:
        case "time":
            return _instant_ms(value, zone)
        case "number":
            return float(value) if isinstance(value, Decimal) else value
        case "string":
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        case "boolean":
            return bool(value)
        case _:
            return json.loads(json.dumps(value, default=str, ensure_ascii=False))


def _instant_ms(value: date | datetime, zone: tzinfo) -> int:
    if not isinstance(value, datetime):
        # A Date has no zone; Grafana shows it as midnight UTC.
        return (date.toordinal(value) - date.toordinal(date(1970, 1, 1))) * 86_400_000
    aware = value if value.tzinfo else value.replace(tzinfo=zone)
    return (aware - _EPOCH) // _MS


def wide(columns: list[AnswerColumn]) -> list[AnswerColumn]:
    """A long time series (time, labels, values) as one field per value and label set.

    The first time column is the time, each text or boolean column a label, every other column a
    value; missing values are null. Without a time, a label or a value column, nothing changes.

    Raises:
        Refused: times are not ascending, or one is null.
    """
    clock = next((i for i, c in enumerate(columns) if c.kind == "time"), None)
    factors = [i for i, c in enumerate(columns) if c.kind in ("string", "boolean")]
    rest = [i for i in range(len(columns)) if i != clock and i not in factors]
    if clock is None or not factors or not rest:
        return columns
    times = _rising(columns[clock].values)
    rows = {at: row for row, at in enumerate(times)}
    series: dict[tuple[int, tuple[str, ...]], list[Any]] = {}
    for row, at in enumerate(columns[clock].values):
        key = tuple(_label(columns[i].values[row]) for i in factors)
        for i in rest:
            cells = series.setdefault((i, key), [None] * len(times))
            cells[rows[at]] = columns[i].values[row]
    names = [columns[i].name for i in factors]
    fields = [
        replace(columns[i], nullable=True, values=values, labels=dict(zip(names, key, strict=True)))
        for (i, key), values in series.items()
    ]
    fields.sort(key=lambda c: (c.name, *(c.labels[name] for name in names)))
    return [replace(columns[clock], nullable=False, values=times), *fields]


def _rising(values: list[Any]) -> list[int]:
    """Distinct times, ascending."""
    times: list[int] = []
    for at in values:
        if at is None:
            raise Refused(
                "can not convert to wide series, input has null time values",
                do="Leave rows without a time out of the panel's SQL.",
            )
        if times and at < times[-1]:
            raise Refused(
                "long series must be sorted ascending by time to be converted",
                do="Add ORDER BY the time column to the panel's SQL.",
            )
        if not times or at > times[-1]:
            times.append(at)
    return times


def _label(value: Any) -> str:
    return {None: "", True: "true", False: "false"}.get(value, value)  # type: ignore[no-any-return]


def frames(
    columns: list[AnswerColumn], *, ref: str, form: int, sql: str, notice: str = ""
) -> list[dict[str, Any]]:
    """The frames of one query in Grafana's JSON.

    Args:
        columns: of equal length.
        ref: the target's refId.
        form: the target's format code.
        sql: the query as run, macros expanded; the panel's menu shows it.
        notice: a warning the panel shows in its corner; "" for none.

    Raises:
        Empty: a time series without rows; Grafana calls that an error too.
        Refused: one out of order.
    """
    meta: dict[str, Any] = {
        "executedQueryString": sql,
        "preferredVisualisationType": _VISUALISATION.get(form, "graph"),
    }
    if notice:
        meta["notices"] = [{"severity": "warning", "text": notice}]
    if form in (TIME_SERIES, MULTI):
        if not columns or not columns[0].values:
            raise Empty("no results returned from query", do="Widen the time range.")
        spread = wide(columns)
        if spread is not columns:
            meta |= {"type": "timeseries-wide", "typeVersion": [0, 1]}
            if form == MULTI:
                meta["type"] = "timeseries-multi"
                return [_frame(ref, meta, [spread[0], c]) for c in spread[1:]]
            columns = spread
    return [_frame(ref, meta, columns)]


def _frame(ref: str, meta: dict[str, Any], columns: list[AnswerColumn]) -> dict[str, Any]:
    fields, values, entities = [], [], []
    for c in columns:
        schema: dict[str, Any] = {
            "name": c.name,
            "type": c.kind,
            "typeInfo": {"frame": c.cell, **({"nullable": True} if c.nullable else {})},
        }
        if c.labels:
            schema["labels"] = c.labels
        fields.append(schema)
        cells, odd = _finite(c.values)
        values.append(cells)
        entities.append(odd)
    data: dict[str, Any] = {"values": values}
    if any(entities):
        data["entities"] = entities
    return {"schema": {"name": ref, "refId": ref, "meta": meta, "fields": fields}, "data": data}


def _finite(values: list[Any]) -> tuple[list[Any], dict[str, list[int]] | None]:
    """Values with null for NaN and infinity, which JSON lacks; their indexes by name beside."""
    odd: dict[str, list[int]] = {}
    cells = values
    for at, value in enumerate(values):
        if isinstance(value, float) and not math.isfinite(value):
            if cells is values:
                cells = list(values)
            cells[at] = None
            name = "NaN" if math.isnan(value) else "Inf" if value > 0 else "NegInf"
            odd.setdefault(name, []).append(at)
    return cells, odd or None
