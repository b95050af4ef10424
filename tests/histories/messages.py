"""Messages as plain bytes, and the places of test events."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import timedelta, timezone
from pathlib import Path

CITY = timezone(timedelta(hours=8))
_CODES = Path(__file__).parents[2] / "schemas" / "reference" / "data" / "divisions_431200.csv"
with _CODES.open(encoding="utf-8") as _lines:
    PLACES = [row["code"] for row in csv.DictReader(_lines)]
VILLAGES = [code for code in PLACES if len(code) == 12][::97]


@dataclass(frozen=True, slots=True)
class Message:
    """A producer's message; `kpart` forces a Kafka partition that does not follow from the key."""

    topic: str
    key: bytes | None
    payload: bytes | None
    kpart: int | None = None


def as_bytes(event: object) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
