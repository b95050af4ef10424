"""The judge of the soak, on series made by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.growth import BOUNDS, LEAST_SAMPLES, Sample, Trend, slope, trends

HOUR_S = 3600
EVERY_S = 10
WARM_S = 1800
SETTLE_S = 300


def series(memory: Callable[[int], float], *, born: int = 0, life: int = 1) -> list[Sample]:
    """Samples of one life from its birth to the end of an hour; threads and files stay."""
    return [Sample(at, life, memory(at), 10, 20) for at in range(born, HOUR_S, EVERY_S)]


def judged(samples: list[Sample]) -> Trend:
    found = trends(samples, {"memory_mb": 20.0}, warm_s=WARM_S, settle_s=SETTLE_S)
    assert [each.measure for each in found] == ["memory_mb"]
    return found[0]


def test_what_stays_does_not_grow_however_it_swings() -> None:
    swinging = judged(series(lambda at: 300 + 40 * (at // EVERY_S % 3)))

    # One in three samples is 40 above, one 80: a whole number of swings fits between most pairs.
    assert abs(swinging.an_hour) < 1
    assert not swinging.grows


def test_a_steady_growth_is_told_by_the_hour() -> None:
    growing = judged(series(lambda at: 300 + 36 * at / HOUR_S + 5 * (at // EVERY_S % 2)))

    assert growing.an_hour == pytest.approx(36, abs=1)
    assert growing.grows


def test_growth_in_the_warm_up_does_not_count() -> None:
    warmed = judged(series(lambda at: min(300 + at, 300 + WARM_S)))

    assert (warmed.first, warmed.last, warmed.an_hour) == (2100, 2100, 0)


def test_one_step_is_no_growth_and_a_step_at_each_fault_is() -> None:
    once = judged(series(lambda at: 300 + 100 * (at > WARM_S + 600)))
    again = judged(series(lambda at: 300 + 8 * (at // 240)))  # 15 faults an hour

    assert once.an_hour == 0
    assert again.an_hour == pytest.approx(120, rel=0.1)
    assert again.grows


def test_a_restart_hides_no_growth_and_makes_none() -> None:
    restart = WARM_S + 600
    grown = series(lambda at: 300 + 60 * at / HOUR_S)
    leaking = [each for each in grown if each.at_s < restart] + series(
        lambda at: 300 + 60 * (at - restart) / HOUR_S, born=restart, life=2
    )
    steady = [each for each in series(lambda _: 200) if each.at_s < restart] + series(
        # The new process is larger, and fills its caches for five minutes.
        lambda at: 400 + min(at - restart, SETTLE_S),
        born=restart,
        life=2,
    )

    assert judged(leaking).an_hour == pytest.approx(60)
    assert judged(steady).an_hour == 0


def test_a_life_too_short_is_not_judged() -> None:
    long_enough = series(lambda _: 1, born=HOUR_S - SETTLE_S - LEAST_SAMPLES * EVERY_S)
    too_short = long_enough[1:]

    assert trends(too_short, BOUNDS["worker"], warm_s=0, settle_s=SETTLE_S) == []
    found = trends(long_enough, BOUNDS["worker"], warm_s=0, settle_s=SETTLE_S)
    assert [(each.measure, each.first, each.an_hour) for each in found] == [
        ("memory_mb", 1, 0), ("threads", 10, 0), ("files", 20, 0),
    ]  # fmt: skip


def test_points_of_two_lives_make_no_pair() -> None:
    # Slopes 1, 1, 1 of the first life and 3 of the second; across them it would fall.
    assert slope([[(0, 10), (1, 11), (2, 12)], [(10, 0), (11, 3)]]) == 1
