"""The catalogue says of each kind of thing what holds for it: lines written by hand."""

from __future__ import annotations

import pytest

from schemas import catalog as _catalog
from schemas.families import families, family
from schemas.sql.published import published


def test_the_pages_are_written_where_the_project_is() -> None:
    assert (_catalog.ROOT / "pyproject.toml").exists()
    assert (_catalog.ROOT / "schemas" / "catalog.py").samefile(_catalog.__file__)


LINES = {
    # Fields: each kind of value, each use, optional or not, with or without an example.
    "a sum": "| `amount` | 金额 | 整数 integer 0–10,000,000,000,000 | 是 yes | 合计 total |"
    " 收到的金额，以分计。Received, in fen. | `50000` |",
    "a person": r"| `giver` | 捐助人 | 文本 text `^[a-z0-9]{1,8}\.[0-9a-f]{32}$` | 否 no"
    " | 假名 pseudonym | 出资人或者捐助人，以假名表示。Who gave; a pseudonym. |  |",
    "sealed": r"| `facts` | 纠纷事实 | 文本 text `^s1\.[A-Za-z0-9_-]+$` | 否 no | 加密 sealed |"
    " 纠纷事实，加密保存。What it is about, sealed. |  |",
    "a fact": "| `averted_group` | 防止群体性上访 | 是否 yes or no | 是 yes | 案件 fact |"
    " 是否防止了群体性上访。防止群体性上访. | `false` |",
    "a text": "| `why` | 冲正原因 | 文本 text ≤ 200 | 是 yes |  | 冲正的原因。Why it is taken back."
    ' | `"金额录错"` |',
    # The envelope.
    "a constant": "| `specversion` | 规范版本 | `1.0` | 是 yes |"
    " CloudEvents 规范的版本。CloudEvents version. |",
    "an instant": "| `time` | 发生时间 | 时刻 instant | 是 yes |"
    " 事件发生的时间。When it happened. |",
    "optional": "| `causationid` | 起因事件 | 文本 text ≤ 64 | 否 no |"
    " 引起该事件的事件编号。The event that made this one happen. |",
    # Deadlines: of one route, with an extension, of the last step, without a condition.
    "one of three": "| 法院委派委托调解 `mediate` | 首次 the first `mediation.accepted`,"
    " `mode` = `court_summary` | 7 自然日 natural days |  |"
    " `mediation.agreement_reached`, `mediation.terminated` | 民诉法解释 |",
    # Who sees it down to where.
    "to the village": "各事件的件次 The counts of its events: 公开到 for viewers down to"
    " 村（社区）village.",
    "to the township": "各事件的件次 The counts of its events: 公开到 for viewers down to"
    " 乡镇街道 township.",
    "to the micro-grid": "各事件的件次 The counts of its events: 公开到 for viewers down to"
    " 微网格 micro-grid.",
    "by year": "帮扶人次（`helped`）The total `helped`: 公开到 for viewers down to 县市区 county，"
    "只含已过去的年份 and by year, once it is over.",
    "cases": "逐案清单只供经办人员 are for clerks: its lists of cases.",
    "the county only": "检举控告（`kind = accusation`）只公布到县级。"
    "Content with `kind = accusation` is never shown below the county.",
    # Tables and versions.
    "a rollup": "汇总 rollup; 主键 key: `kpart`, `type`, `hour`, `county`, `dispute`.",
    "a new version": "版本 version 2; 仍接受 still accepted: 1."
    " [JSON Schema](docs/schemas/visit.recorded.json)",
    "a correction": "版本 version 1; 更正 corrects `visit.recorded`."
    " [JSON Schema](docs/schemas/visit.corrected.json)",
    "a voiding": "版本 version 1; 作废 takes back `visit.recorded`."
    " [JSON Schema](docs/schemas/visit.voided.json)",
}


@pytest.mark.parametrize("what", LINES)
def test_the_catalogue_has_the_line(what: str) -> None:
    assert LINES[what] in _catalog.catalog(families()).splitlines()


def test_deadlines_have_a_line_for_each_route_with_its_extension() -> None:
    lines = _catalog.catalog([family("petitions")]).splitlines()
    (start,) = (n for n, line in enumerate(lines) if line.startswith("| 期限 deadline |"))
    told = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, since, length, longer, _, _ = line.strip("| ").split(" | ")
        told.append((name, since, length, longer))
    assert told == [
        ("转送 `transfer`", "首次 the first `petition.registered`", "15 自然日 natural days", ""),
        ("受理告知 `notice`", "末次 the last `petition.transferred`", "15 自然日 natural days", ""),
        ("办结 `close`", "首次 the first `petition.accepted`, `route` = `31.6`",
         "60 自然日 natural days", "`petition.extended`, ≤ 30"),
        ("复查 `review`", "首次 the first `petition.review_requested`",
         "30 自然日 natural days", ""),
        ("复核 `recheck`", "首次 the first `petition.recheck_requested`",
         "30 自然日 natural days", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "deadlines", "listed", "folded", "held_back"),
    [
        ("funds", False, False, False, False),
        ("visits", False, False, False, False),
        ("mediations", True, True, True, False),
        ("petitions", True, True, True, True),
    ],
)
def test_a_family_has_the_chapters_of_what_it_declares(
    topic: str, deadlines: bool, listed: bool, folded: bool, held_back: bool
) -> None:
    text = _catalog.catalog([family(topic)])
    (index,) = (
        line for line in text.splitlines() if line.startswith("- **") and topic in line[:40]
    )
    assert (f"Deadlines of {topic}" in index) is deadlines
    assert (f"\n### 期限 Deadlines of {topic}\n" in text) is deadlines
    assert ("逐案清单" in text) is listed
    assert ("\n个案折叠 case fold; 主键 key: " in text) is folded
    assert ("只公布到县级。Content with" in text) is held_back


def test_a_figure_by_a_field_of_several_types_is_described_by_the_first_that_has_it() -> None:
    # fund.contributed says where money came from; fund.disbursed, later, which money was spent.
    views = [view for view in published(families(), "g", "Asia/Shanghai", "clerk")
             if view.topic == "funds" and "source" in view.columns]  # fmt: skip
    assert len(views) > 2
    assert {str(view.columns["source"]) for view in views} == {"资金的来源。Where it came from."}
