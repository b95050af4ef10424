"""A body that the server does not read is never taken for the next request."""

from __future__ import annotations

import gzip
import socket

import pytest

from infra.warehouse import EmbeddedClickHouse

DEADLINE_S = 60
WHO = b"X-ClickHouse-User: gulou\r\nX-ClickHouse-Key: tower\r\n"
NEXT = b"GET /?query=SELECT+41%2B1 HTTP/1.1\r\n" + WHO + b"Connection: close\r\n\r\n"
PING = b"GET /ping HTTP/1.1\r\n\r\n"


def answers(warehouse: EmbeddedClickHouse, sent: bytes) -> bytes:
    """Everything that the server says to this until it hangs up."""
    address = (warehouse.host, warehouse.http_port)
    with socket.create_connection(address, timeout=DEADLINE_S) as peer:
        peer.sendall(sent)
        told = b""
        while piece := peer.recv(1 << 16):
            told += piece
    return told


@pytest.mark.parametrize("first", [b"HEAD /", b"GET /ping", b"POST /ping", b"HEAD /ping"])
@pytest.mark.parametrize(
    "how",
    [
        b"Content-Length: %d\r\n\r\n" % len(NEXT) + NEXT,
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(NEXT) + NEXT + b"\r\n0\r\n\r\n",
        b"Transfer-Encoding: identity\r\n\r\n" + NEXT,
    ],
    ids=["of a length", "in chunks", "until the end"],
)
def test_a_body_that_nobody_reads_ends_the_connection(
    warehouse: EmbeddedClickHouse, first: bytes, how: bytes
) -> None:
    told = answers(warehouse, first + b" HTTP/1.1\r\n" + WHO + how)

    assert told.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in told
    assert b"42" not in told.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "how",
    [
        b"Transfer-Encoding: gzip\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(NEXT),
    ],
    ids=["an encoding that nobody knows", "two lengths"],
)
def test_a_body_whose_end_is_not_known_is_refused(
    warehouse: EmbeddedClickHouse, how: bytes
) -> None:
    told = answers(warehouse, b"POST /?query=SELECT+1 HTTP/1.1\r\n" + WHO + how + NEXT)

    assert told.startswith(b"HTTP/1.1 400 ")
    assert told.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "first",
    [
        PING,
        b"HEAD / HTTP/1.1\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + WHO + b"Content-Length: 8\r\n\r\nSELECT 1",
        b"POST / HTTP/1.1\r\n"
        + WHO
        + b"Transfer-Encoding: chunked\r\n\r\n8\r\nSELECT 1\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\n"
        + WHO
        + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
        % len(packed := gzip.compress(b"SELECT 1"))
        + packed,
    ],
)
def test_a_request_that_was_read_is_followed_by_the_next(
    warehouse: EmbeddedClickHouse, first: bytes
) -> None:
    told = answers(warehouse, first + NEXT)

    assert told.count(b"HTTP/1.1 200 ") == 2
    assert b"42" in told
