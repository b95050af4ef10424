"""What a shipped board says fits what was asked of it: time, place, map; and nothing else goes in.

The boards are the shipped ones, over every view, with a few events of June 2021.
"""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect

from dashboards import publish
from dashboards.server.filling import names_in
from infra.http import ACCESS, Grants
from schemas.reference.divisions import SHIPPED
from tests.dashboards.pages import eventually, opened, panel, rows_of, settled
from tests.dashboards.servers import BoardServer, board_server
from tests.dashboards.shipped import provisioned
from tests.histories.told import told
from tests.town import town

JSON = Path(publish.__file__).parent / "json"
BOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in JSON.glob("*.json")}
TOKEN = "publishes"
DENIED = (
    "此图的数据仅供经办人员查看，当前身份不能查看。 请用经办人员的访问令牌登录，令牌由管理员发放。"
)
FINER = (
    "本年帮扶（人次）", "办结期限分布（件）", "司法确认申请（件）", "协议履行率", "结案去向（件）",
    "参评率", "满意率", "环节流转：从哪步到哪步（件）", "各县市区满意率", "逾期信访件（天）",
    "各村社区信访（件）", "全年信访登记（件）", "全年调解登记（件）", "全年调解成功率",
    "调解员成功率",
)  # fmt: skip
"""Panels of persons helped, of cases one by one, and of villages: for clerks alone."""
CANARY = "never-to-be-seen"
FROM, TO = 1_622_476_800_000, 1_623_736_799_000
JUNE = f"from={FROM}&to={TO}"  # to 2021-06-15 13:59:59 in city time
GRID = "431202001001001"
PLACE = {"county": GRID[:6], "township": GRID[:9], "village": GRID[:12], "grid": GRID}
MAP = next(p["id"] for p in BOARDS["gulou-wall"]["panels"] if p["type"] == "geomap")
HONGJIANG, DISTRICT = "431281", "431271"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of access, and the token of each role in a file of its own."""
    root = tmp_path_factory.mktemp("tokens")
    for role in ACCESS:
        (root / role).write_text(Grants(root / "access.json").add(f"the {role}", role))
    return root


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory, tokens: Path) -> Iterator[BoardServer]:
    """The shipped boards behind a token, over visits in four places and a canary beside them."""
    root = tmp_path_factory.mktemp("truth")
    secret = root / "token"
    secret.write_text(TOKEN)
    with town(root / "town") as found:
        visits = {GRID[:12]: 5, "431222": 2, HONGJIANG: 3, DISTRICT: 4}
        grids = {GRID[:12]: GRID}
        found.tell(
            *(
                told("visit.recorded", f"h-{place}-{n}", "2021-06-02 09:00", place=place,
                     grid=grids.get(place, ""))
                for place, number in visits.items()
                for n in range(number)
            )
        )  # fmt: skip
        found.shipped.city.run(f"CREATE VIEW gulou_published.canary AS SELECT '{CANARY}' AS word")
        options = provisioned(root, found.shipped.sources.values())
        doors = ("--token-file", str(secret), "--access", str(tokens / "access.json"))
        with board_server(root / "state", *options, *doors, token=TOKEN) as running:
            yield running


def looked(
    boards: BoardServer, path: str, *fields: tuple[str, str], token: str = ""
) -> requests.Response:
    """The answer to a GET; without a token, to a viewer on this machine."""
    query = urlencode([("from", str(FROM)), ("to", str(TO)), *fields])
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{boards.url}{path}?{query}", headers=headers, timeout=60)


def chosen(uid: str) -> list[tuple[str, str]]:
    """A place for each variable of a board."""
    names = {each["name"] for each in BOARDS[uid]["templating"]["list"]}
    return [(f"var-{name}", value) for name, value in PLACE.items() if name in names]


def asking(uid: str) -> list[dict[str, Any]]:
    return [each for each in BOARDS[uid]["panels"] if each.get("targets")]


# ------------------------------------------------------------------------------ stored panels


@pytest.mark.parametrize("uid", sorted(BOARDS))
def test_every_role_gets_of_every_panel_it_may_see_what_its_sql_gives_a_publisher(
    boards: BoardServer, tokens: Path, uid: str
) -> None:
    values = {"source": "gulou", "figure": "visits", **PLACE}
    # Beside viewer and clerk one other role a panel, in turn.
    others = itertools.cycle(sorted(set(ACCESS) - {"viewer", "clerk"}))
    for number, (each, other) in enumerate(zip(asking(uid), others, strict=False)):
        path = f"/api/boards/{uid}/panels/{each['id']}/query"
        fields = [("intervalMs", "3600000"), *chosen(uid)]
        by_role = {
            role: looked(boards, path, *fields, token=(tokens / role).read_text())
            for role in ("viewer", "clerk", other)
        }
        seen = by_role["clerk"]
        finer = each["title"].partition("$")[0] in FINER
        refused = {role for role, answer in by_role.items() if answer.status_code == 403}
        assert refused == ({"viewer"} if finer else set()), each["title"]
        if finer or number % 3 == 0:
            here = looked(boards, path, *fields)
            assert here.status_code == by_role["viewer"].status_code, each["title"]
        if finer:
            assert by_role["viewer"].json() == here.json() == {"message": DENIED}
        queries: list[dict[str, Any]] = [
            {**target, "datasource": _source_of(target), "intervalMs": 3_600_000,
             "rawSql": publish.filled(target["rawSql"], values)}
            for target in each["targets"]
        ]  # fmt: skip
        body = {"queries": queries, "from": str(FROM), "to": str(TO)}
        raw = boards.call("POST", "/api/ds/query", body).json()["results"]
        known = seen.json()["results"]
        for ref, result in raw.items():
            if "mark" in str(result) or ref == "freshness":
                continue  # the words of both hold the time of their asking
            assert _data(known[ref]) == _data(result), (each["title"], ref)


def _source_of(target: dict[str, Any]) -> dict[str, str]:
    return {"uid": target["datasource"]["uid"].replace("${source}", "gulou")}


def _data(result: dict[str, Any]) -> Any:
    # An empty time series is an error to Grafana's back end.
    return result.get("error") or [frame["data"]["values"] for frame in result["frames"]]


# ------------------------------------------------------------------------------------ hostile

HOSTILE = [
    "'; DROP TABLE canary", "')) UNION ALL SELECT word FROM canary --",
    "\\') UNION ALL SELECT word FROM canary -- ", "') OR 1=1 --", "\\\\'",
    "1 UNION ALL SELECT word FROM canary", "431202,431222", "{431202,431222}",
    "%27)%20UNION%20ALL%20SELECT%20word%20FROM%20canary%20--", "${source}", "$__all ",
    "$__conditionalAll(1=1, $county)", "999999", "鹤城",
]  # fmt: skip


@pytest.mark.parametrize("uid", sorted(BOARDS))
def test_no_variable_of_a_shipped_board_lets_a_viewer_reach_beyond_its_options(
    boards: BoardServer, uid: str
) -> None:
    chance = random.Random(uid)
    names = [each["name"] for each in BOARDS[uid]["templating"]["list"]]
    for name in names:
        for value in HOSTILE:
            asked = [f for f in chosen(uid) if f[0] != f"var-{name}"]
            told_ = looked(boards, f"/api/boards/{uid}/variables", *asked, (f"var-{name}", value))
            assert CANARY not in told_.text
        for each in asking(uid):
            texts = [json.dumps(target) for target in each["targets"]]
            used = name in {n for text in texts for n in names_in(text)}
            # Who does not use a name is asked in vain: a few show that.
            if not used and chance.random() > 0.2:
                continue
            value = chance.choice(HOSTILE)
            kind = chance.choice(["var", "for"])
            asked = [f for f in chosen(uid) if f[0] != f"var-{name}"]
            path = f"/api/boards/{uid}/panels/{each['id']}/query"
            answer = looked(boards, path, *asked, (f"{kind}-{name}", value))
            assert CANARY not in answer.text
            if used and name != "fresh":
                assert answer.status_code == 400, (name, value, each["title"])
                assert "没有这个" in answer.json()["message"]
    assert CANARY in boards.query("SELECT word FROM canary", source="gulou")["frames"][0][
        "data"]["values"][0]  # fmt: skip


def test_a_viewer_cannot_send_sql_to_the_shipped_boards(boards: BoardServer) -> None:
    source, sql = {"uid": "gulou"}, "SELECT word FROM canary"
    body: dict[str, Any] = {"queries": [{"refId": "A", "datasource": source, "rawSql": sql}]}
    refused = requests.post(f"{boards.url}/api/ds/query", json=body, timeout=30)
    assert (refused.status_code, CANARY in refused.text) == (403, False)
    assert refused.json() == {"message": "没有权限：会话只能查看，发布需要令牌。"}


# --------------------------------------------------------------------------------------- time


@pytest.mark.browser
def test_the_walls_heading_states_the_end_of_the_range_that_is_shown(
    page: Page, boards: BoardServer
) -> None:
    opened(page, f"{boards.url}/d/gulou-wall?{JUNE}&refresh=off")
    heading = page.locator("[data-panel-type=text] h1")
    expect(heading).to_contain_text("截至 2021-06-15 13:59:59")
    page.get_by_role("link", name="截至 2021-12-31").click()
    expect(heading).to_contain_text("截至 2021-12-31 23:59:59")
    page.go_back()
    expect(heading).to_contain_text("截至 2021-06-15 13:59:59")


@pytest.mark.browser
def test_the_heading_of_a_live_wall_goes_on_with_every_beat(
    page: Page, boards: BoardServer
) -> None:
    opened(page, f"{boards.url}/d/gulou-wall?from=now-1d&to=now&refresh=1s&kiosk")
    heading = page.locator("[data-panel-type=text] h1")
    seen = {heading.inner_text()}

    def four() -> bool:
        seen.add(heading.inner_text())
        return len(seen) >= 4

    eventually(four)


@pytest.mark.browser
def test_every_text_with_the_range_follows_it(page: Page, boards: BoardServer) -> None:
    stamp = "${__from:date:YYYY-MM-DD} ${__to:date:YYYY-MM-DD}"
    text = {"id": 1, "type": "text", "title": f"题 {stamp}", "description": f"说 {stamp}",
            "gridPos": {"x": 0, "y": 0, "w": 12, "h": 6},
            "options": {"mode": "markdown", "content": f"文 {stamp}"},
            "links": [{"title": f"链 {stamp}", "url": "/d/times?${__url_time_range}"}]}  # fmt: skip
    row = {"id": 2, "type": "row", "title": f"行 {stamp}", "panels": [],
           "gridPos": {"x": 0, "y": 6, "w": 24, "h": 1}}  # fmt: skip
    code = {**text, "id": 3, "title": "码", "links": [], "description": "",
            "gridPos": {"x": 12, "y": 0, "w": 12, "h": 6},
            "options": {"mode": "code", "content": f"码 {stamp}"}}  # fmt: skip
    body = {"dashboard": {"uid": "times", "title": "时间", "timezone": "Asia/Shanghai",
                          "panels": [text, code, row]}, "overwrite": True}  # fmt: skip
    assert boards.call("POST", "/api/dashboards/db", body).status_code == 200
    opened(page, f"{boards.url}/d/times?from={FROM}&to={TO}")
    everything = page.locator(".gulou-grid")
    for sign in "题文链码行":
        expect(everything).to_contain_text(f"{sign} 2021-06-01 2021-06-15")
    day = 86_400_000
    page.evaluate(
        "(query) => { history.pushState(null, '', query);"
        " dispatchEvent(new PopStateEvent('popstate')); }",
        f"?from={FROM - 31 * day}&to={TO - 31 * day}",
    )
    for sign in "题文链码行":
        expect(everything).to_contain_text(f"{sign} 2021-05-01 2021-05-15")
    expect(everything).not_to_contain_text("2021-06")
    link = everything.get_by_role("link", name=re.compile("链")).get_attribute("href")
    assert link == f"/d/times?from={FROM - 31 * day}&to={TO - 31 * day}"


# -------------------------------------------------------------------------------------- place


def _picked(page: Page, variable: str, name: str) -> None:
    page.locator(f"#var-{variable}").click()
    page.get_by_role("option", name=name, exact=True).click()


def _asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


@pytest.mark.browser
def test_another_county_takes_the_first_of_its_own_townships(
    page: Page, boards: BoardServer
) -> None:
    opened(page, f"{boards.url}/d/gulou-township?{JUNE}&refresh=off&var-county=431202"
                 "&var-township=431202001")  # fmt: skip
    visits = panel(page, "本年走访（户次）").first
    expect(visits).to_contain_text("5")
    _picked(page, "county", "沅陵县")
    sql = ("SELECT code, name FROM divisions WHERE level = 'township' AND parent = '431222' "
           "ORDER BY code LIMIT 1")  # fmt: skip
    code, name = (v[0] for v in boards.query(sql, source="gulou")["frames"][0]["data"]["values"])
    expect(page.locator("#var-township")).to_have_value(name)
    page.wait_for_url(lambda url: parse_qs(urlsplit(url).query)["var-township"] == [code])
    expect(visits).not_to_contain_text("5")
    expect(page.locator(".gulou-page-error")).to_have_count(0)
    page.go_back()
    expect(page.locator("#var-township")).to_have_value("城中街道")
    expect(visits).to_contain_text("5")


@pytest.mark.browser
def test_three_levels_below_follow_a_change_at_the_top(page: Page, boards: BoardServer) -> None:
    place = urlencode([(f"var-{name}", value) for name, value in PLACE.items()])
    opened(page, f"{boards.url}/d/gulou-village?{JUNE}&refresh=off&{place}")
    _picked(page, "county", "沅陵县")
    page.wait_for_url(lambda url: "var-village=431222" in url and "var-township=431222" in url)
    settled(page)
    found = _asked(page)
    (township,), (village,) = found["var-township"], found["var-village"]
    assert (township[:6], village[:9]) == ("431222", township)
    expect(page.locator(".gulou-page-error")).to_have_count(0)
    assert page.locator(".gulou-error").all_inner_texts() == [DENIED] * 3  # figures of a village


@pytest.mark.browser
@pytest.mark.parametrize(
    ("uid", "place", "said"),
    [
        ("gulou-county", "var-county=nonsense", "没有这个县市区：“nonsense”"),
        ("gulou-visits", "var-county=431202&var-county=nonsense", "没有这个县市区：“nonsense”"),
        ("gulou-township", "var-county=431222&var-township=431202001",
         "沅陵县没有这个乡镇街道：“431202001”"),
        ("gulou-wall", "var-figure=nonsense", "没有这个地图指标：“nonsense”"),
        ("gulou-wall", "var-source=gone", "没有这个数据：“gone”"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kiosk", ["", "&kiosk&autofitpanels"])
def test_a_place_that_is_not_there_is_called_unknown_and_shows_no_figure(
    page: Page, boards: BoardServer, uid: str, place: str, said: str, kiosk: str
) -> None:
    page.goto(f"{boards.url}/d/{uid}?{JUNE}&refresh=off&{place}{kiosk}")
    expect(page.locator(".gulou-page-error")).to_contain_text(said)
    assert page.get_by_role("alert").all_inner_texts() == [f"{said}。 请从列表中另选。"]
    expect(page.locator("[data-panel-id]")).to_have_count(0)


@pytest.mark.browser
def test_an_unknown_place_is_left_by_choosing_one_from_the_list(
    page: Page, boards: BoardServer
) -> None:
    page.goto(f"{boards.url}/d/gulou-county?{JUNE}&refresh=off&var-county=nonsense")
    expect(page.locator(".gulou-page-error")).to_be_visible()
    _picked(page, "county", "沅陵县")
    expect(panel(page, "本年走访（户次）").first).to_contain_text("2")
    expect(page.locator(".gulou-page-error")).to_have_count(0)


@pytest.mark.browser
def test_a_panel_one_may_not_see_says_so_in_chinese_until_a_clerk_comes(
    page: Page, boards: BoardServer, tokens: Path
) -> None:
    def figure(number: int, title: str, source: str) -> dict[str, Any]:
        query = {"refId": "A", "datasource": {"uid": source}, "rawSql": "SELECT 42", "format": 1}
        place = {"x": number * 6, "y": 0, "w": 6, "h": 6}
        return {"id": number, "type": "stat", "title": title, "gridPos": place,
                "targets": [query]}  # fmt: skip

    shown = [figure(1, "公开", "gulou"), figure(2, "清单", "gulou-desk")]
    body = {"dashboard": {"uid": "roles", "title": "权限", "panels": shown}, "overwrite": True}
    assert boards.call("POST", "/api/dashboards/db", body).status_code == 200
    opened(page, f"{boards.url}/d/roles")
    expect(panel(page, "公开")).to_contain_text("42")
    expect(panel(page, "清单").get_by_role("alert")).to_contain_text(DENIED)
    expect(panel(page, "清单")).not_to_contain_text("42")
    opened(page, f"{boards.url}/d/roles?token={(tokens / 'clerk').read_text()}")
    expect(panel(page, "清单")).to_contain_text("42")
    expect(page).to_have_url(f"{boards.url}/d/roles")


@pytest.mark.browser
def test_an_open_page_takes_a_republished_board(page: Page, boards: BoardServer) -> None:
    def board(title: str, value: int) -> dict[str, Any]:
        query = {"refId": "A", "datasource": {"uid": "gulou"}, "rawSql": f"SELECT {value}",
                 "format": 1}  # fmt: skip
        figure = {"id": 1, "type": "stat", "title": title, "targets": [query],
                  "gridPos": {"x": 0, "y": 0, "w": 6, "h": 6}}  # fmt: skip
        return {"dashboard": {"uid": "again", "title": "再发", "refresh": "1s", "panels": [figure]},
                "overwrite": True}  # fmt: skip

    boards.call("POST", "/api/dashboards/db", board("旧", 41))
    opened(page, f"{boards.url}/d/again")
    expect(panel(page, "旧")).to_contain_text("41")
    boards.call("POST", "/api/dashboards/db", board("新", 42))
    expect(panel(page, "新")).to_contain_text("42")
    expect(panel(page, "旧")).to_have_count(0)


# ---------------------------------------------------------------------------------------- map

OUTLINES = json.loads((SHIPPED.parent / "outlines_431200.geojson").read_text(encoding="utf-8"))


def _points(shape: Any) -> Iterator[tuple[float, float]]:
    if isinstance(shape[0], int | float):
        yield shape[0], shape[1]
    else:
        for each in shape:
            yield from _points(each)


LAND = [p for each in OUTLINES["features"] for p in _points(each["geometry"]["coordinates"])]
WEST, EAST = min(x for x, _ in LAND), max(x for x, _ in LAND)
SOUTH, NORTH = min(y for _, y in LAND), max(y for _, y in LAND)
# A degree of longitude is shorter than one of latitude by the cosine of the latitude.
TRUE = (EAST - WEST) * math.cos(math.radians((SOUTH + NORTH) / 2)) / (NORTH - SOUTH)
MARKS = {each["properties"]["code"]: each["properties"]["cp"] for each in OUTLINES["features"]}
MARKS |= {DISTRICT: [109.996, 27.117]}

_DRAWN = """() => {
  // Outlines lie on the first canvas, marks on the second.
  const canvas = document.querySelector('[data-panel-type=geomap] canvas');
  const { width, height } = canvas;
  const ink = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    if (ink[(y * width + x) * 4 + 3] > 40) {
      left = Math.min(left, x); right = Math.max(right, x);
      top = Math.min(top, y); bottom = Math.max(bottom, y);
    }
  }
  const box = canvas.getBoundingClientRect();
  const scale = width / box.width;
  return { left: box.left + left / scale, right: box.left + (right + 1) / scale,
           top: box.top + top / scale, bottom: box.top + (bottom + 1) / scale,
           wide: box.width, high: box.height };
}"""


def _land(page: Page) -> dict[str, float]:
    """Edges of the drawn outlines in px, once they stand still."""
    seen: list[dict[str, float]] = [{}]

    def still() -> bool:
        page.wait_for_timeout(200)
        seen.append(page.evaluate(_DRAWN))
        return seen[-1] == seen[-2] and seen[-1]["right"] > seen[-1]["left"]

    eventually(still)
    return seen[-1]


@pytest.mark.browser
@pytest.mark.parametrize(
    ("width", "height", "view"),
    [
        *((1920, 1080, view) for view in ("", f"&viewPanel={MAP}", "&kiosk&autofitpanels")),
        (1366, 768, ""),
        (3840, 2160, "&kiosk&autofitpanels"),
        (900, 1400, f"&viewPanel={MAP}"),
    ],
)
def test_the_map_has_true_proportions_at_every_size(
    page: Page, boards: BoardServer, width: int, height: int, view: str
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    opened(page, f"{boards.url}/d/gulou-wall?{JUNE}&refresh=off&theme=light{view}")
    land = _land(page)
    wide, high = land["right"] - land["left"], land["bottom"] - land["top"]
    # The rim's line is 1 px wide on each side.
    assert abs(wide / high - TRUE) / TRUE < 3 / min(wide, high) + 0.01, (wide, high)
    assert max(wide / land["wide"], high / land["high"]) > 0.85, "as large as fits"
    assert max(wide / land["wide"], high / land["high"]) <= 1


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_the_map_leads_to_each_of_the_thirteen_divisions(page: Page, boards: BoardServer) -> None:
    wall = f"{boards.url}/d/gulou-wall?{JUNE}&refresh=off&theme=light&viewPanel={MAP}"
    reached = []
    for x, y in MARKS.values():
        opened(page, wall)
        land = _land(page)
        across = (x - WEST) / (EAST - WEST) * (land["right"] - land["left"])
        down = (NORTH - y) / (NORTH - SOUTH) * (land["bottom"] - land["top"])
        page.mouse.click(land["left"] + across, land["top"] + down)
        page.wait_for_url("**/d/gulou-county?**")
        reached += _asked(page)["var-county"]
    assert reached == list(MARKS)
    assert len(set(reached)) == 13


@pytest.mark.browser
def test_map_and_ranking_show_one_figure_of_each_division(page: Page, boards: BoardServer) -> None:
    opened(page, f"{boards.url}/d/gulou-wall?{JUNE}&refresh=off")
    found = {}
    for title in ("怀化市地图：本年走访（户次）", "各县市区：本年走访（户次）"):
        head, *lines = rows_of(page, title)
        name = head.index("name")
        value = head.index("own" if title.startswith("各") else "本年走访（户次）")
        found[title] = {line[name]: line[value] for line in lines}
    drawn, ranked = found.values()
    assert drawn == ranked
    assert len(drawn) == 13
    assert (drawn["洪江市"], drawn["怀化市洪江管理区"], drawn["鹤城区"]) == ("3", "4", "5")
