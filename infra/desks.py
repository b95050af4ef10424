"""The desks of counties: what lets a county's clerks read their county's figures and no others.

A county has a desk from the first clerk who is let in for it until its last clerk is revoked. The
desk is a database of narrowed views and a ClickHouse user that reads nothing else. Its password is
computed from one key of the installation, so that no file holds it; the users file of the embedded
ClickHouse is the exception, as it is for every user.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from infra._files import locked
from infra.http import Grants
from infra.settings import Settings
from infra.warehouse import access
from schemas.errors import Refused
from schemas.grain import County
from schemas.reference.divisions import Divisions
from schemas.sql.tables import Layout

KEY: Final = "desks"
"""Name of the secret from which the passwords are computed."""
OWN_SERVERS_LIMITS: Final[Mapping[str, int]] = {
    **access.LIMITS,
    "max_memory_usage": 1_000_000_000,  # bytes
}
"""Limits of every user that reads published views of a city's own ClickHouse, whose memory is not
shared out as the embedded one's is; board-users.xml has them too."""


@dataclass(frozen=True, slots=True)
class DeskUser:
    """The ClickHouse user of a county's clerks."""

    name: str
    password: str = field(repr=False)
    database: str

    def made(self, layout: Layout) -> tuple[str, ...]:
        """The statements that make it on a city's own ClickHouse; they hold a digest only."""
        digest = hashlib.sha256(self.password.encode()).hexdigest()
        limits = ", ".join(
            # Grafana's ClickHouse plugin and the board server send a time limit with each query.
            f"{name} = {value}" + " CHANGEABLE_IN_READONLY" * (name == "max_execution_time")
            for name, value in OWN_SERVERS_LIMITS.items()
        )
        return (
            f"CREATE USER OR REPLACE `{self.name}`{layout.on_cluster} "
            f"IDENTIFIED WITH sha256_hash BY '{digest}' SETTINGS readonly = 1, {limits}",
            f"GRANT{layout.on_cluster} SELECT ON `{self.database}`.* TO `{self.name}`",
        )

    def dropped(self, layout: Layout) -> tuple[str, ...]:
        """The statement that drops it there."""
        return (f"DROP USER IF EXISTS `{self.name}`{layout.on_cluster}",)


def counties(settings: Settings) -> tuple[str, ...]:
    """Codes of the counties that have a desk."""
    return Grants(settings.access_file).counties()


def county(divisions: Divisions, given: str) -> County:
    """The county of a code or a name.

    Raises:
        Refused: the city has none of it.
    """
    for each in divisions.counties:
        if given in (each.code, each.name):
            return County(each.code, each.name)
    known = "、".join(f"{each.code} {each.name}" for each in divisions.counties)
    raise Refused(f"{given!r} is no county of this city.", do=f"Give a code or a name of: {known}")


def password(key: str, code: str) -> str:
    """The password of a county's user."""
    return hmac.new(key.encode(), f"desk of {code}".encode(), hashlib.sha256).hexdigest()


def reader(settings: Settings, code: str) -> DeskUser:
    """The user of a county's clerks."""
    key = settings.secret(KEY).get_secret_value()
    return DeskUser(
        f"{settings.clickhouse_desk_user}_{code}",
        password(key, code),
        f"{settings.desk_database}_{code}",
    )


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """While nobody else of this installation changes what follows from the grants."""
    with locked(settings.home / "run" / "desks.lock"):
        yield


def write_users(settings: Settings) -> Path:
    """Writes the users file of the embedded ClickHouse, which uses it at once.

    A user whose county has no desk any more is in it no more.
    """
    file = settings.home / "run" / "users.json"
    # The grants are read inside the lock, so that the last writer has the newest.
    with locked(file.with_suffix(".lock")):
        access.write_users(file, _users(settings))
    return file


def _users(settings: Settings) -> dict[str, dict[str, object]]:
    readers = [
        DeskUser(
            settings.clickhouse_board_user,
            settings.clickhouse_board_password.get_secret_value(),
            settings.published_database,
        ),
        DeskUser(
            settings.clickhouse_desk_user,
            settings.clickhouse_desk_password.get_secret_value(),
            settings.desk_database,
        ),
        *(reader(settings, code) for code in counties(settings)),
    ]
    owner: dict[str, object] = {
        "password": settings.clickhouse_password.get_secret_value(),
        "role": "writer",
    }
    return {
        settings.clickhouse_user: owner,
        **{
            each.name: {
                "password": each.password,
                "role": "board",
                "databases": [each.database],
                "limits": dict(access.LIMITS),
            }
            for each in readers
        },
    }
