"""2,816 real petitions with their official replies; the file is not distributed."""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from producers.client import Encoder
from producers.ledgers.importing import RowOutcome, load_mapping, outcomes
from producers.vault import Vault
from schemas.reference.divisions import Divisions
from tests.producers import petition_figures as expected

# Skipped only without the folder: a file that moved inside it must fail.
pytestmark = pytest.mark.skipif(
    not expected.LEDGER.parents[2].exists(),
    reason=f"the real petitions are not here: {expected.LEDGER.parents[2]} is missing",
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[RowOutcome]:
    path: Path = tmp_path_factory.mktemp("keys") / "keys.db"
    with Vault(path) as vault:
        encoder = Encoder(vault, Divisions.load())
        return list(outcomes(expected.LEDGER, load_mapping(expected.MAPPING), encoder))


@pytest.fixture(scope="module")
def events(found: list[RowOutcome]) -> list[Mapping[str, Any]]:
    return [json.loads(message.payload) for each in found for message in each.messages]


def test_figures_of_the_events_are_those_of_the_file(events: list[Mapping[str, Any]]) -> None:
    registered = {e["data"]["petition"]: e for e in events if e["type"] == "petition.registered"}
    replied = {e["data"]["petition"]: e for e in events if e["type"] == "petition.replied"}
    days = [
        (at(replied[number]) - at(registered[number])).total_seconds() / 86_400
        for number in replied
    ]
    content = [e["data"]["content"] for e in registered.values()]
    people = Counter(e["data"]["petitioner"] for e in registered.values())
    assert {
        "cases": len(registered),
        "replied": len(replied),
        "median_days": round(statistics.median(days), 4),
        "p90_days": round(statistics.quantiles(days, n=10, method="inclusive")[8], 4),
        "repeat_petitioners": sum(count > 1 for count in people.values()),
        "equal_content_pairs": expected.pairs(content),
        "filed_twice_pairs": expected.pairs(
            (e["data"]["petitioner"], at(e), e["data"]["content"]) for e in registered.values()
        ),
    } == expected.figures()


def at(event: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(event["time"])


def test_every_row_makes_two_events_or_is_explained(found: list[RowOutcome]) -> None:
    assert [each.row for each in found] == list(range(2, 2_818))
    assert all(len(each.messages) == 2 or each.rejection is not None for each in found)
    assert not [each for each in found if each.rejection is not None]


def test_a_reply_of_which_only_the_day_is_known_is_kept(events: list[Mapping[str, Any]]) -> None:
    times = [e["time"] for e in events if e["data"]["petition"] == "27610"]
    assert times == ["2018-03-19T10:05:04+08:00", "2018-04-24T00:00:00+08:00"]


def test_the_place_is_the_city_itself_because_it_is_unknown(
    events: list[Mapping[str, Any]],
) -> None:
    assert {e["division"] for e in events} == {"431200"}


def test_the_shipped_mapping_is_about_fifteen_lines() -> None:
    assert len(expected.MAPPING.read_text(encoding="utf-8").splitlines()) <= 16


def test_the_committed_figures_are_those_of_the_file() -> None:
    text = (Path(__file__).parents[2] / "docs" / "petitions.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| `(\w+)` \| ([\d.]+) \|", text)
    assert {name: float(value) for name, value in rows} == expected.figures()
