"""The catalogue, the JSON Schemas and the SQL, rendered from the classes.

`CATALOG.md` describes every event, deadline, figure and view to people, in Chinese and English.
`docs/schemas/<type>.json` describes to programs what a message must look like.
`docs/sql/<topic>.sql` has every statement of the database: its diff shows what a change of a class
does to the database. All of them come from the classes only; `python -m schemas.catalog --check`
finds stale files (D-16).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from schemas.chinese import column_names
from schemas.clocks import Clock, Term
from schemas.event import Envelope, Event, FieldSpec, example, meaning
from schemas.families import families
from schemas.family import Family
from schemas.grain import ROLES, Grain
from schemas.names import dead_topic, events_table
from schemas.projections import CaseFold
from schemas.sql.columns import Column, PublishedView
from schemas.sql.published import published
from schemas.sql.statuses import STATUSES
from schemas.sql.tables import Layout, database_statements, event_columns, statements
from schemas.sql.targets import columns, key, target
from schemas.wire import Reason, wire_shape
from schemas.words import Text

ROOT: Final = Path(__file__).resolve().parents[1]
CATALOG: Final = "CATALOG.md"
SCHEMAS: Final = "docs/schemas"
SQL: Final = "docs/sql"
SAMPLES: Final = "docs/samples"
"""One message per type and version, written once: an accepted message stays acceptable."""
_OF_ALL: Final = "common"
"""File of the statements that belong to no single family."""
_LAYOUT: Final = Layout()
_CODE: Final = Annotated[str, Field(pattern=r"^[0-9]{6}([0-9]{3}([0-9]{3})?)?$")]
_UNITS: Final = {"natural": "自然日 natural days", "working": "工作日 working days"}
_STARTS: Final = {"first": "首次 the first", "last": "末次 the last"}
_CONTENT: Final = Text("The content of the event type.", "该事件类型的内容。")
_BEYOND: Final = Text(
    "Absent fields are left out, never null. Beyond this schema: the division exists, the grid "
    "lies in it, and recorded is not before time.",
    "没有的字段不写，不写 null。此外还须：区划代码存在，微网格在该区划之内，"
    "登记时间不早于发生时间。",
)
"""Rules for every message; a JSON Schema cannot express the second sentence."""
_FILED: Final = {
    "specversion": "1.0",
    "id": "v-1",
    "source": "//huaihua/grid",
    "time": "2021-03-01T10:00:00+08:00",
    "recorded": "2021-03-01T12:00:00+08:00",
    "division": "431202001001",
}


def generated() -> dict[str, str]:
    """Every generated file by its path from the root of the checkout."""
    found = {CATALOG: catalog(families())}
    for family in families():
        for cls in family.events:
            text = json.dumps(json_schema(cls), ensure_ascii=False, indent=2)
            found[f"{SCHEMAS}/{cls.spec.name}.json"] = text + "\n"
    return found | {f"{SQL}/{name}.sql": text for name, text in rendered(families()).items()}


def rendered(chosen: Sequence[Family]) -> dict[str, str]:
    """Every statement of the database by topic; those of no single topic under `common`."""
    found: dict[str, list[str]] = {_OF_ALL: []}
    for each in (*database_statements(_LAYOUT), *statements(chosen, _LAYOUT)):
        name = f"{each.database}.{each.name}" if each.name else each.database
        found.setdefault(each.topic or _OF_ALL, []).append(f"-- {each.kind} {name}\n{each.sql};\n")
    return {topic: "\n".join(texts) for topic, texts in found.items()}


def samples() -> dict[str, str]:
    """A message of the newest version of every type, by its path."""
    return {
        f"{SAMPLES}/{cls.spec.name}.{cls.spec.version}.json": json.dumps(
            sample(cls), ensure_ascii=False, separators=(",", ":")
        )
        + "\n"
        for family in families()
        for cls in family.events
    }


def stale(root: Path = ROOT) -> list[str]:
    """Paths of generated files that are missing, out of date, or of a removed class.

    A sample is stale only when it is missing: an existing sample is never written again.
    """
    wanted = generated()
    old = [
        path
        for path, text in wanted.items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]
    missing = [path for path in samples() if not (root / path).exists()]
    there = [*(root / SCHEMAS).glob("*.json"), *(root / SQL).glob("*.sql")]
    extra = {path.relative_to(root).as_posix() for path in there}
    return sorted([*old, *missing, *(extra - set(wanted))])


def write(root: Path = ROOT) -> list[str]:
    """Brings every generated file up to date; returns the paths that changed."""
    wanted, changed = generated() | samples(), stale(root)
    for path in changed:
        if path not in wanted:
            (root / path).unlink()
            continue
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(wanted[path], encoding="utf-8")
    return changed


# -- JSON Schema


def json_schema(cls: type[Event]) -> dict[str, Any]:
    """JSON Schema (2020-12) of an event of the newest version, as sent on the wire.

    Titles are the Chinese names; descriptions are in Chinese, then in English.
    """
    shape = TypeAdapter(wire_shape(cls, _CODE)).json_schema()
    data = shape.pop("$defs")[cls.__name__]
    shape["properties"]["data"] = data
    for name, info in Envelope.model_fields.items():
        zh, doc = meaning(info)
        shape["properties"][name] |= {"title": zh, "description": str(doc)}
    for name, spec in cls.fields.items():
        data["properties"][name] |= _annotations(spec)
    for part in (shape, data):
        part.pop("title", None)
        for inner in part["properties"].values():
            if inner.get("title", "").isascii():
                inner.pop("title", None)  # pydantic's echo of the name
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": cls.spec.urn,
        "title": f"{cls.spec.zh} {cls.spec.name}",
        "description": str(Text(_sentence(cls.spec.doc), cls.spec.doc.zh) + _BEYOND),
        **shape,
        "examples": [sample(cls)],
    }


def sample(cls: type[Event]) -> dict[str, Any]:
    """A valid message of the newest version, as parsed from JSON."""
    head = dict(_FILED) | {"type": cls.spec.name, "dataschema": cls.spec.urn}
    return head | {"data": example(cls)}


def _annotations(spec: FieldSpec) -> dict[str, Any]:
    found: dict[str, Any] = {"title": spec.zh, "description": str(spec.doc)}
    if spec.labels:
        found["x-labels"] = dict(spec.labels)
    if spec.example is not ...:
        found["examples"] = [spec.example]
    if spec.personal:
        found["x-personal"] = "sealed" if spec.sealed else "pseudonym"
    return found


# -- the catalogue


def catalog(chosen: Sequence[Family]) -> str:
    """The text of CATALOG.md for these families."""
    shown, views = (published(chosen, _LAYOUT.database, _LAYOUT.zone, role) for role in ROLES)
    parts: list[str] = [
        "# 数据目录 Catalogue",
        "本文件由 `make catalog` 从 `schemas/` 生成，请勿手改。"
        "Generated from `schemas/` by `make catalog`; not to be edited.",
        "## 索引 Index",
        *_index(chosen, views),
        "## 事件族 Families",
        _table(
            (
                "主题 topic",
                "事件族 family",
                "消息键 key",
                "分区 partitions",
                "死信 dead letters",
                "事实表 events table",
                "类型数 types",
            ),
            (
                (
                    f"[{f.topic}](#{f.zh}-{f.topic})",
                    f.zh,
                    f"`{f.key}`",
                    f.partitions,
                    f"`{dead_topic(f.topic)}`",
                    f"`{events_table(f.topic)}`",
                    len(f.events),
                )
                for f in chosen
            ),
        ),
        "## 信封 Envelope",
        "CloudEvents 1.0, structured JSON, UTF-8. 没有的属性不写，不写 null。"
        "An absent attribute is left out, never null.",
        _table(
            ("属性 attribute", "名称 name", "类型 type", "必填 required", "说明 meaning"),
            _envelope(chosen[0].events[0]),
        ),
    ]
    for family in chosen:
        parts += _family(family)
    parts += _views(views, {view.name: view.columns.keys() for view in shown})
    parts += _outcomes()
    return "\n\n".join(parts) + "\n"


def _index(chosen: Sequence[Family], views: Sequence[PublishedView]) -> Iterator[str]:
    """One line per family with its contents, one for the views, one for the other chapters."""
    for family in chosen:
        events = ", ".join(_to(f"{c.spec.zh} `{c.spec.name}`", c.spec.zh) for c in family.events)
        deadlines = f"Deadlines of {family.topic}"
        shown = [_to(f"期限 {deadlines}", f"期限 {deadlines}")] if family.clocks else []
        for projection in family.projections:
            table = f"表 Table `{target(family, projection)}`"
            shown.append(_to(table, f"`{target(family, projection)}`"))
        yield (
            f"- **{_to(f'{family.zh} {family.topic}', f'{family.zh} {family.topic}')}**: {events}; "
            f"{', '.join(shown)}"
        )
    names = ", ".join(_to(_heading(view), f"`{view.name}`") for view in views)
    yield f"- **{_to('公布视图 Published views', '公布视图 Published views')}**: {names}"
    yield (
        f"- {_to('信封 Envelope', '信封 Envelope')}, "
        f"{_to('消息去向 What becomes of a message', '消息去向 What becomes of a message')}, "
        f"{_to('死信原因 Reasons in the dead-letter topic', '死信原因 Reasons')}, "
        f"{_to('事实表 Events tables', '事实表 Events tables')}"
    )


def _to(heading: str, shown: str) -> str:
    """A link to a heading of this page, with the anchor that GitHub and most renderers make."""
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
    return f"[{shown}](#{anchor})"


def _heading(view: PublishedView) -> str:
    return f"{view.zh} `{view.name}(at)`" if "{at:" in view.sql else f"{view.zh} `{view.name}`"


def _envelope(cls: type[Event]) -> Iterator[tuple[object, ...]]:
    schema = json_schema(cls)
    for name, told in schema["properties"].items():
        # These three differ per event type.
        own = {"type": "文本 text", "dataschema": "文本 text", "data": "对象 object"}
        kind = own.get(name) or _kind(told)
        required = "是 yes" if name in schema["required"] else "否 no"
        zh, text = told.get("title", "事件内容"), told.get("description", _CONTENT)
        yield f"`{name}`", zh, kind, required, text


def _family(family: Family) -> Iterator[str]:
    yield f"## {family.zh} {family.topic}"
    yield from _paragraphs(family.doc)
    yield _seen("各事件的件次 The counts of its events", family.grain)
    if family.fold:
        zh, en = _PERIODS[family.closer]
        yield (
            f"县市区以下的件次，以及按任何一项属性分列的件次：只公布到上{zh}末。"
            "Below the county, and by any property, viewers see counts as of the end of the last "
            f"{en} that is over."
        )
    for f in family.totals:
        if family.grain_of(f) != family.grain:
            yield _seen(f"{f.zh}（`{f.name}`）The total `{f.name}`", family.grain_of(f))
    if family.fold:
        whom = "公开 are for viewers too" if family.fold.listed else "只供经办人员 are for clerks"
        yield f"逐案清单{whom}: its lists of cases."
    if family.county_only:
        name, value = family.county_only
        label = family.fields_named(name)[0].labels.get(value, value)
        yield (
            f"{label}（`{name} = {value}`）只公布到县级。"
            f"Content with `{name} = {value}` is never shown below the county."
        )
    for cls in family.events:
        yield from _event(cls)
    if family.clocks:
        yield f"### 期限 Deadlines of {family.topic}"
        yield (
            "当日不计；末日为法定休息日的顺延。"
            "The first day is not counted; a last day of rest moves to the next working day."
        )
        yield _table(
            (
                "期限 deadline",
                "自 from",
                "长 length",
                "延长 extension",
                "满足 met by",
                "依据 basis",
            ),
            (_clock(clock, term) for clock in family.clocks for term in clock.terms),
        )
    for projection in family.projections:
        keys = ", ".join(f"`{name}`" for name in key(family, projection, _LAYOUT.zone))
        kind = "个案折叠 case fold" if isinstance(projection, CaseFold) else "汇总 rollup"
        yield f"### 表 Table `{target(family, projection)}`"
        yield f"{kind}; 主键 key: {keys}."
        yield _columns(columns(family, projection, _LAYOUT.zone))


_LEVELS: Final = {
    "county": "县市区 county",
    "township": "乡镇街道 township",
    "village": "村（社区）village",
    "grid": "微网格 micro-grid",
}


_PERIODS: Final = {"month": ("月", "month"), "year": ("年", "year")}


def _seen(what: str, grain: Grain) -> str:
    over = ""
    if grain.period != "live":
        zh, en = _PERIODS[grain.period]
        over = f"，只含已过去的{zh}份 and by {en}, once it is over"
    return f"{what}: 公开到 for viewers down to {_LEVELS[grain.place]}{over}."


def _event(cls: type[Event]) -> Iterator[str]:
    spec = cls.spec
    yield f"### {spec.zh} `{spec.name}`"
    yield from _paragraphs(spec.doc)
    told = [f"版本 version {spec.version}"]
    if spec.version > 1:
        older = ", ".join(str(version) for version in range(1, spec.version))
        told.append(f"仍接受 still accepted: {older}")
    if spec.corrects:
        told.append(f"更正 corrects `{spec.corrects}`")
    if spec.voids:
        told.append(f"作废 takes back {', '.join(f'`{name}`' for name in spec.voids)}")
    schema = f"[JSON Schema]({SCHEMAS}/{spec.name}.json)"
    yield f"{'; '.join(told)}. {schema}"
    properties = json_schema(cls)["properties"]["data"]["properties"]
    yield _table(
        (
            "字段 field",
            "名称 name",
            "类型 type",
            "必填 required",
            "用途 use",
            "说明 meaning",
            "例 example",
        ),
        (_field(f, _kind(properties[f.name])) for f in cls.fields.values()),
    )
    for f in cls.fields.values():
        if f.labels:
            words = ", ".join(f"`{value}` {zh}" for value, zh in f.labels.items())
            yield f"`{f.name}`: {words}"


def _field(spec: FieldSpec, kind: str) -> tuple[object, ...]:
    uses = [
        *(["合计 total"] if spec.total else []),
        *(["案件 fact"] if spec.fact else []),
        *(["加密 sealed"] if spec.sealed else ["假名 pseudonym"] if spec.personal else []),
    ]
    shown = "" if spec.example is ... else f"`{json.dumps(spec.example, ensure_ascii=False)}`"
    required = "否 no" if spec.optional else "是 yes"
    return f"`{spec.name}`", spec.zh, kind, required, ", ".join(uses), spec.doc, shown


def _kind(told: dict[str, Any]) -> str:
    if "const" in told:
        return f"`{told['const']}`"
    if "enum" in told:
        return "词汇 vocabulary"
    if told.get("format") == "date-time":
        return "时刻 instant"
    kind = {"string": "文本 text", "integer": "整数 integer", "boolean": "是否 yes or no"}[
        told["type"]
    ]
    low, high = told.get("minimum"), told.get("maximum")
    if low is not None:
        kind += f" {low:,}–{high:,}"
    if "pattern" in told:
        kind += f" `{told['pattern']}`"
    elif "maxLength" in told:
        kind += f" ≤ {told['maxLength']:,}"
    return kind


def _clock(clock: Clock, term: Term) -> tuple[object, ...]:
    field, values = term.when
    condition = f", `{field}` = {', '.join(f'`{value}`' for value in values)}" if field else ""
    longer = f"`{clock.extends}`, ≤ {term.longest}" if clock.extends else ""
    return (
        f"{clock.zh} `{clock.name}`",
        f"{_STARTS[clock.counts]} `{clock.starts}`{condition}",
        f"{term.days} {_UNITS[term.unit]}",
        longer,
        ", ".join(f"`{name}`" for name in clock.ends),
        term.basis,
    )


def _views(views: Sequence[PublishedView], shown: Mapping[str, Collection[str]]) -> Iterator[str]:
    yield "## 公布视图 Published views"
    yield (
        "看板、报表与审计只读这些视图。带 `at` 的视图按该时刻（1970 年起的毫秒数）判断，"
        "例如 `petitions_pending(at = 1640966399000)`。"
        "Boards, reports and auditors read only these. A view with `at` judges by that instant, in "
        "milliseconds since 1970."
    )
    yield (
        f"公开库 `{_LAYOUT.published}` 供大屏等公众查看，经办库 `{_LAYOUT.desk}` 供经办人员，"
        "后者含全部视图与各列；标“经办”的只在经办库。"
        f"`{_LAYOUT.published}` is the database of viewers, `{_LAYOUT.desk}` that of clerks, which "
        "has all of these; what is marked clerk is only there."
    )
    by_topic = {family.topic: family for family in families()}
    for view in views:
        yield f"### {_heading(view)}"
        yield str(view.doc)
        names = column_names(by_topic.get(view.topic))
        yield _table(
            ("列 column", "名称 name", "读者 reader", "说明 meaning"),
            (
                (
                    f"`{name}`",
                    names.get(name, ""),
                    "" if name in shown.get(view.name, ()) else "经办 clerk",
                    doc,
                )
                for name, doc in view.columns.items()
            ),
        )


def _outcomes() -> Iterator[str]:
    yield "## 消息去向 What becomes of a message"
    yield _table(
        ("状态 status", "名称 name", "说明 meaning"),
        ((f"`{name}`", zh, text) for name, (zh, text) in STATUSES.items()),
    )
    yield "### 死信原因 Reasons in the dead-letter topic"
    yield _table(
        ("原因 reason", "名称 name", "说明 meaning", "处置 what to do"),
        ((f"`{each}`", each.zh, each.doc, each.remedy) for each in Reason),
    )
    yield "### 事实表 Events tables"
    yield (
        "每个主题一张，每个偏移一行，只增不改；`events` 为全部主题。"
        "One a topic, one row an offset, never changed; "
        "`events` is all of them."
    )
    yield _columns(event_columns(_LAYOUT.zone))


def _columns(cols: Iterable[Column]) -> str:
    rows = ((f"`{c.name}`", f"`{c.type}`", c.doc) for c in cols)
    return _table(("列 column", "类型 type", "说明 meaning"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _paragraphs(doc: Text) -> Iterator[str]:
    yield doc.zh
    for part in doc.en.split("\n\n"):
        yield " ".join(part.split())


def _sentence(doc: Text) -> str:
    """The first paragraph of a docstring."""
    return " ".join(doc.en.partition("\n\n")[0].split())


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the generated files, or with `--check` says which of the committed are stale."""
    parser = argparse.ArgumentParser(prog="python -m schemas.catalog", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    check = parser.parse_args(arguments).check
    paths = stale() if check else write()
    for path in paths:
        sys.stdout.write(f"{'stale' if check else 'written'}: {path}\n")
    if check and paths:
        sys.stdout.write("Run make catalog, and commit what it writes.\n")
    return 1 if check and paths else 0


if __name__ == "__main__":
    sys.exit(main())
