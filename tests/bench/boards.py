"""Time until a wall is drawn, latency of its queries and events, and the cost of many walls."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import numpy as np
import psutil
from playwright.sync_api import Page

from dashboards.boards import every
from dashboards.publish import DAY_MS, Grafana, check
from infra import database as apply
from infra.parts import board_source
from infra.settings import Settings
from infra.stack import Stack
from producers._bulk import BulkProducer
from producers.simulator.history import City, History, live, play
from producers.vault import Vault
from schemas.families import families
from schemas.projections import Rollup
from schemas.sql.targets import target
from tests.bench.ground import SEED, say, until
from tests.dashboards.browsers import chromium, tab
from tests.dashboards.pages import settled

_END_OF_2021_MS = 1_640_966_399_000
_ASKED = 40
# Runs of each panel's query. The engine compiles repeated queries, so two of the first four answers
# are slow: of 20 they would set the 95th percentile, in a wall's day they do not matter.
_PAINTS, _EVENTS = 5, 10
_BEATS, _REFRESH_MS = 12, 5_000  # refreshes of the walls in the measurement of cost
_FEW, _MANY = 2, 50
_MOST_S = 500.0
_CALM_S = 15  # without a merge before the first query
_TODAY = "今日走访（户次）"


@dataclass(frozen=True)
class Seen:
    """Results of one run."""

    paints_s: list[float]
    queries_ms: dict[str, float]
    """95th percentile by board, panel and query."""
    events_s: list[float]
    cost_ratio: float


@contextmanager
def _running(home: Path) -> Iterator[Stack]:
    ports = {name: 0 for name in Settings.model_fields if name.endswith("_port")}
    with Stack(Settings.load(home=home, **ports)) as stack:
        yield stack


def measure(home: Path, scale: float) -> Seen:
    """One run over the whole history, on a separate stack."""
    with _running(home) as stack:
        settings = stack.settings
        city = City.load(Vault(home / "keys.db"))
        _fill(settings, city, scale)
        grafana = Grafana(_url(settings), settings.grafana_token.get_secret_value())
        queries = _queries(grafana, settings)
        with chromium() as browser:
            paints = [_paint(tab(browser), settings) for _ in range(_PAINTS)]
            say(f"    the wall is drawn after {np.median(paints):.2f} s")
            events = _events(tab(browser), settings, city)
            asked = _asked_by_a_wall(tab(browser), settings)
        clickhouse = psutil.Process(stack.pid("clickhouse"))
        idle, few, many = (_cost(settings, clickhouse, asked, n) for n in (0, _FEW, _MANY))
        say(f"    ClickHouse CPU a second: {idle:.3f} without, {few:.3f} with {_FEW} walls, "
            f"{many:.3f} with {_MANY}")  # fmt: skip
    return Seen(paints, queries, events, (many - idle) / (few - idle))


def _url(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.board_port}"


def _producer(settings: Settings) -> BulkProducer:
    options = settings.kafka_options("producer")
    return BulkProducer(options.pop("bootstrap_servers"), options=options)


def _fill(settings: Settings, city: City, scale: float) -> None:
    with _producer(settings) as kafka:
        messages = play(History(city, SEED, scale=scale), kafka.send_bytes)
        kafka.flush()
    say(f"    {messages:,} messages in Kafka")
    grafana = Grafana(_url(settings), settings.grafana_token.get_secret_value())
    until(lambda: _behind(grafana, settings) == 0, "all of it counted", timeout_s=_MOST_S)
    # In real use the history was loaded long before: cases and coverage are each in one large part,
    # no merge runs, and everything is written to disk.
    clickhouse = apply.address(settings).connect()
    tables = [
        target(family, each)
        for family in families()
        for each in family.projections
        if not isinstance(each, Rollup)
    ]
    parts = (
        "SELECT count() FROM system.parts WHERE active AND rows > 1000 AND database = %(database)s "
        "AND table IN %(tables)s"
    )
    values = {"database": settings.database, "tables": tables}
    calm: deque[bool] = deque(maxlen=_CALM_S)

    def settled_down() -> bool:
        merging = clickhouse.execute("SELECT count() FROM system.merges")[0][0]
        whole = clickhouse.execute(parts, values)[0][0] <= len(tables)
        calm.append(whole and not merging)
        time.sleep(1)
        return len(calm) == _CALM_S and all(calm)

    until(settled_down, "all of it merged", timeout_s=_MOST_S)
    os.sync()
    clickhouse.disconnect()


def _behind(grafana: Grafana, settings: Settings) -> int:
    sql = "SELECT toInt64(sum(lag)), toInt64(sum(messages)) FROM pipeline"
    query = {
        "refId": "A",
        "datasource": {"uid": board_source(settings)["uid"]},
        "rawSql": sql,
        "format": 1,
    }
    answer = grafana.call("POST", "/ds/query", {"queries": [query], "from": "0", "to": "1"})
    (lag,), (stored,) = answer["results"]["A"]["frames"][0]["data"]["values"]
    return int(lag) if stored else -1


def _queries(grafana: Grafana, settings: Settings) -> dict[str, float]:
    """Every panel's query at the end of 2021, as over the network, without shared answers."""
    took: dict[str, list[float]] = defaultdict(list)
    source, boards = str(board_source(settings)["uid"]), every()
    # Keeps garbage collection of this program's own data out of the measured times.
    gc.collect()
    gc.freeze()
    for _ in range(_ASKED):
        for one in check(grafana, source, boards, start_ms=_END_OF_2021_MS - 30 * DAY_MS,
                         end_ms=_END_OF_2021_MS):  # fmt: skip
            if one.error:
                raise RuntimeError(f"{one.board} / {one.panel}: {one.error}")
            took[f"{one.board} / {one.panel}"].append(one.took_ms)
    found = {name: float(np.percentile(times, 95)) for name, times in took.items()}
    for name, p95 in sorted(found.items(), key=lambda each: -each[1])[:8]:
        say(f"    p95 {p95:6.0f} ms  {name}")
    return found


def _wall(settings: Settings, query: str) -> str:
    return f"{_url(settings)}/d/gulou-wall?kiosk&{query}"


def _paint(page: Page, settings: Settings) -> float:
    """Seconds from opening the wall until every panel is drawn, with an empty cache."""
    began = time.monotonic()
    page.goto(_wall(settings, f"from={_END_OF_2021_MS - 30 * DAY_MS}&to={_END_OF_2021_MS}"),
              wait_until="commit")  # fmt: skip
    settled(page)
    took = time.monotonic() - began
    page.context.close()
    return took


def _events(page: Page, settings: Settings, city: City) -> list[float]:
    """Seconds from passing a visit to the producer until the wall's count of today grows."""
    page.goto(_wall(settings, "from=now-24h&to=now&refresh=1s"))
    settled(page)
    visits = (
        message
        for batch in live(city, SEED, 50.0)
        for message in batch
        if message[0] == "visits" and b'"visit.recorded"' in message[2]
    )
    found = []
    with _producer(settings) as kafka:
        for _ in range(_EVENTS):
            before = _today(page)
            topic, key, payload = next(visits)
            began = time.monotonic()
            kafka.send_bytes(topic, key, payload)
            kafka.flush()
            ended = until(lambda before=before: _today(page) > before, "it is on the wall")
            found.append(ended - began)
    page.context.close()
    say(f"    an event is on the wall after {np.median(found):.2f} s, at most {max(found):.2f} s")
    return found


def _today(page: Page) -> int:
    text = page.locator("[data-panel-id]", has_text=_TODAY).first.inner_text()
    digits = [line for line in text.splitlines() if line.replace(",", "").strip().isdigit()]
    return int(digits[0].replace(",", "")) if digits else 0


def _asked_by_a_wall(page: Page, settings: Settings) -> list[str]:
    """The addresses of the panels that one real wall asks per refresh."""
    asked: list[str] = []
    page.goto(_wall(settings, "from=now-24h&to=now&refresh=5s"))
    settled(page)

    def keep(request: Any) -> None:
        if "/panels/" in request.url:
            asked.append(request.url)

    page.on("request", keep)
    page.wait_for_timeout(_REFRESH_MS)  # one full refresh
    page.context.close()
    return asked


def _cost(
    settings: Settings, clickhouse: psutil.Process, asked: Sequence[str], walls: int
) -> float:
    """CPU seconds per second of ClickHouse while that many walls send queries like real ones."""
    # Starts just after a refresh: other windows had twelve refreshes or thirteen.
    time.sleep(_to_beat_s() + 0.2)
    before, began = sum(clickhouse.cpu_times()[:2]), time.monotonic()
    asyncio.run(_walls(asked, walls))
    return float((sum(clickhouse.cpu_times()[:2]) - before) / (time.monotonic() - began))


async def _walls(asked: Sequence[str], walls: int) -> None:
    async with aiohttp.ClientSession() as session:
        if not walls:
            await asyncio.sleep(_BEATS * _REFRESH_MS / 1000)
        await asyncio.gather(*(_one_wall(session, asked) for _ in range(walls)))


def _to_beat_s() -> float:
    """Seconds until just after the next whole multiple of the refresh."""
    return (_REFRESH_MS - time.time() * 1000 % _REFRESH_MS) / 1000 + 0.005


async def _one_wall(session: aiohttp.ClientSession, asked: Sequence[str]) -> None:
    """Sends queries at whole multiples of the refresh, with the same rounded now, like the page."""
    for _ in range(_BEATS):
        await asyncio.sleep(_to_beat_s())
        to = round(time.time() * 1000) // _REFRESH_MS * _REFRESH_MS
        await asyncio.gather(*(_ask(session, url, to) for url in asked))


async def _ask(session: aiohttp.ClientSession, url: str, to: int) -> None:
    address = urlsplit(url)
    fields = parse_qsl(address.query, keep_blank_values=True)
    given = dict(fields)
    since = to - (int(given["to"]) - int(given["from"]))
    moved = {"from": str(since), "to": str(to)}
    query = urlencode([(name, moved.get(name, value)) for name, value in fields])
    async with session.get(address._replace(query=query).geturl()) as answer:
        await answer.read()
