"""Results of the bench, for machines (docs/benchmarks.json) and for people (docs/benchmarks.md)."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from infra.settings import ROOT

_JSON = ROOT / "docs" / "benchmarks.json"
_MARKDOWN = ROOT / "docs" / "benchmarks.md"
_MARK = "<!-- figures -->"
_UNITS = {"s": "s", "ms": "ms", "mb": "MB", "pct": "%"}


def write(found: Mapping[str, Sequence[float]]) -> None:
    """Replaces earlier figures of the same name with new ones."""
    known = {each["name"]: each for each in json.loads(_JSON.read_text())} if _JSON.exists() else {}
    for name, runs in {**found, **_compared(found)}.items():
        value = round(median(runs), 3)
        known[name] = {
            "name": name,
            "value": value,
            "unit": _unit(name),
            "runs": [round(run, 3) for run in runs],
        }
    ordered = sorted(known.values(), key=lambda each: str(each["name"]))
    _JSON.write_text(json.dumps(ordered, indent=1) + "\n")
    if _MARKDOWN.exists():
        head, _, tail = _MARKDOWN.read_text().partition(_MARK)
        after = tail.partition(_MARK)[2]
        _MARKDOWN.write_text(f"{head}{_MARK}\n\n{_table(ordered)}\n{_MARK}{after}")


def _compared(found: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """The ratios of each run; a run measured all ways one after the other."""
    gulou = found.get("rate.gulou", [])
    compared = {"ingest.events_per_s": list(gulou)} if gulou else {}
    for rival in ("quixstreams", "stock_faust", "ceiling"):
        if rates := found.get(f"rate.{rival}"):
            compared[f"ingest.vs_{rival}"] = [a / b for a, b in zip(gulou, rates, strict=True)]
    if rates := found.get("rate.unguarded"):
        pairs = zip(gulou, rates, strict=True)
        compared["ingest.guarantee_cost_pct"] = [100 * (1 - a / b) for a, b in pairs]
    return compared


def _unit(name: str) -> str:
    if name.startswith("rate.") or name.endswith("_per_s"):
        return "events/s"
    if "_vs" in name or ".vs_" in name:
        return "times"
    return _UNITS.get(name.rpartition("_")[2], "")


def _table(figures: Sequence[Mapping[str, Any]]) -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        f"Machine: {cpu}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}, "
        f"Python {platform.python_version()}. Load, the mean of 15 minutes up to the end of the "
        f"latest part: {os.getloadavg()[2]:.0f}; with nothing else running it would be 2 to 3.",
        "",
        "| figure | median | unit | runs |",
        "|---|---:|---|---|",
    ]
    for each in figures:
        runs = ", ".join(_short(run) for run in each["runs"])
        row = (f"`{each['name']}`", _short(each["value"]), each["unit"], runs)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
