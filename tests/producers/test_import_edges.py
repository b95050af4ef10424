"""An import in chunks of 500 rows: counts, the mark, resuming, the file of rejects."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.broker import Broker, ensure_topics
from producers.client import Producer
from producers.ledgers.importing import ImportReport, LedgerMapping, import_ledger, load_mapping
from producers.vault import Vault
from schemas.errors import Misconfigured
from schemas.families import families
from tests.producers.traces import PLACES, event, mapping, petition, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAPPING = mapping(event("petition.merged", petition="{编号}", kind="appeal", into="P-1"))


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def producer(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Producer]:
    ensure_topics(broker.bootstrap, [(f.topic, f.partitions, {}) for f in families()])
    with (
        Vault(tmp_path_factory.mktemp("keys") / "keys.db") as vault,
        Producer(broker.bootstrap, vault, PLACES) as made,
    ):
        yield made


def numbered(count: int, **special: str) -> list[dict[str, str]]:
    """Rows 1 to `count`; `special` gives single rows another case number."""
    return [
        {"编号": special.get(f"row_{n}", f"A-{n}"), "日期": "2021-03-01 09:00"}
        for n in range(1, count + 1)
    ]


def rejected(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(
    ("count", "steps"),
    [
        (0, [(0, 0)]),
        (1, [(1, 1), (1, 1)]),
        (499, [(499, 499), (499, 499)]),
        (500, [(500, 500), (500, 500)]),
        (501, [(500, 501), (501, 501), (501, 501)]),
        (1001, [(500, 1001), (1000, 1001), (1001, 1001), (1001, 1001)]),
    ],
)
def test_a_ledger_is_sent_in_pieces_of_500_rows(
    count: int, steps: list[tuple[int, int]], producer: Producer, tmp_path: Path
) -> None:
    rows = numbered(count) or [{"编号": "", "日期": ""}]
    ledger = write(tmp_path, "jsonl", rows if count else numbered(1))
    if not count:
        # Only the header: JSONL without rows has no column names.
        ledger = write(tmp_path, "utf-8", rows)
    seen: list[tuple[int, int | None]] = []
    before = producer.sent
    report = import_ledger(
        ledger,
        MAPPING,
        producer,
        rejects=tmp_path / "rejects.csv",
        now=NOW,
        on_progress=lambda done, of: seen.append((done, of)),
    )
    assert seen == steps
    events = {"petition.merged": count} if count else {}
    assert report == ImportReport(count, count, 0, 0, count, 0, events, {})
    assert producer.sent - before == count
    assert rejected(tmp_path / "rejects.csv") == [["行号", "列名", "原因代码", "说明"]]


def stop_after(rows: int) -> Any:
    def on_progress(done: int, _: int | None) -> None:
        if done >= rows:
            raise Stopped

    return on_progress


def interrupted(ledger: Path, producer: Producer, rejects: Path, rows: int) -> dict[str, Any]:
    """The mark after the import stopped behind the given number of rows."""
    with pytest.raises(Stopped):
        import_ledger(
            ledger, MAPPING, producer, rejects=rejects, now=NOW, on_progress=stop_after(rows)
        )
    found: dict[str, Any] = json.loads((rejects.parent / "rejects.csv.progress").read_text())
    return found


def run(ledger: Path, wanted: LedgerMapping, producer: Producer, rejects: Path) -> tuple[int, int]:
    """Number of rows sent before, and of events sent now."""
    report = import_ledger(ledger, wanted, producer, rejects=rejects, now=NOW)
    assert report.accepted == report.resumed + report.sent
    assert not (rejects.parent / "rejects.csv.progress").exists()
    return report.resumed, report.sent


def test_an_import_goes_on_behind_the_last_row_of_the_last_piece(
    producer: Producer, tmp_path: Path
) -> None:
    ledger = write(tmp_path, "jsonl", numbered(1_001))
    rejects = tmp_path / "out" / "rejects.csv"
    mark = interrupted(ledger, producer, rejects, 501)
    bytes_ = ledger.read_bytes()
    words = MAPPING.model_dump_json().encode()
    assert mark == {
        "of": [
            *(hashlib.sha256(text).hexdigest() for text in (bytes_, words)),
            producer.cluster,
        ],
        "row": 1000,
    }
    assert len(producer.cluster) > 10
    # Stopped again, earlier: the mark does not go back.
    assert interrupted(ledger, producer, rejects, 1)["row"] == 1000
    assert run(ledger, MAPPING, producer, rejects) == (1000, 1)
    assert run(ledger, MAPPING, producer, rejects) == (0, 1001)
    assert [path.name for path in rejects.parent.iterdir()] == ["rejects.csv"]


@pytest.mark.parametrize("other", ["ledger", "mapping", "cluster", "no cluster", "list", "broken"])
def test_a_mark_of_something_else_is_not_relied_on(
    other: str, producer: Producer, tmp_path: Path
) -> None:
    ledger, wanted = write(tmp_path, "jsonl", numbered(501)), MAPPING
    rejects = tmp_path / "rejects.csv"
    mark = interrupted(ledger, producer, rejects, 1)
    assert mark["row"] == 500
    if other == "ledger":
        write(tmp_path, "jsonl", numbered(501, row_501="B-1"))
    elif other == "mapping":
        wanted = MAPPING.model_copy(update={"source": "other"})
    else:
        cluster = {"cluster": "another", "no cluster": ""}.get(other, producer.cluster)
        mark["of"][-1] = cluster
        text = json.dumps([mark] if other == "list" else mark)
        text = text[:-2] if other == "broken" else text
        (tmp_path / "rejects.csv.progress").write_text(text)
    assert run(ledger, wanted, producer, rejects) == (0, 501)


def test_a_kafka_that_does_not_say_which_it_is_begins_anew(
    producer: Producer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Producer, "cluster", "")
    ledger, rejects = write(tmp_path, "jsonl", numbered(501)), tmp_path / "rejects.csv"
    assert interrupted(ledger, producer, rejects, 1)["row"] == 500
    assert run(ledger, MAPPING, producer, rejects) == (0, 501)


def test_refused_and_repeated_rows_are_counted_apart_and_all_named(
    producer: Producer, tmp_path: Path
) -> None:
    rows = numbered(8, row_2="A-1", row_3="", row_4="第四", row_5="第五", row_7="A-1")
    rows[6]["日期"] = "2021-03-02"
    ledger = write(tmp_path, "jsonl", rows)
    rejects = tmp_path / "deep" / "er" / "r.csv"
    report = import_ledger(ledger, MAPPING, producer, rejects=rejects, now=NOW)
    # 1, 6 and 8 are in; 2 repeats; 3 is blank, 4 and 5 are not case numbers, 7 contradicts 1.
    reasons = {"blank": 1, "refused": 2, "conflict": 1}
    assert report == ImportReport(8, 3, 4, 1, 3, 0, {"petition.merged": 3}, reasons)
    assert str(report) == "共 8 行：入库 3 行，退回 4 行，重复 1 行；发送事件 3 条。"
    lines = [(row, column, code) for row, column, code, _ in rejected(rejects)[1:]]
    assert lines == [
        ("2", "编号", "repeated"),
        ("3", "编号", "blank"),
        ("4", "编号", "refused"),
        ("5", "编号", "refused"),
        ("7", "编号", "conflict"),
    ]


def test_a_repeat_within_a_piece_and_beyond_it_is_the_same(
    producer: Producer, tmp_path: Path
) -> None:
    rows = numbered(502, row_500="A-1", row_501="A-1", row_502="A-500")
    report = import_ledger(
        write(tmp_path, "jsonl", rows), MAPPING, producer, rejects=tmp_path / "r.csv", now=NOW
    )
    assert (report.accepted, report.repeated_rows) == (500, 2)
    assert [line[0] for line in rejected(tmp_path / "r.csv")[1:]] == ["500", "501"]


def test_a_report_says_how_many_it_had_sent_before() -> None:
    report = ImportReport(12_345, 10_000, 2_345, 0, 1_234, 8_766, {}, {})
    assert str(report) == (
        "共 12,345 行：入库 10,000 行，接着上次的 8,766 行，退回 2,345 行，重复 0 行；"
        "发送事件 1,234 条。"
    )


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t"])
def test_a_cell_that_excel_would_reckon_is_written_as_text(
    sign: str, producer: Producer, tmp_path: Path
) -> None:
    # Only names of columns can begin so: no cell is ever repeated.
    name = f"{sign}编号".strip()
    rows = [{name: "", "日期": "2021-03-01"}]
    wanted = mapping(
        event("petition.merged", petition="P", kind="appeal", into="P"), identity=[name]
    )
    rejects = tmp_path / "r.csv"
    import_ledger(write(tmp_path, "jsonl", rows), wanted, producer, rejects=rejects, now=NOW)
    shown = name if sign == "\t" else f"'{name}"
    assert rejected(rejects)[1][:3] == ["1", shown, "blank"]


def test_rejects_of_an_earlier_import_are_replaced(producer: Producer, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("old\n" * 100)
    ledger = write(tmp_path, "jsonl", numbered(1))
    import_ledger(ledger, MAPPING, producer, rejects=tmp_path / "r.csv", now=NOW)
    head = "行号,列名,原因代码,说明\r\n".encode()
    assert (tmp_path / "r.csv").read_bytes() == b"\xef\xbb\xbf" + head


def test_a_mapping_may_be_given_by_its_file(producer: Producer, tmp_path: Path) -> None:
    text = """
        source = "test"
        identity = ["编号"]
        division = "431202001001"
        [[events]]
        type = "petition.merged"
        time = "{日期}"
        data = { petition = "{编号}", kind = "appeal", into = "P-1" }
    """
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    assert load_mapping(tmp_path / "m.toml") == MAPPING
    ledger = write(tmp_path, "jsonl", numbered(1))
    rejects = tmp_path / "rejects.csv"
    report = import_ledger(ledger, tmp_path / "m.toml", producer, rejects=rejects, now=NOW)
    assert report.sent == 1


@pytest.mark.parametrize(("unknown", "there"), [("431202", True), ("431299", False), ("", True)])
def test_a_place_for_the_unknown_must_be_one(
    unknown: str, there: bool, producer: Producer, tmp_path: Path
) -> None:
    wanted = mapping(petition(petitioner="{编号}"), division={"from": "鹤城区", "unknown": unknown})
    ledger, rejects = write(tmp_path, "jsonl", numbered(1)), tmp_path / "r.csv"
    if there:
        assert import_ledger(ledger, wanted, producer, rejects=rejects, now=NOW).sent == 1
    else:
        with pytest.raises(Misconfigured, match="'431299' 不是一个区划代码"):
            import_ledger(ledger, wanted, producer, rejects=rejects, now=NOW)


def test_a_column_that_stands_twice_matters_only_where_it_is_read(
    producer: Producer, tmp_path: Path
) -> None:
    ledger, rejects = tmp_path / "l.csv", tmp_path / "r.csv"
    ledger.write_text("编号,日期,丙,丙\nA-1,2021-03-01,1,2\n", encoding="utf-8")
    assert import_ledger(ledger, MAPPING, producer, rejects=rejects, now=NOW).sent == 1
    ledger.write_text("编号,日期,编号\nA-1,2021-03-01,2\n", encoding="utf-8")
    with pytest.raises(
        Misconfigured, match=r"'l\.csv' 有两列都叫 '编号'.*表头第 1 行有.*编号, 日期"
    ):
        import_ledger(ledger, MAPPING, producer, rejects=rejects, now=NOW)
