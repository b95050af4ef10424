"""The embedded ClickHouse: the real engine behind its own wire protocols."""

from infra.warehouse.access import write_users
from infra.warehouse.process import EmbeddedClickHouse

__all__ = ["EmbeddedClickHouse", "write_users"]
