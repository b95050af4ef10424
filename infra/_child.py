"""Child processes and the ports they listen on."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from schemas.errors import Misconfigured

# The kernel ties "my parent died" to the *thread* that forked, so all children come from one
# thread that lives as long as the interpreter; the end of a short-lived thread would kill them.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
_any_port = random.SystemRandom()
_reserved: list[socket.socket] = []
OWNER_ALONE = 0o077
"""The umask of every process: what a part writes is for no other account."""
_SERVER_PORTS = (20_000, 32_000)
_PORT_TRIES = 200
_LEASH = str(Path(__file__).with_name("_leash.py"))


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """A child in a session of its own (Ctrl-C reaches only the parent) that dies with its parent.

    Args:
        command: the program, as an absolute path, and its arguments.
        log: file that receives stdout and stderr, appended.
        cwd: working directory; the parent's by default.
        env: the whole environment of the child; the parent's by default.
    """
    log.parent.mkdir(parents=True, exist_ok=True)

    def fork() -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", _LEASH, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=None if env is None else dict(env),
                umask=OWNER_ALONE,
                start_new_session=True,
            )

    return _spawner.submit(fork).result()


def stop(child: subprocess.Popen[bytes], timeout_s: float) -> int:
    """Asks the child to stop, ends it by force after `timeout_s`, and returns its exit code."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def free_port(host: str = "127.0.0.1", count: int = 1) -> int:
    """A TCP port nobody listens on now, nor on the `count - 1` after it.

    The server may listen seconds later: while this process lives, no other caller of this function,
    here or in another process of this machine, gets the same port; any other program may take it.
    The port is below the range that the kernel uses for outgoing connections. On a port in that
    range, a client that keeps calling a killed server ends up connected to itself, and the server
    can't come back.
    """
    for _ in range(_PORT_TRIES):
        port = _any_port.randrange(*_SERVER_PORTS)
        wanted = range(port, port + count)
        if all(is_free(host, each) and _reserve(host, each) for each in wanted):
            return port
    raise Misconfigured(
        f"No free port between {_SERVER_PORTS[0]} and {_SERVER_PORTS[1]} on {host}.",
        do="Set the GULOU_…_PORT variables to ports that are free.",
    )


def _reserve(host: str, port: int) -> bool:
    """Whether no other caller of `free_port` has been given this port.

    A UDP socket of the same number marks it: the kernel gives that to one process, takes it back
    when the process ends, and it does not block the TCP server.
    """
    sign = socket.socket(type=socket.SOCK_DGRAM)
    try:
        sign.bind((host, port))
    except OSError:
        sign.close()
        return False
    _reserved.append(sign)
    return True


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `host:port` now."""
    with socket.socket() as probe:
        # Servers set this too: without it a port in TIME_WAIT would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def claim(host: str, port: int, *, part: str, variable: str) -> int:
    """The port for `part`: `port` itself when it is free, any free one when it is 0.

    Raises:
        Misconfigured: a program listens there already; names it where the system shows it.
    """
    if port == 0:
        return free_port(host)
    if not is_free(host, port):
        raise Misconfigured(
            f"Port {port} on {host}, wanted for {part}, is taken{_holder(port)}.",
            do=f"Stop that program, or choose another port with {variable} (0 = any free one).",
        )
    return port


def _holder(port: int) -> str:
    try:
        listeners = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS tells only root
        return ""
    for each in listeners:
        if each.status == psutil.CONN_LISTEN and each.laddr[1:] == (port,) and each.pid:
            try:
                return f" by {psutil.Process(each.pid).name()!r} (process {each.pid})"
            except psutil.NoSuchProcess:
                return ""
    return " by a program of another user"
