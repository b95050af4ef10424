"""A board's variables, links and time range, and the layout of its panels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from grafana_foundation_sdk.models import dashboard as sdk

from dashboards.edition import edition, say
from dashboards.panels import FRESH, PLUGIN, SOURCE, as_json, head_link
from dashboards.queries import choices, freshness
from dashboards.roles import SOURCES, sourced

TAG: Final = "鼓楼"
LISTED: Final = f"{TAG}-主题"
"""Tag of the boards that other boards list: those that need no chosen place."""
ON_WALLS: Final = f"{TAG}-大屏"
"""Tag of the boards in the walls' playlist."""
ALL: Final = "$__all"
COLUMNS: Final = 24

FIRST: Final = "gulou-wall"


def in_order(board: Mapping[str, Any]) -> tuple[bool, str]:
    """Sort key of boards: the wall first, the others by uid."""
    return board["uid"] != FIRST, board["uid"]


Placed = tuple[sdk.Panel | sdk.RowPanel, int, int]
"""A panel with its width (of 24) and height (of 30 px rows); it flows after the one before."""

_DEMO_YEAR: Final = ("2021-01-01T00:00:00+08:00", "2021-12-31T23:59:59+08:00")
_DEMO_DAY: Final = ("2021-12-01T00:00:00+08:00", "2021-12-31T23:59:59+08:00")
_RANGES: Final = (
    ("今天", "now/d", "now"),
    ("最近 7 天", "now-7d", "now"),
    ("最近 30 天", "now-30d", "now"),
    ("今年到现在", "now/y", "now"),
    ("2021 年 12 月（至 12 月 31 日）", *_DEMO_DAY),
    ("2021 全年", *_DEMO_YEAR),
)


def query_variable(
    name: str, label: str, sql: str, *, multi: bool = False, timely: bool = False
) -> sdk.VariableModel:
    """A variable with a query's rows as options: value, then label.

    Args:
        name: as in `${name}`.
        label: shown before it.
        sql: query of its options.
        multi: several or all may be chosen; else exactly one.
        timely: queried again when the time range changes.
    """
    chosen = sdk.VariableOption(text=[say("全部")], value=[ALL]) if multi else sdk.VariableOption()
    return sdk.VariableModel(
        type_val=sdk.VariableType.QUERY,
        name=name,
        label=say(label),
        datasource=SOURCE,
        query={"refId": "v", "queryType": "sql", "rawSql": sql},
        definition=sql,
        multi=multi,
        include_all=multi,
        current=chosen,
        refresh=sdk.VariableRefresh(2 if timely else 1),
        sort=sdk.VariableSort(0),
        options=[],
    )


def choice_variable(name: str, label: str, options: Sequence[tuple[str, str]]) -> sdk.VariableModel:
    """A variable with fixed options, each a value and its label."""
    return sdk.VariableModel(
        type_val=sdk.VariableType.CUSTOM,
        name=name,
        label=say(label),
        query=", ".join(f"{say(zh)} : {value}" for value, zh in options),
        current=sdk.VariableOption(text=say(options[0][1]), value=options[0][0]),
        options=[sdk.VariableOption(text=say(zh), value=value) for value, zh in options],
    )


def counties() -> sdk.VariableModel:
    """Variable of the chosen counties; all by default."""
    return query_variable("county", "县市区", choices.county_options(), multi=True)


def _source() -> sdk.VariableModel:
    return sdk.VariableModel(
        type_val=sdk.VariableType.DATASOURCE,
        name="source",
        label=say("数据"),
        description="Live data, or a replay published as a data source of its own.",
        query=PLUGIN,
        regex="/^(?!.*-desk$)/",  # A panel that needs the clerks' data source names it itself.
        current=sdk.VariableOption(text=SOURCES["viewer"], value=SOURCES["viewer"]),
        refresh=sdk.VariableRefresh(1),
        options=[],
    )


def _fresh() -> sdk.VariableModel:
    """Empty while the data is fresh, else a mark for the titles; queried at every refresh."""
    found = query_variable(FRESH, "数据状态", freshness.stale_mark(), timely=True)
    found.hide = sdk.VariableHide(2)
    found.skip_url_sync = True
    return found


def board(
    uid: str,
    title: str,
    description: str,
    placed: Sequence[Placed],
    variables: Sequence[sdk.VariableModel] = (),
    *,
    up: tuple[str, str] | None = None,
    refresh: str = "30s",
    time: tuple[str, str] = ("now-30d", "now"),
    listed: bool = True,
    on_walls: bool = False,
) -> dict[str, Any]:
    """The board's JSON.

    Args:
        uid: stable name in addresses, at most 40 of letters, digits, `-` and `_`.
        title: Chinese.
        description: English.
        placed: panels in reading order; they flow over 24 columns.
        variables: after the data source's.
        up: title and address of the board one level up.
        refresh: interval at which all queries run again.
        time: range it opens with.
        listed: other boards list it. False for the wall, which is one level above them all, and for
            boards below a county, which need a chosen place.
        on_walls: the walls' playlist shows it.
    """
    # Named one by one: "all variables" would pass on the freshness, which must be queried again.
    names = ["source", *(variable.name for variable in variables)]
    chosen = "".join(f"&${{{name}:queryparam}}" for name in names)
    links = [
        head_link("截至 2021-12-31", f"/d/{uid}?from=1638288000000&to=1640966399000{chosen}"),
        head_link("现在", f"/d/{uid}?from={time[0]}&to={time[1]}{chosen}"),
    ]
    if up:
        links.insert(0, head_link(*up))
    links.append(
        sdk.DashboardLink(
            title=say("其他看板"),
            type_val=sdk.DashboardLinkType.DASHBOARDS,
            icon="dashboard",
            tags=[LISTED],
            keep_time=True,
            include_vars=True,  # Else a board of a replay would link to live boards.
        )
    )
    made = sdk.Dashboard(
        uid=uid,
        title=say(title),
        description=description,
        tags=[TAG, *([LISTED] if listed else []), *([ON_WALLS] if on_walls else [])],
        timezone=edition().zone,
        week_start="monday",
        editable=True,
        refresh=refresh,
        time=sdk.DashboardDashboardTime(from_val=time[0], to=time[1]),
        timepicker=sdk.TimePickerConfig(
            refresh_intervals=["1s", "5s", "10s", "30s", "1m", "5m", "15m", "1h"],
            quick_ranges=[sdk.TimeOption(display=say(d), from_val=f, to=t) for d, f, t in _RANGES],
        ),
        templating=sdk.DashboardDashboardTemplating(
            list_val=[_source(), *variables, _fresh()]
        ),
        annotations=sdk.AnnotationContainer(list_val=[]),
        links=links,
        panels=_flowed(placed),
    )  # fmt: skip
    text = json.dumps(as_json(made), ensure_ascii=False)
    for panel in made.panels or ():
        text = text.replace(f"viewPanel={{{panel.title}}}", f"viewPanel={panel.id_val}")
    plain: dict[str, Any] = json.loads(text)
    for link in [*plain["links"], *(one for p in plain["panels"] for one in p.get("links") or ())]:
        # The SDK's default, `inControlsMenu`, hides the links in a menu of newer Grafanas.
        link.pop("placement", None)
    return sourced(plain)


def _flowed(placed: Sequence[Placed]) -> list[sdk.Panel | sdk.RowPanel]:
    """Places each panel at the highest free spot, leftmost first; ids follow that order."""
    heights = [0] * COLUMNS
    found: list[sdk.Panel | sdk.RowPanel] = []
    for number, (panel, width, height) in enumerate(placed, start=1):
        if isinstance(panel, sdk.RowPanel):
            width, height = COLUMNS, 1
            heights = [max(heights)] * COLUMNS
        tops = [max(heights[x : x + width]) for x in range(COLUMNS - width + 1)]
        top = min(tops)
        left = tops.index(top)
        heights[left : left + width] = [top + height] * width
        panel.grid_pos = sdk.GridPos(h=height, w=width, x=left, y=top)
        panel.id_val = number
        found.append(panel)
    return found
