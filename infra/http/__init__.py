"""What all parts that speak HTTP share: the token gate, the start, the health path (D-73)."""

from infra.http.gate import HEALTH, Gate, loopback, token_in
from infra.http.grants import ACCESS, Grants
from infra.http.seats import Connections
from infra.http.serving import Listening, listen, serve

__all__ = [
    "ACCESS",
    "HEALTH",
    "Connections",
    "Gate",
    "Grants",
    "Listening",
    "listen",
    "loopback",
    "serve",
    "token_in",
]
