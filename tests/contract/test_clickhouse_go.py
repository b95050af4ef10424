"""clickhouse-go v2 with the options of Grafana's plugin, against embedded and real ClickHouse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract.conftest import Address

SOURCE = Path(__file__).with_name("goclient")
# The first build compiles the driver and its dependencies.
BUILD_S = 900


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = shutil.which("go")
    if go is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Go is not installed, and in CI this test must run")
        pytest.skip("Go is not installed")
    target = tmp_path_factory.mktemp("go") / "goclient"
    built = subprocess.run(
        [go, "build", "-o", str(target), "."],
        cwd=SOURCE,
        # Debian pins its Go version; a newer toolchain in go.mod is downloaded like a module.
        env={**os.environ, "GOTOOLCHAIN": "auto"},
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    if built.returncode and os.environ.get("CI") != "true" and "dial tcp" in built.stderr:
        pytest.skip("clickhouse-go cannot be fetched from here")
    assert built.returncode == 0, built.stderr
    return target


@pytest.mark.timeout(BUILD_S + 120)
@pytest.mark.parametrize(
    ("protocol", "packing"),
    [
        *(("native", packing) for packing in ("", "none", "zstd")),
        *(("http", packing) for packing in ("", "none", "lz4", "zstd", "br")),
    ],
)
def test_the_driver_of_grafanas_plugin_is_at_home(
    server: Address, database: str, program: Path, protocol: str, packing: str
) -> None:
    port = server.port if protocol == "native" else server.http_port
    done = subprocess.run(
        [
            *(str(program), "-address", f"{server.host}:{port}", "-protocol", protocol),
            *("-user", server.user, "-database", database, "-table", f"{database}.go"),
            *("-compression", packing),
            *(("-secure", "-ca", server.cafile) if server.secure else ()),
        ],
        env={**os.environ, "GULOU_TEST_PASSWORD": server.password},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    steps = {step["step"]: step for step in map(json.loads, done.stdout.splitlines())}

    assert [name for name, step in steps.items() if not step["ok"]] == [], done.stdout
    # 0 + 1 + … + 29,999 = 449,985,000; 0 + 1 + … + 89,999 = 4,049,955,000.
    assert steps["select"]["got"] == "30000 449985000 name 9999 ['x','y']"
    assert steps["many rows"]["got"] == "90000 4049955000"
    assert steps["parameters"]["got"] == "鼓楼 'quoted' 2026-03-01 08:00:00"
    assert steps["no rows"]["got"] == "[one text] false"
    assert steps["unknown table"]["got"] == "60"
    assert steps["cancelled"]["got"] == "true true"
    assert steps["select kinds"]["got"] == "2 7 x 9"
    # 0 + 1 + … + 9
    assert steps["brought"]["got"] == "45"
    if protocol == "native":
        assert steps["totals"]["got"] == "0 5"
