"""Who may do what on the embedded Kafka: one table. What is not in it is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    UserScramCredentialUpsertion,
)

from infra.broker.topics import answers, connected
from infra.settings import KAFKA_USERS, SCRAM, KafkaUser, kafka_name
from schemas import names
from schemas.errors import Unavailable

_CREATE, _READ, _WRITE = ACLOperation.CREATE, ACLOperation.READ, ACLOperation.WRITE
_DESCRIBE, _CONFIGURE = ACLOperation.DESCRIBE, ACLOperation.ALTER_CONFIGS
_PREFIX = ACLResourcePatternType.PREFIXED
_SETTLED_S: Final = 90.0
"""As long as a start may take: on a starved machine a single login takes seconds."""
_POLL_S: Final = 0.02

Over = Literal["every topic", "event topics", "dead letters", "the workers' group", "own groups"]


@dataclass(frozen=True)
class Right:
    """Operations on a kind of resource; to read, write or configure one is to see it too."""

    over: Over
    operations: tuple[ACLOperation, ...]


RIGHTS: Final[Mapping[KafkaUser, Sequence[Right]]] = {
    "admin": [Right("every topic", (_DESCRIBE, _CREATE, _CONFIGURE))],
    "producer": [Right("event topics", (_WRITE,))],
    "worker": [
        Right("event topics", (_READ,)),
        Right("dead letters", (_WRITE,)),
        # It reads in this group and commits its offsets, in no other.
        Right("the workers' group", (_READ,)),
    ],
    "auditor": [
        Right("event topics", (_READ,)),
        Right("dead letters", (_READ,)),
        # A group whose name begins with its own, for programs that cannot read without one.
        Right("own groups", (_READ,)),
    ],
}
"""What each user may do. Nobody may delete a record, a topic or a group, and nobody but the broker
itself may change users or rights."""


def ensure_rights(
    broker: Mapping[str, Any], users: Mapping[KafkaUser, Mapping[str, Any]], topics: Sequence[str]
) -> None:
    """Returns when each user can log in and has the rights of the table, and no others.

    Users and rights that are not Gulou's stay as they are.

    Args:
        broker: login of the broker's own user (`Broker.options`).
        users: login of each user (`Settings.kafka_options`).
        topics: the topics of events.

    Raises:
        Unavailable: Kafka does not answer, or refuses.
    """
    with connected(broker) as admin:
        _set_rights(admin, set(_declared(topics)))
        # After the rights: whoever can log in has them. At each start: the files are the truth.
        _set_passwords(admin, users)
    _await_logins(users)


def _principal(user: KafkaUser) -> str:
    return f"User:{kafka_name(user)}"


def _declared(topics: Sequence[str]) -> Iterator[ACL]:
    for user, rights in RIGHTS.items():
        for right in rights:
            for pattern in _patterns(right.over, user, topics):
                for operation in right.operations:
                    yield ACL(_principal(user), "*", operation, ACLPermissionType.ALLOW, pattern)


def _patterns(over: Over, user: KafkaUser, topics: Sequence[str]) -> list[ResourcePattern]:
    match over:
        case "every topic":
            return [ResourcePattern(ResourceType.TOPIC, "*")]
        case "event topics":
            return [ResourcePattern(ResourceType.TOPIC, topic) for topic in topics]
        case "dead letters":
            dead = map(names.dead_topic, topics)
            return [ResourcePattern(ResourceType.TOPIC, topic) for topic in dead]
        case "the workers' group":
            return [ResourcePattern(ResourceType.GROUP, names.CONSUMER_GROUP)]
        case "own groups":
            return [ResourcePattern(ResourceType.GROUP, kafka_name(user), _PREFIX)]


def _set_rights(admin: KafkaAdminClient, declared: set[ACL]) -> None:
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    found: set[ACL] = set()
    for user in KAFKA_USERS:
        rights, _ = admin.describe_acls(_filter(_principal(user), everything))
        found.update(rights)
    if missing := declared - found:
        failed = admin.create_acls(list(missing))["failed"]
        if failed:
            raise failed[0]()
    if surplus := found - declared:
        admin.delete_acls([_exactly(right) for right in surplus])


def _filter(name: str, pattern: ResourcePatternFilter) -> ACLFilter:
    return ACLFilter(name, None, ACLOperation.ANY, ACLPermissionType.ANY, pattern)


def _exactly(right: ACL) -> ACLFilter:
    return ACLFilter(
        right.principal,
        right.host,
        right.operation,
        right.permission_type,
        ResourcePatternFilter(
            right.resource_pattern.resource_type,
            right.resource_pattern.resource_name,
            right.resource_pattern.pattern_type,
        ),
    )


def _set_passwords(admin: KafkaAdminClient, users: Mapping[KafkaUser, Mapping[str, Any]]) -> None:
    refused = admin.alter_user_scram_credentials(
        [
            UserScramCredentialUpsertion(
                login["sasl_plain_username"], SCRAM, login["sasl_plain_password"]
            )
            for login in users.values()
        ]
    )
    for name, why in refused.items():
        if why is not None:
            raise Unavailable(
                f"Kafka did not take the user {name!r}: {why}.", do="Look at Kafka's log."
            )


def _await_logins(users: Mapping[KafkaUser, Mapping[str, Any]]) -> None:
    """Waits for the broker, which reads new users from the controller's records a little later."""
    deadline = time.monotonic() + _SETTLED_S
    for login in users.values():
        while not answers(login["bootstrap_servers"], login):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"Kafka does not let {login['sasl_plain_username']!r} in, {_SETTLED_S:g} s "
                    "after it was told of this user.",
                    do="Look at Kafka's log.",
                )
            time.sleep(_POLL_S)
