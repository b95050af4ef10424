"""Speed and size: `python -m tests.bench`, into docs/benchmarks.json and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.bench import boards, gate, history, latency, report
from tests.bench.ground import Ground, say
from tests.bench.ingest import Race

Runs = dict[str, list[float]]


def ingest(home: Path, args: argparse.Namespace) -> Runs:
    """The five ways of ingesting, one after the other, repeated as often as requested."""
    found: Runs = {"ingest.events": [args.events]}
    with Ground(home) as ground:
        lines = home / "visits.jsonl"
        say(f"  putting {args.events:,} visits into Kafka")
        ground.produce_visits(args.events, lines)
        race = Race(ground, lines, args.events)
        ways: dict[str, Callable[[], float]] = {
            "gulou": race.gulou,
            "unguarded": race.unguarded,
            "ceiling": race.ceiling,
            "quixstreams": race.quixstreams,
            "stock_faust": race.stock_faust,
        }
        for run in range(args.runs):
            for name, way in ways.items():
                if args.ways and name not in args.ways.split(","):
                    continue
                rate = way()
                say(f"  run {run + 1}: {name} {rate:,.0f} events/s")
                found.setdefault(f"rate.{name}", []).append(rate)
    return found


def in_time(home: Path, args: argparse.Namespace) -> Runs:
    """Latency at a steady rate."""
    found: Runs = {"latency.p50_ms": [], "latency.p99_ms": [], "latency.parts": []}
    with Ground(home) as ground:
        for run in range(args.runs):
            seen = latency.measure(ground, run, args.seconds)
            say(f"  run {run + 1}: p50 {seen.at(50):.0f} ms, p99 {seen.at(99):.0f} ms")
            found["latency.p50_ms"].append(seen.at(50))
            found["latency.p99_ms"].append(seen.at(99))
            found["latency.parts"].append(seen.parts)
    return found


def whole(home: Path, args: argparse.Namespace) -> Runs:
    """The whole history."""
    found: Runs = {}
    for run in range(args.runs):
        with Ground(home / str(run)) as ground:
            seen = history.measure(ground, args.scale)
        say(f"  run {run + 1}: simulated {seen.simulate_s:.0f} s, finished {seen.ingest_s:.0f} s")
        for name, value in (
            ("history.simulate_s", seen.simulate_s),
            ("history.ingest_s", seen.ingest_s),
            ("history.first_figures_s", seen.first_s),
            ("history.messages", seen.messages),
            ("worker.rss_mb", seen.worker_mb),
            ("warehouse.rss_mb", seen.warehouse_mb),
        ):
            found.setdefault(name, []).append(value)
    return found


def walls(home: Path, args: argparse.Namespace) -> Runs:
    """The boards over the whole history."""
    seen = boards.measure(home, args.scale)
    return {
        "boards.first_paint_s": seen.paints_s,
        "boards.query_p95_ms": [max(seen.queries_ms.values())],
        "boards.query_median_p95_ms": [statistics.median(seen.queries_ms.values())],
        "boards.queries_in_100_ms_pct": [
            100 * sum(ms <= 100 for ms in seen.queries_ms.values()) / len(seen.queries_ms)
        ],
        "boards.queries": [len(seen.queries_ms)],
        "boards.event_to_wall_s": seen.events_s,
        "boards.cost_50_vs_2_walls": [seen.cost_ratio],
    }


def checks(home: Path, args: argparse.Namespace) -> Runs:
    """The gate in front of ClickHouse."""
    del args
    found = gate.measure(home)
    return {
        f"gate.{name}_p{part}_ms": [float(np.percentile(took, part))]
        for name, took in (("first", found.first), ("again", found.again))
        for part in (50, 95)
    }


PARTS = {
    "ingest": ingest,
    "latency": in_time,
    "history": whole,
    "boards": walls,
    "gate": checks,
}


def main() -> None:
    """Runs the requested parts and replaces their earlier results."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part of the bench")
    parser.add_argument("--ways", default="", help="of ingest: gulou,unguarded,ceiling,…")
    parser.add_argument("--events", type=int, default=1_000_000, help="visits to ingest")
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median is taken")
    parser.add_argument("--seconds", type=float, default=180, help="of each run for latency")
    parser.add_argument("--scale", type=float, default=1.0, help="of the history; 1: the city")
    parser.add_argument("--big", action="store_true", help="a history ten times the city's")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    args = parser.parse_args()
    if args.big:
        args.scale *= 10
    for name, part in PARTS.items():
        if args.only not in (None, name):
            continue
        say(name)
        with tempfile.TemporaryDirectory(prefix="gulou-bench-") as home:
            found = part(Path(home), args)
        for figure, values in sorted(found.items()):
            say(f"{figure:<28}{statistics.median(values):>14,.1f}")
        if not args.dry:
            report.write(found)


if __name__ == "__main__":
    main()
