"""Where a city's counties lie on a map: their outlines, and the point of each.

The file lies beside the divisions file: `outlines_<city>.geojson`, a FeatureCollection with one
feature per county. Its properties are `code`, `name` and `cp` (longitude and latitude of its
marker). `within` maps the code of each county that lies inside this one, without an outline of its
own, to the point of its marker (D-38).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import Misconfigured
from schemas.reference.divisions import Divisions


@dataclass(frozen=True, slots=True)
class Outlines:
    """A city's map.

    Attributes:
        file: the outlines themselves.
        points: mapping from the code of a county to the longitude and latitude of its marker.
    """

    file: Path
    points: Mapping[str, tuple[float, float]]

    @property
    def middle(self) -> tuple[float, float]:
        """Longitude and latitude of the middle of all points."""
        xs, ys = zip(*self.points.values(), strict=True)
        return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def outlines(divisions_file: Path, divisions: Divisions) -> Outlines | None:
    """The map beside a divisions file; None when there is none.

    Raises:
        Misconfigured: the file cannot be read, or names a county that the city does not have.
    """
    file = divisions_file.parent / f"outlines_{divisions.city.code}.geojson"
    if not file.exists():
        return None
    try:
        found = [
            feature["properties"]
            for feature in json.loads(file.read_text(encoding="utf-8"))["features"]
        ]
        marked = [(each["code"], each["cp"]) for each in found]
        marked += [inside for each in found for inside in each.get("within", {}).items()]
        points = {str(code): (float(point[0]), float(point[1])) for code, point in marked}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Misconfigured(
            f"The outlines {file.name!r} cannot be read: {error!r}.",
            do="It is a GeoJSON FeatureCollection; each feature has the properties code and cp.",
        ) from error
    unknown = sorted(points.keys() - set(divisions))
    if unknown or not points:
        raise Misconfigured(
            f"The outlines {file.name!r} name {unknown[:1] or 'no county'}, which the divisions "
            "file has not.",
            do="Give every feature the six-digit code of a county.",
        )
    return Outlines(file, points)
