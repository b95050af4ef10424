"""A handful of panel functions: title, query and meaning in, Grafana's JSON out.

A figure is `Number`: it can't be made without a unit and a description, so no panel can.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, cast

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard as sdk
from grafana_foundation_sdk.models.common import DataSourceRef

from dashboards.columns import column_name, columns_of
from dashboards.edition import edition, say
from dashboards.queries.freshness import BELIEVED
from schemas.errors import Misconfigured

PLUGIN: Final = "grafana-clickhouse-datasource"
PLUGIN_VERSION: Final = "4.20.0"  # 4.19 breaks variables whose values look like numbers.
SOURCE: Final = DataSourceRef(type_val=PLUGIN, uid="${source}")
FRESHNESS: Final = "freshness"
"""A target of this name reports in its columns `stale` and `reason` whether its board can be
trusted; the embedded board server greys the whole board when it is stale."""

FRESH: Final = "fresh"
STALE_MARK: Final = "${" + FRESH + "}"
"""Suffix of a key figure's title: empty while the data is fresh, else a mark. The board server
greys the whole board; Grafana can't, and a tile must not look live beside one that warns (D-67)."""

MAPS: Final = "public/maps"
"""Path of the counties' outlines, in the address and in Grafana's home directory: a map reads a
file, never a query."""

TABLE, TIME_SERIES = 1, 0  # Codes of the plugin's `format`.

# Blue and orange differ for every kind of colour blindness; a lighter third lies between them.
# All have a contrast of at least 4.5:1 on the dark canvas and on the tints of the light one.
GOOD: Final = "#56a8f5"
WARN: Final = "#f0b429"
BAD: Final = "#ff7a5c"
CALM: Final = "#9fb4d0"


Columns = Mapping[str, Mapping[str, Any]]
"""Settings of single columns by name."""


class Unit(StrEnum):
    """Grafana's code for a number's format; the panel's title spells the unit out."""

    COUNT = "locale"
    RATE = "percentunit"
    SECONDS = "s"
    DAYS = "suffix: 天"
    TIME = "time:YYYY-MM-DD HH:mm:ss"
    TEXT = "string"


@dataclass(frozen=True)
class Target(Dataquery):
    """One query as the ClickHouse plugin stores it; the SDK has no type for it."""

    sql: str
    format: int = TABLE
    ref: str = "A"

    def to_json(self) -> dict[str, object]:
        """The plugin's model; only its editor uses `meta` and `editorType`."""
        series = self.format == TIME_SERIES
        return {
            "refId": self.ref,
            "datasource": SOURCE,
            "editorType": "sql",
            "format": self.format,
            "queryType": "timeseries" if series else "table",
            "pluginVersion": PLUGIN_VERSION,
            "rawSql": self.sql,
        }


@dataclass(frozen=True)
class Number:
    """What a panel shows, and what a reader needs to trust it.

    Attributes:
        title: Chinese, with the unit in brackets where the number itself doesn't carry it.
        unit: format of the number.
        meaning: English: the formula, its denominator and the legal source.
        link: title and address of the next level down, or of the evidence.
        steps: value at which a colour starts, ascending; the first is the floor.
        column: the column to show if the query has several.
        decimals: digits after the decimal point.
        none: text shown for NULL or no row.
    """

    title: str
    unit: Unit
    meaning: str
    link: tuple[str, str] | None = None
    steps: tuple[tuple[float | None, str], ...] = ((None, GOOD),)
    column: str = ""
    decimals: int | None = None
    none: str = "—"
    columns: Columns = field(default_factory=dict)
    """Settings of single columns by name: `unit`, `links`, `custom.width` and so on."""


_REDUCED: Final = {"calcs": ["lastNotNull"], "values": False, "fields": ""}
_EVERY_ROW: Final = {"calcs": ["lastNotNull"], "values": True, "fields": ""}


def stat(number: Number, sql: str, *, size: int = 0) -> sdk.Panel:
    """One figure, as large as its place allows; `size` in px fixes it.

    Numbers get no fixed size: on a small screen it cuts off digits, and 188,1 is a wrong number.
    """
    text = number.unit is Unit.TEXT
    if not text:
        number = replace(number, title=say(number.title) + STALE_MARK)
    options = {
        "reduceOptions": {**_REDUCED, "fields": f"/^{number.column}$/" if number.column else ""},
        "graphMode": "none",
        "colorMode": "value",
        "textMode": "value",
        "justifyMode": "center",
        "text": {"valueSize": size} if size else {},
    }
    panel = _panel("stat", number, sql, options)
    if text and panel.field_config and panel.field_config.defaults:
        panel.field_config.defaults.unit = "string"
    return panel


def trust(number: Number, sql: str, *, size: int = 17) -> sdk.Panel:
    """Whether the board can be trusted, in words; the query has the columns `stale`, `reason`."""
    panel = stat(replace(number, column="reason"), sql, size=size)
    panel.targets = [Target(sql, ref=FRESHNESS)]
    assert panel.field_config and panel.field_config.defaults
    calm = sdk.ValueMappingResult(color=GOOD, index=0)
    begins = "|".join(re.escape(say(text)).replace("\\ ", " ") for text in BELIEVED)
    options = sdk.DashboardRegexMapOptions(pattern=f"/^({begins})/", result=calm)
    panel.field_config.defaults.mappings = [sdk.RegexMap(options=options)]
    panel.field_config.defaults.thresholds = _thresholds(((None, BAD),))
    return panel


def gauge(number: Number, sql: str) -> sdk.Panel:
    """A rate on a dial from 0 to 1, with its thresholds marked on the rim."""
    options = {
        "reduceOptions": {**_REDUCED, "fields": f"/^{number.column}$/" if number.column else ""},
        "showThresholdMarkers": True,
        "showThresholdLabels": False,
    }
    panel = _panel("gauge", replace(number, title=say(number.title) + STALE_MARK), sql, options)
    assert panel.field_config and panel.field_config.defaults
    panel.field_config.defaults.min_val, panel.field_config.defaults.max_val = 0.0, 1.0
    return panel


def ranking(number: Number, *queries: str) -> sdk.Panel:
    """Horizontal bars, one per row: first text column as its name, first number as its length."""
    options = {
        "orientation": "horizontal",
        "showValue": "always",
        "legend": {"showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
        "barWidth": 0.75,
        "groupWidth": 0.7,
        "stacking": "none",
    }
    custom = {"fillOpacity": 85, "lineWidth": 0}
    panel = _panel("barchart", number, queries[0], options, custom=custom)
    _ask(panel, queries)
    return panel


def columns(number: Number, sql: str) -> sdk.Panel:
    """Vertical bars, one per row."""
    options = {
        "orientation": "vertical",
        "showValue": "auto",
        "legend": {"showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
        "stacking": "none",
        "groupWidth": 0.7,
        "barWidth": 0.9,
    }
    return _panel("barchart", number, sql, options, custom={"fillOpacity": 85, "lineWidth": 0})


def shares(number: Number, sql: str) -> sdk.Panel:
    """A donut with one slice per row: name and number."""
    options = {
        "reduceOptions": _EVERY_ROW,
        "pieType": "donut",
        "displayLabels": ["percent"],
        "legend": {
            "showLegend": True,
            "displayMode": "table",
            "placement": "right",
            "values": ["value", "percent"],
        },
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return _palette(_panel("piechart", number, sql, options))


def trend(
    number: Number,
    sql: str,
    names: Mapping[str, str] | None = None,
    *,
    labelled: bool = False,
    least: str = "1h",
) -> sdk.Panel:
    """Lines over time.

    Args:
        number: what it shows.
        sql: a column `time`, and one number column per line.
        names: mapping from a column to the name of its line.
        labelled: one line per value of the text column `line` instead.
        least: minimum interval of a point.
    """
    if names:
        number = replace(number, columns={k: {"displayName": zh} for k, zh in names.items()})
    custom = {
        "lineWidth": 2,
        "fillOpacity": 12,
        "gradientMode": "opacity",
        "showPoints": "auto",  # A single day has no line: without a point the panel is empty.
        "lineInterpolation": "linear",
        "spanNulls": False,
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    panel = _palette(_panel("timeseries", number, sql, options, custom=custom))
    panel.targets = [Target(sql, format=TIME_SERIES)]
    panel.links = _head(number)  # A line does not look clickable.
    panel.interval = least  # Figures are stored by the hour, messages by the minute.
    assert panel.field_config and panel.field_config.defaults
    if labelled:
        panel.field_config.defaults.display_name = "${__field.labels.line}"
    return panel


def table(number: Number, *queries: str, largest: str = "", topic: str = "") -> sdk.Panel:
    """Rows; `number.columns` gives each column its unit, link and width.

    Args:
        number: what it shows.
        queries: run in parallel; one query over many views would read them one after another.
            Rows that agree in all the columns they share are merged into one row.
        largest: column to sort merged rows by, largest first.
        topic: family whose fields name the columns that the boards have no word for.
    """
    options = {"showHeader": True, "cellHeight": "sm", "frameIndex": 0}
    named = {
        name: {"displayName": zh} | dict(number.columns.get(name, {}))
        for sql in queries
        for name in columns_of(sql)
        if (zh := column_name(name, topic))
    }
    number = replace(number, columns={**number.columns, **named})
    # Only one column, or else the panel's head, has a link: a link in every cell is noise.
    plain = replace(number, link=None)
    panel = _panel("table", plain, queries[0], options, custom={"align": "auto", "minWidth": 64})
    _ask(panel, queries, largest)
    if not any("links" in settings for settings in number.columns.values()):
        panel.links = _head(number)
    return panel


# One transparent pixel as a data URL. An empty address makes Grafana load its default, ArcGIS
# tiles, and so does a base map of type `default`.
_NO_TILE: Final = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def city_map(number: Number, *queries: str) -> sdk.Panel:
    """Outlines and one marker per county; columns `name`, `code`, `longitude`, `latitude`, `value`.

    Nothing is fetched from the internet: the base map is empty, and the server that shows the
    board also serves the outlines.

    Raises:
        Misconfigured: the edition's city has no outlines.
    """
    city = edition()
    if city.map is None:
        raise Misconfigured(
            f"There are no outlines of {city.city}.",
            do=f"Put outlines_{city.code}.geojson beside its divisions file.",
        )
    (x, y), zoom = city.map.middle, 7.6
    style = {
        "size": {"field": "value", "fixed": 8, "min": 8, "max": 26},
        "color": {"field": "value", "fixed": GOOD},
        "text": {"field": "name", "mode": "field", "fixed": ""},
        "opacity": 0.8,
        "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
    }
    options = {
        "view": {
            "id": "coords",
            "lat": round(y, 1),
            "lon": round(x, 1),
            "zoom": zoom,
            "allLayers": True,
        },
        "controls": {"showZoom": False, "mouseWheelZoom": False, "showAttribution": False},
        "basemap": {
            "type": "xyz",
            "name": say("无底图"),
            "config": {"url": _NO_TILE, "attribution": " "},
        },
        "layers": [
            {
                "type": "geojson",
                "name": say("县界"),
                "config": {
                    "src": f"{MAPS}/{city.code}.geojson",
                    "style": {"color": {"fixed": CALM}, "opacity": 0.15, "lineWidth": 1},
                },
            },
            {
                "type": "markers",
                "name": say("县市区"),
                "location": {
                    "mode": "coords",
                    "latitude": "latitude",
                    "longitude": "longitude",
                },
                "config": {"style": style, "showLegend": False},
                "tooltip": True,
            },
        ],
        "tooltip": {"mode": "details"},
    }
    panel = _panel("geomap", number, queries[0], options)
    _ask(panel, queries)
    assert panel.field_config and panel.field_config.defaults
    # Shades of one hue, pale to dark: readers see the order without telling hues apart.
    panel.field_config.defaults.color = sdk.FieldColor(mode=sdk.FieldColorModeId.CONTINUOUS_BLUES)
    return panel


def note(title: str, text: str) -> sdk.Panel:
    """A paragraph of Markdown."""
    return sdk.Panel(
        type_val="text",
        title=say(title),
        description="Explanation; no figures.",
        options={"mode": "markdown", "content": say(text)},
    )


def heading(text: str) -> sdk.Panel:
    """The title of a wall: kiosk mode hides the bar that would show it."""
    return sdk.Panel(
        type_val="text",
        title="",
        description="Title and the instant all is judged by; no figures.",
        transparent=True,
        options={"mode": "markdown", "content": text},
    )


def row(title: str) -> sdk.RowPanel:
    """A heading over the panels below it."""
    return sdk.RowPanel(title=say(title), panels=[])


def url_of(board: str, *kept: str, **values: str) -> str:
    """Address of a board with variables; it keeps the time range and the data source.

    Args:
        board: its uid.
        kept: variables of this board passed on with all their chosen values.
        values: other variables and their values.
    """
    chosen = "".join(f"&${{{name}:queryparam}}" for name in kept)
    chosen += "".join(f"&var-{name}={value}" for name, value in values.items())
    return f"/d/{board}?${{__url_time_range}}&var-source=${{source:percentencode}}{chosen}"


def beside(board: str, title: str, *kept: str) -> str:
    """Address of a panel of the same board; `layout.board` replaces the title by the panel's id."""
    return f"{url_of(board, *kept)}&viewPanel={{{say(title)}}}"


def head_link(title: str, url: str) -> sdk.DashboardLink:
    """A link in the head of a board or of a panel."""
    return sdk.DashboardLink(
        title=say(title), type_val=sdk.DashboardLinkType.LINK, icon="external link", url=url
    )


def as_json(value: object) -> Any:
    """Plain JSON values of anything made of the SDK's types."""
    return json.loads(json.dumps(value, cls=JSONEncoder, ensure_ascii=False))


def _panel(
    kind: str,
    number: Number,
    sql: str,
    options: dict[str, Any],
    custom: dict[str, Any] | None = None,
) -> sdk.Panel:
    color = sdk.FieldColor(mode=sdk.FieldColorModeId.THRESHOLDS)
    defaults = sdk.FieldConfig(
        unit=number.unit.value,
        decimals=number.decimals,
        thresholds=_thresholds(number.steps),
        color=color,
        no_value=say(number.none),
        custom=custom,
        links=[_link(*number.link)] if number.link else None,
    )
    overrides = [
        sdk.DashboardFieldConfigSourceOverrides(
            matcher=sdk.MatcherConfig(id_val="byName", options=name),
            properties=[
                sdk.DynamicConfigValue(id_val=k, value=_said(k, v)) for k, v in given.items()
            ],
        )
        for name, given in number.columns.items()
    ]
    return sdk.Panel(
        type_val=kind,
        title=say(number.title),
        description=number.meaning,
        datasource=SOURCE,
        targets=[Target(sql)],
        field_config=sdk.FieldConfigSource(defaults=defaults, overrides=overrides),
        options=options,
    )


def _said(key: str, value: Any) -> Any:
    """A column setting with its visible texts in the language of the edition."""
    if key == "displayName":
        return say(value)
    if key == "links":
        return [{**link, "title": say(link["title"])} for link in value]
    return value


def _ask(panel: sdk.Panel, queries: Sequence[str], largest: str = "") -> None:
    """Gives the panel several queries and merges their rows."""
    if len(queries) == 1:
        return
    panel.targets = [Target(sql, ref=chr(ord("A") + n)) for n, sql in enumerate(queries)]
    # Not joinByField: it appends each query's letter to its column names (D-71).
    steps: list[tuple[str, dict[str, Any]]] = [("merge", {})]
    if largest:
        steps.append(("sortBy", {"sort": [{"field": largest, "desc": True}]}))
    panel.transformations = [
        sdk.DataTransformerConfig(id_val=name, options=options) for name, options in steps
    ]


def _palette(panel: sdk.Panel) -> sdk.Panel:
    assert panel.field_config and panel.field_config.defaults
    panel.field_config.defaults.color = sdk.FieldColor(mode=sdk.FieldColorModeId.PALETTE_CLASSIC)
    return panel


def _thresholds(steps: Sequence[tuple[float | None, str]]) -> sdk.ThresholdsConfig:
    return sdk.ThresholdsConfig(
        mode=sdk.ThresholdsMode.ABSOLUTE,
        steps=[sdk.Threshold(value=value, color=color) for value, color in steps],
    )


def _head(number: Number) -> list[sdk.DashboardLink] | None:
    """The figure's link, in the panel's head."""
    return [head_link(*number.link)] if number.link else None


def _link(title: str, url: str) -> sdk.DashboardLink:
    # A data link is a title and an address; the SDK's type for it also has the fields of a menu.
    return cast(sdk.DashboardLink, {"title": say(title), "url": url})
