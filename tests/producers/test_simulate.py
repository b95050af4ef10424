"""The simulated year: its net figures, its law, its errors, and the fate of every message.

The fold below belongs to this file: it shares no code with the pipeline or the simulator.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer

from infra.broker import Broker, ensure_topics
from producers.client import BulkProducer, Encoder, event_class
from producers.simulator.broken import KINDS, OF_THE_BROKER
from producers.simulator.history import (
    Batch,
    City,
    History,
    Message,
    Summary,
    history,
    microgrid_counts,
    play,
    published_figures,
)
from producers.vault import Vault
from schemas.errors import Refused
from schemas.event import Envelope, encode
from schemas.families import families
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import SHIPPED, Divisions
from schemas.wire import Decoder, Rejected
from streams.chunks import Chunk
from streams.ingest import Ingest

SHARED = Path(__file__).parents[3] / "shared" / "data" / "admin"
# 法治日报 2022-03-18; the fund in fen: 3.12 亿元 are 312,000,000 yuan.
ARTICLE = {
    "visits_2021": 1_881_000,
    "requests_closed_2021": 339_000,
    "fund_raised_fen": 31_200_000_000,
    "fund_helped": 23_000,
    "fund_projects": 172_000,
}
LOGGED = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


class Year:
    """A small history with every message classified."""

    def __init__(self, city: City, scale: float, seed: int = 7) -> None:
        self.made = History(city, seed, scale=scale)
        self.batches: list[Batch] = list(self.made)
        self.messages: list[Message] = [one for batch in self.batches for one in batch]
        self.events: list[dict[str, Any]] = []
        self.repeats = 0
        self.broken: list[Message] = []
        seen: dict[str, bytes] = {}
        for message in self.messages:
            if b'"id":"x' in message[2] or not message[2]:
                self.broken.append(message)
                continue
            event = json.loads(message[2])
            if event["id"] in seen:
                assert seen[event["id"]] == message[2], "sent again with other bytes"
                self.repeats += 1
                continue
            seen[event["id"]] = message[2]
            self.events.append(event)
        self.ids = set(seen)
        back = {e["data"]["corrects"] for e in self.events if _takes_back(e["type"])}
        self.standing = [event for event in self.events if event["id"] not in back]

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [event for event in self.standing if event["type"] == type_]

    def cases(self, topic: str, key: str) -> list[dict[str, dict[str, Any]]]:
        """The first event of each type, per case."""
        found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for event in sorted(self.events, key=lambda event: str(event["time"])):
            if event["type"].startswith(topic):
                found[event["data"][key]].setdefault(event["type"].partition(".")[2], event)
        return list(found.values())


def _takes_back(type_: str) -> bool:
    return type_ in ("visit.voided", "fund.reversed")


@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    with Vault(tmp_path_factory.mktemp("keys") / "keys.db") as made:
        yield made


@pytest.fixture(scope="module")
def city(vault: Vault) -> City:
    return City.load(vault)


@pytest.fixture(scope="module")
def year(city: City) -> Year:
    return Year(city, 0.01)


@pytest.fixture(scope="module")
def whole(city: City) -> Summary:
    return History(city, 2021).summary()


def test_the_net_figures_of_the_whole_city_are_the_published_ones(whole: Summary) -> None:
    summary = whole
    assert summary.figures == ARTICLE
    assert 3_000_000 < summary.messages < 5_000_000
    assert set(summary.gross) == {c.spec.name for f in families() for c in f.events}
    assert 0.98 < summary.visited / 112_600 < 0.995
    assert all(sum(f.startswith(kind) for f in summary.broken) for kind in ("null", "json"))
    assert f"{1_881_000:,}" in str(summary)


def test_the_counts_of_the_whole_city_are_plausible(whole: Summary) -> None:
    gross = whole.gross
    # Shares of the events that each can follow, as the year declares them; the end of the history
    # cuts off a few steps of the last weeks.
    ranges = {
        "visit.voided": (7_524, 7_524),  # 0.4 % of 1,881,000
        "visit.corrected": (15_800, 16_700),  # 0.8 %, 5 % of these twice; 6 % of the voided
        "visit.request_raised": (354_255, 354_255),  # 1.045 for each of 339,000
        "visit.request_closed": (345_000, 354_255),
        "petition.registered": (38_000, 38_000),
        "petition.transferred": (34_500, 36_000),  # 91 % of 38,000, 2 % of these twice
        "petition.objected": (600, 800),  # 2 % of 34,600
        "petition.accepted": (33_400, 34_400),
        "petition.not_accepted": (2_100, 2_450),  # 6 %
        "petition.merged": (1_050, 1_230),  # 3 %
        "petition.withdrawn": (1_050, 1_230),  # 3 %
        "petition.extended": (1_250, 1_600),  # 8 % of the 18,300 appeals of route 31(6)
        "petition.urged": (1_300, 1_600),  # 4 % of 33,900, and half of the 290 never accepted
        "petition.hearing_held": (500, 720),  # 1.5 %, and a fifth of the rechecks
        "petition.replied": (31_800, 33_000),
        "petition.closed": (31_600, 32_900),
        "petition.rated": (19_400, 20_500),  # 62 %
        "petition.review_requested": (1_100, 1_400),  # 5 % of 25,200 appeals
        "petition.review_decided": (1_080, 1_390),
        "petition.recheck_requested": (370, 480),  # 38 % of 92 %
        "petition.recheck_decided": (350, 470),
        "mediation.filed": (52_000, 52_000),
        "mediation.accepted": (51_350, 51_610),  # 99 %
        "mediation.mediator_assigned": (51_350, 51_610),
        "mediation.session_held": (66_000, 74_000),  # one each; 38 % and 25 % of the longer ones
        "mediation.agreement_reached": (45_600, 46_500),  # 90 % of those that end
        "mediation.terminated": (4_850, 5_400),
        "mediation.performed": (40_800, 42_600),  # 90 %, and 35 % of the breached
        "mediation.breached": (1_200, 1_500),  # 3 %
        "mediation.confirmation_applied": (2_200, 2_800),  # 16 % of the written, unless performed
        "mediation.confirmation_decided": (2_150, 2_800),
        "mediation.referred": (3_350, 3_800),  # 70 % of the terminated
        "fund.pledged": (54_000, 58_500),  # 17 % of 297,000 pledges, and less of other sources
        "fund.project_closed": (66_500, 69_000),
        "fund.reversed": (2_900, 3_700),  # 0.5 % of 660,000 entries
    }
    assert set(gross) - set(ranges) == {
        *("visit.recorded", "fund.contributed", "fund.disbursed"),
        *("fund.approved", "fund.project_opened"),
    }
    for name, (least, most) in ranges.items():
        assert least <= gross[name] <= most, (name, gross[name])


def test_three_of_every_kind_of_broken_message_are_in_every_family(
    city: City, whole: Summary
) -> None:
    assert whole.broken == dict.fromkeys(KINDS, 12)
    assert History(city, 1, scale=0.5).summary().broken == dict.fromkeys(KINDS, 8)  # 1.5: two
    made = History(city, 1, scale=0.001)
    found = Counter(
        topic
        for batch in made
        for topic, _, payload in batch
        if not payload or b'"id":"x' in payload
    )
    assert found == {family.topic: len(KINDS) for family in families()}


def test_the_table_of_counts_has_every_line(year: Year) -> None:
    summary = year.made.summary()
    lines = str(summary).splitlines()
    assert lines[0].split() == ["event", "type", "gross", "net"]
    for name, n in summary.gross.items():
        assert f"{name:<36}{n:>12,}{summary.net[name]:>12,}" in lines
    assert f"{'all':<36}{len(year.events):>12,}{sum(summary.net.values()):>12,}" in lines
    assert f"{'messages':<36}{len(year.messages):>12,}" in lines
    for title, counts in (("repeated", summary.repeated), ("broken", summary.broken)):
        for name, n in counts.items():
            assert f"{f'{title}: {name}':<36}{n:>12,}" in lines
    assert f"{'net: visits_2021':<36}{18_810:>24,}" in lines
    assert lines[-1] == f"{'micro-grids visited':<36}{summary.visited:>24,}"


def test_the_summary_of_a_part_of_the_year_is_that_of_what_was_sent_by_then(
    city: City, year: Year
) -> None:
    days = 200
    part = History(city, 7, scale=0.01, until=date(2021, 1, 1) + timedelta(days=days - 1))
    summary = part.summary()
    sent = {
        json.loads(m[2])["id"]: json.loads(m[2])
        for batch in year.batches[:days]
        for m in batch
        if m[2] and m not in year.broken
    }
    back = {e["data"]["corrects"] for e in sent.values() if _takes_back(e["type"])}
    standing = [event for event in sent.values() if event["id"] not in back]
    assert {k: n for k, n in summary.gross.items() if n} == Counter(
        event["type"] for event in sent.values()
    )
    assert {k: n for k, n in summary.net.items() if n} == Counter(e["type"] for e in standing)
    visits = [event for event in standing if event["type"] == "visit.recorded"]
    assert summary.figures["visits_2021"] == len(visits)
    assert summary.visited == len({event["grid"] for event in visits})


def test_a_day_is_sent_in_order_of_entry_and_repeats_come_within_25_days(year: Year) -> None:
    first: dict[str, int] = {}
    waits = []
    for n, batch in enumerate(year.batches):
        entered = []
        for message in batch:
            if not message[2] or b'"id":"x' in message[2]:
                continue
            event = json.loads(message[2])
            if event["id"] in first:
                waits.append(n - first[event["id"]])
                continue
            first[event["id"]] = n
            entered.append(event["recorded"])
            assert event["recorded"][:10] == str(date(2021, 1, 1) + timedelta(days=n))
        assert entered == sorted(entered)
    assert 20 <= max(waits) <= 25
    assert 8 < sum(waits) / len(waits) < 17


def test_the_file_of_published_figures_says_what_the_article_says() -> None:
    figures = published_figures()
    assert {name: figures[name].value for name in ARTICLE} == ARTICLE
    assert figures["microgrids"].value == 112_600
    assert all(figure.source.startswith("法治日报 2022-03-18") for figure in figures.values())


def test_an_own_fold_of_the_messages_finds_the_figures_of_a_hundredth(year: Year) -> None:
    visits = [e for e in year.of("visit.recorded") if e["time"] < "2022"]
    closed = [e for e in year.of("visit.request_closed") if e["time"] < "2022"]
    found = {
        "visits_2021": len(visits),
        "requests_closed_2021": len(closed),
        "fund_raised_fen": sum(e["data"]["amount"] for e in year.of("fund.contributed")),
        "fund_helped": sum(e["data"]["helped"] for e in year.of("fund.disbursed")),
        "fund_projects": sum(e["data"]["projects"] for e in year.of("fund.project_opened")),
    }
    assert found == {name: value // 100 for name, value in ARTICLE.items()}


def test_the_summary_counts_what_is_sent(year: Year) -> None:
    summary = year.made.summary()
    assert summary.gross == Counter(event["type"] for event in year.events)
    assert {k: n for k, n in summary.net.items() if n} == Counter(e["type"] for e in year.standing)
    assert sum(summary.repeated.values()) == year.repeats > 10
    assert sum(summary.broken.values()) == len(year.broken)
    assert summary.messages == len(year.messages)


def test_every_message_is_taken_or_refused_for_what_is_wrong_with_it(
    city: City, year: Year
) -> None:
    calendar, reasons = Calendar.load("Asia/Shanghai"), Counter[str]()
    for family in families():
        messages = [m for m in year.messages if m[0] == family.topic]
        records = [
            SimpleNamespace(offset=n, timestamp=LOGGED, key=key, value=payload)
            for n, (_, key, payload) in enumerate(messages)
        ]
        rows = Ingest(replace(family, partitions=1), city.divisions, calendar).prepare(
            [Chunk(family.topic, 0, 0, -1, records)]
        )
        for message, status, reason in zip(
            messages, rows.columns["status"], rows.columns["reason"], strict=True
        ):
            if status == "ok":
                assert b'"id":"x' not in message[2]
            else:
                reasons[reason.split(":")[0]] += 1
    # Both kinds of broken JSON have the same reason, and so have both kinds of wrong field.
    expected = Counter[str]()
    for kind, n in year.made.summary().broken.items():
        expected[{"json_joined": "json", "field_huge": "field"}.get(kind, kind)] += n
    assert reasons == expected
    assert set(reasons) > OF_THE_BROKER


def test_every_sound_message_is_byte_for_byte_what_the_schemas_write(year: Year) -> None:
    sample: dict[tuple[str, ...], list[bytes]] = defaultdict(list)
    for message in year.messages:
        if message in year.broken:
            continue
        event = json.loads(message[2])
        shape = sample[event["type"], *event, *event["data"]]
        if len(shape) < 20:
            shape.append(message[2])
    assert len({shape[0] for shape in sample}) >= 39
    for payload in (payload for shape in sample.values() for payload in shape):
        assert payload == _written(payload)


def _written(payload: bytes) -> bytes:
    event = json.loads(payload)
    data = event.pop("data")
    if "since" in data:
        data["since"] = datetime.fromisoformat(data["since"])
    for name in ("time", "recorded"):
        event[name] = datetime.fromisoformat(event[name])
    cls = event_class(event.pop("type"))
    assert event.pop("dataschema") == cls.spec.urn
    assert set(event) < set(Envelope.model_fields)
    return encode(cls(**data), event)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_message_of_the_whole_history_passes_the_decoder_or_is_broken(city: City) -> None:
    decoders = {f.topic: Decoder(f.events, city.divisions) for f in families()}
    made = History(city, 2021)
    refused = taken = 0
    for batch in made:
        for topic, decode in decoders.items():
            found = decode([payload for each, _, payload in batch if each == topic])
            refused += sum(isinstance(event, Rejected) for event in found)
            taken += len(found)
    summary = made.summary()
    assert taken == summary.messages
    seen_by_decoder = {k: n for k, n in summary.broken.items() if k not in OF_THE_BROKER}
    assert refused == sum(seen_by_decoder.values())


def test_the_same_seed_makes_the_same_bytes_and_another_seed_other_ids(city: City) -> None:
    first, again = (list(history(city, 3, scale=0.0005)) for _ in range(2))
    assert first == again
    ids, other = Year(city, 0.0005, seed=3).ids, Year(city, 0.0005, seed=4).ids
    assert not ids & other
    assert max(map(len, ids)) <= 24


def test_days_come_in_order_of_entry_and_none_after_the_article(year: Year) -> None:
    for n, batch in enumerate(year.batches):
        day = str(date(2021, 1, 1) + timedelta(days=n))
        entered = [json.loads(m[2]) for m in batch if m not in year.broken]
        assert all(event["recorded"][:10] <= day for event in entered)
        fresh = [e["recorded"] for e in entered if e["recorded"][:10] == day]
        assert len(fresh) > len(entered) * 0.8 or len(entered) < 40
    assert len(year.batches) == 442  # 365 of 2021, then 31 + 28 + 18
    assert max(event["recorded"] for event in year.events) < "2022-03-19"
    assert min(event["time"] for event in year.events) == "2021-01-01T00:00:00+08:00"
    for event in year.events:
        assert event["time"] <= event["recorded"]
        if event["time"] < "2022":
            assert event["recorded"] < "2022"


def test_a_correction_follows_what_it_corrects_from_the_same_office(year: Year) -> None:
    before: dict[str, dict[str, Any]] = {}
    found = Counter[str]()
    for event in year.events:
        original = before.get(event["data"].get("corrects", ""))
        if "corrects" in event["data"]:
            assert original is not None
            spec = event_class(event["type"]).spec
            assert original["type"] in (spec.corrects, *spec.voids)
            key = spec.key
            assert original["data"][key] == event["data"][key]
            assert original["source"] == event["source"]
            found[event["type"]] += 1
        before[event["id"]] = event
    assert min(found[t] for t in ("visit.corrected", "visit.voided", "fund.reversed")) > 5


def test_some_petitions_are_overdue_and_some_open_at_the_end_of_the_year(year: Year) -> None:
    new_year = datetime.fromisoformat("2022-01-01T00:00:00+08:00")
    open_ = late = due = 0
    for case in year.cases("petition", "petition"):
        ends = [case[s]["time"] for s in ("replied", "withdrawn") if s in case]
        end = datetime.fromisoformat(min(ends)) if ends else new_year + timedelta(days=99)
        if "accepted" not in case or case["accepted"]["data"]["route"] != "31.6":
            continue
        start = datetime.fromisoformat(case["accepted"]["time"])
        limit = start + timedelta(days=60 + 30 * ("extended" in case) + 1)
        due += limit < new_year
        late += limit < min(end, new_year)
        open_ += start < new_year <= end
    assert 0.01 < late / due < 0.15
    assert open_ > 5


def test_a_dispute_that_came_from_a_petition_names_one_registered_before(year: Year) -> None:
    registered = {e["data"]["petition"]: e["time"] for e in year.of("petition.registered")}
    linked = [e for e in year.of("mediation.filed") if e["data"]["origin"] == "petition"]
    named = [event for event in linked if "correlationid" in event]
    assert len(named) > len(linked) * 0.4
    assert all(registered[event["correlationid"]] <= event["time"] for event in named)


def test_sealed_texts_open_under_the_subject_the_client_would_have_named(
    vault: Vault, city: City, year: Year
) -> None:
    encoder, opened = Encoder(vault, city.divisions), Counter[str]()
    for event in year.events:
        cls, data = event_class(event["type"]), event["data"]
        for name, spec in cls.fields.items():
            if spec.sealed and name in data:
                subject = encoder.subject(cls, data)
                assert len(vault.unseal(subject, event["id"], name, data[name])) > 5
                opened[name] += 1
    assert set(opened) == {"remark", "text", "title", "reply", "facts"}


def test_forgetting_a_petitioner_takes_the_reply_too(tmp_path: Path) -> None:
    with Vault(tmp_path / "keys.db") as keys:
        events = [
            json.loads(payload)
            for batch in History(City.load(keys), 7, scale=0.002)
            for topic, _, payload in batch
            if topic == "petitions" and payload and b'"id":"x' not in payload
        ]
        sealed = {e["data"]["petition"]: e for e in events if "reply" in e["data"]}
        people = {
            e["data"]["petition"]: e["data"]["petitioner"]
            for e in events
            if "petitioner" in e["data"]
        }
        places = [
            (f"petitions:{case}", event["id"], "reply", event["data"]["reply"])
            for case, event in sealed.items()
        ]
        assert places and all(len(keys.unseal(*place)) > 5 for place in places)
        for case in sealed:
            keys.forget(people[case])
        for place in places:
            with pytest.raises(Refused, match="destroyed"):
                keys.unseal(*place)


def test_a_history_until_a_day_is_the_beginning_of_the_whole(city: City, year: Year) -> None:
    part = History(city, 7, scale=0.01, until=date(2021, 1, 20))
    assert list(part) == year.batches[:20]
    assert part.summary().messages == sum(map(len, year.batches[:20]))


def test_a_history_played_into_kafka_arrives_whole_and_in_order_for_each_key(
    broker: Broker, city: City
) -> None:
    ensure_topics(broker.bootstrap, [(f.topic, f.partitions, {}) for f in families()])
    made = History(city, 11, scale=0.002)
    with BulkProducer(broker.bootstrap) as producer:
        count = play(made, producer.send_bytes, flush=producer.flush, rate=1_000_000)
        assert producer.acknowledged == count == made.summary().messages
    sent: dict[tuple[str, bytes], list[bytes]] = defaultdict(list)
    for batch in made:
        for topic, key, payload in batch:
            sent[topic, key].append(payload)
    ours = {payload for payloads in sent.values() for payload in payloads if payload}
    found: dict[tuple[str, bytes], list[bytes]] = defaultdict(list)
    consumer = KafkaConsumer(
        *(f.topic for f in families()),
        bootstrap_servers=broker.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5_000,
    )
    for record in consumer:
        # The session's tests share the topics; other messages are theirs.
        if record.value in ours:
            found[record.topic, record.key].append(record.value)
    consumer.close()
    assert found == {place: [p for p in all_ if p] for place, all_ in sent.items() if any(all_)}


def test_the_shipped_micro_grids_are_marked_made_up_and_add_up_to_the_article() -> None:
    path = SHIPPED.parent / "microgrids_431200.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 2_777
    assert sum(int(row["microgrids"]) for row in rows) == 112_600
    assert {row["status"] for row in rows} == {"示例"}
    counts = {row["code"]: int(row["microgrids"]) for row in rows}
    assert counts == microgrid_counts(Divisions.load(), 112_600)


def test_another_city_of_the_province_runs_on_its_divisions_alone(
    vault: Vault, tmp_path: Path
) -> None:
    if not SHARED.is_dir():
        pytest.skip("../shared/data/admin is not here")
    lines = ["code,name,valid_from,valid_to", "430100,长沙市,,"]
    for name, column in (("hunan_divisions", "cityCode"), ("hunan_townships_9digit", "cityCode")):
        with (SHARED / f"{name}.csv").open(encoding="utf-8") as rows:
            found = [row for row in csv.DictReader(rows) if row[column] == "4301"]
        lines += [f"{row['code']},{row['name']},," for row in found]
    path = tmp_path / "divisions.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    other = City.load(vault, path)
    year = Year(other, 0.001)
    assert len(year.of("visit.recorded")) == 1_881
    assert {event["division"][:4] for event in year.events} == {"4301"}
    # Townships are the narrowest places in the file; a micro-grid's code begins with a village.
    assert not any("grid" in event for event in year.events)
    decoders = {f.topic: Decoder(f.events, other.divisions) for f in families()}
    for message in year.messages:
        if message not in year.broken:
            assert not isinstance(decoders[message[0]]([message[2]])[0], Rejected)
