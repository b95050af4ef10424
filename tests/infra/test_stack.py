"""The stack, with small real processes as parts, and with Kafka where it matters."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from infra import _child, _presence
from infra import stack as stack_module
from infra._child import free_port
from infra.broker import answers, ensure_topics, topic_configs
from infra.parts import Part, Step, parts
from infra.settings import Settings
from infra.stack import Stack, with_ports
from schemas.errors import Halted, Misconfigured, Unavailable

FAST = (0.0, 0.05)


def settings(home: Path) -> Settings:
    return Settings.load(
        home=home, kafka_port=0, clickhouse_port=0, clickhouse_http_port=0, board_port=0,
        metrics_port=0,
    )  # fmt: skip


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def server(name: str) -> Part:
    """A part that listens on a port, like Kafka and ClickHouse."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    return Part(name, lambda: command, lambda: listens(port), where=f"127.0.0.1:{port}", stop_s=5)


def script(name: str, code: str, *, ready: bool = True) -> Part:
    return Part(name, lambda: [sys.executable, "-c", code], lambda: ready, start_s=5, stop_s=5)


def stack(home: Path, *plan: Part | Step, pauses_s: Sequence[float] = FAST) -> Stack:
    return Stack(settings(home), lambda _: plan, pauses_s)


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not psutil.pid_exists(pid)


def test_a_free_port_is_given_once_on_this_machine_while_who_asked_for_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = (15_000, 15_040)
    monkeypatch.setattr(_child, "_SERVER_PORTS", few)
    ask = f"""
import sys
from infra import _child
_child._SERVER_PORTS = {few}
print([_child.free_port() for _ in range(10)], flush=True)
sys.stdin.read()
"""
    other = subprocess.Popen(
        [sys.executable, "-c", ask], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        theirs = json.loads(other.stdout.readline())
        ours = [free_port() for _ in range(10)]
        other.communicate()

    assert len({*theirs, *ours}) == 20


def test_parts_and_steps_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    told: list[str] = []
    first = server("first")
    step = Step("making tables", lambda: told.append("made" if first.ready() else "too early"))
    running = stack(tmp_path, first, step, server("second"))

    running.start(told.append)
    running.stop(told.append)

    assert told == [
        "starting first", "making tables", "made", "starting second",
        "stopping second", "stopping first",
    ]  # fmt: skip


def test_a_part_that_is_killed_is_started_again(tmp_path: Path) -> None:
    with stack(tmp_path, server("clock")) as running:
        before = running.pid("clock")

        running.kill("clock")
        running.await_ready("clock", restarts=1)

        assert running.pid("clock") != before
        assert running.restarts("clock") == 1


def test_a_part_may_be_killed_any_number_of_times(tmp_path: Path) -> None:
    with stack(tmp_path, server("clock")) as running:
        for kills in range(1, 6):
            running.kill("clock")
            running.await_ready("clock", restarts=kills)

        assert running.restarts("clock") == 5


def test_a_part_that_keeps_ending_halts_everything_and_names_its_log(tmp_path: Path) -> None:
    healthy = server("healthy")
    moody = script("moody", "import time; time.sleep(0.3); print('no heart'); raise SystemExit(1)")
    running = stack(tmp_path, healthy, moody)
    running.start()

    with pytest.raises(Halted) as halted:
        running.wait(30)

    assert "moody ended 3 times in a row" in str(halted.value)
    assert "no heart" in str(halted.value)
    assert str(tmp_path / "log" / "moody.log") in str(halted.value)
    assert not healthy.ready()


@pytest.mark.parametrize("code", [Misconfigured.exit_code, Halted.exit_code])
def test_a_part_that_says_a_restart_would_not_help_is_believed(tmp_path: Path, code: int) -> None:
    final = script(
        "final",
        f"import time; time.sleep(0.3); print('dead letters: 10,001'); raise SystemExit({code})",
    )
    running = stack(tmp_path, final)
    running.start()

    with pytest.raises(Halted, match="dead letters: 10,001"):
        running.wait(30)


def test_a_part_that_ends_at_once_is_one_sentence_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    healthy = server("healthy")
    broken = script("broken", "print('no such table'); raise SystemExit(1)", ready=False)

    with pytest.raises(Unavailable, match="broken ended with code 1 while starting: no such table"):
        stack(tmp_path, healthy, broken).start()

    assert not healthy.ready()
    assert _presence.state(tmp_path) is None


def test_when_an_earlier_part_ends_during_the_start_its_reason_is_the_reason(
    tmp_path: Path,
) -> None:
    code = "import time; time.sleep(1); print('no port'); raise SystemExit(1)"
    waiting = script("waiting", "import time; time.sleep(60)", ready=False)

    with pytest.raises(Unavailable, match="short ended with code 1 while starting: no port"):
        stack(tmp_path, script("short", code), waiting).start()


def test_a_second_stack_from_the_same_home_is_refused(tmp_path: Path) -> None:
    with stack(tmp_path, server("clock")), pytest.raises(Misconfigured) as refused:
        stack(tmp_path, server("clock")).start()

    assert f"(process {os.getpid()})" in str(refused.value)
    assert "gulou down" in refused.value.do


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    given = settings(tmp_path).model_copy(update={"min_free_mb": 10**12})

    with pytest.raises(Misconfigured, match=r"Only \d+ MB are free where .*GULOU_HOME"):
        Stack(given, lambda _: []).start()


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Misconfigured, match="file/home' cannot be made: Not a directory"):
        stack(tmp_path / "file" / "home").start()


ORPHANED = """
import sys, time
from pathlib import Path
from tests.infra.test_stack import server, stack
running = stack(Path(sys.argv[1]), server("clock"))
running.start()
print(running.pid("clock"), flush=True)
time.sleep(600)
"""


def test_a_stack_killed_hard_takes_its_parts_along_and_the_next_one_starts(tmp_path: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", ORPHANED, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert killed.stdout is not None
    pid = int(killed.stdout.readline())

    killed.kill()
    killed.communicate()

    assert gone(pid)
    with stack(tmp_path, server("clock")) as running:
        running.await_ready("clock")


def test_parts_left_over_from_another_life_are_ended_first(tmp_path: Path) -> None:
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    lock = _presence.Lock(tmp_path)
    lock.write({"ready": True, "settings": {}, "parts": {"old": _presence.birth(left.pid)}})
    # As after a crash: the record exists, its writer does not.
    lock._file.close()

    with stack(tmp_path, server("clock")):
        assert gone(left.pid)
    left.wait()


def test_a_process_that_only_reuses_the_number_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    lock = _presence.Lock(tmp_path)
    reused = {"pid": other.pid, "born": psutil.Process(other.pid).create_time() - 3600}
    lock.write({"ready": True, "settings": {}, "parts": {"old": reused}})
    lock._file.close()

    with stack(tmp_path, server("clock")):
        assert other.poll() is None
    other.kill()
    other.wait()


def test_ports_of_zero_become_free_ones_that_differ(tmp_path: Path) -> None:
    found = with_ports(settings(tmp_path))
    ports = [
        found.kafka_port, found.clickhouse_port, found.clickhouse_http_port, found.board_port,
        found.metrics_port,
    ]  # fmt: skip

    assert 0 not in ports
    assert len(set(ports)) == len(ports)


def test_a_citys_own_kafka_is_not_started(tmp_path: Path) -> None:
    own = settings(tmp_path).model_copy(update={"kafka_bootstrap": "kafka.example:9092"})

    assert "kafka" not in [each.name for each in parts(own)]


def test_kafka_comes_back_after_a_hard_kill_with_its_topics(tmp_path: Path) -> None:
    only_kafka = Stack(settings(tmp_path), lambda s: parts(s)[:2])
    with only_kafka as running:
        bootstrap = running.settings.bootstrap
        login = running.settings.kafka_options("admin")
        ensure_topics(bootstrap, [("visits", 4, {})], options=login)

        running.kill("kafka")
        running.await_ready("kafka", restarts=1)

        assert answers(bootstrap, login)
        with pytest.raises(Misconfigured, match="4 partitions"):
            ensure_topics(bootstrap, [("visits", 5, {})], options=login)


def test_every_family_gets_its_topics_as_they_are_declared(tmp_path: Path) -> None:
    wanted = ("kafka", "letting users in to Kafka", "creating topics")
    with Stack(settings(tmp_path), lambda s: [p for p in parts(s) if p.name in wanted]) as running:
        found = topic_configs(
            running.settings.bootstrap,
            ["petitions", "petitions.dead"],
            running.settings.kafka_options("admin"),
        )

    assert found["petitions"]["message.timestamp.type"] == "LogAppendTime"
    assert found["petitions"]["retention.ms"] == "-1"
    assert found["petitions.dead"]["retention.ms"] == str(180 * 24 * 3600 * 1000)
    # A dead letter contains the message and its reason, so it is larger than the message.
    assert int(found["petitions.dead"]["max.message.bytes"]) > int(
        found["petitions"]["max.message.bytes"]
    )


def test_a_home_that_others_could_read_is_closed_to_them_once(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "log").mkdir(parents=True)
    elsewhere.write_text("")
    (home / "link").symlink_to(elsewhere)
    for each, mode in ((home / "log" / "kafka.log", 0o644), (home / "run.sh", 0o2755)):
        each.write_text("")
        each.chmod(mode)
    home.chmod(0o755)
    elsewhere.chmod(0o644)

    with stack(home, server("clock")):
        (home / "log" / "later").write_text("")
        (home / "log" / "later").chmod(0o644)
    modes = {each.name: each.stat().st_mode & 0o7777 for each in (home, *home.rglob("*"))}
    with stack(home, server("clock")):
        pass

    assert modes["home"] == modes["log"] == 0o700
    assert (modes["kafka.log"], modes["run.sh"]) == (0o600, 0o2700)
    # Not what a link leads to, and not again: a store has many files.
    assert elsewhere.stat().st_mode & 0o777 == 0o644
    assert (home / "log" / "later").stat().st_mode & 0o777 == 0o644


def test_what_a_part_writes_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        code = (
            f"open({str(tmp_path / 'made')!r}, 'w'); import os; os.mkdir({str(tmp_path / 'dir')!r})"
        )
        with stack(tmp_path / "home", script("writer", f"{code}\nimport time; time.sleep(60)")):
            while not (tmp_path / "dir").exists():
                time.sleep(0.02)
    finally:
        os.umask(before)

    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "dir").stat().st_mode & 0o777 == 0o700


def test_what_a_part_says_in_its_log_is_its_note_after_a_restart_too(tmp_path: Path) -> None:
    noted = Part(
        "noted",
        lambda: [sys.executable, "-c", "print('hello', flush=True); import time; time.sleep(60)"],
        lambda: (tmp_path / "log" / "noted.log").read_text() != "",
        note=lambda log: log.read_text().split()[0],
    )
    with stack(tmp_path, noted, server("clock")) as running:
        before = {name: part["note"] for name, part in running.parts().items()}
        running.kill("noted")
        running.await_ready("noted", restarts=1)
        after = (_presence.running(tmp_path) or {})["parts"]["noted"]["note"]

    assert (before, after) == ({"noted": "hello", "clock": ""}, "hello")


def test_a_log_has_a_greatest_size_while_its_part_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "_LOG_BYTES", 100_000)
    code = "while True: print('x' * 99, flush=True); import time; time.sleep(0.0001)"
    log = tmp_path / "log" / "loud.log"
    with stack(tmp_path, script("loud", code)) as running:
        cuts, before = 0, 0
        while cuts < 2:
            running.wait(0.01)
            size = log.stat().st_size
            cuts += size < before
            before = size
        # It goes on in the same file, and what was cut off is beside it.
        while log.stat().st_size == 0:
            running.wait(0.01)
    assert log.read_bytes()[:10] == b"x" * 10
    assert log.with_suffix(".log.1").stat().st_size > 100_000
