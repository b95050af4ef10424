"""A ledger with every known fault, in three formats, imported into a real Kafka."""

from __future__ import annotations

import csv
import json
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from kafka import KafkaConsumer

from infra.broker import Broker, ensure_topics
from producers.client import Encoder, Producer
from producers.ledgers import importing as ledgers
from producers.ledgers.importing import (
    ImportReport,
    LedgerMapping,
    import_ledger,
    load_mapping,
    outcomes,
)
from producers.vault import Vault
from schemas.errors import Misconfigured
from schemas.families import families
from schemas.reference.divisions import Divisions

HERE = Path(__file__).parent / "ledgers"
MAPPING = load_mapping(HERE / "dirty-mapping.toml")
DIVISIONS = Divisions.load()
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 1, 1, tzinfo=SHANGHAI)

# Read by hand from the ledger in Excel: row, type, time, division, people.
EVENTS = [
    (2, "registered", "2019-02-28T11:25:05", "431202001", 1),
    (3, "registered", "2017-06-08T17:31:20", "431202001", 1),
    (3, "replied", "2017-06-20T00:00:00", "431202001", None),
    (4, "registered", "2019-04-08T08:37:20", "431202001", 1),
    (4, "replied", "2019-04-09T08:00:00", "431202001", None),
    (5, "registered", "2018-03-19T10:05:04", "431202001", 1),
    # Only the day of the reply is known, the same day: not before the registration.
    (5, "replied", "2018-03-19T10:05:04", "431202001", None),
    (6, "registered", "2018-03-19T00:00:00", "431202001", 1),
    (6, "replied", "2018-03-19T09:00:00", "431202001", None),
    (7, "registered", "2019-05-01T12:00:00", "431202001", 1),
    (8, "registered", "2019-05-01T00:00:00", "431202001", 1),
    (9, "registered", "2019-05-01T15:30:00", "431202001", 3),
    (10, "registered", "2019-05-01T00:00:00", "431202001", 12),
    (11, "registered", "2019-05-02T00:00:00", "431202001", 1),
    (12, "registered", "2019-05-03T09:05:00", "431202001", 1),
    (13, "registered", "2019-05-04T09:00:00", "431202001", 1),
    (14, "registered", "2019-05-05T09:00:00", "431202", 1),
    (15, "registered", "2019-05-06T09:00:00", "431221", 1),
    (16, "registered", "2019-05-07T09:00:00", "431221", 1),
    (38, "registered", "2019-05-21T09:00:00", "431202001", 1),
    (40, "registered", "2019-05-23T09:00:00", "431202001", 1),
    (43, "registered", "2019-05-09T09:00:00", "431202001", 1),
    (43, "replied", "2019-05-09T15:00:00", "431202001", None),
    (44, "registered", "2019-05-25T09:00:00", "431202001", 1),
]
REJECTED = {
    17: ("编号", "repeated"),
    18: ("编号", "conflict"),
    19: ("编号", "blank"),
    20: ("登记时间", "blank"),
    21: ("登记时间", "time"),
    22: ("登记时间", "time"),
    23: ("登记时间", "time"),
    24: ("答复时间", "order"),
    25: ("答复时间", "order"),
    26: ("登记时间", "future"),
    27: ("乡镇街道", "blank"),
    28: ("乡镇街道", "division"),
    29: ("乡镇街道", "division"),
    30: ("渠道", "choice"),
    31: ("类别", "blank"),
    32: ("人数", "number"),
    33: ("人数", "number"),
    34: ("重件", "choice"),
    35: ("编号", "refused"),
    36: ("姓名", "blank"),
    37: ("内容", "text"),
    39: ("人数", "refused"),
    41: ("", "broken"),
    45: ("登记时间", "time"),
    46: ("登记时间", "time"),
    47: ("登记时间", "time"),
    48: ("登记时间", "time"),
    49: ("乡镇街道", "division"),
    50: ("乡镇街道", "division"),
}


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault(tmp_path / "keys.db") as made:
        yield made


@pytest.fixture
def encoder(vault: Vault) -> Encoder:
    return Encoder(vault, DIVISIONS)


@pytest.mark.parametrize("kind", ["csv", "xlsx", "jsonl"])
def test_every_row_makes_its_events_or_has_its_reason(kind: str, encoder: Encoder) -> None:
    found = list(outcomes(HERE / f"dirty.{kind}", MAPPING, encoder, now=NOW))
    head = 0 if kind == "jsonl" else 1  # JSONL has no line of names
    events = []
    for outcome in found:
        for message in outcome.messages:
            event = json.loads(message.payload)
            events.append(
                (
                    outcome.row + 1 - head,
                    event["type"].removeprefix("petition."),
                    event["time"].removesuffix("+08:00"),
                    event["division"],
                    event["data"].get("people"),
                )
            )
    assert events == EVENTS
    rejected = {
        each.row + 1 - head: (each.rejection.column, each.rejection.code)
        for each in found
        if each.rejection is not None
    }
    assert rejected == REJECTED
    # 49 rows follow the header, and one of them is blank.
    assert len(found) == 48


def test_the_same_rows_in_another_format_are_byte_for_byte_the_same_events(
    encoder: Encoder,
) -> None:
    made = [
        [m for each in outcomes(HERE / name, MAPPING, encoder, now=NOW) for m in each.messages]
        for name in ("dirty.csv", "dirty.xlsx", "dirty.jsonl")
    ]
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_any_encoding_and_delimiter_is_read(
    encoding: str, delimiter: str, tmp_path: Path, encoder: Encoder
) -> None:
    with (HERE / "dirty.csv").open(encoding="gb18030", newline="") as file:
        lines = list(csv.reader(file))
    with (tmp_path / "again.csv").open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(lines)
    codes = Counter(
        each.rejection.code if each.rejection else "ok"
        for each in outcomes(tmp_path / "again.csv", MAPPING, encoder, now=NOW)
    )
    assert codes["ok"] == len({row for row, *_ in EVENTS})
    assert codes.total() == 48


@pytest.mark.parametrize(
    ("column", "cell", "shown"),
    [
        ("登记时间", "2021-02-30", "2021-02-30"),
        ("登记时间", "2021年13月1日 9:05", "2021年13月1日 9:05"),
        ("登记时间", "2021/2/29T09:00:00", "2021/2/29T09:00:00"),
        ("登记时间", "2021年2月39日", "2021年2月39日"),
        ("登记时间", "2021年2月40日", None),
        ("登记时间", "2021-02-40", None),
        ("登记时间", "2021-20-01", None),
        ("登记时间", "1821-02-30", None),
        # The least and the greatest digit of every place, and the next one.
        ("登记时间", "1900-00-00 00:00:00", "1900-00-00 00:00:00"),
        ("登记时间", "2099/19/39T29:59", "2099/19/39T29:59"),
        ("登记时间", "1900年00月00日00时00分00秒", "1900年00月00日00时00分00秒"),
        ("登记时间", "2099年19月39日29时59分59秒", "2099年19月39日29时59分59秒"),
        ("登记时间", "2021年20月01日", None),
        ("登记时间", "2021-02-30 30:00", None),
        ("登记时间", "2021-02-30 09:60", None),
        ("登记时间", "2021-02-30 09:00:60", None),
        ("登记时间", "2021年2月30日9时60分", None),
        ("登记时间", "139-0745-1234", None),
        ("登记时间", "138 0000 0000", None),
        ("登记时间", "0745-2712345", None),
        ("登记时间", "431202 19800101 1234", None),
        ("登记时间", "2021-02-30 13907451234", None),
        ("登记时间", "2712-34-56", None),
        # Eight digits may be a telephone number, and the first number a day or a month.
        ("登记时间", "20210230", None),
        ("登记时间", "3/4/2019", None),
        ("乡镇街道", "431221", "431221"),
        ("乡镇街道", "中方县", "中方县"),
        ("乡镇街道", "431299", None),
        ("乡镇街道", "13907451234", None),
        ("乡镇街道", "张三 13907451234 城东社区", None),
        ("乡镇街道", "张三村", None),
        ("乡镇街道", "431221000", "431221000"),
        ("乡镇街道", "城中街道张三", None),
    ],
)
def test_a_reason_repeats_only_days_and_the_places_of_the_divisions_file(
    column: str, cell: str, shown: str | None, tmp_path: Path, encoder: Encoder
) -> None:
    names = ("编号", "姓名", "渠道", "类别", "县市区", "乡镇街道", "登记时间")
    # A county of another city: no place below it can be found.
    county = "外地" if column == "乡镇街道" else "鹤城区"
    row = dict(zip(names, ("A-1", "张三", "网络", "申诉求决", county, "", ""), strict=True))
    row = dict.fromkeys(MAPPING.columns(), "") | row | {"登记时间": "2019/5/1"} | {column: cell}
    (tmp_path / "l.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (found,) = outcomes(tmp_path / "l.jsonl", MAPPING, encoder, now=NOW)
    told = shown or f"（{len(cell)} 字，内容不显示）"
    if column == "乡镇街道":
        told = f"（2 字，内容不显示）/{told}"
    assert found.rejection is not None
    assert found.rejection.message.rpartition("：")[2] == told


def test_wrong_mappings_and_ledgers_are_named(tmp_path: Path, encoder: Encoder) -> None:
    text = (HERE / "dirty-mapping.toml").read_text(encoding="utf-8")
    for wrong, instead, names in [
        ('data.people = { from = "{人数}", default = 1 }\n', "", "needs data.people"),
        ("data.petition =", "data.petiton =", "no field 'petiton'"),
        ('type = "petition.replied"', 'type = "petition.answered"', "petition.answered"),
        ('source = "hecheng-xinfang"', "", "source"),
        ("[[events]]", "[[events", "line"),
        ("times =", 'timezone = "Asia/Huaihua"\ntimes =', "no time zone"),
    ]:
        assert wrong in text
        (tmp_path / "m.toml").write_text(text.replace(wrong, instead), encoding="utf-8")
        with pytest.raises(Misconfigured, match=names):
            load_mapping(tmp_path / "m.toml")
    shutil.copy(HERE / "dirty.csv", tmp_path / "old.xls")
    (tmp_path / "broken.xlsx").write_bytes(b"not a zip")
    (tmp_path / "other.csv").write_text("编号,姓名\n1,张三\n", encoding="utf-8")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xff\xff")
    for name, says in [
        ("old.xls", "另存为"),
        ("broken.xlsx", "读不出来"),
        ("other.csv", "没有 '县市区' 这一列"),
        ("bytes.csv", "GB18030"),
        ("none.csv", "读不出来"),
    ]:
        with pytest.raises(Misconfigured, match=says):
            list(outcomes(tmp_path / name, MAPPING, encoder, now=NOW))


def test_money_needs_a_unit_and_is_kept_in_fen(tmp_path: Path, encoder: Encoder) -> None:
    mapping = """
        source = "fund"
        identity = ["流水号"]
        division = "431202001001"
        [[events]]
        type = "fund.contributed"
        time = "{日期}"
        data = { account = "F-1", source = "自愿认缴", amount = { from = "{金额}"%s } }
    """
    (tmp_path / "m.toml").write_text(mapping % "", encoding="utf-8")
    with pytest.raises(Misconfigured, match="say its unit"):
        load_mapping(tmp_path / "m.toml")
    (tmp_path / "m.toml").write_text(mapping % ', unit = "元"', encoding="utf-8")
    rows = ["流水号,日期,金额", '1,2021/3/1,"1,234.50元"', "2,2021/3/1,0.1", "3,2021/3/1,0.123"]
    (tmp_path / "l.csv").write_text("\n".join(rows), encoding="utf-8")
    found = list(outcomes(tmp_path / "l.csv", load_mapping(tmp_path / "m.toml"), encoder, now=NOW))
    amounts = [json.loads(m.payload)["data"]["amount"] for each in found for m in each.messages]
    assert amounts == [123_450, 10]
    assert found[2].rejection is not None and found[2].rejection.code == "number"


# -- through a real Kafka


@pytest.fixture
def producer(broker: Broker, vault: Vault) -> Iterator[Producer]:
    ensure_topics(broker.bootstrap, [(f.topic, f.partitions, {}) for f in families()])
    with Producer(broker.bootstrap, vault, DIVISIONS) as made:
        yield made


@pytest.fixture
def mapping() -> LedgerMapping:
    """The mapping with a source of its own, which identifies its events."""
    return MAPPING.model_copy(update={"source": f"test-{uuid.uuid4().hex[:12]}"})


def payloads(broker: Broker, source: str) -> list[bytes]:
    """Every message of `source` in the topic, duplicates included."""
    consumer = KafkaConsumer(
        bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=30_000
    )
    consumer.subscribe(["petitions"])
    found: list[bytes] = []
    while not consumer.assignment():
        consumer.poll(100)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(list(consumer.assignment()))
    while any(consumer.position(place) < end for place, end in ends.items()):
        for records in consumer.poll(500).values():
            found += [r.value for r in records if f'"source":"{source}"'.encode() in r.value]
    consumer.close()
    return found


def run(
    producer: Producer, path: Path, mapping: LedgerMapping, rejects: Path, **how: Any
) -> ImportReport:
    return import_ledger(path, mapping, producer, rejects=rejects, now=NOW, **how)


def test_an_import_accounts_for_every_row_and_keeps_secrets(
    broker: Broker, producer: Producer, mapping: LedgerMapping, tmp_path: Path
) -> None:
    steps: list[tuple[int, int | None]] = []
    report = run(
        producer,
        HERE / "dirty.csv",
        mapping,
        tmp_path / "out" / "rejects.csv",
        on_progress=lambda done, total: steps.append((done, total)),
    )
    # 48 rows: 19 accepted, row 17 repeats, the other 28 of REJECTED are rejected.
    assert (report.rows, report.accepted, report.rejected, report.repeated_rows) == (48, 19, 28, 1)
    assert report.events == {"petition.registered": 19, "petition.replied": 5}
    assert report.sent == 24 and steps[-1] == (48, 48)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rejects.csv"]
    with (tmp_path / "out" / "rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == ["行号", "列名", "原因代码", "说明"]
    assert {int(n): (column, code) for n, column, code, _ in lines[1:]} == REJECTED
    text = (tmp_path / "out" / "rejects.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    stored = payloads(broker, mapping.source)
    assert len(stored) == 24
    phones = ("13800000", "13907451234", "139-0745", "138 0000", "2712345", "19800101")
    for secret in ("许三", "托人", "好多人", "张三", "路灯", "长长", *phones):
        assert secret not in text.decode()
        assert not any(secret.encode() in payload for payload in stored)


def test_importing_again_in_any_format_makes_no_other_event(
    broker: Broker, producer: Producer, mapping: LedgerMapping, tmp_path: Path
) -> None:
    for name in ("dirty.csv", "dirty.csv", "dirty.xlsx", "dirty.jsonl"):
        assert run(producer, HERE / name, mapping, tmp_path / "rejects.csv").sent == 24
    stored = Counter(payloads(broker, mapping.source))
    assert len(stored) == 24 and set(stored.values()) == {4}


class Interrupted(Exception):
    pass


def interrupt_at(rows: int) -> Any:
    def on_progress(done: int, _: int | None) -> None:
        if done >= rows:
            raise Interrupted

    return on_progress


def test_an_interrupted_import_goes_on_where_kafka_had_it(
    broker: Broker,
    producer: Producer,
    mapping: LedgerMapping,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledgers, "_CHUNK", 10)
    ledger, rejects = tmp_path / "dirty.csv", tmp_path / "rejects.csv"
    shutil.copy(HERE / "dirty.csv", ledger)
    with pytest.raises(Interrupted):
        run(producer, ledger, mapping, rejects, on_progress=interrupt_at(15))
    report = run(producer, ledger, mapping, rejects)
    # Two chunks of ten rows: rows 2 to 21 of the sheet; 2 to 16 were accepted.
    assert (report.resumed, report.accepted, report.sent) == (15, 19, 5)
    assert set(Counter(payloads(broker, mapping.source)).values()) == {1}
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.reader(file))) == 1 + len(REJECTED)


def test_a_ledger_that_changed_after_the_interruption_is_sent_as_a_whole(
    producer: Producer, mapping: LedgerMapping, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "_CHUNK", 10)
    ledger, rejects = tmp_path / "dirty.csv", tmp_path / "rejects.csv"
    shutil.copy(HERE / "dirty.csv", ledger)
    with pytest.raises(Interrupted):
        run(producer, ledger, mapping, rejects, on_progress=interrupt_at(15))
    with ledger.open("a", encoding="gb18030") as file:
        file.write("\r\n")
    report = run(producer, ledger, mapping, rejects)
    assert (report.resumed, report.sent) == (0, 24)


def test_rows_of_a_forgotten_person_are_refused_and_the_rest_is_taken(
    encoder: Encoder, vault: Vault
) -> None:
    vault.forget(vault.pseudonym("张三/13800000001"))
    found = {each.row: each for each in outcomes(HERE / "dirty.csv", MAPPING, encoder, now=NOW)}
    first = found[2].rejection
    assert first is not None and first.code == "refused" and "destroyed" in first.message
    assert found[3].messages


def test_a_large_sheet_whose_size_is_wrong_is_read_to_its_end(
    tmp_path: Path, encoder: Encoder
) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    head = list(MAPPING.columns())
    sheet.append(head)
    row = {"渠道": "网络", "类别": "申诉求决", "姓名": "张三", "县市区": "鹤城区"}
    for n in range(1_200):
        sheet.append([({"编号": n, "登记时间": "2019/5/1 9:00"} | row).get(name) for name in head])
    book.save(tmp_path / "large.xlsx")
    found = list(outcomes(tmp_path / "large.xlsx", MAPPING, encoder, now=NOW))
    assert [each.row for each in found] == list(range(2, 1_202))
    assert all(len(each.messages) == 1 for each in found)


def test_the_example_of_the_readme_is_imported_as_it_says(encoder: Encoder) -> None:
    examples = Path(__file__).parents[2] / "docs" / "examples"
    mapping = load_mapping(examples / "visits-mapping.toml")
    found = list(outcomes(examples / "visits-ledger.csv", mapping, encoder, now=NOW))
    codes = [each.rejection.code if each.rejection else "ok" for each in found]
    # Row 7 repeats row 6, 30 February does not exist, and 邻居 is not a role of visitors.
    assert codes == ["ok", "ok", "ok", "ok", "ok", "repeated", "time", "choice"]
    places = [json.loads(m.payload)["division"] for each in found for m in each.messages]
    assert places == ["431202001001"] * 2 + ["431202001002"] * 2 + ["431221100"]
