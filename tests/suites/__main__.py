"""`python -m tests.suites [driver] [connect] [go]`: clients' own test suites, on this server.

Prints for each suite how many of the tests that apply pass, and names those that fail. Exit code 1
when fewer than 95 % do. A suite that cannot run here is named with what is missing.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from infra.warehouse import EmbeddedClickHouse, write_users

_HERE = Path(__file__).parent
_GOAL = 0.95
_RUN_S = 3600
_GO = "github.com/ClickHouse/clickhouse-go/v2"
_REASONS = tomllib.loads((_HERE / "inapplicable.toml").read_text(encoding="utf-8"))


class _Missing(Exception):
    """A suite cannot run here; the text says what is missing."""


@dataclass(frozen=True)
class Outcome:
    """How a suite went; each test is in one of the three."""

    passed: frozenset[str]
    failed: frozenset[str]
    inapplicable: frozenset[str]

    @property
    def share(self) -> float:
        """Of what applies, the part that passed; 1 is all."""
        return len(self.passed) / max(len(self.passed) + len(self.failed), 1)


def judged(suite: str, results: dict[str, bool]) -> Outcome:
    """The outcome of a suite.

    Args:
        suite: its name in `inapplicable.toml`.
        results: by test, whether it passed; without those that the suite itself skips.
    """
    reasons = _REASONS.get(suite, {})
    apart = {name for name in results if any(fnmatch.fnmatch(name, each) for each in reasons)}
    passed = {name for name, is_passed in results.items() if is_passed} - apart
    return Outcome(frozenset(passed), frozenset(results.keys() - passed - apart), frozenset(apart))


def of_junit(report: str) -> dict[str, bool]:
    """Results of pytest's report in XML."""
    found = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        kinds = {child.tag for child in case}
        if "skipped" not in kinds:
            name = f"{case.get('classname')}.{case.get('name')}"
            found[name] = not kinds & {"failure", "error"}
    return found


def of_go(lines: Iterable[str]) -> dict[str, bool]:
    """Results of `go test -json`; a test's parts are not counted apart."""
    found = {}
    for line in lines:
        event = json.loads(line) if line.startswith("{") else {}
        name = event.get("Test", "")
        if name and "/" not in name and event["Action"] in ("pass", "fail"):
            found[f"{event['Package'].removeprefix(_GO)}.{name}"] = event["Action"] == "pass"
    return found


def _sdist(package: str, folder: Path) -> Path:
    """The unpacked source of the installed version of a package, tests included."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", package),
            *("--quiet", "--dest", str(folder), f"{package}=={version(package)}"),
        ],
        check=False,
    )
    archives = list(folder.glob("*.tar.gz"))
    if done.returncode or not archives:
        raise _Missing(f"the source of {package} cannot be fetched")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return next(each for each in folder.iterdir() if each.is_dir())


def _pytest(folder: Path, tests: str, environment: dict[str, str]) -> dict[str, bool]:
    report = folder / "report.xml"
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            *("--timeout", "120", f"--junitxml={report}", "-o", "addopts=", tests),
        ],
        cwd=folder,
        env={**os.environ, **environment, "PYTHONPATH": str(folder)},
        timeout=_RUN_S,
        check=False,
    )
    if not report.exists():
        raise _Missing("pytest could not run it")
    return of_junit(report.read_text(encoding="utf-8"))


_LEFT_OUT = {"log.py": "log.py", "util.py": "versions.py", "numpy/util.py": "arrays.py"}
"""Files that the sdist of clickhouse-driver lacks, and what stands in for them."""


def _driver(server: EmbeddedClickHouse, folder: Path) -> dict[str, bool]:
    source = _sdist("clickhouse-driver", folder)
    for left_out, stand_in in _LEFT_OUT.items():
        (source / "tests" / left_out).parent.mkdir(exist_ok=True)
        shutil.copy(_HERE / "stand_ins" / stand_in, source / "tests" / left_out)
    client = folder / "clickhouse-client"
    client.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{_HERE / "cli.py"}" "$@"\n')
    client.chmod(0o755)
    settings = (source / "setup.cfg").read_text(encoding="utf-8")
    for name, value in {"host": server.host, "port": server.port, "client": client}.items():
        settings = "\n".join(
            f"{name} = {value}" if line.startswith(f"{name} =") else line
            for line in settings.splitlines()
        )
    (source / "setup.cfg").write_text(settings + "\n", encoding="utf-8")
    # The compiled parts are those of the installed package.
    shutil.rmtree(source / "clickhouse_driver")
    return _pytest(source, "tests", {"SUITES_HTTP_PORT": str(server.http_port)})


def _connect(server: EmbeddedClickHouse, folder: Path) -> dict[str, bool]:
    source = _sdist("clickhouse-connect", folder)
    if not (source / "tests" / "integration_tests").is_dir():
        raise _Missing("the source of clickhouse-connect comes without its tests")
    shutil.rmtree(source / "clickhouse_connect", ignore_errors=True)
    place = "CLICKHOUSE_CONNECT_TEST_"
    return _pytest(
        source,
        "tests/integration_tests",
        {
            f"{place}HOST": server.host,
            f"{place}PORT": str(server.http_port),
            f"{place}USER": "default",
            f"{place}PASSWORD": "",
            f"{place}DOCKER": "False",
        },
    )


def _go(server: EmbeddedClickHouse, folder: Path) -> dict[str, bool]:
    go = shutil.which("go")
    if go is None:
        raise _Missing("Go is not installed")
    module = subprocess.run(
        [go, "list", "-m", "-f", "{{.Dir}}", _GO],
        cwd=_HERE.parent / "contract" / "goclient",
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if not module:
        raise _Missing("clickhouse-go cannot be fetched")
    source = folder / "clickhouse-go"
    shutil.copytree(module, source)
    subprocess.run(["chmod", "-R", "u+w", str(source)], check=True)
    done = subprocess.run(
        [go, "test", "-json", "-p", "1", "-timeout", f"{_RUN_S}s", "./tests", "./tests/std"],
        cwd=source,
        env={
            **os.environ,
            "CLICKHOUSE_USE_DOCKER": "false",
            "CLICKHOUSE_HOST": server.host,
            "CLICKHOUSE_PORT": str(server.port),
            "CLICKHOUSE_HTTP_PORT": str(server.http_port),
            "CLICKHOUSE_USERNAME": "default",
            "CLICKHOUSE_PASSWORD": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    results = of_go(done.stdout.splitlines())
    if not results:
        raise _Missing(f"go could not run it: {done.stderr[-400:]}")
    return results


SUITES: dict[str, Callable[[EmbeddedClickHouse, Path], dict[str, bool]]] = {
    "driver": _driver,
    "connect": _connect,
    "go": _go,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the suites, each on a server of its own."""
    parser = argparse.ArgumentParser("python -m tests.suites", description=__doc__)
    parser.add_argument("suite", nargs="*", choices=[*SUITES, []], help="which; all by default")
    given = parser.parse_args(arguments)
    met = True
    for name in given.suite or SUITES:
        with tempfile.TemporaryDirectory(prefix=f"suite-{name}-") as place:
            folder = Path(place)
            users = folder / "users.json"
            write_users(users, {"default": {"password": "", "role": "writer"}})
            (folder / "source").mkdir()
            try:
                with EmbeddedClickHouse(folder / "clickhouse", users=users) as server:
                    outcome = judged(name, SUITES[name](server, folder / "source"))
            except _Missing as missing:
                print(f"{name}: not run, {missing}")  # noqa: T201
                continue
        print(_said(name, outcome))  # noqa: T201
        met = met and outcome.share >= _GOAL
    return 0 if met else 1


def _said(name: str, outcome: Outcome) -> str:
    applies = len(outcome.passed) + len(outcome.failed)
    head = (
        f"{name}: {outcome.share:.1%} ({len(outcome.passed)} of {applies}) of what applies; "
        f"{len(outcome.inapplicable)} do not apply"
    )
    return "\n".join([head, *(f"  failed: {each}" for each in sorted(outcome.failed))])


if __name__ == "__main__":
    sys.exit(main())
