"""Stands in for clickhouse-client, which clickhouse-driver's tests call: one query, in TSV."""

from __future__ import annotations

import argparse
import os
import sys

import requests


def main() -> int:
    """Prints the answer, or the error to stderr."""
    parser = argparse.ArgumentParser("clickhouse-client")
    for name in ("database", "host", "port", "query"):
        parser.add_argument(f"--{name}", required=True)
    given, rest = parser.parse_known_args()
    settings = dict(zip((name[2:] for name in rest[::2]), rest[1::2], strict=True))
    answer = requests.post(
        f"http://{given.host}:{os.environ['SUITES_HTTP_PORT']}/",
        params={"database": given.database, **settings},
        data=given.query.encode(),
        headers={"X-ClickHouse-User": "default", "X-ClickHouse-Key": ""},
        timeout=60,
    )
    answer.encoding = "utf-8"
    (sys.stdout if answer.ok else sys.stderr).write(answer.text)
    return 0 if answer.ok else 1


if __name__ == "__main__":
    sys.exit(main())
