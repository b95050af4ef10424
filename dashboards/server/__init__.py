"""The board server: Grafana's boards and its API, without Grafana."""

from dashboards.server.answers import CALLER
from dashboards.server.app import ServerConfig, application

__all__ = ["CALLER", "ServerConfig", "application"]
