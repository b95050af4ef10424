"""Clerks of a county on an embedded ClickHouse, and on a city's own: let in, and shut out again."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException
from typer.testing import CliRunner

from infra import access, database, desks
from infra.cli.main import app
from infra.http import Grants
from infra.settings import Settings
from infra.warehouse import EmbeddedClickHouse
from schemas.errors import Misconfigured, Refused
from schemas.sql.columns import quoted
from schemas.sql.tables import Layout
from tests.infra.test_apply import elsewhere

WAIT_S = 60
COUNTY, NAME, OTHER = "431230", "通道侗族自治县", "431202"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An installation with an embedded ClickHouse, its tables and nobody let in."""
    home = tmp_path_factory.mktemp("desks")
    settings = Settings().model_copy(update={"home": home})
    with EmbeddedClickHouse(home / "clickhouse", users=desks.write_users(settings)) as running:
        settings = settings.model_copy(update={"clickhouse_port": running.port})
        database.apply(settings)
        yield settings


@pytest.fixture
def nobody(here: Settings) -> Iterator[Settings]:
    """The same; whoever a test lets in is shut out after it."""
    yield here
    for grant in Grants(here.access_file).all():
        access.revoke(here, grant.name)


def login(settings: Settings, county: str = COUNTY) -> Client:
    reader = desks.reader(settings, county)
    host, port = settings.clickhouse_address
    return Client(host, port, user=reader.name, password=reader.password, database=reader.database)


def databases(settings: Settings) -> set[str]:
    with database.address(settings).connect() as client:
        return {name for (name,) in client.execute("SHOW DATABASES")}


def test_the_first_clerk_of_a_county_opens_its_desk_on_a_running_clickhouse(
    nobody: Settings,
) -> None:
    with pytest.raises(ServerException, match="Authentication failed"), login(nobody) as client:
        client.execute("SELECT 1")
    token, ready = access.add(nobody, "desk-1", "clerk", NAME)
    assert ready
    (grant,) = Grants(nobody.access_file).all()
    assert (grant.county, grant.county_name) == (COUNTY, NAME)
    with login(nobody) as client:
        codes = [code for (code,) in client.execute("SELECT code FROM divisions ORDER BY code")]
        assert codes[0] == COUNTY
        assert {code[:6] for code in codes} == {COUNTY}
    with pytest.raises(ServerException, match="Authentication failed"):
        login(nobody, OTHER).execute("SELECT 1")
    assert Grants(nobody.access_file).by_token(token) == grant


def test_the_last_clerk_of_a_county_closes_its_desk(nobody: Settings) -> None:
    for name in ("desk-1", "desk-2"):
        access.add(nobody, name, "clerk", COUNTY)
    with login(nobody) as open_before:
        assert open_before.execute("SELECT count() > 0 FROM divisions") == [(1,)]
        assert access.revoke(nobody, "desk-1")
        assert open_before.execute("SELECT count() > 0 FROM divisions") == [(1,)]
        assert access.revoke(nobody, "desk-2")
        with pytest.raises((ServerException, EOFError, OSError)):
            open_before.execute("SELECT count() > 0 FROM divisions")
    with pytest.raises(ServerException, match="Authentication failed"):
        login(nobody).execute("SELECT 1")
    assert f"gulou_desk_{COUNTY}" not in databases(nobody)


def test_a_schemas_apply_keeps_desks_in_step(nobody: Settings) -> None:
    Grants(nobody.access_file).add(
        "desk-1", "clerk", desks.county(database.divisions(nobody), COUNTY)
    )
    made = {change.what for change in database.apply(nobody)}
    assert f"create view gulou_desk_{COUNTY}.petitions_cases" in made
    assert database.apply(nobody) == []
    with database.address(nobody).connect() as client:
        client.execute(f"DROP VIEW gulou_desk_{COUNTY}.petitions_cases SYNC")
    again = [change.what for change in database.apply(nobody)]
    assert again == [f"create view gulou_desk_{COUNTY}.petitions_cases"]
    Grants(nobody.access_file).revoke("desk-1")
    gone = [change.what for change in database.apply(nobody)]
    assert gone == [f"drop database gulou_desk_{COUNTY}"]
    assert database.apply(nobody) == []


def test_a_citys_own_database_of_such_a_name_stays(nobody: Settings) -> None:
    with database.address(nobody).connect() as client:
        client.execute("CREATE DATABASE gulou_desk_431299 ENGINE = Atomic")
        assert database.apply(nobody) == []
        client.execute("DROP DATABASE gulou_desk_431299 SYNC")


def test_a_countys_password_is_in_no_file_but_the_users_file(nobody: Settings) -> None:
    access.add(nobody, "desk-1", "clerk", COUNTY)
    word = desks.reader(nobody, COUNTY).password
    files = [each for each in nobody.home.rglob("*") if each.is_file()]
    holding = [each for each in files if word.encode() in each.read_bytes()]
    assert holding == [nobody.home / "run" / "users.json"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
    # Nor does the password of one county tell another's, or anything the key.
    assert word != desks.reader(nobody, OTHER).password
    assert len(word) == 64


def test_a_county_that_the_city_does_not_have_is_refused_with_those_it_has(
    nobody: Settings,
) -> None:
    for given in ("431299", "431200", "长沙县", "431230101", ""):
        with pytest.raises(Refused, match=f"{COUNTY} {NAME}"):
            desks.county(database.divisions(nobody), given)
    assert Grants(nobody.access_file).all() == ()


def test_a_clerk_let_in_while_clickhouse_is_down_has_a_desk_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GULOU_HOME", str(tmp_path))
    monkeypatch.setenv("GULOU_CLICKHOUSE_PORT", "1")
    run = CliRunner()
    added = run.invoke(app, ["access", "add", "clerk", "desk-1", "--county", NAME])
    assert added.exit_code == 0
    assert "at the next start" in added.output
    assert COUNTY in run.invoke(app, ["access", "list"]).output
    settings = Settings.load()
    with EmbeddedClickHouse(tmp_path / "clickhouse", users=desks.write_users(settings)) as running:
        settings = settings.model_copy(update={"clickhouse_port": running.port})
        database.apply(settings)
        with login(settings) as client:
            assert client.execute("SELECT DISTINCT left(code, 6) FROM divisions") == [(COUNTY,)]
    refused = run.invoke(app, ["access", "add", "auditor", "audit", "--county", NAME])
    assert isinstance(refused.exception, Refused)


# --------------------------------------------------------------------- a city's own ClickHouse


@pytest.fixture
def city(warehouse: EmbeddedClickHouse, tmp_path: Path) -> Settings:
    """A city's own ClickHouse, whose owner may make no users: that of the embedded engine."""
    given = elsewhere(warehouse, tmp_path, "own").model_copy(update={"home": tmp_path / "home"})
    database.apply(given)
    return given


def test_an_owner_who_may_make_no_users_is_told_what_an_administrator_has_to_run(
    city: Settings,
) -> None:
    with pytest.raises(Misconfigured) as told:
        access.add(city, "desk-1", "clerk", COUNTY)
    reader = desks.reader(city, COUNTY)
    for statement in reader.made(database.layout(city)):
        assert statement in str(told.value)
    assert reader.password not in str(told.value)
    assert Grants(city.access_file).all() == ()  # whoever could see nothing is not let in


def test_the_statements_for_a_citys_own_clickhouse_are_such(warehouse: EmbeddedClickHouse) -> None:
    reader = desks.DeskUser("desk_431230", "word", "gulou_desk_431230")
    digest = "98c1eb4ee93476743763878fcb96a25fbc9a175074d64004779ecb5242f645e6"  # sha256sum of word
    user, grant = (
        "CREATE USER OR REPLACE desk_431230{0} IDENTIFIED WITH sha256_hash BY "
        f"'{digest}' SETTINGS readonly = 1, max_execution_time = 30 CHANGEABLE_IN_READONLY, "
        "max_result_rows = 100000, max_result_bytes = 33554432, max_memory_usage = 1000000000",
        "GRANT{0} SELECT ON gulou_desk_431230.* TO desk_431230",
    )
    with Client(
        warehouse.host, warehouse.port, user=warehouse.user, password=warehouse.password
    ) as client:
        for cluster in ("", "huaihua"):
            where = f" ON CLUSTER {cluster}" if cluster else ""
            printed = [
                client.execute(f"SELECT formatQuerySingleLine({quoted(sql)})")[0][0]
                for sql in reader.made(Layout(cluster=cluster))
            ]
            assert printed == [user.format(where), grant.format(where)]


def test_a_user_that_an_administrator_has_made_is_taken(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home, word = tmp_path / "home", tmp_path / "word"
    embedded = Settings().model_copy(update={"home": home})
    Grants(embedded.access_file).add(
        "desk-1", "clerk", desks.county(database.divisions(embedded), COUNTY)
    )
    # This users file stands for what the administrator did.
    users = desks.write_users(embedded)
    word.write_text(embedded.clickhouse_password.get_secret_value())
    with EmbeddedClickHouse(tmp_path / "clickhouse", users=users) as running:
        own = embedded.model_copy(
            update={
                "clickhouse_host": running.host,
                "clickhouse_port": running.port,
                "clickhouse_password_file": word,
            }
        )
        made = [change.what for change in database.apply(own)]
        assert made[-1] == f"create user desk_{COUNTY}"
        assert database.apply(own) == []
        with login(own) as client:
            assert client.execute("SELECT DISTINCT left(code, 6) FROM divisions") == [(COUNTY,)]
        with pytest.raises(Misconfigured, match="DROP USER IF EXISTS"):
            access.revoke(own, "desk-1")
        users.write_text(users.read_text().replace(f"desk_{COUNTY}", "somebody"))
        dropped = [change.what for change in database.apply(own)]
        assert dropped == [f"drop user desk_{COUNTY}"]
        assert database.apply(own) == []


def test_a_clerk_who_is_let_in_while_the_last_one_is_shut_out_finds_the_desk(
    nobody: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    access.add(nobody, "last", "clerk", COUNTY)
    read, go_on = threading.Event(), threading.Event()
    counties = desks.counties

    def slow(settings: Settings) -> tuple[str, ...]:
        """The grants as the first who asks sees them; he goes on when the other has begun."""
        found = counties(settings)
        if not read.is_set():
            read.set()
            assert go_on.wait(WAIT_S)
        return found

    with ThreadPoolExecutor(2) as threads:
        Grants(nobody.access_file).revoke("last")
        monkeypatch.setattr(desks, "counties", slow)
        dropping = threads.submit(database.apply_desks, nobody)
        assert read.wait(WAIT_S)
        adding = threads.submit(access.add, nobody, "next", "clerk", COUNTY)
        # The other has begun when the grant is there; what it makes must outlast the drop.
        while "next" not in {grant.name for grant in Grants(nobody.access_file).all()}:
            assert not adding.done()
        wait([adding], timeout=0.5)
        go_on.set()
        dropping.result(WAIT_S)
        assert adding.result(WAIT_S)[1]
    assert desks.reader(nobody, COUNTY).database in databases(nobody)
    with login(nobody) as client:
        assert client.execute("SELECT 1") == [(1,)]
