"""A ledger with many forms of personal columns: nothing that a stack stores has its cells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from producers.client import Producer
from producers.ledgers.importing import import_ledger
from producers.vault import Vault
from schemas.families import families
from tests.live import Live
from tests.oracle.compare import read
from tests.producers.traces import (
    OTHERS,
    ROWS,
    SECRETS,
    event,
    found,
    mapping,
    petition,
    visit,
    write,
)

pytestmark = pytest.mark.stack

FILED: dict[str, Any] = {
    "case": "{编号}",
    "dispute": "neighbours",
    "origin": "grid",
    "scale": "individual",
    "people": 2,
}
PAID: dict[str, Any] = {"account": "F-7", "amount": 5, "source": "pledge"}
MAPPING = mapping(
    petition(petitioner="{姓名}/{身份证}", title="{姓名}", text="{诉求}（{手机}）"),
    event("petition.replied", petition="{编号}", kind="appeal", result="explained", reply="{地址}"),
    visit(household={"from": "{地址}", "digest": True}, remark="{诉求}"),
    event(
        "visit.request_raised",
        household="{手机}",
        request="{编号}",
        matter="livelihood",
        text="{姓名}：{诉求}",
        when="{身份证}",
    ),
    event("mediation.filed", **FILED, party="{身份证}", facts={"from": "{诉求}", "digest": True}),
    event("fund.contributed", **PAID, giver="{手机}"),
    event("fund.disbursed", **PAID, use="public_good", helped=1, receiver="P:{姓名}"),
    source="privacy",
    identity=["身份证", "姓名"],
    division={"from": ["鹤城区", "{地址}"], "unknown": "431202"},
)
EVENTS = 7


@pytest.fixture(scope="module")
def producer(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Producer]:
    vault = Vault(tmp_path_factory.mktemp("keys") / "vault.sqlite")
    with vault, live.producing(vault) as sending:
        yield sending


def columns(live: Live) -> Iterator[tuple[str, bytes]]:
    """Every row of every table and view that can be read whole, as text.

    A Join table cannot: its source table is read, and its files are searched.
    """
    tables = live.ask(
        "SELECT database, name FROM system.tables WHERE database LIKE 'gulou%' "
        "AND engine NOT IN ('Null', 'MaterializedView', 'Join') ORDER BY database, name"
    )
    for database, name in tables:
        (definition,) = live.ask(f"SHOW CREATE TABLE {database}.{name}")[0]
        if "{" in definition:  # a parameterized view, of tables that are read here
            continue
        rows = live.ask(f"SELECT toString(tuple(*)) FROM {database}.{name}", max_execution_time=60)
        # Aggregate states are not text and come as bytes.
        texts = [row if isinstance(row, bytes) else row.encode() for (row,) in rows]
        yield f"{database}.{name}", b"\n".join(texts)


def test_no_cell_about_a_person_is_in_kafka_in_clickhouse_or_in_any_file_of_the_stack(
    live: Live, producer: Producer, tmp_path: Path
) -> None:
    # The second file has rows that are refused: no number, no time, a text too long.
    wrong = [
        {**OTHERS[0], "日期": OTHERS[0]["手机"]},
        {**OTHERS[1], "身份证": "", "姓名": ""},
        {**OTHERS[1], "编号": OTHERS[1]["姓名"]},
    ]
    reports = []
    for kind, rows in [("gb18030", ROWS), ("xlsx", ROWS), ("utf-16", wrong)]:
        ledger = write(tmp_path / kind, kind, rows)
        rejects = live.settings.home / "rejects" / f"{kind}.csv"
        reports.append(import_ledger(ledger, MAPPING, producer, rejects=rejects))
    assert [(each.accepted, each.rejected) for each in reports] == [(2, 0), (2, 0), (0, 3)]
    live.await_counted()
    mine = live.ask(
        " UNION ALL ".join(
            f"SELECT status, count() FROM gulou.events_{family.topic} "
            "WHERE source = 'privacy' GROUP BY status"
            for family in families()
        )
    )
    # Two rows of seven events each; the second file repeats them.
    counts = {status: sum(n for s, n in mine if s == status) for status, _ in mine}
    assert counts == {"ok": 2 * EVENTS, "repeat": 2 * EVENTS}
    secrets = [*SECRETS, *(row[name] for row in OTHERS for name in ("姓名", "身份证", "手机"))]
    for family in families():
        messages = [
            part or b""
            for records in read(live.settings.kafka_options("auditor"), family.topic).values()
            for record in records
            for part in (record.key, record.value)
        ]
        assert any(b'"source":"privacy"' in each for each in messages)
        assert found(secrets, messages) == []
    searched = dict(columns(live))
    assert {f"gulou.events_{family.topic}" for family in families()} <= searched.keys()
    assert found(secrets, searched.values()) == []
    home = live.settings.home
    files = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"kafka", "clickhouse", "log", "rejects"} <= {
        f.relative_to(home).parts[0] for f in files
    }
    assert found(secrets, [path.read_bytes() for path in files]) == []
    assert found(secrets, [json.dumps(str(reports)).encode(), repr(reports).encode()]) == []
