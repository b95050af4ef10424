"""Messages that no pipeline may count, as a bad export, form or clock would send them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from producers.simulator.series import Message

_HUGE: Final = 120_000  # characters; the longest sealed text is 110,000


def _named_anew(payload: bytes) -> bytes:
    """The payload under another id, so that a broken message never repeats a sound one."""
    return payload.replace(b'"id":"', b'"id":"x', 1)


def _changed(pattern: bytes, text: bytes) -> Callable[[Message], Message]:
    def change(message: Message) -> Message:
        topic, key, payload = message
        found, times = re.subn(pattern, text, payload, count=1)
        assert times == 1, (topic, pattern)
        return topic, key, found

    return change


def _with_payload(change: Callable[[bytes], bytes]) -> Callable[[Message], Message]:
    return lambda message: (message[0], message[1], change(message[2]))


_WAYS: Final[Mapping[str, Callable[[Message], Message]]] = {
    "null": _with_payload(lambda _: b""),
    "encoding": _with_payload(lambda p: p.replace(b'"source":"', b'"source":"\xff\xfe', 1)),
    "json": _with_payload(lambda p: p[: len(p) // 2]),
    "json_joined": _with_payload(lambda p: p + b"," + p),
    "duplicate_key": _with_payload(lambda p: b'{"specversion":"1.0",' + p[1:]),
    "unknown_type": _changed(rb'"type":"(\w+)\.\w+"', rb'"type":"\1.imagined"'),
    "newer_version": _changed(rb'("dataschema":"[^"]+:)\d+"', rb'\g<1>99"'),
    "division": _changed(rb'"division":"\d+"', b'"division":"999999999999"'),
    "field": _changed(rb',"data":\{', b',"data":{"surname":"x",'),
    "field_huge": _changed(rb',"data":\{', b',"data":{"remark":"s1.' + b"A" * _HUGE + b'",'),
    "contradiction": _changed(rb'"recorded":"\d{4}', b'"recorded":"2020'),
    "key": lambda message: (message[0], b"elsewhere", message[2]),
    "recorded_after_logged": _changed(rb'"recorded":"\d{4}', b'"recorded":"2090'),
}

KINDS: Final = tuple(_WAYS)
"""Kinds of fault: each is the reason of the refusal, or that reason with `_` and a variant."""

OF_THE_BROKER: Final = frozenset({"key", "recorded_after_logged"})
"""Faults that only the message's Kafka key or timestamp shows; the decoder alone accepts them."""


def broken(kind: str, message: Message) -> Message:
    """A sound message with one fault put in, under an id of its own."""
    topic, key, payload = message
    return _WAYS[kind]((topic, key, _named_anew(payload)))
