"""A family is one file: everything else is derived from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from schemas import catalog
from schemas import families as package
from schemas.families import families, family
from schemas.wire import Decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.family import Family
    from schemas.reference.divisions import Divisions
    from tests.schemas.conftest import City, MakeMessage

POINTS = '''
    """积分: a household earns points for what it does for the village."""

    from typing import Annotated, ClassVar, Literal

    from schemas.event import Event, field
    from schemas.projections import Rollup
    from schemas.words import Labels, Pseudonym, Quantity

    Aspect = Annotated[
        Literal["lawful", "moral"], Labels(lawful="守法诚信", moral="道德规范")
    ]


    class Point(
        Event,
        topic="points",
        key="household",
        zh="积分",
        zh_doc="积分：农户挣得的积分。",
        partitions=2,
    ):
        """积分: points earned."""

        household: Pseudonym = field(
            "Household.", "户。", zh="户", example="k1.0123456789abcdef0123456789abcdef"
        )
        projections: ClassVar = (
            Rollup("hourly", "county", dims=("aspect",)),
            Rollup("daily", "division"),
        )


    class PointsAwarded(Point, name="points.awarded", zh="加分", zh_doc="给农户加分。"):
        """Points were awarded."""

        aspect: Aspect = field("Which aspect.", "方面。", zh="方面", example="moral")
        points: Quantity = field("How many.", "分值。", zh="分值", example=5, total=True)
'''


@pytest.fixture
def points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    (tmp_path / "points.py").write_text(dedent(POINTS), encoding="utf-8")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    families.cache_clear()
    yield family("points")
    sys.modules.pop("schemas.families.points")
    vars(package).pop("points", None)
    monkeypatch.undo()
    families.cache_clear()


def test_a_new_file_is_a_topic_a_validator_tables_views_and_a_chapter(
    points: Family,
    make_city: Callable[[Sequence[Family]], City],
    message: MakeMessage,
    divisions: Divisions,
) -> None:
    assert [f.topic for f in families()] == [
        *("funds", "mediations", "petitions", "points", "visits")
    ]
    (cls,) = points.events
    (event,) = Decoder(points.events, divisions)([message(cls)])
    assert isinstance(event, dict)

    city = make_city([points])
    for n in range(3):
        city.add("points", "points.awarded", f"2021-03-0{n + 1} 10:00:00", event["data"])
    (row,) = city.published("points_by_village_year")
    assert (row["village"], row["net_count"], row["net_points"]) == ("431202001001", 3, 15)
    hours = city.published("points_by_county_hour", where="aspect = 'moral'")
    assert sorted(row["hour"] for row in hours)[0] == "2021-03-01 10:00:00"
    labels = city.published("labels", where="field = 'aspect' OR value = 'points.awarded'")
    assert {row["value"]: row["zh"] for row in labels} == {
        "lawful": "守法诚信",
        "moral": "道德规范",
        "points.awarded": "积分加分",
    }

    assert "## 积分 points\n" in catalog.catalog(families())
    assert json.dumps(catalog.json_schema(cls))
