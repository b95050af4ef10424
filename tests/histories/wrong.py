"""One message of each kind that must be refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.histories.messages import CITY, VILLAGES, Message, as_bytes

_HOUSEHOLD = "k1." + "0" * 31 + "7"
_NOT_ITS_PARTITION = 0  # by murmur2 of the household, modulo 4: see `test_history.py`


def refused(tag: str) -> dict[str, Message]:
    """One message of each kind that must be refused, by the code of its reason.

    In names with a dash, the code is before it. `projection` has none: no message can cause it.
    """
    good = as_bytes(_visit(tag))
    void = {"household": _HOUSEHOLD, "corrects": "v-1", "why": "长" * 350_000}
    voided = {"type": "visit.voided", "dataschema": "urn:gulou:visit.voided:1", "data": void}
    tomorrow = (datetime.now(CITY) + timedelta(days=1)).isoformat()
    long_ago = {"time": "1970-12-31T23:59:59+08:00"}
    payloads = {
        "json": good[:-2],
        "json-two": good + b"," + good,
        "duplicate_key": good[:-2] + b',"met":3}}',
        "encoding": good.replace(b"routine", b"rout\xffne"),
        "null": None,
        "null-empty": b"",
        "unknown_type": as_bytes(_visit(tag, type="visit.dreamt")),
        "unknown_type-version": as_bytes(_visit(tag, dataschema="urn:gulou:visit.recorded:0")),
        "newer_version": as_bytes(_visit(tag, dataschema="urn:gulou:visit.recorded:3")),
        "field-long": as_bytes(_visit(tag, **voided)),
        "field-missing": good.replace(b'"lasted":10,', b""),
        "field-actor": as_bytes(_visit(tag, actor="张三")),
        "field-older": as_bytes(_visit(tag, dataschema="urn:gulou:visit.recorded:1")),
        "personal": as_bytes(_visit(tag, correlationid="13800000000")),
        "personal-actor": as_bytes(_visit(tag, actor="431202-13800000000")),
        "division": as_bytes(_visit(tag, division="431299999999")),
        "recorded_after_logged": as_bytes(_visit(tag, recorded=tomorrow)),
        "contradiction": as_bytes(_visit(tag, recorded="2021-02-01T10:00:00+08:00")),
        "contradiction-1970": as_bytes(_visit(tag, **long_ago)),
        "contradiction-grid": as_bytes(_visit(tag, grid="431299999999001")),
    }
    key = _HOUSEHOLD.encode()
    found = {name: Message("visits", key, load) for name, load in payloads.items()}
    found["key"] = Message("visits", b"another household", good)
    found["key-none"] = Message("visits", None, good)
    found["partition"] = Message("visits", key, good, _NOT_ITS_PARTITION)
    return found | {"contradiction-route": _routed(tag)}


def _visit(tag: str, **changes: Any) -> dict[str, Any]:
    content = {"role": "cadre", "purpose": "routine", "lasted": 10, "met": 2}
    head = {
        "specversion": "1.0",
        "id": f"bad-{tag}",
        "source": "//huaihua/test",
        "type": "visit.recorded",
        "dataschema": "urn:gulou:visit.recorded:2",
        "time": "2021-03-01T10:00:00+08:00",
        "recorded": "2021-03-01T12:00:00+08:00",
        "division": VILLAGES[0],
    }
    return head | {"data": {"household": _HOUSEHOLD, **content}} | changes


def _routed(tag: str) -> Message:
    """A suggestion with a route, which only an appeal has."""
    event = _visit(
        tag,
        type="petition.accepted",
        dataschema="urn:gulou:petition.accepted:1",
        data={
            "petition": f"bad-{tag}",
            "kind": "suggestion",
            "unit": "431202-民政局",
            "route": "31.6",
        },
    )
    return Message("petitions", f"bad-{tag}".encode(), as_bytes(event))
