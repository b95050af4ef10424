"""What the engine is told, and what a session keeps, forgets and refuses: the engine itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psutil
import pytest

from infra.warehouse import EmbeddedClickHouse
from infra.warehouse import engine as engine_module
from infra.warehouse._fault import QUERY_WAS_CANCELLED, SYNTAX_ERROR, Fault
from infra.warehouse._sql import parse_insert
from infra.warehouse.engine import Engine, Session
from infra.warehouse.wire import MemoryFile
from tests.waiting import until
from tests.warehouse.conftest import connect

DEADLINE_S = 60
# It ends by itself, with another code, when nobody ends it.
ENDLESS = (
    "SELECT sum(cityHash64(number)) FROM numbers(1000000000000) SETTINGS max_execution_time = 30"
)


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with closing(Session(engine, "somebody")) as session:
        yield session


def value(session: Session, name: str) -> str:
    found = session.run(f"SELECT value FROM system.settings WHERE name = '{name}'", "TSVRaw")
    return found.decode().removesuffix("\n")


def running(engine: Engine, serial: int) -> list[list[str]]:
    """Whether the query of that number, if it runs, has been told to end."""
    return engine.ask(
        "SELECT is_cancelled FROM system.processes WHERE startsWith(query, {mark:String})",
        mark=f"/*{serial} ",
    )


def test_the_engine_is_sized_for_two_cores_and_2_gb(warehouse: EmbeddedClickHouse) -> None:
    expected = {
        "background_pool_size": "2",
        "background_merges_mutations_concurrency_ratio": "2",
        "background_schedule_pool_size": "4",
        "max_server_memory_usage": "1500000000",  # 1.5 GB
        "memory_worker_use_cgroup": "0",
        "memory_worker_dynamic_hard_limit": "0",
        "max_thread_pool_free_size": "32",
        "max_parts_cleaning_thread_pool_size": "2",
        "compiled_expression_cache_size": "16777216",  # 16 MiB
        "query_condition_cache_size": "16777216",
        "mark_cache_size": "67108864",  # 64 MiB
        "primary_index_cache_size": "67108864",
        "index_mark_cache_size": "16777216",
        "uncompressed_cache_size": "0",
        "mmap_cache_size": "0",
    }

    # A process of its own: the sizes of the engine's pools are those of its first start.
    with connect(warehouse) as client:
        told = dict(client.execute("SELECT name, value FROM system.server_settings"))

    assert {name: told[name] for name in expected} == expected


def test_clearing_merged_parts_leaves_no_thread_for_each_part(
    warehouse: EmbeddedClickHouse,
) -> None:
    process, client = psutil.Process(warehouse.pid), connect(warehouse)
    client.execute("CREATE DATABASE cleared ENGINE = Atomic")
    client.execute(
        "CREATE TABLE cleared.t (n UInt64) ENGINE = MergeTree ORDER BY n PARTITION BY n % 100 "
        "SETTINGS old_parts_lifetime = 3600, cleanup_delay_period = 1, "
        "max_cleanup_delay_period = 1, cleanup_delay_period_random_add = 0, "
        "merge_tree_clear_old_parts_interval_seconds = 1"
    )
    merged = "SELECT count() FROM system.parts WHERE database = 'cleared' AND NOT active"
    # The engine clears up to a hundred parts in one thread.
    for _ in range(2):
        client.execute("INSERT INTO cleared.t SELECT number FROM numbers(100)")
    client.execute("OPTIMIZE TABLE cleared.t FINAL")
    assert client.execute(merged)[0][0] >= 200
    before = process.num_threads()

    client.execute("ALTER TABLE cleared.t MODIFY SETTING old_parts_lifetime = 1")
    until(lambda: client.execute(merged) == [(0,)], "the merged parts were cleared")

    # Without a limit the engine starts threads for them, up to 128, and keeps them.
    assert process.num_threads() < before + 40
    client.execute("DROP DATABASE cleared SYNC")
    client.disconnect()


def test_an_insert_is_one_block_and_a_type_one_line_from_the_first_statement_on(
    session: Session,
) -> None:
    expected = {
        "async_insert": "0",
        "insert_deduplicate": "1",
        "max_insert_threads": "1",
        "max_threads_min_free_memory_per_thread": "0",
        "implicit_select": "0",
        "allow_introspection_functions": "0",
        "print_pretty_type_names": "0",
    }

    assert {name: value(session, name) for name in expected} == expected


def test_settings_of_a_session_come_before_those_of_every_session(engine: Engine) -> None:
    with closing(Session(engine, "somebody", "", {"max_insert_threads": "2"})) as session:
        assert (value(session, "max_insert_threads"), value(session, "async_insert")) == ("2", "0")


def test_a_setting_of_one_statement_gives_way_to_what_held_before(session: Session) -> None:
    before = value(session, "max_block_size")
    session.configure({"async_insert": "1", "max_block_size": "1000"})
    during = (value(session, "async_insert"), value(session, "max_block_size"))
    session.configure({"max_block_size": "1000", "max_result_rows": "77"})
    after_one = (value(session, "async_insert"), value(session, "max_block_size"))
    session.configure({})

    assert (during, after_one) == (("1", "1000"), ("0", "1000"))
    assert value(session, "max_block_size") == before
    assert (value(session, "async_insert"), value(session, "max_result_rows")) == ("0", "0")


def test_a_setting_holds_again_after_another_one_was_refused(session: Session) -> None:
    session.configure({"max_result_rows": "71"})
    with pytest.raises(Fault):
        session.configure({"max_threads": "many"})
    between = value(session, "max_result_rows")
    session.configure({"max_result_rows": "71"})

    assert (between, value(session, "max_result_rows")) == ("0", "71")


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ("plain", "plain"),
        (r"a\tb\nc", "a\tb\nc"),
        (r"it\'s \\ one", r"it's \ one"),
        (r"a\rb", "a\rb"),
        ("a\u2028b\x0bc", "a\u2028b\x0bc"),
        ("", ""),
    ],
)
def test_a_text_that_a_client_has_set_comes_back_as_it_was(
    session: Session, literal: str, text: str
) -> None:
    session.run(f"SET log_comment = '{literal}'", "Null")
    session.remember_settings()
    session.configure({"log_comment": "of one statement"})
    session.configure({})

    assert value(session, "log_comment") == text


def test_a_client_may_limit_its_results_to_one_row(session: Session) -> None:
    session.run("SET max_result_rows = 1", "Null")
    session.remember_settings()
    session.configure({"max_result_rows": "7"})
    session.configure({})

    assert value(session, "max_result_rows") == "1"


def test_a_client_may_take_back_what_it_has_set(session: Session) -> None:
    for chosen in ("5000", "DEFAULT"):
        session.run(f"SET max_result_bytes = {chosen}", "Null")
        session.remember_settings()
    session.configure({"max_result_bytes": "7000"})
    session.configure({})

    assert value(session, "max_result_bytes") == "0"


def test_a_setting_of_one_statement_is_not_remembered_with_those_that_it_sets(
    session: Session,
) -> None:
    before = value(session, "max_block_size")
    session.configure({"async_insert": "1", "max_block_size": "1000"})
    session.run("SET max_result_rows = 77", "Null")
    session.remember_settings()
    session.configure({})

    assert value(session, "max_block_size") == before
    assert (value(session, "async_insert"), value(session, "max_result_rows")) == ("0", "77")


@pytest.mark.parametrize("text", ["a\\b", "a\tb", "a\nb", "a\rb", r"a\tb", "\\", "鼓'楼"])
def test_a_text_reaches_a_query_of_the_server_itself_whole(engine: Engine, text: str) -> None:
    # As hexadecimal digits: an answer is read line by line.
    assert engine.ask("SELECT hex({text:String})", text=text) == [[text.encode().hex().upper()]]


@pytest.mark.parametrize("name", ["it's", "tick`s", "back\\slash", r"\n"])
def test_a_name_or_a_text_with_quotes_is_taken_as_it_is(engine: Engine, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace("`", "``")
    with closing(Session(engine, "somebody")) as session:
        session.run(f"CREATE DATABASE `{quoted}`", "Null")
        try:
            with closing(Session(engine, "somebody", name)) as inside:
                inside.configure({"log_comment": name})
                found = inside.run("SELECT currentDatabase()", "TSVRaw").decode()
                assert (found, inside.database) == (f"{name}\n", name)
                assert value(inside, "log_comment") == name
        finally:
            session.run(f"DROP DATABASE `{quoted}`", "Null")


def test_a_number_ends_its_query_and_none_whose_number_begins_alike(engine: Engine) -> None:
    def endless(serial: int) -> int:
        with closing(Session(engine, "somebody")) as session, pytest.raises(Fault) as ended:
            session.run(ENDLESS, "Null", mark_as="q", serial=serial)
        return ended.value.code

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(endless, 71_000), pool.submit(endless, 710_000)
        until(
            lambda: bool(running(engine, 71_000) and running(engine, 710_000)),
            "the start of both queries",
        )
        engine.kill(71_000)
        left = running(engine, 710_000)
        engine.kill(710_000)

    assert left == [["0"]]
    assert (one.result(), other.result()) == (QUERY_WAS_CANCELLED, QUERY_WAS_CANCELLED)


def test_a_stream_that_is_left_early_ends_its_query_and_frees_its_session(
    engine: Engine, session: Session
) -> None:
    pieces = session.stream("SELECT number FROM numbers(10000000000)", "TSV", serial=72_000)
    first = next(pieces)
    seen = running(engine, 72_000)
    pieces.close()

    assert (first[:4], seen) == (b"0\n1\n", [["0"]])
    until(lambda: running(engine, 72_000) == [], "the end of the query")
    assert session.run("SELECT 1", "TSV") == b"1\n"


def test_a_place_in_a_statement_is_told_without_the_mark_before_it(session: Session) -> None:
    told = []
    for ask in (
        lambda: session.run("SELECT 1 FROM t WHERE )", "TSV"),
        lambda: session.run("SELECT 1 FROM t WHERE )", "TSV", mark_as="q", serial=73_000),
        lambda: list(session.stream("SELECT 1 FROM t WHERE )", "TSV", mark_as="q", serial=73_000)),
    ):
        with pytest.raises(Fault) as refused:
            ask()
        told.append((refused.value.code, "failed at position 23 " in refused.value.what))

    # The bracket that nothing opens is the 23rd character.
    assert told == [(SYNTAX_ERROR, True)] * 3


def test_rows_written_are_those_of_the_last_statement(session: Session) -> None:
    session.run("CREATE TEMPORARY TABLE t (n UInt8)", "Null")
    session.run("INSERT INTO t VALUES (1), (2), (3)", "Null")
    three = session.counts.written_rows
    session.run("SELECT 1", "TSV")

    assert (three, session.counts.written_rows) == (3, 0)


def test_a_shorter_insert_stores_nothing_of_the_longer_one_before(session: Session) -> None:
    session.run("CREATE TEMPORARY TABLE t (n UInt8)", "Null")
    insert = parse_insert("INSERT INTO t FORMAT TSV")
    assert insert is not None
    with closing(MemoryFile()) as rows:
        for sent in (b"1\n2\n3\n", b"4\n"):
            rows.clear()
            rows.append(sent)
            session.insert(insert, rows, "TSV", {})

    assert session.run("SELECT groupArray(n) FROM (SELECT n FROM t ORDER BY n)", "TSV") == (
        b"[1,2,3,4]\n"
    )


def test_a_session_that_is_closed_says_so_and_can_be_closed_again(engine: Engine) -> None:
    session = Session(engine, "somebody")
    session.close()
    session.close()

    asks: tuple[Callable[[], object], ...] = (
        lambda: session.run("SELECT 1", "TSV"),
        lambda: next(session.stream("SELECT 1", "TSV")),
    )
    for ask in asks:
        with pytest.raises(Fault) as refused:
            ask()
        assert (refused.value.code, refused.value.what) == (SYNTAX_ERROR, "The session is closed.")


def test_only_the_user_whose_statement_is_read_waits_for_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_ASKING_S", 0.01)
    engine.ask_for("slow", "SELECT 1")
    with engine._asking_for["slow"].lock:
        assert engine.ask_for("other", "SELECT {n:UInt8}", n="2") == [["2"]]
        assert engine.ask("SELECT 3") == [["3"]]
        with pytest.raises(Fault, match="for their check"):
            engine.ask_for("slow", "SELECT 1")
    assert engine.ask_for("slow", "SELECT 1") == [["1"]]


def test_the_sessions_that_read_statements_are_few_however_many_users_there_are(
    engine: Engine,
) -> None:
    for number in range(40):
        assert engine.ask_for(f"user {number}", "SELECT 1") == [["1"]]

    sessions = {id(each) for each in engine._asking_for.values()}
    assert len(sessions) == 16
