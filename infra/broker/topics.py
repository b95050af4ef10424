"""Creates topics as declared and keeps their configuration; a partition count is fixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError

from schemas.errors import Misconfigured, Unavailable

Topic = tuple[str, int, Mapping[str, str]]
"""Name, partitions, configuration."""

_TIMEOUT_MS = 30_000
_PROBE_MS = 5_000


def ensure_topics(
    bootstrap: str,
    topics: Sequence[Topic],
    *,
    replication: int = -1,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Returns when every topic is there with a leader for each partition and its declared config.

    It creates missing topics and sets declared config values that differ. It leaves undeclared
    values and other topics alone.

    Args:
        bootstrap: host:port of the brokers.
        topics: name, partitions and config of each.
        replication: replicas of a topic that is created; -1 is the brokers' default.
        options: further arguments for the client (`Settings.kafka_options`).

    Raises:
        Misconfigured: a topic exists with another partition count. The partition of every event
            follows from key and count, so changing it would separate an event from its repeat.
        Unavailable: Kafka does not answer, or refuses.
    """
    with connected({**(options or {}), "bootstrap_servers": bootstrap}) as admin:
        found = {
            each["name"]: len(each["partitions"])
            for each in admin.describe_topics()
            if each["name"] is not None
        }
        for name, partitions, _ in topics:
            if found.get(name, partitions) != partitions:
                raise Misconfigured(
                    f"Topic {name!r} has {found[name]} partitions on {bootstrap}; "
                    f"{partitions} are declared, and a topic's count is fixed.",
                    do="Declare the old count again, or start the topic anew under another name.",
                )
        missing = {
            name: {
                "num_partitions": partitions,
                "replication_factor": replication,
                "configs": dict(config),
            }
            for name, partitions, config in topics
            if name not in found
        }
        if missing:
            admin.create_topics(missing, timeout_ms=_TIMEOUT_MS, wait_for_metadata=True)
        _set_configs(admin, {name: config for name, _, config in topics if name in found})


def topic_configs(
    bootstrap: str, names: Sequence[str], options: Mapping[str, Any] | None = None
) -> dict[str, dict[str, str]]:
    """Every effective config value of each topic, the broker's defaults included."""
    with connected({**(options or {}), "bootstrap_servers": bootstrap}) as admin:
        return _configs(admin, names)


def answers(bootstrap: str, options: Mapping[str, Any] | None = None) -> bool:
    """Whether a broker there takes part in its cluster now, within 5 s."""
    return bool(cluster(bootstrap, options))


def cluster(bootstrap: str, options: Mapping[str, Any] | None = None) -> str:
    """The id of the cluster that answers there within 5 s; empty when none does."""
    try:
        with connected({**(options or {}), "bootstrap_servers": bootstrap}, _PROBE_MS) as admin:
            found = admin.describe_cluster()
    except Unavailable:
        return ""
    alive = any(not each.get("is_fenced", False) for each in found["brokers"])
    return str(found["cluster_id"]) if alive else ""


def _set_configs(admin: KafkaAdminClient, declared: Mapping[str, Mapping[str, str]]) -> None:
    live = _configs(admin, [name for name, config in declared.items() if config])
    changed = [
        ConfigResource(ConfigResourceType.TOPIC, name, differing)
        for name, config in declared.items()
        if (differing := {k: v for k, v in config.items() if live[name].get(k) != v})
    ]
    if not changed:
        return
    # The client returns what Kafka refused, and raises nothing.
    for name, said in admin.alter_configs(changed, raise_on_unknown=False)["topic"].items():
        if said != "OK":
            raise Unavailable(
                f"Kafka did not set the configuration of topic {name!r}: {said}.",
                do="The user that starts Gulou needs the rights to read and alter it.",
            )


def _configs(admin: KafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    answer = admin.describe_configs(resources, config_filter="all")
    return {
        name: {key: each["value"] for key, each in values.items()}
        for by_name in answer.values()
        for name, values in by_name.items()
    }


@contextmanager
def connected(
    options: Mapping[str, Any], timeout_ms: int = _TIMEOUT_MS
) -> Iterator[KafkaAdminClient]:
    """A client of Kafka's admin calls; turns kafka-python's errors into ours.

    Args:
        options: address and login (`Settings.kafka_options`).
        timeout_ms: longest wait for the connection and for each answer.

    Raises:
        Unavailable: Kafka does not answer, or refuses.
    """
    try:
        client = KafkaAdminClient(
            **{
                **options,
                "request_timeout_ms": timeout_ms,
                "bootstrap_timeout_ms": timeout_ms,
            }
        )
        try:
            yield client
        finally:
            client.close()
    except KafkaError as error:
        raise Unavailable(
            f"Kafka at {options['bootstrap_servers']} does not answer as it should: {error}.",
            do="Check that it runs and that the GULOU_KAFKA_ settings point at it.",
        ) from error
