"""Who is let in: a file of names with their roles and the digests of their tokens."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, get_args

from infra._files import locked, write_private
from schemas.errors import Misconfigured, Refused
from schemas.grain import Access, Caller, County

ACCESS: Final[tuple[Access, ...]] = get_args(Access)
_COUNTY: Final = re.compile("[0-9]{6}")
_AGAIN: Final = "Revoke that name and add it again."


def session_of(token: str) -> str:
    """The value of the cookie that a login by `token` sets; it does not tell the token."""
    return hmac.new(token.encode(), b"board session", hashlib.sha256).hexdigest()


def _digest(text: str) -> str:
    # No salt and no slow hash: a token is 32 random bytes, which nobody can guess.
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Grant:
    """One name that is let in.

    Attributes:
        role: what it may do.
        token: SHA-256 of its token. session: of the cookie that a login with the token sets.
        since: when it was added, ISO 8601 in UTC.
        county: code of the one county whose clerk it is, with its name; both empty: of none.
    """

    name: str
    role: Access
    token: str
    session: str
    since: str
    county: str = ""
    county_name: str = ""

    @classmethod
    def of(
        cls, name: str, role: Access, token: str, since: str = "", county: County | None = None
    ) -> Grant:
        """The grant of a token that is known."""
        bound = (county.code, county.name) if county else ()
        return cls(name, role, _digest(token), _digest(session_of(token)), since, *bound)

    @property
    def caller(self) -> Caller:
        """Who asks with its token."""
        county = County(self.county, self.county_name) if self.county else None
        return Caller(self.name, self.role, county)


class Grants:
    """The file of grants, read again whenever it has changed.

    Args:
        file: JSON, mode 0600; made with the first grant. None: nobody has a grant.
        own: grants beside those of the file.
    """

    def __init__(self, file: Path | None, own: Sequence[Grant] = ()) -> None:
        self._file, self._own = file, tuple(own)
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._read: tuple[Grant, ...] = ()

    def all(self) -> tuple[Grant, ...]:
        """Every grant, in the order in which they were added.

        Raises:
            Misconfigured: the file is no file of grants.
        """
        with self._lock:
            stamp = self._now()
            if stamp != self._stamp:
                self._read = self._parsed() if stamp else ()
                self._stamp = stamp
            return (*self._own, *self._read)

    def counties(self) -> tuple[str, ...]:
        """Codes of the counties that have clerks of their own, in ascending order."""
        return tuple(sorted({grant.county for grant in self.all() if grant.county}))

    def by_token(self, token: str) -> Grant | None:
        """The grant of a token."""
        return self._found("token", _digest(token)) if token else None

    def by_session(self, session: str) -> Grant | None:
        """The grant of a session's cookie."""
        return self._found("session", _digest(session)) if session else None

    def add(self, name: str, role: Access, county: County | None = None) -> str:
        """Adds a grant; returns its token, which is stored nowhere.

        Args:
            name: of a wall, a desk or a program.
            role: what it may do.
            county: binds a clerk to one county.

        Raises:
            Refused: the name has a grant already, or a role that is no clerk's has a county.
        """
        if county and role != "clerk":
            raise Refused(f"{role} {name!r} has no county.", do="Only a clerk is bound to one.")
        token = secrets.token_urlsafe(32)
        with self._changing() as kept:
            if any(grant.name == name for grant in kept):
                raise Refused(f"{name!r} has access already.", do="Revoke it first, or choose one.")
            since = datetime.now(UTC).isoformat(timespec="seconds")
            kept.append(Grant.of(name, role, token, since, county))
        return token

    def revoke(self, name: str) -> None:
        """Removes a grant; its token and its sessions are refused from the next request on.

        Raises:
            Refused: the name has none.
        """
        with self._changing() as kept:
            left = [grant for grant in kept if grant.name != name]
            if len(left) == len(kept):
                raise Refused(f"{name!r} has no access.", do="See: gulou access list")
            kept[:] = left

    def _found(self, of: str, digest: str) -> Grant | None:
        same = (g for g in self.all() if hmac.compare_digest(getattr(g, of), digest))
        return next(same, None)

    def _now(self) -> tuple[int, int, int] | None:
        try:
            stat = self._file.stat() if self._file else None
        except FileNotFoundError:
            return None
        return (stat.st_ino, stat.st_mtime_ns, stat.st_size) if stat else None

    def _parsed(self) -> tuple[Grant, ...]:
        assert self._file is not None
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            if not isinstance(found, list):
                raise TypeError("no list")
            grants = tuple(Grant(**each) for each in found)
        except (OSError, ValueError, TypeError) as error:
            raise Misconfigured(
                f"{self._file} is no file of access ({type(error).__name__}).",
                do="Put back a copy, or remove it and add everybody again.",
            ) from error
        for grant in grants:
            if grant.role not in ACCESS:
                raise Misconfigured(f"{self._file} has a role {grant.role!r}.", do=_AGAIN)
            # The code becomes part of a database's name.
            if grant.county and not (grant.role == "clerk" and _COUNTY.fullmatch(grant.county)):
                raise Misconfigured(f"{self._file} has a county {grant.county!r}.", do=_AGAIN)
        return grants

    @contextmanager
    def _changing(self) -> Iterator[list[Grant]]:
        """The file's grants, written back when the block ends; one writer at a time."""
        if self._file is None:
            raise Misconfigured("there is no file of access.", do="Name one.")
        with locked(self._file.with_suffix(".lock")):
            kept = list(self._parsed() if self._now() else ())
            yield kept
            write_private(self._file, json.dumps([asdict(grant) for grant in kept], indent=1))
