"""What a client of Kafka claims takes no memory: before its login, and after it."""

from __future__ import annotations

import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from infra.broker import Broker
from infra.settings import Settings

CROWD = 900
"""With the default bound of a login, 849 of them ended the broker."""


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many open files as the kernel allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker whose memory nobody else uses."""
    with Broker(tmp_path_factory.mktemp("claims"), cache=Settings.load().cache) as running:
        admin = KafkaAdminClient(**running.options)
        admin.create_topics([NewTopic("kept", 1, 1)])
        admin.close()
        yield running


def stored(broker: Broker) -> int:
    """The offset of one more message."""
    producer = KafkaProducer(**broker.options, acks="all")
    try:
        return int(producer.send("kept", b"x").get(60).offset)
    finally:
        producer.close()


def connected(broker: Broker) -> socket.socket:
    return socket.create_connection((broker.host, broker.port), timeout=60)


def ended(peer: socket.socket) -> bool:
    """Whether the broker closes the connection."""
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def asked(peer: socket.socket, request: bytes) -> bytes:
    peer.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", peer.recv(4, socket.MSG_WAITALL))
    return peer.recv(size, socket.MSG_WAITALL)


def logged_in(broker: Broker) -> socket.socket:
    """A connection of the broker's own user, made by hand: SaslHandshake 1, SaslAuthenticate 0."""
    peer = connected(broker)
    asked(peer, struct.pack(">hhi", 17, 1, 1) + text("by hand") + text("PLAIN"))
    user, password = (broker.options[f"sasl_plain_{name}"] for name in ("username", "password"))
    token = f"\0{user}\0{password}".encode()
    head = struct.pack(">hhi", 36, 0, 2) + text("by hand")
    answer = asked(peer, head + struct.pack(">i", len(token)) + token)
    assert struct.unpack(">h", answer[4:6]) == (0,)
    return peer


@pytest.mark.parametrize(
    ("enter", "crowd", "claim"),
    [(connected, CROWD, 524_284), (logged_in, 8, 104_857_600)],
    ids=["before the login", "after it"],
)
def test_who_claims_more_than_may_be_sent_is_sent_away(
    broker: Broker,
    many_files: None,
    enter: Callable[[Broker], socket.socket],
    crowd: int,
    claim: int,
) -> None:
    del many_files
    first = stored(broker)
    with ExitStack() as stack:
        peers = [stack.enter_context(enter(broker)) for _ in range(crowd)]
        for peer in peers:
            peer.sendall(struct.pack(">i", claim))

        assert all(ended(peer) for peer in peers)
        assert stored(broker) == first + 1


def test_requests_as_large_as_gulou_sends_wait_for_memory_and_not_for_ever(broker: Broker) -> None:
    """Six claims fill what may be queued; who comes later is served when they have gone."""
    first = stored(broker)
    with ExitStack() as crowd:
        for _ in range(6):
            peer = crowd.enter_context(logged_in(broker))
            peer.sendall(struct.pack(">i", 16 << 20) + b"\0")
    assert stored(broker) == first + 1
