"""No statement of a seeded grammar reaches what a board's user may not read or write.

A hundred times as many run in `make chaos`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.hostile import Grammar
from tests.chaos.statements import Ground, ground, probes

SEED, COUNT = 20261130, 1000


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("hostile")) as running:
        yield running


def test_the_canaries_notice_what_the_owner_reaches(there: Ground) -> None:
    owner = there.connect("gulou")

    for what, sql in probes(there).items():
        _, answer = there.ask(owner, sql, {})
        assert any(each.startswith(what) for each in there.canaries.touched(answer)), what
        there.canaries.touched("")
    owner.disconnect()


def test_no_hostile_statement_reaches_a_canary(there: Ground) -> None:
    found = there.attack(SEED, COUNT)

    assert found.reached == []
    assert found.count == COUNT
    # The grammar is not so wild that the gate never has to think.
    assert found.fates["answered"] > COUNT / 20
    assert found.fates["refused by the gate"] > COUNT / 4


def test_a_seed_gives_the_same_statements_again(there: Ground) -> None:
    first, again = (Grammar(SEED, there.words) for _ in range(2))

    assert [first.statement() for _ in range(50)] == [again.statement() for _ in range(50)]
