"""What becomes of a message: its statuses, in the order of their stored numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schemas.words import Text

COUNTED: Final = "ok"
STATUSES: Final[Mapping[str, tuple[str, Text]]] = {
    "ok": ("计入", Text("Counted.", "计入统计。")),
    "repeat": (
        "重复",
        Text(
            "Sent again, byte for byte; its first is counted.", "逐字节相同的重复报送；只计首条。"
        ),
    ),
    "conflict": (
        "冲突",
        Text(
            "The id of an earlier event with other bytes; kept, counted nowhere.",
            "编号与此前的事件相同而内容不同；留存备查，不计入统计。",
        ),
    ),
    "orphan": (
        "更正对象未到",
        Text(
            "Corrects an event that is not there yet; adds nothing until it is.",
            "所更正的事件尚未到达；到达之前不计入统计。",
        ),
    ),
    "parked": ("搁置", Text("Of a newer version than the program.", "版本高于本程序。")),
    "dead": (
        "死信",
        Text(
            "Refused; a copy is in the dead-letter topic with its reason.",
            "拒收；副本与原因存入死信主题。",
        ),
    ),
}
"""Chinese name and meaning of each; boards, catalogue and comments take them from here."""
