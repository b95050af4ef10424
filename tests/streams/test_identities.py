"""The filter that says which identities are surely new."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams._identities import Seen, doubled, hashes

_NAMES = st.lists(st.tuples(st.text(max_size=8), st.text(min_size=1, max_size=12)), max_size=200)


@settings(deadline=None, max_examples=50)
@given(_NAMES, _NAMES)
def test_a_seen_identity_is_never_called_new(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    seen = Seen(-1, hashes(first))
    seen.add(hashes(second))
    assert seen.perhaps(hashes(first + second)).all()


def test_false_alarms_stay_below_one_in_ten_thousand_when_the_filter_is_full() -> None:
    dice = np.random.default_rng(3)
    seen = Seen()
    seen.add(dice.integers(0, 2**64, seen.capacity, np.uint64))
    strangers = dice.integers(0, 2**64, 500_000, np.uint64)
    assert seen.perhaps(strangers).mean() < 1e-4
    assert not seen.full
    seen.add(strangers[:1])
    assert seen.full


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
    assert [int(line) for line in str(text).split()] == hashes(names).tolist()
