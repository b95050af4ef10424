"""Reads the rows of a ledger in CSV, XLSX or JSONL."""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
import unicodedata
import warnings
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from schemas.errors import Misconfigured

_CELL_MAX: Final = 10 * 1024 * 1024  # characters; csv's own limit of 128 K refuses long texts
_CHUNK: Final = 1 << 20
_DELIMITERS: Final = ",\t;|"
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"))
# What Excel leaves where a formula has no value.
_NO_VALUE: Final = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"})


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number as the ledger's own program shows it, and its cells by column.

    `broken` says in Chinese why the row could not be read at all; its cells are then empty.
    """

    number: int
    cells: Mapping[str, Any]
    broken: str = ""


class Table:
    """A ledger file; its rows can be read repeatedly, in order.

    Args:
        path: the file; its suffix decides the format.
        header: number of the row that holds the column names; ignored for JSONL.
        sheet: sheet of an XLSX; empty is the first.

    Raises:
        Misconfigured: the file cannot be read in the format of its suffix.
    """

    def __init__(self, path: Path, *, header: int = 1, sheet: str = "") -> None:
        self._path, self._header, self._sheet = path, header, sheet
        kinds = {".csv": self._csv, ".txt": self._csv, ".xlsx": self._xlsx, ".xlsm": self._xlsx}
        kinds |= {".jsonl": self._jsonl, ".ndjson": self._jsonl}
        if path.suffix.lower() not in kinds:
            raise Misconfigured(
                f"台账 {path.name!r} 的格式不认识。(No ledger format ends in {path.suffix!r}.)",
                do="请另存为 .xlsx、.csv 或 .jsonl。(Save it as one of these.)",
            )
        self._read = kinds[path.suffix.lower()]
        try:
            self._encoding = "" if self._read == self._xlsx else _encoding(path)
        except OSError as error:
            raise _unreadable(path, str(error.strerror)) from error

    def rows(self) -> Iterator[Row]:
        """Every row that is not blank.

        Raises:
            Misconfigured: the file cannot be read in the format of its suffix.
        """
        with self._named():
            yield from self._read()

    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order; for JSONL, those of its first hundred lines."""
        if self._read == self._jsonl:
            found: dict[str, None] = {}
            for row in islice(self.rows(), 100):
                found |= dict.fromkeys(row.cells)
            return tuple(found)
        return tuple(filter(None, self._names()))

    def size(self) -> int | None:
        """About how many rows there are, for a progress bar; None when the file does not say."""
        with self._named():
            if self._read == self._xlsx:
                book = openpyxl.load_workbook(self._path, read_only=True)
                sheet = book[self._sheet] if self._sheet else book.worksheets[0]
                rows = sheet.max_row
                book.close()
                return rows if isinstance(rows, int) else None
            with self._path.open("rb") as file:
                return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))

    def digest(self) -> str:
        """SHA-256 of the file."""
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _names(self) -> tuple[str, ...]:
        with self._named(), closing(self._lines()) as lines:
            return tuple(plain(cell) for cell in next(islice(lines, self._header - 1, None), ()))

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (OSError, zipfile.BadZipFile, InvalidFileException, KeyError, csv.Error) as error:
            raise _unreadable(self._path, f"{type(error).__name__}: {error}") from error

    def _lines(self) -> Generator[Sequence[Any], None, None]:
        return self._sheet_lines() if self._read == self._xlsx else self._csv_lines()

    def _csv(self) -> Iterator[Row]:
        return self._tabular(self._csv_lines())

    def _xlsx(self) -> Iterator[Row]:
        return self._tabular(self._sheet_lines())

    def _tabular(self, lines: Iterator[Sequence[Any]]) -> Iterator[Row]:
        names: tuple[str, ...] = ()
        for number, cells in enumerate(lines, start=1):
            if number < self._header:
                continue
            if number == self._header:
                names = tuple(plain(cell) for cell in cells)
                continue
            values = [clean(cell) for cell in cells]
            if not any(value is not None for value in values):
                continue
            if any(value is not None for value in values[len(names) :]):
                yield Row(number, {}, f"有 {len(values)} 格，表头只有 {len(names)} 列")
                continue
            yield Row(number, {name: v for name, v in zip(names, values, strict=False) if name})

    def _csv_lines(self) -> Generator[Sequence[Any], None, None]:
        csv.field_size_limit(_CELL_MAX)
        with self._path.open(encoding=self._encoding, newline="") as lines:
            yield from csv.reader(_without_nul(lines), delimiter=self._delimiter())

    def _delimiter(self) -> str:
        with self._path.open(encoding=self._encoding, newline="") as lines:
            head = next(islice(lines, self._header - 1, None), "")
        return max(_DELIMITERS, key=head.count)

    def _sheet_lines(self) -> Generator[Sequence[Any], None, None]:
        book = openpyxl.load_workbook(self._path, read_only=True, data_only=True)
        try:
            if self._sheet and self._sheet not in book.sheetnames:
                raise Misconfigured(
                    f"{self._path.name!r} 没有名为 {self._sheet!r} 的工作表。(No such sheet.)",
                    do=f"有 (there are): {', '.join(book.sheetnames)}。",
                )
            sheet = book[self._sheet] if self._sheet else book.worksheets[0]
            # Some programs write a wrong size into the file, and openpyxl would trust it.
            sheet.reset_dimensions()
            yield from _unheard(sheet.iter_rows(values_only=True))
        finally:
            book.close()

    def _jsonl(self) -> Iterator[Row]:
        with self._path.open(encoding=self._encoding) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    found = json.loads(line, object_pairs_hook=_once)
                except (ValueError, RecursionError):
                    yield Row(number, {}, "不是一个完整的 JSON 对象")
                    continue
                if not isinstance(found, dict):
                    yield Row(number, {}, "不是一个 JSON 对象")
                    continue
                if "\\ud" in line.lower() and not _writable(found):
                    yield Row(number, {}, "有残缺的字符")
                    continue
                yield Row(number, {plain(name): clean(cell) for name, cell in found.items()})


def plain(cell: object) -> str:
    """Text of a cell for comparing: NFKC, single blanks, no blanks at the ends."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return " ".join(unicodedata.normalize("NFKC", str(cell)).split())


def clean(cell: Any) -> Any:
    """A cell as events keep it: text without surrounding blanks, with one kind of line end.

    Files that hold the same rows must give the same bytes, so this removes what a file format adds.
    """
    if not isinstance(cell, str):
        return cell
    # XLSX writes a carriage return as _x000D_, and openpyxl does not decode it.
    text = cell.replace("_x000D_", "\r").replace("\r\n", "\n").replace("\r", "\n").strip()
    return None if not text or text in _NO_VALUE else text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _writable(found: Mapping[str, Any]) -> bool:
    """Whether UTF-8 can hold the texts: JSON can spell half a surrogate pair."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _without_nul(lines: TextIO) -> Iterator[str]:
    """The lines without NULs: old exports leave them in blank cells, and csv refuses the file."""
    return (line.replace("\0", "") for line in lines)


def _unheard(lines: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
    """Silences openpyxl's warnings: one quotes the number in a cell formatted as a date."""
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            line = next(lines, None)
        if line is None:
            return
        yield line


def _encoding(path: Path) -> str:
    """UTF-8 with or without BOM, UTF-16 with BOM, or GB18030; found by decoding the whole file."""
    with path.open("rb") as file:
        head = file.read(4)
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    for encoding in ("utf-8", "gb18030"):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise _unreadable(path, "既不是 UTF-8 也不是 GB18030 (neither UTF-8 nor GB18030)")


def _unreadable(path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        f"台账 {path.name!r} 读不出来：{why}。(The ledger cannot be read.)",
        do="请在 Excel 中打开并另存为 .xlsx 后再试。(Open it, save it as .xlsx, try again.)",
    )
