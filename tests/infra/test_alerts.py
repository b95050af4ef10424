"""The alert rules, tested with Prometheus's promtool on histories of metrics."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[2] / "infra" / "prometheus" / "rules.yaml"
UP = 'up{job="gulou", instance="a"}'
LAG, PROGRESS, WATERMARK = (
    f'{metric}{{job="gulou", instance="%s", topic="visits", kpart="%d"}}'
    for metric in (
        "gulou_lag_messages",
        "gulou_last_progress_timestamp_seconds",
        "gulou_watermark_offset",
    )
)
CRITICAL = ("GulouStandsStill", "GulouGone", "GulouWatermarkMissing")


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is not installed, and in CI this test must run")
        pytest.skip("promtool is not installed (Debian, Ubuntu: package prometheus)")
    return found


def healthy(instance: str, kpart: int) -> dict[str, str]:
    """Series of half an hour: ten messages wait, and every minute there is progress."""
    return {
        LAG % (instance, kpart): "10x30",
        PROGRESS % (instance, kpart): "0+60x30",
        WATERMARK % (instance, kpart): "100+10x30",
    }


def fire(promtool: str, tmp_path: Path, series: dict[str, str], *expected: str) -> None:
    """Asserts that after 20 minutes exactly the critical alerts `expected` fire."""
    (tmp_path / "rules.yaml").write_text(RULES.read_text())
    told = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": k, "values": v} for k, v in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f'count by (alertname) (ALERTS{{alertname="{alert}", '
                        'alertstate="firing"} * 0 + 1)',
                        "eval_time": "20m",
                        "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}]
                        if alert in expected
                        else [],
                    }
                    for alert in CRITICAL
                ],
            }
        ],
    }
    # JSON is YAML.
    (tmp_path / "test.yaml").write_text(json.dumps(told))
    done = subprocess.run(
        [promtool, "test", "rules", "test.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_healthy_installation_rings_no_alarm(promtool: str, tmp_path: Path) -> None:
    fire(promtool, tmp_path, {UP: "1x30"} | healthy("a", 0) | healthy("b", 1))


def test_a_healthy_worker_does_not_hide_a_partition_that_stands_still(
    promtool: str, tmp_path: Path
) -> None:
    stuck = healthy("b", 1) | {PROGRESS % ("b", 1): "0x30"}

    fire(promtool, tmp_path, {UP: "1x30"} | healthy("a", 0) | stuck, "GulouStandsStill")


def test_a_quiet_night_rings_no_alarm(promtool: str, tmp_path: Path) -> None:
    quiet = healthy("a", 0) | {LAG % ("a", 0): "0x30", PROGRESS % ("a", 0): "0x30"}

    fire(promtool, tmp_path, {UP: "1x30"} | quiet)


def test_workers_that_are_all_gone_ring_an_alarm(promtool: str, tmp_path: Path) -> None:
    fire(promtool, tmp_path, {UP: "1 1 1 0x30"}, "GulouGone")
    fire(promtool, tmp_path, {'up{job="other"}': "1x30"}, "GulouGone")


def test_workers_without_a_claim_ring_an_alarm_though_no_lag_is_known(
    promtool: str, tmp_path: Path
) -> None:
    fire(promtool, tmp_path, {UP: "1x30"}, "GulouWatermarkMissing")
