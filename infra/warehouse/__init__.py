"""The embedded ClickHouse: the real engine behind its own wire protocols."""

from infra.warehouse.access import write_users
from infra.warehouse.process import EmbeddedClickHouse, confinement

__all__ = ["EmbeddedClickHouse", "confinement", "write_users"]
