"""Frames compared with the documented frames of Grafana's back end for the same columns."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dashboards.server.frames import MULTI, TABLE, TIME_SERIES, AnswerColumn, column, frames
from schemas.errors import Refused

SHANGHAI = ZoneInfo("Asia/Shanghai")


def _column(kind: str, *values: Any) -> AnswerColumn:
    return column("c", kind, values, SHANGHAI)


@pytest.mark.parametrize(
    ("clickhouse", "kind", "cell", "nullable"),
    [
        ("UInt64", "number", "uint64", False),
        ("Nullable(Int8)", "number", "int8", True),
        ("LowCardinality(Nullable(String))", "string", "string", True),
        ("Decimal(18, 2)", "number", "float64", False),
        ("Float32", "number", "float32", False),
        ("Bool", "boolean", "bool", False),
        ("Enum8('a' = 1)", "string", "string", False),
        ("Date", "time", "time.Time", False),
        ("DateTime64(3, 'Asia/Shanghai')", "time", "time.Time", False),
        ("SimpleAggregateFunction(max, DateTime)", "time", "time.Time", False),
        ("UUID", "string", "string", False),
        ("Int256", "number", "float64", False),
        ("Array(String)", "other", "json.RawMessage", False),
    ],
)
def test_types_map_as_in_the_plugin(clickhouse: str, kind: str, cell: str, nullable: bool) -> None:
    made = _column(clickhouse)
    assert (made.kind, made.cell, made.nullable) == (kind, cell, nullable)


def test_times_become_milliseconds_whatever_their_zone() -> None:
    aware = datetime(2021, 12, 31, 8, 0, 0, 5000, tzinfo=UTC)
    assert _column("DateTime64(3, 'UTC')", aware).values == [1640937600005]
    # The driver returns a column without a zone as naive time in the server's zone: 16:00 there.
    assert _column("DateTime", datetime(2021, 12, 31, 16)).values == [1640937600000]  # noqa: DTZ001
    assert _column("Date", date(1970, 1, 2), None).values == [86_400_000, None]


def test_decimals_are_numbers_and_nested_values_are_json() -> None:
    assert _column("Decimal(9, 2)", Decimal("12.50")).values == [12.5]
    assert _column("Array(Date)", [date(2021, 1, 1)]).values == [["2021-01-01"]]


def _frame(columns: list[AnswerColumn], form: int) -> dict[str, Any]:
    return frames(columns, ref="A", form=form, sql="SELECT 1")[0]


LONG = [
    column("t", "DateTime", [datetime.fromtimestamp(s, UTC) for s in (1, 1, 2)], UTC),
    column("county", "String", ["b", "a", "a"], UTC),
    column("visits", "UInt32", [1, 2, 3], UTC),
]


def test_a_long_series_becomes_one_field_per_label_with_holes_as_null() -> None:
    made = _frame(LONG, TIME_SERIES)
    assert made["data"]["values"] == [[1000, 2000], [2, 3], [1, None]]
    assert [f.get("labels") for f in made["schema"]["fields"]] == [
        None,
        {"county": "a"},
        {"county": "b"},
    ]
    assert made["schema"]["meta"]["type"] == "timeseries-wide"


def test_format_table_keeps_columns_as_they_are() -> None:
    made = _frame(LONG, TABLE)
    assert made["data"]["values"] == [[1000, 1000, 2000], ["b", "a", "a"], [1, 2, 3]]
    assert made["schema"]["meta"]["preferredVisualisationType"] == "table"


def test_format_multi_makes_a_frame_per_series() -> None:
    assert len(frames(LONG, ref="A", form=MULTI, sql="")) == 2


def test_a_series_out_of_order_is_an_error_as_in_grafana() -> None:
    turned = [AnswerColumn(c.name, c.kind, c.cell, c.nullable, c.values[::-1]) for c in LONG]
    with pytest.raises(Refused, match="long series must be sorted ascending by time"):
        _frame(turned, TIME_SERIES)


def test_no_rows_are_an_error_for_a_time_series_and_an_empty_table_otherwise() -> None:
    with pytest.raises(Refused, match="no results returned from query"):
        _frame([_column("UInt8")], TIME_SERIES)
    assert _frame([_column("UInt8")], TABLE)["data"]["values"] == [[]]


def test_what_json_cannot_hold_is_told_beside_the_values() -> None:
    made = _frame([_column("Float64", 1.0, float("nan"), float("-inf"))], TABLE)
    assert made["data"]["values"] == [[1.0, None, None]]
    assert made["data"]["entities"] == [{"NaN": [1], "NegInf": [2]}]
