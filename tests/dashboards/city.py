"""A small made-up city in ClickHouse, for the fixture boards."""

from __future__ import annotations

DATABASE, REPLAY = "fixture_city", "fixture_replay"

COUNTIES = (
    # code, name, longitude, latitude, visits, share of replies in time, open petitions
    ("431202", "鹤城区", 110.040, 27.579, 182340, 0.981, 12),
    ("431221", "中方县", 109.945, 27.440, 74210, 0.964, 9),
    ("431222", "沅陵县", 110.394, 28.453, 151900, 0.917, 41),
    ("431223", "辰溪县", 110.184, 28.006, 118870, 0.948, 22),
    ("431224", "溆浦县", 110.595, 27.908, 203450, 0.893, 57),
    ("431225", "会同县", 109.736, 26.887, 90110, 0.972, 8),
    ("431226", "麻阳苗族自治县", 109.817, 27.858, 99020, 0.955, 17),
    ("431227", "新晃侗族自治县", 109.175, 27.353, 65880, 0.990, 4),
    ("431228", "芷江侗族自治县", 109.685, 27.443, 103300, 0.969, 11),
    ("431229", "靖州苗族侗族自治县", 109.696, 26.575, 70440, 0.984, 5),
    ("431230", "通道侗族自治县", 109.784, 26.158, 61500, 0.978, 6),
    ("431281", "洪江市", 109.837, 27.209, 131020, 0.941, 19),
)
TOWNSHIPS = tuple(
    (f"{code}{n:03d}", f"{name[:2]}第{n}乡镇", code, visits // 4 + n)
    for code, name, _lon, _lat, visits, _share, _open in COUNTIES
    for n in (1, 2, 3)
)


def statements() -> list[str]:
    """DDL and INSERTs; run them in order, as a user who may write."""
    d = DATABASE
    counties = ",".join(str(row) for row in COUNTIES)
    townships = ",".join(str(row) for row in TOWNSHIPS)
    return [
        f"CREATE DATABASE IF NOT EXISTS {d} ENGINE = Atomic",
        f"CREATE TABLE {d}.county (code String, name String, lon Float64, lat Float64,"
        " visits UInt64, in_time Float64, open UInt32) ENGINE = MergeTree ORDER BY code",
        f"INSERT INTO {d}.county VALUES {counties}",
        f"CREATE TABLE {d}.township (code String, name String, county String, visits UInt64)"
        " ENGINE = MergeTree ORDER BY code",
        f"INSERT INTO {d}.township VALUES {townships}",
        f"CREATE TABLE {d}.hourly (at DateTime('Asia/Shanghai'), family String, events UInt32)"
        " ENGINE = MergeTree ORDER BY (family, at)",
        # Seven days of December 2021 by the hour, with nights and a weekend.
        f"INSERT INTO {d}.hourly SELECT toDateTime('2021-12-25 00:00:00', 'Asia/Shanghai')"
        " + number * 3600, family, toUInt32(base * (0.15 + greatest(sin((number % 24 - 6)"
        " * pi() / 13), 0)) * (1 - 0.35 * (number / 24 % 7 > 5)) + cityHash64(number, family) % 9)"
        " FROM numbers(168) ARRAY JOIN ['走访', '信访', '调解', '基金'] AS family,"
        " [90, 46, 28, 15] AS base",
        f"CREATE TABLE {d}.event (at DateTime('Asia/Shanghai'), county String, kind String,"
        " text String, days Int32) ENGINE = MergeTree ORDER BY at",
        f"INSERT INTO {d}.event SELECT toDateTime('2021-12-31 20:00:00', 'Asia/Shanghai')"
        " - number * 97, (SELECT groupArray(name) FROM"
        f" {d}.county)[number % 12 + 1], ['走访', '信访', '调解', '基金'][number % 4 + 1],"
        " ['入户走访一户', '来信登记，限期答复', '邻里纠纷调解成功', '互助基金支出']"
        "[number % 4 + 1],"
        " toInt32(number * 7 % 41) - 12 FROM numbers(60)",
        f"CREATE TABLE {d}.state (at DateTime('Asia/Shanghai'), worker String, state UInt8)"
        " ENGINE = MergeTree ORDER BY (worker, at)",
        f"INSERT INTO {d}.state SELECT toDateTime('2021-12-31 00:00:00', 'Asia/Shanghai')"
        " + number * 3600, worker, toUInt8(multiIf(cityHash64(intDiv(number, 3), worker)"
        " % 9 > 7, 2, cityHash64(intDiv(number, 4), worker) % 7 > 5, 1, 0))"
        " FROM numbers(24) ARRAY JOIN ['接收', '校验', '入库', '汇总'] AS worker",
        f"CREATE TABLE {d}.pulse (at DateTime64(3, 'Asia/Shanghai'), stale UInt8, reason String)"
        " ENGINE = MergeTree ORDER BY at",
        f"INSERT INTO {d}.pulse VALUES ('2021-12-31 20:00:00', 0, '')",
    ]
