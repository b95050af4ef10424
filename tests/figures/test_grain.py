"""The grain of every viewer's view, read from the running server and held against the classes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_driver.errors import ServerException

from schemas.families import families
from schemas.family import Family
from schemas.grain import PLACES, Grain, Role
from tests.figures.readers import Rows, ask, code_of, columns, everything, level_of
from tests.histories.told import told

if TYPE_CHECKING:
    from tests.figures.conftest import Known

EVERY = [pytest.param(found, id=found.topic) for found in families()]
OF_CASES = [pytest.param(found, id=found.topic) for found in families() if found.fold]
ENDED = ("2020-11-30 23:59:59.999", "2021-11-30 23:59:59.999")
INSTANTS = ("2020-12-31 23:59:59.999", "2021-12-31 23:59:59.999", "2031-01-01")
TIMES = {"at", "hour", "day", "time", "begun", "due", "oldest_due", "since", "part", "last_visit"}
"""Columns that tell a time within a year; `at` is the instant that a view was asked for."""
COARSEST = {
    # what a viewer sees, from the city's own words: domain.md, personal data
    ("visits", "count"): ("grid", "live"),
    ("visits", "met"): ("grid", "live"),
    ("petitions", "count"): ("township", "live"),
    ("petitions", "people"): ("county", "month"),
    ("petitions", "satisfaction"): ("county", "month"),
    ("mediations", "count"): ("township", "live"),
    ("mediations", "people"): ("county", "month"),
    ("mediations", "amount"): ("county", "month"),
    ("funds", "count"): ("village", "live"),
    ("funds", "amount"): ("village", "live"),
    ("funds", "projects"): ("village", "live"),
    ("funds", "helped"): ("county", "year"),
}
CLOSER = {"visits": "live", "petitions": "month", "mediations": "month", "funds": "live"}
"""The period of counts below the county, or by a property."""
AFTER = {"2020-12-31 23:59:59.999": "2020-11", "2021-12-31 23:59:59.999": "2021-11"}
"""The month at whose end a viewer's closer counts stand, by the instant asked for."""


@pytest.fixture(scope="module")
def read(known: Known) -> dict[str, dict[str, Rows]]:
    """All that a viewer and a clerk can read of the whole history.

    Under `ended` what a clerk reads as of the ends of the months before the instants.
    """
    # Each of the history's petitions has an event of 检举控告, and so no township.
    known.town.tell(told("petition.registered", "P-plain", "2021-05-01 09:00", kind="appeal"))
    return {
        "viewer": everything(known.town, "viewer", INSTANTS),
        "clerk": everything(known.town, "clerk", INSTANTS),
        "ended": everything(known.town, "clerk", ENDED, "petitions_|mediations_"),
    }


def measures(family: Family) -> dict[str, Grain]:
    """The grain of each measure of a family: the count of its events, and its totals."""
    return {"count": family.grain, **{f.name: family.grain_of(f) for f in family.totals}}


def measure(family: Family, column: str) -> str:
    """The measure that a column shows; empty where it is no figure of the family's events."""
    words = {*column.split("_")}
    for f in family.totals:
        if f.name in words:
            return f.name
    if column in ("raised", "spent", "balance"):
        return "amount"
    counts = {"count", "cases", "visits", "requests", "today", "year"}
    counts |= {"met", "late", "past", "running"}
    return "count" if counts & words and column != "year" else ""


def own(family: Family, views: dict[str, Rows]) -> dict[str, Rows]:
    """The views of one family alone, and its rows of those that show several."""
    heads = {cls.spec.name for cls in family.events}
    united = {
        name: [row for row in rows if row["type"] in heads]
        for name, rows in views.items()
        if name.startswith("all_") or name == "recent_events"
    }
    return united | {n: rows for n, rows in views.items() if n.startswith(f"{family.topic}_")}


def shown(rows: Rows, family: Family) -> set[str]:
    """The measures that rows show: a column counts once a row has something other than 0 in it."""
    return {measure(family, name) for row in rows for name, value in row.items() if value} - {""}


def test_every_measure_is_as_coarse_as_the_city_says() -> None:
    declared = {
        (family.topic, name): (grain.place, grain.period)
        for family in families()
        for name, grain in measures(family).items()
    }
    assert declared == COARSEST
    assert {family.topic: family.closer for family in families()} == CLOSER
    assert not any(family.fold and family.fold.listed for family in families())


@pytest.mark.parametrize("family", EVERY)
def test_viewers_see_each_measure_down_to_its_grain_and_no_finer(
    family: Family, read: dict[str, dict[str, Rows]]
) -> None:
    grains = measures(family)
    finest = dict.fromkeys(grains, -1)
    for view, rows in own(family, read["viewer"]).items():
        for row in rows:
            place = PLACES.index(level_of(code_of(row)))
            for name in shown([row], family):
                assert place <= PLACES.index(grains[name].place), (view, name, row)
                finest[name] = max(finest[name], place)
    village = PLACES.index("village")  # only events are counted by micro-grid, nothing is summed
    for name, grain in grains.items():
        most = PLACES.index(grain.place)
        assert finest[name] == (most if name == "count" else min(most, village)), name


@pytest.mark.parametrize("family", EVERY)
@pytest.mark.parametrize(("period", "digits"), [("month", 7), ("year", 4)])
def test_a_measure_of_periods_that_are_over_has_no_finer_time(
    family: Family, period: str, digits: int, read: dict[str, dict[str, Rows]]
) -> None:
    over = {name for name, grain in measures(family).items() if grain.period == period}
    days = [row["day"] for row in read["clerk"][f"{family.topic}_by_township_day"]]
    for view, rows in own(family, read["viewer"]).items():
        if shown(rows, family) & over:
            assert TIMES & rows[0].keys() == set(), view
            newest = max(day[:digits] for day in days)
            assert max(str(row[period])[:digits] for row in rows) < newest, view


@pytest.mark.parametrize("family", OF_CASES)
def test_below_the_county_and_by_a_property_cases_stand_as_the_last_month_ended(
    family: Family, read: dict[str, dict[str, Rows]]
) -> None:
    properties = {f.name for f in family.facts} | {"split"}
    topic, closer = family.topic, set[str]()
    for view, rows in own(family, read["viewer"]).items():
        if any(properties & row.keys() for row in rows[:1]) or any(
            len(code_of(row)) > 6 for row in rows
        ):
            closer.add(view)
    before = {f"{topic}_{name}_before" for name in ("pending", "breakdown", "duties")}
    assert closer <= before and len(closer) >= 2
    for view in closer:
        names = {n for n in read["viewer"][view][0] if n != "at"}
        live = f"{topic}_{view.split('_')[1]}"
        for at, month in AFTER.items():
            shown_ = [row for row in read["viewer"][view] if row["at"] == at]
            same = _counted(read["ended"][live], f"{month}-30 23:59:59.999", names)
            assert _counted(shown_, at, names) == same, (view, at)


def _counted(rows: Rows, at: str, names: set[str]) -> dict[tuple[str, ...], Counter[str]]:
    """Counts by words, of one instant."""
    found: dict[tuple[str, ...], Counter[str]] = {}
    for row in rows:
        if row["at"] == at:
            words = tuple(v for n, v in row.items() if n in names and isinstance(v, str))
            counts = {n: v for n, v in row.items() if n in names and isinstance(v, int)}
            found.setdefault(words, Counter()).update(counts)
    return found


def test_a_viewers_figures_do_not_change_within_a_month_below_the_county(known: Known) -> None:
    instants = ("2021-12-01", "2021-12-15 12:34:56.789", "2021-12-31 23:59:59.999")
    views = everything(known.town, "viewer", instants, ".*_before")
    assert len(views) == 6
    for view, rows in views.items():
        shown_ = [
            sorted(str({n: v for n, v in row.items() if n != "at"}) for row in rows
                   if row["at"] == at)
            for at in instants
        ]  # fmt: skip
        # No court has sent a dispute of this history.
        assert bool(shown_[0]) is (view != "mediations_duties_before")
        assert shown_[0] == shown_[1] == shown_[2], view


def test_viewers_see_the_newest_events_to_the_minute(read: dict[str, dict[str, Rows]]) -> None:
    for row in read["viewer"]["recent_events"]:
        assert row["time"].endswith(":00") and row["logged"].endswith(":00"), row
    assert any(not row["time"].endswith(":00") for row in read["clerk"]["recent_events"])


@pytest.mark.parametrize("family", EVERY)
def test_clerks_see_each_measure_down_to_the_village(
    family: Family, read: dict[str, dict[str, Rows]]
) -> None:
    finest: dict[str, int] = {}
    for rows in own(family, read["clerk"]).values():
        for row in rows:
            for name in shown([row], family):
                place = PLACES.index(level_of(code_of(row)))
                finest[name] = max(finest.get(name, -1), place)
    assert {name for name, n in finest.items() if n >= PLACES.index("village")} == {
        *measures(family)
    }


def test_lists_of_cases_are_for_clerks(known: Known) -> None:
    def listing(role: Role) -> set[str]:
        return {view for view, names in columns(known.town, role).items() if "case" in names}

    assert listing("viewer") == set()
    assert listing("clerk") == {
        f"{topic}_{what}"
        for topic in ("petitions", "mediations")
        for what in ("cases", "deadlines", "steps")
    }


def test_no_figure_that_is_shown_is_blank(read: dict[str, dict[str, Rows]]) -> None:
    blank: set[tuple[str, Any]] = {
        (view, name)
        for role in ("viewer", "clerk")
        for view, rows in read[role].items()
        for row in rows
        for name, value in row.items()
        if value is None and name.startswith(("net_", "gross_"))
    }
    assert blank == set()


def test_neither_role_can_name_what_the_other_reads(known: Known) -> None:
    others: tuple[tuple[Role, str], ...] = (("viewer", "gulou_desk"), ("clerk", "gulou_published"))
    for role, other in others:
        for table in (f"{other}.divisions", "gulou.events_petitions"):
            with pytest.raises(ServerException):
                ask(known.town, role, f"SELECT count() FROM {table}")
