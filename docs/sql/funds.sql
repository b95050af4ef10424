-- table gulou.events_funds
CREATE TABLE IF NOT EXISTS `gulou`.`events_funds` (
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
  CONSTRAINT fenced CHECK tok = joinGet('gulou.owner', 'tok', 'funds', kpart),
  INDEX id_bloom id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX corrects_bloom corrects TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX logged_range logged TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree ORDER BY (kpart, koff)
COMMENT '幸福基金：主题 funds 的全部消息，每个偏移一行。Every message of topic funds, one row an offset.';

-- target gulou.funds_hourly
CREATE TABLE IF NOT EXISTS `gulou`.`funds_hourly` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `type` LowCardinality(String) COMMENT '事件类型；为空表示未计入。Event type; empty: not counted.',
  `hour` DateTime('Asia/Shanghai') COMMENT '所属小时，按本市时区。Start of the hour, city\'s zone.',
  `county` LowCardinality(String) COMMENT '统计数据所属的地方。Place of the figures.',
  `entry` LowCardinality(String) COMMENT '结转的期初余额才填写：计入累计，不计入任何年度的发生额。Set on a balance brought forward: in the totals, in no year\'s movements.',
  `gross_count` SimpleAggregateFunction(sum, Int64) COMMENT '原报件次。Events as first filed.',
  `net_count` SimpleAggregateFunction(sum, Int64) COMMENT '更正、作废之后仍有效的件次。Events that still stand after corrections.',
  `gross_amount` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：收到的金额，以分计。As first filed: Received, in fen.',
  `net_amount` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：收到的金额，以分计。After corrections: Received, in fen.',
  `gross_helped` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：得到帮扶的人次。As first filed: People helped, 人次.',
  `net_helped` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：得到帮扶的人次。After corrections: People helped, 人次.',
  `gross_projects` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：立项的项目数：一般为1，期初余额可为多个。As first filed: Projects set up: 1, or many in an opening balance.',
  `net_projects` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：立项的项目数：一般为1，期初余额可为多个。After corrections: Projects set up: 1, or many in an opening balance.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `type`, `hour`, `county`, `entry`)
COMMENT '幸福基金：汇总表 hourly。Rollup hourly.';

-- materialized view gulou.funds_hourly_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`funds_hourly_mv`
TO `gulou`.`funds_hourly` AS
SELECT kpart, p.type AS type, toStartOfHour(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai')) AS hour, substring(p.division, 1, 6) AS county, p.data.entry AS entry,
  sum(p.gross) AS gross_count, sum(p.net) AS net_count, sum(p.gross * p.data.amount) AS gross_amount, sum(p.net * p.data.amount) AS net_amount, sum(p.gross * p.data.helped) AS gross_helped, sum(p.net * p.data.helped) AS net_helped, sum(p.gross * p.data.projects) AS gross_projects, sum(p.net * p.data.projects) AS net_projects, max(koff) AS hi
FROM (SELECT kpart, koff, if(status = 'ok' AND net = '', [tuple(1, 1, type, toUnixTimestamp64Milli(time), division, grid, JSONExtract(data, 'Tuple(amount Int64, helped Int64, projects Int64, entry String)'))]::Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(amount Int64, helped Int64, projects Int64, entry String))), if(status = 'ok', JSONExtract(net, 'Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(amount Int64, helped Int64, projects Int64, entry String)))'), [])) AS postings FROM `gulou`.`events_funds`)
LEFT ARRAY JOIN postings AS p
GROUP BY kpart, type, hour, county, entry;

-- target gulou.funds_ledger
CREATE TABLE IF NOT EXISTS `gulou`.`funds_ledger` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `type` LowCardinality(String) COMMENT '事件类型；为空表示未计入。Event type; empty: not counted.',
  `division` LowCardinality(String) COMMENT '统计数据所属的地方。Place of the figures.',
  `source` LowCardinality(String) COMMENT '资金的来源。Where it came from.',
  `use` LowCardinality(String) COMMENT '资金或者项目的用途。What for.',
  `entry` LowCardinality(String) COMMENT '结转的期初余额才填写：计入累计，不计入任何年度的发生额。Set on a balance brought forward: in the totals, in no year\'s movements.',
  `day` Date COMMENT '所属日期，按本市时区。Start of the day, city\'s zone.',
  `gross_count` SimpleAggregateFunction(sum, Int64) COMMENT '原报件次。Events as first filed.',
  `net_count` SimpleAggregateFunction(sum, Int64) COMMENT '更正、作废之后仍有效的件次。Events that still stand after corrections.',
  `gross_amount` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：收到的金额，以分计。As first filed: Received, in fen.',
  `net_amount` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：收到的金额，以分计。After corrections: Received, in fen.',
  `gross_helped` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：得到帮扶的人次。As first filed: People helped, 人次.',
  `net_helped` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：得到帮扶的人次。After corrections: People helped, 人次.',
  `gross_projects` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：立项的项目数：一般为1，期初余额可为多个。As first filed: Projects set up: 1, or many in an opening balance.',
  `net_projects` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：立项的项目数：一般为1，期初余额可为多个。After corrections: Projects set up: 1, or many in an opening balance.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `type`, `division`, `source`, `use`, `entry`, `day`)
COMMENT '幸福基金：汇总表 ledger。Rollup ledger.';

-- materialized view gulou.funds_ledger_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`funds_ledger_mv`
TO `gulou`.`funds_ledger` AS
SELECT kpart, p.type AS type, p.division AS division, p.data.source AS source, p.data.use AS use, p.data.entry AS entry, toDate(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai')) AS day,
  sum(p.gross) AS gross_count, sum(p.net) AS net_count, sum(p.gross * p.data.amount) AS gross_amount, sum(p.net * p.data.amount) AS net_amount, sum(p.gross * p.data.helped) AS gross_helped, sum(p.net * p.data.helped) AS net_helped, sum(p.gross * p.data.projects) AS gross_projects, sum(p.net * p.data.projects) AS net_projects, max(koff) AS hi
FROM (SELECT kpart, koff, if(status = 'ok' AND net = '', [tuple(1, 1, type, toUnixTimestamp64Milli(time), division, grid, JSONExtract(data, 'Tuple(amount Int64, helped Int64, projects Int64, source String, use String, entry String)'))]::Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(amount Int64, helped Int64, projects Int64, source String, use String, entry String))), if(status = 'ok', JSONExtract(net, 'Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(amount Int64, helped Int64, projects Int64, source String, use String, entry String)))'), [])) AS postings FROM `gulou`.`events_funds`)
LEFT ARRAY JOIN postings AS p
GROUP BY kpart, type, division, source, use, entry, day;

-- view gulou_published.funds_by_county_hour
CREATE OR REPLACE VIEW `gulou_published`.`funds_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, entry, hour, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount, sum(t.gross_projects) AS gross_projects, sum(t.net_projects) AS net_projects
FROM `gulou`.`funds_hourly` AS t WHERE type != ''
GROUP BY type, county, entry, hour
COMMENT '幸福基金统计，按事件类型、县市区和小时。Figures by type, county and hour.';

-- view gulou_published.funds_to_date
CREATE OR REPLACE VIEW `gulou_published`.`funds_to_date`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS upto,
  toStartOfDay(upto) AS today, toDateTime(toStartOfMonth(upto), 'Asia/Shanghai') AS month, toDateTime(toStartOfYear(upto), 'Asia/Shanghai') AS year
SELECT type, county, entry, sumIf(t.net_count, t.hour >= today) AS net_count_today, sumIf(t.net_amount, t.hour >= today) AS net_amount_today, sumIf(t.net_projects, t.hour >= today) AS net_projects_today, sumIf(t.net_count, t.hour >= month) AS net_count_month, sumIf(t.net_amount, t.hour >= month) AS net_amount_month, sumIf(t.net_projects, t.hour >= month) AS net_projects_month, sumIf(t.net_count, t.hour >= year) AS net_count_year, sumIf(t.net_amount, t.hour >= year) AS net_amount_year, sumIf(t.net_projects, t.hour >= year) AS net_projects_year
FROM `gulou`.`funds_hourly` AS t
WHERE type != '' AND hour >= year AND hour <= upto
GROUP BY type, county, entry
COMMENT '幸福基金统计，按事件类型和县市区：时刻 `at` 当日、当月和当年截至该小时的合计。Figures by type and county: of the day, month and year of `at`, up to its hour.';

-- view gulou_published.funds_by_county_year
CREATE OR REPLACE VIEW `gulou_published`.`funds_by_county_year`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, toYear(hour) AS year, sum(t.net_helped) AS net_helped
FROM `gulou`.`funds_hourly` AS t
WHERE type != '' AND year < (SELECT max(toYear(hour)) FROM `gulou`.`funds_hourly` WHERE type != '')
GROUP BY type, county, year HAVING net_helped != 0
COMMENT '幸福基金统计，按事件类型、县市区和年份，只含已经过去的年份：有事件发生在其后年份的，该年份即为过去。Figures by type, county and year, of the years that are over: a year is once an event lies in a later one.';

-- view gulou_published.funds_by_township_day
CREATE OR REPLACE VIEW `gulou_published`.`funds_by_township_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(place, 1, 6) AS county, if(length(place) = 9, place, '') AS township,
  source, use, entry, day, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount, sum(t.gross_projects) AS gross_projects, sum(t.net_projects) AS net_projects
FROM `gulou`.`funds_ledger` AS t WHERE type != ''
GROUP BY type, substring(division, 1, 9) AS place, source, use, entry, day
COMMENT '幸福基金统计，按事件类型、乡镇街道和日期。Figures by type, township and day.';

-- view gulou_published.funds_by_village_day
CREATE OR REPLACE VIEW `gulou_published`.`funds_by_village_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  source, use, entry, day,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount, sum(t.gross_projects) AS gross_projects, sum(t.net_projects) AS net_projects
FROM `gulou`.`funds_ledger` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, source, use, entry, day
COMMENT '幸福基金统计，按事件类型、村（社区）和日期。Figures by type, village and day.';

-- view gulou_published.funds_by_village_year
CREATE OR REPLACE VIEW `gulou_published`.`funds_by_village_year`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  source, use, entry, toYear(day) AS year,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount, sum(t.gross_projects) AS gross_projects, sum(t.net_projects) AS net_projects
FROM `gulou`.`funds_ledger` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, source, use, entry, year
COMMENT '幸福基金统计，按事件类型、村（社区）和年份。Figures by type, village and year.';

-- view gulou_published.funds_balances
CREATE OR REPLACE VIEW `gulou_published`.`funds_balances`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(division, 1, 6) AS county,
  if(length(division) >= 9, substring(division, 1, 9), '') AS township,
  if(length(division) = 12, division, '') AS village, source,
  sumIf(net_amount, type = 'fund.contributed') AS raised,
  sumIf(net_amount, type = 'fund.disbursed') AS spent, raised - spent AS balance
FROM `gulou`.`funds_ledger`
WHERE type IN ('fund.contributed', 'fund.disbursed')
  AND day <= toDate(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai'))
GROUP BY division, source
COMMENT '幸福基金的余额，按村（社区）和资金来源，以 `at` 当日终了为准。Balance by village and source, at the end of the day of `at`.';

-- view gulou_desk.funds_by_county_hour
CREATE OR REPLACE VIEW `gulou_desk`.`funds_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, entry, hour, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount, sum(t.gross_helped) AS gross_helped, sum(t.net_helped) AS net_helped, sum(t.gross_projects) AS gross_projects, sum(t.net_projects) AS net_projects
FROM `gulou`.`funds_hourly` AS t WHERE type != ''
GROUP BY type, county, entry, hour
COMMENT '幸福基金统计，按事件类型、县市区和小时。Figures by type, county and hour.';

-- view gulou_desk.funds_to_date
CREATE OR REPLACE VIEW `gulou_desk`.`funds_to_date`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS upto,
  toStartOfDay(upto) AS today, toDateTime(toStartOfMonth(upto), 'Asia/Shanghai') AS month, toDateTime(toStartOfYear(upto), 'Asia/Shanghai') AS year
SELECT type, county, entry, sumIf(t.net_count, t.hour >= today) AS net_count_today, sumIf(t.net_amount, t.hour >= today) AS net_amount_today, sumIf(t.net_helped, t.hour >= today) AS net_helped_today, sumIf(t.net_projects, t.hour >= today) AS net_projects_today, sumIf(t.net_count, t.hour >= month) AS net_count_month, sumIf(t.net_amount, t.hour >= month) AS net_amount_month, sumIf(t.net_helped, t.hour >= month) AS net_helped_month, sumIf(t.net_projects, t.hour >= month) AS net_projects_month, sumIf(t.net_count, t.hour >= year) AS net_count_year, sumIf(t.net_amount, t.hour >= year) AS net_amount_year, sumIf(t.net_helped, t.hour >= year) AS net_helped_year, sumIf(t.net_projects, t.hour >= year) AS net_projects_year
FROM `gulou`.`funds_hourly` AS t
WHERE type != '' AND hour >= year AND hour <= upto
GROUP BY type, county, entry
COMMENT '幸福基金统计，按事件类型和县市区：时刻 `at` 当日、当月和当年截至该小时的合计。Figures by type and county: of the day, month and year of `at`, up to its hour.';

-- view gulou_desk.funds_by_county_year
CREATE OR REPLACE VIEW `gulou_desk`.`funds_by_county_year`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, toYear(hour) AS year, sum(t.net_helped) AS net_helped
FROM `gulou`.`funds_hourly` AS t
WHERE type != '' AND year < (SELECT max(toYear(hour)) FROM `gulou`.`funds_hourly` WHERE type != '')
GROUP BY type, county, year HAVING net_helped != 0
COMMENT '幸福基金统计，按事件类型、县市区和年份，只含已经过去的年份：有事件发生在其后年份的，该年份即为过去。Figures by type, county and year, of the years that are over: a year is once an event lies in a later one.';

-- view gulou_desk.funds_by_township_day
CREATE OR REPLACE VIEW `gulou_desk`.`funds_by_township_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(place, 1, 6) AS county, if(length(place) = 9, place, '') AS township,
  source, use, entry, day, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount, sum(t.gross_helped) AS gross_helped, sum(t.net_helped) AS net_helped, sum(t.gross_projects) AS gross_projects, sum(t.net_projects) AS net_projects
FROM `gulou`.`funds_ledger` AS t WHERE type != ''
GROUP BY type, substring(division, 1, 9) AS place, source, use, entry, day
COMMENT '幸福基金统计，按事件类型、乡镇街道和日期。Figures by type, township and day.';

-- view gulou_desk.funds_by_village_day
CREATE OR REPLACE VIEW `gulou_desk`.`funds_by_village_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  source, use, entry, day,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount, sum(t.gross_helped) AS gross_helped, sum(t.net_helped) AS net_helped, sum(t.gross_projects) AS gross_projects, sum(t.net_projects) AS net_projects
FROM `gulou`.`funds_ledger` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, source, use, entry, day
COMMENT '幸福基金统计，按事件类型、村（社区）和日期。Figures by type, village and day.';

-- view gulou_desk.funds_by_village_year
CREATE OR REPLACE VIEW `gulou_desk`.`funds_by_village_year`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  source, use, entry, toYear(day) AS year,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount, sum(t.gross_helped) AS gross_helped, sum(t.net_helped) AS net_helped, sum(t.gross_projects) AS gross_projects, sum(t.net_projects) AS net_projects
FROM `gulou`.`funds_ledger` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, source, use, entry, year
COMMENT '幸福基金统计，按事件类型、村（社区）和年份。Figures by type, village and year.';

-- view gulou_desk.funds_balances
CREATE OR REPLACE VIEW `gulou_desk`.`funds_balances`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(division, 1, 6) AS county,
  if(length(division) >= 9, substring(division, 1, 9), '') AS township,
  if(length(division) = 12, division, '') AS village, source,
  sumIf(net_amount, type = 'fund.contributed') AS raised,
  sumIf(net_amount, type = 'fund.disbursed') AS spent, raised - spent AS balance
FROM `gulou`.`funds_ledger`
WHERE type IN ('fund.contributed', 'fund.disbursed')
  AND day <= toDate(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai'))
GROUP BY division, source
COMMENT '幸福基金的余额，按村（社区）和资金来源，以 `at` 当日终了为准。Balance by village and source, at the end of the day of `at`.';
