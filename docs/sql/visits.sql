-- table gulou.events_visits
CREATE TABLE IF NOT EXISTS `gulou`.`events_visits` (
  `kpart` UInt16 COMMENT '消息所在的 Kafka 分区。Kafka partition the message came from.',
  `koff` Int64 COMMENT '消息在 Kafka 分区中的偏移。Offset of the message in its Kafka partition.' CODEC(Delta, LZ4),
  `koff_prev` Int64 COMMENT '此前一条消息的偏移，首条为-1；用以发现缺漏。Offset delivered before it; -1 for the first: shows holes.' CODEC(Delta, LZ4),
  `status` Enum8('ok' = 0, 'repeat' = 1, 'conflict' = 2, 'orphan' = 3, 'parked' = 4, 'dead' = 5) COMMENT '消息去向；只有 ok 计入统计。What became of the message; only ok is counted.',
  `reason` String COMMENT '拒收或者暂存的原因：代码与说明。Why it is dead or parked: code and explanation.',
  `source` String COMMENT 'CloudEvents 来源：报送单位或者台账。CloudEvents source: the office or ledger that says so.',
  `id` String COMMENT 'CloudEvents 事件编号，在同一来源内唯一。CloudEvents id, unique within its source.',
  `type` String COMMENT '事件类型。Event type.',
  `data_version` UInt16 COMMENT '`data` 的结构版本，始终为最新版本。Version of the shape of `data`, always the newest.',
  `key` String COMMENT '案件、户或者账户，即 Kafka 消息键。Case, household or account: the Kafka key.',
  `time` DateTime64(3, 'Asia/Shanghai') COMMENT '事件发生的时间。When it happened.',
  `recorded` DateTime64(3, 'Asia/Shanghai') COMMENT '单位登记该事件的时间。When the office knew.',
  `logged` DateTime64(3, 'Asia/Shanghai') COMMENT '消息写入 Kafka 的时间。When the broker appended it.',
  `division` String COMMENT '已知的最小一级区划代码：6位、9位或者12位。Narrowest division known: 6, 9 or 12 digits.',
  `grid` String COMMENT '微网格代码；不明时为空。Micro-grid; empty when unknown.',
  `actor` String COMMENT '填报者：单位或者假名。Who filed it: an office or a pseudonym.',
  `correlation` String COMMENT '所属的更大事项的编号。The wider matter it belongs to.',
  `causation` String COMMENT '引起该事件的事件编号。The event that made this one happen.',
  `corrects` String COMMENT '被更正或者作废的事件编号。Id of the event it corrects or takes back.',
  `late` Bool COMMENT '补录：登记时间早于写入时间超过一日。补录: recorded more than a day before it was logged.',
  `payload` String COMMENT '原始报文，留作凭据；任何视图都不读取。Bytes as received: the evidence. No view reads it.',
  `sha256` FixedString(32) COMMENT '原始报文的 SHA-256 值。SHA-256 of payload.',
  `data` String COMMENT '最新版本的规范 JSON，含以毫秒计的到期时刻。Canonical JSON of the newest version, with due instants in ms.',
  `net` String COMMENT '更正的分录，写成 JSON 数组；为空表示只记该事件本身。Postings of a correction as a JSON array; empty: itself alone.',
  `repeat_of` Int64 COMMENT '重复或者冲突时，同一 Kafka 分区内该编号首条消息的偏移；否则为-1。Of a repeat or conflict: offset of the first of its id, in the same Kafka partition; else -1.',
  `tok` UInt64 COMMENT '写入时持有该分区的工作进程的令牌。Token of the worker that owned the partition when it was stored.',
  CONSTRAINT fenced CHECK tok = joinGet('gulou.owner', 'tok', 'visits', kpart),
  INDEX id_bloom id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX corrects_bloom corrects TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX logged_range logged TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree ORDER BY (kpart, koff)
COMMENT '走访：主题 visits 的全部消息，每个偏移一行。Every message of topic visits, one row an offset.';

-- target gulou.visits_hourly
CREATE TABLE IF NOT EXISTS `gulou`.`visits_hourly` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `type` LowCardinality(String) COMMENT '事件类型；为空表示未计入。Event type; empty: not counted.',
  `hour` DateTime('Asia/Shanghai') COMMENT '所属小时，按本市时区。Start of the hour, city\'s zone.',
  `county` LowCardinality(String) COMMENT '统计数据所属的地方。Place of the figures.',
  `role` LowCardinality(String) COMMENT '走访人的身份。Who visited.',
  `gross_count` SimpleAggregateFunction(sum, Int64) COMMENT '原报件次。Events as first filed.',
  `net_count` SimpleAggregateFunction(sum, Int64) COMMENT '更正、作废之后仍有效的件次。Events that still stand after corrections.',
  `gross_met` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：入户见到的人数。As first filed: People met at home.',
  `net_met` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：入户见到的人数。After corrections: People met at home.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `type`, `hour`, `county`, `role`)
COMMENT '走访：汇总表 hourly。Rollup hourly.';

-- materialized view gulou.visits_hourly_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`visits_hourly_mv`
TO `gulou`.`visits_hourly` AS
SELECT kpart, p.type AS type, toStartOfHour(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai')) AS hour, substring(p.division, 1, 6) AS county, p.data.role AS role,
  sum(p.gross) AS gross_count, sum(p.net) AS net_count, sum(p.gross * p.data.met) AS gross_met, sum(p.net * p.data.met) AS net_met, max(koff) AS hi
FROM (SELECT kpart, koff, if(status = 'ok' AND net = '', [tuple(1, 1, type, toUnixTimestamp64Milli(time), division, grid, JSONExtract(data, 'Tuple(met Int64, role String)'))]::Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(met Int64, role String))), if(status = 'ok', JSONExtract(net, 'Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(met Int64, role String)))'), [])) AS postings FROM `gulou`.`events_visits`)
LEFT ARRAY JOIN postings AS p
GROUP BY kpart, type, hour, county, role;

-- target gulou.visits_daily
CREATE TABLE IF NOT EXISTS `gulou`.`visits_daily` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `type` LowCardinality(String) COMMENT '事件类型；为空表示未计入。Event type; empty: not counted.',
  `day` Date COMMENT '所属日期，按本市时区。Start of the day, city\'s zone.',
  `division` LowCardinality(String) COMMENT '统计数据所属的地方。Place of the figures.',
  `gross_count` SimpleAggregateFunction(sum, Int64) COMMENT '原报件次。Events as first filed.',
  `net_count` SimpleAggregateFunction(sum, Int64) COMMENT '更正、作废之后仍有效的件次。Events that still stand after corrections.',
  `gross_met` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：入户见到的人数。As first filed: People met at home.',
  `net_met` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：入户见到的人数。After corrections: People met at home.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `type`, `day`, `division`)
COMMENT '走访：汇总表 daily。Rollup daily.';

-- materialized view gulou.visits_daily_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`visits_daily_mv`
TO `gulou`.`visits_daily` AS
SELECT kpart, p.type AS type, toDate(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai')) AS day, p.division AS division,
  sum(p.gross) AS gross_count, sum(p.net) AS net_count, sum(p.gross * p.data.met) AS gross_met, sum(p.net * p.data.met) AS net_met, max(koff) AS hi
FROM (SELECT kpart, koff, if(status = 'ok' AND net = '', [tuple(1, 1, type, toUnixTimestamp64Milli(time), division, grid, JSONExtract(data, 'Tuple(met Int64)'))]::Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(met Int64))), if(status = 'ok', JSONExtract(net, 'Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(met Int64)))'), [])) AS postings FROM `gulou`.`events_visits`)
LEFT ARRAY JOIN postings AS p
GROUP BY kpart, type, day, division;

-- target gulou.visits_coverage
CREATE TABLE IF NOT EXISTS `gulou`.`visits_coverage` (
  `grid` String COMMENT '微网格代码。Micro-grid.',
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `year` UInt16 COMMENT '所属年份，按本市时区。Calendar year, city\'s zone.',
  `recorded_days` SimpleAggregateFunction(sumMap, Tuple(Array(Date), Array(Int64))) COMMENT '有仍有效“走访登记”的日期，以及各日的件次。Days with a visit.recorded that still stands, and how many on each.',
  `recorded_count` SimpleAggregateFunction(sum, Int64) COMMENT '仍有效“走访登记”的件次。How many visit.recorded stand.',
  `request_raised_days` SimpleAggregateFunction(sumMap, Tuple(Array(Date), Array(Int64))) COMMENT '有仍有效“诉求登记”的日期，以及各日的件次。Days with a visit.request_raised that still stands, and how many on each.',
  `request_raised_count` SimpleAggregateFunction(sum, Int64) COMMENT '仍有效“诉求登记”的件次。How many visit.request_raised stand.',
  `request_closed_days` SimpleAggregateFunction(sumMap, Tuple(Array(Date), Array(Int64))) COMMENT '有仍有效“诉求办结”的日期，以及各日的件次。Days with a visit.request_closed that still stands, and how many on each.',
  `request_closed_count` SimpleAggregateFunction(sum, Int64) COMMENT '仍有效“诉求办结”的件次。How many visit.request_closed stand.',
  `last_day` SimpleAggregateFunction(max, Date) COMMENT '本行各日期均不晚于此日：自此日起件次合计即为全部。事件被更正或者作废时不变。No day of the row is later: on and after it the counts say all. Stays when events are taken back.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`grid`, `kpart`, `year`)
SETTINGS min_age_to_force_merge_seconds = 120
COMMENT '走访：汇总表 coverage。Diary coverage.';

-- materialized view gulou.visits_coverage_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`visits_coverage_mv`
TO `gulou`.`visits_coverage` AS
SELECT p.grid AS grid, kpart, toYear(toDate(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai'))) AS year,
  sumMapIf([toDate(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai'))], [p.net], p.type = 'visit.recorded') AS recorded_days, sumIf(p.net, p.type = 'visit.recorded') AS recorded_count, sumMapIf([toDate(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai'))], [p.net], p.type = 'visit.request_raised') AS request_raised_days, sumIf(p.net, p.type = 'visit.request_raised') AS request_raised_count, sumMapIf([toDate(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai'))], [p.net], p.type = 'visit.request_closed') AS request_closed_days, sumIf(p.net, p.type = 'visit.request_closed') AS request_closed_count, max(toDate(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai'))) AS last_day, max(koff) AS hi
FROM (SELECT kpart, koff, if(status = 'ok' AND net = '', [tuple(1, 1, type, toUnixTimestamp64Milli(time), division, grid)]::Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String)), if(status = 'ok', JSONExtract(net, 'Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String))'), [])) AS postings FROM `gulou`.`events_visits`)
LEFT ARRAY JOIN postings AS p
GROUP BY kpart, grid, year;

-- view gulou_published.visits_by_county_hour
CREATE OR REPLACE VIEW `gulou_published`.`visits_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, role, hour, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_met) AS gross_met, sum(t.net_met) AS net_met
FROM `gulou`.`visits_hourly` AS t WHERE type != ''
GROUP BY type, county, role, hour
COMMENT '走访统计，按事件类型、县市区和小时。Figures by type, county and hour.';

-- view gulou_published.visits_to_date
CREATE OR REPLACE VIEW `gulou_published`.`visits_to_date`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS upto,
  toStartOfDay(upto) AS today, toDateTime(toStartOfMonth(upto), 'Asia/Shanghai') AS month, toDateTime(toStartOfYear(upto), 'Asia/Shanghai') AS year
SELECT type, county, role, sumIf(t.net_count, t.hour >= today) AS net_count_today, sumIf(t.net_met, t.hour >= today) AS net_met_today, sumIf(t.net_count, t.hour >= month) AS net_count_month, sumIf(t.net_met, t.hour >= month) AS net_met_month, sumIf(t.net_count, t.hour >= year) AS net_count_year, sumIf(t.net_met, t.hour >= year) AS net_met_year
FROM `gulou`.`visits_hourly` AS t
WHERE type != '' AND hour >= year AND hour <= upto
GROUP BY type, county, role
COMMENT '走访统计，按事件类型和县市区：时刻 `at` 当日、当月和当年截至该小时的合计。Figures by type and county: of the day, month and year of `at`, up to its hour.';

-- view gulou_published.visits_by_township_day
CREATE OR REPLACE VIEW `gulou_published`.`visits_by_township_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(place, 1, 6) AS county, if(length(place) = 9, place, '') AS township,
  day, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_met) AS gross_met, sum(t.net_met) AS net_met
FROM `gulou`.`visits_daily` AS t WHERE type != ''
GROUP BY type, substring(division, 1, 9) AS place, day
COMMENT '走访统计，按事件类型、乡镇街道和日期。Figures by type, township and day.';

-- view gulou_published.visits_by_village_day
CREATE OR REPLACE VIEW `gulou_published`.`visits_by_village_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  day,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_met) AS gross_met, sum(t.net_met) AS net_met
FROM `gulou`.`visits_daily` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, day
COMMENT '走访统计，按事件类型、村（社区）和日期。Figures by type, village and day.';

-- view gulou_published.visits_by_village_year
CREATE OR REPLACE VIEW `gulou_published`.`visits_by_village_year`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  toYear(day) AS year,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_met) AS gross_met, sum(t.net_met) AS net_met
FROM `gulou`.`visits_daily` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, year
COMMENT '走访统计，按事件类型、村（社区）和年份。Figures by type, village and year.';

-- view gulou_published.visits_coverage
CREATE OR REPLACE VIEW `gulou_published`.`visits_coverage`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH toDate(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')) AS today, toYear(today) AS this_year
SELECT substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,
  substring(grid, 1, 12) AS village, r.grid AS grid,
  nullIf(if(grid IN (SELECT grid FROM `gulou`.`visits_coverage` WHERE arrayExists(n -> n < 0, recorded_days.2)), max(r.mended), max(r.last)), toDate(0)) AS last_visit,
  sumIf(r.n0, year = this_year) AS visits_this_year, sum(r.n0) AS visits,
  sumIf(r.n1, year = this_year) AS requests_found,
  sumIf(r.n2, year = this_year) AS requests_closed
FROM (
  SELECT grid, year AS year,
    recorded_days.1[-1] AS last, toDate(0) AS mended,
    recorded_count AS n0, request_raised_count AS n1, request_closed_count AS n2
  FROM `gulou`.`visits_coverage` WHERE grid != '' AND last_day <= today
  UNION ALL
  SELECT grid, year AS year,
    arrayLast(day -> day <= today, recorded_days.1) AS last, toDate(0) AS mended,
    arraySum((day, n) -> if(day <= today, n, 0), recorded_days.1, recorded_days.2) AS n0, arraySum((day, n) -> if(day <= today, n, 0), request_raised_days.1, request_raised_days.2) AS n1, arraySum((day, n) -> if(day <= today, n, 0), request_closed_days.1, request_closed_days.2) AS n2
  FROM `gulou`.`visits_coverage` WHERE grid != '' AND last_day > today AND year <= this_year
  UNION ALL
  SELECT grid, 0 AS year,
    toDate(0) AS last, arrayMax((day, n) -> if(n > 0 AND day <= today, day, toDate(0)), days.1, days.2) AS mended,
    0 AS n0, 0 AS n1, 0 AS n2
  FROM (SELECT grid, sumMap(recorded_days) AS days FROM `gulou`.`visits_coverage`
    WHERE grid != '' AND year <= this_year AND grid IN (SELECT grid FROM `gulou`.`visits_coverage` WHERE arrayExists(n -> n < 0, recorded_days.2)) GROUP BY grid)
) AS r
GROUP BY grid
COMMENT '至 `at` 所在年末有过事件的微网格，数据以 `at` 当日为准。Micro-grids with an event by the end of the year of `at`, as of its day.';

-- view gulou_published.visits_covered
CREATE OR REPLACE VIEW `gulou_published`.`visits_covered`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH toDate(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')) AS today, toYear(today) AS this_year
SELECT substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,
  substring(grid, 1, 12) AS village, r.grid AS grid,
  sumIf(r.n0, year = this_year) AS visits_this_year, sum(r.n0) AS visits,
  sumIf(r.n1, year = this_year) AS requests_found,
  sumIf(r.n2, year = this_year) AS requests_closed
FROM (
  SELECT grid, year AS year,
    recorded_count AS n0, request_raised_count AS n1, request_closed_count AS n2
  FROM `gulou`.`visits_coverage` WHERE grid != '' AND last_day <= today
  UNION ALL
  SELECT grid, year AS year,
    arraySum((day, n) -> if(day <= today, n, 0), recorded_days.1, recorded_days.2) AS n0, arraySum((day, n) -> if(day <= today, n, 0), request_raised_days.1, request_raised_days.2) AS n1, arraySum((day, n) -> if(day <= today, n, 0), request_closed_days.1, request_closed_days.2) AS n2
  FROM `gulou`.`visits_coverage` WHERE grid != '' AND last_day > today AND year <= this_year
) AS r
GROUP BY grid
COMMENT '只含 `visits_coverage` 的各项计数，查询更快。The counts of `visits_coverage` alone, which the engine reads faster.';

-- view gulou_published.visits_by_grid_day
CREATE OR REPLACE VIEW `gulou_published`.`visits_by_grid_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,
  substring(grid, 1, 12) AS village, grid, day, sum(n) AS net_count
FROM (SELECT grid, kept.1 AS type, kept.2 AS days
  FROM `gulou`.`visits_coverage`
  ARRAY JOIN [('visit.recorded', recorded_days), ('visit.request_raised', request_raised_days), ('visit.request_closed', request_closed_days)] AS kept WHERE grid != '')
ARRAY JOIN days.1 AS day, days.2 AS n
GROUP BY type, grid, day HAVING net_count != 0
COMMENT '走访统计，按事件类型、微网格和日期。Events by type, micro-grid and day.';

-- view gulou_desk.visits_by_county_hour
CREATE OR REPLACE VIEW `gulou_desk`.`visits_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, role, hour, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_met) AS gross_met, sum(t.net_met) AS net_met
FROM `gulou`.`visits_hourly` AS t WHERE type != ''
GROUP BY type, county, role, hour
COMMENT '走访统计，按事件类型、县市区和小时。Figures by type, county and hour.';

-- view gulou_desk.visits_to_date
CREATE OR REPLACE VIEW `gulou_desk`.`visits_to_date`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS upto,
  toStartOfDay(upto) AS today, toDateTime(toStartOfMonth(upto), 'Asia/Shanghai') AS month, toDateTime(toStartOfYear(upto), 'Asia/Shanghai') AS year
SELECT type, county, role, sumIf(t.net_count, t.hour >= today) AS net_count_today, sumIf(t.net_met, t.hour >= today) AS net_met_today, sumIf(t.net_count, t.hour >= month) AS net_count_month, sumIf(t.net_met, t.hour >= month) AS net_met_month, sumIf(t.net_count, t.hour >= year) AS net_count_year, sumIf(t.net_met, t.hour >= year) AS net_met_year
FROM `gulou`.`visits_hourly` AS t
WHERE type != '' AND hour >= year AND hour <= upto
GROUP BY type, county, role
COMMENT '走访统计，按事件类型和县市区：时刻 `at` 当日、当月和当年截至该小时的合计。Figures by type and county: of the day, month and year of `at`, up to its hour.';

-- view gulou_desk.visits_by_township_day
CREATE OR REPLACE VIEW `gulou_desk`.`visits_by_township_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(place, 1, 6) AS county, if(length(place) = 9, place, '') AS township,
  day, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_met) AS gross_met, sum(t.net_met) AS net_met
FROM `gulou`.`visits_daily` AS t WHERE type != ''
GROUP BY type, substring(division, 1, 9) AS place, day
COMMENT '走访统计，按事件类型、乡镇街道和日期。Figures by type, township and day.';

-- view gulou_desk.visits_by_village_day
CREATE OR REPLACE VIEW `gulou_desk`.`visits_by_village_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  day,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_met) AS gross_met, sum(t.net_met) AS net_met
FROM `gulou`.`visits_daily` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, day
COMMENT '走访统计，按事件类型、村（社区）和日期。Figures by type, village and day.';

-- view gulou_desk.visits_by_village_year
CREATE OR REPLACE VIEW `gulou_desk`.`visits_by_village_year`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  toYear(day) AS year,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_met) AS gross_met, sum(t.net_met) AS net_met
FROM `gulou`.`visits_daily` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, year
COMMENT '走访统计，按事件类型、村（社区）和年份。Figures by type, village and year.';

-- view gulou_desk.visits_coverage
CREATE OR REPLACE VIEW `gulou_desk`.`visits_coverage`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH toDate(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')) AS today, toYear(today) AS this_year
SELECT substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,
  substring(grid, 1, 12) AS village, r.grid AS grid,
  nullIf(if(grid IN (SELECT grid FROM `gulou`.`visits_coverage` WHERE arrayExists(n -> n < 0, recorded_days.2)), max(r.mended), max(r.last)), toDate(0)) AS last_visit,
  sumIf(r.n0, year = this_year) AS visits_this_year, sum(r.n0) AS visits,
  sumIf(r.n1, year = this_year) AS requests_found,
  sumIf(r.n2, year = this_year) AS requests_closed
FROM (
  SELECT grid, year AS year,
    recorded_days.1[-1] AS last, toDate(0) AS mended,
    recorded_count AS n0, request_raised_count AS n1, request_closed_count AS n2
  FROM `gulou`.`visits_coverage` WHERE grid != '' AND last_day <= today
  UNION ALL
  SELECT grid, year AS year,
    arrayLast(day -> day <= today, recorded_days.1) AS last, toDate(0) AS mended,
    arraySum((day, n) -> if(day <= today, n, 0), recorded_days.1, recorded_days.2) AS n0, arraySum((day, n) -> if(day <= today, n, 0), request_raised_days.1, request_raised_days.2) AS n1, arraySum((day, n) -> if(day <= today, n, 0), request_closed_days.1, request_closed_days.2) AS n2
  FROM `gulou`.`visits_coverage` WHERE grid != '' AND last_day > today AND year <= this_year
  UNION ALL
  SELECT grid, 0 AS year,
    toDate(0) AS last, arrayMax((day, n) -> if(n > 0 AND day <= today, day, toDate(0)), days.1, days.2) AS mended,
    0 AS n0, 0 AS n1, 0 AS n2
  FROM (SELECT grid, sumMap(recorded_days) AS days FROM `gulou`.`visits_coverage`
    WHERE grid != '' AND year <= this_year AND grid IN (SELECT grid FROM `gulou`.`visits_coverage` WHERE arrayExists(n -> n < 0, recorded_days.2)) GROUP BY grid)
) AS r
GROUP BY grid
COMMENT '至 `at` 所在年末有过事件的微网格，数据以 `at` 当日为准。Micro-grids with an event by the end of the year of `at`, as of its day.';

-- view gulou_desk.visits_covered
CREATE OR REPLACE VIEW `gulou_desk`.`visits_covered`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH toDate(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')) AS today, toYear(today) AS this_year
SELECT substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,
  substring(grid, 1, 12) AS village, r.grid AS grid,
  sumIf(r.n0, year = this_year) AS visits_this_year, sum(r.n0) AS visits,
  sumIf(r.n1, year = this_year) AS requests_found,
  sumIf(r.n2, year = this_year) AS requests_closed
FROM (
  SELECT grid, year AS year,
    recorded_count AS n0, request_raised_count AS n1, request_closed_count AS n2
  FROM `gulou`.`visits_coverage` WHERE grid != '' AND last_day <= today
  UNION ALL
  SELECT grid, year AS year,
    arraySum((day, n) -> if(day <= today, n, 0), recorded_days.1, recorded_days.2) AS n0, arraySum((day, n) -> if(day <= today, n, 0), request_raised_days.1, request_raised_days.2) AS n1, arraySum((day, n) -> if(day <= today, n, 0), request_closed_days.1, request_closed_days.2) AS n2
  FROM `gulou`.`visits_coverage` WHERE grid != '' AND last_day > today AND year <= this_year
) AS r
GROUP BY grid
COMMENT '只含 `visits_coverage` 的各项计数，查询更快。The counts of `visits_coverage` alone, which the engine reads faster.';

-- view gulou_desk.visits_by_grid_day
CREATE OR REPLACE VIEW `gulou_desk`.`visits_by_grid_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(grid, 1, 6) AS county, substring(grid, 1, 9) AS township,
  substring(grid, 1, 12) AS village, grid, day, sum(n) AS net_count
FROM (SELECT grid, kept.1 AS type, kept.2 AS days
  FROM `gulou`.`visits_coverage`
  ARRAY JOIN [('visit.recorded', recorded_days), ('visit.request_raised', request_raised_days), ('visit.request_closed', request_closed_days)] AS kept WHERE grid != '')
ARRAY JOIN days.1 AS day, days.2 AS n
GROUP BY type, grid, day HAVING net_count != 0
COMMENT '走访统计，按事件类型、微网格和日期。Events by type, micro-grid and day.';
