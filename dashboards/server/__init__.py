"""The board server: Grafana's boards and its API, without Grafana."""

from dashboards.server.app import ServerConfig, serve

__all__ = ["ServerConfig", "serve"]
