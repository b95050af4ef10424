"""Forgetting destroys keys for good: in every file, beside readers, for thousands of cases."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from producers import vault as module
from producers.vault import Vault
from schemas.errors import Misconfigured, Refused, Unavailable
from tests.producers.vaults import TEXT, forgotten

# Both sides of 500, the number of subjects in one SQLite query, and of two queries.
SIZES = (1, 499, 500, 501, 1000, 1001)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_BUSY_S", 0.05)
    return tmp_path / "keys.db"


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        yield made


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A reader in an open transaction, like a backup or an import."""
    with connected(path) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM subjects").fetchone()
        yield reader


def keys(path: Path, subjects: Iterable[str] = ()) -> dict[str, bytes]:
    """The secret of every subject that has one."""
    with connected(path) as reader:
        found = reader.execute("SELECT subject, secret FROM subjects WHERE secret IS NOT NULL")
        all_ = {subject: bytes(secret) for subject, secret in found}
    return {subject: all_[subject] for subject in subjects or all_}


def left(path: Path, secrets: Iterable[bytes]) -> int:
    """Number of secrets found in the database, its write-ahead log or its index."""
    texts = [file.read_bytes() for file in path.parent.iterdir()]
    return sum(any(secret in text for text in texts) for secret in secrets)


# -- beside other connections


@pytest.mark.parametrize("cached", [True, False])
def test_a_reader_that_is_open_makes_forgetting_fail_and_the_next_attempt_erases(
    path: Path, cached: bool
) -> None:
    with Vault(path) as vault:
        sealed = vault.seal("li", "e-1", "text", TEXT)
        secret = keys(path)["li"]
    with Vault(path) as vault:
        if cached:
            vault.prepare(["li"])
        with reading(path):
            with pytest.raises(Unavailable, match=r"'keys\.db' is destroyed, but its write-ahead"):
                vault.forget("li")
            # This vault has lost the key, but the file still has the bytes, as the error says.
            assert left(path, [secret]) == 1
            assert forgotten(vault, "li")
            with pytest.raises(Refused, match="was destroyed"):
                vault.unseal("li", "e-1", "text", sealed)
            # A second attempt beside the same reader fails too.
            with pytest.raises(Unavailable, match="still holds it"):
                vault.forget("li")
        assert not vault.forget("li")
        assert left(path, [secret]) == 0


def test_the_keys_of_a_persons_cases_are_erased_once_the_reader_is_gone(path: Path) -> None:
    with Vault(path) as vault:
        cases = [f"c:{n}" for n in range(501)]
        vault.prepare([*cases, "other"])
        vault.assign((case, "li") for case in cases)
        secrets = keys(path)
        with reading(path), pytest.raises(Unavailable):
            vault.forget("li")
        assert not vault.forget("li")
        assert left(path, (secrets[case] for case in cases)) == 0
        assert left(path, [secrets["other"]]) == 1


def test_a_reader_that_has_ended_its_transaction_is_in_nobodys_way(path: Path) -> None:
    with Vault(path) as vault:
        vault.prepare(["li"])
        secret = keys(path)["li"]
        with connected(path) as reader:
            reader.execute("SELECT * FROM subjects").fetchall()
            assert vault.forget("li")
            assert left(path, [secret]) == 0


def test_another_vault_on_the_same_file_is_no_reader_between_its_calls(path: Path) -> None:
    with Vault(path) as vault, Vault(path) as other:
        other.seal("li", "e-1", "text", TEXT)
        secret = keys(path)["li"]
        assert vault.forget("li")
        assert left(path, [secret]) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda vault: vault.forget("li"),
        lambda vault: vault.prepare(["wang"]),
        lambda vault: vault.assign([("c:1", "wang")]),
        lambda vault: vault.seal("wang", "e-1", "text", TEXT),
    ],
    ids=["forget", "prepare", "assign", "seal"],
)
def test_a_writer_that_holds_the_file_is_named_and_changes_nothing(
    path: Path, call: Callable[[Vault], object]
) -> None:
    with Vault(path) as vault:
        vault.prepare(["li"])
        secret = keys(path)
        with connected(path) as writer:
            writer.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable, match=r"'keys\.db' cannot be used: .*locked") as error:
                call(vault)
            assert error.value.do == "Check the disk and that no other program holds it."
        assert keys(path) == secret
        # No transaction is left open: the next call begins a new one.
        assert not forgotten(vault, "li") and not forgotten(vault, "wang")
        assert vault.forget("li") and vault.forget("wang")


def test_a_writer_that_lets_go_in_time_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself waits, for the connection's timeout, which the vault sets."""
    with Vault(tmp_path / "keys.db") as vault:
        (waits,) = vault._db.execute("PRAGMA busy_timeout").fetchone()
    assert waits == 30_000


# -- many subjects


@pytest.mark.parametrize("size", SIZES)
def test_every_case_of_a_person_is_forgotten_however_many_there_are(path: Path, size: int) -> None:
    with Vault(path) as vault:
        cases = [f"c:{n}" for n in range(size)]
        vault.prepare([*cases, "c:of another"])
        vault.assign([*((case, "li") for case in cases), ("c:of another", "wang")])
        secrets = keys(path)
        assert len(secrets) == size + 1
        assert vault.forget("li")
        assert keys(path).keys() == {"c:of another"}
        assert left(path, (secrets[case] for case in cases)) == 0
        assert all(forgotten(vault, case) for case in [*cases, "li"])
        assert not forgotten(vault, "c:of another") and not forgotten(vault, "wang")
    # A newly opened vault knows it too.
    with Vault(path) as vault:
        assert all(forgotten(vault, case) for case in [*cases, "li"])
        assert not forgotten(vault, "c:of another")


@pytest.mark.parametrize("shifted", [False, True], ids=["persons at odd", "persons at even"])
def test_every_case_of_persons_who_were_forgotten_before_is_forgotten(
    path: Path, shifted: bool
) -> None:
    """Cases and persons alternate in the queries: case 0, person 0, case 1, person 1, …

    So person 249 is the last of the first 500, and person 499 the last of the second. A first case
    with two persons shifts all by one: then person 249 is the first of the second 500.
    """
    gone = [0, 1, 248, 249, 250, 251, 498, 499, 500, 501, 600]
    with Vault(path) as vault, connected(path) as writer:
        writer.execute("BEGIN")
        writer.executemany(
            "INSERT INTO subjects VALUES (?, NULL)", [(f"person-{n}",) for n in gone]
        )
        writer.execute("COMMIT")
        cases = [f"c:{n}" for n in range(601)]
        vault.prepare(cases)
        vault.assign(
            [
                *([("c:600", "person-0")] if shifted else []),
                *((f"c:{n}", f"person-{n}") for n in range(601)),
            ]
        )
        assert keys(path).keys() == {f"c:{n}" for n in range(601) if n not in gone}
        assert [n for n in range(601) if forgotten(vault, f"c:{n}")] == gone


@pytest.mark.parametrize(
    ("size", "place"),
    [
        (500, 0),
        (500, 498),
        (500, 499),
        (501, 499),
        (501, 500),
        (1001, 998),
        (1001, 999),
        (1001, 1000),
    ],
)
def test_a_key_is_found_in_every_place_of_a_question(path: Path, size: int, place: int) -> None:
    """The person comes first in the query, so the first 500 hold cases 0 to 498."""
    with Vault(path) as vault:
        cases = [f"c:{n:04}" for n in range(size)]
        vault.assign((case, "li") for case in cases)
        vault.prepare([cases[place]])
        assert vault.forget("li")
        assert keys(path) == {}
        assert not vault.forget("li")


@pytest.mark.parametrize("size", SIZES)
def test_many_subjects_get_one_key_each_and_keep_it(path: Path, size: int) -> None:
    subjects = [f"s-{n}" for n in range(size)]
    with Vault(path) as vault:
        vault.prepare(subjects)
        made = keys(path)
        assert made.keys() == set(subjects) and len(set(made.values())) == size
        assert {len(secret) for secret in made.values()} == {32}
        texts = [vault.seal(subject, "e-1", "text", TEXT) for subject in subjects]
    with Vault(path) as vault:
        vault.prepare(subjects[::-1])
        assert keys(path) == made
        read = [
            vault.unseal(subject, "e-1", "text", text)
            for subject, text in zip(subjects, texts, strict=True)
        ]
        assert read == [TEXT] * size


def test_prepared_subjects_are_known_without_another_question(path: Path) -> None:
    subjects = [f"s-{n}" for n in range(1_001)]
    with Vault(path) as vault:
        vault.forget(subjects[0])
        vault.prepare(subjects)
        asked: list[str] = []
        vault._db.set_trace_callback(asked.append)
        for subject in subjects[1:]:
            vault.seal(subject, "e-1", "text", TEXT)
        assert forgotten(vault, subjects[0])
        vault.prepare(subjects)
        assert asked == []


def test_what_is_cached_is_bounded_and_nothing_is_lost_by_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CACHED", 3)
    with Vault(path) as vault:
        vault.prepare(["a", "b"])
        vault.prepare(["c"])
        assert set(vault._known) == {"a", "b", "c"}
        texts = {name: vault.seal(name, "e-1", "text", TEXT) for name in "abc"}
        vault.prepare(["d"])
        assert set(vault._known) == {"d"}
        assert all(vault.unseal(name, "e-1", "text", texts[name]) == TEXT for name in "abc")
        vault.assign([("x:1", "a"), ("x:2", "b")])
        vault.assign([("x:3", "c")])
        assert len(vault._assigned) == 3
        vault.assign([("x:4", "d")])
        assert vault._assigned == {("x:4", "d")}
        assert vault.forget("a") and forgotten(vault, "x:1") and not forgotten(vault, "x:2")


# -- once, twice, unknown, and again


def test_forgetting_says_whether_there_was_a_key_and_may_be_repeated(path: Path) -> None:
    with Vault(path) as vault:
        assert not vault.forget("never known")
        assert forgotten(vault, "never known")
        vault.prepare(["li"])
        assert [vault.forget("li") for _ in range(3)] == [True, False, False]
        assert keys(path) == {}
        vault.prepare(["li", "never known"])
        assert keys(path) == {} and forgotten(vault, "li") and forgotten(vault, "never known")


def test_a_subject_that_is_readmitted_has_another_key_and_its_old_texts_stay_lost(
    path: Path,
) -> None:
    with Vault(path) as vault:
        old = vault.seal("li", "e-1", "text", TEXT)
        before = keys(path)["li"]
        vault.forget("li")
        vault.readmit("li")
        new = vault.seal("li", "e-1", "text", TEXT)
        after = keys(path)["li"]
        assert after != before and new != old
        assert vault.unseal("li", "e-1", "text", new) == TEXT
        with pytest.raises(Refused, match="was not sealed for this subject"):
            vault.unseal("li", "e-1", "text", old)
        assert left(path, [before]) == 0
        # Only a forgotten person is readmitted: an existing key stays.
        vault.readmit("li")
        assert keys(path)["li"] == after


def test_a_subject_without_a_key_cannot_be_read_and_gets_none_by_it(path: Path) -> None:
    with Vault(path) as vault:
        sealed = vault.seal("li", "e-1", "text", TEXT)
        with pytest.raises(Refused, match="was destroyed"):
            vault.unseal("nobody", "e-1", "text", sealed)
        assert keys(path).keys() == {"li"}


def test_a_case_of_two_goes_with_the_first_and_comes_back_with_both_alone(path: Path) -> None:
    with Vault(path) as vault:
        vault.prepare(["c:1", "c:2", "c:3"])
        vault.assign([("c:1", "li"), ("c:1", "wang"), ("c:2", "li"), ("c:3", "wang")])
        vault.forget("li")
        assert [forgotten(vault, case) for case in ("c:1", "c:2", "c:3")] == [True, True, False]
        vault.forget("wang")
        vault.readmit("li")
        # c:1 also belongs to wang, who stays forgotten.
        assert [forgotten(vault, case) for case in ("c:1", "c:2", "c:3")] == [True, False, True]
        vault.readmit("wang")
        assert [forgotten(vault, case) for case in ("c:1", "c:2", "c:3")] == [False, False, False]


# -- files


@pytest.mark.parametrize("mode", [0o644, 0o666, 0o600])
def test_a_key_file_that_others_could_read_is_closed_to_them(path: Path, mode: int) -> None:
    path.touch()
    path.chmod(mode)
    before = os.umask(0)
    try:
        with Vault(path) as vault:
            vault.prepare(["li"])
            modes = {f.name: stat.S_IMODE(f.stat().st_mode) for f in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(["keys.db", "keys.db-wal", "keys.db-shm"], 0o600)


def test_the_file_keeps_nothing_it_was_told_to_delete_and_waits_for_the_disk(path: Path) -> None:
    with Vault(path) as vault:
        found = [
            vault._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "secure_delete", "synchronous")
        ]
    assert found == ["wal", 1, 2]  # 2 is FULL


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match=r"vault 'keys\.db' cannot be opened: .*") as error:
        Vault(tmp_path / "file" / "keys.db")
    assert "folder can be written" in error.value.do
    with Vault(tmp_path / "a" / "b" / "keys.db") as vault:
        assert vault.seal("li", "e-1", "text", TEXT)


def test_a_closed_vault_holds_no_key(path: Path) -> None:
    with Vault(path) as vault:
        vault.prepare(["li"])
    assert vault._known == {}
    with pytest.raises(Unavailable, match="closed database"):
        vault.seal("li", "e-1", "text", TEXT)
