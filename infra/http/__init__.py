"""What every part that speaks HTTP shares: the token gate, the start, the health."""

from infra.http.gate import HEALTH, Gate, loopback
from infra.http.serving import Listening, serve

__all__ = ["HEALTH", "Gate", "Listening", "loopback", "serve"]
