"""The views of one county's clerks: the clerks' rows of that county, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from tests.dashboards.desks import county_desks, password
from tests.dashboards.shipped import USERS
from tests.figures.readers import Rows, everything, found_by
from tests.histories.told import told
from tests.town import Town

HERE, THERE = "431230", "431202"
VILLAGES = {HERE: "431230100001", THERE: "431202001001"}
AT = ("2021-03-05 10:30", "2022-01-04 23:59:59")
WHOLE = {"labels"}
"""Views of words, which have no place."""


@dataclass
class Desk:
    """What two readers find: a county's clerk, and a clerk of the whole city."""

    town: Town
    database: str
    own: dict[str, Rows]
    every: dict[str, Rows]


def connected(town: Town, database: str) -> Client:
    server = town.shipped.warehouse
    return Client(
        server.host, server.port, user=f"{USERS['clerk']}_{HERE}", password=password(HERE),
        database=database,
    )  # fmt: skip


@pytest.fixture(scope="module")
def desk(whole_town: Town) -> Iterator[Desk]:
    whole_town.empty()
    for county in (HERE, THERE):
        for n, place in enumerate((county, VILLAGES[county][:9], VILLAGES[county])):
            name = f"{place}-{n}"
            whole_town.tell(
                told("visit.recorded", name, "2021-03-01 09:00", place=place),
                told("petition.registered", f"P-{name}", "2021-03-02 09:00", place=place),
                told("mediation.filed", f"M-{name}", "2021-03-03 09:00", place=place),
                told("fund.disbursed", f"F-{name}", "2021-03-04 09:00", place=place, helped=2),
                told("fund.disbursed", f"F-{name}", "2022-01-03 09:00", place=place, helped=3),
            )
    with county_desks(whole_town.shipped, [HERE]) as databases:
        with connected(whole_town, databases[HERE]) as client:
            own = found_by(replace(whole_town.shipped.city, client=client), AT)
        yield Desk(whole_town, databases[HERE], own, everything(whole_town, "clerk", AT))
    whole_town.empty()


def place_of(row: dict[str, object]) -> str:
    return str(row["county"] if "county" in row else row["code"])


def test_a_county_reads_what_a_clerk_reads_of_it_row_by_row(desk: Desk) -> None:
    for view, rows in desk.own.items():
        wanted = [
            row for row in desk.every[view] if view in WHOLE or place_of(row).startswith(HERE)
        ]
        assert sorted(map(str, rows)) == sorted(map(str, wanted)), view
    filled = {view for view, rows in desk.own.items() if rows}
    assert {"petitions_cases", "mediations_steps", "visits_by_county_hour", "divisions"} <= filled


def test_no_view_with_places_is_missing_and_none_without_is_there(desk: Desk) -> None:
    placed = {view for view, rows in desk.every.items() if rows and "county" in rows[0]}
    assert placed <= desk.own.keys()
    assert desk.own.keys() - placed <= WHOLE | {"divisions"} | {
        view for view, rows in desk.every.items() if not rows
    }
    assert "pipeline" not in desk.own


def test_the_other_countys_rows_are_there_to_be_left_out(desk: Desk) -> None:
    others = {view for view, rows in desk.every.items() if any(THERE in str(r) for r in rows)}
    assert {"petitions_cases", "mediations_cases", "visits_by_village_day"} <= others
    assert not any(
        THERE in str(row) for v, rows in desk.own.items() if v not in WHOLE for row in rows
    )


@pytest.mark.parametrize(
    "relation",
    ["gulou_desk.divisions", "gulou_published.divisions", "gulou.events_petitions",
     "gulou.petitions_cases"],
)  # fmt: skip
def test_the_countys_user_can_name_nothing_else(desk: Desk, relation: str) -> None:
    with connected(desk.town, desk.database) as client:
        assert client.execute("SELECT count() > 0 FROM divisions") == [(1,)]
        with pytest.raises(ServerException):
            client.execute(f"SELECT count() FROM {relation}")
        assert client.execute("SHOW DATABASES") == [(desk.database,)]


def test_an_error_made_on_purpose_tells_nothing_of_another_county(desk: Desk) -> None:
    # Were the reader's condition computed on rows before they are narrowed, the division by zero
    # would tell whether the other county has the case.
    with connected(desk.town, desk.database) as client:
        case = desk.every["petitions_cases"]
        there = next(row["case"] for row in case if row["county"] == THERE)
        own = next(row["case"] for row in case if row["county"] == HERE)
        ask = (
            "SELECT count() FROM petitions_cases(at = 1700000000000) WHERE intDiv(1, case != '{}')"
        )
        assert client.execute(ask.format(there)) == [(3,)]
        with pytest.raises(ServerException, match="ivision by zero"):
            client.execute(ask.format(own))
