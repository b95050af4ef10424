"""The documents say what is there: metrics, alerts and their entries in the runbook."""

from __future__ import annotations

import re
from pathlib import Path

from streams.metrics import REGISTRY

ROOT = Path(__file__).parents[1]
RULES = (ROOT / "infra" / "prometheus" / "rules.yaml").read_text(encoding="utf-8")
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


def _exported() -> set[str]:
    names: set[str] = set()
    for metric in REGISTRY.collect():
        names |= {metric.name} | {sample.name for sample in metric.samples}
        names |= {f"{metric.name}_total"} if metric.type == "counter" else set()
        if metric.type == "histogram":
            names |= {f"{metric.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
    return names


def test_every_metric_that_an_alert_names_is_exported() -> None:
    named = set(re.findall(r"\bgulou_[a-z_]+", RULES))
    assert named
    assert named - {name.split("#")[-1] for name in _exported()} <= _headings()
    for expression in re.findall(r"expr: (.+)", RULES):
        assert set(re.findall(r"\bgulou_[a-z_]+", expression)) <= _exported()


def test_every_alert_points_to_an_entry_of_the_runbook() -> None:
    anchors = re.findall(r"runbook: docs/runbook\.md#(\S+)", RULES)
    titles = re.findall(r"^## (.+)$", RUNBOOK, flags=re.MULTILINE)
    assert len(anchors) == RULES.count("- alert:")
    assert set(anchors) <= {title.lower().replace(" ", "-") for title in titles}


def test_every_exported_metric_has_an_entry_in_the_runbook() -> None:
    exported = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in REGISTRY.collect()
    }
    assert exported == _headings()


def test_every_decision_that_is_cited_is_there_and_in_the_index() -> None:
    text = (ROOT / "DECISIONS.md").read_text(encoding="utf-8")
    there = set(re.findall(r"^### (D-\d+) ", text, flags=re.MULTILINE))
    indexed = set(re.findall(r"^- \[(D-\d+) ", text, flags=re.MULTILINE))
    rooms = ("schemas", "producers", "streams", "dashboards", "infra", "tests")
    files = [path for room in rooms for path in (ROOT / room).rglob("*.py")]
    texts = [path.read_text(encoding="utf-8") for path in (*files, ROOT / "README.md")]
    cited = {number for each in texts for number in re.findall(r"\b(D-\d+)\b", each)}

    assert len(cited) > 20
    assert there == indexed
    assert cited - {"D-1"} <= there, "D-1 is also an example of a case's number"


def _headings() -> set[str]:
    return set(re.findall(r"^## (\w+)$", RUNBOOK, flags=re.MULTILINE))
