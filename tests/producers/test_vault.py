"""The vault's guarantees for texts, names and their keys."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers.vault import Vault
from schemas.errors import Refused

TEXT = "门口的路灯不亮"


def test_files_of_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with Vault(tmp_path / "keys.db") as vault:
            vault.seal("anyone", "e-1", "text", TEXT)
            modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(old)
    assert modes == {0o600}


def test_a_text_is_read_by_its_subject_event_and_field_only(tmp_path: Path) -> None:
    with Vault(tmp_path / "keys.db") as vault:
        sealed = vault.seal("li", "e-1", "text", TEXT)
        assert vault.unseal("li", "e-1", "text", sealed) == TEXT
        vault.seal("wang", "e-1", "text", TEXT)
        moved = [("wang", "e-1", "text"), ("li", "e-2", "text"), ("li", "e-1", "title")]
        for place in moved:
            with pytest.raises(Refused, match="was not sealed for this"):
                vault.unseal(*place, sealed)
        with pytest.raises(Refused):
            vault.unseal("li", "e-1", "text", sealed[:-2] + "AA")


def test_an_event_sealed_again_is_the_same_and_other_text_is_not(tmp_path: Path) -> None:
    with Vault(tmp_path / "keys.db") as vault:
        sealed = vault.seal("li", "e-1", "text", TEXT)
    with Vault(tmp_path / "keys.db") as vault:
        assert vault.seal("li", "e-1", "text", TEXT) == sealed
        others = {
            vault.seal("li", "e-1", "text", TEXT + "。"),
            vault.seal("li", "e-2", "text", TEXT),
            vault.seal("wang", "e-1", "text", TEXT),
        }
        assert sealed not in others and len(others) == 3


def test_a_forgotten_subject_is_unreadable_for_good_and_the_rest_is_not(tmp_path: Path) -> None:
    with Vault(tmp_path / "keys.db") as vault:
        li, wang = (vault.seal(who, "e-1", "text", TEXT) for who in ("li", "wang"))
        assert vault.forget("li")
        assert not vault.forget("li")
        with pytest.raises(Refused, match="destroyed"):
            vault.unseal("li", "e-1", "text", li)
        with pytest.raises(Refused, match="destroyed"):
            vault.seal("li", "e-1", "text", TEXT)
        vault.readmit("li")
        vault.seal("li", "e-9", "text", TEXT)
        with pytest.raises(Refused):
            vault.unseal("li", "e-1", "text", li)
        assert vault.unseal("wang", "e-1", "text", wang) == TEXT


def test_forgetting_a_person_forgets_the_cases_that_are_theirs_and_no_others(
    tmp_path: Path,
) -> None:
    with Vault(tmp_path / "keys.db") as vault:
        texts = {case: vault.seal(case, "e-1", "reply", TEXT) for case in ("c:1", "c:2", "c:3")}
        vault.assign([("c:1", "li"), ("c:2", "li"), ("c:2", "wang"), ("c:3", "wang")])
        assert vault.forget("li")  # no text was sealed for li without a case
        for case in ("c:1", "c:2"):
            with pytest.raises(Refused, match="destroyed"):
                vault.unseal(case, "e-1", "reply", texts[case])
        assert vault.unseal("c:3", "e-1", "reply", texts["c:3"]) == TEXT
        vault.readmit("wang")
        with pytest.raises(Refused, match="destroyed"):
            vault.seal("c:2", "e-2", "reply", TEXT)  # li's as well
        vault.readmit("li")
        vault.seal("c:2", "e-2", "reply", TEXT)


def test_a_case_of_a_person_who_was_forgotten_before_is_forgotten_too(tmp_path: Path) -> None:
    with Vault(tmp_path / "keys.db") as vault:
        vault.forget("li")
        early = vault.seal("c:1", "e-1", "reply", TEXT)
        vault.assign([("c:1", "li")])
    with Vault(tmp_path / "keys.db") as vault:
        with pytest.raises(Refused, match="destroyed"):
            vault.unseal("c:1", "e-1", "reply", early)
        with pytest.raises(Refused, match="destroyed"):
            vault.seal("c:1", "e-2", "reply", TEXT)


def test_a_destroyed_key_is_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    with Vault(path) as vault:
        vault.prepare(f"s-{n}" for n in range(100))
        reader = sqlite3.connect(path)
        (key,) = reader.execute("SELECT secret FROM subjects WHERE subject = 's-50'").fetchone()
        reader.close()
        assert any(key in file.read_bytes() for file in tmp_path.iterdir())
        vault.forget("s-50")
        assert not any(key in file.read_bytes() for file in tmp_path.iterdir())


def test_the_destroyed_key_of_a_forgotten_persons_case_is_in_no_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    with Vault(path) as vault:
        vault.prepare(f"c:{n}" for n in range(100))
        vault.assign((f"c:{n}", f"person-{n}") for n in range(100))
        reader = sqlite3.connect(path)
        (key,) = reader.execute("SELECT secret FROM subjects WHERE subject = 'c:50'").fetchone()
        reader.close()
        vault.forget("person-50")
        assert not any(key in file.read_bytes() for file in tmp_path.iterdir())


def test_names_are_the_same_within_one_vault_and_different_between_two(tmp_path: Path) -> None:
    with Vault(tmp_path / "one.db") as one, Vault(tmp_path / "two.db") as two:
        assert one.pseudonym("张三 001") == one.pseudonym(" 张三 ００１ ")
        assert one.pseudonym("张三 001") != one.pseudonym("张三 002")
        assert one.pseudonym("张三 001") != two.pseudonym("张三 001")
        assert one.pseudonym("张三") != one.digest("张三")
        assert one.own(one.pseudonym("张三")) and not one.own("张三")
        with pytest.raises(Refused):
            one.pseudonym("\u3000")


def test_no_key_is_shown(tmp_path: Path) -> None:
    with Vault(tmp_path / "keys.db") as vault:
        assert repr(vault) == str(vault) == "Vault('keys.db')"


def test_two_processes_that_start_at_once_agree_on_names_and_keys(tmp_path: Path) -> None:
    with Vault(tmp_path / "keys.db") as one, Vault(tmp_path / "keys.db") as two:
        assert one.pseudonym("张三") == two.pseudonym("张三")
        one.prepare(["li"])
        two.prepare(["li", "wang"])
        sealed = two.seal("li", "e-1", "text", TEXT)
        assert one.unseal("li", "e-1", "text", sealed) == TEXT
        assert one.seal("wang", "e-1", "text", TEXT) == two.seal("wang", "e-1", "text", TEXT)


@settings(deadline=None, max_examples=50)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_comes_back(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Vault(tmp_path_factory.getbasetemp() / "any.db") as vault:
        sealed = vault.seal("li", "e-1", "text", text)
        assert vault.unseal("li", "e-1", "text", sealed) == text
