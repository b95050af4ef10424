"""Seals plain content, checks it with the consumers' decoder, keys it and sends it to Kafka.

`Encoder` makes the message and touches no network; `Producer` sends single events and says where
each landed; `BulkProducer` sends millions. Both producers are idempotent, wait for all replicas and
choose a key's partition as other Kafka clients do (murmur2).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Self, get_args

from kafka import KafkaProducer
from kafka.codec import has_lz4
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from pydantic_core import PydanticSerializationError, to_json

from producers._bulk import BulkProducer, undelivered, unreachable
from producers.vault import Vault
from schemas.errors import GulouError, Refused
from schemas.event import Event, FieldSpec
from schemas.families import families, family
from schemas.open_text import exposed
from schemas.reference.divisions import Divisions
from schemas.wire import Decoder, Rejected
from schemas.words import TEXT_MAX, Personal

__all__ = [
    "BulkProducer",
    "Delivery",
    "Encoded",
    "Encoder",
    "Landed",
    "Producer",
    "event_class",
]

_BLOCK_MS: Final = 30_000  # longest wait for a broker or for room in the buffer
_LINGER_MS: Final = 5
_BATCH_BYTES: Final = 256 * 1024
_Kind = Literal["sealed", "digest", "pseudonym"]


class Encoded(NamedTuple):
    """One message: its topic, the key that orders it, its bytes."""

    topic: str
    key: bytes
    payload: bytes


class Landed(NamedTuple):
    """Where Kafka keeps an event."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the fields of one event class are encoded; `kinds` holds the personal ones."""

    cls: type[Event]
    order: tuple[str, ...]
    kinds: Mapping[str, _Kind]
    sealed: tuple[str, ...]
    pseudonyms: tuple[str, ...]
    opens: bool
    """Whether it names the person of a case that also has events with texts but no person."""


def event_class(name: str) -> type[Event]:
    """The class of an event type such as `petition.replied`.

    Raises:
        Refused: no family has such a type.
    """
    found = _classes().get(name)
    if found is None:
        raise Refused(
            f"There is no event type {name!r}.", do=f"There are: {', '.join(sorted(_classes()))}."
        )
    return found


class Encoder:
    """Makes messages of plain content; touches no network.

    Callers pass sealed fields as plain text and persons as the office knows them; digests are made
    from the sealed texts. The decoder that will read the message checks its bytes here, so what is
    accepted here is accepted there.

    Args:
        vault: keys to seal and name people with.
        divisions: the places there are.
    """

    def __init__(self, vault: Vault, divisions: Divisions) -> None:
        self.vault, self.divisions = vault, divisions
        self._decoders: dict[str, Decoder] = {}

    def encode(
        self,
        event: type[Event] | str,
        data: Mapping[str, Any],
        *,
        id: str,
        source: str,
        time: datetime,
        recorded: datetime,
        division: str,
        grid: str | None = None,
        actor: str | None = None,
        correlationid: str | None = None,
        causationid: str | None = None,
    ) -> Encoded:
        """The message of one event; the same arguments make the same bytes.

        Args:
            event: event class, or its stored name.
            data: plain values by field; None means absent. A pseudonym of this vault is kept.
            id: unique within `source`.
            source: who reports it, as a URI reference.
            time: when it happened, aware.
            recorded: when the office knew, aware; never before `time`.
            division: the narrowest code known.
            grid: micro-grid inside the village `division`.
            actor: office code or pseudonym of who filed it.
            correlationid: the wider matter.
            causationid: the event that caused this one.

        Raises:
            Refused: naming type, field and reason, never a personal value.
        """
        plan = _plan(event_class(event) if isinstance(event, str) else event)
        attributes = {
            "specversion": "1.0",
            "id": id,
            "source": source,
            "type": plan.cls.spec.name,
            "dataschema": plan.cls.spec.urn,
            "time": _aware(plan, "time", time),
            "recorded": _aware(plan, "recorded", recorded),
            "division": division,
            "grid": grid,
            "actor": actor,
            "correlationid": correlationid,
            "causationid": causationid,
        }
        # A dict and not a model's dump: to_json of a dict costs a fifth, and the decoder below
        # validates.
        message = {name: value for name, value in attributes.items() if value is not None}
        message["data"] = content = self._content(plan, data, id)
        try:
            payload = to_json(message)
        except (PydanticSerializationError, UnicodeEncodeError, TypeError) as error:
            raise _refused(plan, id, f"no JSON can hold it ({type(error).__name__})") from None
        found, *_ = self._decoder(plan.cls.topic).one(payload)
        if isinstance(found, Rejected):
            raise _refused(plan, id, found.message)
        return Encoded(plan.cls.topic, str(content[plan.cls.spec.key]).encode(), payload)

    def subject(self, event: type[Event] | str, data: Mapping[str, Any]) -> str:
        """The subject whose key seals an event's texts; `vault.forget` of it erases them.

        The first pseudonym of the class, if the event has it; else the case, as `topic:key`.
        """
        plan = _plan(event_class(event) if isinstance(event, str) else event)
        for name in plan.pseudonyms[:1]:
            if data.get(name) is not None:
                return self._named(data[name])
        return self._case(plan, data)

    def owned(self, event: type[Event] | str, data: Mapping[str, Any]) -> tuple[str, str] | None:
        """A case and its person, for `vault.assign`; None when the event does not assign a case.

        The case's texts stay under the case's own key, so that a reply is the same message whether
        it was sent before or after the person was known. Erasure destroys both keys (D-54).
        """
        plan = _plan(event_class(event) if isinstance(event, str) else event)
        person = data.get(plan.pseudonyms[0]) if plan.opens else None
        if person is None or data.get(plan.cls.spec.key) is None:
            return None
        return self._case(plan, data), self._named(person)

    def _case(self, plan: _Plan, data: Mapping[str, Any]) -> str:
        return f"{plan.cls.topic}:{data[plan.cls.spec.key]}"

    def _content(self, plan: _Plan, data: Mapping[str, Any], event: str) -> dict[str, Any]:
        """Content for the wire, in the class's field order: equal content has equal bytes."""
        subject, made = "", {}
        for name in plan.order:
            value, kind = data.get(name), plan.kinds.get(name)
            try:
                if kind == "digest" and value is not None and not self.vault.own(value):
                    # A digest made without the key can be guessed by trying names and numbers.
                    raise Refused("a digest of another hand; leave it out, it is made here")
                if kind == "digest" and value is None:
                    texts = [data[text] for text in plan.sealed if data.get(text) is not None]
                    value = self.vault.digest(*texts) if texts else None
                if value is None:
                    continue
                if kind == "pseudonym":
                    value = self._named(value)
                    # Before sealing: `assign` also forgets the case of a forgotten person.
                    self.vault.assign(filter(None, [self.owned(plan.cls, data)]))
                elif kind == "sealed":
                    subject = subject or self.subject(plan.cls, data)
                    value = self._sealed(subject, event, name, value)
            except (Refused, AttributeError, KeyError, TypeError, UnicodeEncodeError) as error:
                # Other errors give only their type: their text may quote the value.
                why = (
                    error.what if isinstance(error, Refused) else f"unfit ({type(error).__name__})"
                )
                raise _refused(plan, event, f"data.{name}: {why}") from None
            made[name] = value
        # Unknown fields come last; the decoder refuses them by name.
        return made | {name: data[name] for name in data if name not in plan.cls.fields}

    def _sealed(self, subject: str, event: str, name: str, text: str) -> str:
        if len(text) > TEXT_MAX:
            raise Refused(f"{len(text):,} characters, and {TEXT_MAX:,} are the most")
        return self.vault.seal(subject, event, name, text)

    def _named(self, identity: str) -> str:
        return identity if self.vault.own(identity) else self.vault.pseudonym(identity)

    def _decoder(self, topic: str) -> Decoder:
        found = self._decoders.get(topic)
        if found is None:
            found = self._decoders[topic] = Decoder(family(topic).events, self.divisions)
        return found


class Delivery:
    """An event on its way; `result` waits until Kafka has it."""

    def __init__(self, future: Any, what: str) -> None:
        self._future, self._what = future, what

    def result(self, timeout: float | None = None) -> Landed:
        """Where it landed, once all replicas have it.

        Args:
            timeout: longest wait, in seconds.

        Raises:
            Unavailable: it was not delivered, or not within `timeout`.
        """
        try:
            found = self._future.get(timeout)
        except KafkaError as error:
            raise undelivered(self._what, error) from error
        return Landed(found.topic, found.partition, found.offset)


class Producer:
    """Sends single events, idempotent, acknowledged by all replicas, in order for each key.

    No failed delivery goes unreported: `flush`, `close` and the end of a `with` block raise the
    first one and the number of failures, even if nobody called `result`.

    Args:
        bootstrap: host:port[,host:port] of the brokers.
        vault: keys to seal and name people with.
        divisions: the places there are.
        options: further arguments of kafka-python's client, such as TLS and SASL.

    Raises:
        Unavailable: no broker answers.
    """

    def __init__(
        self,
        bootstrap: str,
        vault: Vault,
        divisions: Divisions,
        *,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.encoder = Encoder(vault, divisions)
        self._sent = 0
        self._lock = threading.Lock()
        self._failed: list[tuple[str, Exception]] = []
        self._kafka = _connected(
            bootstrap,
            {
                "linger_ms": _LINGER_MS,
                "batch_size": _BATCH_BYTES,
                "max_block_ms": _BLOCK_MS,
                "bootstrap_timeout_ms": _BLOCK_MS,
                **(options or {}),
                "bootstrap_servers": bootstrap,
                "acks": "all",
                "enable_idempotence": True,
                "compression_type": "lz4" if has_lz4() else "gzip",
                # A mistyped topic must fail, not appear with the broker's default settings.
                "allow_auto_create_topics": False,
            },
        )

    @property
    def cluster(self) -> str:
        """Id of the Kafka cluster: a new one means that everything must be sent again."""
        return str(self._kafka._metadata.cluster_id or "")

    @property
    def sent(self) -> int:
        """Events handed over so far, delivered or not."""
        return self._sent

    def send(
        self, event: type[Event] | str, data: Mapping[str, Any], **attributes: Any
    ) -> Delivery:
        """Encodes and sends one event; the arguments are those of `Encoder.encode`.

        Raises:
            Refused: the event is invalid; nothing was sent.
            Unavailable: Kafka takes nothing for 30 s.
        """
        return self.send_bytes(*self.encoder.encode(event, data, **attributes))

    def send_bytes(self, topic: str, key: bytes, payload: bytes) -> Delivery:
        """Sends a message that `Encoder.encode` made."""
        what = f"{topic} {key.decode(errors='replace')!r}"
        try:
            future = self._kafka.send(topic, key=key, value=payload)
        except KafkaError as error:
            raise undelivered(what, error) from error
        self._sent += 1
        future.add_errback(self._note, what)
        return Delivery(future, what)

    def flush(self, timeout: float | None = None) -> None:
        """Returns once every event sent so far is with all replicas.

        Raises:
            Unavailable: some were not delivered; says how many and why the first was not.
        """
        try:
            self._kafka.flush(timeout)
        except KafkaError as error:
            raise undelivered("some events", error) from error
        with self._lock:
            failed, self._failed = self._failed, []
        if failed:
            what, first = failed[0]
            raise undelivered(f"{len(failed):,} of {self._sent:,} events, first {what},", first)

    def close(self, timeout: float | None = None) -> None:
        """Flushes and disconnects; the producer cannot be used afterwards."""
        try:
            self.flush(timeout)
        finally:
            self._kafka.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            self.close()
        except GulouError as lost:
            if error is None:
                raise
            error.add_note(str(lost))

    def _note(self, what: str, error: Exception) -> None:
        with self._lock:
            self._failed.append((what, error))


def _connected(bootstrap: str, config: dict[str, Any]) -> Any:
    made: list[KafkaNetClient] = []

    def client(**settings: Any) -> Any:
        made.append(KafkaNetClient(**settings))
        return made[-1]

    try:
        return KafkaProducer(**config, kafka_client=client)
    except KafkaError as error:
        # KafkaProducer() that finds no broker raises with its sockets open; nothing else can
        # close them.
        for each in made:
            each.close()
        raise unreachable(bootstrap, error) from error


@cache
def _classes() -> Mapping[str, type[Event]]:
    return {cls.spec.name: cls for each in families() for cls in each.events}


@cache
def _plan(cls: type[Event]) -> _Plan:
    kinds = {name: _kind(spec) for name, spec in cls.fields.items() if spec.personal}
    of_kind = {
        kind: tuple(name for name, found in kinds.items() if found == kind)
        for kind in get_args(_Kind)
    }
    people = of_kind["pseudonym"]
    nameless = any(
        any(spec.sealed for spec in other.fields.values())
        and not any(_kind(spec) == "pseudonym" for spec in other.fields.values() if spec.personal)
        for other in family(cls.topic).events
    )
    opens = nameless and bool(people) and cls.spec.key not in people
    return _Plan(cls, tuple(cls.fields), kinds, of_kind["sealed"], people, opens)


def _kind(spec: FieldSpec) -> _Kind:
    if spec.sealed:
        return "sealed"
    marks = get_args(spec.annotation)
    digest = any(isinstance(mark, Personal) and mark.digest for mark in marks)
    return "digest" if digest else "pseudonym"


def _aware(plan: _Plan, name: str, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise Refused(f"{plan.cls.spec.name}: {name} {moment.isoformat()!r} names no time zone.")
    return moment


def _refused(plan: _Plan, event: str, why: str) -> Refused:
    shown = "(not repeated here)" if exposed(event) else repr(event)
    return Refused(f"{plan.cls.spec.name} with id {shown}: {why}.")
