"""The board server: Grafana's boards and its API, without Grafana."""

from dashboards.server.answers import NAME, ROLE
from dashboards.server.app import ServerConfig, application

__all__ = ["NAME", "ROLE", "ServerConfig", "application"]
