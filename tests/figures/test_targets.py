"""Tables of stored figures: keys and types, watermarks, and messages that do not count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from schemas.families import family
from schemas.sql.targets import columns, key, select
from tests.figures.test_rollups import OPENING
from tests.figures.test_watched import UNCOUNTED
from tests.histories.told import told

if TYPE_CHECKING:
    from tests.figures.conftest import Known
    from tests.schemas.conftest import City
    from tests.town import Town

_SUM, _DAYS = "SimpleAggregateFunction(sum, Int64)", "Tuple(Array(Date), Array(Int64))"
_WORD = "LowCardinality(String)"
_HOUR = {"hour": "DateTime('Asia/Shanghai')"}
_DAY = {"day": "Date"}
_KPART = {"kpart": "UInt16"}
_HI = {"hi": "SimpleAggregateFunction(max, Int64)"}


def _words(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, _WORD)


def _figures(*totals: str) -> dict[str, str]:
    return {f"{sign}_{name}": _SUM for name in ("count", *totals) for sign in ("gross", "net")}


VISITS, PETITIONS = _figures("met"), _figures("people", "satisfaction")
MEDIATIONS, FUNDS = _figures("people", "amount"), _figures("amount", "helped", "projects")
KEYS: dict[str, dict[str, str]] = {
    # Time ranges are read by time first; a ledger is read by place from its first day on.
    "visits_hourly": _KPART | _words("type") | _HOUR | _words("county", "role"),
    "visits_daily": _KPART | _words("type") | _DAY | _words("division"),
    "visits_coverage": {"grid": "String"} | _KPART | {"year": "UInt16"},
    "petitions_hourly": _KPART | _words("type") | _HOUR | _words("county", "kind"),
    "petitions_daily": _KPART | _words("type") | _DAY | _words("division"),
    "petitions_cases": _KPART | {"case": "String"},
    "mediations_hourly": _KPART | _words("type") | _HOUR | _words("county", "dispute"),
    "mediations_daily": _KPART | _words("type") | _DAY | _words("division"),
    "mediations_cases": _KPART | {"case": "String"},
    "funds_hourly": _KPART | _words("type") | _HOUR | _words("county", "entry"),
    "funds_ledger": _KPART | _words("type", "division", "source", "use", "entry") | _DAY,
}
"""Key columns and types of every target, in order."""
FIGURES: dict[str, dict[str, str]] = {
    **dict.fromkeys(("visits_hourly", "visits_daily"), VISITS),
    **dict.fromkeys(("petitions_hourly", "petitions_daily"), PETITIONS),
    **dict.fromkeys(("mediations_hourly", "mediations_daily"), MEDIATIONS),
    **dict.fromkeys(("funds_hourly", "funds_ledger"), FUNDS),
    "visits_coverage": {
        **{
            name: of
            for verb in ("recorded", "request_raised", "request_closed")
            for name, of in (
                (f"{verb}_days", f"SimpleAggregateFunction(sumMap, {_DAYS})"),
                (f"{verb}_count", _SUM),
            )
        },
        "last_day": "SimpleAggregateFunction(max, Date)",
    },
}
"""Figure columns and types of every target except case folds, which have their own tests."""


@pytest.mark.parametrize("table", KEYS)
def test_a_target_has_its_key_its_figures_and_its_watermark(table: str, town: Town) -> None:
    found = {
        row["name"]: row["type"]
        for row in town.rows(
            "SELECT name, type FROM system.columns "
            f"WHERE database = 'gulou' AND table = '{table}' ORDER BY position"
        )
    }
    (stored,) = town.rows(
        "SELECT sorting_key, engine FROM system.tables "
        f"WHERE database = 'gulou' AND name = '{table}'"
    )
    assert stored == {"sorting_key": ", ".join(KEYS[table]), "engine": "AggregatingMergeTree"}
    expected = KEYS[table] | FIGURES.get(table, {}) | _HI
    if table not in FIGURES:
        found = {name: type_ for name, type_ in found.items() if name in expected}
    assert list(found.items()) == list(expected.items())


def test_offsets_without_order_are_packed_as_such(town: Town) -> None:
    packed = town.rows(
        "SELECT DISTINCT compression_codec FROM system.columns WHERE database = 'gulou' "
        "AND name = 'hi' AND table NOT LIKE '%_mv'"
    )
    assert packed == [{"compression_codec": "CODEC(T64, LZ4)"}]


@pytest.fixture
def city(town: Town) -> City:
    """A city that takes rows of the events tables."""
    return town.shipped.city


def marks(city: City, topic: str) -> dict[str, dict[int, int]]:
    """Watermark of every partition in every target of a topic."""
    return {
        table: {
            row["kpart"]: row["hi"]
            for row in city.rows(f"SELECT kpart, max(hi) AS hi FROM gulou.{table} GROUP BY kpart")
        }
        for table in KEYS
        if table.startswith(topic)
    }


FIGURE_VIEWS = (
    *("{}_by_county_hour", "{}_by_township_day", "{}_by_village_year"),
    *("all_by_county_hour", "all_by_township_day", "recent_events"),
)


@pytest.mark.parametrize("status", UNCOUNTED)
@pytest.mark.parametrize("topic", OPENING)
def test_what_is_not_counted_moves_every_watermark_and_no_figure(
    topic: str, status: str, city: City
) -> None:
    nine, content = "2021-03-01 09:00:00", {"kind": "appeal", "met": 3, "amount": 5, "people": 7}
    city.insert(
        [
            city.row(topic, OPENING[topic], nine, content, koff=41, key="K-1", status=status),
            # a dead message has no type and no content
            city.row(topic, "", "1970-01-01 08:00:00", {}, koff=42, status=status)
            | {"data": "", "division": ""},
            # its postings do not count either
            city.row(topic, OPENING[topic], nine, content, koff=43, kpart=1, status=status)
            | {"net": f'[{{"gross":1,"net":1,"type":"{OPENING[topic]}","time":1614564000000}}]'},
        ]
    )
    reached = {table: {0: 42, 1: 43} for table in KEYS if table.startswith(topic)}
    assert marks(city, topic) == reached
    for view in FIGURE_VIEWS:
        assert city.published(view.format(topic)) == [], view
    for view in (f"{topic}_to_date", *_asked(topic)):
        assert city.published(view, at="2021-03-01 09:00:00") == [], view
        assert city.published(view, at="1970-01-01 09:00:00") == [], view
    if topic == "visits":
        assert city.published("visits_by_grid_day") == []
    for table in KEYS:
        if table.startswith(topic) and table in FIGURES and "coverage" not in table:
            mark = {"type": "", **dict.fromkeys(FIGURES[table], 0)}
            names = ", ".join(mark)
            assert city.rows(f"SELECT DISTINCT {names} FROM gulou.{table}") == [mark]


def _asked(topic: str) -> Iterator[str]:
    if topic == "visits":
        yield from ("visits_coverage", "visits_covered")
    if topic == "funds":
        yield "funds_balances"


def test_the_watermark_is_the_highest_offset_of_a_batch_counted_or_not(city: City) -> None:
    for topic, type_ in OPENING.items():
        nine, content = "2021-03-01 09:00:00", {"kind": "appeal"}
        city.insert(
            [
                city.row(topic, type_, nine, content, koff=10, key="K-1"),
                city.row(topic, type_, nine, content, koff=9, key="K-1"),
                city.row(topic, type_, nine, content, koff=12, key="K-1", status="repeat"),
                city.row(topic, type_, nine, content, koff=11, key="K-1"),
                city.row(topic, type_, nine, content, koff=30, key="K-2", kpart=1),
            ]
        )
        city.insert([city.row(topic, type_, nine, content, koff=20, key="K-2", kpart=1)])
        reached = {table: {0: 12, 1: 30} for table in KEYS if table.startswith(topic)}
        assert marks(city, topic) == reached


def test_a_correction_that_posts_nothing_leaves_its_mark(city: City) -> None:
    city.add("visits", "visit.voided", "2021-03-01 09:00:00", {}, koff=5, net="[]")
    assert marks(city, "visits") == {
        "visits_hourly": {0: 5},
        "visits_daily": {0: 5},
        "visits_coverage": {0: 5},
    }
    assert city.published("visits_by_county_hour") == []


def test_a_row_of_another_owner_is_refused_with_its_whole_insert(city: City) -> None:
    good = city.row("visits", "visit.recorded", "2021-03-01 10:00:00", {})
    with pytest.raises(Exception, match="fenced"):
        city.insert([good, good | {"koff": good["koff"] + 1, "tok": 8}])
    for table in ("events_visits", "visits_hourly", "visits_daily", "visits_coverage"):
        assert city.rows(f"SELECT count() AS n FROM gulou.{table}") == [{"n": 0}]


@pytest.mark.parametrize("where", ["", "kpart = 0", "koff >= 20 AND kpart != 1"])
@pytest.mark.parametrize("table", KEYS)
def test_a_target_rebuilt_from_the_events_is_the_target_the_views_built(
    table: str, where: str, known: Known
) -> None:
    topic, _, name = table.partition("_")
    (projection,) = (each for each in family(topic).projections if each.name == name)
    zone, rows = "Asia/Shanghai", known.town.rows
    order = ", ".join(f"`{name}`" for name in key(family(topic), projection, zone))
    query = select(family(topic), projection, zone, database="gulou", where=where)
    rebuilt = rows(f"SELECT * FROM ({query}) ORDER BY {order}")
    assert list(rebuilt[0]) == [c.name for c in columns(family(topic), projection, zone)]
    if where.startswith("koff"):
        # Fewer events than the live figures: other partitions and low offsets are left out.
        kparts = {row["kpart"] for row in rebuilt}
        assert kparts == {0, 2, 3} and min(row["hi"] for row in rebuilt) >= 20
        return
    only = f"WHERE {where}" if where else ""
    assert rebuilt == rows(f"SELECT * FROM gulou.{table} FINAL {only} ORDER BY {order}")


def test_the_last_day_of_a_diarys_row_stays_when_its_visit_is_taken_back(town: Town) -> None:
    grid = "431202001001001"
    town.tell(
        told("visit.recorded", "h", "2021-03-01 09:00", grid=grid, id="v"),
        told("visit.recorded", "h", "2021-02-01 09:00", grid=grid),
    )
    town.tell(told("visit.voided", "h", "2021-03-02 09:00", corrects="v"))
    (row,) = town.rows(
        "SELECT year, recorded_days, recorded_count, last_day, hi FROM gulou.visits_coverage FINAL "
        "WHERE grid != ''"
    )
    assert {name: _plain(value) for name, value in row.items()} == {
        "year": 2021,
        "recorded_days": (("2021-02-01",), (1,)),
        "recorded_count": 1,
        "last_day": "2021-03-01",
        "hi": 2,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    return value if isinstance(value, int | str) else str(value)
