"""Publishing and every panel's query, on the board server and on any real Grafana.

GULOU_TEST_GRAFANA is the address of the real one, GULOU_TEST_GRAFANA_TOKEN the token of a service
account with the role Admin. It uses its own ClickHouse: it must have a data source with the uid
`gulou`, or GULOU_TEST_GRAFANA_SOURCE must hold one as JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dashboards import boards, publish
from dashboards.roles import SOURCES
from tests.dashboards.servers import board_server
from tests.dashboards.shipped import provisioned, shipped

REAL = os.environ.get("GULOU_TEST_GRAFANA", "")
TOKEN = "a-long-word-for-the-test"
EVERY = boards.every()
# 2021 in the city's zone, up to its last millisecond
YEAR = (1_609_430_400_000, 1_640_966_399_999)


@dataclass(frozen=True)
class Target:
    """A Grafana under test, and its intended data sources, the viewers' first."""

    grafana: publish.Grafana
    sources: list[dict[str, Any]]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    root = tmp_path_factory.mktemp("grafana")
    token = root / "token"
    token.write_text(TOKEN)
    with shipped(root) as city:
        city.city.add(
            "visits",
            "visit.recorded",
            "2021-06-01 09:00:00",
            {"role": "cadre", "purpose": "care", "lasted": 5, "met": 1},
            grid="431202001001001001",
        )
        city.beat()
        arguments = (*provisioned(root, city.sources.values()), "--token-file", str(token))
        with board_server(root / "state", *arguments, token=TOKEN) as running:
            yield Target(publish.Grafana(running.url, TOKEN), [*city.sources.values()])


@pytest.fixture(scope="module", params=["embedded", "real"])
def target(request: pytest.FixtureRequest) -> Target:
    if request.param == "embedded":
        found: Target = request.getfixturevalue("embedded")
        return found
    if not REAL:
        pytest.skip("GULOU_TEST_GRAFANA names no Grafana")
    grafana = publish.Grafana(REAL, os.environ.get("GULOU_TEST_GRAFANA_TOKEN", ""))
    given = json.loads(os.environ.get("GULOU_TEST_GRAFANA_SOURCES", "[]"))
    sources = given or [grafana.get(f"/datasources/uid/{uid}") for uid in SOURCES.values()]
    assert all(sources), f"not all of {[*SOURCES.values()]} are there or given"
    kept = ("uid", "name", "type", "access", "isDefault", "jsonData", "secureJsonData")
    return Target(grafana, [{key: one[key] for key in kept if key in one} for one in sources])


def published(target: Target) -> list[str]:
    told: list[str] = []
    publish.publish(target.grafana, target.sources, EVERY, told.append)
    return told


def test_publishing_twice_leaves_all_as_it_was_and_nothing_to_tell(target: Target) -> None:
    published(target)
    again = [line for line in published(target) if not line.startswith("map outlines")]
    assert len(again) == len(EVERY) + 4
    assert [line for line in again if not line.endswith(": as it was")] == []
    found = publish.drift(target.grafana, target.sources, EVERY)
    assert [line for line in found if not line.startswith("map outlines")] == []


def test_a_board_is_read_back_as_it_was_written(target: Target) -> None:
    published(target)
    for board in EVERY:
        there = target.grafana.get(f"/dashboards/uid/{board['uid']}")
        assert {key: there["dashboard"].get(key) for key in board} == board
        assert there["meta"]["folderUid"] == publish.FOLDER[0]


def test_boards_are_found_by_their_tag_and_walls_by_their_playlist(target: Target) -> None:
    published(target)
    found = target.grafana.get("/search?type=dash-db&tag=%E9%BC%93%E6%A5%BC&limit=100")
    assert {board["uid"] for board in found} >= {board["uid"] for board in EVERY}
    playlist = publish._found_playlist(target.grafana)
    assert [item["value"] for item in playlist["items"]] == [
        item["value"] for item in publish.playlist(EVERY)["items"]
    ]


@pytest.mark.parametrize("board", EVERY, ids=lambda board: board["uid"])
def test_every_panels_query_gives_frames(target: Target, board: dict[str, Any]) -> None:
    published(target)
    asked = list(
        publish.check(
            target.grafana, target.sources[0]["uid"], [board], start_ms=YEAR[0], end_ms=YEAR[1]
        )
    )
    queries = [t for panel in board["panels"] for t in panel.get("targets") or ()]
    variables = [v for v in board["templating"]["list"] if v["type"] == "query"]
    assert len(asked) == len(queries) + len(variables)
    assert [(one.panel, one.error) for one in asked if one.error] == []
    # A figure is always one row, whatever it counts; so is the board's freshness.
    stats = [p for p in board["panels"] if p["type"] in ("stat", "gauge")]
    rows = {one.panel: one.rows for one in asked}
    for panel in stats:
        assert rows[panel["title"].removesuffix("${fresh}")] == 1, panel["title"]
