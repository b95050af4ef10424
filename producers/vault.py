"""Keys of people: pseudonyms replace names, and deleting a key makes its texts unreadable.

All keys are in one SQLite file of mode 0600, outside Kafka and ClickHouse, so destroying a person's
key changes no bytes, hashes or proofs of events.
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import sqlite3
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from producers.erasures import Erasures
from schemas.errors import GulouError, Misconfigured, Refused, Unavailable

_PREFIX: Final = "s1."
_NONCE: Final = 12  # bytes; what GCM is specified for
_KEY: Final = 32
_SHOWN_DIGITS: Final = 32  # 128 of HMAC-SHA-256's 256 bits, as in schemas' Pseudonym
_BUSY_S: Final = 30
_CACHED: Final = 200_000  # subjects; about 100 MB of ciphers
_AT_ONCE: Final = 500  # subjects per SQLite query
_OF_A_FORGOTTEN: Final = "case of a person who was forgotten before"

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS root (id TEXT PRIMARY KEY, secret BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS subjects (subject TEXT PRIMARY KEY, secret BLOB) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cases (person TEXT, subject TEXT, PRIMARY KEY (person, subject))
  STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS persons ON cases (subject);
"""


class Vault:
    """The keys of one installation, made at its first use. Safe to share between threads.

    A subject with a destroyed key stays recorded as forgotten, and nothing is sealed for it again:
    otherwise a second import of an old ledger would undo the erasure. A file copied back from a
    backup holds destroyed keys again; opening it destroys them as the record of erasures says.

    Args:
        path: the SQLite file. Losing it loses every sealed text, and the link between old
            pseudonyms and new ones: back it up apart from the data it guards.
        record: file of the erasures; beside `path` by default. Never put back an older one.

    Raises:
        Misconfigured: the file cannot be made or is no vault.
    """

    def __init__(self, path: Path, record: Path | None = None) -> None:
        self._path = path
        self._record = Erasures(record or path.with_name("erasures.jsonl"))
        self._lock = threading.RLock()
        # Cipher and nonce key of a subject; None once forgotten.
        self._known: dict[str, tuple[AESGCM, bytes] | None] = {}
        self._assigned: set[tuple[str, str]] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Made here, because SQLite would apply the umask's mode; -wal and -shm take the mode
            # of the file.
            file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            os.fchmod(file, 0o600)
            os.close(file)
            self._db = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(_TABLES)
            self._key_id, root = self._root()
        except (OSError, sqlite3.DatabaseError) as error:
            raise Misconfigured(
                f"The key vault {path.name!r} cannot be opened: {error}.",
                do="Check that its folder can be written and that the file is a vault of Gulou.",
            ) from None
        self._names = hmac.digest(root, b"pseudonym", "sha256")
        self._contents = hmac.digest(root, b"digest", "sha256")
        try:
            self._forget_again()
        except GulouError:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"Vault({self._path.name!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; the vault cannot be used afterwards."""
        with self._lock:
            self._known.clear()
            self._db.close()

    def pseudonym(self, identity: str) -> str:
        """The pseudonym of one person or household, equal for equal identities within one vault.

        Args:
            identity: how the office knows the person, such as a number or a name with a number;
                full-width letters and surrounding blanks make no difference.

        Raises:
            Refused: the identity is blank.
        """
        plain = unicodedata.normalize("NFKC", identity).strip()
        if not plain:
            raise Refused("A person cannot be known by a blank.", do="Give a number or a name.")
        return self._keyed(self._names, plain)

    def own(self, text: str) -> bool:
        """Whether `text` has the shape of this vault's pseudonyms and digests."""
        head, _, tail = text.partition(".")
        return head == self._key_id and len(tail) == _SHOWN_DIGITS and set(tail) <= _HEX

    def digest(self, *texts: str) -> str:
        """A keyed digest of texts, in order; blanks and full-width forms make no difference."""
        squeezed = ("".join(unicodedata.normalize("NFKC", text).split()) for text in texts)
        return self._keyed(self._contents, "\x1f".join(squeezed))

    def seal(self, subject: str, event: str, field: str, text: str) -> str:
        """`text` under the subject's key, readable only as `field` of the event with id `event`.

        The nonce is an HMAC of everything sealed. So the same text of the same event gives the same
        ciphertext, and an event sent again has the same bytes and is not a conflict (D-53).

        Raises:
            Refused: the subject's key was destroyed.
        """
        cipher, nonces = self._ciphers(subject)
        bound, plain = _bound(event, field), text.encode()
        nonce = hmac.digest(nonces, bound + b"\0" + plain, "sha256")[:_NONCE]
        sealed = nonce + cipher.encrypt(nonce, plain, bound)
        return _PREFIX + base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def unseal(self, subject: str, event: str, field: str, sealed: str) -> str:
        """The text that `seal` was given.

        Raises:
            Refused: the key was destroyed, or `sealed` belongs to another subject, event or field.
        """
        with self._lock:
            cipher, _ = self._ciphers(subject, make=False)
        try:
            body = sealed.removeprefix(_PREFIX)
            raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
            return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _bound(event, field)).decode()
        except (InvalidTag, ValueError):
            raise Refused(
                f"The sealed {field!r} of event {event!r} was not sealed for this subject, event "
                "and field, or was changed."
            ) from None

    def prepare(self, subjects: Iterable[str]) -> None:
        """Makes the keys of many subjects in one transaction; existing keys stay.

        A transaction costs a disk flush, and a thousand subjects cost hardly more than one: prepare
        a chunk of events before sealing it.
        """
        with self._lock:
            wanted = [s for s in dict.fromkeys(subjects) if s not in self._known]
            if not wanted:
                return
            if len(self._known) + len(wanted) > _CACHED:
                self._known.clear()
            with self._unavailable(), self._transaction():
                self._db.executemany(
                    "INSERT OR IGNORE INTO subjects VALUES (?, ?)",
                    ((subject, secrets.token_bytes(_KEY)) for subject in wanted),
                )
                found = self._read(wanted)
            self._known.update(found)

    def assign(self, cases: Iterable[tuple[str, str]]) -> None:
        """Assigns cases to persons, so that forgetting a person also forgets their cases.

        A case of several persons is forgotten with the first of them; a case of a person already
        forgotten, at once.

        Args:
            cases: pairs of the subject that seals the case's texts and the person's own subject.
        """
        with self._lock:
            wanted = [pair for pair in dict.fromkeys(cases) if pair not in self._assigned]
            if not wanted:
                return
            if len(self._assigned) + len(wanted) > _CACHED:
                self._assigned.clear()
            with self._unavailable(), self._transaction():
                self._db.executemany(
                    "INSERT OR IGNORE INTO cases (subject, person) VALUES (?, ?)", wanted
                )
                found = self._read(list(dict.fromkeys(chain.from_iterable(wanted))))
            gone = {subject for subject, key in found.items() if key is None}
            for subject, person in wanted:
                if person in gone and subject not in gone:
                    # A hold on another person of the case comes first; `release` forgets it then.
                    with suppress(Refused):
                        self.forget(subject, _OF_A_FORGOTTEN)
            self._assigned.update(wanted)

    def knows(self, subject: str) -> bool:
        """Whether there is a key, a case or an erasure of the subject."""
        with self._lock, self._unavailable():
            found = self._db.execute(
                "SELECT 1 FROM subjects WHERE subject = ? UNION ALL "
                "SELECT 1 FROM cases WHERE person = ?",
                (subject, subject),
            ).fetchone()
        return found is not None

    def forget(self, subject: str, reason: str = "") -> bool:
        """Destroys the subject's key for good: texts sealed under it become unreadable.

        For a person, it also destroys the keys of the assigned cases. The record of erasures has
        the entry before the key is gone, so no crash and no backup undoes it.

        Args:
            subject: as in `seal`; a person by pseudonym.
            reason: for the record; says who decided, never a name.

        Returns:
            Whether there was a key. Without one the subject is still marked forgotten.

        Raises:
            Refused: the subject, or another person of one of its cases, is under a legal hold.
        """
        with self._lock:
            with self._unavailable(), self._transaction():
                wanted = [subject, *self._cases(subject)]
                standing = self._record.standing()
                if any(standing.get(each) == "subject.held" for each in self._people(wanted)):
                    raise Refused(
                        "此人或者同一事项的另一人处于保全之中，不得注销。"
                        "(A legal hold forbids it.)",
                        do="先解除保全 (lift it first): gulou remember",
                    )
                had_key = any(self._read(wanted).values())
                if had_key or any(standing.get(each) != "subject.erased" for each in wanted):
                    self._record.append("subject.erased", wanted, reason)
                self._destroy(wanted)
            self._let_go(wanted)
            return had_key

    def hold(self, subject: str, reason: str = "") -> None:
        """Puts a person under a legal hold: nothing of theirs is forgotten until `release`.

        Raises:
            Refused: the person is forgotten already.
        """
        with self._lock, self._unavailable(), self._transaction():
            if self._record.standing().get(subject) == "subject.erased":
                raise Refused(
                    "此人此前已经注销，没有可以保全的内容。(The person was forgotten before.)",
                    do="注销记录载明时间和理由 (see the record of erasures).",
                )
            self._record.append("subject.held", [subject], reason)

    def release(self, subject: str, reason: str = "") -> bool:
        """Lifts a legal hold; whether there was one.

        A case that the hold kept although its other person was forgotten is forgotten now.
        """
        with self._lock:
            with self._unavailable(), self._transaction():
                if self._record.standing().get(subject) != "subject.held":
                    return False
                self._record.append("subject.released", [subject], reason)
            self._forget_again()
            return True

    def readmit(self, subject: str, reason: str = "") -> bool:
        """Permits sealing for a forgotten subject again, under a new key; the old key stays lost.

        For a person, this includes their cases, except those of another person still forgotten.

        Returns:
            Whether the subject was forgotten.
        """
        with self._lock:
            with self._unavailable(), self._transaction():
                forgotten = "SELECT subject FROM subjects WHERE secret IS NULL AND subject"
                if not self._db.execute(f"{forgotten} = ?", (subject,)).fetchone():
                    return False
                cases = self._db.execute(
                    f"{forgotten} IN (SELECT subject FROM cases WHERE person = ?)\n"
                    "  AND subject NOT IN (SELECT cases.subject FROM cases JOIN subjects AS persons"
                    "\n    ON persons.subject = cases.person"
                    "\n    WHERE persons.secret IS NULL AND persons.subject != ?)",
                    (subject, subject),
                )
                freed = [subject, *(case for (case,) in cases)]
                self._record.append("subject.readmitted", freed, reason)
                self._db.executemany(
                    "DELETE FROM subjects WHERE subject = ?", [(each,) for each in freed]
                )
            self._known.clear()
            return True

    def _forget_again(self) -> None:
        """Destroys what the record says is erased and the file, from a backup, still has."""
        with self._unavailable():
            # Asked before the transaction too: opening a vault must not wait for an import to end.
            if not self._revived():
                return
            with self._transaction():
                revived = self._revived()
                self._destroy(revived)
        self._let_go(revived)

    def _revived(self) -> list[str]:
        standing = self._record.standing()
        erased = [subject for subject, last in standing.items() if last == "subject.erased"]
        wanted = list(dict.fromkeys([*erased, *chain.from_iterable(map(self._cases, erased))]))
        marked = self._read(wanted)
        return [
            subject
            for subject in wanted
            if marked.get(subject, _UNREAD) is not None
            and not any(standing.get(p) == "subject.held" for p in self._people([subject]))
        ]

    def _destroy(self, subjects: Iterable[str]) -> None:
        self._db.executemany(
            "INSERT INTO subjects VALUES (?, NULL) "
            "ON CONFLICT (subject) DO UPDATE SET secret = NULL",
            [(each,) for each in subjects],
        )

    def _let_go(self, subjects: Iterable[str]) -> None:
        """Forgets destroyed keys in memory and in the write-ahead log, which holds them on."""
        self._known |= dict.fromkeys(subjects)
        with self._unavailable():
            busy, *_ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise Unavailable(
                f"A key of {self._path.name!r} is destroyed, but its write-ahead log is in use "
                "by another process and still holds it.",
                do="Forget the subject again once imports have ended.",
            )

    def _cases(self, person: str) -> list[str]:
        found = self._db.execute("SELECT subject FROM cases WHERE person = ?", (person,))
        return [case for (case,) in found]

    def _people(self, subjects: Iterable[str]) -> list[str]:
        """The subjects and all persons of the cases among them."""
        people = [
            person
            for subject in subjects
            for (person,) in self._db.execute(
                "SELECT person FROM cases WHERE subject = ?", (subject,)
            )
        ]
        return [*subjects, *people]

    @contextmanager
    def _unavailable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise Unavailable(
                f"The key vault {self._path.name!r} cannot be used: {error}.",
                do="Check the disk and that no other program holds it.",
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def _ciphers(self, subject: str, *, make: bool = True) -> tuple[AESGCM, bytes]:
        # No lock where the key is known: reading a dict is atomic, and sealing is the hot path.
        found = self._known.get(subject, _UNREAD)
        if found is _UNREAD:
            with self._lock:
                if make:
                    self.prepare([subject])
                    found = self._known[subject]
                else:
                    found = self._read([subject]).get(subject)
        if not isinstance(found, tuple):
            raise Refused(
                "The key of this event's subject was destroyed, so nothing is sealed for it.",
                do="Send the event without its sealed texts, or admit the person again, with: "
                "gulou remember",
            )
        return found

    def _read(self, subjects: list[str]) -> dict[str, tuple[AESGCM, bytes] | None]:
        found: dict[str, tuple[AESGCM, bytes] | None] = {}
        for start in range(0, len(subjects), _AT_ONCE):
            chunk = subjects[start : start + _AT_ONCE]
            marks = ",".join("?" * len(chunk))
            for subject, key in self._db.execute(
                f"SELECT subject, secret FROM subjects WHERE subject IN ({marks})", chunk
            ):
                found[subject] = key and (AESGCM(key), hmac.digest(key, b"nonce", "sha256"))
        return found

    def _root(self) -> tuple[str, bytes]:
        """Id and secret of the key that pseudonyms are made with."""
        # OR IGNORE: two processes that start at once must agree on one secret.
        self._db.execute(
            "INSERT OR IGNORE INTO root VALUES ('k1', ?)", (secrets.token_bytes(_KEY),)
        )
        key_id, secret = self._db.execute("SELECT id, secret FROM root WHERE id = 'k1'").fetchone()
        return str(key_id), bytes(secret)

    def _keyed(self, key: bytes, text: str) -> str:
        return f"{self._key_id}.{hmac.digest(key, text.encode(), 'sha256').hex()[:_SHOWN_DIGITS]}"


_HEX: Final = frozenset("0123456789abcdef")
_UNREAD: Final = object()


def _bound(event: str, field: str) -> bytes:
    return f"{event}\0{field}".encode()
