"""Traces of a personal value, and a ledger of two persons to search for."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import openpyxl

from producers.ledgers.importing import LedgerMapping
from schemas.reference.divisions import Divisions

# The identity numbers have right check digits; nobody has them.
ROWS: Final[Sequence[Mapping[str, str]]] = (
    {
        "编号": "A-1",
        "姓名": "欧阳小满",
        "身份证": "431202199003074511",
        "手机": "13974500173",
        "诉求": "屋顶漏雨三月无人修",
        "地址": "城中街道欧阳小满家",
        "日期": "2021-03-01 09:00",
        "无": "",
    },
    {
        "编号": "A-2",
        "姓名": "司马立秋",
        "身份证": "431202198512083622",
        "手机": "15274566209",
        "诉求": "孙子上学要走十里路",
        "地址": "城中街道司马立秋家",
        "日期": "2021-03-02 09:00",
        "无": "",
    },
)
# The same rows for two other persons: without the key, nobody may tell the texts of both apart.
OTHERS: Final[Sequence[Mapping[str, str]]] = (
    {
        **ROWS[0],
        "姓名": "诸葛大山",
        "身份证": "431281198811223344",
        "手机": "18674511234",
        "诉求": "村口的桥断了没人管",
        "地址": "城中街道诸葛大山家",
    },
    {
        **ROWS[1],
        "姓名": "上官春生",
        "身份证": "431228197706150028",
        "手机": "13317453388",
        "诉求": "低保户名单漏了老人",
        "地址": "城中街道上官春生家",
    },
)
PERSONAL: Final = ("姓名", "身份证", "手机", "诉求", "地址")
SECRETS: Final = tuple(row[column] for row in ROWS for column in PERSONAL)
KINDS: Final = ("utf-8", "gb18030", "utf-16", "xlsx", "jsonl")

# One township of the city, so that an importer builds its table of places quickly.
PLACES: Final = Divisions(
    [
        place
        for place in Divisions.load().values()
        if place.code in ("431200", "431202") or place.code.startswith("431202001")
    ]
)

_HASHES: Final = ("md5", "sha1", "sha256", "blake2b")
_SHOWN: Final = 8  # leading bytes that identify a digest, even a truncated one
# Kafka reserves its index files, 10 MB each: a search for 1,700 traces there takes four minutes.
_RESERVED: Final = re.compile(rb"\0{64,}")  # no trace has so many zeros


@cache
def traces(value: str) -> frozenset[bytes]:
    """Every form in which the value can be read, or guessed without a key."""
    return frozenset(_traces(value))


def _traces(value: str) -> Iterator[bytes]:
    plain = [value.encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030")]
    for text in plain:
        yield text
        yield text.hex().encode()
        # Whole triples only: the last characters depend on the following bytes.
        yield base64.b64encode(text[: len(text) // 3 * 3])
        for name in _HASHES:
            digest = hashlib.new(name, text).digest()
            yield digest[:_SHOWN]
            yield digest[:_SHOWN].hex().encode()
            yield digest[:_SHOWN].hex().upper().encode()
            yield base64.b64encode(digest[: _SHOWN // 3 * 3])
            yield base64.urlsafe_b64encode(digest[: _SHOWN // 3 * 3])
    yield json.dumps(value)[1:-1].encode()


def found(values: Iterable[str], where: Iterable[bytes]) -> list[str]:
    """The values with a trace in one of the texts."""
    texts = [_RESERVED.sub(b"\0", text) for text in where]
    return [
        value for value in values if any(trace in text for trace in traces(value) for text in texts)
    ]


def write(
    folder: Path, kind: str, rows: Sequence[Mapping[str, Any]] = ROWS, name: str = "ledger"
) -> Path:
    """The rows as a ledger: CSV in an encoding, XLSX or JSONL."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = list(rows[0])
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for line in [columns, *([row[column] for column in columns] for row in rows)]:
            book.active.append(line)
        book.save(folder / f"{name}.xlsx")
        return folder / f"{name}.xlsx"
    if kind == "jsonl":
        path = folder / f"{name}.jsonl"
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
        )
        return path
    path = folder / f"{name}.csv"
    with path.open("w", encoding=kind, newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def event(type_: str, /, **fields: Any) -> dict[str, Any]:
    """One `[[events]]` of a mapping: `time`, `when`, `grid`, `actor` and such; the rest is data."""
    head: dict[str, Any] = {
        name: fields.pop(name) for name in ("when", "grid", "actor", "recorded") if name in fields
    }
    return {"type": type_, "time": fields.pop("time", "{日期}"), **head, "data": fields}


def petition(**fields: Any) -> dict[str, Any]:
    """A registered petition of one person; None removes a field."""
    content = {
        "petition": "{编号}",
        "kind": "appeal",
        "channel": "visit",
        "level": "county",
        "people": 1,
        "repeated": False,
        "petitioner": "{姓名}",
        **fields,
    }
    return event("petition.registered", **content)


def visit(**fields: Any) -> dict[str, Any]:
    """A visit to a household."""
    content = {
        "household": "{姓名}",
        "role": "grid_member",
        "purpose": "care",
        "lasted": 20,
        "met": 2,
        **fields,
    }
    return event("visit.recorded", **content)


def mapping(*events: Mapping[str, Any], **head: Any) -> LedgerMapping:
    """A mapping of the columns above."""
    return LedgerMapping.model_validate(
        {"source": "test", "identity": ["编号"], "division": "431202001001", "events": events}
        | head
    )
