"""The commands that feed and show data, on one small installation run by `gulou up`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra import database as apply
from infra.settings import Settings
from infra.stack import with_ports
from tests.infra.test_cli import COMMANDS

GULOU = Path(sys.executable).with_name("gulou")
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
ZERO = {name: 0 for name in Settings.model_fields if name.endswith("_port")}
DEADLINE_S = 90

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Installation:
    """A home with its own ports, and the commands called as a person calls them."""

    settings: Settings

    def gulou(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [GULOU, *arguments],
            env={**os.environ, **self.settings.environment()},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def up(self) -> None:
        started = self.gulou("up", "--detach", "--no-demo", "--no-live")
        assert started.returncode == 0, started.stderr

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        client = apply.address(self.settings).connect()
        try:
            found: list[tuple[Any, ...]] = client.execute(sql)
        finally:
            client.disconnect()
        return found

    def counted(self, events: int) -> int:
        """Visits in the figures, once there are at least `events` or time is up."""
        deadline = time.monotonic() + DEADLINE_S
        sql = (
            "SELECT toInt64(sum(net_count)) FROM gulou_published.visits_by_county_hour "
            "WHERE type = 'visit.recorded'"
        )
        while (found := int(self.ask(sql)[0][0])) < events and time.monotonic() < deadline:
            time.sleep(0.3)
        return found

    def stored(self, rows: int) -> int:
        """Messages stored and in the figures, once there are `rows` or time is up."""
        deadline = time.monotonic() + DEADLINE_S
        sql = (
            "SELECT (SELECT count() FROM gulou.events), "
            "(SELECT countIf(reached < stored) FROM gulou_published.projections)"
        )
        while True:
            found, behind = map(int, self.ask(sql)[0])
            if (found >= rows and not behind) or time.monotonic() > deadline:
                return found
            time.sleep(0.3)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("home")
    running = Installation(with_ports(Settings.load(home=home, **ZERO)))
    running.up()
    yield running
    running.gulou("down")


MAPPING = ("--mapping", EXAMPLES / "visits-mapping.toml")


def ledger(folder: Path, rows: int) -> Path:
    """The first rows of the documentation's ledger; the last three are invalid or repeated."""
    found = folder / "visits-ledger.csv"
    lines = (EXAMPLES / found.name).read_text(encoding="utf-8").splitlines(keepends=True)
    found.write_text("".join(lines[: rows + 1]), encoding="utf-8")
    return found


def test_an_import_says_in_json_what_became_of_each_row_and_ends_with_2_for_a_refused_one(
    city: Installation, tmp_path: Path
) -> None:
    before, path = city.counted(0), ledger(tmp_path, rows=8)

    done = city.gulou("import", path, *MAPPING, "--json")
    counted = city.counted(before + 5)
    again = city.gulou("import", path, *MAPPING, "--json")

    # Row 6 repeats row 5, row 7 is on 30 February, row 8 has the visitor 邻居.
    assert json.loads(done.stdout) == {
        "rows": 8, "accepted": 5, "rejected": 2, "repeated_rows": 1, "sent": 5, "resumed": 0,
        "events": {"visit.recorded": 5}, "reasons": {"time": 1, "choice": 1},
    }  # fmt: skip
    assert done.returncode == 2
    assert counted == before + 5
    assert path.with_name("visits-ledger.rejects.csv").exists()
    assert (again.returncode, json.loads(again.stdout)["accepted"]) == (2, 5)
    assert city.counted(0) == counted, "a second import changes no figure"


def test_an_import_without_refused_rows_ends_with_0_and_a_sentence(
    city: Installation, tmp_path: Path
) -> None:
    done = city.gulou("import", ledger(tmp_path, rows=2), *MAPPING)

    assert done.returncode == 0, done.stderr
    assert "2" in done.stdout


def test_a_simulation_arrives_as_it_says_and_is_kept_over_a_restart(city: Installation) -> None:
    before = city.counted(0)

    done = city.gulou("simulate", "--scale", "0.0005", "--seed", "7", "--json")

    summary = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    # The published total is 1,881,000 visits: × 0.0005 = 940.5, rounded half to even: 940.
    assert summary["figures"]["visits_2021"] == 940
    visits = before + summary["net"]["visit.recorded"]
    assert city.counted(visits) == visits

    assert city.gulou("down").returncode == 0
    city.up()

    assert city.counted(visits) == visits


def test_a_second_simulation_of_the_same_seed_changes_no_figure(city: Installation) -> None:
    made = ("simulate", "--scale", "0.0005", "--seed", "8", "--json")
    earlier = city.stored(0)
    summary = json.loads(city.gulou(*made).stdout)
    messages = sum(sum(summary[part].values()) for part in ("gross", "repeated", "broken"))
    once = city.stored(earlier + messages)
    before = city.counted(0)

    city.gulou(*made)

    assert city.stored(once + messages) == once + messages
    assert city.counted(0) == before


def test_the_catalogue_in_json_has_every_type_table_and_view_that_is_there(
    city: Installation,
) -> None:
    found = json.loads(city.gulou("catalog", "--json").stdout)
    tables = {
        f"{database}.{name}": engine
        for database, name, engine in city.ask(
            "SELECT database, name, engine FROM system.tables "
            "WHERE database IN ('gulou', 'gulou_published', 'gulou_desk')"
        )
    }
    columns = dict[str, dict[str, str]]()
    for table, column, kind in city.ask(
        "SELECT concat(database, '.', table), name, type FROM system.columns "
        "WHERE database = 'gulou'"
    ):
        columns.setdefault(table, {})[column] = kind

    assert found["types"]["visit.recorded"]["fields"]["lasted"]["description"]
    assert found["views"].keys() == {
        t for t in tables if t.startswith(("gulou_published.", "gulou_desk."))
    }
    for name, declared in found["tables"].items():
        assert {n: "".join(c["type"].split()) for n, c in declared.items()} == {
            n: "".join(c.split()) for n, c in columns[name].items()
        }
    types = {name for (name,) in city.ask("SELECT DISTINCT type FROM gulou.events")}
    assert types - {""} <= found["types"].keys()


# -------------------------------------------------------------------------- what documents say

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>.+?) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)```", re.DOTALL
)
SHELL = {"sh", "bash", "console", "shell"}


def blocks() -> list[tuple[str, str, str]]:
    """Document, text and reason not to run it, for every shell block."""
    return [
        (path.name, found["text"], found["why"] or "")
        for path in DOCUMENTS
        for found in BLOCK.finditer(path.read_text(encoding="utf-8"))
        if found["kind"] in SHELL
    ]


def test_documents_have_shell_blocks_and_few_of_them_are_not_run() -> None:
    found = blocks()
    assert len(found) >= 5
    assert len([why for _, _, why in found if why]) <= 3


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"{name}-{n}") for n, (name, text, why) in enumerate(blocks())
             if not why],
)  # fmt: skip
def test_a_shell_block_of_the_documents_runs_as_it_stands(
    city: Installation, text: str, tmp_path: Path
) -> None:
    if "curl" in text and shutil.which("curl") is None:
        assert os.environ.get("CI") != "true", "CI must have curl: apt-get install curl"
        pytest.skip("no curl here; install the package curl to run this block")
    settings = city.settings
    # A copy of the checkout's files: commands write beside their inputs.
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    (tmp_path / ".venv").symlink_to(GULOU.parents[1])
    (tmp_path / "var").symlink_to(settings.home)
    ports = {
        "127.0.0.1:18123": f"{settings.host}:{settings.clickhouse_http_port}",
        "127.0.0.1:13000": f"{settings.host}:{settings.board_port}",
    }
    for shown, here in ports.items():
        text = text.replace(shown, here)
    done = subprocess.run(
        ["sh", "-e", "-c", text],
        cwd=tmp_path,
        env={**os.environ, **settings.environment()},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = f"{done.stdout}\n{done.stderr}"
    # Exit code 2: rows of the example ledger are refused, as the document says.
    assert done.returncode == (2 if "gulou import" in text else 0), said
    assert "Code: " not in said and "DB::Exception" not in said, said


def test_every_command_and_target_that_documents_name_is_there() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    known = {name.split()[0] for name in COMMANDS}
    named = set(re.findall(r"(?:`|bin/|^|\n)gulou ([a-z][a-z-]*)", text))
    assert named
    assert named <= known
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets
