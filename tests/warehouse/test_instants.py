"""Which numbers of a board's statement count as instants, so that it is checked once for all."""

from __future__ import annotations

import pytest

from infra.warehouse.gate import _without_moments

# Seconds and milliseconds since 1970, of every first digit: from 2001 to 2286.
TAKEN = [f"{first}{'0' * rest}" for first in range(1, 10) for rest in (9, 12)]
# Other lengths, and a leading zero, which the engine would read as another number's text.
LEFT = ["0234567890", "0234567890123", "123456789", "12345678901", "123456789012", "12345678901234"]


@pytest.mark.parametrize("number", TAKEN)
def test_a_number_alone_in_brackets_with_an_instants_length_is_one(number: str) -> None:
    marked, moments = _without_moments(f"SELECT f({number}), 1 FROM v WHERE g(({number}))")
    assert moments == [number, number]
    assert number not in marked


@pytest.mark.parametrize("number", LEFT)
def test_a_number_of_another_length_is_none(number: str) -> None:
    sql = f"SELECT f({number})"
    assert _without_moments(sql) == (sql, [])


@pytest.mark.parametrize("sql", ["SELECT 1234567890", "f(1234567890 )", "f(n, 1234567890)"])
def test_a_number_that_is_not_alone_in_its_brackets_is_none(sql: str) -> None:
    assert _without_moments(sql) == (sql, [])
