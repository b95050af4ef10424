"""Files with secrets."""

from __future__ import annotations

from pathlib import Path


def write_private(file: Path, text: str) -> None:
    """Replaces a file that only its owner may read; a reader sees the old text or the new one."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.new")
    aside.unlink(missing_ok=True)
    aside.touch(mode=0o600, exist_ok=False)
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)
