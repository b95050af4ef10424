import os
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from kafka.admin import KafkaAdminClient

from infra._child import free_port
from infra.broker import Broker, train
from infra.settings import Settings
from schemas.errors import Misconfigured, Unavailable

CACHE = Settings.load().cache


def cluster_id(broker: Broker) -> str:
    admin = KafkaAdminClient(**broker.options)
    found: str = admin.describe_cluster()["cluster_id"]
    admin.close()
    return found


def gone(pid: int, within_s: float = 30) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid):
            return True
        time.sleep(0.05)
    return False


def test_a_restart_keeps_port_and_cluster_and_a_hard_kill_does_too(tmp_path: Path) -> None:
    with Broker(tmp_path, cache=CACHE) as broker:
        first = (broker.bootstrap, cluster_id(broker))
        broker.stop()
        broker.start()
        after_stop = (broker.bootstrap, cluster_id(broker))
        broker.kill()
        broker.start()
        after_kill = (broker.bootstrap, cluster_id(broker))

    assert first == after_stop == after_kill


def test_it_listens_on_this_machine_only(broker: Broker) -> None:
    listening = {
        each.laddr[0].removeprefix("::ffff:")
        for each in psutil.Process(broker.pid).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }

    assert listening == {"127.0.0.1"}


def test_silent_connections_to_the_controllers_port_leave_room_for_the_broker(
    broker: Broker,
) -> None:
    (port,) = {
        each.laddr[1]
        for each in psutil.Process(broker.pid).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    } - {broker.port}
    with ExitStack() as crowd:
        for _ in range(300):
            silent = socket.create_connection(("127.0.0.1", port), timeout=30)
            crowd.enter_context(silent)
        peer = crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        # ApiVersions 0 with the number 7, which is answered before a login.
        peer.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))
        _, number = struct.unpack(">ii", peer.recv(8))

    assert number == 7


def test_a_taken_port_is_one_sentence_with_the_port_its_holder_and_the_remedy(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured) as refused:
            Broker(tmp_path, port, cache=CACHE).start()

    assert str(refused.value).startswith(f"Port {port} on 127.0.0.1, wanted for Kafka, is taken by")
    assert f"(process {os.getpid()})" in str(refused.value)
    assert "GULOU_KAFKA_PORT" in refused.value.do


def test_a_second_kafka_on_the_same_records_is_refused(tmp_path: Path) -> None:
    with (
        Broker(tmp_path, cache=CACHE),
        pytest.raises(Misconfigured, match="Another Kafka works on"),
    ):
        Broker(tmp_path, cache=CACHE).start()


def test_a_format_that_was_cut_off_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "records.new").mkdir()
    (tmp_path / "records.new" / "meta.properties").write_text("version=1\n")

    with Broker(tmp_path, cache=CACHE) as broker:
        assert cluster_id(broker)


def test_another_kafka_on_the_port_is_not_taken_for_this_one(
    broker: Broker, tmp_path: Path
) -> None:
    late = Broker(tmp_path, cache=CACHE)
    late.prepare()
    late.port = broker.port

    assert broker.ready()
    assert not late.ready()


def test_damaged_records_end_in_one_sentence_that_names_the_log(tmp_path: Path) -> None:
    Broker(tmp_path, cache=CACHE).prepare()
    (tmp_path / "records" / "meta.properties").write_text("version=7\n")

    with pytest.raises(Unavailable, match="Kafka ended with code 1 while starting: ") as failed:
        Broker(tmp_path, cache=CACHE).start()

    assert str(tmp_path / "kafka.log") in str(failed.value)


START = """
import sys, time
from pathlib import Path
from infra.broker import Broker
broker = Broker(Path(sys.argv[1]), cache=Path(sys.argv[2]))
broker.start()
print(broker.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's leash is Linux's")
def test_without_java_on_the_path_it_starts_and_it_dies_with_its_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", START, str(tmp_path), str(CACHE)],
        env={"PATH": "/nonexistent"},
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.Process(pid).name() == "java"

    parent.kill()
    parent.communicate()

    assert gone(pid)


def test_the_recorded_classes_are_made_once(tmp_path: Path) -> None:
    first = train(CACHE, tmp_path / "first")
    second = train(CACHE, tmp_path / "second")

    assert first == second
    assert not (tmp_path / "second").exists()
