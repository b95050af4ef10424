"""A new family is one new file; and a view that cannot digest an event costs only that event.

Both need other packages than those under test: a copy, with the file added and a defect planted in
the SQL of every rollup, from which a stack of its own is started.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dashboards import publish
from infra import _presence
from infra.settings import PREFIX, ROOT, Settings
from tests.histories.small import VILLAGES, History, Message
from tests.live import Live
from tests.oracle import BOOK, Form, Sums, Topic
from tests.oracle.words import CASE_NUMBER, NOTE, PERSONS, need, total, words

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

_FILE = '''
"""巡防: streets walked by volunteers."""

from typing import Annotated, ClassVar, Literal

from schemas.event import Event, field
from schemas.projections import Rollup
from schemas.words import CaseId, Labels, Note, Persons

Found = Annotated[Literal["nothing", "hazard"], Labels(nothing="无", hazard="隐患")]


class Patrol(
    Event, topic="patrols", key="street", zh="巡防", zh_doc="巡防：沿街巡查。", partitions=1
):
    """巡防: a street is walked."""

    street: CaseId = field("Street walked.", "街道。", zh="街道", example="S-1")

    projections: ClassVar = (Rollup("daily", "division", dims=("found",)),)


class PatrolWalked(Patrol, name="patrol.walked", zh="巡防登记", zh_doc="巡查了一条街道。"):
    """A street was walked."""

    walkers: Persons = field("Who walked.", "人数。", zh="人数", example=2, total=True)
    found: Found = field("What was found.", "发现。", zh="发现", example="nothing")
    note: Note = field("About the street.", "备注。", zh="备注", example="路灯已修")
'''
# Another, with cases, a clock of two terms and a ledger: the shapes that a board may show.
_WITH_EVERYTHING = '''
"""补助: households ask for a grant, are answered and paid."""

from typing import Annotated, ClassVar, Literal

from schemas.clocks import Clock, Term
from schemas.event import Event, field
from schemas.projections import Balance, CaseFold, Rollup, Stage
from schemas.words import CaseId, Fen, Labels

Purse = Annotated[Literal["county", "city"], Labels(county="县级资金", city="市级资金")]


class Grant(Event, topic="grants", key="grant", zh="补助", zh_doc="补助：申请、答复和发放。"):
    """补助: a household asks for a grant."""

    grant: CaseId = field("Number of the grant.", "编号。", zh="编号", example="G-1")
    purse: Purse = field("Who pays.", "资金。", zh="资金", example="county", fact=True)

    projections: ClassVar = (
        Rollup("hourly", "county"),
        Rollup(
            "ledger",
            "division",
            dims=("purse",),
            balance=Balance("amount", "grant.funded", "grant.paid", "purse"),
        ),
        CaseFold(
            "cases",
            "grant.asked",
            stages=(
                Stage("grant.asked", "asked", "已申请"),
                Stage("grant.paid", "paid", "已发放"),
            ),
            ends=("grant.paid",),
        ),
    )
    clocks: ClassVar = (
        Clock(
            "pay",
            "发放",
            "grant.asked",
            terms=(
                Term(10, "办法 1", when=("purse", ("county",))),
                Term(20, "办法 2", when=("purse", ("city",))),
            ),
            ends=("grant.paid",),
        ),
    )


class GrantAsked(Grant, name="grant.asked", zh="申请", zh_doc="申请补助。"):
    """A grant was asked for."""


class GrantFunded(Grant, name="grant.funded", zh="拨入", zh_doc="资金拨入。"):
    """Money came in."""

    amount: Fen = field("In fen.", "以分计。", zh="金额", example=5, total=True)


class GrantPaid(Grant, name="grant.paid", zh="发放", zh_doc="补助发放。"):
    """Money went out."""

    amount: Fen = field("In fen.", "以分计。", zh="金额", example=5, total=True)
'''
# The first family in the oracle's own words.
_PATROLS = Topic(
    "patrols",
    "street",
    {
        "patrol.walked": Form(
            {
                "street": need(CASE_NUMBER),
                "walkers": total(PERSONS),
                "found": need(words("nothing", "hazard")),
                "note": need(NOTE),
            }
        )
    },
    (Sums("daily", "division", "day", ("found",)),),
    partitions=1,
)
_START = """
import json, sys
from infra.settings import Settings
from infra.stack import Stack
with Stack(Settings.load()) as stack:
    print(json.dumps(stack.settings.environment()), flush=True)
    sys.stdin.read()
"""
_SOUND = '"type": "p.type",'
# An instant that ends in 666 ms is poison.
_DEFECT = """"type": "if(throwIf(p.time % 1000 = 666, 'indigestible'), '', p.type)","""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A stack run from a copy of the packages with two more families and one defect."""
    copy: Path = tmp_path_factory.mktemp("copy")
    skipped = shutil.ignore_patterns("node_modules", "__pycache__", "src")
    for name in ("schemas", "streams", "producers", "dashboards", "infra"):
        shutil.copytree(ROOT / name, copy / name, ignore=skipped)
    (copy / "schemas" / "families" / "patrol.py").write_text(_FILE)
    (copy / "schemas" / "families" / "grant.py").write_text(_WITH_EVERYTHING)
    sql = copy / "schemas" / "sql" / "targets.py"
    assert sql.read_text().count(_SOUND) == 1
    sql.write_text(sql.read_text().replace(_SOUND, _DEFECT))
    ports = {PREFIX + n.upper(): "0" for n in Settings.model_fields if n.endswith("_port")}
    child = subprocess.Popen(
        [sys.executable, "-c", _START],
        cwd=copy,
        env={
            **os.environ,
            **ports,
            "GULOU_HOME": str(copy / "home"),
            "GULOU_CACHE": str(Settings.load().cache),
            "PYTHONPATH": str(copy),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        said = json.loads(child.stdout.readline())
        settings = Settings(**{n.removeprefix(PREFIX).lower(): v for n, v in said.items()})
        stack: Any = SimpleNamespace(settings=settings, interrupted=False)
        running = Live(stack, (*BOOK.values(), _PATROLS))
        yield running
        running.close()
    finally:
        child.communicate("", timeout=120)


def _walk(n: int, *, poison: bool = False) -> Message:
    event = {
        "specversion": "1.0",
        "id": f"w-{n}",
        "source": "//huaihua/streets",
        "type": "patrol.walked",
        "dataschema": "urn:gulou:patrol.walked:1",
        "time": f"2024-05-{1 + n % 3:02d}T08:00:00.{666 * poison:03d}+08:00",
        "recorded": "2024-05-09T08:00:00+08:00",
        "division": VILLAGES[n % 2],
        "data": {"street": "S-1", "walkers": n, "found": "hazard", "note": "路灯已修"},
    }
    return Message("patrols", b"S-1", json.dumps(event).encode())


def test_a_family_of_one_new_file_has_topic_rows_rollup_and_published_view(changed: Live) -> None:
    changed.send([*map(_walk, range(100)), *History(21).messages(300)])
    assert changed.differences() == []
    rows = changed.ask(
        "SELECT sum(net_count), sum(net_walkers), any(found) "
        "FROM gulou_published.patrols_by_township_day WHERE type = 'patrol.walked'"
    )
    assert rows == [(100, 4950, "hazard")]  # 0 + 1 + … + 99 = 4,950


def _boards(live: Live) -> publish.Grafana:
    address = live.stack.settings.host, live.stack.settings.board_port
    token = (live.settings.home / "secrets" / "grafana").read_text().strip()
    return publish.Grafana("http://{}:{}".format(*address), token)


@pytest.mark.parametrize("topic", ["patrols", "grants"])
def test_a_family_of_one_new_file_has_a_board_whose_every_query_answers(
    changed: Live, topic: str
) -> None:
    grafana = _boards(changed)
    board = grafana.get(f"/dashboards/uid/gulou-{topic}")["dashboard"]
    assert board["title"] == {"patrols": "巡防", "grants": "补助"}[topic]
    asked = list(publish.check(grafana, "gulou", [board], start_ms=_MAY, end_ms=_YEAR_END))
    assert len(asked) > 4
    assert [(one.panel, one.error) for one in asked if one.error] == []
    titles = {panel["title"].removesuffix("${fresh}") for panel in board["panels"]}
    assert {"数据状态", "趋势（件次）", "各县市区"} <= titles
    assert ({"法定时限（件）", "未结件龄（件，截至上月末）", "各县市区余额（万元）"} <= titles) == (
        topic == "grants"
    )


def test_the_board_of_a_new_family_shows_its_figures(changed: Live) -> None:
    grafana = _boards(changed)
    board = grafana.get("/dashboards/uid/gulou-patrols")["dashboard"]
    (panel,) = (p for p in board["panels"] if p["title"].startswith("本年巡防登记"))
    sql = publish.filled(panel["targets"][0]["rawSql"], {"county": "$__all"})
    query = {"refId": "A", "datasource": {"uid": "gulou"}, "rawSql": sql, "format": 1}
    asked = {"queries": [query], "from": str(_MAY), "to": str(_YEAR_END)}
    (frame,) = grafana.call("POST", "/ds/query", asked)["results"]["A"]["frames"]
    assert frame["data"]["values"] == [[100]]


_MAY, _YEAR_END = 1_714_492_800_000, 1_735_660_799_000
"""2024-05-01 00:00 and 2024-12-31 23:59:59 in Shanghai, in ms since 1970."""


def test_an_event_that_a_view_cannot_digest_is_found_and_all_others_count(changed: Live) -> None:
    before = changed.ends().get(("patrols", 0), 0)
    messages = [_walk(n) for n in range(1000, 1400)]
    messages[123] = _walk(1123, poison=True)
    messages[321] = _walk(1321, poison=True)
    changed.send([*History(22).messages(200), *messages])
    changed.poisoned |= {("patrols", 0, before + 123), ("patrols", 0, before + 321)}
    assert changed.differences() == []
    letters = {w: s for w, s in changed.dead().items() if w[0] == "patrols"}
    assert {w[2] for w in letters} == {before + 123, before + 321}
    said = letters["patrols", 0, before + 123]
    assert said["reason"].startswith("projection: patrols_daily")
    assert said["payload"] == messages[123].payload


def test_kills_while_projections_are_made_anew_lose_no_figure_and_no_letter(changed: Live) -> None:
    for turn, killed in enumerate((["worker-0"], ["clickhouse"], ["clickhouse", "worker-0"])):
        before = changed.ends()["patrols", 0]
        began = time.time_ns()
        first = 2000 + 400 * turn
        changed.send(_walk(n, poison=n == first + 200) for n in range(first, first + 400))
        changed.poisoned.add(("patrols", 0, before + 200))
        changed.until(
            lambda began=began: bool(  # type: ignore[misc]
                changed.ask(f"SELECT 1 FROM gulou.rebuilds WHERE at > {began} LIMIT 1")
            ),
            "a projection is being made anew",
        )
        for name in killed:
            os.kill(_pid(changed, name), signal.SIGKILL)
    assert changed.differences() == []
    letters = {place for place in changed.dead() if place[0] == "patrols"}
    assert letters == {place for place in changed.poisoned if place[0] == "patrols"}
    assert changed.ask("SELECT count() FROM gulou.rebuilds FINAL WHERE pending") == [(0,)]


def _pid(live: Live, name: str) -> int:
    found = _presence.state(live.settings.home)
    assert found is not None
    return int(found["parts"][name]["pid"])
