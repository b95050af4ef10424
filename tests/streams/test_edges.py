"""Both sides of every limit that decides a message's status, without a server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any, Final

import pytest

from schemas.families import family
from schemas.reference.calendars import Calendar
from schemas.reference.divisions import Divisions
from schemas.wire import Reason
from streams.chunks import Chunk
from streams.dead_letters import DeadLetter
from streams.ingest import Ingest, Rows, StoredEvent
from streams.store import Poison
from tests.histories.messages import Message
from tests.histories.small import History, refused
from tests.histories.told import Told, household, message, ms, told
from tests.oracle import BOOK, Law, Record
from tests.streams.test_ingest import Arrived

NOON: Final = "2021-03-01 12:00"
LOGGED: Final = ms(NOON)
MINUTE, DAY = 60_000, 86_400_000


@cache
def ingest(topic: str) -> Ingest:
    return Ingest(family(topic), Divisions.load(), Calendar.load("Asia/Shanghai"))


def place(sent: Message) -> int:
    """The Kafka partition of a message."""
    if sent.kpart is not None:
        return sent.kpart
    return Law(BOOK[sent.topic]).place(sent.key or b"")


def laid_out(*sent: Message | Told, logged: int = LOGGED) -> Rows:
    """Rows of one topic's messages, appended to one Kafka partition at the same instant."""
    messages = [each if isinstance(each, Message) else message(each) for each in sent]
    records = [Arrived(n, logged, m.key, m.payload) for n, m in enumerate(messages)]
    chunk = Chunk(messages[0].topic, place(messages[0]), 1, -1, records)
    return ingest(messages[0].topic).prepare([chunk])


def visit(time: str = "2021-03-01 10:00", **more: Any) -> Told:
    return told("visit.recorded", "h", time, **more)


def row(rows: Rows, n: int = 0) -> dict[str, Any]:
    return {name: values[n] for name, values in rows.columns.items()}


def settled(*sent: Told, batches: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Rows of consecutive events, split into batches before the given numbers."""
    messages = [message(each) for each in sent]
    records = [Arrived(n, LOGGED + n, m.key, m.payload) for n, m in enumerate(messages)]
    found: list[dict[str, Any]] = []
    awaited: set[Any] = set()
    topic, kpart = messages[0].topic, place(messages[0])
    for start, end in zip([0, *batches], [*batches, len(records)], strict=True):
        rows = ingest(topic).prepare([Chunk(topic, kpart, 1, start - 1, records[start:end])])
        before = [StoredEvent(*(each[name] for name in StoredEvent._fields)) for each in found]
        counted = [each for each in before if each.status in ("ok", "orphan")]
        ingest(topic).settle(rows, range(len(rows)), counted, awaited)
        found += [row(rows, n) for n in range(len(rows))]
    return found


@pytest.mark.parametrize("name", sorted(refused("x")))
def test_a_message_that_cannot_be_counted_keeps_its_bytes_and_says_why(name: str) -> None:
    sent = refused("x")[name]
    # `recorded_after_logged` is from tomorrow, all others are from 2021.
    logged = ms("2025-01-01 00:00") if name != "recorded_after_logged" else LOGGED
    rows = laid_out(sent, logged=logged)
    found = row(rows)
    code, _, words = found.pop("reason").partition(": ")
    status = "parked" if name == "newer_version" else "dead"
    assert code == name.partition("-")[0]
    assert words
    assert found == {
        **dict.fromkeys(("source", "id", "type", "key", "division", "grid", "actor"), ""),
        **dict.fromkeys(("correlation", "causation", "corrects"), ""),
        **dict.fromkeys(("data_version", "time", "recorded", "tok", "koff"), 0),
        "kpart": place(sent),
        "koff_prev": -1,
        "repeat_of": -1,
        "late": False,
        "status": status,
        "logged": logged,
        "data": b"",
        "net": b"",
        "payload": sent.payload or b"",
        "sha256": sha256(sent.payload or b"").digest(),
    }
    record = Record(0, logged, sent.key, sent.payload, place(sent))
    assert Law(BOOK[sent.topic]).understand(record)[0] == status
    assert rows.sound.tolist() == [False]


def test_a_good_message_is_laid_out_whole() -> None:
    event = visit(grid="431202001001007", recorded="2021-03-01 11:30", met=3)
    event |= {"actor": "a-1", "correlationid": "c-1", "causationid": "e-1"}
    sent = message(event)
    found = row(laid_out(sent))
    data = json.loads(found.pop("data"))
    assert data == event["data"]
    assert found == {
        "kpart": place(sent),
        "koff": 0,
        "koff_prev": -1,
        "status": "ok",
        "reason": "",
        "source": "//huaihua/test",
        "id": event["id"],
        "type": "visit.recorded",
        "data_version": 2,
        "key": household("h"),
        "late": False,
        "corrects": "",
        "time": ms("2021-03-01 10:00"),
        "recorded": ms("2021-03-01 11:30"),
        "logged": LOGGED,
        "division": "431202001001",
        "grid": "431202001001007",
        "actor": "a-1",
        "correlation": "c-1",
        "causation": "e-1",
        "net": b"",
        "repeat_of": -1,
        "tok": 0,
        "payload": sent.payload,
        "sha256": sha256(sent.payload or b"").digest(),
    }


@pytest.mark.parametrize(
    ("recorded", "reason"),
    [
        ("2021-03-01 12:00:00", ""),
        ("2021-03-01 12:01:00", ""),  # office and broker clocks differ
        ("2021-03-01 12:01:00.001", "recorded_after_logged: recorded 60 s after the broker"),
        ("2021-03-01 12:01:01", "recorded_after_logged: recorded 61 s after the broker"),
        ("2021-03-01 12:20:00", "recorded_after_logged: recorded 1200 s after the broker"),
    ],
)
def test_recorded_is_at_most_a_minute_after_the_broker_appended_it(
    recorded: str, reason: str
) -> None:
    found = row(laid_out(visit(recorded=recorded)))
    assert found["reason"] == (reason and f"{reason} appended it")
    assert found["status"] == ("dead" if reason else "ok")


@pytest.mark.parametrize(
    ("recorded", "late"),
    [
        (LOGGED + MINUTE, False),
        (LOGGED - DAY + 1, False),
        (LOGGED - DAY, False),  # exactly a day
        (LOGGED - DAY - 1, True),
        (LOGGED - 10 * DAY, True),
    ],
    ids=["a minute ahead", "a day less 1 ms", "a day", "a day and 1 ms", "ten days"],
)
def test_what_was_recorded_more_than_a_day_before_it_came_is_late(
    recorded: int, late: bool
) -> None:
    sent = visit("2021-02-01 09:00", recorded="2021-02-01 09:00")
    logged = LOGGED + ms("2021-02-01 09:00") - recorded
    assert row(laid_out(sent, logged=logged))["late"] is late


def test_several_faults_of_one_message_are_told_in_one_order() -> None:
    # Recorded tomorrow, with a wrong key, in a wrong partition.
    event, edge = visit(recorded="2021-03-02 12:00"), visit(recorded="2021-03-01 12:01")
    for sent, reason in (
        (Message("visits", b"x", message(event).payload), "recorded_after_logged"),
        (Message("visits", b"x", message(edge).payload), "key"),  # a minute ahead is allowed
        (Message("visits", b"x", message(visit()).payload), "key"),
        (Message("visits", None, message(visit()).payload), "key"),
        (Message("visits", b"x", b"{"), "json"),
    ):
        assert row(laid_out(sent))["reason"].partition(":")[0] == reason


def test_a_wrong_message_among_good_ones_takes_nothing_from_them() -> None:
    good = [message(visit(id=f"g-{n}")) for n in range(3)]
    key = good[0].key
    wrong = Message("visits", key, good[0].payload and good[0].payload[:-1])
    strange = Message("visits", b"other", good[0].payload)
    rows = laid_out(good[0], wrong, good[1], strange, good[2])
    assert rows.columns["status"] == ["ok", "dead", "ok", "dead", "ok"]
    assert rows.columns["id"] == ["g-0", "", "g-1", "", "g-2"]
    assert rows.columns["koff_prev"] == [-1, 0, 1, 2, 3]
    assert rows.sound.tolist() == [True, False, True, False, True]
    assert rows.identities[2] == (place(good[0]), "//huaihua/test", "g-1")
    assert rows.places.tolist() == [place(good[0])] * 5
    assert rows.last == {place(good[0]): 4}
    assert rows.kparts == (place(good[0]),)
    assert len(rows) == 5


def test_rows_of_several_partitions_lie_in_the_order_of_their_chunks() -> None:
    events = [told("visit.recorded", f"h{n}", NOON) for n in range(40)]
    by_place: dict[int, list[Message]] = {}
    for each in map(message, events):
        by_place.setdefault(place(each), []).append(each)
    assert sorted(by_place) == [0, 1, 2, 3]
    chunks = []
    for kpart in (2, 0, 3):
        sent = by_place[kpart]
        records = [Arrived(7 + 2 * n, LOGGED, m.key, m.payload) for n, m in enumerate(sent)]
        chunks.append(Chunk("visits", kpart, 1, 5, records))
    rows = ingest("visits").prepare(chunks)
    sizes = [len(by_place[kpart]) for kpart in (2, 0, 3)]
    assert rows.columns["kpart"] == [2] * sizes[0] + [0] * sizes[1] + [3] * sizes[2]
    assert rows.columns["koff"] == [7 + 2 * n for size in sizes for n in range(size)]
    before = [5 if n == 0 else 5 + 2 * n for size in sizes for n in range(size)]
    assert rows.columns["koff_prev"] == before
    assert rows.kparts == (0, 2, 3)
    ends = zip((2, 0, 3), sizes, strict=True)
    assert rows.last == {kpart: 5 + 2 * size for kpart, size in ends}


def test_only_corrections_that_can_be_read_are_taken_for_corrections() -> None:
    void = told("visit.voided", "h", NOON, corrects="v-1")
    broken = Message("visits", message(void).key, (message(void).payload or b"")[:-1])
    rows = laid_out(visit(id="v-1"), broken, void, visit())
    assert rows.corrective == [2]
    assert rows.root(2) == (place(message(void)), "//huaihua/test", "v-1")
    assert rows.columns["corrects"] == ["", "", "v-1", ""]
    funds = laid_out(told("fund.contributed", "F-1", NOON))
    assert funds.corrective == []
    assert laid_out(told("petition.registered", "P-1", NOON)).corrective == []


def test_rows_that_are_wanted_are_found_by_identity_and_by_what_they_correct() -> None:
    first, void = visit(id="v-1"), told("visit.voided", "h", NOON, corrects="v-1", id="v-2")
    rows = laid_out(first, void, visit(id="v-3"), visit(id="v-4"))
    ingest("visits").settle(rows, range(4), [], set())
    kpart = place(message(first))

    def found(*ids: str) -> list[tuple[int, str]]:
        wanted = {(kpart, "//huaihua/test", id_) for id_ in ids}
        return sorted((each.koff, each.status) for each in rows.counted(wanted))

    assert found("v-1") == [(0, "ok"), (1, "ok")]
    assert found("v-2") == [(1, "ok")]
    assert found("v-3", "v-4") == [(2, "ok"), (3, "ok")]
    assert found("v-5") == []
    rows.refuse(3, Reason.CONTRADICTION, "no")
    assert found("v-4") == []
    assert row(rows, 3)["reason"] == "contradiction: no"
    assert row(rows, 3)["status"] == "dead"
    assert (row(rows, 3)["data"], row(rows, 3)["net"]) == (b"", b"")
    assert row(rows, 3)["payload"]


def postings(found: dict[str, Any]) -> list[tuple[str, str, int, int, int]]:
    """A row's postings: type, role or reason, people met, gross and net."""
    return [
        (
            each["type"],
            each["data"].get("role") or each["data"]["why"],
            each["data"].get("met", 0),
            each["gross"],
            each["net"],
        )
        for each in json.loads(found["net"] or b"[]")
    ]


FIRST = visit("2021-03-01 08:00", id="v-1", role="cadre", met=1)


def correction(id_: str, recorded: str, met: int) -> Told:
    return told(
        "visit.corrected", "h", "2021-03-01 08:00", id=id_, recorded=recorded, corrects="v-1",
        role="party_member", met=met,
    )  # fmt: skip


def void(id_: str, recorded: str) -> Told:
    return told(
        "visit.voided", "h", "2021-03-01 08:00", id=id_, recorded=recorded, corrects="v-1", why="重"
    )


RECORDED, CORRECTED, VOIDED = "visit.recorded", "visit.corrected", "visit.voided"
MEMBER = "party_member"


@pytest.mark.parametrize("batches", [(), (1,), (2,), (1, 2)])
def test_of_two_corrections_the_one_recorded_last_stands_and_not_the_one_that_came_last(
    batches: Sequence[int],
) -> None:
    later, sooner = correction("c-1", "2021-03-01 11:00", 5), correction(
        "c-2", "2021-03-01 10:00", 7
    )  # fmt: skip
    found = settled(FIRST, later, sooner, batches=batches)
    assert [each["status"] for each in found] == ["ok", "ok", "ok"]
    assert postings(found[0]) == []
    assert postings(found[1]) == [
        (CORRECTED, MEMBER, 5, 1, 0),
        (RECORDED, "cadre", 1, 0, -1),
        (RECORDED, MEMBER, 5, 0, 1),
    ]
    assert postings(found[2]) == [(CORRECTED, MEMBER, 7, 1, 0)]


@pytest.mark.parametrize("batches", [(), (1,), (2,), (1, 2)])
def test_of_two_corrections_recorded_at_one_instant_the_greater_id_stands(
    batches: Sequence[int],
) -> None:
    at = "2021-03-01 11:00"
    small, great = correction("c-1", at, 5), correction("c-2", at, 7)
    found = settled(FIRST, great, small, batches=batches)
    assert postings(found[2]) == [(CORRECTED, MEMBER, 5, 1, 0)]
    found = settled(FIRST, small, great, batches=batches)
    assert postings(found[2]) == [
        (CORRECTED, MEMBER, 7, 1, 0),
        (RECORDED, MEMBER, 5, 0, -1),
        (RECORDED, MEMBER, 7, 0, 1),
    ]


@pytest.mark.parametrize("batches", [(), (1,), (2,), (1, 2)])
def test_a_visit_taken_back_counts_for_nothing_until_a_later_correction_brings_it_back(
    batches: Sequence[int],
) -> None:
    back, again = void("x-1", "2021-03-01 10:00"), correction("c-1", "2021-03-01 11:00", 5)
    found = settled(FIRST, back, again, batches=batches)
    assert postings(found[1]) == [(VOIDED, "重", 0, 1, 0), (RECORDED, "cadre", 1, 0, -1)]
    assert postings(found[2]) == [(CORRECTED, MEMBER, 5, 1, 0), (RECORDED, MEMBER, 5, 0, 1)]


@pytest.mark.parametrize("batches", [(), (1,), (2,), (1, 2)])
def test_corrections_that_come_first_wait_and_the_best_of_them_stands(
    batches: Sequence[int],
) -> None:
    one, two = correction("c-1", "2021-03-01 11:00", 5), correction("c-2", "2021-03-01 10:00", 7)
    found = settled(one, two, FIRST, batches=batches)
    assert [each["status"] for each in found] == ["orphan", "orphan", "ok"]
    assert [postings(each) for each in found] == [
        [],
        [],
        [(RECORDED, "cadre", 1, 1, 0), (RECORDED, MEMBER, 5, 0, 1)],
    ]


@pytest.mark.parametrize("batches", [(), (1,)])
def test_a_visit_whose_end_came_first_counts_as_filed_and_as_nothing_else(
    batches: Sequence[int],
) -> None:
    found = settled(void("x-1", "2021-03-01 10:00"), FIRST, batches=batches)
    assert postings(found[1]) == [(RECORDED, "cadre", 1, 1, 0)]


@pytest.mark.parametrize("batches", [(), (1,), (2,), (1, 2)])
def test_a_correction_of_a_correction_and_one_of_another_type_change_nothing(
    batches: Sequence[int],
) -> None:
    raised = told("visit.request_raised", "h", "2021-03-01 08:00", id="v-1")
    found = settled(raised, correction("c-1", "2021-03-01 10:00", 5), visit(), batches=batches)
    assert [each["status"] for each in found] == ["ok", "dead", "ok"]
    assert (
        found[1]["reason"] == "contradiction: visit.corrected cannot correct visit.request_raised"
    )
    # A parked correction of another kind stays an orphan, without a fault, and is not used.
    found = settled(correction("c-1", "2021-03-01 10:00", 5), raised, visit(), batches=batches)
    assert [each["status"] for each in found] == ["orphan", "ok", "ok"]
    assert postings(found[1]) == []
    chain = told("visit.voided", "h", "2021-03-01 08:00", corrects="c-1", why="x")
    found = settled(FIRST, correction("c-1", "2021-03-01 10:00", 5), chain, batches=batches)
    assert [each["status"] for each in found] == ["ok", "ok", "orphan"]


def test_a_correction_takes_over_place_and_content_and_keeps_type_and_time() -> None:
    moved = correction("c-1", "2021-03-01 10:00", 5)
    moved |= {"division": "431202001002", "grid": "431202001002001"}
    moved["time"] = "2021-03-01T09:00:00+08:00"
    found = settled(FIRST, moved)
    eight, nine = ms("2021-03-01 08:00"), ms("2021-03-01 09:00")
    assert [
        (each["type"], each["time"], each["division"], each["grid"], each["gross"], each["net"])
        for each in json.loads(found[1]["net"])
    ] == [
        (CORRECTED, nine, "431202001002", "431202001002001", 1, 0),
        (RECORDED, eight, "431202001001", "", 0, -1),
        (RECORDED, eight, "431202001002", "431202001002001", 0, 1),
    ]


def test_an_event_with_the_id_of_another_source_is_no_repeat() -> None:
    one = visit(id="v-1")
    found = settled(one, visit(id="v-1") | {"source": "//huaihua/other"}, one, batches=(1,))
    assert [each["status"] for each in found] == ["ok", "ok", "repeat"]
    assert [each["repeat_of"] for each in found] == [-1, -1, 0]


def test_a_row_that_no_filter_suspects_is_not_looked_up() -> None:
    # The filter calls it certainly new: stored events with its identity are not looked up.
    rows = laid_out(visit(id="v-1"), visit(id="v-1"))
    ingest("visits").settle(rows, [1], [], set())
    assert rows.columns["status"] == ["ok", "ok"]


def test_refused_messages_are_no_repeats_of_one_another() -> None:
    good = message(visit())
    newer = (good.payload or b"").replace(b"recorded:2", b"recorded:9")
    other = newer.replace(b"cadre", b"mayor")
    sent = [Message("visits", good.key, load) for load in (newer, newer, other, b"{", b"{")]
    rows = laid_out(*sent)
    ingest("visits").settle(rows, range(5), [], set())
    assert rows.columns["status"] == ["parked", "parked", "parked", "dead", "dead"]
    assert rows.columns["repeat_of"] == [-1] * 5


@pytest.mark.parametrize("topic", ["petitions", "mediations"])
def test_an_event_carries_the_due_dates_that_it_sets(topic: str) -> None:
    law, checked = Law(BOOK[topic]), set()
    for sent in History(3).messages(1500):
        if sent.topic != topic:
            continue
        found = row(laid_out(sent, logged=ms("2026-01-01")))
        assert found["status"] == "ok"
        due = {n: at for n, at in json.loads(found["data"]).items() if n.startswith("due_")}
        event = json.loads(sent.payload or b"")
        assert due == {f"due_{name}": at for name, at in law.due(event).items()}
        checked |= set(due)
    assert checked == {f"due_{name}" for name in law.duties}


def test_refused_rows_become_dead_letters_with_reason_place_and_bytes() -> None:
    good = message(visit())
    newer = (good.payload or b"").replace(b"recorded:2", b"recorded:9")
    rows = laid_out(good, Message("visits", good.key, b"{"), Message("visits", good.key, newer))
    dead, parked = DeadLetter.of_rows(rows)
    said = "json: not one JSON object: EOF while parsing an object at line 1 column 1"
    assert dead == DeadLetter("visits", place(good), 1, LOGGED, "dead", said, b"{")
    assert dead.code == "json"
    assert dead.headers == [
        ("status", b"dead"),
        ("reason", said.encode()),
        ("topic", b"visits"),
        ("partition", str(place(good)).encode()),
        ("offset", b"1"),
        ("logged", b"1614571200000"),  # 2021-03-01 12:00 in the city
        ("size", b"1"),
        # echo -n '{' | sha256sum
        ("sha256", b"021fb596db81e6d02bf3d2586ee3981fe519f275c0ac9ca76bbcf2ebb4097d96"),
    ]
    assert dead.head == b"{"
    assert (parked.status, parked.code, parked.offset) == ("parked", "newer_version", 2)
    assert parked.payload == newer


@pytest.mark.parametrize("more", [0, 1, 20_000_000])
def test_a_letter_holds_eight_mebibytes_of_its_message_and_says_what_it_was(more: int) -> None:
    payload = b"x" * (8_388_608 + more)
    letter = DeadLetter("visits", 0, 1, LOGGED, "dead", "json: " + "y" * 9_000_000, payload)
    said = dict(letter.headers)
    assert letter.head == b"x" * 8_388_608
    assert said["size"] == str(len(payload)).encode()
    assert said["sha256"] == sha256(payload).hexdigest().encode()
    assert len(said["reason"]) == 1_000
    assert letter.payload == payload


def test_an_event_that_a_view_cannot_digest_becomes_a_dead_letter() -> None:
    poison = Poison("funds", 3, 17, 99, b"{}", "projection: funds_ledger: Overflow")
    letter = DeadLetter.of_poison(poison)
    assert letter == DeadLetter(
        "funds", 3, 17, 99, "dead", "projection: funds_ledger: Overflow", b"{}"
    )
    assert letter.code == "projection"
