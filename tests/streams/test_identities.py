"""The filter that recognizes identities that are certainly new."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.identities import Hashes, Seen, doubled, hashes

_NAMES = st.lists(st.tuples(st.text(max_size=8), st.text(min_size=1, max_size=12)), max_size=200)


def hashed(names: list[tuple[str, str]]) -> Hashes:
    return hashes([source for source, _ in names], [id_ for _, id_ in names])


@settings(deadline=None, max_examples=50)
@given(_NAMES, _NAMES)
def test_a_seen_identity_is_never_called_new(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    seen = Seen(-1, hashed(first))
    seen.add(hashed(second))
    assert seen.perhaps(hashed(first + second)).all()


@pytest.mark.parametrize("count", [262_144, 262_145, 2_000_000])
def test_false_alarms_stay_rare_however_much_comes_after_a_claim(count: int) -> None:
    dice = np.random.default_rng(3)
    seen = Seen()
    for part in np.array_split(dice.integers(0, 2**64, count, np.uint64), 7):
        seen.add(part)
        assert seen.perhaps(part).all()
    strangers = dice.integers(0, 2**64, 500_000, np.uint64)
    assert seen.perhaps(strangers).mean() < 2e-4


def test_a_filter_made_from_the_table_is_one_layer_and_grows_by_larger_ones() -> None:
    dice = np.random.default_rng(4)
    seen = Seen(-1, dice.integers(0, 2**64, 300_000, np.uint64))
    assert seen.layers == 1
    seen.add(dice.integers(0, 2**64, 1_200_000, np.uint64))
    assert seen.layers == 2


@given(st.lists(st.integers(0, 9), max_size=30))
def test_doubled_marks_every_bearer_of_a_hash_that_stands_more_than_once(
    numbers: list[int],
) -> None:
    marks = doubled(np.array(numbers, np.uint64))
    assert marks.tolist() == [numbers.count(n) > 1 for n in numbers]


def test_clickhouse_computes_the_same_hash() -> None:
    chdb = pytest.importorskip("chdb")
    names = [("//huaihua/grid", "v-1"), ("", "x"), ("源", "编号 1"), ("a" * 300, "b" * 64)]
    rows = ", ".join(f"('{source}', '{id_}')" for source, id_ in names)
    text = chdb.query(
        f"SELECT xxh3(concat(s, '\\0', i)) FROM values('s String, i String', {rows})", "CSV"
    )
    assert [int(line) for line in str(text).split()] == hashed(names).tolist()


def test_a_filter_that_has_seen_nothing_covers_no_offset() -> None:
    assert Seen().covers == -1
    assert Seen(7, hashed([("s", "i")])).covers == 7
    assert not Seen().perhaps(hashed([("s", "i")])).any()
