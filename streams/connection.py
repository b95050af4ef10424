"""A connection to ClickHouse whose errors say whether to try again.

The only importer of clickhouse-driver in this folder: what has no types stops here.
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

# What can throw in a view is content; these say that the server, not an event, is at fault.
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
    """The server could not run a statement because of what it says or reads, not of its own state.

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
        """As clickhouse-driver takes it; none on this machine, where nothing travels."""
        # Packing, hashing and unpacking are a sixth of what an event costs.
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
    """One connection, and the database that the statements are about."""

    def __init__(self, address: Address, layout: Layout) -> None:
        self._client = address.connect()
        self.layout = layout

    def close(self) -> None:
        """Closes the connection."""
        self._client.disconnect()

    def table(self, name: str) -> str:
        """A table of the truth, as it stands in a statement."""
        return f"`{self.layout.database}`.`{name}`"

    def owns(self, topic: str, kpart: str, token: int) -> str:
        """The condition that keeps a worker out that no longer owns the partition."""
        owner = f"{self.layout.database}.{OWNER_TABLE}"
        return f"joinGet('{owner}', 'tok', '{topic}', toUInt16({kpart})) = {token}"

    def execute(self, sql: str, values: Any = None, **options: Any) -> Any:
        """What clickhouse-driver's `execute` returns.

        Raises:
            Unavailable: ClickHouse does not answer, or refuses for a passing reason.
            NotDigested: it refuses for any other.
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
        """Drops the connection, which a statement that ended badly may have left half-way."""
        self._client.disconnect()


def says(error: BaseException) -> str:
    """A server's message without its stack; it may quote a failing value, so it is cut short."""
    return " ".join(str(error).split("Stack trace:")[0].split())[:300]
