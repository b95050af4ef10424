"""The shipped boards in Chromium, over a running stack: Kafka, worker, real views."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Page, expect

from dashboards import publish
from dashboards.boards import every
from dashboards.layout import ON_WALLS
from infra.http import Grants
from infra.settings import Settings
from infra.stack import Stack
from tests.dashboards.pages import (
    POLLING_MS,
    WAIT_MS,
    eventually,
    faint_texts,
    opened,
    panel,
    rows_of,
    settled,
)
from tests.dashboards.servers import BoardServer
from tests.histories.small import CITY, VILLAGES, History, Message
from tests.live import Live

pytestmark = [pytest.mark.browser, pytest.mark.stack]

JSON = Path(publish.__file__).parent / "json"
BOARDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in JSON.glob("*.json")}
SIZES = [(1366, 768), (1920, 1080), (3840, 2160)]
YEAR_END = "from=1638288000000&to=1640966399000"  # December 2021 in city time
GRID = f"{VILLAGES[3]}003"  # The history only visits 001 and 002.
PLACE = f"var-county={GRID[:6]}&var-township={GRID[:9]}&var-village={GRID[:12]}&var-grid={GRID}"


def _visit(number: int, time: datetime, grid: str = GRID) -> Message:
    household = f"k1.{number:032x}"
    event = {
        "specversion": "1.0", "id": f"wall-{number}", "source": "//huaihua/wall",
        "type": "visit.recorded", "dataschema": "urn:gulou:visit.recorded:2",
        "time": time.isoformat(), "recorded": time.isoformat(),
        "division": grid[:12], "grid": grid,
        "data": {"household": household, "role": "cadre", "purpose": "routine", "lasted": 9,
                 "met": 2},
    }  # fmt: skip
    return Message("visits", household.encode(), json.dumps(event).encode())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    ports = dict.fromkeys((n for n in Settings.model_fields if n.endswith("_port")), 0)
    home = tmp_path_factory.mktemp("wall")
    settings = Settings().model_copy(update={"home": home, "workers": 1, **ports})
    with Stack(settings) as running:
        live = Live(running)
        live.send(History(20211231, "wall").messages(1500))
        day = datetime(2021, 12, 31, 9, tzinfo=CITY)
        live.send(_visit(n, day - timedelta(days=n)) for n in range(1, 40))
        live.await_counted()
        yield live
        live.close()


@pytest.fixture(scope="module")
def boards(stack: Live) -> BoardServer:
    where = stack.stack.parts()["boards"]["where"]
    token = stack.settings.grafana_token.get_secret_value()
    return BoardServer(None, where, token)  # type: ignore[arg-type]  # the stack owns the process


@pytest.fixture(scope="module")
def clerk(stack: Live) -> str:
    """The token of a clerk, who sees every panel."""
    return Grants(stack.settings.access_file).add("desk", "clerk")


@pytest.fixture
def page(page: Page, boards: BoardServer, clerk: str) -> Page:
    page.context.request.get(f"{boards.url}/?token={clerk}")  # leaves its cookie
    return page


def _url(boards: BoardServer, uid: str, *more: str) -> str:
    return f"{boards.url}/d/{uid}?{'&'.join([YEAR_END, PLACE, *more])}"


def _walked(page: Page) -> None:
    """Scrolls through a board and back, so that each panel sends its queries."""
    page.evaluate(
        """async () => {
          for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
            scrollTo(0, y);
            await new Promise((done) => setTimeout(done, 60));
          }
        }"""
    )
    page.wait_for_function(
        "[...document.querySelectorAll('[data-panel-id]')]"
        ".every((p) => p.dataset.state !== 'waiting')",
        timeout=WAIT_MS,
        polling=POLLING_MS,
    )
    page.evaluate("scrollTo(0, 0)")


_OVERLAPS = """() => {
  const cells = [...document.querySelectorAll('.gulou-cell')].map((c) => c.getBoundingClientRect());
  return cells.flatMap((a, i) => cells.slice(i + 1).filter((b) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
}"""


@pytest.mark.parametrize("uid", sorted(BOARDS))
def test_every_shipped_board_is_whole_at_three_sizes_and_readable_in_both_themes(
    page: Page, boards: BoardServer, uid: str
) -> None:
    asked = [p for p in BOARDS[uid]["panels"] if p["type"] != "row"]
    for (width, height), theme in zip(SIZES, ("light", "dark", ""), strict=True):
        page.goto("about:blank")  # Else the new size makes the old board send useless queries.
        page.set_viewport_size({"width": width, "height": height})
        more = [f"theme={theme}"] if theme else []
        assert opened(page, _url(boards, uid, "refresh=off", *more)) == [], (width, height)
        _walked(page)
        assert page.locator("[data-panel-id]").count() == len(asked)
        assert page.locator(".gulou-error").all_inner_texts() == [], (width, height)
        assert page.locator(".gulou-unknown").count() == 0
        assert page.evaluate(_OVERLAPS) == [], (width, height)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.locator(".gulou-banner")).to_have_count(0)
        assert not theme or faint_texts(page) == [], theme


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_shipped_wall_fits_the_screen_and_its_key_figures_are_large(
    page: Page, boards: BoardServer, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    opened(page, _url(boards, "gulou-wall", "kiosk", "autofitpanels"))
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight + 1")
    assert page.locator(".gulou-controls").count() == 0
    if height >= 1080:
        assert min(_key_figures(page, 8)) >= 48 * height / 1080


@pytest.mark.parametrize("uid", [b["uid"] for b in every() if ON_WALLS in b["tags"]])
def test_the_key_figures_of_every_board_on_a_wall_are_large(
    page: Page, boards: BoardServer, uid: str
) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    opened(page, _url(boards, uid, "kiosk", "autofitpanels"))
    assert min(_key_figures(page, 4)) >= 48


def _key_figures(page: Page, least: int) -> list[float]:
    """Heights of key figures' numbers in px, once there are at least `least`."""
    page.wait_for_function(
        "(least) => [...document.querySelectorAll('[data-panel-type=stat] span')]"
        ".filter((s) => /^[\\d.,]+$/.test(s.textContent)).length >= least",
        arg=least,
    )
    sizes: list[float] = page.evaluate(
        "[...document.querySelectorAll('[data-panel-type=stat] span')]"
        ".filter((s) => /^[\\d.,]+$/.test(s.textContent) && !s.children.length)"
        ".map((s) => parseFloat(getComputedStyle(s).fontSize)"
        " * (Number(document.documentElement.style.zoom) || 1))"
    )
    return sizes


def _asked(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def test_clicking_leads_from_the_wall_down_to_a_micro_grid_and_up_again(
    page: Page, boards: BoardServer
) -> None:
    opened(page, f"{boards.url}/d/gulou-wall?{YEAR_END}&refresh=off")
    chart = page.locator("[data-panel-type=barchart] canvas").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    # Points along the first, longest bar; its height depends on the number of counties.
    for share in (0.03, 0.05, 0.08, 0.12):
        chart.click(position={"x": box["width"] * 0.5, "y": box["height"] * share})
        page.wait_for_timeout(300)
        if "/d/gulou-county" in page.url:
            break
    page.wait_for_url("**/d/gulou-county?**", timeout=5000)
    settled(page)
    _choose(page, "沅陵县", GRID[:6])
    for uid, variable in (
        ("gulou-township", "township"),
        ("gulou-village", "village"),
        ("gulou-microgrid", "grid"),
    ):
        settled(page)
        _walked(page)
        value = {"township": GRID[:9], "village": GRID[:12], "grid": GRID}[variable]
        page.locator(f"[data-panel-type=table] a[href*='var-{variable}={value}']").first.click()
        page.wait_for_url(f"**/d/{uid}?**")
        assert _asked(page)[f"var-{variable}"] == [value]
        assert _asked(page)["to"] == ["1640966399000"], "the evening stays the same on every level"
    expect(panel(page, "历年走访")).to_contain_text("39")
    for name, uid in (
        ("↑ 村社区", "gulou-village"),
        ("↑ 乡镇街道", "gulou-township"),
        ("↑ 县市区", "gulou-county"),
        ("↑ 全市", "gulou-wall"),
    ):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(f"**/d/{uid}?**")
    settled(page)


def _choose(page: Page, county: str, code: str) -> None:
    page.locator("#var-county").click()
    page.get_by_role("option", name=county).click()
    page.wait_for_url(lambda url: f"var-county={code}" in url)


def test_another_county_brings_its_own_townships(page: Page, boards: BoardServer) -> None:
    opened(page, f"{boards.url}/d/gulou-township?{YEAR_END}&refresh=off&var-county=431202")
    _choose(page, "沅陵县", "431222")
    page.locator("#var-township").click()
    sql = "SELECT name FROM divisions WHERE level = 'township' AND startsWith(code, '431222')"
    names = {str(n) for n in boards.query(sql, source="gulou")["frames"][0]["data"]["values"][0]}

    def shown() -> set[str]:
        return set(page.get_by_role("option").all_inner_texts())

    # Until the answer arrives, the list is still the old county's.
    eventually(lambda: bool(shown()) and shown() <= names)


HOSTILE = ["'; DROP TABLE x", "') OR 1=1 --", "\\' OR 1=1 -- ", "\\\\'"]


def _fuzzed(count: int) -> list[str]:
    chance = random.Random(20211231)
    pieces = [*"'\\\"`();{},１", "--", "/*", "*/", "%27", "%5C", " OR 1=1", " UNION ALL SELECT 1"]
    pieces += ["\n", "\t", "${county}", "$__all ", "鹤城"]
    return ["".join(chance.choices(pieces, k=chance.randint(2, 9))) for _ in range(count)]


VALUES = HOSTILE + _fuzzed(8)
BY_QUERY = 3
"""How many of them each query is asked with: one function quotes for all."""
BY_VARIABLE = {
    "figure": "gulou-wall", "county": "gulou-county", "township": "gulou-township",
    "village": "gulou-village", "grid": "gulou-microgrid",
}  # fmt: skip


def _queries(
    uid: str, name: str, others: dict[str, str], values: Iterator[str]
) -> list[dict[str, Any]]:
    """The queries of a board that use the variable `name`, each with the next of its values."""
    return [
        {"refId": f"q{panel['id']}{n}", "format": 1,
         "datasource": {"uid": publish._source(target, "gulou")},
         "rawSql": publish.filled(target["rawSql"], {**others, name: next(values)}),
         "intervalMs": 86_400_000}
        for panel in BOARDS[uid]["panels"]
        for n, target in enumerate(panel.get("targets") or ())
        if f"${{{name}:" in target["rawSql"]
    ]  # fmt: skip


def _found(boards: BoardServer, queries: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The columns of each query; asserts that none fails."""
    body = {"queries": queries, "from": "1638288000000", "to": "1640966399000"}
    results = boards.call("POST", "/api/ds/query", body).json()["results"]
    assert [r["error"] for r in results.values() if "error" in r] == []
    return {ref: [frame["data"]["values"] for frame in r["frames"]] for ref, r in results.items()}


def _rows(found: dict[str, list[Any]]) -> dict[str, int]:
    """The number of rows of each query."""
    return {ref: sum(len(c[0]) for c in columns if c) for ref, columns in found.items()}


@pytest.mark.parametrize("name", sorted(BY_VARIABLE))
def test_a_hostile_value_in_a_publishers_sql_gets_no_extra_row(
    boards: BoardServer, name: str
) -> None:
    uid = BY_VARIABLE[name]
    places = {"county": GRID[:6], "township": GRID[:9], "village": GRID[:12], "grid": GRID}
    good = {"figure": "visits"} | {n: places[n] for n in _variables(uid) if n in places}
    # The result for a well-formed value that names nothing.
    nothing = _found(boards, _queries(uid, name, good, itertools.repeat("no-such-value")))
    assert _found(boards, _queries(uid, name, good, itertools.repeat(good[name]))) != nothing
    for first in range(0, len(VALUES), len(VALUES) // BY_QUERY):
        turn = _queries(uid, name, good, itertools.cycle(VALUES[first:] + VALUES[:first]))
        assert _rows(_found(boards, turn)) == _rows(nothing), [each["rawSql"] for each in turn]


def _variables(uid: str) -> set[str]:
    return {each["name"] for each in BOARDS[uid]["templating"]["list"]}


@pytest.mark.timeout(300)
def test_a_hostile_value_in_the_address_is_called_unknown(page: Page, boards: BoardServer) -> None:
    opened(page, _url(boards, "gulou-microgrid", "refresh=off"))
    expect(panel(page, "历年走访")).to_contain_text("39")
    for value in VALUES[::2]:
        changed = PLACE.replace(f"var-grid={GRID}", f"var-grid={quote(value, safe='')}")
        page.evaluate(
            "(query) => { history.pushState(null, '', query);"
            " dispatchEvent(new PopStateEvent('popstate')); }",
            f"?{YEAR_END}&{changed}&refresh=off",
        )
        expect(page.locator(".gulou-page-error"), value).to_contain_text("没有这个微网格：“")
        expect(page.locator("[data-panel-id]"), value).to_have_count(0)
        page.evaluate(
            "(query) => { history.pushState(null, '', query);"
            " dispatchEvent(new PopStateEvent('popstate')); }",
            f"?{YEAR_END}&{PLACE}&refresh=off",
        )
        expect(panel(page, "历年走访")).to_contain_text("39")


def test_a_table_of_a_shipped_board_gives_its_rows_as_csv(page: Page, boards: BoardServer) -> None:
    opened(page, _url(boards, "gulou-village", "refresh=off"))
    _walked(page)
    titles = [p["title"] for p in BOARDS["gulou-village"]["panels"] if p["type"] == "table"]
    title = next(t for t in titles if "微网格（" in t)
    panel(page, title).scroll_into_view_if_needed()
    rows = rows_of(page, title)
    assert "微网格" in rows[0]
    assert GRID in {cell for row in rows[1:] for cell in row}


def test_an_event_that_goes_through_kafka_and_the_worker_is_on_the_wall(
    page: Page, boards: BoardServer, stack: Live
) -> None:
    opened(page, f"{boards.url}/d/gulou-wall?kiosk&autofitpanels&refresh=1s&from=now-7d&to=now")
    today = panel(page, "今日走访（户次）").locator("span", has_text="0").first
    expect(today).to_have_text("0")
    now = datetime.now(CITY)
    stack.send([_visit(5000 + n, now - timedelta(seconds=n)) for n in range(7)])
    expect(panel(page, "今日走访（户次）").get_by_text("7", exact=True)).to_be_visible()
    expect(page.locator(".gulou-banner")).to_have_count(0)


def test_a_worker_that_stops_turns_every_shipped_board_grey_with_the_reason(
    page: Page, boards: BoardServer, stack: Live
) -> None:
    opened(page, _url(boards, "gulou-county", "refresh=1s"))
    expect(page.locator(".gulou-banner")).to_have_count(0)
    os.kill(stack.stack.pid(stack.workers()[0]), signal.SIGSTOP)
    try:
        expect(page.locator(".gulou-banner")).to_contain_text("处理程序停止于")
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        expect(page.locator(".gulou-board")).to_have_attribute("data-stale", "true")
    finally:
        os.kill(stack.stack.pid(stack.workers()[0]), signal.SIGCONT)
    eventually(lambda: page.locator(".gulou-banner").count() == 0, 60)
