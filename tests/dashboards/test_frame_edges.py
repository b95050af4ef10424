"""Whole frames, and the values that decide a frame's form."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dashboards.server.frames import AnswerColumn, _kind, column, frames, wide
from schemas.errors import Refused

SHANGHAI = ZoneInfo("Asia/Shanghai")
INF = float("inf")


@pytest.mark.parametrize(
    ("plain", "kind", "cell"),
    [
        *((f"{sign}Int{bits}", "number", f"{sign.lower()}int{bits}")
          for sign in ("", "U") for bits in (8, 16, 32, 64)),
        *((f"{sign}Int{bits}", "number", "float64") for sign in ("", "U") for bits in (128, 256)),
        ("Int12", "other", "json.RawMessage"), ("Int8x", "other", "json.RawMessage"),
        ("Decimal(9, 2)", "number", "float64"), ("Decimal64(2)", "number", "float64"),
        ("Float32", "number", "float32"), ("Float64", "number", "float64"),
        ("BFloat16", "number", "float32"), ("Bool", "boolean", "bool"),
        ("Date", "time", "time.Time"), ("Date32", "time", "time.Time"),
        ("DateTime('UTC')", "time", "time.Time"),
        *((name, "string", "string") for name in (
            "String", "FixedString(3)", "UUID", "Enum16('a' = 1)", "IPv4", "IPv6",
            "IntervalDay", "Nothing")),
        ("Map(String, Int8)", "other", "json.RawMessage"),
        ("Tuple(String)", "other", "json.RawMessage"),
    ],
)  # fmt: skip
def test_every_type_has_its_kind_and_its_cell(plain: str, kind: str, cell: str) -> None:
    assert _kind(plain) == (kind, cell)


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("UInt8", 0, 0), ("Bool", 0, False), ("Bool", 1, True),
        ("Decimal(9, 2)", Decimal("-0.10"), -0.1), ("Float64", -0.5, -0.5),
        ("String", b"\xff", "\ufffd"), ("String", "", ""),
        ("IPv4", ip_address("10.0.0.1"), "10.0.0.1"),
        ("Date", date(1970, 1, 1), 0), ("Date", date(1969, 12, 31), -86_400_000),
        # Fractions of a millisecond are cut off, before 1970 too.
        ("DateTime64(6)", datetime(1970, 1, 1, 0, 0, 0, 1999, tzinfo=UTC), 1),
        ("DateTime64(6)", datetime(1970, 1, 1, tzinfo=UTC) - timedelta(microseconds=1), -1),
        # A time with its own zone keeps it: 08:00 in Shanghai is midnight UTC.
        ("DateTime('Asia/Shanghai')", datetime(1970, 1, 1, 8, tzinfo=SHANGHAI), 0),
        ("DateTime", datetime(1970, 1, 1, 8), 0),  # noqa: DTZ001 - as the driver gives it
        ("Array(Nullable(Int8))", [1, None], [1, None]),
        ("Map(String, Int8)", {"键": 1}, {"键": 1}),
        *((kind, None, None) for kind in (
            "Nullable(UInt8)", "Nullable(String)", "Nullable(Bool)", "Nullable(DateTime)",
            "Nullable(Decimal(9, 2))", "Map(String, Int8)")),
    ],
)  # fmt: skip
def test_a_cell_is_what_json_can_hold(kind: str, value: Any, cell: Any) -> None:
    made = column("c", kind, [value], SHANGHAI)
    assert (made.values, made.name) == ([cell], "c")
    assert type(made.values[0]) is type(cell)


@pytest.mark.parametrize(
    ("kind", "nullable", "cell"),
    [
        ("LowCardinality(String)", False, "string"),
        ("SimpleAggregateFunction(sum, Nullable(UInt8))", True, "uint8"),
        ("Nullable(Array(Nullable(Int8)))", True, "json.RawMessage"),
        ("Array(Nullable(Int8))", False, "json.RawMessage"),
    ],
)
def test_a_column_may_be_empty_where_its_own_type_says_so(
    kind: str, nullable: bool, cell: str
) -> None:
    made = column("c", kind, [], SHANGHAI)
    assert (made.nullable, made.cell) == (nullable, cell)


T = AnswerColumn("t", "time", "time.Time", True, [1, 1, 2])
NAME = AnswerColumn("name", "string", "string", False, ["b", "a", "a"])
GOOD = AnswerColumn("good", "boolean", "bool", True, [True, None, False])
N = AnswerColumn("n", "number", "uint8", False, [5, 6, 7])
M = AnswerColumn("m", "number", "float64", False, [1.0, INF, 3.0])


def made(form: int, *columns: AnswerColumn, notice: str = "") -> list[dict[str, Any]]:
    return frames(list(columns), ref="R", form=form, sql="SELECT 1", notice=notice)


def schema(meta: dict[str, Any], *fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "R", "refId": "R", "fields": list(fields),
        "meta": {"executedQueryString": "SELECT 1", **meta},
    }  # fmt: skip


def entry(of: AnswerColumn, nullable: bool = False, **labels: str) -> dict[str, Any]:
    told: dict[str, Any] = {"frame": of.cell} | ({"nullable": True} if nullable else {})
    return {"name": of.name, "type": of.kind, "typeInfo": told} | (
        {"labels": labels} if labels else {}
    )


def test_a_table_is_one_frame_with_its_columns_as_they_came() -> None:
    meta = {
        "preferredVisualisationType": "table",
        "notices": [{"severity": "warning", "text": "cut"}],
    }
    fields = [entry(T, True), entry(NAME), entry(GOOD, True), entry(M)]
    values = [[1, 1, 2], ["b", "a", "a"], [True, None, False], [1.0, None, 3.0]]
    data = {"values": values, "entities": [None, None, None, {"Inf": [1]}]}
    told = made(1, T, NAME, GOOD, M, notice="cut")
    assert told == [{"schema": schema(meta, *fields), "data": data}]
    assert M.values == [1.0, INF, 3.0], "what was read stays as it was"


def test_a_long_series_is_spread_by_every_text_and_truth_value() -> None:
    meta = {
        "preferredVisualisationType": "graph", "type": "timeseries-wide", "typeVersion": [0, 1],
    }  # fmt: skip
    # By name, then by label in order: a before b, NULL before false.
    kinds = [
        {"name": "a", "good": ""},
        {"name": "a", "good": "false"},
        {"name": "b", "good": "true"},
    ]
    fields = [
        entry(T),
        *(entry(M, True, **kind) for kind in kinds),
        *(entry(N, True, **kind) for kind in kinds),
    ]
    values: list[list[Any]] = [
        [1, 2], [None, None], [None, 3.0], [1.0, None], [6, None], [None, 7], [5, None],
    ]  # fmt: skip
    odd = [None, {"Inf": [0]}, None, None, None, None, None]
    wanted = {"schema": schema(meta, *fields), "data": {"values": values, "entities": odd}}
    assert made(0, T, NAME, GOOD, N, M) == [wanted]


def test_a_multi_series_is_a_frame_for_each_line() -> None:
    meta = {
        "preferredVisualisationType": "graph", "type": "timeseries-multi", "typeVersion": [0, 1],
    }  # fmt: skip
    lines: list[tuple[str, list[int | None]]] = [("a", [6, 7]), ("b", [5, None])]
    assert made(4, T, NAME, N) == [
        {
            "schema": schema(meta, entry(T), entry(N, True, name=name)),
            "data": {"values": [[1, 2], values]},
        }
        for name, values in lines
    ]


@pytest.mark.parametrize(
    "columns", [[T, N], [NAME, N], [T, NAME], [N], [T]], ids=lambda c: "-".join(x.name for x in c)
)
def test_a_series_without_a_time_a_label_or_a_value_stays_as_it_is(
    columns: list[AnswerColumn],
) -> None:
    assert wide(columns) is columns
    for form in (0, 4):
        (frame,) = made(form, *columns)
        assert frame["data"]["values"] == [c.values for c in columns]
        assert frame["schema"]["meta"] == {
            "executedQueryString": "SELECT 1", "preferredVisualisationType": "graph",
        }  # fmt: skip


def test_the_first_time_is_the_time_and_a_second_one_is_a_value() -> None:
    late = AnswerColumn("late", "time", "time.Time", False, [8, 9, 10])
    first, *lines = wide([NAME, T, late])
    assert (first.name, first.values, first.nullable) == ("t", [1, 2], False)
    assert [(c.name, c.labels, c.values, c.nullable) for c in lines] == [
        ("late", {"name": "a"}, [9, 10], True), ("late", {"name": "b"}, [8, None], True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "shown"), [(0, "graph"), (1, "table"), (2, "logs"), (3, "trace"), (4, "graph")]
)
def test_a_format_says_how_its_answer_is_best_shown(form: int, shown: str) -> None:
    meta = made(form, N)[0]["schema"]["meta"]
    assert meta["preferredVisualisationType"] == shown


def test_an_answer_without_rows_is_an_error_to_series_alone() -> None:
    none = AnswerColumn("n", "number", "uint8", False, [])
    for form in (0, 4):
        for columns in ([], [none]):
            with pytest.raises(Refused, match="no results returned from query"):
                made(form, *columns)
    for form in (1, 2, 3):
        assert made(form, none)[0]["data"] == {"values": [[]]}
        assert made(form)[0]["data"] == {"values": []}


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([1, 1, 2], ""), ([1, 2, 3], ""), ([2, 1, 3], "sorted ascending"),
        ([1, 3, 2], "sorted ascending"), ([1, None, 2], "null time values"),
        ([None, 1, 2], "null time values"),
    ],
)  # fmt: skip
def test_times_of_a_series_never_fall_and_none_is_missing(
    times: list[int | None], told: str
) -> None:
    columns = [AnswerColumn("t", "time", "time.Time", True, times), NAME, N]
    if not told:
        assert wide(columns)[0].values == sorted(set(times), key=lambda at: at or 0)
        return
    with pytest.raises(Refused, match=told):
        wide(columns)


def test_numbers_that_json_lacks_are_named_with_their_places() -> None:
    odd = AnswerColumn(
        "o", "number", "float64", False, [INF, 0.0, -INF, float("nan"), INF, float("nan")]
    )
    assert made(1, odd)[0]["data"] == {
        "values": [[None, 0.0, None, None, None, None]],
        "entities": [{"Inf": [0, 4], "NegInf": [2], "NaN": [3, 5]}],
    }
