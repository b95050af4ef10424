"""Totals and extremes, which the native protocol sends apart from the rows.

The engine's format Native drops both. Its format TSV has them behind the rows, one line a row, and
reads back what it wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from infra.warehouse._fault import NOT_IMPLEMENTED, Fault
from infra.warehouse.engine import Engine, Session, identifier
from infra.warehouse.wire import MemoryFile

PLAIN = {
    "format_tsv_null_representation": "\\N",
    "bool_true_representation": "true",
    "bool_false_representation": "false",
    # A local hour that comes twice in a year has one text and two seconds.
    "date_time_output_format": "unix_timestamp",
    "interval_output_format": "numeric",
    "output_format_tsv_crlf_end_of_line": "0",
}
"""Settings under which TSV reads back what it wrote."""
_GUESSED = ("Variant(", "Dynamic", "JSON", "Geometry")
"""Types whose text does not say which of several types a value has."""


@dataclass(frozen=True)
class Parts:
    """An answer in the format Native; each part may be empty."""

    rows: bytes
    totals: bytes
    extremes: bytes


def parts(engine: Engine, answer: bytes, rows: int, columns: Sequence[tuple[str, str]]) -> Parts:
    """The parts of an answer that the engine gave in TSV, under the settings `PLAIN`.

    Args:
        engine: reads the text back.
        answer: lines of rows; then an empty line and the totals, an empty line and two extremes.
        rows: number of lines before those.
        columns: names and types of the result.

    Raises:
        Fault: a column's text does not say its type.
    """
    for name, kind in columns:
        if any(each in kind for each in _GUESSED):
            raise Fault(
                NOT_IMPLEMENTED,
                f"The embedded ClickHouse sends no totals with column {name!r} of type {kind}.",
                do="Cast the column to String.",
            )
    lines = answer.split(b"\n")
    behind = lines[rows:-1]
    # Behind the rows: 2 lines are totals, 3 are extremes, 5 are both.
    totals = behind[1:2] if len(behind) in (2, 5) else []
    extremes = behind[-2:] if len(behind) in (3, 5) else []
    with closing(Session(engine, "control")) as session:
        return Parts(
            *(_native(session, part, columns) for part in (lines[:rows], totals, extremes))
        )


def _native(session: Session, lines: list[bytes], columns: Sequence[tuple[str, str]]) -> bytes:
    if not lines:
        return b""
    structure = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns)
    with closing(MemoryFile()) as file:
        file.append(b"\n".join([*lines, b""]))
        file.seal()
        return session.run(
            f"SELECT * FROM file('{file.path}', 'TSV', {{structure:String}}, 'none') "
            "SETTINGS max_threads = 1, input_format_parallel_parsing = 0",
            "Native",
            {"structure": structure.replace("\\", "\\\\")},
        )
