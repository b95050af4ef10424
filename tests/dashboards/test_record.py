"""The record of looks at case-level data: complete, on disk before the answer, kept half a year."""

from __future__ import annotations

import asyncio
import json
import resource
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from typer.testing import CliRunner

from dashboards.server import ServerConfig
from dashboards.server import looks as record
from dashboards.server.looks import Look, Looks, recorded
from dashboards.server.turns import CLIENT
from infra.cli import _screen
from infra.cli.main import app
from infra.http import ACCESS, Grants
from schemas.errors import Unavailable
from tests.dashboards.inside import Inside, inside

TOKEN = "publishes"
SPAN = {"from": "1640361600000", "to": "1640966399000"}
DESK = {"type": "grafana-clickhouse-datasource", "uid": "gulou-desk"}
LOOK = Look("desk", "clerk", "", "127.0.0.1", board="b", panel=1, query="A")


def target(sql: str, **more: Any) -> dict[str, Any]:
    return {"refId": "A", "datasource": DESK, "rawSql": sql, "format": 1, **more}


class Watched:
    """A board server over the fixture city, with the record of its looks."""

    def __init__(self, server: Inside, root: Path, tokens: dict[str, str]) -> None:
        self.server, self.tokens = server, tokens
        self.folder, self.state = root / "home" / "looks", root / "state"

    def call(self, method: str, path: str, body: Any = None, role: str = "") -> requests.Response:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        return self.server.call(method, path, body, headers)

    def panel(self, role: str, number: int = 1, *fields: tuple[str, str]) -> requests.Response:
        query = urlencode([*SPAN.items(), *fields])
        return self.call("GET", f"/api/boards/cases/panels/{number}/query?{query}", role=role)

    def looked(self) -> list[dict[str, Any]]:
        return list(recorded(self.folder, pytest.fail)) if self.folder.is_dir() else []


@pytest.fixture
def watched(tmp_path: Path, city_source: dict[str, Any]) -> Iterator[Watched]:
    """With a board of one panel of two queries, one list of options and a text to search for."""
    grants = Grants(tmp_path / "access.json")
    tokens: dict[str, str] = {role: grants.add(f"the {role}", role) for role in ACCESS}
    desk = {**city_source, "uid": "gulou-desk", "name": "gulou-desk", "isDefault": False}
    (tmp_path / "sources.json").write_text(json.dumps([city_source, desk]))
    config = ServerConfig(
        tmp_path / "state", data_sources=tmp_path / "sources.json",
        looks=tmp_path / "home" / "looks", zone="Asia/Shanghai",
    )  # fmt: skip
    search = "SELECT decodeURLComponent('${case:percentencode}') AS found"
    panels = [
        {"id": 1, "targets": [target(search), target("SELECT 2 AS n", refId="B")]},
        {"id": 2, "targets": [target("SELECT 1 AS n", datasource={**DESK, "uid": "city"})]},
    ]
    case = {"name": "case", "type": "textbox", "query": "P-1", "regex": "P-[0-9]+"}
    county = {"name": "county", "type": "query", "label": "县市区", "datasource": DESK,
              "query": {"rawSql": "SELECT code, name FROM county"}}  # fmt: skip
    board = {"uid": "cases", "title": "cases", "panels": panels,
             "templating": {"list": [case, county]}}  # fmt: skip
    with inside(config, TOKEN, grants=tmp_path / "access.json") as server:
        found = Watched(server, tmp_path, tokens)
        body = {"dashboard": board, "overwrite": True}
        assert found.call("POST", "/api/dashboards/db", body, "publisher").status_code == 200
        yield found


@pytest.mark.parametrize("role", [role for role in ACCESS if role != "viewer"])
def test_whoever_looks_at_cases_is_on_record_when_the_answer_arrives(
    watched: Watched, role: str
) -> None:
    answer = watched.panel(role, 1, ("var-case", "P-77"))
    assert answer.json()["results"]["A"]["frames"][0]["data"]["values"] == [["P-77"]]
    first, second = watched.looked()
    now = datetime.now().astimezone()
    assert abs((datetime.fromisoformat(first.pop("at")) - now).total_seconds()) < 600
    second.pop("at")
    publishes = role in ("publisher", "admin")
    assert first == {
        "who": f"the {role}", "role": role, "county": "", "address": "127.0.0.1", "forwarded": "",
        "board": "cases", "version": 1, "panel": 1, "query": "A", "variable": "",
        "variables": {"case": "P-77"},
        "since": "2021-12-25T00:00:00.000+08:00", "until": "2021-12-31T23:59:59.000+08:00",
        "sql": "SELECT decodeURLComponent('P-77') AS found" if publishes else "", "refused": "",
    }  # fmt: skip
    assert second == first | {"query": "B", "sql": "SELECT 2 AS n" if publishes else ""}


def test_each_look_is_on_record_though_many_share_one_query(watched: Watched) -> None:
    for _ in range(3):
        assert watched.panel("clerk", 1, ("ref", "B"), ("refreshMs", "60000")).status_code == 200
    assert [look["query"] for look in watched.looked()] == ["B"] * 3


def test_a_list_of_options_of_the_clerks_is_a_look_too(watched: Watched) -> None:
    for _ in range(2):  # the second time, the list comes from memory
        path = f"/api/boards/cases/variables?{urlencode(SPAN)}"
        assert watched.call("GET", path, role="clerk").status_code == 200
    assert [(each["variable"], each["panel"]) for each in watched.looked()] == [
        ("county", None)
    ] * 2


def test_what_a_board_asked_stays_known_when_it_was_put_back_after_the_look(
    watched: Watched,
) -> None:
    def put(sql: str) -> None:
        panels = [{"id": 1, "targets": [target(sql)]}]
        named = {"name": "county", "type": "query", "datasource": DESK, "query": {"rawSql": sql}}
        board = {"uid": "cases", "title": "cases", "panels": panels,
                 "templating": {"list": [named]}}  # fmt: skip
        body = {"dashboard": board, "overwrite": True}
        assert watched.call("POST", "/api/dashboards/db", body, "publisher").status_code == 200

    put(secret := "SELECT code FROM county WHERE name = '鹤城区'")
    path = f"/api/boards/cases/variables?{urlencode(SPAN)}"
    for role in ("publisher", "clerk"):
        assert watched.panel(role).status_code == 200
        assert watched.call("GET", path, role=role).status_code == 200
    put("SELECT 1 AS n")

    told = [(each["role"], each["version"], each["sql"]) for each in watched.looked()]
    assert told == [("publisher", 2, secret)] * 2 + [("clerk", 2, "")] * 2
    kept = json.loads((watched.state / "replaced" / "cases.2.json").read_text())
    assert kept["dashboard"]["panels"][0]["targets"][0]["rawSql"] == secret


def test_a_board_that_was_deleted_comes_back_with_a_version_no_page_has_seen(
    watched: Watched,
) -> None:
    assert watched.call("DELETE", "/api/dashboards/uid/cases", role="publisher").status_code == 200
    body = {"dashboard": {"uid": "cases", "title": "others", "panels": []}, "overwrite": True}
    made = watched.call("POST", "/api/dashboards/db", body, "publisher").json()
    assert made["version"] == 2
    assert watched.panel("clerk", 1, ("version", "1")).status_code == 412


def test_a_publishers_own_query_is_on_record_with_its_sql(watched: Watched) -> None:
    sql = "SELECT 1 AS n FROM county"
    body = {"queries": [target(sql), target(sql, datasource={**DESK, "uid": "city"})], **SPAN}
    assert watched.call("POST", "/api/ds/query", body, "publisher").status_code == 200
    (look,) = watched.looked()
    assert (look["who"], look["board"], look["sql"]) == ("the publisher", "", sql)


@pytest.mark.parametrize(
    ("asked", "ran"),
    [
        ({"rawSql": "$__table", "table": "SELECT code FROM county"}, "SELECT code FROM county"),
        ({"rawSql": "SELECT $__column FROM county", "column": "code"}, "SELECT code FROM county"),
        ({"rawSql": f"/*{'x' * 2100}*/ SELECT code FROM county"},
         f"/*{'x' * 2100}*/ SELECT code FROM county"),
        ({"rawSql": f"{' ' * 2100}SELECT code FROM county"},
         f"{' ' * 2100}SELECT code FROM county"),
    ],
    ids=["table", "column", "comment", "spaces"],
)  # fmt: skip
def test_a_publishers_sql_is_on_record_as_it_ran_and_to_its_end(
    watched: Watched, asked: dict[str, Any], ran: str
) -> None:
    body = {"queries": [target("", **asked)], **SPAN}
    answer = watched.call("POST", "/api/ds/query", body, "publisher")
    (look,) = watched.looked()
    (frame,) = answer.json()["results"]["A"]["frames"]
    assert (look["sql"], frame["schema"]["meta"]["executedQueryString"]) == (ran, ran)


def test_sql_that_is_too_long_for_the_record_is_not_run(watched: Watched) -> None:
    sql = f"/*{'x' * 20_000}*/ SELECT code FROM county"
    body = {"queries": [target(sql)], **SPAN}
    answer = watched.call("POST", "/api/ds/query", body, "publisher")
    (result,) = answer.json()["results"].values()
    assert (answer.status_code, watched.looked()) == (400, [])
    assert result["error"].startswith("the SQL has 20028 characters; a query of cases goes on ")


def test_what_viewers_see_is_not_on_record_and_what_they_are_refused_is_once_an_hour(
    watched: Watched,
) -> None:
    assert watched.panel("viewer", 2).status_code == 200
    assert watched.looked() == []
    for _ in range(3):
        assert watched.panel("viewer", 1, ("var-case", "P-5")).status_code == 403
    assert watched.panel("", 1).status_code == 403
    # An hour may end in between; then there is one line more of each.
    assert {(look["who"], look["role"]) for look in watched.looked()} == {
        ("the viewer", "viewer"),
        ("", "viewer"),
    }
    assert {look["refused"][:11] for look in watched.looked()} == {"此图的数据仅供经办人员"}
    assert 2 <= len(watched.looked()) <= 4


def test_nothing_is_shown_that_cannot_be_put_on_record(watched: Watched) -> None:
    watched.folder.parent.mkdir(parents=True)
    watched.folder.write_text("no folder")
    for role in ("clerk", "auditor", "publisher"):
        answer = watched.panel(role)
        assert (answer.status_code, "无法登记" in answer.json()["message"]) == (502, True)
        assert "results" not in answer.json()
    assert watched.panel("clerk", 2).status_code == 200  # what viewers see needs no record
    watched.folder.unlink()
    assert watched.panel("clerk").status_code == 200
    assert len(watched.looked()) == 2


# --------------------------------------------------------------------------------- the files


def note(looks: Looks, *found: Look) -> None:
    async def all_() -> None:
        for each in found:
            await looks.note(each)

    asyncio.run(all_())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """What the record takes for now: the last of a list."""
    told = [datetime.fromisoformat("2026-11-30T10:00:00+08:00")]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return told[-1].astimezone(tz)

    monkeypatch.setattr(record, "datetime", Clock)
    return told


def test_a_file_a_month_is_its_owners_alone_and_goes_after_the_months_that_are_set(
    tmp_path: Path, clock: list[datetime]
) -> None:
    folder = tmp_path / "looks"
    looks = Looks(folder, 6, "Asia/Shanghai")
    for month in ("2026-05-31T23:59:59+08:00", "2026-06-01T00:00:00+08:00",
                  "2026-11-30T23:59:59+08:00"):  # fmt: skip
        clock.append(datetime.fromisoformat(month))
        note(looks, LOOK)
    (folder / "notes.txt").write_text("a city's own")
    names = ["2026-05.jsonl", "2026-06.jsonl", "2026-11.jsonl"]
    assert sorted(file.name for file in folder.glob("*.jsonl")) == names
    # In December the last look of May is older than six months, the first of June is as old.
    clock.append(datetime.fromisoformat("2026-12-01T00:00:00+08:00"))
    note(looks, LOOK)
    looks.close()
    left = sorted(file.name for file in folder.iterdir())
    assert left == [*names[1:], "2026-12.jsonl", "notes.txt"]
    modes = {stat.S_IMODE(file.stat().st_mode) for file in folder.glob("*.jsonl")}
    assert (modes, stat.S_IMODE(folder.stat().st_mode)) == ({0o600}, 0o700)
    assert [each["at"] for each in recorded(folder, pytest.fail)] == [
        "2026-06-01T00:00:00.000+08:00", "2026-11-30T23:59:59.000+08:00",
        "2026-12-01T00:00:00.000+08:00",
    ]  # fmt: skip


def test_a_refusal_is_told_again_in_the_next_hour(tmp_path: Path, clock: list[datetime]) -> None:
    looks, refused = Looks(tmp_path, 6, "UTC"), replace(LOOK, refused="no")
    for at in ("10:00", "10:59", "11:00"):
        clock.append(datetime.fromisoformat(f"2026-11-30T{at}:00+00:00"))
        note(looks, refused, replace(refused, board="other"), LOOK)
    looks.close()
    told = [(each["at"][11:16], each["board"]) for each in recorded(tmp_path, pytest.fail)
            if each["refused"]]  # fmt: skip
    assert told == [("10:00", "b"), ("10:00", "other"), ("11:00", "b"), ("11:00", "other")]


def test_a_refusal_that_could_not_be_written_is_written_the_next_time(tmp_path: Path) -> None:
    folder, refused = tmp_path / "looks", replace(LOOK, refused="no")
    folder.write_text("in the way")
    looks = Looks(folder, 6, "UTC")
    with pytest.raises(Unavailable):
        note(looks, refused)
    folder.unlink()
    note(looks, refused, refused)
    looks.close()
    assert [each["refused"] for each in recorded(folder, pytest.fail)] == ["no"]


def test_one_clients_refusals_fill_no_disk_and_hide_nobody_elses(
    tmp_path: Path, clock: list[datetime]
) -> None:
    looks = Looks(tmp_path, 6, "UTC")
    clerk = replace(LOOK, who="desk-1", county="431230")
    note(looks, *(replace(clerk, refused=f"不能查看“4312{n:02}”") for n in range(99)))
    # Addresses of one network are one client: 127.x.x.x, or the last half of an IPv6 address.
    for kind in ("127.0.0.{}", "2001:db8::{}"):
        note(looks, *(replace(LOOK, who="", address=kind.format(n), refused="no")
                      for n in range(1, 99)))  # fmt: skip
    note(looks, replace(clerk, who="desk-2", refused="no"))
    looks.close()
    lines = list(recorded(tmp_path, pytest.fail))
    assert Counter(each["who"] for each in lines) == {"desk-1": 60, "": 2, "desk-2": 1}
    of_one = [each["refused"] for each in lines if each["who"] == "desk-1"]
    assert of_one[58:] == ["不能查看“431258”", "不能查看“431259”（本小时内其后的拒绝不再逐条登记）"]


def test_a_client_with_many_looks_waits_for_its_own_and_others_do_not(tmp_path: Path) -> None:
    looks = Looks(tmp_path, 6, "UTC")

    async def both() -> list[str]:
        done: list[str] = []

        async def one(client: str) -> None:
            CLIENT.set(client)
            await looks.note(replace(LOOK, who=client))
            done.append(client)

        many = [asyncio.create_task(one("many")) for _ in range(99)]
        await asyncio.gather(*many, asyncio.create_task(one("one")))
        return done

    order = asyncio.run(both())
    looks.close()
    # At most one of the others is being written when it asks, and one more has its turn.
    assert order.index("one") <= 2


def test_a_line_that_was_broken_off_is_told_and_the_next_look_begins_a_line(tmp_path: Path) -> None:
    file = tmp_path / f"{datetime.now().astimezone():%Y-%m}.jsonl"
    file.write_text('{"at": "2026-11-30T10:00:00", "wh')
    looks = Looks(tmp_path, 6, datetime.now().astimezone().tzname() or "UTC")
    note(looks, LOOK)
    looks.close()
    broken: list[str] = []
    assert [each["who"] for each in recorded(tmp_path, broken.append)] == ["desk"]
    assert broken == [f"{file}, line 1"]


def test_a_file_that_is_moved_away_is_made_again(tmp_path: Path) -> None:
    looks = Looks(tmp_path, 6, "UTC")
    note(looks, LOOK)
    (file,) = tmp_path.glob("*.jsonl")
    file.unlink()
    note(looks, LOOK)
    looks.close()
    assert len(list(recorded(tmp_path, pytest.fail))) == 1


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    looks = Looks(tmp_path, 6, "UTC")
    note(looks, LOOK)
    (file,) = tmp_path.glob("*.jsonl")
    whole = file.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel takes twenty bytes more of the line and then refuses, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 20, limit[1]))
    try:
        with pytest.raises(Unavailable, match="File too large"):
            note(looks, LOOK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert file.read_bytes() == whole
    note(looks, LOOK)
    looks.close()
    assert len(list(recorded(tmp_path, pytest.fail))) == 2


def test_what_somebody_sends_makes_one_line_of_bounded_length(tmp_path: Path) -> None:
    looks = Looks(tmp_path, 6, "UTC")
    odd = 'a\n{"at": "forged"}\r\u2028\ud800'
    note(looks, replace(LOOK, variables={"case": odd, "list": ["y" * 9999]}, sql="z" * 9999))
    looks.close()
    (file,) = tmp_path.glob("*.jsonl")
    assert file.read_bytes().count(b"\n") == 1
    (look,) = recorded(tmp_path, pytest.fail)
    assert look["variables"]["case"].startswith('a\n{"at": "forged"}\r\u2028')
    assert len(file.read_bytes()) < 5_000 + len("z" * 9999)
    # SQL is whole, so that nothing stands behind what was cut off.
    assert look["sql"] == "z" * 9999


def test_looks_are_shown_on_the_command_line_by_day_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: list[datetime]
) -> None:
    monkeypatch.setenv("GULOU_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    looks = Looks(tmp_path / "looks", 6, "Asia/Shanghai")
    note(looks, replace(LOOK, board="first"))
    clock.append(datetime.fromisoformat("2026-12-01T00:00:00+08:00"))
    note(looks, replace(LOOK, board="second", variables={"case": "[/b] P-1"}),
         replace(LOOK, board="third", who="audit", role="auditor"))  # fmt: skip
    looks.close()
    run = CliRunner()

    def shown(*options: str) -> list[str]:
        told = run.invoke(app, ["access", "looks", "--json", *options]).output
        return [json.loads(line)["board"] for line in told.splitlines()]

    assert shown() == ["first", "second", "third"]
    assert shown("--since", "2026-12-01") == ["second", "third"]
    assert shown("--since", "2026-12-01", "--who", "audit") == ["third"]
    table = run.invoke(app, ["access", "looks"]).output
    assert "second/1/A" in table and "case=[/b] P-1" in table and "auditor" in table
    assert run.invoke(app, ["access", "looks", "--since", "yesterday"]).exception is not None


def test_nothing_on_record_steers_the_terminal_that_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GULOU_HOME", str(tmp_path))
    monkeypatch.setattr(_screen.out, "_width", 300)  # not COLUMNS: it is read when it was made
    steering = "\x1b[2K\x1b[1A\r\x9b2J\u202e甲"
    looks = Looks(tmp_path / "looks", 6, "UTC")
    sql = f"/* a */\n SELECT '{steering}'"
    note(looks, replace(LOOK, board=steering, variables={"case": steering}, refused=steering),
         replace(LOOK, board="", panel=None, query="", sql=sql))  # fmt: skip
    looks.close()
    for options in ([], ["--json"]):
        told = CliRunner().invoke(app, ["access", "looks", *options]).output
        assert [each for each in told.replace("\n", "") if not each.isprintable()] == []
        assert "\\u001b[2K\\u001b[1A\\r\\u009b2J\\u202e甲" in told
    table = CliRunner().invoke(app, ["access", "looks"]).output
    assert "SELECT '\\u001b" in table and "/* a */" not in table
