"""The target and parameters of every link on every board, written by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from dashboards import boards, publish

EVERY = {board["uid"]: board for board in boards.every()}
ALONG: Final = "?${__url_time_range}&var-source=${source:percentencode}"
"""Every link keeps the time range and the data source."""
COUNTY: Final = "&var-county=${county:percentencode}"
TOWNSHIP: Final = COUNTY + "&var-township=${township:percentencode}"
VILLAGE: Final = TOWNSHIP + "&var-village=${village:percentencode}"
OF_ROW: Final = "&var-county=${__data.fields.code}"
"""The county of the clicked row."""

Way = tuple[str, str, str]
"""Place of the link (`value`, `head` or a column), its text, its address."""


def to(board: str, variables: str = "") -> str:
    return f"/d/gulou-{board}{ALONG}{variables}"


PIPELINE: Final = ("管道健康", to("pipeline"))
THEMES: Final = {
    "visits": "走访覆盖",
    "petitions": "信访诉求",
    "mediations": "矛盾调解",
    "funds": "幸福基金",
}


def ways(board: dict[str, Any], panel: dict[str, Any]) -> list[Way]:
    """Every link of a panel; the address of a panel contains its title."""
    config = panel.get("fieldConfig", {"defaults": {}, "overrides": []})
    found = [("value", link) for link in config["defaults"].get("links") or ()]
    found += [("head", link) for link in panel.get("links") or ()]
    found += [
        (each["matcher"]["options"], link)
        for each in config["overrides"]
        for setting in each["properties"]
        if setting["id"] == "links"
        for link in setting["value"]
    ]
    titles = {str(p["id"]): p["title"] for p in board["panels"]}

    def named(url: str) -> str:
        before, mark, number = url.partition("viewPanel=")
        return before + mark + titles[number] if mark else url

    return [(where, link["title"], named(link["url"])) for where, link in found]


def expected(uid: str, panel: dict[str, Any]) -> list[Way]:
    """One link per figure; a line also has it in its head, a table in its head or a column."""
    title, kind = panel["title"].removesuffix("${fresh}"), panel["type"]
    if kind == "text":
        return []
    if title == "数据状态":
        return [("value", *PIPELINE)]
    if found := COLUMNS.get((uid, title)):
        return [found]
    way = WAYS[uid](title)
    places = {"table": ("head",), "timeseries": ("value", "head")}.get(kind, ("value",))
    return [(place, *way) for place in places]


def of_wall(title: str) -> tuple[str, str]:
    if title.startswith(("各县市区：", "怀化市地图")):
        return "进入 ${__data.fields.name}", to("county", OF_ROW)
    topics = {"走访": "visits", "信访": "petitions", "调解": "mediations", "基金": "funds"}
    topics |= {"诉求登记": "visits", "诉求办结": "visits", "按期": "petitions"}
    if title.startswith("诉求、信访"):
        return "信访诉求", to("petitions")
    theme = next(theme for word, theme in topics.items() if word in title)
    return THEMES[theme], to(theme)


def of_place(title: str) -> tuple[str, str]:
    topics = {"走访": "visits", "微网格": "visits", "诉求": "visits", "对比": "visits"}
    topics |= {"信访": "petitions", "按期": "petitions", "调解": "mediations"}
    topics |= {"基金": "funds", "筹集": "funds"}
    theme = next(theme for word, theme in topics.items() if word in title)
    return THEMES[theme], to(theme, COUNTY)


def beside(uid: str, panel: str, words: str, kept: str = "") -> tuple[str, str]:
    """Text and address of a link to another panel of the same board."""
    return words, to(uid, f"{kept}&viewPanel={panel}")


CHOSEN: Final = "&${county:queryparam}"
WAYS: Final[dict[str, Callable[[str], tuple[str, str]]]] = {
    "gulou-wall": of_wall,
    "gulou-county": of_place,
    "gulou-township": of_place,
    "gulou-village": of_place,
    "gulou-microgrid": lambda _: ("回到本村", to("village", VILLAGE)),
    "gulou-petitions": lambda _: beside("petitions", "各县市区（件）", "按县市区", CHOSEN),
    "gulou-mediations": lambda _: beside("mediations", "各县市区（件）", "按县市区", CHOSEN),
    "gulou-visits": lambda _: beside("visits", "各县市区（个、户次、件）", "按县市区", CHOSEN),
    "gulou-funds": lambda _: beside("funds", "各县市区（万元）", "按县市区", CHOSEN),
    "gulou-pipeline": lambda title: of_pipeline(title),
}


def of_pipeline(title: str) -> tuple[str, str]:
    refused = ("重复（条）", "冲突（条）", "更正对象未到（条）", "搁置（条）", "死信（条）")
    tables = ("未计入的消息（条）", "投影水位（条）", "数据块（个、行）", "分区与水位（条）")
    if title in tables:
        return "城市运行总览", to("wall")
    if title in refused:
        return beside("pipeline", "未计入的消息（条）", "未计入的消息")
    return beside("pipeline", "分区与水位（条）", "分区与水位")


INTO: Final = ("county_name", "进入县市区", to("county", OF_ROW))
DOWN: Final = "进入下一级"
COLUMNS: Final[dict[tuple[str, str], Way]] = {
    ("gulou-wall", "预警：逾期事项（件）"): ("county_name", "信访诉求", to("petitions", OF_ROW)),
    ("gulou-wall", "最新事件（件）"): ("county_name", "进入", to("county", OF_ROW)),
    ("gulou-county", "下一级：乡镇街道（个、户次、件）"): (
        "place_name", DOWN, to("township", COUNTY + "&var-township=${__data.fields.code}"),
    ),
    ("gulou-township", "下一级：村社区（个、户次、件）"): (
        "place_name", DOWN, to("village", TOWNSHIP + "&var-village=${__data.fields.code}"),
    ),
    ("gulou-village", "微网格（次、件、天）"): (
        "grid", DOWN, to("microgrid", VILLAGE + "&var-grid=${__data.fields.grid}"),
    ),
    ("gulou-petitions", "各县市区（件）"): INTO,
    ("gulou-petitions", "各县市区满意率"): INTO,
    ("gulou-petitions", "逾期信访件（天）"): INTO,
    ("gulou-mediations", "各县市区（件）"): INTO,
    ("gulou-visits", "各县市区（个、户次、件）"): INTO,
    ("gulou-funds", "各县市区（万元）"): INTO,
    ("gulou-visits", "未走访微网格最多的村社区（个）"): (
        "village_name",
        "进入村社区",
        to(
            "village",
            "&var-county=${__data.fields.county}&var-township=${__data.fields.township}"
            "&var-village=${__data.fields.village}",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("uid", EVERY)
def test_a_panel_leads_to_what_lies_behind_it(uid: str) -> None:
    board = EVERY[uid]
    for panel in board["panels"]:
        assert ways(board, panel) == expected(uid, panel), panel["title"]


# -------------------------------------------------------------------- heads and variables

NOW = ("now-30d", "now")
OVER_ALL: Final = {
    # uid: title, variables, one level up, refresh, range
    "gulou-wall": ("城市运行总览", "figure", None, "5s", NOW),
    "gulou-county": ("县市区下钻", "county", ("↑ 全市", to("wall")), "30s", NOW),
    "gulou-township": (
        "乡镇街道下钻", "county township", ("↑ 县市区", to("county", COUNTY)), "30s", NOW,
    ),
    "gulou-village": (
        "村社区下钻", "county township village",
        ("↑ 乡镇街道", to("township", TOWNSHIP)), "30s", NOW,
    ),
    "gulou-microgrid": (
        "微网格下钻", "county township village grid",
        ("↑ 村社区", to("village", VILLAGE)), "30s", NOW,
    ),
    "gulou-petitions": ("信访诉求", "county", ("城市运行总览", to("wall")), "30s", NOW),
    "gulou-mediations": ("矛盾调解", "county", ("城市运行总览", to("wall")), "30s", NOW),
    "gulou-visits": ("走访覆盖", "county", ("城市运行总览", to("wall")), "30s", NOW),
    "gulou-funds": ("幸福基金", "county", ("城市运行总览", to("wall")), "30s", NOW),
    "gulou-pipeline": ("管道健康", "", ("城市运行总览", to("wall")), "5s", ("now-24h", "now")),
}  # fmt: skip
DAY_MS: Final = 86_400_000
DECEMBER_MS: Final = 1_638_288_000_000  # 2021-12-01 00:00 in the city


def test_every_board_is_here() -> None:
    assert set(OVER_ALL) == set(EVERY)


@pytest.mark.parametrize("uid", OVER_ALL)
def test_a_board_opens_with_its_range_and_leads_up_and_to_the_end_of_2021(uid: str) -> None:
    title, variables, up, refresh, (since, until) = OVER_ALL[uid]
    board = EVERY[uid]
    assert (board["title"], board["refresh"]) == (title, refresh)
    assert board["time"] == {"from": since, "to": until}
    assert (board["timezone"], board["weekStart"]) == ("Asia/Shanghai", "monday")
    names = [v["name"] for v in board["templating"]["list"]]
    assert names == ["source", *variables.split(), "fresh"]
    kept = "".join(f"&${{{name}:queryparam}}" for name in names[:-1])
    # All of December up to its last second, in ms since 1970.
    past = f"from={DECEMBER_MS}&to={DECEMBER_MS + 31 * DAY_MS - 1000}"
    links = [(link["title"], link.get("url")) for link in board["links"]]
    assert links == [
        *([up] if up else []),
        ("截至 2021-12-31", f"/d/{uid}?{past}{kept}"),
        ("现在", f"/d/{uid}?from={since}&to={until}{kept}"),
        ("其他看板", None),
    ]


@pytest.mark.parametrize("uid", EVERY)
def test_a_list_of_boards_names_those_that_need_no_place_chosen(uid: str) -> None:
    board = EVERY[uid]
    listed = uid in (
        "gulou-county", "gulou-petitions", "gulou-mediations", "gulou-visits", "gulou-funds",
        "gulou-pipeline",
    )  # fmt: skip
    on_walls = uid == "gulou-wall" or uid.removeprefix("gulou-") in THEMES
    assert board["tags"] == [
        "鼓楼",
        *(["鼓楼-主题"] if listed else []),
        *(["鼓楼-大屏"] if on_walls else []),
    ]
    assert board["links"][-1]["tags"] == ["鼓楼-主题"]


LABELS: Final = {
    "source": "数据",
    "county": "县市区",
    "township": "乡镇街道",
    "village": "村社区",
    "grid": "微网格",
    "figure": "地图指标",
    "fresh": "数据状态",
}


@pytest.mark.parametrize("uid", EVERY)
def test_a_theme_begins_with_all_counties_and_a_place_is_one(uid: str) -> None:
    theme = uid.removeprefix("gulou-") in THEMES
    for variable in EVERY[uid]["templating"]["list"]:
        name = variable["name"]
        assert variable["label"] == LABELS[name]
        several = theme and name == "county"
        assert (variable["multi"], variable["includeAll"]) == (several, several), name
        # Visited micro-grids and the freshness are queried again when the range changes.
        if variable["type"] == "query":
            assert variable["refresh"] == (2 if name in ("grid", "fresh") else 1), name
            assert variable["sort"] == 0  # as the query orders them
        if several:
            assert variable["current"] == {"text": ["全部"], "value": ["$__all"]}


def test_what_the_map_can_show_and_what_it_shows_first() -> None:
    (figure,) = (v for v in EVERY["gulou-wall"]["templating"]["list"] if v["name"] == "figure")
    options = {
        "visits": "本年走访（户次）",
        "closed": "本年诉求办结（件）",
        "raised": "本年诉求登记（件）",
        "open": "未结信访（件）",
        "overdue": "逾期信访（件）",
        "balance": "基金余额（万元）",
    }
    assert {o["value"]: o["text"] for o in figure["options"]} == options
    assert figure["current"] == {"value": "visits", "text": "本年走访（户次）"}
    assert figure["query"] == ", ".join(f"{text} : {value}" for value, text in options.items())


@pytest.mark.parametrize("uid", EVERY)
def test_ranges_on_offer_are_whole_days_of_the_city(uid: str) -> None:
    picker = EVERY[uid]["timepicker"]
    assert picker["refresh_intervals"] == ["1s", "5s", "10s", "30s", "1m", "5m", "15m", "1h"]
    end = "2021-12-31T23:59:59+08:00"
    assert [(r["display"], r["from"], r["to"]) for r in picker["quick_ranges"]] == [
        ("今天", "now/d", "now"),
        ("最近 7 天", "now-7d", "now"),
        ("最近 30 天", "now-30d", "now"),
        ("今年到现在", "now/y", "now"),
        ("2021 年 12 月（至 12 月 31 日）", "2021-12-01T00:00:00+08:00", end),
        ("2021 全年", "2021-01-01T00:00:00+08:00", end),
    ]


def test_walls_show_the_city_and_the_four_themes_a_minute_each() -> None:
    assert publish.PLAYLIST == ("gulou-walls", "鼓楼大屏轮播", "1m")
    themes = ["gulou-funds", "gulou-mediations", "gulou-petitions", "gulou-visits"]
    items = publish.playlist(EVERY.values())["items"]
    assert [item["value"] for item in items] == ["gulou-wall", *themes]


def test_a_figure_of_the_wall_stands_in_the_row_of_its_kind() -> None:
    rows: dict[int, list[str]] = {}
    for panel in EVERY["gulou-wall"]["panels"]:
        if panel["type"] == "stat":
            rows.setdefault(panel["gridPos"]["y"], []).append(panel["title"][:4])
    assert [len(row) for row in rows.values()] == [6, 6, 4]
    assert EVERY["gulou-wall"]["panels"][0]["options"]["content"] == (
        "# 怀化市 · 城市运行总览　　截至 ${__to:date:YYYY-MM-DD HH:mm:ss}"
    )
