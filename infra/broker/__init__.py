"""The embedded Kafka, and the topics on whichever Kafka is used."""

from infra.broker.process import MAX_MESSAGE_BYTES, Broker, train
from infra.broker.rights import ensure_rights
from infra.broker.topics import Topic, answers, ensure_topics, topic_configs

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Broker",
    "Topic",
    "answers",
    "ensure_rights",
    "ensure_topics",
    "topic_configs",
    "train",
]
