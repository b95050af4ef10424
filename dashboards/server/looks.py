"""The record of looks: who looked at case-level data, at what, when, from where.

One JSON line a look, in a file a month, on disk before the answer leaves. What somebody typed into
a variable, such as the number of a case, is what they looked for, so it is in the line.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.errors import Unavailable

_MONTH: Final = re.compile(r"(\d{4})-(\d\d)\.jsonl")
_TEXT: Final = 2000
"""Characters kept of a text that somebody sent."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look, shown or refused.

    Attributes:
        who: name of the token's owner; empty for whoever came without a token.
        role: what the token is for. county: code of the county that a clerk is bound to.
        address: of the client as the server sees it. forwarded: of whom a proxy says it asks for.
        board: uid. panel: id. query: letter. variable: name, where its options were asked for.
        variables: by name, the values that were filled in, or asked for and refused.
        since: start of the range in ms since 1970 UTC. until: its end.
        sql: what a publisher sent in place of a stored panel.
        refused: why nothing was shown; empty where it was.
    """

    who: str
    role: str
    county: str
    address: str
    forwarded: str = ""
    board: str = ""
    panel: int | None = None
    query: str = ""
    variable: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    since: int = 0
    until: int = 0
    sql: str = ""
    refused: str = ""


class Looks:
    """The record, written by one process.

    Args:
        folder: made if missing, for its owner alone; `<year>-<month>.jsonl`, mode 0600.
        months: whole months for which a file is kept after its own has ended.
        zone: of the instants and the months.
    """

    def __init__(self, folder: Path, months: int, zone: str) -> None:
        self._folder, self._months, self._zone = folder, months, ZoneInfo(zone)
        # One thread: lines never mix, and the event loop does not wait for the disk.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="looks")
        self._month, self._file = "", -1
        self._hour, self._refusals = "", set[object]()

    async def note(self, look: Look) -> None:
        """Returns once the look is on disk.

        A look that is refused again to the same client is one line an hour: a wall that asks twice
        a minute for what it may not see would fill the disk.

        Raises:
            Unavailable: it cannot be written; then nothing may be shown.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._note, look)

    def close(self) -> None:
        """Ends the thread and closes the file."""
        self._thread.shutdown()
        self._closed()

    def _note(self, look: Look) -> None:
        now = datetime.now(self._zone)
        if look.refused and not self._first(look, f"{now:%Y-%m-%dT%H}"):
            return
        try:
            self._write(f"{now:%Y-%m}", _line(look, now, self._zone))
        except OSError as error:
            self._closed()
            raise Unavailable(
                f"这次查看无法登记（{error.strerror}），因此不予显示。",
                do="请联系管理员检查磁盘和目录权限。",
            ) from error

    def _first(self, look: Look, hour: str) -> bool:
        """Whether the refusal is the first of its kind in this hour."""
        if hour != self._hour:
            self._hour, self._refusals = hour, set()
        # Not by variables or range, of which a client can send any number.
        kind = (look.who, look.role, look.county, look.address, look.board, look.panel, look.query,
                look.variable, look.refused if look.county else "")  # fmt: skip
        known = kind in self._refusals
        self._refusals.add(kind)
        return not known

    def _write(self, month: str, line: bytes) -> None:
        if month != self._month or os.fstat(self._file).st_nlink == 0:
            self._closed()
            self._open(month)
        before = os.fstat(self._file).st_size
        try:
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, before)  # half a line would spoil the next one
            raise

    def _open(self, month: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(
            self._folder / f"{month}.jsonl", os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600
        )
        self._month = month
        os.fchmod(self._file, 0o600)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")  # the process ended within a line
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._drop_old(month)

    def _drop_old(self, month: str) -> None:
        for file, age in _files(self._folder, since=month):
            if age > self._months:
                file.unlink(missing_ok=True)

    def _closed(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._month, self._file = "", -1


def recorded(folder: Path, unreadable: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Every look on record, oldest first, as its line holds it.

    Args:
        folder: of the record.
        unreadable: called with the place of a line that is no look, such as one that a power cut
            broke off before anything was shown.
    """
    for file, _ in sorted(_files(folder)):
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    look = json.loads(line)
                except ValueError:
                    look = None
                if isinstance(look, dict):
                    yield look
                else:
                    unreadable(f"{file}, line {number}")


def _files(folder: Path, since: str = "0000-00") -> list[tuple[Path, int]]:
    """The files of months, each with how many months it is older than `since`."""

    def count(year: str, month: str) -> int:
        return int(year) * 12 + int(month)

    now = count(*since.split("-"))
    named = ((file, _MONTH.fullmatch(file.name)) for file in folder.glob("*.jsonl"))
    return [(file, now - count(found[1], found[2])) for file, found in named if found]


def _line(look: Look, now: datetime, zone: ZoneInfo) -> bytes:
    def instant(ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, zone).isoformat(timespec="milliseconds")

    said = {name: _short(value) for name, value in asdict(look).items()}
    said |= {"since": instant(look.since), "until": instant(look.until)}
    at = {"at": now.isoformat(timespec="milliseconds")}
    return json.dumps(at | said, ensure_ascii=False).encode(errors="replace") + b"\n"


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}…"
    if isinstance(value, dict):
        return {_short(name): _short(each) for name, each in value.items()}
    return [_short(each) for each in value] if isinstance(value, list | tuple) else value
