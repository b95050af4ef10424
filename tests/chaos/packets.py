"""Sends mutated packets to both ports of the embedded ClickHouse, beside a client that is watched.

The conversations are real ones: clickhouse-driver's, recorded, and HTTP requests with bodies of
each encoding. A seed decides what is changed in them; nothing else is random.
"""

from __future__ import annotations

import bz2
import gzip
import itertools
import lzma
import random
import select
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import brotli
import cramjam
import lz4.frame
import psutil
import requests
from clickhouse_cityhash.cityhash import CityHash128
from clickhouse_driver import Client
from clickhouse_driver.errors import Error
from clickhouse_driver.varint import make_varint

from infra.warehouse import EmbeddedClickHouse, write_users

GROWTH_MB: Final = 200
"""Most that the server's memory may grow over a campaign, once its caches are full."""
BESIDE_S: Final = 1.0
"""Longest answer of the client beside it; judged by the campaign alone, on a machine at rest."""
_USERS: Final[dict[str, dict[str, object]]] = {
    "gulou": {"password": "tower", "role": "writer"},
    "board": {"password": "drum", "role": "board", "databases": ["fuzz"]},
}
_ROWS: Final = [(n, f"row {n}", [n, n + 1], "一" if n % 2 else None) for n in range(50)]
_CANARY: Final = "SELECT count(), sum(n), groupBitXor(cityHash64(n, s)) FROM fuzz.canary"
_FILLING: Final = 0.05
"""Share of the frames that fills the caches; memory stands still after about 30,000."""
_AHEAD: Final = 4
"""Frames sent before an answer is waited for."""
_LONGEST: Final = 40
"""Frames of a connection that the server has not ended."""
_PATIENCE_S: Final = 0.02
"""A server that is silent so long waits for the rest of a packet, which never comes."""
_FIRST_QUERY: Final = b"\x01\x04fuzz"
"""A Query packet with the id that all recorded ones have."""
_INTERNAL: Final = "because of an error: "


class Relay:
    """Passes one client's connection on to the server, and keeps what the client sent."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.sent: list[bytes] = []
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def _pass_on(self) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection(self._target) as server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for each in ready:
                    if not (content := each.recv(1 << 20)):
                        return
                    (server if each is client else client).sendall(content)
                    if each is client:
                        self.sent.append(content)

    def close(self) -> None:
        """Waits until the connection has ended."""
        self._thread.join()
        self._listener.close()


@dataclass(frozen=True)
class Recorded:
    """A conversation: the greeting, and after it the packets, each as it was sent."""

    hello: bytes
    packets: tuple[bytes, ...]


def recorded(host: str, port: int) -> list[Recorded]:
    """Conversations of clickhouse-driver: queries and rows of each user, with and without LZ4."""
    found = []
    inserts = (("INSERT INTO fuzz.t (n, s, a, l) VALUES", _ROWS),)
    selects = (("SELECT 1", None), ("SELECT n, s FROM fuzz.v WHERE n < 3", None))
    for user, asks in (("gulou", (*selects, *inserts)), ("board", selects)):
        for compression in (False, "lz4"):
            relay = Relay(host, port)
            password = str(_USERS[user]["password"])
            client = Client(*("127.0.0.1", relay.port, "", user, password), compression=compression)
            for sql, rows in asks:
                client.execute(sql, rows, settings={"max_threads": 1}, query_id="fuzz")
            client.disconnect()
            relay.close()
            whole = b"".join(relay.sent)
            hello = whole[: whole.index(_FIRST_QUERY)]
            rest = whole[len(hello) :]
            found.append(Recorded(hello, _as_sent(relay.sent, len(hello), rest)))
    return found


def _as_sent(sent: Sequence[bytes], before: int, rest: bytes) -> tuple[bytes, ...]:
    """What was sent after the greeting, piece by piece as the driver flushed it."""
    packets, seen, at = [], 0, 0
    for each in sent:
        seen += len(each)
        if seen > before:
            packets.append(rest[at : seen - before])
            at = seen - before
    return tuple(packets)


_VARINTS: Final = tuple(
    bytes(make_varint(each))
    for each in (0, 1, 127, 128, 2**16, 2**28, 2**31, 2**32, 2**56, 2**63 - 1, 2**63, 2**64 - 1)
)
_TYPES: Final = (
    *(b"String", b"Array(String)", b"Array(Array(UInt8))", b"LowCardinality(String)", b"Nothing"),
    *(b"Nullable(String)", b"Tuple(String, UInt8)", b"Map(String, UInt8)", b"JSON", b"Dynamic"),
    *(b"FixedString(0)", b"FixedString(99999999999)", b"Decimal(99, 1)", b"Enum8('a' = 1)"),
    *(b"Array(" * 50 + b"UInt8" + b")" * 50, b"Tuple()", b"Array()", b"Variant(UInt8, String)"),
    b"AggregateFunction(sum, UInt8)",
)
_FRAME: Final = struct.Struct("<QQBII")


class Mutator:
    """Changes packets; the same seed gives the same changes."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def packet(self, packet: bytes) -> bytes:
        """A packet changed in a few places; the content of its frame, if it has one, half the time.

        A frame whose content is changed gets its checksum anew, so that the content is looked at.
        """
        if (frame := self.frame(packet)) is not None and self.dice.random() < 0.5:
            at, end, content = frame
            return packet[:at] + framed(self.changed(content)) + packet[end:]
        return self.changed(packet)

    def changed(self, content: bytes) -> bytes:
        """`content` with one to three changes."""
        mutable = bytearray(content)
        for _ in range(self.dice.choice((1, 1, 1, 2, 3))):
            self.dice.choice(self._WAYS)(self, mutable)
        return bytes(mutable)

    def frame(self, packet: bytes) -> tuple[int, int, bytes] | None:
        """The LZ4 frame of a packet: where it begins and ends, and what it holds."""
        at = packet.find(b"\x82", 16) - 16
        if at < 0 or at + _FRAME.size > len(packet):
            return None
        _, _, _, packed, size = _FRAME.unpack_from(packet, at)
        end = at + 16 + packed
        if end > len(packet) or size > 1 << 20:
            return None
        try:
            raw = cramjam.lz4.decompress_block(packet[at + _FRAME.size : end], output_len=size)
        except cramjam.DecompressionError:
            return None
        return at, end, bytes(raw)

    def _place(self, of: bytearray) -> int:
        return self.dice.randrange(len(of) + 1)

    def _flip(self, of: bytearray) -> None:
        if of:
            of[self.dice.randrange(len(of))] ^= 1 << self.dice.randrange(8)

    def _overwrite(self, of: bytearray) -> None:
        at = self._place(of)
        of[at : at + self.dice.choice((1, 1, 8))] = self.dice.choice((b"\0", b"\xff", b"\x80" * 12))

    def _number(self, of: bytearray) -> None:
        at = self._place(of)
        of[at : at + self.dice.randrange(3)] = self.dice.choice(_VARINTS)

    def _offset(self, of: bytearray) -> None:
        at = self._place(of)
        value = self.dice.choice((-1, -8, 2**31, 2**40, 2**62, 1, 0))
        of[at : at + 8] = struct.pack("<q", value)

    def _delete(self, of: bytearray) -> None:
        at = self._place(of)
        del of[at : at + self.dice.choice((1, 2, 8, 64))]

    def _repeat(self, of: bytearray) -> None:
        at, size = self._place(of), self.dice.choice((1, 8, 64, 512))
        of[at:at] = of[at : at + size] * self.dice.choice((1, 2, 20))

    def _cut(self, of: bytearray) -> None:
        del of[self._place(of) :]

    def _type(self, of: bytearray) -> None:
        kind = self.dice.choice(_TYPES)
        for name in (b"\x05UInt8", b"\x06String", b"\x0cArray(UInt8)"):
            if (at := of.find(name)) >= 0 and self.dice.random() < 0.5:
                of[at : at + len(name)] = bytes(make_varint(len(kind))) + kind
                return

    _WAYS: Final[tuple[Callable[[Mutator, bytearray], None], ...]] = (
        *(_flip, _flip, _flip, _overwrite, _number, _number, _offset, _delete, _repeat, _cut),
        *(_type, _type),
    )

    def request(self) -> bytes:
        """An HTTP request with a body of some encoding, changed before, in or after the packing."""
        encoding, pack = self.dice.choice(_ENCODINGS)
        rows = "".join(f"{n}\trow {n}\t[{n}]\t\\N\n" for n in range(20)).encode()
        insert = b"INSERT INTO fuzz.t (n, s, a, l) FORMAT TSV"
        in_url = self.dice.random() < 0.5
        content = rows if in_url else self.dice.choice((b"SELECT 1", insert + b"\n" + rows))
        where = self.dice.choice(
            ("nowhere", "content", "packed", "packed", "head", "whole", "bomb")
        )
        if where == "bomb":
            content += bytes(self.dice.choice((1 << 16, 1 << 22, 20 << 20)))
        if where == "content":
            content = self.changed(content)
        packed = pack(content)
        if where == "packed":
            packed = self.changed(packed)
        user, password = self.dice.choice((("gulou", "tower"), ("board", "drum")))
        query = f"/?query={insert.decode().replace(' ', '%20')}" if in_url else "/?x_fuzz=1"
        head = (
            f"POST {query.replace('?x_fuzz=1', '')} HTTP/1.1\r\nHost: fuzz\r\n"
            f"X-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {password}\r\n"
            f"{f'Content-Encoding: {encoding}' if encoding else 'Accept: */*'}\r\n"
        ).encode()
        body = b"Content-Length: %d\r\n\r\n" % len(packed) + packed
        if self.dice.random() < 0.4:
            body = b"Transfer-Encoding: chunked\r\n\r\n" + self._chunks(packed)
        whole = (self.changed(head) if where == "head" else head) + body
        return self.changed(whole) if where == "whole" else whole

    def _chunks(self, content: bytes) -> bytes:
        size = self.dice.choice((1 << 30, 100, 7)) if len(content) < 4096 else 1 << 30
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        chunks = [b"%x\r\n%s\r\n" % (len(each), each) for each in pieces]
        if self.dice.random() < 0.1:
            odd = self.dice.choice((b"-5", b"fffffffffffffff", b"0x10", b"zz", b"7" * 2000))
            chunks.insert(self.dice.randrange(len(chunks) + 1), odd + b"\r\n")
        return b"".join((*chunks, b"0\r\n\r\n"))


_ENCODINGS: Final[tuple[tuple[str, Callable[[bytes], bytes]], ...]] = (
    ("", bytes),
    ("gzip", lambda content: gzip.compress(content, 1, mtime=0)),
    ("deflate", lambda content: zlib.compress(content, 1)),
    ("zstd", lambda content: bytes(cramjam.zstd.compress(content, 1))),
    ("lz4", lz4.frame.compress),
    ("br", lambda content: bytes(brotli.compress(content, quality=1))),
    ("snappy", lambda content: bytes(cramjam.snappy.compress(content))),
    ("xz", lambda content: lzma.compress(content, preset=0)),
    ("bz2", lambda content: bz2.compress(content, 1)),
)


def framed(content: bytes) -> bytes:
    """An LZ4 frame of the native protocol with the right checksum."""
    packed = bytes(cramjam.lz4.compress_block(content, store_size=False))
    body = struct.pack("<BII", 0x82, len(packed) + 9, len(content)) + packed
    hashed = CityHash128(body)
    return struct.pack("<QQ", hashed >> 64, hashed % 2**64) + body


@dataclass
class Volley:
    """What was sent, and what came of it."""

    seed: int
    sent: Counter[str] = field(default_factory=Counter)
    """Frames by what they were."""
    connections: int = 0
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    """The longest answer of the client beside it."""
    beside: int = 0
    """Its answers."""
    before_mb: float = 0.0
    most_mb: float = 0.0
    """The server's memory without the engine's code: with full caches, and the most after that."""
    minutes: float = 0.0

    @property
    def count(self) -> int:
        """Frames sent."""
        return self.sent.total()

    @property
    def growth_mb(self) -> float:
        """Megabytes that the server's memory grew by at most."""
        return self.most_mb - self.before_mb

    def report(self) -> str:
        """The body of a section of docs/chaos.md."""
        rows = "\n".join(f"| {what} | {count:,} |" for what, count in self.sent.most_common())
        verdict = "none" if not self.failures else f"**{len(self.failures)}**"
        lines = "".join(f"\n- `{line}`" for line in self.failures[:30])
        return (
            f"Seed {self.seed}, {self.count:,} frames over {self.connections:,} connections, "
            f"{self.minutes:.0f} minutes. The frames are mutations of what clickhouse-driver sends "
            "and of HTTP requests with bodies of every encoding; beside them a kept "
            "connection, a board that logs in each time and a request by HTTP ask in turn. "
            f"After {self.count * _FILLING:,.0f} frames the server had {self.before_mb:.0f} MB of "
            f"its own, and at most {self.growth_mb:.0f} MB more later; "
            f"the longest of the {self.beside:,} answers beside took "
            f"{self.slowest_s * 1000:.0f} ms.\n\n"
            f"**Crashes, errors nobody foresaw, clients shut out, rows changed: {verdict}.**{lines}"
            f"\n\n| what was sent | times |\n|---|---:|\n{rows}\n"
        )


class Field:
    """A server of its own process, with a canary table, and the clients that shoot at it."""

    def __init__(self, warehouse: EmbeddedClickHouse) -> None:
        self._warehouse = warehouse
        self._process = psutil.Process(warehouse.pid)
        owner = self._owner()
        for sql in (
            "CREATE DATABASE fuzz",
            "CREATE TABLE fuzz.t (n UInt8, s String, a Array(UInt8), l LowCardinality("
            "Nullable(String))) ENGINE = Null",
            "CREATE TABLE fuzz.canary (n UInt64, s String) ENGINE = MergeTree ORDER BY n",
            "INSERT INTO fuzz.canary SELECT number, toString(number) FROM numbers(1000)",
            "CREATE VIEW fuzz.v AS SELECT toUInt8(number) AS n, toString(number) AS s "
            "FROM numbers(5)",
        ):
            owner.execute(sql)
        self._canary = owner.execute(_CANARY)
        owner.disconnect()
        self.recorded = recorded(warehouse.host, warehouse.port)

    def shoot(self, seed: int, count: int, shooters: int = 4) -> Volley:
        """Sends `count` frames from several connections at a time; stops at a failure.

        Growth is judged from the memory after the first of them (`_FILLING`): by then the caches of
        the engine are full.
        """
        started, done = time.monotonic(), Volley(seed)
        stop = threading.Event()
        beside = threading.Thread(target=self._ask_beside, args=(done, stop))
        beside.start()
        mutators = [Mutator(seed + each) for each in range(shooters)]
        self._volley(mutators, done, round(count * _FILLING))
        done.before_mb = done.most_mb = self._memory_mb()
        self._volley(mutators, done, count)
        stop.set()
        beside.join()
        self._judge(done)
        done.minutes = (time.monotonic() - started) / 60
        return done

    def _volley(self, mutators: Sequence[Mutator], done: Volley, until: int) -> None:
        def fire(mutator: Mutator) -> None:
            while done.count < until and not done.failures:
                self._fire(mutator, done, _LONGEST)
                done.most_mb = max(done.most_mb, self._memory_mb())

        guns = [threading.Thread(target=fire, args=(each,)) for each in mutators]
        for each in guns:
            each.start()
        for each in guns:
            each.join()

    def _judge(self, done: Volley) -> None:
        if done.growth_mb > GROWTH_MB:
            done.failures.append(f"the memory grew by {done.growth_mb:.0f} MB")
        if not self._warehouse.ready():
            done.failures.append("the server has ended")
            return
        owner = self._owner()
        if owner.execute(_CANARY) != self._canary:
            done.failures.append("the canary table was changed")
        owner.disconnect()
        internal = self._warehouse.log.read_text(errors="replace").count(_INTERNAL)
        if internal:
            done.failures.append(f"{internal} errors nobody foresaw: {self._warehouse.log}")

    def _fire(self, mutator: Mutator, done: Volley, most: int) -> None:
        """One connection: frames until the server ends it, at most `most`."""
        native = mutator.dice.random() < 0.8
        port = self._warehouse.port if native else self._warehouse.http_port
        frames = self._native(mutator) if native else self._http(mutator)
        done.connections += 1
        with (
            suppress(ConnectionError, TimeoutError),
            socket.create_connection((self._warehouse.host, port), timeout=30) as peer,
        ):
            for sent, (what, frame) in enumerate(itertools.islice(frames, most), 1):
                done.sent[what] += 1
                peer.sendall(frame)
                if sent % _AHEAD == 0 and not _answers(peer):
                    return
            _answers(peer)

    def _native(self, mutator: Mutator) -> Iterator[tuple[str, bytes]]:
        dice, told = mutator.dice, mutator.dice.choice(self.recorded)
        if dice.random() < 0.1:
            yield "native greetings, changed", mutator.changed(told.hello)
        else:
            yield "native greetings", told.hello
        while True:
            at = dice.randrange(len(told.packets))
            for packet in told.packets[at : at + 4]:
                if dice.random() < 0.6:
                    yield "native packets, changed", mutator.packet(packet)
                else:
                    yield "native packets", packet

    def _http(self, mutator: Mutator) -> Iterator[tuple[str, bytes]]:
        while True:
            yield "HTTP requests, changed", mutator.request()

    def _ask_beside(self, done: Volley, stop: threading.Event) -> None:
        """Asks in turn over a kept connection, over a new one as a board, and by HTTP."""
        with self._client("gulou") as kept:
            asks = {
                "the client beside": lambda: kept.execute("SELECT 1"),
                "a board that logs in": self._as_board,
                "a request by HTTP": self._by_http,
            }
            for who, ask in itertools.cycle(asks.items()):
                if stop.wait(0.01):
                    return
                began = time.monotonic()
                try:
                    ask()
                except (Error, OSError, EOFError, AssertionError) as error:
                    done.failures.append(f"{who}: {type(error).__name__}")
                    return
                done.beside += 1
                done.slowest_s = max(done.slowest_s, time.monotonic() - began)

    def _as_board(self) -> None:
        with self._client("board") as board:
            assert board.execute("SELECT count() FROM fuzz.v") == [(5,)]

    def _by_http(self) -> None:
        url = f"http://{self._warehouse.host}:{self._warehouse.http_port}/?query=SELECT%201"
        headers = {"X-ClickHouse-User": "gulou", "X-ClickHouse-Key": "tower"}
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(url, headers=headers, timeout=60).text == "1\n"

    def _owner(self) -> Client:
        return self._client("gulou")

    def _client(self, user: str) -> Client:
        where, password = self._warehouse, str(_USERS[user]["password"])
        return Client(where.host, where.port, "", user, password, send_receive_timeout=60)

    def _memory_mb(self) -> float:
        """Memory of its own. The engine's code, 230 MB of the file, comes in as it is used."""
        try:
            memory = self._process.memory_info()
        except psutil.NoSuchProcess:
            return 0.0
        return float(memory.rss - memory.shared) / (1 << 20)


def _answers(peer: socket.socket) -> bool:
    """Reads what comes; False when the server waits for more of a packet, or ended it all."""
    patience_s, answered = _PATIENCE_S, False
    while select.select([peer], [], [], patience_s)[0]:
        if not peer.recv(1 << 20):
            return False
        patience_s, answered = 0.0, True
    return answered


@contextmanager
def battlefield(root: Path) -> Iterator[Field]:
    """Starts the server in `root`, a process of its own."""
    users = root / "users.json"
    write_users(users, _USERS)
    with EmbeddedClickHouse(root / "clickhouse", users=users) as running:
        yield Field(running)
