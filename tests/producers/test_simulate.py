"""The simulated year: its net figures, its law, its slips, and every message fit or refused.

The fold below is this file's own: it shares no code with the pipeline or the simulator.
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
from producers._broken import OF_THE_BROKER
from producers.client import BulkProducer, Encoder, event_class
from producers.simulate import (
    Batch,
    City,
    History,
    Message,
    Progress,
    history,
    live,
    microgrid_counts,
    play,
    published_figures,
)
from producers.vault import Vault
from schemas import families
from schemas._clocks import Calendar
from schemas._divisions import SHIPPED, Divisions
from schemas._errors import Refused
from schemas._event import Envelope, encode
from schemas._wire import Decoder, Rejected
from streams._chunks import Chunk
from streams.ingest import Ingest

SHARED = Path(__file__).parents[3] / "shared" / "data" / "admin"
# 法治日报 2022-03-18; the fund in fen: 3.12 亿元 is 312,000,000 yuan.
ARTICLE = {
    "visits_2021": 1_881_000,
    "requests_closed_2021": 339_000,
    "fund_raised_fen": 31_200_000_000,
    "fund_helped": 23_000,
    "fund_projects": 172_000,
}
LOGGED = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)


class Year:
    """A small history, with each of its messages told apart."""

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
        """Of each case its first event by type."""
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


def test_the_net_figures_of_the_whole_city_are_the_published_ones(city: City) -> None:
    summary = History(city, 2021).summary()
    assert summary.figures == ARTICLE
    assert 3_000_000 < summary.messages < 5_000_000
    assert set(summary.gross) == {c.spec.name for f in families() for c in f.events}
    assert 0.98 < summary.visited / 112_600 < 0.995
    assert all(sum(f.startswith(kind) for f in summary.broken) for kind in ("null", "json"))
    assert f"{1_881_000:,}" in str(summary)


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
    # The two ways of breaking JSON, and the two of a wrong field, have one reason each.
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


def test_some_forms_come_days_late(year: Year) -> None:
    late = [
        event
        for event in year.of("visit.recorded")
        if datetime.fromisoformat(event["recorded"]) - datetime.fromisoformat(event["time"])
        > timedelta(days=1)
    ]
    assert 0.02 < len(late) / len(year.of("visit.recorded")) < 0.04


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


def test_requests_are_raised_in_a_visit_and_closed_once_afterwards(year: Year) -> None:
    visits = {event["id"]: event for event in year.of("visit.recorded")}
    raised = {event["data"]["request"]: event for event in year.of("visit.request_raised")}
    closed = year.of("visit.request_closed")
    assert len({event["data"]["request"] for event in closed}) == len(closed)
    for event in raised.values():
        assert visits[event["causationid"]]["data"]["household"] == event["data"]["household"]
    for event in closed:
        assert raised[event["data"]["request"]]["time"] <= event["time"]
        assert raised[event["data"]["request"]]["id"] == event["causationid"]
    assert any(event["time"] > "2022" for event in closed)
    assert len(raised) > len(closed)


def test_petitions_take_the_steps_of_the_law_in_order(year: Year) -> None:
    steps = ("registered", "transferred", "accepted", "replied", "closed", "rated")
    cases = year.cases("petition", "petition")
    assert len(cases) == 380
    for case in cases:
        times = [case[step]["time"] for step in steps if step in case]
        assert times == sorted(times)
        assert len({event["data"]["kind"] for event in case.values()}) == 1
        if "not_accepted" in case or "merged" in case:
            assert set(case) <= {"registered", "not_accepted", "merged"}
        if "withdrawn" in case:
            assert "replied" not in case
        if "extended" in case:
            assert case["extended"]["data"]["since"] == case["accepted"]["time"]
            assert case["extended"]["data"]["route"] == "31.6"
        if "review_requested" in case and "closed" in case:
            assert case["review_decided"]["time"] <= case["closed"]["time"]
        appeal = case["registered"]["data"]["kind"] == "appeal"
        if "accepted" in case:
            assert (case["accepted"]["data"]["route"] == "none") is not appeal


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


def test_nine_in_ten_mediations_end_in_agreement_and_courts_have_their_terms(year: Year) -> None:
    cases = year.cases("mediation", "case")
    agreed = [case for case in cases if "agreement_reached" in case]
    given_up = [case for case in cases if "terminated" in case]
    assert 0.86 < len(agreed) / (len(agreed) + len(given_up)) < 0.94
    for case in cases:
        assert not {"agreement_reached", "terminated"} <= set(case)
        if "performed" in case or "confirmation_applied" in case:
            assert "agreement_reached" in case
        court = case["filed"]["data"]["origin"] == "litigation"
        if "accepted" in case:
            assert case["accepted"]["data"]["mode"].startswith("court") is court
        if case["filed"]["data"]["dispute"] == "housing_land":
            assert "confirmation_applied" not in case
    assert any(case["agreement_reached"]["data"]["amount"] for case in agreed)
    assert any("grid" in case["filed"] for case in cases)


def test_a_dispute_that_came_from_a_petition_names_one_registered_before(year: Year) -> None:
    registered = {e["data"]["petition"]: e["time"] for e in year.of("petition.registered")}
    linked = [e for e in year.of("mediation.filed") if e["data"]["origin"] == "petition"]
    named = [event for event in linked if "correlationid" in event]
    assert len(named) > len(linked) * 0.4
    assert all(registered[event["correlationid"]] <= event["time"] for event in named)


def test_no_fund_ever_pays_what_it_does_not_have(year: Year) -> None:
    moves = [*year.of("fund.contributed"), *year.of("fund.disbursed")]
    balance: Counter[tuple[str, str]] = Counter()
    for event in sorted(moves, key=lambda e: (e["time"], e["type"] != "fund.contributed")):
        sign = 1 if event["type"] == "fund.contributed" else -1
        purse = event["data"]["account"], event["data"]["source"]
        balance[purse] += sign * event["data"]["amount"]
        assert balance[purse] >= 0


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


def test_a_rate_is_kept_and_progress_told(city: City) -> None:
    now, sent, told = [0.0], list[Message](), list[Progress]()

    def sleep(seconds: float) -> None:
        now[0] += seconds

    made = History(city, 7, scale=0.001)
    count = play(
        made,
        lambda *message: sent.append(message),
        rate=100,
        progress=told.append,
        clock=lambda: now[0],
        sleep=sleep,
    )
    assert count == len(sent) == made.summary().messages
    assert now[0] == pytest.approx(count / 100)
    assert told[-1] == Progress(count, count, date(2022, 3, 18))


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
        # The topics are shared by the session's tests; other messages are theirs.
        if record.value in ours:
            found[record.topic, record.key].append(record.value)
    consumer.close()
    assert found == {place: [p for p in all_ if p] for place, all_ in sent.items() if any(all_)}


def test_a_trickle_is_dated_now_at_its_rate_with_ids_that_never_come_again(city: City) -> None:
    decoders = {f.topic: Decoder(f.events, city.divisions) for f in families()}
    start = datetime(2026, 5, 1, 9, 0, 0, 500_000, tzinfo=UTC)
    ids = set[str]()
    topics = Counter[str]()
    for restart in range(2):
        now = [start + timedelta(hours=restart)]
        batches = live(city, 1, 160.0, clock=lambda now=now: now[0])  # type: ignore[misc]
        assert next(batches) == []
        for _ in range(600):
            now[0] += timedelta(milliseconds=125)
            batch = next(batches)
            assert len(batch) == 20
            for topic, _, payload in batch:
                (event,) = decoders[topic]([payload])
                assert not isinstance(event, Rejected)
                assert event["recorded"] == now[0].replace(microsecond=0)
                ids.add(event["id"])
                topics[topic] += 1
    assert len(ids) == 2 * 600 * 20
    assert set(topics) == {f.topic for f in families()}
    assert 0.5 < topics["visits"] / len(ids) < 0.8


def test_after_a_pause_a_trickle_makes_up_for_five_seconds_at_most(city: City) -> None:
    now = [datetime(2026, 5, 1, tzinfo=UTC)]
    batches = live(city, 1, clock=lambda: now[0])
    assert next(batches) == []
    now[0] += timedelta(hours=8)
    assert len(next(batches)) == 25  # 5 s of 5/s
    now[0] += timedelta(seconds=1)
    assert len(next(batches)) == 5


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
    # Townships are the narrowest places of the file, and a micro-grid's code begins with a village.
    assert not any("grid" in event for event in year.events)
    decoders = {f.topic: Decoder(f.events, other.divisions) for f in families()}
    for message in year.messages:
        if message not in year.broken:
            assert not isinstance(decoders[message[0]]([message[2]])[0], Rejected)
