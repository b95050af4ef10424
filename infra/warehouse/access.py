"""Who may log in, and what a board's user may ask."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra._files import write_private
from infra.warehouse import sizes
from infra.warehouse._fault import AUTHENTICATION_FAILED, Fault
from infra.warehouse.seats import Running
from schemas.errors import Misconfigured

LIMITS: Final[Mapping[str, int]] = {
    "max_execution_time": 30,  # seconds
    "max_result_rows": 100_000,
    "max_result_bytes": sizes.RESULT_BYTES,
    "max_memory_usage": sizes.QUERY_BYTES,
}
"""Limits of a board's user when the users file names none."""
_MOST_MEMORY: Final = sizes.BOARDS_SHARE_BYTES - sizes.HEADER_BYTES
_RUNNING: Final[Mapping[str, int]] = {"board": 16, "writer": 100}
"""Queries of one user at a time, by role; a board server asks 8 at a time."""


@dataclass(frozen=True, slots=True)
class User:
    """One user of the users file."""

    name: str
    password: str = field(repr=False)
    role: str
    databases: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_board(self) -> bool:
        """Whether only published relations may be read."""
        return self.role == "board"

    @property
    def running(self) -> int:
        """Queries at a time."""
        return _RUNNING[self.role]

    @property
    def memory(self) -> int:
        """Bytes that one of its queries may take, if all users of the role share a part."""
        if not self.is_board:
            return 0
        return self.limits.get("max_memory_usage", sizes.QUERY_BYTES) + sizes.HEADER_BYTES


class Users:
    """The users file, read again whenever it has changed.

    Args:
        file: JSON, mode 0600: `{"users": {name: {"password", "role", "databases", "limits"}}}`.
        read: returns the file's content; a confined process may look at the file, not open it.

    Raises:
        Misconfigured: the file is missing, readable by others, or malformed.
    """

    def __init__(self, file: Path, read: Callable[[], str] | None = None) -> None:
        self._file, self._content = file, read or file.read_text
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] = (0, 0)
        self._users: dict[str, User] = {}
        self.running = Running()
        """The queries of all users, on both ports."""
        self.reload()

    def reload(self) -> None:
        """Reads the file now."""
        with self._lock:
            self._read()

    def login(self, name: str, password: str) -> User:
        """The user of that name.

        Raises:
            Fault: there is no such user or the password is wrong; it does not say which.
        """
        user = self.find(name)
        expected = user.password if user else ""
        same = hmac.compare_digest(expected.encode(), password.encode(errors="surrogateescape"))
        if user is None or not same:
            raise Fault(
                AUTHENTICATION_FAILED,
                f"{name}: Authentication failed: password is incorrect, or there is no user with "
                "such name.",
            )
        return user

    def find(self, name: str) -> User | None:
        """The user of that name in the file as it is now; None when there is none."""
        with self._lock:
            if self._stamp != self._now():
                try:
                    self._read()
                except Misconfigured:
                    # Half-written or gone for a moment: the last good file stays in force.
                    if not self._users:
                        raise
            return self._users.get(name)

    def _now(self) -> tuple[int, int]:
        try:
            found = self._file.stat()
        except OSError:
            return self._stamp
        return (found.st_mtime_ns, found.st_ino)

    def _read(self) -> None:
        stamp = self._now()
        try:
            mode = self._file.stat().st_mode & 0o077
            listed = json.loads(self._content())["users"]
            users = {name: _user(name, entry) for name, entry in listed.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Misconfigured(
                f"The users file {str(self._file)!r} cannot be used: {type(error).__name__}.",
                do="Write it with infra.warehouse.access.write_users.",
            ) from None
        if mode:
            raise Misconfigured(
                f"The users file {str(self._file)!r} can be read by others (mode {mode:o}).",
                do=f"Run: chmod 600 {self._file}",
            )
        self._users, self._stamp = users, stamp


def _user(name: str, entry: Mapping[str, Any]) -> User:
    if entry["role"] not in ("writer", "board"):
        raise ValueError(entry["role"])
    limits: dict[str, int] = {}
    if entry["role"] == "board":
        limits = {**LIMITS, **entry.get("limits", {})}
        # 0 is no limit to the engine.
        limits["max_memory_usage"] = min(limits["max_memory_usage"] or _MOST_MEMORY, _MOST_MEMORY)
    return User(
        name, str(entry["password"]), entry["role"], tuple(entry.get("databases", ())), limits
    )


def write_users(file: Path, users: Mapping[str, Mapping[str, object]]) -> None:
    """Writes a users file; a running server uses it at once.

    Args:
        file: replaced as a whole, mode 0600.
        users: name to `{"password", "role": "writer" | "board", "databases": [...], "limits": {}}`.
    """
    listed = {"users": {name: dict(entry) for name, entry in users.items()}}
    write_private(file, json.dumps(listed))
