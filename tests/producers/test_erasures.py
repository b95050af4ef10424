"""Erasures are recorded apart from the keys, and a vault from a backup obeys the record."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from producers.vault import Vault
from schemas.errors import Misconfigured, Refused
from tests.producers.vaults import TEXT, forgotten

WHY = "本人申请，2026第3号"


class Home:
    """A vault with its record, and a backup of the vault."""

    def __init__(self, folder: Path) -> None:
        self.file, self.record = folder / "secrets" / "keys.db", folder / "erasures.jsonl"
        self._backup = folder / "backup"

    def open(self) -> Vault:
        return Vault(self.file, self.record)

    def back_up(self) -> None:
        """Copies the folder of a closed vault."""
        shutil.copytree(self.file.parent, self._backup)

    def restore(self) -> None:
        shutil.rmtree(self.file.parent)
        shutil.copytree(self._backup, self.file.parent)

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.record.read_text(encoding="utf-8").splitlines()]

    def told(self) -> list[tuple[str, str, list[str], str]]:
        return [
            (e["type"], e["subject"], e["data"]["cases"], e["data"]["reason"])
            for e in self.entries()
        ]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield Home(tmp_path)


def test_an_erasure_is_an_event_that_says_who_when_and_why_and_only_its_owner_reads_it(
    home: Home,
) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    old = os.umask(0)
    try:
        with home.open() as vault:
            vault.assign([("petitions:P-1", "li"), ("petitions:P-2", "li")])
            vault.prepare(["li"])
            assert vault.forget("li", WHY)
    finally:
        os.umask(old)
    (entry,) = home.entries()
    assert before <= datetime.fromisoformat(entry.pop("time")) <= datetime.now(UTC)
    assert len(entry.pop("id")) == 36
    assert entry == {
        "specversion": "1.0",
        "source": "gulou-vault",
        "type": "subject.erased",
        "subject": "li",
        "data": {"cases": ["petitions:P-1", "petitions:P-2"], "reason": WHY},
    }
    assert stat.S_IMODE(home.record.stat().st_mode) == 0o600


def test_a_vault_from_a_backup_forgets_again_at_its_opening(home: Home) -> None:
    with home.open() as vault:
        vault.prepare(["li", "wang", "petitions:P-1", "petitions:P-2"])
        sealed = vault.seal("li", "e-1", "text", TEXT)
        kept = vault.seal("wang", "e-1", "text", TEXT)
    home.back_up()
    with home.open() as vault:
        # After the backup: the vault in it does not know whose cases these are.
        vault.assign([("petitions:P-1", "li"), ("petitions:P-2", "wang")])
        vault.forget("li", WHY)
    home.restore()
    # The backup has the key: without the record the text could be read.
    with Vault(home.file) as careless:
        assert careless.unseal("li", "e-1", "text", sealed) == TEXT
    with home.open() as vault:
        assert forgotten(vault, "li") and forgotten(vault, "petitions:P-1")
        assert not forgotten(vault, "petitions:P-2")
        assert vault.unseal("wang", "e-1", "text", kept) == TEXT
        with pytest.raises(Refused, match="was destroyed"):
            vault.unseal("li", "e-1", "text", sealed)
    assert [told[0] for told in home.told()] == ["subject.erased"]


def test_a_restored_vault_holds_no_erased_key_in_any_file(home: Home) -> None:
    with home.open() as vault:
        vault.prepare(f"s-{n}" for n in range(100))
        (key,) = vault._db.execute("SELECT secret FROM subjects WHERE subject = 's-50'").fetchone()
    home.back_up()
    with home.open() as vault:
        vault.forget("s-50", WHY)
    home.restore()
    assert any(key in file.read_bytes() for file in home.file.parent.iterdir())
    with home.open():
        assert not any(key in file.read_bytes() for file in home.file.parent.iterdir())


def test_an_older_case_of_a_forgotten_person_is_recorded_when_it_becomes_known(home: Home) -> None:
    with home.open() as vault:
        vault.prepare(["li", "petitions:P-1"])
    home.back_up()
    with home.open() as vault:
        vault.forget("li", WHY)
        vault.assign([("petitions:P-1", "li")])
    home.restore()
    with home.open() as vault:
        assert forgotten(vault, "petitions:P-1")
    assert [told[:2] for told in home.told()] == [
        ("subject.erased", "li"),
        ("subject.erased", "petitions:P-1"),
    ]


def test_who_was_readmitted_stays_so_in_a_restored_vault(home: Home) -> None:
    with home.open() as vault:
        vault.prepare(["li", "petitions:P-1"])
        vault.assign([("petitions:P-1", "li")])
    home.back_up()
    with home.open() as vault:
        vault.forget("li", WHY)
        assert vault.readmit("li", "新的来访")
        assert not vault.readmit("li", "又一次")
    home.restore()
    with home.open() as vault:
        assert not forgotten(vault, "li") and not forgotten(vault, "petitions:P-1")
    assert home.told() == [
        ("subject.erased", "li", ["petitions:P-1"], WHY),
        ("subject.readmitted", "li", ["petitions:P-1"], "新的来访"),
    ]


def test_a_hold_forbids_forgetting_until_it_is_lifted_even_after_a_restart(home: Home) -> None:
    with home.open() as vault:
        vault.prepare(["li"])
        sealed = vault.seal("li", "e-1", "text", TEXT)
        vault.hold("li", "诉讼保全")
    with home.open() as vault:
        with pytest.raises(Refused, match="legal hold") as refused:
            vault.forget("li", WHY)
        assert "gulou remember" in refused.value.do
        assert vault.unseal("li", "e-1", "text", sealed) == TEXT
        assert vault.release("li", "保全期满")
        assert not vault.release("li", "又一次")
        assert vault.forget("li", WHY)
    assert [told[0] for told in home.told()] == [
        "subject.held",
        "subject.released",
        "subject.erased",
    ]


def test_a_hold_protects_the_cases_it_shares_and_they_go_when_it_is_lifted(home: Home) -> None:
    with home.open() as vault:
        vault.prepare(["li", "wang", "c:1", "c:2"])
        vault.assign([("c:1", "li"), ("c:1", "wang")])
        vault.hold("wang", "诉讼保全")
        with pytest.raises(Refused, match="legal hold"):
            vault.forget("li", WHY)
        assert not forgotten(vault, "li") and not forgotten(vault, "c:1")
        # A person forgotten before, whose old case turns out to be that of a held one as well.
        vault.forget("zhao", WHY)
        vault.assign([("c:2", "wang"), ("c:2", "zhao")])
        assert not forgotten(vault, "c:2")
        vault.release("wang", "保全期满")
        assert forgotten(vault, "c:2") and not forgotten(vault, "c:1")


def test_nobody_who_is_forgotten_is_held(home: Home) -> None:
    with home.open() as vault:
        vault.forget("li", WHY)
        with pytest.raises(Refused, match="forgotten before"):
            vault.hold("li", "诉讼保全")


def test_forgetting_again_adds_no_entry(home: Home) -> None:
    with home.open() as vault:
        vault.prepare(["li"])
        vault.forget("li", WHY)
        vault.forget("li", WHY)
        # A case that came since is a further erasure.
        vault.assign([("c:1", "li")])
        vault.forget("li", WHY)
    assert [told[1:3] for told in home.told()] == [("li", []), ("c:1", [])]


def test_whoever_is_forgotten_without_a_key_left_is_recorded_too(home: Home) -> None:
    with home.open() as vault:
        vault.assign([("c:1", "li"), ("c:1", "wang")])
        vault.prepare(["c:1"])
        vault.forget("li", WHY)
        # The case is erased already, and wang never had a key.
        assert not vault.forget("wang", WHY)
        assert forgotten(vault, "wang")
    assert [told[1] for told in home.told()][-1] == "wang"
    with home.open() as vault:
        assert forgotten(vault, "wang")


def test_an_entry_cut_short_by_a_crash_is_replaced_by_the_next(home: Home) -> None:
    with home.open() as vault:
        vault.forget("li", WHY)
        with home.record.open("ab") as file:
            file.write(b'{"specversion": "1.0", "subject": "wa')
    with home.open() as vault:
        assert not forgotten(vault, "wang")
        vault.forget("wang", WHY)
    assert [told[1] for told in home.told()] == ["li", "wang"]


@pytest.mark.parametrize("line", ["", "{}", "[]", "1", "{", '{"subject": "li"}'])
def test_a_record_that_was_damaged_is_refused_by_its_line(line: str, home: Home) -> None:
    with home.open() as vault:
        vault.forget("li", WHY)
    with home.record.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(Misconfigured, match=r"Line 2 of the record of erasures 'erasures\.jsonl'"):
        home.open()


def test_a_person_is_known_by_a_key_a_case_or_an_erasure(home: Home) -> None:
    with home.open() as vault:
        vault.prepare(["li"])
        vault.assign([("c:1", "wang")])
        vault.forget("zhao", WHY)
        assert [vault.knows(who) for who in ("li", "wang", "zhao", "qian")] == [True] * 3 + [False]
