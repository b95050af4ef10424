from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from schemas import catalog as _catalog
from schemas.errors import SchemaError
from schemas.event import Envelope, meaning
from schemas.families import families, family
from schemas.families.visit import VisitRecorded
from schemas.sql.published import published
from schemas.sql.statuses import STATUSES
from schemas.sql.tables import Layout, statements
from schemas.wire import Decoder, Reason
from schemas.words import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.event import Event
    from tests.schemas.conftest import MakeMessage

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "docs" / "samples"
EVERY_TYPE = [
    pytest.param(found.topic, cls, id=cls.spec.name) for found in families() for cls in found.events
]


def validator(cls: type[Event]) -> Draft202012Validator:
    """The committed schema of a type, in a third-party validator."""
    path = ROOT / "docs" / "schemas" / f"{cls.spec.name}.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_the_committed_catalogue_and_schemas_are_what_the_classes_say() -> None:
    assert _catalog.stale() == [], "run: make catalog"


@pytest.mark.parametrize(("topic", "cls"), EVERY_TYPE)
def test_every_sample_and_example_is_valid_by_its_json_schema(
    topic: str, cls: type[Event], decoders: dict[str, Decoder]
) -> None:
    judge = validator(cls)
    newest = (SAMPLES / f"{cls.spec.name}.{cls.spec.version}.json").read_text(encoding="utf-8")
    judge.validate(json.loads(newest))
    (example,) = judge.schema["examples"]
    judge.validate(example)
    assert isinstance(decoders[topic]([json.dumps(example).encode()])[0], dict)


@pytest.mark.parametrize(
    ("code", "valid"),
    [
        ("987654", True), ("987654321", True), ("987654321098", True), ("431202999888", True),
        ("98765", False), ("9876543", False), ("9876543210", False), ("9876543210987", False),
        ("43120a", False), ("", False),
    ],
)  # fmt: skip
def test_a_division_has_six_nine_or_twelve_digits_by_its_json_schema(
    code: str, valid: bool, message: MakeMessage
) -> None:
    good = json.loads(message(VisitRecorded)) | {"division": code}
    good.pop("grid", None)
    assert validator(VisitRecorded).is_valid(good) is valid


WRONG: list[Any] = [None, -1, 0.5, "", "x" * 200_000, [], {}, True, "２", "2021-03-01", 10**20]


@pytest.mark.parametrize(("topic", "cls"), EVERY_TYPE)
def test_what_its_json_schema_refuses_the_decoder_refuses_and_the_other_way_round(
    topic: str, cls: type[Event], decoders: dict[str, Decoder], message: MakeMessage
) -> None:
    judge, good = validator(cls), json.loads(message(cls))
    data = good["data"]
    changed = [good | {name: wrong} for name in good for wrong in WRONG if name not in SAID_APART]
    plain = [name for name in cls.fields if name not in SAID_APART]
    changed += [good | {"data": data | {name: wrong}} for name in plain for wrong in WRONG]
    changed += [{k: v for k, v in good.items() if k != name} for name in good]
    changed += [good | {"data": {k: v for k, v in data.items() if k != name}} for name in data]
    changed += [good | {"more": 1}, good | {"data": data | {"more": 1}}, good]
    found = decoders[topic]([json.dumps(each).encode() for each in changed])
    by_schema = [judge.is_valid(each) for each in changed]
    differing = [
        (each, event)
        for each, event, valid in zip(changed, found, by_schema, strict=True)
        if isinstance(event, dict) is not valid
    ]
    assert differing == []


# Fields that a schema cannot check fully: existing codes, the format of instants.
SAID_APART = {"time", "recorded", "division", "since"}


def test_an_older_version_is_another_schema() -> None:
    old = json.loads((SAMPLES / "visit.recorded.1.json").read_text(encoding="utf-8"))
    assert not validator(VisitRecorded).is_valid(old)


def test_the_catalogue_tells_every_event_field_deadline_view_status_and_reason() -> None:
    text = (ROOT / "CATALOG.md").read_text(encoding="utf-8")
    for found in families():
        assert f"## {found.zh} {found.topic}\n" in text
        for cls in found.events:
            assert f"### {cls.spec.zh} `{cls.spec.name}`\n" in text
            for f in cls.fields.values():
                assert f"| `{f.name}` | {f.zh} |" in text
                assert all(f"`{value}` {zh}" in text for value, zh in f.labels.items())
        for clock in found.clocks:
            assert f"| {clock.zh} `{clock.name}` |" in text
            assert all(f"| {term.basis} |" in text for term in clock.terms)
    for view in published(families(), "gulou", "Asia/Shanghai", "clerk"):
        assert f"### {view.zh} `{view.name}" in text
        for name, doc in view.columns.items():
            # Between the two, a Chinese name, whatever the family, and who reads it.
            told = re.escape(str(doc))
            assert re.search(rf"\| `{name}` \| [^|]*[一-鿿][^|]* \| [^|]* \| {told} \|", text)
    for name in (*STATUSES, *Reason):
        assert f"| `{name}` |" in text


def descriptions() -> Iterator[tuple[str, Text]]:
    """Every description in the catalogue, by its place."""
    for name, info in Envelope.model_fields.items():
        yield f"envelope {name}", meaning(info)[1]
    for found in families():
        yield found.topic, found.doc
        for cls in found.events:
            yield cls.spec.name, cls.spec.doc
            yield from ((f"{cls.spec.name} {f.name}", f.doc) for f in cls.fields.values())
    for view in published(families(), "gulou", "Asia/Shanghai", "clerk"):
        yield view.name, view.doc
        yield from ((f"{view.name} {name}", doc) for name, doc in view.columns.items())
    for table in statements(families(), Layout()):
        yield from ((f"{table.name} {column.name}", column.doc) for column in table.columns)
    yield from ((name, doc) for name, (_, doc) in STATUSES.items())
    yield from ((each.value, doc) for each in Reason for doc in (each.doc, each.remedy))


def test_whatever_the_catalogue_describes_it_describes_in_chinese_and_in_english() -> None:
    found = list(descriptions())
    assert len(found) > 600  # 40 types, 4 families, 17 views, their fields, columns and tables
    assert [where for where, doc in found if not doc.whole] == []
    # A Chinese text needs Chinese characters; an English one must have no Chinese full stop.
    signs = re.compile(r"[一-鿿]{2}")
    assert [where for where, doc in found if not signs.search(doc.zh) or "。" in doc.en] == []
    shown = "".join((ROOT / "CATALOG.md").read_text(encoding="utf-8").split())
    unsaid = [w for w, doc in found if "".join(doc.zh.split()).replace("|", "\\|") not in shown]
    # Tables of the pipeline itself have comments in the database but no chapter.
    apart = {"owner", "divisions", "heartbeat", "rebuilds"}
    assert {where.partition(" ")[0] for where in unsaid} <= apart


def test_a_family_that_leaves_a_description_untold_is_refused() -> None:
    found = family("funds")
    with pytest.raises(SchemaError, match=r"funds.*not described in English and in Chinese"):
        replace(found, doc=Text("Money.", ""))


def test_every_reason_of_a_refusal_is_explained() -> None:
    assert [
        each.value for each in Reason if not (each.zh and each.doc.whole and each.remedy.whole)
    ] == []


def test_a_table_of_the_catalogue_has_the_same_cells_in_every_row() -> None:
    lines = _catalog.catalog(families()).splitlines()
    for above, below in pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.replace("\\|", "").count("|") == below.replace("\\|", "").count("|")


def test_stale_files_are_named_mended_and_those_of_lost_types_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    types = sum(len(family.events) for family in families())
    # The catalogue, one schema and sample per type, the SQL of each topic, and the SQL without one.
    assert len(_catalog.write(tmp_path)) == 1 + 2 * types + len(families()) + 1
    assert _catalog.write(tmp_path) == []
    lost = tmp_path / "docs" / "schemas" / "fund.stolen.json"
    lost.write_text("{}", encoding="utf-8")
    (tmp_path / "CATALOG.md").write_text("old", encoding="utf-8")
    monkeypatch.setattr(_catalog.stale, "__defaults__", (tmp_path,))
    monkeypatch.setattr(_catalog.write, "__defaults__", (tmp_path,))
    assert _catalog.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "stale: CATALOG.md\nstale: docs/schemas/fund.stolen.json\n" in said
    assert "make catalog" in said
    assert _catalog.main([]) == 0
    assert not lost.exists()
    assert _catalog.main(["--check"]) == 0


def test_a_family_alone_makes_a_catalogue_of_its_own() -> None:
    text = _catalog.catalog([family("funds")])
    assert "幸福基金" in text
    assert "petition." not in text
