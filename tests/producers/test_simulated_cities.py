"""For any city, seed and size, the figures are exact and the shares add up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.simulator.city import apportioned
from producers.simulator.history import City, History, microgrid_counts
from producers.vault import Vault
from schemas.errors import Misconfigured
from schemas.families import families
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import Division, Divisions
from schemas.wire import Decoder, Rejected

FIGURES = {
    "visits_2021": 1_881_000,
    "requests_closed_2021": 339_000,
    "fund_raised_fen": 31_200_000_000,
    "fund_helped": 23_000,
    "fund_projects": 172_000,
}
EXAMPLES = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def divisions(counties: int, townships: int, villages: int) -> Divisions:
    codes = ["990000"]
    for c in range(1, counties + 1):
        codes.append(f"9900{c:02}")
        for t in range(1, townships + 1):
            codes.append(f"9900{c:02}{t:03}")
            codes += [f"9900{c:02}{t:03}{v:03}" for v in range(1, villages + 1)]
    return Divisions([Division(code, f"示例{code}", "", "") for code in codes])


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    with Vault(tmp_path_factory.mktemp("keys") / "keys.db") as made:
        yield made


@EXAMPLES
@given(
    counties=st.integers(1, 3),
    townships=st.integers(0, 3),
    villages=st.integers(0, 4),
    seed=st.integers(0, 2**40),
    scale=st.floats(0.0001, 0.002),
)
def test_in_any_city_the_net_figures_are_the_published_ones_to_scale(
    vault: Vault, counties: int, townships: int, villages: int, seed: int, scale: float
) -> None:
    places = divisions(counties, townships, villages)
    calendar = Calendar.load("Asia/Shanghai")
    city = City(places, microgrid_counts(places), vault, calendar)
    made = History(city, seed, scale=scale)
    summary = made.summary()
    assert summary.figures == {name: round(value * scale) for name, value in FIGURES.items()}
    decoders = {f.topic: Decoder(f.events, places) for f in families()}
    sent = 0
    for batch in made:
        sent += len(batch)
        for topic, _, payload in batch:
            found = decoders[topic]([payload])[0]
            if b'"id":"x' not in payload and payload:
                assert not isinstance(found, Rejected), (found, json.loads(payload))
    assert sent == summary.messages


@pytest.mark.parametrize(("townships", "villages", "digits"), [(2, 2, 12), (2, 0, 9), (0, 0, 6)])
def test_visits_are_made_in_the_smallest_places_that_a_city_has(
    vault: Vault, townships: int, villages: int, digits: int
) -> None:
    places = divisions(2, townships, villages)
    city = City(places, microgrid_counts(places), vault, Calendar.load("Asia/Shanghai"))
    seen = {
        len(json.loads(payload)["division"])
        for batch in History(city, 1, scale=0.0002)
        for topic, _, payload in batch
        if topic == "visits" and b'"id":"x' not in payload and b"visit.recorded" in payload
    }
    assert seen == {digits}


@given(
    total=st.integers(0, 10**12),
    weights=st.lists(st.floats(0.001, 1000), min_size=1, max_size=50),
)
def test_shares_add_up_and_none_is_a_whole_unit_off(total: int, weights: list[float]) -> None:
    shares = apportioned(total, np.array(weights)).tolist()
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        # A float has 15 digits, so totals this small are exact to 1.
        assert abs(share - total * weight / sum(weights)) <= 1 + total * 1e-12


def test_micro_grids_of_any_city_come_to_about_forty_a_village() -> None:
    counts = microgrid_counts(divisions(2, 3, 7))
    assert len(counts) == 42
    assert sum(counts.values()) == round(42 * 112_600 / 2_777)
    assert min(counts.values()) >= 6


def test_a_micro_grid_file_of_another_city_is_refused_by_name(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "divisions.csv").write_text("code,name\n990000,示例市\n990001,示例县\n")
    (tmp_path / "microgrids_990000.csv").write_text("code,microgrids\n431202001001,40\n")
    with pytest.raises(Misconfigured, match="'431202001001' with '40' micro-grids"):
        City.load(vault, tmp_path / "divisions.csv")
