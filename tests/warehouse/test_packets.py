"""No mutated packet ends the embedded ClickHouse, changes a row, or shuts another client out.

`make chaos` sends 250 times as many, and judges how long the client beside them waits.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.packets import Field, Mutator, battlefield

SEED, COUNT = 20261130, 4000


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Field]:
    with battlefield(tmp_path_factory.mktemp("packets")) as running:
        yield running


def test_no_mutated_packet_does_harm(field: Field) -> None:
    done = field.shoot(SEED, COUNT)

    assert done.failures == []
    assert done.count >= COUNT
    assert done.beside > 0
    # The mutations are not so wild that nothing gets past the first packet.
    assert done.count / done.connections > 2


def test_conversations_are_real_ones(field: Field) -> None:
    found = field.recorded

    # Two users, each with frames and without.
    assert [each.hello[0] for each in found] == [0] * 4
    assert [each.packets[0][0] for each in found] == [1] * 4  # a query follows
    assert sum(b"row 49" in b"".join(each.packets) for each in found) == 1  # the one unframed
    assert any(Mutator(SEED).frame(packet) for packet in found[1].packets)


def test_a_seed_gives_the_same_mutations_again(field: Field) -> None:
    first, again = (Mutator(SEED) for _ in range(2))
    packet = field.recorded[0].packets[0]

    assert [first.packet(packet) for _ in range(50)] == [again.packet(packet) for _ in range(50)]
    assert [first.request() for _ in range(20)] == [again.request() for _ in range(20)]
