"""Cases written as lists of steps, for histories with many cases."""

from __future__ import annotations

import re
from typing import Any

from tests.histories.told import VILLAGE, Told, told

ALL = "$__all"
"""The value of a variable for all options."""

_NUMBER = re.compile(r"\d+")
_WORDS: dict[str, Any] = {"true": True, "false": False}


def petition(key: str, *steps: str, place: str = VILLAGE, **content: Any) -> list[Told]:
    """A petition.

    Args:
        key: its number.
        *steps: verb, time and content that differs from the defaults, in the order of storage:
            `accepted 2021-03-01 09:00 route=31.1`.
        place: division of all its events.
        **content: content of each of its events, such as the kind.
    """
    return _case("petition", key, steps, place, content)


def mediation(key: str, *steps: str, place: str = VILLAGE) -> list[Told]:
    """A dispute, in the same notation."""
    return _case("mediation", key, steps, place, {})


def _case(
    family: str, key: str, steps: tuple[str, ...], place: str, content: dict[str, Any]
) -> list[Told]:
    found = []
    for step in steps:
        verb, *words = step.split()
        said = dict(word.split("=") for word in words if "=" in word)
        time = " ".join(word for word in words if "=" not in word)
        values = {name: _value(text) for name, text in said.items()}
        found.append(told(f"{family}.{verb}", key, time, place=place, **content, **values))
    return found


def _value(text: str) -> Any:
    """The typed value: 31 is a number, 31.6 the name of a route."""
    return int(text) if _NUMBER.fullmatch(text) else _WORDS.get(text, text)
