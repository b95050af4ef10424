"""`gulou` as a person runs it: its own process, real Kafka, exit codes and messages."""

import contextlib
import itertools
import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from kafka import KafkaConsumer, TopicPartition
from typer.testing import CliRunner

from infra import _presence
from infra._child import free_port
from infra.cli.main import app
from infra.parts import topics
from infra.settings import Settings
from tests.openkafka import OpenKafka

GULOU = Path(sys.executable).with_name("gulou")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A new home, free ports, and a PATH without Java."""
    ports = {
        f"GULOU_{name.upper()}": "0" for name in Settings.model_fields if name.endswith("_port")
    }
    return {
        "PATH": "/nonexistent",
        "HOME": str(tmp_path),
        "GULOU_HOME": str(tmp_path / "home"),
        "GULOU_CACHE": str(Settings.load().cache),
        **ports,
    }


@pytest.fixture
def stopped_after(env: dict[str, str]) -> Iterator[None]:
    yield
    gulou(env, "down")


def gulou(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GULOU, *arguments], env=env, capture_output=True, text=True, timeout=240, check=False
    )


def flat(text: str) -> str:
    return " ".join(text.split())


def test_on_a_terminal_with_a_screen_the_boards_open_in_the_browser(
    env: dict[str, str], tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    ours, theirs = os.openpty()
    child = subprocess.Popen(
        [GULOU, "up", "--no-demo", "--no-live"],
        env={**env, "DISPLAY": ":9", "BROWSER": str(browser), "TERM": "xterm", "PATH": "/bin"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        deadline = time.monotonic() + 120
        while not opened.exists() or not opened.read_text():
            assert child.poll() is None
            assert time.monotonic() < deadline, "no browser was opened"
            _read(ours)
        where = json.loads(gulou(env, "status", "--json").stdout)["parts"]["boards"]["where"]
        assert opened.read_text().strip() == where
    finally:
        child.send_signal(signal.SIGINT)
        while child.poll() is None:
            _read(ours)
        os.close(ours)
    assert child.returncode == 0


def _read(terminal: int) -> None:
    """Reads the terminal's output, so that the program can keep writing; waits up to 0.1 s."""
    if select.select([terminal], [], [], 0.1)[0]:
        with contextlib.suppress(OSError):  # the program has ended
            os.read(terminal, 65_536)


def test_detached_it_is_found_by_status_refuses_a_second_start_and_stops(
    env: dict[str, str], stopped_after: None
) -> None:
    started = gulou(env, "up", "--detach", "--no-demo", "--no-live")
    assert started.returncode == 0, started.stderr

    shown = gulou(env, "status", "--json")
    again = gulou(env, "up")
    open_to_others = rights_of_others(Path(env["GULOU_HOME"]))
    stopped = gulou(env, "down")
    after = gulou(env, "status", "--json")

    found = json.loads(shown.stdout)
    assert (shown.returncode, found["running"], found["parts"]["kafka"]["alive"]) == (0, True, True)
    assert {part["note"] for part in found["parts"].values()} == {"", "confined"}
    assert found["parts"]["clickhouse"]["note"] == "confined"
    assert open_to_others == {}
    assert again.returncode == 4
    assert "is already running from" in flat(again.stderr)
    assert "Traceback" not in again.stderr
    assert (stopped.returncode, flat(stopped.stdout)) == (0, "Stopped; everything is kept.")
    assert (after.returncode, json.loads(after.stdout)["running"]) == (3, False)
    assert not any(
        secret.read_text() in started.stdout + shown.stdout
        for secret in Path(env["GULOU_HOME"], "secrets").rglob("*")
        if secret.is_file()
    )


def rights_of_others(home: Path) -> dict[str, str]:
    """Files and folders of a home, itself too, on which another account has a right."""
    modes = {each: each.lstat().st_mode for each in (home, *home.rglob("*"))}
    assert len(modes) > 100
    return {
        str(each): stat.filemode(mode)
        for each, mode in modes.items()
        if not stat.S_ISLNK(mode) and mode & 0o077
    }


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[OpenKafka]:
    """A Kafka that a city runs itself."""
    with OpenKafka(tmp_path / "kafka") as running:
        yield running


@pytest.mark.stack
def test_into_a_citys_own_kafka_go_no_invented_events_unless_asked_for(
    env: dict[str, str], own_kafka: OpenKafka, stopped_after: None
) -> None:
    own = {**env, "GULOU_KAFKA_BOOTSTRAP": own_kafka.bootstrap}
    assert gulou(own, "up", "--detach").returncode == 0
    # By now unasked events would be there: the first go out within a second.
    time.sleep(3)
    unasked = events(own_kafka)
    gulou(own, "down")

    assert gulou(own, "up", "--detach", "--live").returncode == 0
    deadline = time.monotonic() + 30
    while not (asked := events(own_kafka)) and time.monotonic() < deadline:
        time.sleep(0.5)

    assert unasked == 0
    assert 0 < asked < 1_000, "the trickle was asked for, not the history"
    log = Path(env["GULOU_HOME"], "log", "stack.log").read_text()
    assert f"No invented events go to {own_kafka.bootstrap}." in log


def events(kafka: OpenKafka) -> int:
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=None)
    places = [
        TopicPartition(topic, n) for topic, partitions, _ in topics() for n in range(partitions)
    ]
    try:
        return sum(consumer.end_offsets(places).values())
    finally:
        consumer.close()


def test_in_the_foreground_ctrl_c_stops_everything_cleanly(
    env: dict[str, str], tmp_path: Path
) -> None:
    running = subprocess.Popen(
        [GULOU, "up", "--no-demo", "--no-live"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout
    # Up to the line on how to stop: stopped earlier, it would not show its addresses.
    shown = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, running.stdout))
    home = tmp_path / "home"
    parts = _presence.running(home)
    assert parts is not None, shown

    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=120)

    assert running.returncode == 0, said
    assert parts["parts"]["kafka"]["where"] in "".join(shown)
    assert said.rstrip().endswith("Stopped; everything is kept.")
    assert _presence.running(home) is None


def test_a_taken_port_is_one_sentence_and_exit_code_4(env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        refused = gulou({**env, "GULOU_KAFKA_PORT": str(port)}, "up")

    assert refused.returncode == 4
    assert f"Port {port} on 127.0.0.1, wanted for Kafka, is taken by" in flat(refused.stderr)
    assert f"(process {os.getpid()})" in flat(refused.stderr)
    assert "Traceback" not in refused.stderr


def test_a_port_taken_when_detached_is_the_same_sentence(env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        refused = gulou({**env, "GULOU_KAFKA_PORT": str(port)}, "up", "--detach")

    assert refused.returncode == 4
    assert flat(refused.stderr).startswith(f"gulou: Port {port} on 127.0.0.1, wanted for Kafka,")


def test_a_full_disk_is_one_sentence_and_exit_code_4(env: dict[str, str]) -> None:
    refused = gulou({**env, "GULOU_MIN_FREE_MB": str(10**12)}, "up")

    assert refused.returncode == 4
    assert "MB are free where" in flat(refused.stderr)


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    env: dict[str, str], tiny: Path
) -> None:
    refused = gulou({**env, "GULOU_CACHE": str(tiny / "cache")}, "setup")

    assert refused.returncode == 4
    assert flat(refused.stderr).startswith(
        f"gulou: Only 1 MB are free where '{tiny / 'cache'}' lies; Gulou needs 256 MB."
    )
    assert list((tiny / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("up", "A file was cut off: No space left on device. Free some space"),
        ("simulate", "The key vault 'vault.sqlite' cannot be opened: database or disk is full."),
    ],
)
def test_a_disk_that_fills_up_meanwhile_is_one_sentence(
    env: dict[str, str], tiny: Path, command: str, said: str
) -> None:
    home = tiny / "home"
    (home / "secrets").mkdir(parents=True)
    full = {**env, "GULOU_HOME": str(home), "GULOU_MIN_FREE_MB": "0"}
    (tiny / "filler").write_bytes(b"x" * os.statvfs(tiny).f_bfree * os.statvfs(tiny).f_bsize)

    refused = gulou(full, command)

    assert refused.returncode == 4, refused.stderr
    assert flat(refused.stderr).startswith(f"gulou: {said}")
    assert "Traceback" not in refused.stderr


def test_a_disk_that_may_not_be_written_is_one_sentence(env: dict[str, str], tiny: Path) -> None:
    home = tiny / "home"
    home.mkdir(mode=0o700)
    (home / "run").mkdir(mode=0o700)
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)

    refused = gulou({**env, "GULOU_HOME": str(home), "GULOU_MIN_FREE_MB": "0"}, "up")

    assert refused.returncode == 4
    assert flat(refused.stderr).startswith(
        f"gulou: '{home / 'run' / 'lock'}' cannot be written: Read-only file system."
    )
    assert "Traceback" not in refused.stderr


def test_debug_shows_the_traceback(env: dict[str, str]) -> None:
    refused = gulou({**env, "GULOU_DATABASE": "no where"}, "--debug", "status")

    assert "Traceback" in refused.stderr
    assert "GULOU_DATABASE is 'no where'" in refused.stderr


def test_a_wrong_setting_is_one_sentence(env: dict[str, str]) -> None:
    refused = gulou({**env, "GULOU_DATABASE": "no where"}, "status")

    assert refused.returncode == 4
    assert flat(refused.stderr).startswith("gulou: GULOU_DATABASE is 'no where':")
    assert "Traceback" not in refused.stderr


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command, including those of groups."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_commands_of_the_design_are_there() -> None:
    assert {"setup", "up", "down", "status", "import", "simulate", "catalog", "settings",
            "boards publish", "boards check"} <= COMMANDS.keys()  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_an_example_and_says_what_each_option_is(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    text = re.sub("Usage:.*", "", shown.output)

    assert shown.exit_code == 0
    assert f"gulou {command}" in text, "no example"
    assert [p.name for p in COMMANDS[command].params if not p.help] == []
