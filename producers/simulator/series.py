"""Turns columns of numbers into thousands of events, with the bytes that `encode` would make.

A column holds one field of many events as numbers and spells them on demand. The bytes around the
fields come from `schemas.event.encode` itself: it encodes the first row, and a slot replaces each
value in the result. So the wire format is declared only once, and an event costs a bytes-format
instead of a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json

from producers.vault import Vault
from schemas.event import Event, encode

Ints = npt.NDArray[Any]
"""Whole numbers, of the narrowest type that holds them."""

Message = tuple[str, bytes, bytes]
"""Topic, key and payload."""

FIRST_DAY: Final = date(2021, 1, 1)
DAY: Final = 86_400  # s
OFFSET: Final = "+08:00"
NEVER_S: Final = 1 << 40  # s; later than every instant of a history
_DAYS: Final = 800  # days that an instant can be in
_DIGITS: Final = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyz", np.uint8)
_KNOWN_MAX: Final = 50_000  # pseudonyms; 10 MB
_NUMBERS: Final = 1 << 32  # more than the people of a group
_SERIAL_WIDTH: Final = 5  # base 36: 60 million


def objects(texts: Sequence[str | bytes]) -> npt.NDArray[np.object_]:
    """A table of byte strings that rows point into."""
    made = np.empty(len(texts), object)
    made[:] = [text.encode() if isinstance(text, str) else text for text in texts]
    return made


_CLOCK: Final = objects(
    [f"T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}{OFFSET}" for s in range(DAY)]
)
_DATES: Final = objects([str(FIRST_DAY + timedelta(days=n)) for n in range(_DAYS)])
TRUTH: Final = objects(["false", "true"])


class Series(Protocol):
    """One field of many events."""

    def values(self, rows: Ints) -> list[Any]:
        """Bytes, or whole numbers, of the given rows, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Choices:
    """Rows that point into a table of byte strings, which need no escaping in JSON."""

    table: npt.NDArray[np.object_]
    which: Ints

    def values(self, rows: Ints) -> list[Any]:
        """The byte strings pointed at."""
        found: list[Any] = self.table[self.which[rows]].tolist()
        return found


@dataclass(frozen=True, slots=True)
class Numbers:
    """Whole numbers."""

    of: Ints

    def values(self, rows: Ints) -> list[Any]:
        """The numbers themselves."""
        found: list[Any] = self.of[rows].tolist()
        return found


@dataclass(frozen=True, slots=True)
class Instants:
    """Seconds since the first midnight of the history, in the city's zone."""

    seconds: Ints

    def values(self, rows: Ints) -> list[Any]:
        """ISO 8601 with offset."""
        day, second = np.divmod(self.seconds[rows], DAY)
        pairs = zip(_DATES[day].tolist(), _CLOCK[second].tolist(), strict=True)
        return [on + at for on, at in pairs]


@dataclass(frozen=True, slots=True)
class Serials:
    """Ids of events and cases: a prefix, then a number in base 36 of fixed width."""

    prefix: bytes
    numbers: Ints

    def values(self, rows: Ints) -> list[Any]:
        """The ids."""
        head, left = len(self.prefix), self.numbers[rows].astype(np.int64)
        text = np.empty((len(left), head + _SERIAL_WIDTH), np.uint8)
        text[:, :head] = np.frombuffer(self.prefix, np.uint8)
        for at in range(head + _SERIAL_WIDTH - 1, head - 1, -1):
            left, digit = np.divmod(left, 36)
            text[:, at] = _DIGITS[digit]
        found: list[Any] = text.view(f"S{text.shape[1]}").ravel().tolist()
        return found


@dataclass(frozen=True, slots=True)
class Persons:
    """Pseudonyms of made-up people and households, identified by a group and a number in it."""

    vault: Vault
    group: npt.NDArray[np.object_]
    which: Ints
    number: Ints
    known: dict[int, bytes] = field(default_factory=dict)

    def values(self, rows: Ints) -> list[Any]:
        """The pseudonyms, equal for equal people."""
        known, name, group = self.known, self.vault.pseudonym, self.group
        if len(known) > _KNOWN_MAX:
            known.clear()
        # Kept: a pseudonym is half the cost of a visit, and most requests repeat one of that day.
        found = []
        codes = self.which[rows].astype(np.int64) * _NUMBERS + self.number[rows]
        for code in codes.tolist():
            person = known.get(code)
            if person is None:
                at, number = divmod(code, _NUMBERS)
                person = known[code] = name(f"{group[at].decode()}-{number}").encode()
            found.append(person)
        return found

    def of(self, rows: Ints) -> Persons:
        """The same people, the given rows only."""
        return Persons(self.vault, self.group, self.which[rows], self.number[rows], self.known)


@dataclass(frozen=True, slots=True)
class SealedTexts:
    """Texts from a table, sealed for their subject as one field of their event.

    `persons` holds the person of each subject when the subjects are cases.
    """

    vault: Vault
    name: str
    ids: Series
    subjects: Series
    texts: Choices
    persons: Series | None = None

    def named(self, rows: Ints) -> list[str]:
        """The subjects whose keys seal the given rows."""
        return [subject.decode() for subject in self.subjects.values(rows)]

    def owned(self, rows: Ints) -> list[tuple[str, str]]:
        """The cases of the given rows with their persons."""
        if self.persons is None:
            return []
        people = (person.decode() for person in self.persons.values(rows))
        return list(zip(self.named(rows), people, strict=True))

    def values(self, rows: Ints) -> list[Any]:
        """The ciphertexts."""
        subjects = self.named(rows)
        self.vault.prepare(subjects)
        found = zip(subjects, self.ids.values(rows), self.texts.values(rows), strict=True)
        return [
            self.vault.seal(subject, event.decode(), self.name, text.decode()).encode()
            for subject, event, text in found
        ]


@dataclass(frozen=True, slots=True)
class Digests:
    """Keyed digests of texts."""

    vault: Vault
    texts: tuple[Choices, ...]

    def values(self, rows: Ints) -> list[Any]:
        """The digests, equal for equal texts."""
        found = zip(*(each.values(rows) for each in self.texts), strict=True)
        return [self.vault.digest(*(text.decode() for text in each)).encode() for each in found]


def narrowed(column: Series, rows: Ints) -> Series:
    """The given rows of a column, as a column of their own."""
    if isinstance(column, Choices):
        return Choices(column.table, column.which[rows])
    if isinstance(column, Numbers):
        return Numbers(column.of[rows])
    if isinstance(column, Persons):
        return column.of(rows)
    if isinstance(column, Serials):
        return Serials(column.prefix, column.numbers[rows])
    raise TypeError(f"{type(column).__name__} has no rows to choose")


@dataclass(frozen=True)
class EventRows:
    """Events of one type that have the same fields.

    Attributes:
        cls: event class.
        head: envelope attributes that differ from row to row, `id`, `time` and `recorded` included.
        data: every field of the content.
        rows: row of the columns that each entry sends; a row listed twice is sent twice.
        sent: when each entry is sent, in seconds; sorted.
        undone: when the entry is voided or reversed, `NEVER_S` for those that stand.
        repeated: whether an entry was sent before, the same bytes.
        opening: whether these are opening balances.
    """

    cls: type[Event]
    head: Mapping[str, Series]
    data: Mapping[str, Series]
    rows: Ints
    sent: Ints
    undone: Ints
    repeated: Ints
    opening: bool

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def seconds(self) -> Ints:
        """When each row of the columns happened."""
        time = self.head["time"]
        assert isinstance(time, Instants)
        return time.seconds

    @cached_property
    def _template(self) -> tuple[bytes, list[tuple[bool, str]]]:
        """The format, and for each slot whether it is content and the name of its field."""
        first = self.rows[:1]
        head = {name: _plain(c.values(first)[0]) for name, c in self.head.items()}
        data = {name: _plain(c.values(first)[0]) for name, c in self.data.items()}
        for name, spec in self.cls.fields.items():
            if name in data and spec.stored == "Bool":
                data[name] = data[name] == "true"
            if name in data and spec.stored.startswith("DateTime"):
                data[name] = datetime.fromisoformat(str(data[name]))
        for name in ("time", "recorded"):
            head[name] = datetime.fromisoformat(str(head[name]))
        payload = encode(self.cls(**data), {"specversion": "1.0", **head})
        outside, inside = payload.split(b',"data":', 1)
        start, slots = len(payload) - len(inside), []
        for content, section, values in ((False, outside, head), (True, inside, data)):
            for name, value in values.items():
                key, text = to_json(name) + b":", to_json(value)
                if section.count(key + text) != 1:
                    raise AssertionError(f"{self.cls.spec.name}: {name} stands not once")
                at = section.index(key + text) + len(key) + (start if content else 0)
                slots.append((at, at + len(text), content, name, value))
        return _cut(payload, sorted(slots, key=lambda slot: slot[0]))

    def subjects(self, end: int) -> list[str]:
        """The subjects whose keys seal the entries sent before `end`."""
        rows = self.rows[: np.searchsorted(self.sent, end)]
        return [subject for column in self._sealed[:1] for subject in column.named(rows)]

    def owned(self, end: int) -> list[tuple[str, str]]:
        """The cases among those subjects, with their persons."""
        rows = self.rows[: np.searchsorted(self.sent, end)]
        return [pair for column in self._sealed[:1] for pair in column.owned(rows)]

    @property
    def _sealed(self) -> list[SealedTexts]:
        return [column for column in self.data.values() if isinstance(column, SealedTexts)]

    def messages(self, rows: Ints, at: bytes | None = None) -> list[Message]:
        """The messages of the given rows of the columns.

        Args:
            rows: row numbers.
            at: an instant that replaces all of theirs.
        """
        if not len(rows):
            return []
        template, slots = self._template
        lists, keys = [], []
        for content, name in slots:
            column = (self.data if content else self.head)[name]
            if at is not None and isinstance(column, Instants):
                values: list[Any] = [at] * len(rows)
            else:
                values = column.values(rows)
            if content and name == self.cls.spec.key:
                keys = values
            lists.append(values)
        topic = self.cls.topic
        payloads = [template % values for values in zip(*lists, strict=True)]
        return [(topic, key, payload) for key, payload in zip(keys, payloads, strict=True)]


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _cut(
    payload: bytes, slots: Sequence[tuple[int, int, bool, str, object]]
) -> tuple[bytes, list[tuple[bool, str]]]:
    """The payload as a bytes-format, with a placeholder for the value of each slot."""
    pieces, end = [], 0
    for start, stop, _, _, value in slots:
        pieces.append(payload[end:start].replace(b"%", b"%%"))
        if isinstance(value, bool):
            pieces.append(b"%s")
        else:
            pieces.append(b"%d" if isinstance(value, int) else b'"%s"')
        end = stop
    pieces.append(payload[end:].replace(b"%", b"%%"))
    return b"".join(pieces), [(content, name) for _, _, content, name, _ in slots]


def spelled_instant(moment: datetime) -> bytes:
    """A moment as `Instants` spells it, truncated to the second."""
    return moment.replace(microsecond=0).isoformat().encode()
