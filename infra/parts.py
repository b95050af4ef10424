"""The processes of an installation and their order, as data."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clickhouse_driver.errors import Error as ClickHouseError

from dashboards.boards import write
from dashboards.edition import Edition
from dashboards.roles import SOURCES
from infra import _child, desks
from infra._files import write_private
from infra.broker import (
    MAX_MESSAGE_BYTES,
    Broker,
    Topic,
    answers,
    ensure_rights,
    ensure_topics,
)
from infra.database import address, apply
from infra.http import HEALTH
from infra.settings import KAFKA_USERS, LOCAL, Settings
from infra.warehouse import EmbeddedClickHouse, confinement
from schemas import names
from schemas.errors import GulouError
from schemas.families import families
from schemas.grain import ROLES, Role
from schemas.reference.divisions import SHIPPED

_PROBE_S = 2.0
_ANSWER_S = 10.0
_DEAD_LETTERS_KEPT_MS = 180 * 86_400_000
"""Dead letters hold refused messages, perhaps personal data: kept half a year, not for ever."""


@dataclass(frozen=True)
class Part:
    """A process of the stack, as data."""

    name: str
    command: Callable[[], Sequence[str]]
    """Called for each start; may prepare files and claim a port, and raises if it can't."""
    ready: Callable[[], bool]
    """Whether it serves now; polled, so it must be fast."""
    where: str = ""
    """Address to show to a person."""
    start_s: float = 90.0
    stop_s: float = 30.0
    env: Mapping[str, str] | None = None
    """Whole environment; the stack's own when None."""
    away: Callable[[], str] | None = None
    """Names the servers outside the stack that the part needs and that do not answer now; empty
    when all do. None: it needs none."""
    failure: Callable[[str], GulouError] | None = None
    """Turns "ended with code 1 while starting" into an error that says why, from the part's own
    log; without it the last line the part printed is the reason."""
    note: Callable[[Path], str] | None = None
    """Returns, from the log of the part once it is ready, what else to show to a person."""


@dataclass(frozen=True)
class Step:
    """Something done once between the starts of two parts: topics, tables."""

    name: str
    run: Callable[[], object]


def parts(settings: Settings) -> list[Part | Step]:
    """The parts and steps of an installation in starting order, without a city's own servers."""
    found: list[Part | Step] = []
    if not settings.kafka_bootstrap:
        broker = _broker(settings)
        found += [
            _kafka(settings, broker),
            Step("letting users in to Kafka", lambda: _let_in(settings, broker)),
        ]
    if not settings.clickhouse_host:
        found.append(_clickhouse(settings))
    found.append(Step("creating topics", lambda: _create_topics(settings)))
    found.append(Step("creating tables", lambda: apply(settings)))
    found += [_worker(settings, index) for index in range(settings.workers)]
    if not settings.grafana_url:
        found.append(_boards(settings))
    return found


def topics() -> list[Topic]:
    """Every topic with its partitions and config: two per family, events and dead letters."""
    kept = {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
    }
    # A dead letter is the message with its reason in headers, so it is larger than the message.
    dead = {
        **kept,
        "retention.ms": str(_DEAD_LETTERS_KEPT_MS),
        "max.message.bytes": str(2 * MAX_MESSAGE_BYTES),
    }
    return [
        topic
        for family in families()
        for topic in (
            (family.topic, family.partitions, kept),
            (names.dead_topic(family.topic), 1, dead),
        )
    ]


def _create_topics(settings: Settings) -> None:
    ensure_topics(
        settings.bootstrap,
        topics(),
        replication=settings.kafka_replication,
        options=settings.kafka_options("admin"),
    )


def _broker(settings: Settings) -> Broker:
    return Broker(
        settings.home / "kafka",
        settings.kafka_port,
        cache=settings.cache,
        host=settings.host,
        mirror=settings.maven_url,
    )


def _let_in(settings: Settings, broker: Broker) -> None:
    ensure_rights(
        broker.options,
        {user: settings.kafka_options(user) for user in KAFKA_USERS},
        [family.topic for family in families()],
    )


def _kafka(settings: Settings, broker: Broker) -> Part:
    return Part(
        "kafka",
        broker.prepare,
        broker.ready,
        where=settings.bootstrap,
        env=Broker.ENVIRONMENT,
        failure=broker.failure,
    )


def _clickhouse(settings: Settings) -> Part:
    host, port, http_port = settings.host, settings.clickhouse_port, settings.clickhouse_http_port

    def command() -> list[str]:
        _child.claim(host, port, part="ClickHouse", variable="GULOU_CLICKHOUSE_PORT")
        _child.claim(
            host, http_port, part="ClickHouse over HTTP", variable="GULOU_CLICKHOUSE_HTTP_PORT"
        )
        users = desks.write_users(settings)
        return [
            sys.executable, "-m", "infra.warehouse",
            "--data", str(settings.home / "clickhouse"),
            "--host", host,
            "--port", str(port),
            "--http-port", str(http_port),
            "--users", str(users),
            "--timezone", settings.timezone,
        ]  # fmt: skip

    return Part(
        "clickhouse",
        command,
        lambda: _logs_in(settings),
        where=f"{host}:{port}, http://{host}:{http_port}",
        env=EmbeddedClickHouse.ENVIRONMENT,
        note=confinement,
    )


def _logs_in(settings: Settings) -> bool:
    """Whether ClickHouse accepts its owner and answers a query; an open port is not enough."""
    place = address(settings)
    # A bare connection first: clickhouse-driver logs a traceback for each refused one.
    try:
        socket.create_connection((place.host, place.port), _PROBE_S).close()
    except OSError:
        return False
    patience = {"connect_timeout": _PROBE_S, "send_receive_timeout": _ANSWER_S}
    client = replace(place, options={**place.options, **patience}).connect()
    try:
        return bool(client.execute("SELECT 1") == [(1,)])
    except (OSError, EOFError, ClickHouseError):
        return False
    finally:
        client.disconnect()


def _http_part(
    settings: Settings,
    name: str,
    module: str,
    port: int,
    arguments: Callable[[], Sequence[str]],
    *,
    variable: str,
    host: str = "",
    health: str = HEALTH,
    page: str = "",
    away: Callable[[], str] | None = None,
    env: Mapping[str, str] | None = None,
) -> Part:
    """A part that speaks HTTP: `python -m module`, ready once it answers on its health path.

    Args:
        settings: of the installation.
        name: name of the part.
        module: module that runs it.
        port: port it listens on.
        arguments: returns the arguments of its command; called for each start.
        variable: setting of the port, named in the message when the port is taken.
        host: address it listens on; by default the installation's.
        health: path that answers 200 while it serves.
        page: path to show to people.
        away: see `Part`.
        env: see `Part`.
    """
    place = host or settings.host

    def command() -> list[str]:
        _child.claim(place, port, part=name, variable=variable)
        return [sys.executable, "-m", module, *arguments()]

    return Part(
        name,
        command,
        lambda: _answers(place, port, health),
        where=f"http://{place}:{port}{page}",
        away=away,
        env=env,
    )


def _worker(settings: Settings, index: int) -> Part:
    return _http_part(
        settings,
        f"worker-{index}",
        "infra.worker",
        settings.metrics_port + index,
        lambda: ["--index", str(index)],
        variable="GULOU_METRICS_PORT",
        # Metrics have no gate.
        host=LOCAL,
        health="/ready",
        page="/metrics",
        away=None if _all_embedded(settings) else lambda: _away(settings),
        # Its threads pass every batch on to another thread; with an arena of memory per thread, the
        # next one cannot use the memory that the last one has freed.
        env={"MALLOC_ARENA_MAX": "2", **os.environ, **settings.environment()},
    )


def _all_embedded(settings: Settings) -> bool:
    return not (settings.kafka_bootstrap or settings.clickhouse_host)


def _away(settings: Settings) -> str:
    """Names those of the city's own Kafka and ClickHouse that do not answer."""
    found = []
    if settings.kafka_bootstrap and not answers(
        settings.bootstrap, settings.kafka_options("admin")
    ):
        found.append(f"Kafka at {settings.bootstrap}")
    if settings.clickhouse_host and not _logs_in(settings):
        host, port = settings.clickhouse_address
        found.append(f"ClickHouse at {host}:{port}")
    return " and ".join(found)


def _boards(settings: Settings) -> Part:
    """The board server; it reads ClickHouse as the users that may read published views only."""
    state, token = settings.home / "boards", settings.home / "secrets" / "grafana"

    def arguments() -> list[str]:
        settings.secret(token.name)
        settings.secret(desks.KEY)
        made_for = [board_source(settings, role) for role in ROLES]
        sources = settings.home / "run" / "data-sources.json"
        write_private(sources, json.dumps(made_for))
        chosen, made = edition(settings), settings.home / "run" / "boards"
        write(made, chosen)
        return [
            "--host", settings.host,
            "--port", str(settings.board_port),
            "--state", str(state),
            "--token-file", str(token),
            "--access", str(settings.access_file),
            "--desk-key", str(settings.home / "secrets" / desks.KEY),
            "--looks", str(settings.looks_folder),
            "--looks-months", str(settings.looks_months),
            "--data-sources", str(sources),
            "--boards", str(made),
            *(["--closed"] if settings.closed else []),
            *(["--outlines", str(chosen.map.file)] if chosen.map else []),
            "--zone", settings.timezone,
        ]  # fmt: skip

    return _http_part(
        settings,
        "boards",
        "infra.board_server",
        settings.board_port,
        arguments,
        variable="GULOU_BOARD_PORT",
    )


def board_source(settings: Settings, role: Role = "viewer") -> dict[str, Any]:
    """A role's data source, as Grafana's API takes it; the viewers' is the default one."""
    user, password, database = {
        "viewer": (
            settings.clickhouse_board_user,
            settings.clickhouse_board_password,
            settings.published_database,
        ),
        "clerk": (
            settings.clickhouse_desk_user,
            settings.clickhouse_desk_password,
            settings.desk_database,
        ),
    }[role]
    host, port = settings.clickhouse_address
    if settings.grafana_url:
        # That Grafana may be on another machine, where 127.0.0.1 is that machine.
        host = settings.grafana_clickhouse_host or host
        port = settings.grafana_clickhouse_port or port
    data: dict[str, Any] = {
        "host": host,
        "port": port,
        "protocol": "native",
        "secure": settings.clickhouse_secure,
        "username": user,
        "defaultDatabase": database,
    }
    hidden = {"password": password.get_secret_value()}
    if settings.clickhouse_secure and (cafile := settings.clickhouse_cafile):
        # A Grafana elsewhere cannot read our file and gets its text; the board server reads it.
        data |= {"tlsAuthWithCACert": True, "tlsCACertFile": str(cafile)}
        hidden["tlsCACert"] = cafile.read_text()
    return {
        "uid": SOURCES[role],
        "name": SOURCES[role],
        "type": "grafana-clickhouse-datasource",
        "access": "proxy",
        "isDefault": role == "viewer",
        "jsonData": data,
        "secureJsonData": hidden,
    }


def edition(settings: Settings) -> Edition:
    """The city and the language that the boards are made for."""
    return Edition.load(settings.divisions or SHIPPED, settings.timezone, settings.language)


def _answers(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
