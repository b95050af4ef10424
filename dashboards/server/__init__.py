"""The board server: Grafana's boards and its API, without Grafana."""

from dashboards.server.answers import ROLE
from dashboards.server.app import ServerConfig, application

__all__ = ["ROLE", "ServerConfig", "application"]
