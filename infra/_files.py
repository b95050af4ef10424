"""Files with secrets, locks beside them, and how many may be open."""

from __future__ import annotations

import fcntl
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MOST: Final = 65_536


def most_files() -> int:
    """Raises this process's limit of open files as far as the kernel lets it; the limit then."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST if most == resource.RLIM_INFINITY else min(most, _MOST)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return files


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Waits until no other program holds the lock, and holds it meanwhile; makes its folder."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_private(file: Path, text: str) -> None:
    """Replaces a file that only its owner may read, and returns when the disk has it.

    A reader sees the old text or the new one; who was shut out stays so after a power cut.
    """
    folder = file.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Two programs may replace the same file at a time, so each has a name of its own.
    with tempfile.TemporaryDirectory(dir=folder, prefix=f"{file.name}.") as apart:
        aside = Path(apart) / file.name
        aside.touch(mode=0o600)
        with aside.open("w", encoding="utf-8") as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        aside.replace(file)
    names = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(names)
    finally:
        os.close(names)
