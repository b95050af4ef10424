"""Columns of ClickHouse tables, and what those of figures mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from schemas._event import FieldSpec
from schemas._words import Text


@dataclass(frozen=True, slots=True)
class Column:
    """A ClickHouse column: name, type, and what people read in its comment and the catalogue."""

    name: str
    type: str
    doc: Text

    @property
    def ddl(self) -> str:
        """As it stands in CREATE TABLE."""
        return f"`{self.name}` {self.type} COMMENT {quoted(str(self.doc))}"


def quoted(text: str) -> str:
    """A ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


GROSS: Final = Text("Events as first filed.", "原报件次。")
NET: Final = Text("Events that still stand after corrections.", "更正、作废之后仍有效的件次。")
_BUCKETS: Final = {"hour": "小时", "day": "日期"}


def as_filed(f: FieldSpec) -> Text:
    """Meaning of the gross total of a field."""
    return Text(f"As first filed: {f.doc.en}", f"原报合计：{f.doc.zh}")


def as_corrected(f: FieldSpec) -> Text:
    """Meaning of the net total of a field."""
    return Text(f"After corrections: {f.doc.en}", f"更正后合计：{f.doc.zh}")


def starts(grain: Literal["hour", "day"]) -> Text:
    """Meaning of the column of a time bucket."""
    return Text(f"Start of the {grain}, city's zone.", f"所属{_BUCKETS[grain]}，按本市时区。")
