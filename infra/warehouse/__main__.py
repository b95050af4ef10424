"""`python -m infra.warehouse`: the embedded ClickHouse, until SIGTERM."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from infra._files import most_files
from infra.warehouse.confinement import Porter, confine
from schemas.errors import GulouError, Misconfigured


def main() -> int:
    """Serves until SIGTERM or SIGINT; returns the exit code."""
    parser = argparse.ArgumentParser("python -m infra.warehouse", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the databases")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="native protocol; 0 is any free one")
    parser.add_argument("--http-port", type=int, default=0, help="HTTP; 0 is any free one")
    parser.add_argument("--users", type=Path, required=True, help="users file, mode 0600")
    parser.add_argument("--timezone", default="Asia/Shanghai", help="of columns that name none")
    options = parser.parse_args()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        return _serve(options)
    except GulouError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def _serve(options: argparse.Namespace) -> int:
    # Every connection needs a file or two, and the engine keeps many open.
    most_files()
    # First: the child should have nothing of this process, neither its ports nor its threads.
    porter = Porter(options.users)
    # The engine reads TZ once, when it loads; it has no setting for it.
    os.environ["TZ"] = options.timezone
    time.tzset()
    # Imported here: the engine takes a third of a second to load, and --help should be fast.
    from infra.warehouse import server, web
    from infra.warehouse.access import Users
    from infra.warehouse.engine import Engine
    from infra.warehouse.watch import Watch

    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    # kill -USR1 prints the stack of every thread to stderr.
    faulthandler.register(signal.SIGUSR1)
    users = Users(options.users, porter.read)
    signal.signal(signal.SIGHUP, lambda *_: users.reload())
    try:
        listeners = (
            server.listen(options.host, options.port),
            web.listen(options.host, options.http_port),
        )
    except OSError as error:
        raise Misconfigured(
            f"ClickHouse cannot listen on {options.host}:{options.port} and "
            f"{options.http_port}: {error.strerror}.",
            do="Stop the other program, or set GULOU_CLICKHOUSE_PORT and _HTTP_PORT.",
        ) from None
    options.data.mkdir(parents=True, exist_ok=True)
    # After everything that needs more than the store, before the engine makes its threads.
    _say({"confined": confine(options.data)})
    engine = Engine(options.data, timezone=options.timezone)
    watch = Watch()
    native = server.Server(engine, users, listeners[0], watch)
    http = web.Web(engine, users, listeners[1], watch)
    # Exempt the loaded objects, which stay: a full collection of them delays each query by 30 ms.
    gc.collect()
    gc.freeze()
    _say(
        {
            "ready": True,
            "port": native.port,
            "http_port": http.port,
            "version": engine.version,
        }
    )
    while not stopped.wait(1.0):
        pass
    native.close()
    http.close()
    engine.close()
    watch.close()
    sys.stderr.flush()
    # Threads of unresponsive clients may still be there; the engine has ended.
    os._exit(0)


def _say(what: Mapping[str, object]) -> None:
    """Writes a line for the process that started this one."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
