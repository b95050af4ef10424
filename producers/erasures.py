"""The record of erasures: who was forgotten, held or admitted again, when and why.

One line of JSON for each, in the form of an event (CloudEvents), in a file apart from the keys: a
vault copied back from a backup reads here what it must forget again. It names persons by pseudonym.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal
from uuid import uuid4

from schemas.errors import Misconfigured

Type = Literal["subject.erased", "subject.held", "subject.released", "subject.readmitted"]
_SOURCE: Final = "gulou-vault"


class Erasures:
    """The record of one vault, append-only; the last line about a subject says how it stands.

    Args:
        path: the file; made at the first entry, mode 0600. Losing it loses the proof of every
            erasure, and a vault restored from a backup then holds the erased keys again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, type_: Type, subjects: Iterable[str], reason: str) -> None:
        """Adds an entry and waits for the disk; the caller keeps other writers out.

        Args:
            type_: what happened.
            subjects: pseudonym of the person first, then the cases that share the fate.
            reason: why, and who decided; never a name.
        """
        subject, *cases = subjects
        entry = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": _SOURCE,
            "type": type_,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "subject": subject,
            "data": {"cases": cases, "reason": reason},
        }
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        made = not self.path.exists()
        file = os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            # An entry that a crash cut short was not acted upon: it comes before the act.
            end = len(self._whole(file))
            os.ftruncate(file, end)
            os.pwrite(file, line, end)
            os.fsync(file)
        finally:
            os.close(file)
        if made:
            folder = os.open(self.path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    def standing(self) -> dict[str, Type]:
        """The last entry about each subject.

        Raises:
            Misconfigured: a line is no entry.
        """
        try:
            file = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return {}
        try:
            lines = self._whole(file).splitlines()
        finally:
            os.close(file)
        found: dict[str, Type] = {}
        for n, line in enumerate(lines, 1):
            try:
                entry = json.loads(line)
                found |= dict.fromkeys([entry["subject"], *entry["data"]["cases"]], entry["type"])
            except (ValueError, KeyError, TypeError):
                raise Misconfigured(
                    f"Line {n} of the record of erasures {self.path.name!r} is no entry.",
                    do="Put back the file as it was: without it, a restored vault forgets nobody.",
                ) from None
        return found

    def _whole(self, file: int) -> bytes:
        content = os.pread(file, os.fstat(file).st_size, 0)
        return content[: content.rfind(b"\n") + 1]
