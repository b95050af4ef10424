"""The common parts of simulated families: days, hours, places, entries, repeats and columns.

The tests repeat the intended weights; the holidays of 2021 are those of the State Council's notice.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from producers.simulator.history import City
from producers.simulator.series import (
    FIRST_DAY,
    NEVER_S,
    Choices,
    Numbers,
    Persons,
    Serials,
    narrowed,
    objects,
    spelled_instant,
)
from producers.simulator.sheets import Sheet, exactly, some, step
from schemas.families.visit import RequestClosed
from tests.producers.drawn import (
    DAY,
    END,
    FIRST,
    SEASONS,
    WORKING_WEEKENDS,
    YEAR_END,
    assert_near,
    assert_shares,
    holidays,
    works,
)

Sheets = list[Sheet]
WEEK = (1.0, 1.1, 1.2, 1.3, 1.4, 0.7, 0.5)  # every weekday has another weight
REST = 0.6


def sheet(city: City, seed: int = 1) -> Sheet:
    return Sheet(city, "visits", "v", "t", np.random.default_rng(seed))


def test_every_day_of_the_year_has_the_weight_of_its_weekday_holiday_and_season(
    huaihua: City,
) -> None:
    expected = []
    for n in range(365):
        on = FIRST + timedelta(days=n)
        weight = WEEK[on.weekday()]
        if str(on) in holidays() and on.weekday() < 5:
            weight = WEEK[6] * REST
        if str(on) in WORKING_WEEKENDS:
            weight = WEEK[0]
        for first, last, factor in SEASONS:
            weight *= factor if first <= str(on) <= last else 1
        expected.append(weight)
    # Each draw gives every day a random factor with spread 0.06: a hundred draws leave 0.006.
    counts = np.zeros(365)
    spread = []
    for seed in range(100):
        days = sheet(huaihua, seed).days(100_000, WEEK, REST)
        found = np.bincount(days, minlength=365)
        spread.append(found / (np.array(expected) * 100_000 / sum(expected)))
        counts += found
    assert len(counts) == 365
    ratio = counts / sum(counts) / (np.array(expected) / sum(expected))
    assert np.abs(ratio - 1).max() < 0.05
    # The day's random factor, 0.06, and the random spread of some 270 events, 0.061.
    assert 0.07 < float(np.std(spread)) < 0.105


def test_instants_lie_in_the_hour_drawn(huaihua: City) -> None:
    hours = tuple([0] * 9 + [3] + [0] * 4 + [1] + [0] * 9)
    days = np.arange(40_000) % 300
    found = sheet(huaihua).times(days, hours)
    assert (found // DAY == days).all()
    assert_shares((found % DAY // 3600).tolist(), {9: 3, 14: 1})
    assert (found.min() % DAY) >= 9 * 3600
    assert_shares((found % 60).tolist(), dict.fromkeys(range(60), 1))


def test_forms_are_entered_in_four_hours_or_days_later_but_in_the_same_books(
    huaihua: City,
) -> None:
    time = np.full(100_000, 100 * DAY)
    waits = sheet(huaihua).entered(time) - time
    late = waits > 4 * 3600
    assert_near(int(late.sum()), len(waits), 0.03)
    assert_shares((waits[late] // DAY).tolist(), dict.fromkeys(range(1, 13), 1))
    # Exponential with mean 2,400 s, cut at four hours.
    assert (waits[~late] == 4 * 3600).sum() > 50
    assert np.median(waits[~late]) == pytest.approx(2_400 * np.log(2), rel=0.02)
    for last in (YEAR_END, END):
        end = sheet(huaihua).entered(np.full(5_000, last - 60))
        assert (end.min(), end.max()) == (last - 60, last - 1)
    first = sheet(huaihua).entered(np.full(5_000, YEAR_END))
    assert YEAR_END + 10 * DAY < first.max() < END


def test_what_comes_after_comes_ten_minutes_to_some_days_later_in_the_same_books(
    huaihua: City,
) -> None:
    waits = sheet(huaihua).after(np.zeros(50_000, np.int64), 4)
    assert 600 <= waits.min() < 700
    assert 4 * DAY < waits.max() <= 4 * DAY + 600
    assert np.mean(waits) == pytest.approx(2 * DAY + 600, rel=0.02)
    end = sheet(huaihua).after(np.full(1_000, YEAR_END - 300), 4)
    assert set(end.tolist()) == {YEAR_END - 1}


def closings(city: City, time: np.ndarray[Any, Any], **more: Any) -> tuple[Sheet, Serials]:
    made = sheet(city)
    n = len(time)
    content: dict[str, Any] = {
        "household": Persons(city.vault, city.codes, np.zeros(n, np.int8), np.arange(n)),
        "request": made.numbers("r", n),
        "outcome": made.chosen({"settled": 1}, n),
    }
    ids = made.add(RequestClosed, np.zeros(n, np.int8), time, content, **more)
    return made, ids


def test_one_message_in_seven_hundred_is_sent_again_within_25_days(huaihua: City) -> None:
    time = np.full(100_000, 10 * DAY)
    (rows,) = closings(huaihua, time, recorded=time)[0].rows
    assert_near(int(rows.repeated.sum()), len(time), 0.0015)
    waits = rows.sent[rows.repeated] - time[0]
    assert waits.min() >= 60 and 20 * DAY < waits.max() < 25 * DAY
    assert np.mean(waits) == pytest.approx(12.5 * DAY, rel=0.2)
    assert (np.diff(rows.sent) >= 0).all()
    assert len(rows) == len(time) + rows.repeated.sum()
    late = np.full(50_000, END - 120)
    (rows,) = closings(huaihua, late, recorded=late)[0].rows
    assert rows.sent.max() == END - 1


def test_opening_balances_are_sent_once(huaihua: City) -> None:
    time = np.zeros(20_000, np.int64)
    (rows,) = closings(huaihua, time, recorded=time, opening=True)[0].rows
    assert rows.opening and not rows.repeated.any()


def test_what_happens_or_is_entered_after_the_end_or_not_at_all_is_left_out(
    huaihua: City,
) -> None:
    time = np.array([0, END - 1, END, 5, 6, 7, NEVER_S])
    recorded = np.array([0, END - 1, END, END, 6, 7, NEVER_S])
    undone = np.array([NEVER_S, NEVER_S, NEVER_S, NEVER_S, NEVER_S, 99, NEVER_S])
    made, ids = closings(
        huaihua,
        time,
        recorded=recorded,
        undone=undone,
        happens=np.array([True, True, True, True, False, True, True]),
    )
    (rows,) = made.rows
    assert rows.rows.tolist() == [0, 5, 1]
    assert rows.undone.tolist() == [NEVER_S, 99, NEVER_S]
    assert [m[2].split(b'"id":"')[1][:8] for m in rows.messages(rows.rows)] == [
        b"v-t00000",
        b"v-t00005",
        b"v-t00001",
    ]
    assert ids.values(np.array([0, 6])) == [b"v-t00000", b"v-t00006"]
    assert not closings(huaihua, np.array([END]), recorded=np.array([END]))[0].rows


def test_ids_of_a_sheet_never_come_twice_and_count_in_base_36(huaihua: City) -> None:
    made = sheet(huaihua)
    first, second = made.ids(36), made.ids(2)
    assert first.values(np.array([0, 10, 35])) == [b"v-t00000", b"v-t0000a", b"v-t0000z"]
    assert second.values(np.array([0, 1])) == [b"v-t00010", b"v-t00011"]
    assert made.numbers("r", 3).values(np.array([2])) == [b"r-t00002"]
    assert Serials(b"x", np.array([36**5 - 1])).values(np.array([0])) == [b"xzzzzz"]


def test_a_choice_of_rows_keeps_what_they_say_and_texts_have_none(huaihua: City) -> None:
    rows = np.array([2, 0])
    table = objects(["a", "b", "c"])
    assert narrowed(Choices(table, np.array([0, 1, 2])), rows).values(rows[1:]) == [b"c"]
    assert narrowed(Numbers(np.array([7, 8, 9])), rows).values(np.arange(2)) == [9, 7]
    assert narrowed(Serials(b"x", np.array([7, 8, 9])), rows).values(np.arange(2)) == [
        b"x00009",
        b"x00007",
    ]
    people = Persons(huaihua.vault, table, np.array([0, 1, 2]), np.array([5, 5, 5]))
    assert narrowed(people, rows).values(np.arange(2)) == people.values(rows)
    with pytest.raises(TypeError, match="list has no rows"):
        narrowed([], rows)  # type: ignore[arg-type]


def test_people_are_told_apart_by_group_and_number(huaihua: City) -> None:
    table = objects(["a", "b"])
    group, number = np.array([0, 0, 1, 0]), np.array([1, 2, 1, 1])
    found = Persons(huaihua.vault, table, group, number).values(np.arange(4))
    assert found[0] == found[3] == huaihua.vault.pseudonym("a-1").encode()
    assert len(set(found)) == 3


def test_a_moment_is_spelled_to_the_second() -> None:
    assert (
        spelled_instant(datetime(2026, 5, 1, 1, 2, 3, 999_999, tzinfo=UTC))
        == b"2026-05-01T01:02:03+00:00"
    )


def test_shares_and_exact_numbers_are_drawn(huaihua: City) -> None:
    draw = np.random.default_rng(1)
    assert_near(int(some(draw, 100_000, 0.2).sum()), 100_000, 0.2)
    assert exactly(draw, 1_000, 137).sum() == 137
    assert step(np.array([True, False]), np.array([5, 6])).tolist() == [5, NEVER_S]
    assert_shares(
        [
            b"ab".index(x)
            for x in sheet(huaihua).chosen({"a": 3, "b": 1}, 10_000).values(np.arange(10_000))
        ],
        {0: 3, 1: 1},
    )


def test_offices_work_from_half_past_eight_to_half_past_five_on_working_days(
    huaihua: City,
) -> None:
    draw = np.random.default_rng(1)
    after = np.repeat(np.arange(430) * DAY, 40)
    found = huaihua.in_office(draw, after, 0)
    assert all(works(day) for day in set((found // DAY).tolist()))
    for day in range(430):
        expected = next(d for d in range(day, day + 20) if works(d))
        assert set((found[after == day * DAY] // DAY).tolist()) == {expected}
    clock = found % DAY
    assert 30_600 <= clock.min() < 30_700 and 62_900 < clock.max() < 63_000
    # After office hours: between two minutes and half an hour.
    night = huaihua.in_office(draw, np.full(20_000, 4 * DAY + 70_000), 0) - (4 * DAY + 70_000)
    assert (night.min(), night.max()) == (120, 1_799)
    assert set((huaihua.in_office(draw, np.full(9, 3 * DAY), 1.5) // DAY).tolist()) == {4}


def test_places_are_drawn_by_size_and_narrowed_as_offices_know_them(huaihua: City) -> None:
    draw = np.random.default_rng(1)
    codes = [
        bytes(code).decode() for code in huaihua.codes[huaihua.some_places(draw, 50_000)].tolist()
    ]
    level = Counter("city" if code == "431200" else len(code) for code in codes)
    for key, share in ((12, 0.62), (9, 0.28), (6, 0.08), ("city", 0.02)):
        assert_near(level[key], 50_000, share, key)
    size = Counter[str]()
    for village, grids in huaihua.microgrids.items():
        size[village[:6]] += grids
    for length in (6, 9, 12):
        found = Counter(code[:6] for code in codes if len(code) == length and code != "431200")
        for county, n in size.items():
            assert_near(found[county], sum(found.values()), n / 112_600, county)
    leaves = huaihua.codes[huaihua.some_leaves(draw, 500)]
    assert {len(code) for code in leaves.tolist()} == {12}


def test_one_micro_grid_in_eighty_is_never_visited_and_some_are_often(huaihua: City) -> None:
    found = np.bincount(huaihua.some_grids(np.random.default_rng(1), 3_000_000), minlength=112_600)
    assert_near(int((found == 0).sum()), 112_600, 0.012)
    went = found[found > 0]
    # Lognormal with spread 0.35: a mean of 27 visits each, with a random spread of 0.19.
    assert float(np.std(np.log(went))) == pytest.approx(np.hypot(0.35, 0.2), rel=0.05)


def test_micro_grids_have_their_codes_places_and_about_fifteen_households(huaihua: City) -> None:
    codes = [bytes(code).decode() for code in huaihua.grid_codes.tolist()]
    assert len(set(codes)) == 112_600
    village, grids = next(iter(huaihua.microgrids.items()))
    own = [code for code in codes if code.startswith(village)]
    assert len(own) == grids
    # Ten micro-grids per grid, both counted from 001.
    assert own[0] == village + "001001" and own[9] == village + "001010"
    assert own[10] == village + "002001"
    assert Counter(code[:12] for code in codes) == Counter(huaihua.microgrids)
    places = huaihua.codes[huaihua.grid_place]
    assert all(bytes(p).decode() == code[:12] for p, code in zip(places, codes, strict=True))
    assert_shares(huaihua.households.tolist(), dict.fromkeys(range(12, 19), 1))


def test_offices_are_named_after_the_county_of_their_place(huaihua: City) -> None:
    at = {bytes(code).decode(): n for n, code in enumerate(huaihua.codes.tolist())}
    place = np.array([at["431202001001"], at["431224"], at["431200"]])
    units = huaihua.units(("甲", "乙"), place, np.array([0, 1, 1])).values(np.arange(3))
    assert [unit.decode() for unit in units] == ["431202-甲", "431224-乙", "431200-乙"]
    assert huaihua.by_county("/{}/x")[place[0]] == b"/431202/x"
    filed = sheet(huaihua).filed_by("丙", place)["actor"].values(np.arange(3))
    assert [name.decode() for name in filed] == ["431202-丙", "431224-丙", "431200-丙"]


def test_the_history_begins_on_the_first_of_2021() -> None:
    assert date(2021, 1, 1) == FIRST_DAY
    assert NEVER_S > END
