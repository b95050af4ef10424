"""A Kafka as some cities run it: it asks nobody who they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.broker import Broker
from infra.settings import Settings


class OpenKafka(Broker):
    """A Kafka without users: everybody may do everything, also delete topics."""

    def __init__(self, data: Path) -> None:
        super().__init__(
            data,
            cache=Settings.load().cache,
            properties={
                "listener.security.protocol.map": "CLIENTS:PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
                "super.users": "User:broker;User:ANONYMOUS",
                "delete.topic.enable": "true",
            },
        )

    @property
    def options(self) -> dict[str, Any]:
        """Only the address."""
        return {"bootstrap_servers": self.bootstrap}
