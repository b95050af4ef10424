"""Published boards, folders, data sources and playlists, as plain JSON files.

    <state>/dashboards/<uid>.json   the board as published, with its folder and version
    <state>/folders.json  playlists.json  datasources.json
    <state>/secrets.json            passwords of data sources; 0600, the API never returns them

Files are replaced atomically, so a crash leaves the old or the new one.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, StrictBool, StrictStr, ValidationError

from schemas.errors import Misconfigured, Refused

Record = dict[str, Any]
ShelfKind = Literal["folders", "playlists", "datasources"]

UID = re.compile(r"[A-Za-z0-9_-]{1,40}")


class _Panel(BaseModel):
    """What everybody who reads boards takes for granted of a panel."""

    title: StrictStr | None = None
    type: StrictStr | None = None
    datasource: dict[str, Any] | StrictStr | None = None
    targets: list[dict[str, Any]] | None = None
    panels: list[_Panel] | None = None


class _Variable(BaseModel):
    name: StrictStr
    multi: StrictBool | None = None
    options: list[dict[str, Any]] | None = None
    datasource: dict[str, Any] | StrictStr | None = None


class _Templating(BaseModel):
    variables: list[_Variable] | None = Field(default=None, alias="list")


class _Board(BaseModel):
    title: StrictStr
    description: StrictStr | None = None
    tags: list[StrictStr] | None = None
    panels: list[_Panel] | None = None
    templating: _Templating | None = None


class Conflict(Refused):
    """The record already exists, or was changed since the caller read it."""


class Shelf:
    """All state of the board server; one process owns the directory.

    Args:
        root: directory, created if missing; only its owner can read it.

    Raises:
        Misconfigured: a file in it is not JSON.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("dashboards", "replaced"):
            (root / name).mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        self._lists: dict[ShelfKind, list[Record]] = {
            kind: self._load(root / f"{kind}.json", [])
            for kind in ("folders", "playlists", "datasources")
        }
        self._secrets: dict[str, dict[str, str]] = self._load(root / "secrets.json", {})
        self._boards: dict[str, Record] = {
            path.stem: self._load(path, {}) for path in sorted((root / "dashboards").glob("*.json"))
        }

    # ------------------------------------------------------------------ folders, sources, lists

    def all(self, kind: ShelfKind) -> list[Record]:
        """Every record of a kind."""
        return self._lists[kind]

    def find(self, kind: ShelfKind, **want: Any) -> Record | None:
        """The record with all the fields in `want`, or None."""
        return next(
            (r for r in self._lists[kind] if all(r.get(k) == v for k, v in want.items())), None
        )

    def add(self, kind: ShelfKind, record: Record) -> Record:
        """Stores `record` with a numeric id and version 1, and a uid if it has none.

        Raises:
            Refused: its uid is not safe in a URL.
            Conflict: the uid is taken.
        """
        record = {**record, "uid": checked_uid(record.get("uid")) or secrets.token_urlsafe(8)}
        if self.find(kind, uid=record["uid"]):
            raise Conflict(f"{kind}: uid {record['uid']!r} is taken.", do="Update it by its uid.")
        now = _now()
        ids = [r["id"] for r in self._lists[kind]]
        record |= {"id": max(ids, default=0) + 1, "version": 1, "created": now, "updated": now}
        self._lists[kind].append(record)
        self._save(kind)
        return record

    def change(self, kind: ShelfKind, old: Record, fields: Record) -> Record:
        """Stores `old` updated with `fields`, version one higher; uid, id and `created` stay."""
        keep = {k: old[k] for k in ("uid", "id", "created")}
        new = {**old, **fields, **keep, "version": old["version"] + 1, "updated": _now()}
        self._lists[kind] = [new if r is old else r for r in self._lists[kind]]
        self._save(kind)
        return new

    def remove(self, kind: ShelfKind, record: Record) -> None:
        """Deletes a record."""
        self._lists[kind] = [r for r in self._lists[kind] if r is not record]
        self._save(kind)
        if kind == "datasources":
            self.forget_secrets(record["uid"])

    # --------------------------------------------------------------------------------- secrets

    def keep_secrets(self, uid: str, fields: dict[str, str]) -> None:
        """Adds to a data source's secrets; secrets not in `fields` keep their values."""
        self._secrets[uid] = {**self._secrets.get(uid, {}), **fields}
        _write(self.root / "secrets.json", self._secrets)

    def forget_secrets(self, uid: str) -> None:
        """Removes all secrets of a data source."""
        if self._secrets.pop(uid, None) is not None:
            _write(self.root / "secrets.json", self._secrets)

    def secret(self, uid: str, name: str) -> str:
        """A secret of a data source; empty if it has none of this name."""
        return self._secrets.get(uid, {}).get(name, "")

    def secret_names(self, uid: str) -> list[str]:
        """Names of its secrets, sorted."""
        return sorted(name for name, value in self._secrets.get(uid, {}).items() if value)

    # ---------------------------------------------------------------------------------- boards

    def boards(self) -> list[Record]:
        """Every stored board's record: dashboard, folderUid, version, created, updated."""
        return list(self._boards.values())

    def board(self, uid: str) -> Record | None:
        """The record of a board, or None."""
        return self._boards.get(uid)

    def put_board(
        self, dashboard: Record, *, folder: str, overwrite: bool, message: str = ""
    ) -> Record:
        """Stores a board and returns its record; an unchanged board keeps its version.

        Raises:
            Refused: no title, a part of another type than readers of boards expect, or a uid that
                is not safe in a URL.
            Conflict: without `overwrite`, the version is not the stored one.
        """
        if not str(dashboard.get("title") or "").strip():
            raise Refused("Dashboard title cannot be empty", do="Give the board a title.")
        _check_types(dashboard)
        uid = checked_uid(dashboard.get("uid")) or secrets.token_urlsafe(8)
        old = self._boards.get(uid)
        if old and not overwrite and dashboard.get("version") != old["version"]:
            raise Conflict(
                "The dashboard has been changed by someone else",
                do="Read it again, or publish with overwrite.",
            )
        now = _now()
        number = old["id"] if old else max((b["id"] for b in self._boards.values()), default=0) + 1
        body = {k: v for k, v in dashboard.items() if k not in ("id", "version")} | {"uid": uid}
        if old and old["folderUid"] == folder and _body(old) == body:
            return old
        version = old["version"] + 1 if old else self._last(uid) + 1
        record = {
            "id": number,
            "folderUid": folder,
            "version": version,
            "message": message,
            "created": old["created"] if old else now,
            "updated": now,
            "dashboard": {"id": number, "version": version, **body},
        }
        if old:
            self._keep(old)
        _write(self.root / "dashboards" / f"{uid}.json", record)
        self._boards[uid] = record
        return record

    def _keep(self, record: Record) -> None:
        """Keeps what is replaced or deleted: the record of looks names boards by their versions."""
        _write(
            self.root / "replaced" / f"{record['dashboard']['uid']}.{record['version']}.json",
            record,
        )

    def _last(self, uid: str) -> int:
        """The last version of a deleted board; 0 if there never was one.

        A page that still shows the board before must not get panels of the new one.
        """
        kept = (self.root / "replaced").glob(f"{uid}.*.json")
        return max((int(each.name.split(".")[-2]) for each in kept), default=0)

    def remove_board(self, uid: str) -> None:
        """Deletes a board."""
        self._keep(self._boards[uid])
        del self._boards[uid]
        (self.root / "dashboards" / f"{uid}.json").unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------ files

    def _load(self, path: Path, empty: Any) -> Any:
        if not path.exists():
            return empty
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise Misconfigured(
                f"{path} is not JSON ({error}).", do="Move it away and publish the boards again."
            ) from error

    def _save(self, kind: ShelfKind) -> None:
        _write(self.root / f"{kind}.json", self._lists[kind])


def checked_uid(uid: object) -> str:
    """`uid` unchanged, or "" for none.

    Raises:
        Refused: it has a character unfit for a URL or a file name, or more than 40 characters.
    """
    if uid is None or uid == "":
        return ""
    if not isinstance(uid, str) or not UID.fullmatch(uid):
        raise Refused(
            f"uid {uid!r} contains illegal characters or is longer than 40.",
            do="Use letters, digits, - and _ only.",
        )
    return uid


def _check_types(dashboard: Record) -> None:
    try:
        _Board.model_validate(dashboard)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        raise Refused(f"the board's {where} is wrong: {first['msg']}.", do="Mend it.") from None


def _body(record: Record) -> Record:
    return {k: v for k, v in record["dashboard"].items() if k not in ("id", "version")}


def _write(path: Path, value: Any) -> None:
    partial = path.with_suffix(".part")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
