"""Events written in one line each, as the plain JSON that a producer sends.

Omitted fields come from the committed sample of the type, so a test gives only what matters to it.
No code of the product: the samples are bytes, the key fields are listed below.
"""

from __future__ import annotations

import itertools
import json
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

from tests.histories.small import Message

CITY = timezone(timedelta(hours=8))
VILLAGE = "431202001001"
KEY_FIELD = {
    "visits": "household",
    "petitions": "petition",
    "mediations": "case",
    "funds": "account",
}
TOPIC = {"visit": "visits", "petition": "petitions", "mediation": "mediations", "fund": "funds"}
_SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
_IDS = itertools.count(1)

Told = dict[str, Any]
"""An event: CloudEvents attributes and, under `data`, its content."""


@cache
def _sample(type_: str, version: int) -> str:
    return (_SAMPLES / f"{type_}.{version}.json").read_text(encoding="utf-8")


def instant(text: str) -> datetime:
    """An instant in city time: `2021-03-01`, `2021-03-01 09:00`, or with seconds and milliseconds.

    A bare date is its midnight, as in a ledger with dates only.
    """
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=CITY)


def ms(text: str) -> int:
    """The same in milliseconds since 1970."""
    return round(instant(text).timestamp() * 1000)


def household(name: str) -> str:
    """Pseudonym of a household, from a short name or number."""
    return f"k1.{int.from_bytes(name.encode(), 'big'):032x}"


def told(
    type_: str,
    key: str,
    time: str,
    *,
    place: str = VILLAGE,
    grid: str = "",
    id: str = "",
    recorded: str = "",
    office: str = "//huaihua/test",
    version: int = 0,
    **data: Any,
) -> Told:
    """One event.

    Args:
        type_: such as `petition.replied`.
        key: number of the case, the account, or short name of the household.
        time: time of the event, see `instant`.
        place: division code.
        grid: micro-grid code.
        id: CloudEvents id; a unique one if not given.
        recorded: time of recording; `time` if not given.
        office: the CloudEvents source; a fund's `source` is content.
        version: version of the type; if 0, the newest with a sample.
        **data: content that differs from the sample's; None removes a field.
    """
    versions = range(1, 10) if not version else [version]
    newest = [n for n in versions if (_SAMPLES / f"{type_}.{n}.json").exists()][-1]
    event: Told = json.loads(_sample(type_, newest))
    topic = TOPIC[type_.partition(".")[0]]
    happened = instant(time)
    event |= {
        "id": id or f"t-{next(_IDS)}",
        "source": office,
        "time": happened.isoformat(),
        "recorded": (instant(recorded) if recorded else happened).isoformat(),
        "division": place,
    }
    if grid:
        event["grid"] = grid
    event["data"][KEY_FIELD[topic]] = household(key) if topic == "visits" else key
    event["data"] |= data
    event["data"] = {name: value for name, value in event["data"].items() if value is not None}
    return event


def topic_of(event: Told) -> str:
    """Topic of an event."""
    return TOPIC[event["type"].partition(".")[0]]


def key_of(event: Told) -> bytes:
    """Kafka key of an event."""
    return str(event["data"][KEY_FIELD[topic_of(event)]]).encode()


def message(event: Told) -> Message:
    """The producer's message for an event."""
    payload = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    return Message(topic_of(event), key_of(event), payload)
