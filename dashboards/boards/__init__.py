"""The boards: each file of this folder makes one, or one for each level of a drill-down."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

FIRST = "gulou-wall"


def every() -> list[dict[str, Any]]:
    """Every board as JSON, the wall first, the others by uid."""
    modules = (
        importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
        if not found.name.startswith("_")
    )
    made = [board for module in modules for board in module.boards()]
    return sorted(made, key=lambda board: (board["uid"] != FIRST, board["uid"]))
