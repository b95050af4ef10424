"""Places as clerks write them: every name of a county, every suffix of a village."""

from __future__ import annotations

import pytest

from producers.ledgers.places import Places
from schemas.reference.divisions import Divisions

PLACES = Places(Divisions.load())
TWINS = {
    "431227101001", "431227104001", "431227105001", "431228101001", "431228103001",
}  # fmt: skip
"""Communities with the name of a village in the same township: 波洲居委会, 波洲村村委会."""


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("431200", "怀化市 怀化"),
        ("431202", "鹤城区 鹤城"),
        ("431221", "中方县 中方"),
        ("431222", "沅陵县 沅陵"),
        ("431223", "辰溪县 辰溪"),
        ("431224", "溆浦县 溆浦"),
        ("431225", "会同县 会同"),
        ("431226", "麻阳苗族自治县 麻阳 麻阳县"),
        ("431227", "新晃侗族自治县 新晃 新晃县"),
        ("431228", "芷江侗族自治县 芷江 芷江县"),
        ("431229", "靖州苗族侗族自治县 靖州 靖州县"),
        ("431230", "通道侗族自治县 通道 通道县"),
        ("431271", "怀化市洪江管理区 洪江管理区"),
        ("431281", "洪江市 洪江"),
    ],
)
def test_a_county_is_found_by_each_name_that_is_in_use(code: str, names: str) -> None:
    assert {name: PLACES.find([name]) for name in names.split()} == dict.fromkeys(
        names.split(), code
    )


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("431202001", "鹤城区 城中街道"),
        ("431202001", "鹤城区 城中"),
        ("431202001", "鹤城区 城中街道办事处"),
        ("431202001", "鹤城区 城中办事处"),
        ("431202101", "鹤城区 黄金坳镇"),
        ("431202101", "鹤城区 黄金坳"),
        ("431202201", "鹤城区 盈口"),
        ("431202001001", "鹤城区 城中街道 新街社区"),
        ("431202001001", "鹤城区 城中街道 新街"),
        ("431202001001", "鹤城区 城中街道 新街社区居委会"),
        ("431202001001", "鹤城区 城中街道 新街居委会"),
        ("431202001001", "鹤城区 城中街道 新街居民委员会"),
        ("431202005200", "鹤城区 坨院村"),
        ("431202005200", "鹤城区 坨院村委会"),
        ("431202005200", "鹤城区 坨院村民委员会"),
        # The register names 1,247 villages so; a bare 坨院 is the street, not its village.
        ("431222102204", "沅陵县 仰溪铺村村委会"),
        ("431222102204", "沅陵县 仰溪铺村"),
        ("431222102204", "沅陵县 仰溪铺村民委员会"),
        ("431222102204", "沅陵县 仰溪铺"),
        ("431202005", "鹤城区 坨院"),
        ("431222102001", "沅陵县 麻溪铺镇 麻溪铺社区"),
        ("431222115018", "沅陵县 太安社区"),
    ],
)
def test_a_place_is_found_with_and_without_what_its_name_ends_in(code: str, parts: str) -> None:
    assert PLACES.find(parts.split()) == code


def test_every_village_is_found_in_its_township_by_its_name_without_the_committee() -> None:
    divisions = Divisions.load()
    missing = set()
    for village in divisions.villages:
        name = village.name.removesuffix("村民委员会").removesuffix("居民委员会")
        for committee in ("村委会", "居委会"):
            name = name.removesuffix(committee)
        if PLACES.find([village.code[:6], village.code[:9], name]) != village.code:
            missing.add(village.code)
    assert missing == TWINS  # a shared name means neither
