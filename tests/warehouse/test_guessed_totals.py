"""Totals of columns whose text does not say their type."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from infra.warehouse._fault import NOT_IMPLEMENTED, Fault
from infra.warehouse.totals import parts


@pytest.mark.parametrize(
    "kind", ["Variant(String, UInt8)", "Dynamic", "JSON(a UInt8)", "Geometry", "Array(Dynamic)"]
)
def test_a_column_whose_text_may_be_of_several_types_has_no_totals(kind: str) -> None:
    nothing = SimpleNamespace()  # refused before the engine is asked

    with pytest.raises(Fault) as refused:
        parts(nothing, b"", 0, [("n", "UInt8"), ("x", kind)])  # type: ignore[arg-type]

    assert refused.value.code == NOT_IMPLEMENTED
    assert f"no totals with column 'x' of type {kind}." in refused.value.what
