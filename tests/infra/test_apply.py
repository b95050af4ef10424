"""What `apply` writes to ClickHouse besides tables: the city's divisions with their micro-grids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickhouse_driver import Client

from infra import database as apply
from infra.settings import Settings
from infra.warehouse import EmbeddedClickHouse
from schemas.families import family
from schemas.sql.tables import statements


def elsewhere(warehouse: EmbeddedClickHouse, tmp_path: Path, database: str) -> Settings:
    """Settings of a separate database on the server under test."""
    password = tmp_path / "password"
    password.write_text(warehouse.password, encoding="utf-8")
    return Settings().model_copy(
        update={
            "home": tmp_path / "home",  # nobody is let in to it
            "clickhouse_host": warehouse.host,
            "clickhouse_port": warehouse.port,
            "clickhouse_user": warehouse.user,
            "clickhouse_password_file": password,
            "database": database,
            "published_database": f"{database}_published",
            "desk_database": f"{database}_desk",
        }
    )


@contextmanager
def applied(
    warehouse: EmbeddedClickHouse, tmp_path: Path, database: str
) -> Iterator[tuple[Settings, Client]]:
    """A separate database with everything applied, and a client of its server."""
    settings = elsewhere(warehouse, tmp_path, database)
    apply.apply(settings)
    client = apply.address(settings).connect()
    try:
        yield settings, client
    finally:
        client.disconnect()


def test_a_better_word_is_a_new_comment_and_no_new_figures(
    warehouse: EmbeddedClickHouse, tmp_path: Path
) -> None:
    (spec,) = [f for f in family("visits").totals if f.name == "met"]
    with applied(warehouse, tmp_path, "described") as (settings, client):
        client.execute(
            "INSERT INTO described.visits_daily (kpart, type, net_met) VALUES (0, 'x', 3)"
        )
        for table, column in (("visits_daily", "net_met"), ("owner", "tok"), ("events", "late")):
            client.execute(f"ALTER TABLE described.{table} COMMENT COLUMN {column} 'of old'")

        done = [change.what for change in apply.apply(settings)]
        again = apply.apply(settings)
        figure = client.execute("SELECT net_met FROM described.visits_daily WHERE type = 'x'")
        comments = client.execute(
            "SELECT comment FROM system.columns WHERE database = 'described' "
            "AND table = 'visits_daily' AND name = 'net_met'"
        )

    assert sorted(done) == [f"describe described.{t}" for t in ("events", "owner", "visits_daily")]
    assert again == []
    assert figure == [(3,)]
    assert comments == [(f"更正后合计：{spec.doc.zh}After corrections: {spec.doc.en}",)]


def test_offsets_stored_before_they_were_packed_by_their_steps_are_packed_so_from_now_on(
    warehouse: EmbeddedClickHouse, tmp_path: Path
) -> None:
    codecs = (
        "SELECT compression_codec FROM system.columns WHERE database = 'packed' "
        "AND table = 'events_visits' AND name = 'koff'"
    )
    with applied(warehouse, tmp_path, "packed") as (settings, client):
        new = client.execute(codecs)
        client.execute("ALTER TABLE packed.events_visits MODIFY COLUMN koff REMOVE CODEC")
        client.execute(
            "INSERT INTO packed.applied (name, digest) VALUES ('packed.events_visits', 'of old')"
        )
        old = client.execute(codecs)
        done = [change.what for change in apply.apply(settings)]
        mended = client.execute(codecs)

    assert (new, old, mended) == ([("CODEC(Delta(8), LZ4)",)], [("",)], new)
    assert done == ["alter packed.events_visits"]


def test_a_view_of_a_target_made_anew_has_the_types_of_the_new_one(
    warehouse: EmbeddedClickHouse, tmp_path: Path
) -> None:
    types = (
        "SELECT type FROM system.columns WHERE database = 'retyped_published' "
        "AND table = 'visits_by_village_day' AND name = 'village'"
    )
    with applied(warehouse, tmp_path, "retyped") as (settings, client):
        declared = statements([family("visits")], apply.layout(settings))
        made = {s.name: s.sql for s in declared if s.database != settings.desk_database}
        client.execute("DROP TABLE retyped.visits_daily SYNC")
        packed = "`division` LowCardinality(String)"
        client.execute(made["visits_daily"].replace(packed, "`division` String"))
        client.execute(made["visits_by_village_day"])
        client.execute(
            "INSERT INTO retyped.applied (name, digest) VALUES ('retyped.visits_daily', 'of old')"
        )
        old = client.execute(types)
        done = [change.what for change in apply.apply(settings)]
        new = client.execute(types)

    assert (old, new) == ([("String",)], [("LowCardinality(String)",)])
    assert "rebuild projection retyped.visits_daily" in done


def test_coverage_has_the_base_that_stands_beside_the_divisions_of_any_city(
    warehouse: EmbeddedClickHouse, tmp_path: Path
) -> None:
    places = tmp_path / "places.csv"
    places.write_text(
        "code,name,valid_from,valid_to\n990000,示例市,,\n990001,示例县,,\n"
        "990001001,示例镇,,\n990001001001,甲村,,\n990001001002,乙村,,\n",
        encoding="utf-8",
    )
    settings = elsewhere(warehouse, tmp_path, "elsewhere")
    settings = settings.model_copy(update={"divisions": places})

    def base() -> dict[str, int]:
        apply.apply(settings)
        client = apply.address(settings).connect()
        try:
            return dict(
                client.execute(
                    "SELECT code, microgrids FROM elsewhere_published.divisions "
                    "WHERE level = 'village'"
                )
            )
        finally:
            client.disconnect()

    assert base() == {"990001001001": 0, "990001001002": 0}
    (tmp_path / "microgrids_990000.csv").write_text("code,microgrids\n990001001001,41\n")
    assert base() == {"990001001001": 41, "990001001002": 0}
