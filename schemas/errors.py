"""Every error Gulou raises on purpose.

    GulouError
    ├── SchemaError          a class of schemas/ contradicts itself; a programmer fixes it
    ├── Refused              an event, a row or a field cannot be accepted; its sender fixes it
    ├── Unavailable          a server does not answer or is not ready; wait, or start it
    ├── Misconfigured        a setting, a file or the machine is not as it must be
    └── Halted               the pipeline stopped itself rather than show a wrong number

A message says what, which value, where, and what to do now. Values appear in `repr`, personal
values never. All fields survive pickling, so an error may cross a process.
"""

from __future__ import annotations


class GulouError(Exception):
    """Root of the tree; `str()` can be shown to a person unchanged.

    Args:
        what: one sentence naming the thing, the value and the place.
        do: what the reader should do now, as one sentence; shown after `what`.
    """

    exit_code = 1

    def __init__(self, what: str, *, do: str = "") -> None:
        super().__init__(what, do)
        self.what = what
        self.do = do

    def __str__(self) -> str:
        return f"{self.what} {self.do}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive, (type(self), self.what, self.do))


def _revive(kind: type[GulouError], what: str, do: str) -> GulouError:
    return kind(what, do=do)


class SchemaError(GulouError):
    """A class in `schemas/` contradicts itself; raised when the class is made."""


class Refused(GulouError):
    """An event, a row or a field that cannot be accepted as it is."""

    exit_code = 2


class Unavailable(GulouError):
    """A server that does not answer, or answers that it cannot serve now."""

    exit_code = 3


class Misconfigured(GulouError):
    """A setting, a file, a port or the machine itself is not as it must be."""

    exit_code = 4


class Halted(GulouError):
    """The pipeline stopped itself: continuing could have shown a wrong number."""

    exit_code = 5
