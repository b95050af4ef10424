"""What a request over HTTP says beside its body: options, a login, tables of a form."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from contextlib import closing
from email.message import Message
from typing import Final
from urllib.parse import parse_qsl

from infra.warehouse import sizes
from infra.warehouse._fault import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    INCORRECT_DATA,
    Fault,
)
from infra.warehouse._types import split_arguments
from infra.warehouse.desk import Desk
from infra.warehouse.form import FormPart
from infra.warehouse.wire import MemoryFile

_RESERVED: Final = frozenset(
    """
    user password query database default_format session_id session_timeout session_check query_id
    compress decompress quota_key stacktrace role buffer_size wait_end_of_query close_session
    client_protocol_version
    """.split()  # noqa: SIM905
)


class Options(dict[str, str]):
    """What stands in the address, or in the fields of a form; of equal names the last.

    Args:
        query: the part of the address behind `?`.
    """

    def __init__(self, query: str) -> None:
        # Values need not be UTF-8: a statement may hold any byte.
        self._pairs = parse_qsl(query, keep_blank_values=True, errors="surrogateescape")
        super().__init__(self._pairs)
        self.tables: set[str] = set()
        """Names of the files that came with a form."""

    def every(self, name: str) -> list[str]:
        """All values of that name."""
        return [value for each, value in self._pairs if each == name]

    def take_form(self, parts: Sequence[FormPart]) -> list[tuple[str, bytes]]:
        """Adds a form's fields; returns its files, by name."""
        files = []
        for part in parts:
            if part.is_file:
                files.append((part.name, part.content))
                self.tables.add(part.name)
            else:
                self[part.name] = part.content.decode(errors="surrogateescape")
        return files

    def is_setting(self, name: str) -> bool:
        """Whether a name of the address is one of a setting."""
        table, _, what = name.rpartition("_")
        describes = what in ("structure", "types", "format") and table in self.tables
        return name not in _RESERVED and not name.startswith("param_") and not describes


def login(headers: Message, options: Options) -> tuple[str, str]:
    """The user and the password of a request.

    Raises:
        Fault: it has them in two ways, or in a way that cannot be read.
    """
    name, key = headers.get("X-ClickHouse-User"), headers.get("X-ClickHouse-Key")
    basic = headers.get("Authorization")
    ways = {
        "the headers X-ClickHouse-User and X-ClickHouse-Key": (name is not None or key is not None),
        "the header Authorization": basic is not None,
        "user and password in the address": bool({"user", "password"} & options.keys()),
    }
    if sum(ways.values()) > 1:
        mixed = " and ".join(way for way, used in ways.items() if used)
        raise Fault(
            AUTHENTICATION_FAILED,
            f"Invalid authentication: it is not allowed to mix {mixed}.",
            do="Use one of them for both, the user and the password.",
        )
    if basic is not None:
        return _basic(basic)
    return (
        name or options.get("user") or "default",
        key or options.get("password") or "",
    )


def _basic(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        decoded = base64.b64decode(value).decode()
    except ValueError:
        raise Fault(
            AUTHENTICATION_FAILED, "Invalid authentication: the header Authorization is no Basic."
        ) from None
    name, _, password = decoded.partition(":")
    return name, password


def bring(desk: Desk, files: Sequence[tuple[str, bytes]], options: Options) -> None:
    """Makes temporary tables of a form's files; the address says their columns and formats.

    Raises:
        Fault: there are too many, or one has no columns.
    """
    if len(files) > sizes.TABLES:
        raise Fault(INCORRECT_DATA, f"More than {sizes.TABLES} tables came along.")
    for name, content in files:
        _bring(desk, name, content, options)


def _bring(desk: Desk, name: str, content: bytes, options: Options) -> None:
    structure = options.get(f"{name}_structure", "")
    if not structure:
        kinds = list(split_arguments(options.get(f"{name}_types", "")))
        structure = ", ".join(f"_{at} {kind}" for at, kind in enumerate(kinds, 1) if kind)
    if not structure:
        raise Fault(
            BAD_ARGUMENTS,
            f"The table {name!r} of the form has no columns.",
            do=f"Name them in the address: {name}_structure=a UInt8, b String.",
        )
    with closing(MemoryFile()) as rows:
        rows.append(content)
        desk.bring(name, structure, rows, options.get(f"{name}_format", "TabSeparated"))


def header_value(what: str, value: str) -> str:
    """A client's text that an answer repeats in a header.

    Raises:
        Fault: it would end the header and begin another, or an answer of its own.
    """
    if _CONTROL.search(value):
        raise Fault(BAD_ARGUMENTS, f"The {what} {value!r} has characters that no header can have.")
    # The library writes one byte a character.
    return value.encode(errors="surrogateescape").decode("latin-1")


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
