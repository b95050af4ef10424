"""Who may do what on the embedded Kafka: every user tries everything, and nobody too."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psutil
import pytest
from aiokafka.conn import create_conn
from aiokafka.errors import SaslAuthenticationFailed
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    UserScramCredentialUpsertion,
)
from kafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TopicDeletionDisabledError,
)

from infra.broker import Broker, Topic, ensure_rights, ensure_topics
from infra.settings import KAFKA_USERS, KafkaUser, Settings

EVENTS, DEAD, GROUP = "visits", "visits.dead", "gulou-ingest"
PLACE = TopicPartition(EVENTS, 0)
PATIENCE_S = 60
Login = Mapping[str, Any]
Deed = Callable[[Login], object]


@dataclass(frozen=True)
class Guarded:
    """A Kafka with its users and topics."""

    broker: Broker
    settings: Settings

    def let_in(self, *topics: str) -> None:
        users = {user: self.settings.kafka_options(user) for user in KAFKA_USERS}
        ensure_rights(self.broker.options, users, topics)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("guarded")
    with Broker(home / "kafka", cache=Settings.load().cache) as broker:
        found = Guarded(broker, Settings.load(home=home, kafka_port=broker.port))
        found.let_in(EVENTS)
        topics: list[Topic] = [(EVENTS, 1, {}), (DEAD, 1, {})]
        login = found.settings.kafka_options("admin")
        ensure_topics(login["bootstrap_servers"], topics, options=login)
        for topic, user in ((EVENTS, "producer"), (DEAD, "worker")):
            send(found.settings.kafka_options(user), topic)  # type: ignore[arg-type]
        # Kafka keeps no groups before the first one asks.
        commit(found.settings.kafka_options("worker"), GROUP)
        yield found


# ------------------------------------------------------------------------------------- the deeds


def by_admin(call: Callable[[KafkaAdminClient], object]) -> Deed:
    def done(login: Login) -> object:
        admin = KafkaAdminClient(**login)
        try:
            return call(admin)
        finally:
            admin.close()

    return done


def send(login: Login, topic: str) -> object:
    # Idempotent, as every producer of Gulou.
    producer = KafkaProducer(**login, acks="all", enable_idempotence=True)
    try:
        return producer.send(topic, b"{}").get(PATIENCE_S)
    finally:
        producer.close(1)


def read(login: Login, topic: str, group: str | None = None) -> object:
    consumer = KafkaConsumer(
        **login, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    found: object
    try:
        if not consumer.partitions_for_topic(topic):
            raise TopicAuthorizationFailedError(f"{topic} is there, and hidden from this user")
        if group:
            consumer.subscribe([topic])
        else:
            consumer.assign([TopicPartition(topic, 0)])
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if found := consumer.poll(500):
                return found
        raise AssertionError(f"{topic} is empty, and nobody said that it may not be read")
    finally:
        consumer.close()


def commit(login: Login, group: str) -> object:
    consumer = KafkaConsumer(**login, group_id=group, enable_auto_commit=False)
    try:
        consumer.assign([PLACE])
        consumer.commit({PLACE: OffsetAndMetadata(0, "", -1)})
        return consumer.committed(PLACE)
    finally:
        consumer.close()


def config(kind: ConfigResourceType, name: str, **values: str) -> Deed:
    return by_admin(
        lambda admin: admin.alter_configs(
            [ConfigResource(kind, name, {k.replace("_", "."): v for k, v in values.items()})],
            # The client would look first, and fail in words of its own where it may not look.
            raise_on_unknown=False,
        )
    )


def new_topic(admin: KafkaAdminClient) -> object:
    name = f"new-{uuid.uuid4().hex[:8]}"
    how = {"num_partitions": 1, "replication_factor": 1, "configs": {}}
    return admin.create_topics({name: how})


def new_right(admin: KafkaAdminClient) -> object:
    pattern = ResourcePattern(ResourceType.TOPIC, EVENTS)
    right = ACL("User:x", "*", ACLOperation.DELETE, ACLPermissionType.ALLOW, pattern)
    return admin.create_acls([right])


def new_user(admin: KafkaAdminClient) -> object:
    user = UserScramCredentialUpsertion("x", "SCRAM-SHA-512", "y")
    (refusal,) = admin.alter_user_scram_credentials([user]).values()
    if refusal is not None:
        raise ClusterAuthorizationFailedError(refusal)
    return user


DEEDS: Final[Mapping[str, Deed]] = {
    "deletes records": by_admin(lambda admin: admin.delete_records({PLACE: 1})),
    "deletes a topic": by_admin(lambda admin: admin.delete_topics([EVENTS])),
    "creates a topic": by_admin(new_topic),
    "adds partitions": by_admin(lambda admin: admin.create_partitions({EVENTS: 2})),
    "configures a topic": config(ConfigResourceType.TOPIC, EVENTS, retention_ms="-1"),
    "configures the broker": config(ConfigResourceType.BROKER, "1", log_cleaner_threads="1"),
    "deletes the workers' offsets": by_admin(
        lambda admin: admin.delete_group_offsets(GROUP, [PLACE])
    ),
    "deletes the workers' group": by_admin(lambda admin: admin.delete_groups([GROUP])),
    "gives a right": by_admin(new_right),
    "makes a user": by_admin(new_user),
    "commits for the workers": lambda login: commit(login, GROUP),
    "commits for another group": lambda login: commit(login, "another"),
    "commits for a group of auditors": lambda login: commit(login, "gulou-auditor-1"),
    "sends an event": lambda login: send(login, EVENTS),
    "sends a dead letter": lambda login: send(login, DEAD),
    "reads events": lambda login: read(login, EVENTS),
    "reads dead letters": lambda login: read(login, DEAD),
    "reads in the workers' group": lambda login: read(login, EVENTS, GROUP),
    "reads in a group of auditors": lambda login: read(login, EVENTS, "gulou-auditor-2"),
}
ALLOWED: Final[Mapping[KafkaUser, set[str]]] = {
    "admin": {"creates a topic", "configures a topic"},
    "producer": {"sends an event"},
    "worker": {
        "commits for the workers",
        "sends a dead letter",
        "reads events",
        "reads in the workers' group",
    },
    "auditor": {
        "commits for a group of auditors",
        "reads events",
        "reads dead letters",
        "reads in a group of auditors",
    },
}


def refused(deed: Deed, login: Login) -> bool:
    """Whether Kafka said that this user may not; every other error is raised."""
    try:
        outcome = deed(login)
    except TopicDeletionDisabledError:
        return True
    except KafkaError as error:
        # A producer wraps the error of its first request.
        if "AuthorizationFailedError" in repr(error):
            return True
        raise
    # Of some requests the client returns errors by name.
    return "AuthorizationFailedError" in repr(outcome)


@pytest.mark.parametrize("user", KAFKA_USERS)
def test_each_user_may_do_its_own_work_and_nothing_else(guarded: Guarded, user: KafkaUser) -> None:
    login = guarded.settings.kafka_options(user)

    allowed = {name for name, deed in DEEDS.items() if not refused(deed, login)}

    assert allowed == ALLOWED[user]


# ------------------------------------------------------------------------------------- nobody


def test_nobody_without_a_password_gets_an_answer(guarded: Guarded) -> None:
    """A raw request, as clients give up in ways of their own: the connection is closed."""
    host, port = guarded.broker.host, guarded.broker.port
    # DeleteTopics, version 1: key 20, correlation 7, client "x"; one topic, timeout.
    name = EVENTS.encode()
    body = (
        struct.pack(">hhih1sih", 20, 1, 7, 1, b"x", 1, len(name)) + name + struct.pack(">i", 1000)
    )

    with socket.create_connection((host, port), timeout=PATIENCE_S) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = connection.recv(100)

    assert answer == b""


@pytest.mark.parametrize(
    "changed",
    [
        # No password at all is the test above.
        {"sasl_plain_password": "guessed"},
        {"sasl_plain_username": "gulou-nobody"},
        # By PLAIN only the broker itself logs in.
        {"sasl_mechanism": "PLAIN"},
    ],
)
def test_a_wrong_login_is_refused(guarded: Guarded, changed: dict[str, str]) -> None:
    right = guarded.settings.kafka_options("admin")

    asyncio.run(log_in(right, guarded.broker.port))
    with pytest.raises(SaslAuthenticationFailed):
        asyncio.run(log_in({**right, **changed}, guarded.broker.port))


def test_the_controllers_port_lets_the_broker_in_and_no_user(guarded: Guarded) -> None:
    (port,) = {
        each.laddr[1]
        for each in psutil.Process(guarded.broker.pid).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    } - {guarded.broker.port}

    asyncio.run(log_in(guarded.broker.options, port))
    for user in KAFKA_USERS:
        login = {**guarded.settings.kafka_options(user), "sasl_mechanism": "PLAIN"}
        with pytest.raises(SaslAuthenticationFailed):
            asyncio.run(log_in(login, port))


async def log_in(login: Login, port: int) -> None:
    """One connection, without the patience of a client."""
    how = {name: value for name, value in login.items() if name != "bootstrap_servers"}
    connection = await create_conn("127.0.0.1", port, **how)
    connection.close()


def test_not_even_the_broker_itself_deletes_a_topic(guarded: Guarded) -> None:
    with pytest.raises(TopicDeletionDisabledError):
        DEEDS["deletes a topic"](guarded.broker.options)


# ------------------------------------------------------------------------------------- the table


def rights(broker: Broker, principal: str) -> set[ACL]:
    admin = KafkaAdminClient(**broker.options)
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    every = ACLFilter(principal, None, ACLOperation.ANY, ACLPermissionType.ANY, everything)
    try:
        return set(admin.describe_acls(every)[0])
    finally:
        admin.close()


def test_a_new_family_gets_its_rights_and_one_that_is_gone_loses_them(guarded: Guarded) -> None:
    before = rights(guarded.broker, "User:gulou-producer")

    guarded.let_in(EVENTS, "funds")
    with_funds = rights(guarded.broker, "User:gulou-producer")
    guarded.let_in(EVENTS)

    (new,) = with_funds - before
    assert (new.resource_pattern.resource_name, new.operation) == ("funds", ACLOperation.WRITE)
    assert rights(guarded.broker, "User:gulou-producer") == before


def test_a_right_given_by_hand_is_taken_back_from_gulous_users_and_left_to_others(
    guarded: Guarded,
) -> None:
    pattern = ResourcePattern(ResourceType.TOPIC, EVENTS)
    ours, theirs = (
        ACL(principal, "*", ACLOperation.DELETE, ACLPermissionType.ALLOW, pattern)
        for principal in ("User:gulou-worker", "User:office-1")
    )
    admin = KafkaAdminClient(**guarded.broker.options)
    admin.create_acls([ours, theirs])
    admin.close()

    guarded.let_in(EVENTS)

    assert ours not in rights(guarded.broker, "User:gulou-worker")
    assert rights(guarded.broker, "User:office-1") == {theirs}


def test_a_password_whose_file_was_lost_is_made_anew(guarded: Guarded) -> None:
    before = guarded.settings.kafka_options("auditor")
    (guarded.settings.home / "secrets" / "kafka" / "gulou-auditor").unlink()

    guarded.let_in(EVENTS)

    after = guarded.settings.kafka_options("auditor")
    asyncio.run(log_in(after, guarded.broker.port))
    with pytest.raises(SaslAuthenticationFailed):
        asyncio.run(log_in(before, guarded.broker.port))


def test_passwords_are_in_no_log_and_in_no_file_that_others_may_read(guarded: Guarded) -> None:
    secrets = [
        guarded.broker.options["sasl_plain_password"],
        *(guarded.settings.kafka_options(u)["sasl_plain_password"] for u in KAFKA_USERS),
    ]
    home = guarded.settings.home
    for file in (each for each in home.rglob("*") if each.is_file()):
        if any(secret.encode() in file.read_bytes() for secret in secrets):
            assert not file.stat().st_mode & 0o077, file
            assert file.suffix != ".log"
