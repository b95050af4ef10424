"""The catalogue of `gulou catalog` as plain data, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.catalog import json_schema
from schemas.family import Family
from schemas.sql.published import published
from schemas.sql.tables import Layout, statements


def described(families: Sequence[Family], layout: Layout) -> dict[str, Any]:
    """Every event type with its JSON Schema, every table with its columns, every published view.

    Tables and views are named as `database.name`; a view that depends on an instant takes it as the
    parameter `at`, in milliseconds since 1970.
    """
    return {
        "types": {
            cls.spec.name: {
                "zh": cls.spec.zh,
                "topic": family.topic,
                "key": cls.spec.key,
                "version": cls.spec.version,
                "fields": _fields(json_schema(cls)),
            }
            for family in families
            for cls in family.events
        },
        "tables": {
            f"{each.database}.{each.name}": {
                column.name: {"type": column.type, "description": str(column.doc)}
                for column in each.columns
            }
            for each in statements(families, layout)
            if each.kind in ("table", "target")
        },
        "views": {
            f"{database}.{view.name}": {
                "role": role,
                "zh": view.zh,
                "description": str(view.doc),
                "at": "{at:" in view.sql,
                "columns": {name: str(doc) for name, doc in view.columns.items()},
            }
            for role, database in layout.views.items()
            for view in published(families, layout.database, layout.zone, role)
        },
    }


def _fields(schema: dict[str, Any]) -> dict[str, Any]:
    data = schema["properties"]["data"]
    needed = data.get("required", [])
    return {name: {**told, "required": name in needed} for name, told in data["properties"].items()}
