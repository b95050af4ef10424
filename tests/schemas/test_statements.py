"""Rules for every derived statement, whatever the families."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from schemas.families import families
from schemas.family import TAKEN_TOPICS
from schemas.grain import ROLES, Role
from schemas.sql.columns import PublishedView
from schemas.sql.published import published
from schemas.sql.statuses import STATUSES
from schemas.sql.tables import Layout, database_statements, event_columns, statements

if TYPE_CHECKING:
    from tests.schemas.conftest import City

LAYOUT = Layout()
EVERYTHING = statements(families(), LAYOUT)
SHOWN = [
    (role, view)
    for role in ROLES
    for view in published(families(), LAYOUT.database, LAYOUT.zone, role)
]
IDS = [f"{role}-{view.name}" for role, view in SHOWN]


@pytest.mark.parametrize(("role", "shown"), SHOWN, ids=IDS)
def test_a_published_views_columns_are_the_documented_ones(
    role: Role, shown: PublishedView, city: City
) -> None:
    call = f"{city.layout.views[role]}.{shown.name}"
    if "{at:" in shown.sql:
        call += "(at = 1640966399000)"
    described = city.rows(f"DESCRIBE (SELECT * FROM {call})")
    assert [column["name"] for column in described] == list(shown.columns)
    assert [name for name, doc in shown.columns.items() if not doc.whole] == []
    assert [c for c in described if "AggregateFunction" in c["type"]] == []
    assert [c for c in described if "Float" in c["type"] or "Nothing" in c["type"]] == []
    # Instants name their zone; days are Dates.
    naked = re.compile(r"DateTime(64\(3\))?\)?$")
    assert [c for c in described if naked.search(c["type"])] == []
    comment = city.rows(
        f"SELECT comment FROM system.tables WHERE database = '{city.layout.views[role]}' "
        f"AND name = '{shown.name}'"
    )
    assert comment == [{"comment": str(shown.doc)}]
    assert shown.zh


@pytest.mark.parametrize(("role", "shown"), SHOWN, ids=IDS)
def test_no_published_view_shows_or_reads_a_personal_field(
    role: Role, shown: PublishedView
) -> None:
    personal = {
        f.name
        for family in families()
        for cls in family.events
        for f in cls.fields.values()
        if f.personal
    }
    assert {"household", "petitioner", "text", "giver", "party"} <= personal
    keys = {family.events[0].spec.key for family in families()}
    assert set(shown.columns) & (personal | {"payload", "data", "key", "id", "actor"}) == set()
    if shown.name != "labels":  # its words are vocabularies, and `party` is one
        assert set(re.findall(r"\w+", shown.sql)) & (personal - keys) == set()
    assert "household" not in shown.sql


@pytest.mark.parametrize("statement", EVERYTHING, ids=[s.name for s in EVERYTHING])
def test_no_statement_reads_the_evidence_the_clock_or_a_float(statement: object) -> None:
    sql = next(s for s in EVERYTHING if s is statement).sql
    if statement.kind in ("materialized view", "view"):  # type: ignore[attr-defined]
        assert "payload" not in sql
    forbidden = r"\b(now|now64|today|yesterday|rand|any|anyLast|argMax|avg|quantile|toFloat\w+)\("
    assert re.findall(forbidden, sql) == []
    assert re.findall(r"Float|\bDateTime64\(3\)", sql.replace("DateTime64(3, ", "")) == []


def test_no_sealed_field_reaches_a_target() -> None:
    sealed = {
        f.name
        for family in families()
        for cls in family.events
        for f in cls.fields.values()
        if f.sealed
    }
    for statement in EVERYTHING:
        if statement.kind == "target":
            assert {column.name for column in statement.columns} & sealed == set()


def test_every_stored_column_has_a_comment_the_engine_knows(city: City) -> None:
    silent = city.rows(
        f"SELECT table, name FROM system.columns WHERE database = '{city.layout.database}' "
        "AND comment = '' AND table NOT LIKE '%_mv'"
    )
    assert silent == []


def test_a_family_has_at_most_four_targets_and_each_has_one_view() -> None:
    for family in families():
        assert len(family.projections) <= 4
    targets = sum(s.kind == "target" for s in EVERYTHING)
    assert targets == sum(s.kind == "materialized view" for s in EVERYTHING) == 3 + 3 + 3 + 2


def test_every_view_marks_every_batch_and_no_view_filters() -> None:
    for statement in EVERYTHING:
        if statement.kind == "materialized view":
            assert "max(koff) AS hi" in statement.sql
            assert " WHERE " not in statement.sql


def test_every_published_view_reads_with_the_rights_of_its_owner() -> None:
    # Else ClickHouse requires the reader's own rights on the truth, which the boards' user lacks.
    heads = [s.sql.partition(" AS\n")[0] for s in EVERYTHING if s.kind == "view"]
    assert len(heads) == len(SHOWN)
    assert [h for h in heads if not h.endswith("DEFINER = CURRENT_USER SQL SECURITY DEFINER")] == []


def test_events_are_not_partitioned_and_are_fenced_by_their_owner() -> None:
    for family in families():
        name = f"events_{family.topic}"
        (sql,) = (s.sql for s in EVERYTHING if s.name == name)
        assert "PARTITION BY" not in sql
        assert "ORDER BY (kpart, koff)" in sql
        owner = f"joinGet('gulou.owner', 'tok', '{family.topic}', kpart)"
        assert f"CONSTRAINT fenced CHECK tok = {owner}" in sql


def test_no_family_can_take_the_name_of_a_table_that_is_no_familys(city: City) -> None:
    found = city.rows(
        "SELECT DISTINCT splitByChar('_', name)[1] AS beginning FROM system.tables "
        f"WHERE database IN {(city.layout.database, *city.layout.views.values())} "
        "AND position(name, '_') > 0"
    )
    own = {family.topic for family in families()}
    assert {each["beginning"] for each in found} <= TAKEN_TOPICS | own
    assert len(found) > len(own)


def test_an_events_row_has_the_columns_of_the_design() -> None:
    assert [column.name for column in event_columns("Asia/Shanghai")] == [
        *("kpart", "koff", "koff_prev", "status", "reason", "source", "id", "type"),
        *("data_version", "key", "time", "recorded", "logged", "division", "grid", "actor"),
        *("correlation", "causation", "corrects", "late", "payload", "sha256", "data", "net"),
        *("repeat_of", "tok"),
    ]
    assert tuple(STATUSES) == ("ok", "repeat", "conflict", "orphan", "parked", "dead")


def test_applying_everything_again_changes_nothing(city: City) -> None:
    def tables() -> list[dict[str, str]]:
        return city.rows(
            "SELECT database, name, uuid, engine_full, comment FROM system.tables "
            f"WHERE startsWith(database, '{city.layout.database}') AND engine != 'View' "
            "ORDER BY database, name"
        )

    before = tables()
    for statement in database_statements(city.layout) + statements(families(), city.layout):
        city.run(statement.sql)
    assert tables() == before


@pytest.mark.parametrize(
    "at",
    [
        "1614564000000",
        "'1614564000000'",
        "toUnixTimestamp(toDateTime(1614564000)) * 1000",
        "toUnixTimestamp64Milli(fromUnixTimestamp64Milli(1614564000000))",
        "toUnixTimestamp64Milli(toDateTime64('2021-03-01 10:00:00', 3, 'Asia/Shanghai'))",
    ],
)
def test_an_instant_is_given_in_milliseconds_however_a_board_comes_by_them(
    city: City, at: str
) -> None:
    city.add("petitions", "petition.registered", "2021-03-01 10:00:00", {"kind": "appeal"}, key="P")
    view = f"{city.layout.desk}.petitions_cases"
    assert city.rows(f"SELECT case, open FROM {view}(at = {at})") == [{"case": "P", "open": 1}]


def test_an_instant_whose_zone_could_be_mistaken_is_refused_not_shifted(city: City) -> None:
    view = f"{city.layout.desk}.petitions_cases"
    with pytest.raises(Exception, match="at"):
        city.rows(f"SELECT case FROM {view}(at = toDateTime(1614564000))")


def test_on_a_cluster_every_object_is_created_on_all_servers_and_replicated(city: City) -> None:
    layout = Layout(cluster="huaihua")
    for statement in database_statements(layout) + statements(families(), layout):
        assert " ON CLUSTER `huaihua`" in statement.sql
        if " MergeTree" in statement.sql or "AggregatingMergeTree" in statement.sql:
            assert "ENGINE = Replicated" in statement.sql
        # The engine parses it, though only a cluster can run it.
        city.rows(f"EXPLAIN AST {statement.sql}")


def test_another_city_is_another_zone_and_other_names(city: City) -> None:
    layout = Layout("kashi", "kashi_open", "kashi_desk", zone="Asia/Urumqi")
    for statement in database_statements(layout) + statements(families(), layout):
        assert "Shanghai" not in statement.sql
        assert "gulou" not in statement.sql
