"""The first command on a fresh machine, and the locks it installs from."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "locks").glob("*.txt"))


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False
    )


def said(result: subprocess.CompletedProcess[str]) -> list[str]:
    """The error output without make's own lines."""
    return [line for line in result.stderr.splitlines() if not line.startswith("make")]


def pinned(lock: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.+!-]+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name.replace("_", "-").lower(), set()).add(version)
    return found


def test_without_arguments_it_lists_every_command_a_person_may_run() -> None:
    text = (ROOT / "Makefile").read_text()
    documented = set(re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE))

    shown = make()

    assert shown.returncode == 0
    assert {line.split()[1] for line in shown.stdout.splitlines() if "make " in line} == documented
    assert {"setup", "up", "down", "test", "check", "bench", "bench-big", "chaos", "boards",
            "catalog", "clean", "ci", "help"} <= documented  # fmt: skip


def test_a_python_that_is_too_old_is_one_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)

    refused = make("setup", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")

    assert refused.returncode != 0
    assert said(refused) == [
        f"Gulou needs Python 3.11 or newer, but {old} is Python 3.9.2: install a newer one, "
        "or name it with make PYTHON=/path/to/python3."
    ]


def test_a_name_on_the_path_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    for name, text in {
        "python3.13": "echo 'python3.13: command not found' >&2; exit 127",
        "python3.12": f'exec {sys.executable} "$@"',
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    shown = subprocess.run(
        ["make", "-C", str(ROOT), "-s", "--no-print-directory", "--eval=shown: ; @echo $(PYTHON)",
         "shown"],
        capture_output=True, text=True, check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip

    assert shown.stdout.strip() == str(tmp_path / "python3.12")


def test_no_python_at_all_is_one_sentence(tmp_path: Path) -> None:
    refused = make("setup", "PYTHON=", f"VENV={tmp_path / 'venv'}")

    assert said(refused) == [
        "Gulou needs Python 3.11 or newer, and none was found: install it, "
        "or name it with make PYTHON=/path/to/python3."
    ]


def test_a_disk_too_small_for_the_packages_is_one_sentence(tiny: Path) -> None:
    refused = make("setup", f"VENV={tiny / 'venv'}")

    assert refused.returncode != 0
    assert said(refused) == [
        f"Only 1 MB are free where {tiny / 'venv'} lies; Gulou needs 3072 MB to install: "
        "free some space, then run make again."
    ]
    assert list(tiny.iterdir()) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_server_and_pins_every_package_by_digest(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"\n(?=\S)", text.strip())

    assert "://" not in text
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_fits_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    versions = pinned(ROOT / "locks" / "run.txt")
    stale = [
        line
        for line in project["dependencies"]
        if not (found := versions.get(canonicalize_name((asked := Requirement(line)).name)))
        or not all(asked.specifier.contains(version, prereleases=True) for version in found)
    ]

    assert stale == [], "run: make lock"


def test_the_test_lock_agrees_with_the_lock_of_the_product() -> None:
    product, tests = (pinned(ROOT / "locks" / name) for name in ("run.txt", "test.txt"))

    assert {name: tests.get(name) for name in product} == product


def test_every_module_that_a_target_runs_does_something_when_it_is_run() -> None:
    text = (ROOT / "Makefile").read_text()
    modules = set(re.findall(r"\$\(RUN\) -m ((?:schemas|dashboards|infra|tests)[\w.]*)", text))

    def runs(module: str) -> bool:
        place = ROOT / module.replace(".", "/")
        file = place / "__main__.py" if place.is_dir() else place.with_suffix(".py")
        return file.exists() and 'if __name__ == "__main__":' in file.read_text(encoding="utf-8")

    assert len(modules) > 5
    assert [module for module in sorted(modules) if not runs(module)] == []
