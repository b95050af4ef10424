"""What the board server holds of answers and lists of options does not grow without end."""

from __future__ import annotations

import asyncio

import pytest

from dashboards.server import reader as reader_module
from dashboards.server import variables
from dashboards.server.reader import Reader
from dashboards.server.variables import Option, OptionLists

FOUR = tuple(Option(str(n), str(n)) for n in range(4))


def test_the_oldest_lists_go_when_all_together_are_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(variables, "_MOST_OPTIONS", 20)
    lists = OptionLists()
    for key in range(6):
        lists.keep(key, FOUR)
    lists.keep(2, FOUR)  # now the youngest
    lists.keep(6, FOUR)

    assert [key for key in range(7) if lists.held(key) is not None] == [2, 4, 5, 6]


def test_lists_without_options_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_MOST_OPTIONS", 20)
    lists = OptionLists()
    for key in range(1000):
        lists.keep(key, ())

    assert len(lists) == 20
    assert lists.held(999) == ()


def test_lists_that_are_too_old_go_with_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = OptionLists()
    with monkeypatch.context() as patch:
        patch.setattr(variables, "OPTIONS_S", 0.0)
        for key in range(100):
            lists.keep(key, FOUR)
    lists.keep("young", FOUR)

    assert len(lists) == 1
    assert lists.held("young") == FOUR


def test_one_list_is_held_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_MOST_OPTIONS", 2)
    lists = OptionLists()
    lists.keep("long", FOUR)

    assert lists.held("long") == FOUR


class Sized:
    """An answer of a size."""

    def __init__(self, size: int) -> None:
        self.size = size


def test_the_oldest_answers_go_when_all_that_are_kept_are_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reader_module, "_KEPT", 100)
    runs: list[str] = []

    async def ask(reader: Reader, *keys: str, size: int = 40) -> None:
        for key in keys:

            async def work(key: str = key) -> Sized:
                runs.append(key)
                return Sized(size)

            await reader.shared(key, 30.0, work)
            await asyncio.sleep(0)

    async def all_(reader: Reader) -> None:
        await ask(reader, "a", "b", "c")
        await ask(reader, "c", "b")
        assert runs == ["a", "b", "c"]
        await ask(reader, "a")
        assert runs == ["a", "b", "c", "a"]
        # One that is larger than all may be is kept no more than they are.
        await ask(reader, "large", size=101)
        assert (reader._shared, reader._kept) == ({}, {})

    reader = Reader(1, 1.0)
    asyncio.run(all_(reader))
    reader.close()
