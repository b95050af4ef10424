"""The event families: every file of this folder is one.

`families()` finds them, so a new family is one new file.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from itertools import combinations
from types import ModuleType

from schemas.errors import SchemaError
from schemas.event import Event
from schemas.family import Family
from schemas.sql.targets import columns


@cache
def families() -> tuple[Family, ...]:
    """Every event family, ordered by topic."""
    found = [
        _family(importlib.import_module(f"{__name__}.{module.name}"))
        for module in pkgutil.iter_modules(__path__)
    ]
    for one, other in combinations(found, 2):
        _apart(one, other)
    return tuple(sorted(found, key=lambda family: family.topic))


def family(topic: str) -> Family:
    """The family of one topic; KeyError when there is none."""
    return {family.topic: family for family in families()}[topic]


def _apart(one: Family, other: Family) -> None:
    """Refuses two families that share a topic or the beginning of their event types."""
    shared = _said_by(one) & _said_by(other)
    if shared:
        raise SchemaError(f"{one.module} and {other.module} share the name {min(shared)!r}.")


def _said_by(family: Family) -> set[str]:
    """Names that queries find a family by: its topic, its Chinese name, how its types begin."""
    heads = {cls.spec.name.partition(".")[0] + "." for cls in family.events}
    return {family.topic, family.zh, *heads}


def _family(module: ModuleType) -> Family:
    # A second name of a class is no second declaration.
    classes = dict.fromkeys(
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Event)
        and value.__module__ == module.__name__
    )
    events = tuple(cls for cls in classes if hasattr(cls, "spec"))
    heads = [cls for cls in classes if cls.topic and not hasattr(cls, "spec")]
    if len(heads) != 1:
        named = ", ".join(cls.__name__ for cls in heads) or "none"
        raise SchemaError(
            f"{module.__name__} must declare one family, a subclass of Event with a topic; it "
            f"declares {named}."
        )
    head = heads[0]
    made = Family(
        topic=head.topic,
        key=head.key,
        zh=head.family_zh,
        module=head.__module__,
        partitions=head.partitions,
        events=events,
        projections=head.projections,
        clocks=head.clocks,
        grain=head.grain,
        county_only=head.county_only,
        doc=head.family_doc,
    )
    for projection in made.projections:
        columns(made, projection, "UTC")  # refuses two columns of one name
    return made
