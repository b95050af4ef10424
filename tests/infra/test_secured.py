"""A city's servers with passwords or TLS: every client of ours really logs in."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from clickhouse_driver.errors import NetworkError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kafka import KafkaConsumer, TopicPartition

from dashboards.server import reader as _reader
from infra import database as apply
from infra import feed
from infra._child import free_port
from infra.broker import Broker, answers
from infra.parts import board_source
from infra.settings import Settings
from infra.stack import Stack
from infra.warehouse import EmbeddedClickHouse
from schemas.errors import Unavailable
from tests.live import Live, without_boards

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
ZERO = {name: 0 for name in Settings.model_fields if name.endswith("_port")}


@dataclass(frozen=True)
class Guarded:
    """A Kafka with a password: settings with the right one, and with a wrong one."""

    settings: Settings
    mistaken: Settings


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    (tmp_path / "wrong").write_text("guessed")
    with Broker(tmp_path / "kafka", cache=Settings.load().cache) as kafka:
        (tmp_path / "password").write_text(f"{kafka.options['sasl_plain_password']}\n")
        settings = Settings.load(
            home=tmp_path / "home",
            kafka_bootstrap=kafka.bootstrap,
            kafka_security_protocol="SASL_PLAINTEXT",
            kafka_sasl_mechanism="PLAIN",
            kafka_username=kafka.options["sasl_plain_username"],
            kafka_password_file=tmp_path / "password",
            **ZERO,
        )
        yield Guarded(
            settings, settings.model_copy(update={"kafka_password_file": tmp_path / "wrong"})
        )


@pytest.mark.stack
def test_every_client_logs_in_to_a_kafka_that_asks_for_a_password(
    guarded: Guarded, tmp_path: Path
) -> None:
    with Stack(guarded.settings, without_boards) as stack:  # topics by admin, worker by Faust
        live = Live(stack)
        feed.ledger(
            stack.settings,
            EXAMPLES / "visits-ledger.csv",
            EXAMPLES / "visits-mapping.toml",
            tmp_path / "rejects.csv",
            lambda done, total: None,
        )
        simulated = feed.simulate(
            stack.settings, 7, scale=0.0005, rate=None, on_progress=lambda _: None
        )

        visits = simulated.net["visit.recorded"] + 5  # of the ledger
        sql = (
            "SELECT toInt64(sum(net_count)) FROM gulou_published.visits_by_county_hour "
            "WHERE type = 'visit.recorded'"
        )
        live.until(lambda: live.ask(sql) == [(visits,)], f"{visits} visits counted", 60)
        refused = sum(simulated.broken.values())
        live.until(lambda: dead(stack.settings) == refused, f"{refused} dead letters", 60)


def dead(settings: Settings) -> int:
    consumer = KafkaConsumer(**settings.kafka_options("auditor"))
    try:
        topics = [name for name in consumer.topics() if name.endswith(".dead")]
        return sum(consumer.end_offsets([TopicPartition(name, 0) for name in topics]).values())
    finally:
        consumer.close()


def test_a_wrong_password_for_kafka_is_one_sentence(guarded: Guarded) -> None:
    assert answers(guarded.settings.bootstrap, guarded.settings.kafka_options("auditor"))
    assert not answers(guarded.mistaken.bootstrap, guarded.mistaken.kafka_options("auditor"))
    with pytest.raises(Unavailable, match="No Kafka answers at"):
        feed.simulate(guarded.mistaken, 7, scale=0.0005, rate=None, on_progress=lambda _: None)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "ca.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@pytest.fixture
def encrypted(warehouse: EmbeddedClickHouse, certificate: tuple[Path, Path]) -> Iterator[int]:
    """A TLS port in front of the embedded ClickHouse, which has none itself."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    loop, port = asyncio.new_event_loop(), free_port()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(warehouse.host, warehouse.port)
        await asyncio.gather(copy(reader, outer), copy(inner, writer), return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", port, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield port
    loop.call_soon_threadsafe(server.close)
    time.sleep(0.2)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_the_owner_and_the_boards_trust_the_citys_certificate_and_no_other(
    warehouse: EmbeddedClickHouse, encrypted: int, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(warehouse.password)
    trusting = Settings.load(
        home=tmp_path / "home",
        clickhouse_host="127.0.0.1",
        clickhouse_port=encrypted,
        clickhouse_secure=True,
        clickhouse_cafile=certificate[0],
        clickhouse_user=warehouse.user,
        clickhouse_password_file=tmp_path / "password",
        clickhouse_board_user=warehouse.user,
        clickhouse_board_password_file=tmp_path / "password",
        published_database="default",
    )
    wary = trusting.model_copy(update={"clickhouse_cafile": None})

    assert asked_by_owner(trusting) == 1
    assert asked_by_boards(trusting) == 1
    with pytest.raises(NetworkError, match="CERTIFICATE_VERIFY_FAILED"):
        asked_by_owner(wary)
    with pytest.raises(Unavailable, match="does not answer"):
        asked_by_boards(wary)


def asked_by_owner(settings: Settings) -> int:
    client = apply.address(settings).connect()
    try:
        return int(client.execute("SELECT 1")[0][0])
    finally:
        client.disconnect()


def asked_by_boards(settings: Settings) -> int:
    record = board_source(settings)
    origin = _reader.source(record, record["secureJsonData"]["password"])
    reader = _reader.Reader(rows=10, seconds=10)
    try:
        return len(asyncio.run(reader.run(origin, "SELECT 1")).columns)
    finally:
        reader.close()
