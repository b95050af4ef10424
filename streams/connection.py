"""A connection to ClickHouse; its errors say whether to try again.

Only this module of the folder imports clickhouse-driver, so its untyped values stop here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clickhouse_driver import Client
from clickhouse_driver import errors as driver_errors

from schemas.errors import Unavailable
from schemas.names import OWNER_TABLE
from schemas.sql.tables import Layout

# These error codes mean that the server is at fault; other codes blame the content of an event.
_TRANSIENT: Final = frozenset({159, 160, 202, 209, 210, 241, 242, 243, 252, 319, 394, 469, 999})
INSERT_SETTINGS: Final = {
    "async_insert": 0,
    "insert_deduplicate": 0,
    "materialized_views_ignore_errors": 0,
    "parallel_view_processing": 0,
    "max_insert_threads": 1,
    "insert_block_size": 1_048_576,
    "min_insert_block_size_rows": 10_000_000,
    "min_insert_block_size_bytes": 0,
}


class NotDigested(Exception):
    """The server could not run a statement because of its text or data, not of the server's state.

    `str()` is the server's message without its stack, at most 300 characters.
    """


@dataclass(frozen=True, slots=True)
class Address:
    """Where ClickHouse is; `options` go to clickhouse-driver as they are (TLS, timeouts)."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def compression(self) -> str | bool:
        """The option of clickhouse-driver; off for this machine, where nothing travels."""
        # Compressing, hashing and decompressing are a sixth of the cost of an event.
        try:
            near = ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            near = self.host == "localhost"
        return False if near else "lz4"

    def connect(self, **settings: Any) -> Client:
        """A client; clickhouse-driver connects at the first query."""
        return Client(
            self.host,
            self.port,
            user=self.user,
            password=self.password,
            settings={"insert_block_size": 1_048_576, **settings},
            compression=self.compression,
            **{"send_receive_timeout": 120, **self.options},
        )


class Connection:
    """One connection, and the layout of the database behind it."""

    def __init__(self, address: Address, layout: Layout) -> None:
        self._client = address.connect()
        self.layout = layout

    def close(self) -> None:
        """Closes the connection."""
        self._client.disconnect()

    def table(self, name: str) -> str:
        """A table of the truth, qualified and quoted for a statement."""
        return f"`{self.layout.database}`.`{name}`"

    def owns(self, topic: str, kpart: str, token: int) -> str:
        """The condition that shuts out a worker that no longer owns the partition."""
        owner = f"{self.layout.database}.{OWNER_TABLE}"
        return f"joinGet('{owner}', 'tok', '{topic}', toUInt16({kpart})) = {token}"

    def execute(self, sql: str, values: Any = None, **options: Any) -> Any:
        """What clickhouse-driver's `execute` returns.

        Raises:
            Unavailable: ClickHouse does not answer, or refuses for a passing reason.
            NotDigested: it refuses for any other reason.
        """
        try:
            return self._client.execute(sql, values, **options)
        except driver_errors.ServerException as error:
            if error.code in _TRANSIENT:
                raise Unavailable(says(error), do="It is asked again.") from error
            raise NotDigested(says(error)) from error
        except (driver_errors.Error, OSError, EOFError) as error:
            self._client.disconnect()
            raise Unavailable(
                f"ClickHouse does not answer: {says(error)}", do="It is asked again."
            ) from error

    def disconnect(self) -> None:
        """Drops the connection, which a failed statement may have left half-way."""
        self._client.disconnect()


def says(error: BaseException) -> str:
    """A server's message without its stack; it may quote a failing value, so it is cut short."""
    return " ".join(str(error).split("Stack trace:")[0].split())[:300]
