"""What tests of erasures ask of a vault."""

from __future__ import annotations

from producers.vault import Vault
from schemas.errors import Refused

TEXT = "门口的路灯不亮"


def forgotten(vault: Vault, subject: str) -> bool:
    """Whether the vault seals nothing for the subject any more, because it was forgotten."""
    try:
        vault.seal(subject, "e-9", "text", TEXT)
    except Refused as refused:
        assert "was destroyed" in str(refused)
        return True
    return False
