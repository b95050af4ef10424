"""From ledgers to figures: importer, Kafka, worker and ClickHouse, as a county runs them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from producers.client import Producer
from producers.ledgers.importing import ImportReport, import_ledger
from producers.vault import Vault
from tests.live import Live
from tests.producers import petition_figures
from tests.producers.test_ledgers import EVENTS, HERE

DIRTY = HERE / "dirty.xlsx"


@pytest.fixture(scope="module")
def producer(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Producer]:
    vault = Vault(tmp_path_factory.mktemp("keys") / "vault.sqlite")
    with vault, live.producing(vault) as sending:
        yield sending


def _import(producer: Producer, ledger: Path, mapping: Path, tmp_path: Path) -> ImportReport:
    return import_ledger(ledger, mapping, producer, rejects=tmp_path / "rejects.csv")


def _counted(live: Live, where: str) -> list[tuple[Any, ...]]:
    return live.ask(
        "SELECT type, division, count(), sum(JSONExtractInt(data, 'people')) "
        f"FROM gulou.events_petitions WHERE status = 'ok' AND {where} "
        "GROUP BY type, division ORDER BY type, division"
    )


def test_a_dirty_ledger_is_counted_as_a_clerk_would_count_it_and_only_once(
    live: Live, producer: Producer, tmp_path: Path
) -> None:
    wanted: dict[tuple[str, str], list[int]] = {}
    for _, type_, _, division, people in EVENTS:
        cell = wanted.setdefault((f"petition.{type_}", division), [0, 0])
        cell[0] += 1
        cell[1] += people or 0
    mapping = HERE / "dirty-mapping.toml"
    _import(producer, DIRTY, mapping, tmp_path)
    live.await_counted()
    source = tomllib.loads(mapping.read_text(encoding="utf-8"))["source"]
    ours = f"source = '{source}'"
    expected = [(*place, *cell) for place, cell in sorted(wanted.items())]
    assert _counted(live, ours) == expected
    before = live.ask("SELECT count() FROM gulou.events_petitions")
    again = _import(producer, DIRTY, mapping, tmp_path)
    live.await_counted()
    assert live.ask("SELECT count() FROM gulou.events_petitions") == [(before[0][0] + again.sent,)]
    assert again.sent == len(EVENTS)
    assert _counted(live, ours) == expected


@pytest.mark.skipif(
    not petition_figures.LEDGER.exists(), reason="the real petitions are not on this machine"
)
def test_the_real_petitions_have_the_figures_of_their_file(
    live: Live, producer: Producer, tmp_path: Path
) -> None:
    report = _import(producer, petition_figures.LEDGER, petition_figures.MAPPING, tmp_path)
    assert report.rejected == report.repeated_rows == 0
    live.await_counted()
    query = petition_figures.QUERY.format(
        database=live.settings.database, source=petition_figures.SOURCE
    )
    assert live.ask(query) == [tuple(petition_figures.figures().values())]
    place = live.ask(
        "SELECT county, township, count(), countIf(replied_at IS NOT NULL) "
        "FROM gulou_desk.petitions_cases(at = toUnixTimestamp64Milli(now64(3))) "
        "WHERE county = '431200' GROUP BY county, township"
    )
    assert place[0][:2] == ("431200", "")
    assert place[0][2] >= report.accepted
