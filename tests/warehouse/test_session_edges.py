"""Sessions of the HTTP interface: who waits for one, who is refused, how long one is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from infra.warehouse import web, write_users
from infra.warehouse._fault import QUERY_WAS_CANCELLED, Fault
from infra.warehouse.access import Users
from infra.warehouse.desk import Desk
from infra.warehouse.engine import Engine
from infra.warehouse.watch import Watch

LOGIN = {"X-ClickHouse-User": "gulou", "X-ClickHouse-Key": "tower"}


@pytest.fixture
def site(engine: Engine, tmp_path: Path) -> Iterator[web.Web]:
    """The interface in this process."""
    file = tmp_path / "users.json"
    write_users(file, {"gulou": {"password": "tower", "role": "writer"}})
    with closing(Watch()) as watch:
        site = web.Web(engine, Users(file), web.listen("127.0.0.1", 0), watch)
        yield site
        site.close()
        for kept in site._kept.values():
            kept.desk.close()


def in_session(site: web.Web, name: str, sql: str, **options: str) -> requests.Response:
    with requests.Session() as client:
        client.trust_env = False
        return client.post(
            f"http://127.0.0.1:{site.port}/",
            params={"session_id": name, **options},
            data=sql,
            headers=LOGIN,
            timeout=60,
        )


def desk_of(site: web.Web, name: str, **options: str) -> Desk:
    """The desk of a session, after a request that used it."""
    with site.desk("gulou", "tower", {"session_id": name, **options}) as desk:
        return desk


def test_a_session_in_use_is_refused_and_other_sessions_are_served_meanwhile(
    site: web.Web, engine: Engine
) -> None:
    endless = (
        "SELECT sum(cityHash64(number)) FROM numbers(1000000000000) "
        "SETTINGS max_execution_time = 30, log_comment = 'handover'"
    )
    running = (
        "SELECT is_cancelled FROM system.processes "
        "WHERE position(query, 'hand' || 'over') > 0 AND startsWith(query, '/*')"
    )
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(in_session, site, "s", endless)
        deadline = time.monotonic() + 60
        while engine.ask(running) != [["0"]]:
            assert time.monotonic() < deadline, "the query never ran"
            time.sleep(0.01)
        second, other = in_session(site, "s", "SELECT 1"), in_session(site, "t", "SELECT 2")
        still = engine.ask(running)
        engine.ask("KILL QUERY WHERE position(query, 'log_comment = \\'handover') > 0 SYNC")

    assert (second.status_code, second.headers["X-ClickHouse-Exception-Code"]) == (503, "373")
    assert second.text.startswith(
        "Code: 373. DB::Exception: Session s is locked by a concurrent client."
    )
    assert (other.text, still) == ("2\n", [["0"]])
    assert first.result().headers["X-ClickHouse-Exception-Code"] == str(QUERY_WAS_CANCELLED)
    assert in_session(site, "s", "SELECT 3").text == "3\n"


class Handed:
    """A lock that another request holds; it gives it back within the wait, or does not."""

    def __init__(self, comes_back: bool) -> None:
        self.asked: list[tuple[bool, float]] = []
        self._comes_back = comes_back

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self.asked.append((blocking, timeout))
        return blocking and self._comes_back

    def release(self) -> None:
        pass


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_request_waits_a_fifth_of_a_second_for_its_session(
    site: web.Web, comes_back: bool
) -> None:
    desk, lock = desk_of(site, "s"), Handed(comes_back)
    site._kept["gulou", "s"].lock = lock  # type: ignore[assignment]
    if comes_back:
        assert desk_of(site, "s") is desk
    else:
        with pytest.raises(Fault) as refused:
            desk_of(site, "s")
        assert (refused.value.code, refused.value.what) == (
            373,
            "Session s is locked by a concurrent client.",
        )

    assert lock.asked == [(False, -1), (True, 0.2)]


class Told:
    """A lock that tells when somebody waits for it."""

    def __init__(self) -> None:
        self.waits = threading.Event()
        self._lock = threading.Lock()
        self.release = self._lock.release

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking:
            self.waits.set()
        return self._lock.acquire(blocking, timeout)


def test_who_waits_for_a_session_holds_up_no_other_and_gets_it_next(
    site: web.Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "_HANDOVER_S", 60)
    desk_of(site, "s")
    lock = site._kept["gulou", "s"].lock = Told()  # type: ignore[assignment]
    with ThreadPoolExecutor(2) as pool:
        with site.desk("gulou", "tower", {"session_id": "s"}) as desk:
            waiting = pool.submit(desk_of, site, "s")
            assert lock.waits.wait(30)
            other = pool.submit(desk_of, site, "t").result(timeout=30)
            waited = not waiting.done()
        assert waiting.result(timeout=30) is desk

    assert waited
    assert other is not desk


def test_a_session_is_kept_until_its_time_and_while_it_is_used(
    site: web.Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(web, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    desk = desk_of(site, "s")
    clock[0] = 160.0
    at_60_s = desk_of(site, "s", session_check="1", session_timeout="10")
    clock[0] = 170.5
    with pytest.raises(Fault) as gone:
        desk_of(site, "s", session_check="1")
    with site.desk("gulou", "tower", {"session_id": "s"}) as used:
        clock[0] = 500.0
        desk_of(site, "t")
    clock[0] = 560.0

    assert (at_60_s is desk, gone.value.code, gone.value.what) == (
        *(True, 372, "Session s not found."),
    )
    assert used is not desk
    assert desk_of(site, "s", session_check="1") is used


def test_get_may_not_write_and_leaves_its_session_able_to(site: web.Web) -> None:
    def get(sql: str, **options: str) -> str:
        with requests.Session() as client:
            client.trust_env = False
            answer = client.get(
                f"http://127.0.0.1:{site.port}/",
                params={"session_id": "s", "query": sql, **options},
                headers=LOGIN,
                timeout=60,
            )
        return answer.headers.get("X-ClickHouse-Exception-Code") or answer.text

    made = in_session(site, "s", "CREATE TEMPORARY TABLE t (n UInt8, `insert` UInt8)")
    assert (made.text, get("SELECT count() FROM t", max_threads="1")) == ("", "0\n")
    for sql in (
        "INSERT INTO t VALUES (1, 1)",
        "INSERT INTO t SELECT 1, 1",
        "WITH 1 AS n INSERT INTO t SELECT n, n",
        "USE system PARALLEL WITH DROP TABLE t",
        "DROP TABLE t",
        "CREATE TABLE default.by_get (n UInt8) ENGINE = Memory",
    ):
        assert get(sql, default_format="JSON") == "164", sql
    assert in_session(site, "s", "INSERT INTO t VALUES (7, 8)").text == ""
    assert get("SELECT n, `insert` FROM t", max_threads="2") == "7\t8\n"
    assert get("SHOW TABLES FROM system LIKE 'one'") == "one\n"
    assert get("SET max_result_rows = 77") + get("USE system") == ""
    assert get("SELECT getSetting('max_result_rows'), currentDatabase()") == "77\tsystem\n"


def test_use_outlasts_a_request_that_names_a_database_of_its_own(site: web.Web) -> None:
    def current(**options: str) -> str:
        return in_session(site, "s", "SELECT currentDatabase()", **options).text

    assert current(database="system") == "system\n"
    assert current() == "default\n"  # that request alone had it
    assert in_session(site, "s", "USE information_schema", database="system").text == ""
    assert current() == "information_schema\n"
    assert current(database="system") == "system\n"
    assert current() == "information_schema\n"
