"""Each panel's SQL on the wall and the pipeline's board, a named function each.

Only published views are read, without a database's name: the data source says which. The other
boards' queries are in `_queries_cases` (petitions, mediations) and `_queries_places` (visits,
funds, drill-down).
"""

from __future__ import annotations

from collections.abc import Iterable

from dashboards._pieces import (
    AT,
    BUCKET,
    COUNTIES,
    END,
    LIMIT,
    MIDNIGHT,
    NEW_YEAR_HOUR,
    YUAN,
    ZONE,
    among,
    arrays,
    county_name,
    one,
    overdue_days,
    share,
    visit_sums,
    word,
)
from schemas._names import events_table

STANDSTILL_S = 30
"""A worker beats every 2 seconds; 15 missed beats are no hiccup."""

BATCH = 50_000
"""Most events of one insert: a projection may be so far behind while that insert is under way."""

WAITING_S = 60
"""Messages that have waited so long, while none of their partition was stored, stand still."""


def freshness() -> str:
    """Whether the figures may be believed: `stale` and why.

    Stale when a partition's worker has been silent, or when messages have waited in Kafka for
    long while none was stored. A partition that never stored any counts too. A quiet night has
    beats and no lag, and is not stale. By the clock on the wall, alone of all: a pipeline that
    stands still may owe corrections to a past day too. Data without any beat is a replay, which
    no worker feeds.
    """
    return f"""
WITH (SELECT (count(), min(beat), sum(lag), max(newest), countIf(lag > 0
    AND dateDiff('second', behind_since, now()) > {WAITING_S}
    AND ifNull(dateDiff('second', newest, now()) > {WAITING_S}, 1))) FROM pipeline) AS p,
  (SELECT sum(rows) FROM table_parts WHERE startsWith(table, '{events_table("")}')) AS events,
  tupleElement(p, 1) AS parts, tupleElement(p, 2) AS beat, tupleElement(p, 3) AS behind,
  dateDiff('second', beat, now()) AS silent,
  formatDateTime(tupleElement(p, 4), '%m-%d %H:%i:%S', '{ZONE}') AS newest
SELECT toUInt8(if(parts = 0, events = 0, silent > {STANDSTILL_S} OR tupleElement(p, 5) > 0))
    AS stale,
  multiIf(parts = 0 AND stale, '处理程序从未报到：数据不可信',
    parts = 0, '正常 · 回放数据，不再更新',
    silent > {STANDSTILL_S}, concat('处理程序停止于 ',
      formatDateTime(beat, '%m-%d %H:%i:%S', '{ZONE}'), '，数字停在此刻'),
    stale, concat('积压 ', toString(behind), ' 条未入库，数字偏旧'),
    concat('正常 · 最新消息 ', ifNull(newest, '无'))) AS reason""".strip()


def stale_mark() -> str:
    """A mark while the data is stale; no row else."""
    return f"SELECT '■数据停更' AS mark FROM (\n{freshness()}\n) WHERE stale = 1"


def hourly_visits(where: str) -> str:
    """Visits and requests of the day and of the year, to the hour in which the range ends."""
    # Not from `visits_to_date`: by its three keys the year's hours take as long again to add up.
    return f"""
SELECT {visit_sums(f"hour >= {MIDNIGHT}")}
FROM all_by_county_hour WHERE {where} AND startsWith(type, 'visit.')
  AND hour >= {NEW_YEAR_HOUR} AND hour <= {END}""".strip()


def wall_mediations() -> str:
    """Mediation success of cases ended in the year, and the cases still open."""
    ended = f"open = 0 AND ended_at >= {NEW_YEAR_HOUR}"
    return f"""
SELECT avgOrNullIf(agreement_reached_at IS NOT NULL, {ended}) AS success, sum(open) AS open_now
FROM mediations_cases(at = {AT})""".strip()


def wall_funds() -> str:
    """Balance of all funds and the share of the raised that was spent, in 10,000 yuan."""
    return f"""
SELECT sum(balance) / {YUAN} AS balance_now, sum(raised) / {YUAN} AS raised_all,
  sum(spent) / {YUAN} AS spent_all, {share("sum(spent)", "sum(raised)")} AS used
FROM funds_balances(at = {AT})""".strip()


def _figures() -> list[tuple[str, str]]:
    """The choosable figures, a query a view: whether one of its figures is chosen, and its SQL."""
    chosen = one("figure")

    def of(figures: dict[str, str], none: str) -> str:
        """What is meant by the chosen figure; folded before anything is read, as transform is not.

        So the parts that are not chosen read next to nothing.
        """
        cases = ", ".join(f"{chosen} = '{figure}', {sql}" for figure, sql in figures.items())
        return f"multiIf({cases}, {none})"

    def is_among(figures: Iterable[str]) -> str:
        names = ", ".join(f"'{figure}'" for figure in figures)
        return f"{chosen} IN ({names})"

    types = {
        "visits": "'visit.recorded'",
        "raised": "'visit.request_raised'",
        "closed": "'visit.request_closed'",
    }
    cases = {"open": "open_cases", "overdue": "overdue_cases"}
    events = f"""
SELECT county, toFloat64(sum(net_count)) AS value FROM all_by_county_hour
  WHERE type = {of(types, "'-'")} AND hour >= {NEW_YEAR_HOUR} AND hour <= {END} GROUP BY county"""
    pending = f"""
SELECT county, toFloat64(sum({of(cases, "0")})) AS value FROM petitions_pending(at = {AT})
  WHERE {is_among(cases)} GROUP BY county"""
    money = f"""
SELECT county, sum(balance) / {YUAN} AS value FROM funds_balances(at = {AT})
  WHERE {is_among(["balance"])} GROUP BY county"""
    return [(is_among(types), events), (is_among(cases), pending), (is_among(["balance"]), money)]


def wall_counties() -> list[str]:
    """The chosen figure of the 13 divisions, highest first; 未定位 only where it has events.

    `value` is what the map shows: 洪江市 is drawn with 洪江管理区, which has no outline. Map and
    ranking ask the same, so that the engine answers it once. A query a view, of which those of the
    figures that are not chosen give no row.
    """
    cp = (
        ("431202", 110.040315, 27.578926), ("431221", 109.944711, 27.440138),
        ("431222", 110.393844, 28.452686), ("431223", 110.183917, 28.006336),
        ("431224", 110.594879, 27.908267), ("431225", 109.735661, 26.887238),
        ("431226", 109.81701, 27.857569), ("431227", 109.174932, 27.352673),
        ("431228", 109.684629, 27.443499), ("431229", 109.696273, 26.575107),
        ("431230", 109.784412, 26.158054), ("431281", 109.836669, 27.208609),
    )  # fmt: skip
    points = ", ".join(f"('{code}', {x}, {y})" for code, x, y in cp)
    drawn = (
        "if(county = '431271', [(county, value, 0.), ('431281', 0., value)], "
        "[(county, value, value)])"
    )
    # What is known of a place, added up by place: two joins took a tenth longer.
    return [
        f"""
SELECT max(p.name) AS name, code, sum(p.own) AS own,
  if(max(p.longitude) > 0, sum(p.drawn), NULL) AS value,
  nullIf(max(p.longitude), 0) AS longitude, nullIf(max(p.latitude), 0) AS latitude
FROM (SELECT code, name, 0. AS own, 0. AS drawn, 0. AS longitude, 0. AS latitude FROM {COUNTIES}
  UNION ALL SELECT f.1, '', f.2, f.3, 0., 0. FROM (
    SELECT arrayJoin({drawn}) AS f FROM ({figures}))
  UNION ALL SELECT at.1, '', 0., 0., at.2, at.3 FROM (SELECT arrayJoin([{points}]) AS at)) AS p
WHERE {is_chosen} GROUP BY code
HAVING name != '' AND (NOT endsWith(code, '00') OR own != 0)
ORDER BY own DESC, code LIMIT 20""".strip()
        for is_chosen, figures in _figures()
    ]


def wall_trend() -> str:
    """Requests, petitions and agreements over the range, by hour or by day."""
    lines = (
        ("visits", "visit.request_raised", "诉求登记"),
        ("visits", "visit.request_closed", "诉求办结"),
        ("petitions", "petition.registered", "信访登记"),
        ("mediations", "mediation.agreement_reached", "调解成功"),
    )
    types = ", ".join(f"'{type_}'" for _, type_, _ in lines)
    sums = ", ".join(f"sumIf(net_count, type = '{type_}') AS `{zh}`" for _, type_, zh in lines)
    return f"""
SELECT {BUCKET} AS time, {sums} FROM all_by_county_hour
WHERE type IN ({types}) AND $__timeFilter(hour) GROUP BY time ORDER BY time LIMIT 2000""".strip()


def wall_visit_trend() -> str:
    """Visits over the range by who went, by hour or by day."""
    return f"""
SELECT {BUCKET} AS time, {word("role", "role")} AS line, sum(net_count) AS value
FROM visits_by_county_hour WHERE type = 'visit.recorded' AND $__timeFilter(hour)
GROUP BY time, line ORDER BY time, line LIMIT 4000""".strip()


def newest_events() -> str:
    """The newest events up to the end of the range; for a past day its last hours, counted."""
    return f"""
SELECT happened AS `时间`, {county_name("county")} AS `县市区`, {word("type", "type")} AS `事件`,
  events AS `件数`, county AS code
FROM (SELECT *, maxIf(happened, live = 1) OVER () > $__toTime_ms - INTERVAL 1 HOUR AS fresh FROM (
  SELECT time AS happened, type, county, toInt64(1) AS events, 1 AS live FROM recent_events
    WHERE time <= $__toTime_ms
  UNION ALL SELECT toDateTime64(hour, 3, '{ZONE}') AS happened, type, county,
    sum(net_count) AS events, 0 AS live FROM all_by_county_hour
    WHERE hour > {END} - INTERVAL 1 DAY AND hour <= {END} GROUP BY hour, type, county))
WHERE events != 0 AND live = fresh ORDER BY happened DESC, code, type LIMIT 40""".strip()


def alerts() -> list[str]:
    """Overdue cases by clock and county: which duty, by which article, how many, how long."""
    clocks = (
        ("transfer", "信访转送", "信访工作条例 22"), ("notice", "受理告知", "信访工作条例 23"),
        ("close", "信访办结", "信访工作条例 34"), ("review", "信访复查", "信访工作条例 35"),
        ("recheck", "信访复核", "信访工作条例 36"),
        ("mediate", "法院委托调解", "民诉法解释；最高法 2020 试点"),
    )  # fmt: skip
    names, shown, bases = arrays(clocks)
    return [
        f"""
SELECT transform(clock, {names}, {shown}) AS `事项`, {county_name("county")} AS `县市区`,
  count() AS `逾期件数`, max({overdue_days("due")}) AS `最长逾期天数`,
  transform(clock, {names}, {bases}) AS `依据`, county AS code
FROM {topic}_deadlines(at = {AT}) WHERE overdue = 1
GROUP BY clock, county
ORDER BY `最长逾期天数` DESC, `逾期件数` DESC, code, `事项` LIMIT 40""".strip()
        for topic in ("petitions", "mediations")
    ]


# ------------------------------------------------------------------------------ 管道健康


def pipeline_parts() -> str:
    """One row a Kafka partition: stored, lag, age of the beat and of the newest message."""
    return f"""
SELECT topic AS `主题`, toString(kpart) AS `分区`, messages AS `已入库`, lag AS `积压`,
  toTimeZone(newest, '{ZONE}') AS `水位`, toTimeZone(beat, '{ZONE}') AS `心跳`,
  stored AS `最高位移`
FROM pipeline ORDER BY topic, kpart LIMIT {LIMIT}""".strip()


def pipeline_now() -> str:
    """Lag, seconds since the last beat and since the newest message, and messages stored."""
    return """
SELECT sum(lag) AS behind,
  maxOrNull(greatest(dateDiff('second', beat, now()), 0)) AS beat_age,
  min(dateDiff('second', newest, now())) AS newest_age, sum(messages) AS stored_all,
  count() AS partitions FROM pipeline""".strip()


def pipeline_throughput() -> str:
    """Messages a minute by when the broker appended them, by topic; quiet spans are zeros."""
    topics = (("visits", "走访"), ("petitions", "信访"), ("mediations", "调解"), ("funds", "基金"))
    sums = ", ".join(
        f"sumIf(messages, topic = '{topic}') / greatest($__interval_s / 60, 1) AS `{zh}`"
        for topic, zh in topics
    )
    return f"""
SELECT $__timeInterval(minute) AS time, {sums} FROM messages_by_minute
WHERE $__timeFilter(minute) GROUP BY time
ORDER BY time WITH FILL STEP toIntervalSecond($__interval_s) LIMIT 2000""".strip()


def pipeline_projections() -> str:
    """Every projection: in how many partitions it is up to date, and how far behind in the rest."""
    return f"""
SELECT topic AS `主题`, projection AS `投影`, count() AS `分区`,
  countIf(reached >= stored) AS `已到位`, max(greatest(stored - reached, 0)) AS `最多落后`,
  multiIf(`已到位` = `分区`, '● 一致', `最多落后` <= {BATCH}, '▲ 追赶中', '■ 落后') AS `状态`
FROM projections GROUP BY topic, projection
ORDER BY `最多落后` DESC, topic, projection LIMIT {LIMIT}""".strip()


def pipeline_tables() -> str:
    """Active parts, rows and bytes of every table that has any."""
    return f"""
SELECT table AS `表`, parts AS `数据块`, rows AS `行数`, bytes AS `磁盘`,
  multiIf(parts < 300, '● 正常', parts < 1000, '▲ 偏多', '■ 过多') AS `状态`
FROM table_parts ORDER BY parts DESC, table LIMIT {LIMIT}""".strip()


def pipeline_refused() -> str:
    """Messages stored but not counted, by topic, status and reason.

    All of them, whatever the range: history that is imported today was logged today.
    """
    status = (
        "transform(status, ['repeat', 'conflict', 'orphan', 'parked', 'dead'], "
        "['重复', '冲突', '更正对象未到', '搁置', '死信'], status)"
    )
    return f"""
SELECT topic AS `主题`, {status} AS `状态`, reason AS `原因`, sum(messages) AS `条数`,
  max(day) AS `最近一日` FROM uncounted
GROUP BY topic, status, reason
ORDER BY `条数` DESC, topic, reason, `状态` LIMIT {LIMIT}""".strip()


def pipeline_refused_totals() -> str:
    """Repeats, conflicts, orphans and dead letters as single numbers."""
    sums = ", ".join(
        f"sumIf(messages, status = '{s}') AS {s}s"
        for s in ("repeat", "conflict", "orphan", "parked", "dead")
    )
    return f"SELECT {sums} FROM uncounted"


def pipeline_lag() -> str:
    """Lag by topic, one bar each."""
    return (
        "SELECT topic AS name, sum(lag) AS value FROM pipeline GROUP BY topic "
        "ORDER BY value DESC, name LIMIT 20"
    )


def county_options() -> str:
    """Code and name of the counties; last the city's own code, for events without a place."""
    return f"SELECT code, name FROM {COUNTIES} ORDER BY endsWith(code, '00'), code"


def below(level: str, parent: str) -> str:
    """Code and name of the divisions of `level` under the chosen `parent`."""
    return (
        f"SELECT code, name FROM divisions WHERE level = '{level}' AND "
        f"{among('parent', parent)} ORDER BY code LIMIT 1000"
    )
