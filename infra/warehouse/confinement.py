"""What the process of the embedded ClickHouse may reach outside its store: nothing.

The engine's SQL can read and write files, call servers and run programs. It does all of that inside
this process, so the kernel refuses it to the whole process: Landlock allows the store and no other
file, and seccomp refuses the calls that make a socket or a process. What is open already stays
open: ports go on accepting clients, and the log can be written.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import psutil
import seccompy
from landlockpy import AccessFS, Ruleset, Scope, abi_version

from schemas.errors import Misconfigured

_IN_THE_STORE: Final = (
    AccessFS.READ_FILE
    | AccessFS.READ_DIR
    | AccessFS.WRITE_FILE
    | AccessFS.TRUNCATE
    | AccessFS.MAKE_REG
    | AccessFS.MAKE_DIR
    | AccessFS.MAKE_SYM
    | AccessFS.REFER
    | AccessFS.REMOVE_FILE
    | AccessFS.REMOVE_DIR
)
"""What tables need. Nothing in the store can be run, and no device, pipe or socket made there."""
_FILES_ABI: Final = 2
"""Landlock of Linux 5.19. The one before it forbids to move a file to another folder, as every
merge does."""
_SIGNALS_ABI: Final = 6
"""Landlock of Linux 6.12."""
_CLONE_THREAD: Final = 0x10000
"""The flag by which clone(2) makes a thread of this process; without it, clone makes a process."""


def confine(store: Path) -> dict[str, bool]:
    """Confines this process to `store`, for ever, as far as the kernel can.

    Call it before the engine makes threads: the kernel confines the calling thread and those that
    it makes later.

    Returns:
        For files, connections, programs and signals, whether those outside are out of reach.

    Raises:
        Misconfigured: another thread runs already and would stay free.
    """
    if (threads := psutil.Process().num_threads()) > 1:
        raise Misconfigured(
            f"The embedded ClickHouse cannot be confined: it has {threads} threads already.",
            do="Install the pinned packages: make setup.",
        )
    # Asked first: seccompy looks for the C library with a program that Landlock would refuse.
    calls, abi = seccompy.supported(), abi_version()
    if abi >= _FILES_ABI:
        with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:
            rules.allow_path(store, _IN_THE_STORE)
            rules.restrict()
    if calls:
        _refuse_calls()
    return {
        "files": abi >= _FILES_ABI,
        "connections": calls,
        "programs": calls,
        "signals": abi >= _SIGNALS_ABI,
    }


def _refuse_calls() -> None:
    """Refuses every call that makes a socket or a process.

    A list of what is refused, unlike all others: the engine, Python and the C library make some
    hundred different calls, and a new version of one would fail at a call that nobody has listed.
    A socket or a process can be made by these calls only.
    """
    calls = seccompy.Filter()
    calls.errno("socket", errno.EPERM)
    # Its queue runs calls that no filter sees. The engine does without it.
    calls.errno("io_uring_setup", errno.ENOSYS)
    thread = seccompy.ArgCmp(0, seccompy.CmpOp.MASKED_EQ, _CLONE_THREAD, mask=_CLONE_THREAD)
    calls.allow("clone", args=[thread])
    # Its flags lie in memory, which a filter cannot read. The C library falls back to clone.
    calls.errno("clone3", errno.ENOSYS)
    for call in ("clone", "fork", "vfork", "execve", "execveat"):
        with suppress(ValueError):  # ARM has neither fork nor vfork
            calls.errno(call, errno.EPERM)
    calls.load()


class Porter:
    """Reads one file for a process that is confined: a child that was made before and is free.

    The child opens the file and hands over the open file, never its content: what the engine could
    read from the connection is worth nothing. It ends with the process that made it.

    Args:
        file: the only file it opens.
    """

    def __init__(self, file: Path) -> None:
        self._child, theirs = socket.socketpair()
        if os.fork() == 0:
            self._child.close()
            _carry(file, theirs)
        theirs.close()

    def read(self) -> str:
        """The content of the file as it is now.

        Raises:
            OSError: it cannot be read, or the child is gone.
        """
        self._child.sendall(b"?")
        _, opened, _, _ = socket.recv_fds(self._child, 1, 1)
        if not opened:
            raise FileNotFoundError
        with open(opened[0], encoding="utf-8") as file:  # noqa: PTH123  # it has no path here
            return file.read()


def _carry(file: Path, asked: socket.socket) -> NoReturn:
    try:
        while asked.recv(1):
            try:
                with file.open("rb") as opened:
                    socket.send_fds(asked, [b"!"], [opened.fileno()])
            except OSError:
                asked.sendall(b"?")
    finally:
        # The parent's clean-up is not this process's.
        os._exit(0)
