from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from schemas import _catalog, families, family
from schemas._clickhouse import STATUSES
from schemas._published import published
from schemas._wire import REASONS, Decoder, Reason
from schemas.visit import VisitRecorded

if TYPE_CHECKING:
    from schemas._event import Event
    from tests.schemas.conftest import MakeMessage

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "histories" / "samples"
EVERY_TYPE = [
    pytest.param(found.topic, cls, id=cls.spec.name) for found in families() for cls in found.events
]


def validator(cls: type[Event]) -> Draft202012Validator:
    """The committed schema of a type, in a program that is not ours."""
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


# What a schema cannot say wholly: that a code exists, and what an instant looks like.
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
            assert f"| {clock.basis} |" in text
    for view in published(families(), "gulou", "Asia/Shanghai"):
        assert f"### {view.zh} `{view.name}" in text
        for name, meaning in view.columns.items():
            # A name of its own in Chinese between the two, whatever family it comes from.
            assert re.search(rf"\| `{name}` \| [^|]*[一-鿿][^|]* \| {re.escape(meaning)} \|", text)
    for name in (*STATUSES, *REASONS):
        assert f"| `{name}` |" in text


def test_every_reason_of_a_refusal_is_explained() -> None:
    assert list(REASONS) == list(Reason.__args__)  # type: ignore[attr-defined]
    assert all(zh and text.endswith(".") for zh, text in REASONS.values())


def test_a_table_of_the_catalogue_has_the_same_cells_in_every_row() -> None:
    lines = _catalog.catalog(families()).splitlines()
    for above, below in pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.replace("\\|", "").count("|") == below.replace("\\|", "").count("|")


def test_stale_files_are_named_mended_and_those_of_lost_types_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(_catalog.write(tmp_path)) == 1 + 40  # the catalogue and 7 + 11 + 17 + 5 types
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
