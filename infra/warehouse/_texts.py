"""Texts of a statement that the engine reads as something else: types and time zones."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final

from infra.warehouse import sizes
from infra.warehouse._allowed import TYPES
from infra.warehouse._sql import Token

_LONGEST: Final = 4096
_PIECE: Final = re.compile(
    r"(?P<name>[^\W\d]\w*)|(?P<number>-?[0-9]+)|(?P<item>'[^'\\]*'(?= = -?[0-9]))"
    r"|(?P<zone>'[^'\\]*')|(?P<sign>[(),= ])"
)
"""Of a type; an item is one of an Enum, with its number."""
_ELEMENT: Final = re.compile(r" ([A-Za-z]\w*)")
"""What follows the name of a Tuple's element: its type."""


def plain(token: Token) -> str | None:
    """What a token in single quotes says; None when it is none, or has escapes in it."""
    inside = token.text[1:-1]
    if token.kind != "text" or token.text[0] != "'" or re.search(r"\\[^']", inside):
        return None
    return inside.replace("\\'", "'")


def is_type(text: str, zones: Set[str]) -> bool:
    """Whether `text` names types of the list alone, and no zone that is not among `zones`."""
    at = depth = 0
    while at < len(text) <= _LONGEST and depth <= sizes.TYPE_DEPTH:
        found = _PIECE.match(text, at)
        if found is None:
            return False
        piece, at = found[0], found.end()
        if found["name"] and piece.lower() not in TYPES:
            after = _ELEMENT.match(text, at)
            if after is None or after[1].lower() not in TYPES:
                return False
        if found["zone"] and piece[1:-1] not in zones:
            return False
        depth += {"(": 1, ")": -1}.get(piece, 0)
    return 0 < len(text) == at
