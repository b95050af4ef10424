"""`python -m infra.board_server`: the board server as a process of its own."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from dashboards.server import CALLER, ServerConfig, application
from infra import desks
from infra.http import Gate, Listening, serve, token_in
from schemas.errors import GulouError


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 after a clean stop, else that of the printed error."""
    parser = argparse.ArgumentParser(prog="infra.board_server", description="The board server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=13000, help="0 takes a free one")
    parser.add_argument("--state", type=Path, required=True, help="directory of what is published")
    parser.add_argument("--token-file", type=Path, help="file that holds the publisher's token")
    parser.add_argument("--access", type=Path, help="file of those who are let in besides")
    parser.add_argument("--desk-key", type=Path, help="file with the key of counties' passwords")
    parser.add_argument("--looks", type=Path, help="folder of the record of looks at cases")
    parser.add_argument("--looks-months", type=int, default=6, help="how long it is kept")
    parser.add_argument("--data-sources", type=Path, help="JSON file, stored at each start")
    parser.add_argument("--boards", type=Path, help="directory of board JSON, stored at each start")
    parser.add_argument("--outlines", type=Path, help="GeoJSON file of the counties")
    parser.add_argument("--closed", action="store_true", help="ask for the token here too")
    parser.add_argument("--zone", default="UTC", help="day of $__dateFilter")
    parser.add_argument("--rows", type=int, default=10_000, help="rows kept of an answer")
    parser.add_argument("--query-seconds", type=float, default=30.0, help="a query's ceiling")
    given = parser.parse_args(arguments)
    try:
        gate = Gate(
            given.host,
            token_in(given.token_file),
            closed=given.closed,
            caller=CALLER,
            grants=given.access,
        )
        key = token_in(given.desk_key)
        config = ServerConfig(
            state=given.state,
            data_sources=given.data_sources,
            boards=given.boards,
            outlines=given.outlines,
            zone=given.zone,
            rows=given.rows,
            query_s=given.query_seconds,
            looks=given.looks,
            looks_months=given.looks_months,
            desk_password=partial(desks.password, key) if key else None,
        )
        listening = Listening("the board server", given.host, given.port)
        serve(lambda: application(config), listening, gate)
    except GulouError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
