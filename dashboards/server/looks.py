"""The record of looks: who looked at case-level data, at what, when, from where.

One JSON line a look, in a file a month, on disk before the answer leaves. What somebody typed into
a variable, such as the number of a case, is what they looked for, so it is in the line.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from dashboards.server.turns import CLIENT, Turns
from schemas.clients import network
from schemas.errors import Unavailable

_MONTH: Final = re.compile(r"(\d{4})-(\d\d)\.jsonl")
_TEXT: Final = 2000
"""Characters kept of a value that somebody sent."""
SQL_KEPT: Final = 20_000
"""Characters of a publisher's own SQL, kept whole; longer is not run. The longest panel has 2,200.
"""
OF_CLIENT: Final = 60
"""Lines of refusals in an hour that one client can cause."""
IN_ALL: Final = 2_000
"""And all together, 1 MB."""
_LAST: Final = "（本小时内其后的拒绝不再逐条登记）"


@dataclass(frozen=True, slots=True)
class Look:
    """One look, shown or refused.

    Attributes:
        who: name of the token's owner; empty for whoever came without a token.
        role: what the token is for. county: code of the county that a clerk is bound to.
        address: of the client as the server sees it. forwarded: of whom a proxy says it asks for.
        board: uid. version: of the board. panel: id. query: letter.
        variable: name, where its options were asked for.
        variables: by name, the values that were filled in, or asked for and refused.
        since: start of the range in ms since 1970 UTC. until: its end.
        sql: of who may publish, whole and as it runs: a board can be put back after the look.
        refused: why nothing was shown; empty where it was.
    """

    who: str
    role: str
    county: str
    address: str
    forwarded: str = ""
    board: str = ""
    version: int | None = None
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
        self._refusals = _Refusals()
        self._turns = Turns(at_once=1, each=1)

    async def note(self, look: Look) -> None:
        """Returns once the look is on disk; clients take turns.

        A look that is refused again to the same client is one line an hour: a wall that asks twice
        a minute for what it may not see would fill the disk. The lines of a client have a bound
        too, and the last of them says that more followed.

        Raises:
            Crowded: the client has too many looks waiting.
            Unavailable: it cannot be written; then nothing may be shown.
        """
        end = await self._turns.turn(self._turns.ticket(CLIENT.get()))
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._note, look)
        finally:
            end()

    def close(self) -> None:
        """Ends the thread and closes the file."""
        self._thread.shutdown()
        self._closed()

    def _note(self, look: Look) -> None:
        now = datetime.now(self._zone)
        due = self._refusals.due(look, f"{now:%Y-%m-%dT%H}") if look.refused else look
        if due is None:
            return
        try:
            self._write(f"{now:%Y-%m}", _line(due, now, self._zone))
        except OSError as error:
            self._closed()
            raise Unavailable(
                f"这次查看无法登记（{error.strerror}），因此不予显示。",
                do="请联系管理员检查磁盘和目录权限。",
            ) from error
        if look.refused:
            self._refusals.written(look)

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


class _Refusals:
    """Which refusals of an hour get a line."""

    def __init__(self) -> None:
        self._hour, self._known, self._lines = "", set[object](), Counter[str]()

    def due(self, look: Look, hour: str) -> Look | None:
        """The look as it is to be written; None if there is a line of its kind, or no more room."""
        if hour != self._hour:
            self._hour, self._known, self._lines = hour, set(), Counter()
        of_client, in_all = self._lines[_client(look)], self._lines.total()
        if _kind(look) in self._known or of_client >= OF_CLIENT or in_all >= IN_ALL:
            return None
        last = of_client == OF_CLIENT - 1 or in_all == IN_ALL - 1
        return replace(look, refused=look.refused + _LAST) if last else look

    def written(self, look: Look) -> None:
        """Its line is on disk."""
        self._known.add(_kind(look))
        self._lines[_client(look)] += 1


def _client(look: Look) -> str:
    return look.who or network(look.address)


def _kind(look: Look) -> object:
    # Variables and range are left out: a client can vary them without end.
    return (_client(look), look.role, look.county, look.board, look.panel, look.query,
            look.variable, look.refused if look.county else "")  # fmt: skip


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
    said |= {"sql": look.sql, "since": instant(look.since), "until": instant(look.until)}
    at = {"at": now.isoformat(timespec="milliseconds")}
    return json.dumps(at | said, ensure_ascii=False).encode(errors="replace") + b"\n"


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _TEXT else f"{value[:_TEXT]}…"
    if isinstance(value, dict):
        return {_short(name): _short(each) for name, each in value.items()}
    return [_short(each) for each in value] if isinstance(value, list | tuple) else value
