"""Every way to map a personal column into an event is refused or sealed.

Each form is imported from each kind of file, and everything that the import reports and sends is
searched for the cells. Then the same rows of other persons are imported: all differences must
depend on the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from infra.broker import Broker, ensure_topics
from producers.client import Encoded, Encoder, Producer
from producers.ledgers.importing import LedgerMapping, RowOutcome, import_ledger, outcomes
from producers.vault import Vault
from schemas.families import families
from tests.producers.traces import (
    KINDS,
    OTHERS,
    PLACES,
    ROWS,
    SECRETS,
    event,
    found,
    mapping,
    petition,
    visit,
    write,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Form:
    """A mapping, and the result of both rows: `in`, or code and column of the refusal."""

    mapping: LedgerMapping
    fate: str = "in"
    column: str = ""


def digested(column: str) -> dict[str, Any]:
    return {"from": f"{{{column}}}", "digest": True}


NAMES: Final = {row["姓名"]: f"H-{n}" for n, row in enumerate([*ROWS, *OTHERS])}
OFFICES: Final = dict.fromkeys(NAMES, "431202-信访局")
CARDS: Final = {row["身份证"]: n for n, row in enumerate([*ROWS, *OTHERS])}
FILED: Final = {
    "case": "{编号}",
    "dispute": "neighbours",
    "origin": "grid",
    "scale": "individual",
    "people": 2,
}

KEPT: Final[Mapping[str, Form]] = {
    # -- identity of a row
    "identity that stands for the person": Form(
        mapping(petition(petitioner="{身份证}"), identity=["身份证"])
    ),
    "identity of a name and a day": Form(mapping(petition(), identity=["姓名", "日期"])),
    "identity of a name and an open number": Form(mapping(petition(), identity=["姓名", "编号"])),
    "identity that no field reads": Form(mapping(petition(), identity=["身份证"])),
    "identity that is a sealed text": Form(mapping(petition(text="{诉求}"), identity=["诉求"])),
    "identity that says where": Form(
        mapping(
            petition(), identity=["地址"], division={"from": "{地址}", "unknown": "431202001001"}
        )
    ),
    "identity that says whether": Form(mapping(petition() | {"when": "{手机}"}, identity=["手机"])),
    "identity that stands for the person and for a number": Form(
        mapping(
            visit(household="{身份证}", met={"from": "{身份证}", "map": CARDS}), identity=["身份证"]
        )
    ),
    "identity that a template names with other widths": Form(
        mapping(petition(petitioner="{ 身份证 }"), identity=[" 身份证"])
    ),
    # -- persons
    "person by a bare column": Form(mapping(petition())),
    "person by a template": Form(mapping(petition(petitioner="{姓名}/{身份证}"))),
    "person by a template and letters": Form(mapping(petition(petitioner="P-{手机}"))),
    "person by a map": Form(mapping(petition(petitioner={"from": "{姓名}", "map": NAMES}))),
    "person by a default": Form(mapping(petition(petitioner={"from": "{无}", "default": "不详"}))),
    "person by a digest of a number": Form(mapping(petition(petitioner=digested("身份证")))),
    "person by a digest of a name": Form(mapping(petition(petitioner=digested("姓名")))),
    "person with a unit": Form(mapping(petition(petitioner={"from": "{手机}", "unit": "元"}))),
    "household as the key of the message": Form(mapping(visit(household="{手机}"))),
    "household by a template as the key": Form(mapping(visit(household="{地址}/{姓名}"))),
    "giver": Form(
        mapping(event("fund.contributed", account="F-1", amount=5, source="pledge", giver="{手机}"))
    ),
    "receiver": Form(
        mapping(
            event(
                "fund.disbursed",
                account="F-1",
                amount=5,
                source="pledge",
                use="public_good",
                helped=1,
                receiver="{姓名}",
            )
        )
    ),
    "party and facts": Form(
        mapping(event("mediation.filed", **FILED, party="{身份证}", facts="{诉求}"))
    ),
    # -- sealed texts
    "text of a person": Form(mapping(petition(text="{诉求}", title="{姓名}"))),
    "text of a template": Form(mapping(petition(text="{姓名}说：{诉求}（{手机}）"))),
    "text by a map": Form(mapping(petition(text={"from": "{姓名}", "map": NAMES}))),
    "text by a digest": Form(mapping(petition(text=digested("诉求")))),
    "text by a default": Form(mapping(petition(text={"from": "{无}", "default": "不详"}))),
    "text that is a number": Form(mapping(visit(remark="{手机}"))),
    "text of a case without a person": Form(
        mapping(
            event(
                "petition.replied",
                petition="{编号}",
                kind="appeal",
                result="explained",
                reply="{诉求}",
            )
        )
    ),
    "text of a request": Form(
        mapping(
            event(
                "visit.request_raised",
                household="{姓名}",
                request="{编号}",
                matter="livelihood",
                text="{诉求}",
            )
        )
    ),
    # -- places and conditions
    "place unknown": Form(mapping(petition(), division={"from": "{地址}", "unknown": "431202"})),
    "number as an unknown place": Form(
        mapping(petition(), division={"from": ["{身份证}"], "unknown": "431202"})
    ),
    "made when there is a text": Form(mapping(petition() | {"when": "{诉求}"})),
    "actor by a map": Form(
        mapping(petition(actor={"from": "{姓名}", "map": dict.fromkeys(NAMES, "x")}))
    ),
}

REFUSED: Final[Mapping[str, Form]] = {
    "case number that is a name": Form(mapping(petition(petition="{姓名}")), "refused", "姓名"),
    "case number that is a text": Form(mapping(petition(petition="P-{诉求}")), "refused", "诉求"),
    "digest that is fed by a text": Form(mapping(petition(content="{诉求}")), "refused", "诉求"),
    "digest that is fed by a digest": Form(
        mapping(petition(content=digested("诉求"))), "refused", "诉求"
    ),
    "digest that is made up": Form(
        mapping(petition(content="x." + "0" * 21 + "{手机}")), "refused", "手机"
    ),
    "pseudonym that is made up": Form(
        mapping(petition(petitioner="k1." + "0" * 21 + "{手机}")), "refused", "手机"
    ),
    "household that is made up": Form(
        mapping(visit(household="k1.00000000000000{身份证}")), "refused", "身份证"
    ),
    "count that is a number of a person": Form(
        mapping(petition(people="{身份证}")), "personal", "身份证"
    ),
    "count that is a telephone": Form(mapping(visit(met="{手机}")), "personal", "手机"),
    "count that is a name": Form(mapping(visit(met="{姓名}")), "number", "姓名"),
    "money that is a name": Form(
        mapping(
            event(
                "fund.pledged",
                account="F-1",
                amount={"from": "{姓名}", "unit": "元"},
                source="pledge",
            )
        ),
        "number",
        "姓名",
    ),
    "yes or no that is a text": Form(mapping(petition(repeated="{诉求}")), "choice", "诉求"),
    "word that is a telephone": Form(mapping(petition(kind="{手机}")), "choice", "手机"),
    "word by a template": Form(mapping(petition(channel="{姓名}{手机}")), "choice", "姓名"),
    "time that is a number of a person": Form(mapping(petition(time="{身份证}")), "time", "身份证"),
    "time that is a telephone": Form(mapping(petition(recorded="{日期} {手机}")), "time", "日期"),
    "recorded that is a name": Form(mapping(petition(recorded="{姓名}")), "time", "姓名"),
    "place that is a name": Form(mapping(petition(), division="{姓名}"), "division", "姓名"),
    "place that is a number": Form(mapping(petition(), division="{身份证}"), "division", "身份证"),
    "place with a name behind it": Form(
        mapping(petition(), division={"from": ["鹤城区", "{地址}"]}), "division", "地址"
    ),
    "grid that is a name": Form(mapping(petition(grid="{姓名}")), "refused", ""),
    "grid that is a number of a person": Form(
        mapping(petition(grid="{身份证}")), "personal", "身份证"
    ),
    "actor that is a name": Form(mapping(petition(actor="{姓名}")), "refused", ""),
    "actor that is a telephone": Form(mapping(petition(actor="A{手机}")), "personal", "手机"),
    "case number that is a number of a person": Form(
        mapping(petition(petition="P-{身份证}")), "personal", "身份证"
    ),
    "category that is a name": Form(mapping(petition(category="{姓名}")), "refused", "姓名"),
    "actor that is too long": Form(
        mapping(petition(actor="{诉求}{诉求}{诉求}{诉求}{诉求}{诉求}{诉求}{诉求}")), "refused", ""
    ),
    "text that is too long": Form(
        mapping(petition(text="{诉求}" * 3_000, petitioner="{姓名}")), "text", "诉求"
    ),
    "name that is too long": Form(mapping(petition(petitioner="{姓名}" * 6_000)), "text", "姓名"),
}


@pytest.fixture(scope="module")
def producer(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Producer]:
    ensure_topics(broker.bootstrap, [(f.topic, f.partitions, {}) for f in families()])
    with (
        Vault(tmp_path_factory.mktemp("keys") / "keys.db") as vault,
        Producer(broker.bootstrap, vault, PLACES) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def other_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encoder]:
    with Vault(tmp_path_factory.mktemp("other-keys") / "keys.db") as vault:
        yield Encoder(vault, PLACES)


FORMS: Final = {**KEPT, **REFUSED}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ledger in every file format."""
    made = tmp_path_factory.mktemp("ledgers")
    for kind in KINDS:
        write(made, kind, name=kind)
    return made


@pytest.mark.parametrize("name", FORMS)
def test_no_cell_about_a_person_leaves_the_importer_in_a_form_that_can_be_read_or_tried_out(
    name: str,
    producer: Producer,
    folder: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    form = FORMS[name]
    caplog.set_level(0)
    texts: list[bytes] = []
    for ledger in folder.iterdir():
        made = list(outcomes(ledger, form.mapping, producer.encoder, now=NOW))
        assert fates(made) == [(form.fate, form.column)] * 2
        texts += [part for m in sent(made) for part in (m.topic.encode(), m.key, m.payload)]
        report = import_ledger(
            ledger, form.mapping, producer, rejects=tmp_path / f"{ledger.name}.csv", now=NOW
        )
        texts += [str(report).encode(), repr(report).encode(), repr(made).encode()]
    texts += [path.read_bytes() for path in tmp_path.iterdir()]
    said = capfd.readouterr()
    texts += [said.out.encode(), said.err.encode(), caplog.text.encode()]
    assert len(list(tmp_path.iterdir())) == len(KINDS)
    assert found(SECRETS, texts) == []


@pytest.mark.parametrize("name", FORMS)
def test_what_differs_between_two_persons_depends_on_the_key(
    name: str, producer: Producer, other_keys: Encoder, tmp_path: Path
) -> None:
    form = FORMS[name]

    def made(rows: Sequence[Mapping[str, str]], encoder: Encoder) -> list[RowOutcome]:
        return list(outcomes(write(tmp_path, "jsonl", rows), form.mapping, encoder, now=NOW))

    one, other = made(ROWS, producer.encoder), made(OTHERS, producer.encoder)
    elsewhere = made(ROWS, other_keys)
    assert [each.rejection for each in one] == [each.rejection for each in other]
    for mine, theirs, again in zip(leaves(one), leaves(other), leaves(elsewhere), strict=True):
        assert mine.keys() == theirs.keys() == again.keys()
        tells = {field for field in mine if mine[field] != theirs[field]}
        keyed = {field for field in mine if mine[field] != again[field]}
        # A count that the mapping reads through a map is open.
        assert tells - {"met"} <= keyed


def fates(made: Sequence[RowOutcome]) -> list[tuple[str, str]]:
    return [
        (each.rejection.code, each.rejection.column) if each.rejection else ("in", "")
        for each in made
    ]


def sent(made: Sequence[RowOutcome]) -> list[Encoded]:
    return [message for each in made for message in each.messages]


def leaves(made: Sequence[RowOutcome]) -> list[dict[str, Any]]:
    """Key, attributes and fields of every message."""
    events = [(m.key, json.loads(m.payload)) for m in sent(made)]
    return [{**event.pop("data"), "key": key, **event} for key, event in events]
