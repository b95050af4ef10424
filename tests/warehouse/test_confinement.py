"""What the server's process reaches outside its store: everything that SQL can ask for is asked.

The same statements go to a server whose kernel has neither Landlock nor seccomp. There they reach
what they ask for, so a refusal by the confined server is the kernel's and no slip of the statement.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from clickhouse_driver.errors import Error

from infra.warehouse import EmbeddedClickHouse, confinement, write_users
from infra.warehouse.access import Users
from schemas.errors import Misconfigured
from tests.waiting import until
from tests.warehouse.conftest import USERS, connect
from tests.warehouse.other_kernel import OnOtherKernel

ROOT = Path(__file__).parents[2]
SECRET = "the-drum-is-hollow"


class Place:
    """A server and, outside its store, what it must not reach."""

    def __init__(self, server: EmbeddedClickHouse, outside: Path) -> None:
        self.server, self.outside = server, outside
        self.client = connect(server)
        outside.mkdir()
        (outside / "secret").write_text(SECRET)
        (server.data / "store" / "link").symlink_to(outside / "secret")
        self.client.execute("CREATE DATABASE d")
        self.client.execute("CREATE TABLE d.t (n UInt8) ENGINE = MergeTree ORDER BY n")
        self.client.execute("INSERT INTO d.t VALUES (7)")

    def said(self, *statements: str) -> str:
        """Answers and errors of statements, as one text."""
        found = []
        for each in statements:
            try:
                found.append(str(self.client.execute(each)))
            except Error as error:
                found.append(str(error))
                self.client.disconnect()
        return "\n".join(found)


@contextmanager
def place(server: EmbeddedClickHouse, outside: Path) -> Iterator[Place]:
    with server:
        made = Place(server, outside)
        yield made
        made.client.disconnect()


@pytest.fixture(scope="module")
def confined(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("confined")
    with place(EmbeddedClickHouse(folder / "home"), folder / "outside") as made:
        yield made


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("free")
    server = OnOtherKernel(folder / "home", "landlock_create_ruleset seccomp")
    with place(server, folder / "outside") as made:
        yield made


READ = [
    "SELECT file('{secret}')",
    "SELECT arrayMap(x -> file(x), ['{secret}'])",
    "SELECT * FROM file('{secret}', LineAsString)",
    "SELECT * FROM file('{outside}/*', LineAsString)",
    "SELECT * FROM file('{store}/link', LineAsString)",
    "SELECT * FROM file('{store}/../../outside/secret', LineAsString)",
    "SELECT * FROM file('/proc/self/root{secret}', LineAsString)",
    "CREATE TABLE d.read (line String) ENGINE = File(LineAsString, '{secret}'); "
    "SELECT * FROM d.read; DROP TABLE d.read",
]


def places(at: Place) -> dict[str, str]:
    outside = str(at.outside)
    store = str(at.server.data / "store")
    return {"secret": f"{outside}/secret", "outside": outside, "store": store}


@pytest.mark.parametrize("statements", READ)
def test_no_statement_of_the_owner_reads_a_file_outside_the_store(
    confined: Place, free: Place, statements: str
) -> None:
    said = [each.said(*statements.format(**places(each)).split("; ")) for each in (confined, free)]

    assert [SECRET in text for text in said] == [False, True], said


@pytest.mark.parametrize(
    "file",
    [
        *("/etc/passwd", "/proc/self/environ", "/proc/self/cmdline", "/proc/self/maps"),
        *("/proc/1/cmdline", "/proc/self/stat", "{data}/users.json", "{data}/clickhouse.log"),
        *("/sys/kernel/mm/transparent_hugepage/enabled", sys.executable, __file__),
    ],
)
def test_no_file_of_the_machine_or_the_home_is_read(confined: Place, file: str) -> None:
    there = Path(file.format(data=confined.server.data))
    size = f"SELECT sum(length(line)) FROM file('{there}', LineAsString, 'line String')"

    assert there.exists()
    with pytest.raises(Error):
        confined.client.execute(size)
    confined.client.disconnect()


WRITE = [
    "INSERT INTO FUNCTION file('{outside}/made', 'TSV', 'n UInt8') VALUES (1)",
    "CREATE TABLE d.write (n UInt8) ENGINE = File(TSV, '{outside}/made'); "
    "INSERT INTO d.write SELECT 1; DROP TABLE d.write",
    "SELECT 1 INTO OUTFILE '{outside}/made'",
    "SHOW TABLES INTO OUTFILE '{outside}/made'",
]


@pytest.mark.parametrize("statements", WRITE)
def test_no_statement_of_the_owner_writes_a_file_outside_the_store(
    confined: Place, free: Place, statements: str
) -> None:
    made = []
    for each in (confined, free):
        each.said(*statements.format(**places(each)).split("; "))
        made.append((each.outside / "made").exists())
        (each.outside / "made").unlink(missing_ok=True)

    assert made == [False, True]


@contextmanager
def listening() -> Iterator[tuple[int, list[bytes]]]:
    """A port of this machine, and what came in there."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    peer.settimeout(1)
                    came.append(b"connected")

        taking = threading.Thread(target=take)
        taking.start()
        yield listener.getsockname()[1], came
        listener.shutdown(socket.SHUT_RDWR)
        taking.join()


QUICKLY = "http_max_tries = 1, connect_timeout = 1, http_connection_timeout = 1"
CALL = [
    f"SELECT * FROM url('http://127.0.0.1:{{port}}/', LineAsString) SETTINGS {QUICKLY}",
    f"SELECT * FROM remote('127.0.0.1:{{port}}', 'system', 'one') SETTINGS {QUICKLY}",
    f"INSERT INTO FUNCTION url('http://127.0.0.1:{{port}}/', 'TSV', 'n UInt8') "
    f"SETTINGS {QUICKLY} SELECT n FROM d.t",
]


@pytest.mark.parametrize("statement", CALL)
def test_no_statement_of_the_owner_calls_a_server(
    confined: Place, free: Place, statement: str
) -> None:
    called = []
    for each in (confined, free):
        with listening() as (port, came):
            each.said(statement.format(port=port))
        called.append(bool(came))

    assert called == [False, True]


@pytest.mark.parametrize("name", ["users", "porter", "os.environ", "sys"])
def test_no_statement_of_the_owner_reads_an_object_of_python(confined: Place, name: str) -> None:
    # PY_OBJECT_NOT_FOUND: the process holds no data frame, and the engine reads nothing else.
    assert "Code: 801." in confined.said(f"SELECT * FROM python('{name}')")


# Tries what C code in the process could try, and says what the kernel answered.
PROBE = """
import errno, json, os, signal, socket, sys
from pathlib import Path
from infra.warehouse.confinement import confine

store, parent, outside = Path(sys.argv[1]), os.getppid(), Path(sys.argv[2])
program = os.memfd_create("program")
os.write(program, b"#!/bin/true\\n")
confined = confine(store)

def tried(what):
    try:
        what()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def run(what):
    def child():
        if what() == 0:
            os._exit(0)
    return child

print(json.dumps({
    "confined": confined,
    "fork": tried(run(os.fork)),
    "exec": tried(lambda: os.execv("/bin/true", ["true"])),
    "exec from memory": tried(lambda: os.execve(program, ["true"], {})),
    "spawn": tried(lambda: os.posix_spawn("/bin/true", ["true"], {})),
    "tcp": tried(lambda: socket.socket()),
    "udp": tried(lambda: socket.socket(type=socket.SOCK_DGRAM)),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
    "signal": tried(lambda: os.kill(parent, 0)),
    "read": tried(lambda: (outside / "secret").read_text()),
    "list": tried(lambda: list(outside.iterdir())),
    "make": tried(lambda: (outside / "made").touch()),
    "remove": tried(lambda: (outside / "secret").unlink()),
    "move in": tried(lambda: (outside / "secret").rename(store / "secret")),
    "link in": tried(lambda: os.link(outside / "secret", store / "linked")),
    "device": tried(lambda: os.mknod(store / "device", 0o600 | 0o020000, 0x103)),
    "own file": tried(lambda: (store / "own").write_text("x")),
    "own folder": tried(lambda: (store / "a" / "b").mkdir(parents=True)),
    "own move": tried(lambda: (store / "own").rename(store / "a" / "b" / "own")),
    "own thread": tried(lambda: __import__("threading").Thread(target=print).start()),
    "own signal": tried(lambda: os.kill(os.getpid(), 0)),
}))
"""


def test_the_kernel_refuses_processes_sockets_signals_and_files(tmp_path: Path) -> None:
    store, outside = tmp_path / "store", tmp_path / "outside"
    store.mkdir()
    outside.mkdir()
    (outside / "secret").write_text(SECRET)
    ran = subprocess.run(
        [sys.executable, "-c", PROBE, str(store), str(outside)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(ran.stdout.strip())

    calls = dict.fromkeys(("fork", "exec", "exec from memory", "spawn", "tcp", "udp", "unix"))
    files = dict.fromkeys(("read", "list", "make", "remove", "device"))
    assert found.pop("confined") == dict.fromkeys(
        ("files", "connections", "programs", "signals"), True
    )
    # Not EACCES: moving and linking between folders of unlike rights is moving between devices.
    assert {found.pop("move in"), found.pop("link in")} <= {"EXDEV", "EACCES"}
    assert {name: found.pop(name) for name in (*calls, "signal")} == dict.fromkeys(
        (*calls, "signal"), "EPERM"
    )
    assert {name: found.pop(name) for name in files} == dict.fromkeys(files, "EACCES")
    assert set(found.values()) == {"done"}
    assert (outside / "secret").read_text() == SECRET


def test_every_thread_of_the_server_is_confined(confined: Place) -> None:
    confined.client.execute("SELECT sum(number) FROM numbers_mt(10000000) SETTINGS max_threads = 8")
    tasks = Path(f"/proc/{confined.server.pid}/task")
    states = [(task / "status").read_text() for task in tasks.iterdir()]

    assert len(states) > 10
    assert [state for state in states if "NoNewPrivs:\t1" not in state] == []
    assert [state for state in states if "Seccomp:\t2" not in state] == []


def test_the_process_has_no_secret_in_its_environment_or_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with EmbeddedClickHouse(tmp_path) as server:
        process = psutil.Process(server.pid)
        shown = [*process.cmdline(), *process.environ().values()]

    assert [text for text in shown if SECRET in text or server.password in text] == []


def test_queries_that_spill_to_disk_and_zones_and_mutations_work(confined: Place) -> None:
    # A million rows of 107 bytes and 10 MB of memory to sort or group them.
    rows = "SELECT number AS n, toString(n) || repeat('x', 100) AS s FROM numbers(1000000)"
    little = ", ".join(
        f"max_bytes_before_external_{what} = 10000000, max_bytes_ratio_before_external_{what} = 0"
        for what in ("sort", "group_by")
    )
    spilled = (
        "SELECT event FROM system.events WHERE value > 0 AND event IN "
        "('ExternalSortWritePart', 'ExternalAggregationWritePart')"
    )
    client = confined.client
    assert client.execute(spilled) == []

    last = f"SELECT n FROM ({rows}) ORDER BY reverse(s), n LIMIT 1 OFFSET 999999"
    groups = f"SELECT count(), sum(c) FROM (SELECT s, count() AS c FROM ({rows}) GROUP BY s)"
    assert client.execute(f"{last} SETTINGS {little}") == [(999_999,)]
    assert client.execute(f"{groups} SETTINGS {little}") == [(1_000_000, 1_000_000)]
    assert len(client.execute(spilled)) == 2
    # New York is five hours behind UTC in winter.
    at = "toString(toDateTime('2026-01-01 12:00:00', 'UTC'), 'America/New_York')"
    assert client.execute(f"SELECT {at}") == [("2026-01-01 07:00:00",)]
    client.execute("CREATE TABLE d.m (n UInt8, s String) ENGINE = MergeTree ORDER BY n")
    client.execute("INSERT INTO d.m VALUES", [(n, "a") for n in range(10)])
    client.execute("ALTER TABLE d.m UPDATE s = 'b' WHERE n < 3 SETTINGS mutations_sync = 2")
    client.execute("ALTER TABLE d.m DELETE WHERE n > 4 SETTINGS mutations_sync = 2")
    client.execute("OPTIMIZE TABLE d.m FINAL")
    assert client.execute("SELECT s, count() FROM d.m GROUP BY s ORDER BY s") == [
        ("a", 2),
        ("b", 3),
    ]


@pytest.mark.parametrize(
    ("lacking", "note"),
    [
        ("landlock_create_ruleset", "not confined from files, signals"),
        ("seccomp", "not confined from connections, programs"),
        (
            "landlock_create_ruleset seccomp",
            "not confined from files, connections, programs, signals",
        ),
    ],
)
def test_a_kernel_that_cannot_confine_runs_the_server_and_the_log_says_so(
    tmp_path: Path, lacking: str, note: str
) -> None:
    with OnOtherKernel(tmp_path, lacking) as server:
        client = connect(server)
        assert client.execute("SELECT 1") == [(1,)]
        client.disconnect()
        assert confinement(server.log) == note


def test_the_last_start_says_whether_the_server_is_confined(tmp_path: Path) -> None:
    with OnOtherKernel(tmp_path, "seccomp") as server:
        before = confinement(server.log)
    with EmbeddedClickHouse(tmp_path) as server:
        after = confinement(server.log)

    assert (before, after) == ("not confined from connections, programs", "confined")


def test_a_process_that_has_threads_is_not_confined_by_half(tmp_path: Path) -> None:
    threads = """
import threading, sys
from pathlib import Path
from infra.warehouse.confinement import confine
threading.Thread(target=threading.Event().wait, daemon=True).start()
confine(Path(sys.argv[1]))
"""
    ran = subprocess.run(
        [sys.executable, "-c", threads, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode != 0
    assert "cannot be confined: it has 2 threads already." in ran.stderr


# -- the porter


@pytest.fixture
def users(tmp_path: Path) -> Path:
    file = tmp_path / "users.json"
    write_users(file, USERS)
    return file


def porter_of(server: EmbeddedClickHouse) -> psutil.Process:
    (porter,) = psutil.Process(server.pid).children()
    return porter


def test_a_server_whose_porter_is_gone_keeps_its_users(tmp_path: Path, users: Path) -> None:
    with EmbeddedClickHouse(tmp_path / "home", users=users) as server:
        porter = porter_of(server)
        porter.kill()
        until(lambda: porter.status() == psutil.STATUS_ZOMBIE, "the porter's end")
        write_users(users, {})
        client = connect(server)
        assert client.execute("SELECT 1") == [(1,)]
        client.disconnect()


@pytest.mark.parametrize("end", [EmbeddedClickHouse.stop, EmbeddedClickHouse.kill])
def test_the_porter_ends_with_the_server(
    tmp_path: Path, end: Callable[[EmbeddedClickHouse], None]
) -> None:
    server = EmbeddedClickHouse(tmp_path)
    server.start()
    porter = porter_of(server)
    end(server)

    until(
        lambda: not porter.is_running() or porter.status() == psutil.STATUS_ZOMBIE,
        "the porter's end",
    )


def test_what_can_be_read_from_the_porters_connection_holds_no_password(users: Path) -> None:
    # In a process of its own: a fork would copy the threads of this one half.
    script = f"""
from pathlib import Path
from infra.warehouse.confinement import Porter
porter = Porter(Path({str(users)!r}))
print(porter.read() == Path({str(users)!r}).read_text())
porter._child.sendall(b"?")
print(porter._child.recv(1000))
Path({str(users)!r}).unlink()
try:
    porter.read()
except FileNotFoundError:
    print("gone")
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ran.stdout.split("\n") == ["True", "b'!'", "gone", ""]


def test_users_that_cannot_be_read_at_the_start_are_named(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    with pytest.raises(Misconfigured, match=r"The users file .*users\.json.* cannot be used"):
        EmbeddedClickHouse(tmp_path / "home", users=file).start()


def test_a_users_file_is_read_by_who_is_given(users: Path) -> None:
    read = Users(users, lambda: '{"users": {"other": {"password": "p", "role": "writer"}}}')

    assert (read.find("other") is None, read.find("gulou")) == (False, None)
