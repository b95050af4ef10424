"""A small made-up register of places, so that shares and means can be computed by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.town import Town

HECHENG, ZHONGFANG, YUANLING = "431202", "431221", "431222"
"""鹤城区, 中方县, 沅陵县: the counties of the small register."""
CITY = "431200"
"""The city's own code: the place of an event without a known county."""
CHENGZHONG, CHENGBEI = "431202001", "431202002"
"""The two townships of 鹤城区; 中方县 and 沅陵县 have one each."""
ZHONGFANGZHEN, MAXIPU = "431221100", "431222102"
XINJIE, WENHUA, ZHONGPO, LIPING = "431202001001", "431202001002", "431202002001", "431221100001"
"""Villages: two in 城中街道, one in 城北街道, one in 中方镇; 麻溪铺镇 has none."""

Place = tuple[str, int]
"""Name of a place and its number of micro-grids."""
SMALL: Mapping[str, Place] = {
    CITY: ("怀化市", 0),
    HECHENG: ("鹤城区", 0),
    CHENGZHONG: ("城中街道", 0),
    XINJIE: ("新街社区", 6),
    WENHUA: ("文化山社区", 4),
    CHENGBEI: ("城北街道", 0),
    ZHONGPO: ("中坡社区", 10),
    ZHONGFANG: ("中方县", 0),
    ZHONGFANGZHEN: ("中方镇", 0),
    LIPING: ("莉坪社区", 5),
    YUANLING: ("沅陵县", 0),
    # Not a village: a sum that includes this number counts too many micro-grids.
    MAXIPU: ("麻溪铺镇", 7),
}
"""3 counties, 4 townships, 4 villages; 20 + 5 = 25 micro-grids, 10 + 10 of them in 鹤城区."""

_LEVELS = {6: "county", 9: "township", 12: "village"}
_COLUMNS = "code, name, level, parent, microgrids, valid_from, valid_to"


@contextlib.contextmanager
def registered(town: Town, places: Mapping[str, Place]) -> Iterator[None]:
    """Replaces the register with these places, and restores it afterwards."""
    client = town.shipped.city.client
    shipped = client.execute(f"SELECT {_COLUMNS} FROM gulou.divisions FINAL")

    def fill(rows: Sequence[Any]) -> None:
        client.execute("TRUNCATE TABLE gulou.divisions")
        client.execute(f"INSERT INTO gulou.divisions ({_COLUMNS}) VALUES", rows)

    fill(
        [
            (
                code,
                name,
                "city" if code == CITY else _LEVELS[len(code)],
                f"{code[:4]}00" if len(code) == 6 else code[:-3],
                grids,
                "",
                "",
            )
            for code, (name, grids) in places.items()
        ]
    )
    try:
        yield
    finally:
        fill(shipped)


def chosen(variable: str, value: str) -> dict[str, Any]:
    """A board's variable, as keyword argument of `Town.ask`."""
    return {variable: value}


def table(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Column names and rows of an answer; empty if there is no row."""
    return [tuple(rows[0]), *(tuple(row.values()) for row in rows)] if rows else []
