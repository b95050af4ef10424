"""The embedded ClickHouse on a kernel without some system calls."""

from __future__ import annotations

import sys
from pathlib import Path

from infra.warehouse import EmbeddedClickHouse

# A kernel that lacks system calls: a filter answers them with ENOSYS before the server starts.
LACKING = """
import errno, os, sys
import seccompy
calls = seccompy.Filter()
for call in sys.argv[1].split():
    calls.errno(call, errno.ENOSYS)
calls.load()
os.execv(sys.argv[2], sys.argv[2:])
"""


class OnOtherKernel(EmbeddedClickHouse):
    """A server on a kernel without the given system calls."""

    def __init__(
        self,
        data: Path,
        lacking: str,
        users: Path | None = None,
        *,
        timezone: str = "Asia/Shanghai",
    ) -> None:
        super().__init__(data, users=users, timezone=timezone)
        self._lacking = lacking

    def prepare(self) -> list[str]:
        return [sys.executable, "-c", LACKING, self._lacking, *super().prepare()]
