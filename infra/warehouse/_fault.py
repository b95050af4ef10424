"""ClickHouse's exceptions, with its own codes, between the engine and the two protocols."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from schemas.errors import GulouError

UNKNOWN_PACKET = 99
BAD_ARGUMENTS = 36
UNKNOWN_FUNCTION = 46
NOT_IMPLEMENTED = 48
UNKNOWN_TABLE = 60
SYNTAX_ERROR = 62
UNKNOWN_DATABASE = 81
UNKNOWN_SETTING = 115
INCORRECT_DATA = 117
TOO_LARGE_STRING_SIZE = 131
READONLY = 164
TOO_MANY_SIMULTANEOUS_QUERIES = 202
QUERY_IS_TOO_LARGE = 229
MEMORY_LIMIT_EXCEEDED = 241
TOO_DEEP_RECURSION = 306
QUERY_WAS_CANCELLED = 394
TOO_MANY_ROWS_OR_BYTES = 396
ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
UNKNOWN_EXCEPTION = 1002

_NAMES = {
    UNKNOWN_PACKET: "UNKNOWN_PACKET_FROM_CLIENT",
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    UNKNOWN_FUNCTION: "UNKNOWN_FUNCTION",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    UNKNOWN_TABLE: "UNKNOWN_TABLE",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    UNKNOWN_DATABASE: "UNKNOWN_DATABASE",
    UNKNOWN_SETTING: "UNKNOWN_SETTING",
    INCORRECT_DATA: "INCORRECT_DATA",
    TOO_LARGE_STRING_SIZE: "TOO_LARGE_STRING_SIZE",
    READONLY: "READONLY",
    TOO_MANY_SIMULTANEOUS_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    MEMORY_LIMIT_EXCEEDED: "MEMORY_LIMIT_EXCEEDED",
    TOO_DEEP_RECURSION: "TOO_DEEP_RECURSION",
    QUERY_WAS_CANCELLED: "QUERY_WAS_CANCELLED",
    TOO_MANY_ROWS_OR_BYTES: "TOO_MANY_ROWS_OR_BYTES",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
}
_ENGINE = re.compile(r"Code: (\d+)\. DB::Exception: ", re.DOTALL)
_VERSION = re.compile(r" \(version [\d.]+\)\. \(\w+\)$")


class Fault(GulouError):
    """An exception as ClickHouse's clients know it: a ClickHouse code and a sentence.

    Args:
        code: ClickHouse's number of the error, such as 60 for an unknown table.
        what: one sentence.
        do: what to do now.
    """

    def __init__(self, code: int, what: str, *, do: str = "") -> None:
        super().__init__(what, do=do)
        self.code = code

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive, (self.code, self.what, self.do))

    @property
    def text(self) -> str:
        """The message as clients show it, followed by the name of the code."""
        name = _NAMES.get(self.code, "")
        suffix = f" ({name})" if name and f"({name})" not in self.what else ""
        return f"DB::Exception: {self}{suffix}"


def _revive(code: int, what: str, do: str) -> Fault:
    return Fault(code, what, do=do)


def where(error: BaseException) -> str:
    """Kind and place of an error for the log; never its text, which may quote rows."""
    frames = traceback.extract_tb(error.__traceback__)
    places = (f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in frames)
    return f"{type(error).__name__} at {' > '.join(places)}"


def from_engine(error: Exception, shift: int = 0) -> Fault:
    """The engine's exception as a `Fault`; its text names the code once, not twice.

    Args:
        error: the engine's exception.
        shift: characters put before the statement; subtracted from the engine's positions.
    """
    if isinstance(error, UnicodeDecodeError):
        # The engine's text quotes the statement, whose bytes need not be UTF-8.
        text = error.object.decode(errors="surrogateescape")
    else:
        text = str(error)
    found = list(_ENGINE.finditer(text))
    if not found:
        return Fault(UNKNOWN_EXCEPTION, text)
    # Some paths wrap an exception into another of the same code; the innermost is the clearest.
    heads = [each for each in found if each.start() == 0 or text.endswith(": ", 0, each.start())]
    message = _VERSION.sub("", text[(heads or found)[-1].end() :])
    if shift:
        message = re.sub(
            r"(failed at position )(\d+)",
            lambda each: f"{each[1]}{max(int(each[2]) - shift, 1)}",
            message,
        )
    return Fault(int(found[0][1]), message)
