"""The whole installation as `make up` composes it, seen from outside."""

import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from infra.cli import running
from infra.cli.main import app
from infra.parts import Part, parts, topics
from infra.settings import KAFKA_USERS, Settings
from infra.stack import Stack, with_ports
from infra.worker import configure
from schemas.errors import Refused

ZERO = {name: 0 for name in Settings.model_fields if name.endswith("_port")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(Settings.load(home=tmp_path_factory.mktemp("home"), **ZERO)) as running:
        yield running


def processes(stack: Stack) -> dict[str, psutil.Process]:
    return {name: psutil.Process(part["pid"]) for name, part in stack.parts().items()}


@pytest.mark.stack
def test_all_parts_run_and_listen_on_this_machine_only(whole: Stack) -> None:
    listening = {
        name: {
            each.laddr[0].removeprefix("::ffff:")
            for each in process.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN
        }
        for name, process in processes(whole).items()
    }

    here = {"127.0.0.1"}
    assert listening == {"kafka": here, "clickhouse": here, "worker-0": here, "boards": here}


@pytest.mark.stack
def test_no_secret_is_in_a_command_an_environment_a_log_or_a_file_that_others_may_read(
    whole: Stack,
) -> None:
    home = whole.settings.home
    secrets = [file.read_text() for file in (home / "secrets").rglob("*") if file.is_file()]
    lines = " ".join(
        " ".join((*process.cmdline(), *process.environ().values()))
        for process in processes(whole).values()
    )
    open_to_others = [
        file
        for file in home.rglob("*")
        if file.is_file() and stat.S_IMODE(file.stat().st_mode) & 0o077
    ]

    def shown(secret: str, file: Path) -> bool:
        return secret.encode() in file.read_bytes()

    assert len(secrets) >= 3 + len(KAFKA_USERS)
    assert [secret for secret in secrets if secret in lines] == []
    assert [str(f) for f in open_to_others if any(shown(secret, f) for secret in secrets)] == []


def test_a_citys_own_servers_are_not_started(tmp_path: Path) -> None:
    own = Settings.load(
        home=tmp_path,
        kafka_bootstrap="kafka.example:9092",
        clickhouse_host="ch.example",
        grafana_url="https://grafana.example",
        workers=2,
    )

    assert [each.name for each in parts(own)] == [
        "creating topics", "creating tables", "worker-0", "worker-1",
    ]  # fmt: skip


def test_every_family_has_a_topic_kept_for_ever_and_one_for_what_was_refused() -> None:
    found = {name: config for name, _, config in topics()}

    assert {"visits", "petitions", "mediations", "funds"} <= found.keys()
    for name, config in found.items():
        half_a_year = str(180 * 24 * 3600 * 1000)
        assert config["retention.ms"] == (half_a_year if name.endswith(".dead") else "-1")
        assert config["message.timestamp.type"] == "LogAppendTime"


def test_metrics_without_a_gate_are_for_this_machine_whatever_address_the_parts_have(
    tmp_path: Path,
) -> None:
    wide = Settings.load(home=tmp_path, host="192.0.2.1", workers=2)
    where = {each.name: each.where for each in parts(wide) if isinstance(each, Part)}

    assert where["worker-0"] == "http://127.0.0.1:19108/metrics"
    assert where["worker-1"] == "http://127.0.0.1:19109/metrics"
    assert where["boards"] == "http://192.0.2.1:13000"
    assert configure(wide, 1).http == ("127.0.0.1", 19109)


@pytest.mark.parametrize("closed", [False, True])
def test_a_closed_installation_starts_boards_that_ask_for_a_token_here_too(
    tmp_path: Path, closed: bool
) -> None:
    found = with_ports(Settings.load(home=tmp_path, closed=closed, **ZERO))
    (boards,) = (each for each in parts(found) if each.name == "boards")
    assert isinstance(boards, Part)
    assert ("--closed" in boards.command()) is closed
    # A part that runs in the background gets its settings from its environment.
    assert found.environment()["GULOU_CLOSED"] == str(closed)


@pytest.mark.parametrize(("options", "closed"), [((), False), (("--closed",), True)])
def test_an_installation_is_started_closed_by_an_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: tuple[str, ...], closed: bool
) -> None:
    monkeypatch.setenv("GULOU_HOME", str(tmp_path))
    started: list[Settings] = []

    def prepare(settings: Settings) -> None:
        started.append(settings)
        raise Refused("the test has seen enough")

    monkeypatch.setattr(running, "_prepare", prepare)
    result = CliRunner().invoke(app, ["up", *options])
    assert isinstance(result.exception, Refused)
    assert [each.closed for each in started] == [closed]
