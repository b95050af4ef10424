"""The event families: every file of this folder is one.

`families()` finds them, so a new family is one new file.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from schemas.errors import SchemaError
from schemas.event import Event
from schemas.family import Family


@cache
def families() -> tuple[Family, ...]:
    """Every event family, ordered by topic."""
    found = [
        _family(importlib.import_module(f"{__name__}.{module.name}"))
        for module in pkgutil.iter_modules(__path__)
    ]
    return tuple(sorted(found, key=lambda family: family.topic))


def family(topic: str) -> Family:
    """The family of one topic; KeyError when there is none."""
    return {family.topic: family for family in families()}[topic]


def _family(module: ModuleType) -> Family:
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Event)
        and value.__module__ == module.__name__
    ]
    events = tuple(cls for cls in classes if hasattr(cls, "spec"))
    head = next((cls for cls in classes if cls.topic and not hasattr(cls, "spec")), None)
    if head is None:
        raise SchemaError(
            f"{module.__name__} declares no family: a subclass of Event with a topic."
        )
    return Family(
        topic=head.topic,
        key=head.key,
        zh=head.family_zh,
        module=head.__module__,
        partitions=head.partitions,
        events=events,
        projections=head.projections,
        clocks=head.clocks,
        small_cells=head.small_cells,
        county_only=head.county_only,
        doc=head.family_doc,
    )
