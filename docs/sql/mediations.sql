-- table gulou.events_mediations
CREATE TABLE IF NOT EXISTS `gulou`.`events_mediations` (
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
  CONSTRAINT fenced CHECK tok = joinGet('gulou.owner', 'tok', 'mediations', kpart),
  INDEX id_bloom id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX corrects_bloom corrects TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX logged_range logged TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree ORDER BY (kpart, koff)
COMMENT '调解：主题 mediations 的全部消息，每个偏移一行。Every message of topic mediations, one row an offset.';

-- target gulou.mediations_hourly
CREATE TABLE IF NOT EXISTS `gulou`.`mediations_hourly` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `type` LowCardinality(String) COMMENT '事件类型；为空表示未计入。Event type; empty: not counted.',
  `hour` DateTime('Asia/Shanghai') COMMENT '所属小时，按本市时区。Start of the hour, city\'s zone.',
  `county` LowCardinality(String) COMMENT '统计数据所属的地方。Place of the figures.',
  `dispute` LowCardinality(String) COMMENT '纠纷类型，按全国人民调解统计口径。Type of the national statistics.',
  `gross_count` SimpleAggregateFunction(sum, Int64) COMMENT '原报件次。Events as first filed.',
  `net_count` SimpleAggregateFunction(sum, Int64) COMMENT '更正、作废之后仍有效的件次。Events that still stand after corrections.',
  `gross_people` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：各方当事人的总人数。As first filed: People on all sides.',
  `net_people` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：各方当事人的总人数。After corrections: People on all sides.',
  `gross_amount` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：调解协议涉及的金额，以分计。As first filed: Money the agreement is about, in fen.',
  `net_amount` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：调解协议涉及的金额，以分计。After corrections: Money the agreement is about, in fen.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `type`, `hour`, `county`, `dispute`)
COMMENT '调解：汇总表 hourly。Rollup hourly.';

-- materialized view gulou.mediations_hourly_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`mediations_hourly_mv`
TO `gulou`.`mediations_hourly` AS
SELECT kpart, p.type AS type, toStartOfHour(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai')) AS hour, substring(p.division, 1, 6) AS county, p.data.dispute AS dispute,
  sum(p.gross) AS gross_count, sum(p.net) AS net_count, sum(p.gross * if(p.type IN ('mediation.filed'), p.data.people, 0)) AS gross_people, sum(p.net * if(p.type IN ('mediation.filed'), p.data.people, 0)) AS net_people, sum(p.gross * p.data.amount) AS gross_amount, sum(p.net * p.data.amount) AS net_amount, max(koff) AS hi
FROM (SELECT kpart, koff, if(status = 'ok' AND net = '', [tuple(1, 1, type, toUnixTimestamp64Milli(time), division, grid, JSONExtract(data, 'Tuple(people Int64, amount Int64, dispute String)'))]::Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(people Int64, amount Int64, dispute String))), if(status = 'ok', JSONExtract(net, 'Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(people Int64, amount Int64, dispute String)))'), [])) AS postings FROM `gulou`.`events_mediations`)
LEFT ARRAY JOIN postings AS p
GROUP BY kpart, type, hour, county, dispute;

-- target gulou.mediations_daily
CREATE TABLE IF NOT EXISTS `gulou`.`mediations_daily` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `type` LowCardinality(String) COMMENT '事件类型；为空表示未计入。Event type; empty: not counted.',
  `day` Date COMMENT '所属日期，按本市时区。Start of the day, city\'s zone.',
  `division` LowCardinality(String) COMMENT '统计数据所属的地方。Place of the figures.',
  `gross_count` SimpleAggregateFunction(sum, Int64) COMMENT '原报件次。Events as first filed.',
  `net_count` SimpleAggregateFunction(sum, Int64) COMMENT '更正、作废之后仍有效的件次。Events that still stand after corrections.',
  `gross_people` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：各方当事人的总人数。As first filed: People on all sides.',
  `net_people` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：各方当事人的总人数。After corrections: People on all sides.',
  `gross_amount` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：调解协议涉及的金额，以分计。As first filed: Money the agreement is about, in fen.',
  `net_amount` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：调解协议涉及的金额，以分计。After corrections: Money the agreement is about, in fen.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `type`, `day`, `division`)
COMMENT '调解：汇总表 daily。Rollup daily.';

-- materialized view gulou.mediations_daily_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`mediations_daily_mv`
TO `gulou`.`mediations_daily` AS
SELECT kpart, p.type AS type, toDate(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai')) AS day, p.division AS division,
  sum(p.gross) AS gross_count, sum(p.net) AS net_count, sum(p.gross * if(p.type IN ('mediation.filed'), p.data.people, 0)) AS gross_people, sum(p.net * if(p.type IN ('mediation.filed'), p.data.people, 0)) AS net_people, sum(p.gross * p.data.amount) AS gross_amount, sum(p.net * p.data.amount) AS net_amount, max(koff) AS hi
FROM (SELECT kpart, koff, if(status = 'ok' AND net = '', [tuple(1, 1, type, toUnixTimestamp64Milli(time), division, grid, JSONExtract(data, 'Tuple(people Int64, amount Int64)'))]::Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(people Int64, amount Int64))), if(status = 'ok', JSONExtract(net, 'Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(people Int64, amount Int64)))'), [])) AS postings FROM `gulou`.`events_mediations`)
LEFT ARRAY JOIN postings AS p
GROUP BY kpart, type, day, division;

-- target gulou.mediations_cases
CREATE TABLE IF NOT EXISTS `gulou`.`mediations_cases` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `case` String COMMENT '案件编号；为空表示未计入。Number of the case; empty: not counted.',
  `division` SimpleAggregateFunction(max, String) COMMENT '案件首个事件所在的区划。Place of the first event of the case.',
  `grid` SimpleAggregateFunction(max, String) COMMENT '案件首个事件所在的微网格。Micro-grid of the first event of the case.',
  `events` SimpleAggregateFunction(sum, Int64) COMMENT '案件的事件数。Events of the case.',
  `filed_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“登记”的时间；尚无时为2299年。First mediation.filed; 2299 while there is none.',
  `accepted_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“受理”的时间；尚无时为2299年。First mediation.accepted; 2299 while there is none.',
  `mediator_assigned_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“指派”的时间；尚无时为2299年。First mediation.mediator_assigned; 2299 while there is none.',
  `session_held_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“调解会”的时间；尚无时为2299年。First mediation.session_held; 2299 while there is none.',
  `agreement_reached_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“达成协议”的时间；尚无时为2299年。First mediation.agreement_reached; 2299 while there is none.',
  `terminated_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“终止”的时间；尚无时为2299年。First mediation.terminated; 2299 while there is none.',
  `performed_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“履行”的时间；尚无时为2299年。First mediation.performed; 2299 while there is none.',
  `breached_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“未履行”的时间；尚无时为2299年。First mediation.breached; 2299 while there is none.',
  `confirmation_applied_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“申请司法确认”的时间；尚无时为2299年。First mediation.confirmation_applied; 2299 while there is none.',
  `confirmation_decided_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“司法确认裁定”的时间；尚无时为2299年。First mediation.confirmation_decided; 2299 while there is none.',
  `referred_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“引导”的时间；尚无时为2299年。First mediation.referred; 2299 while there is none.',
  `ended_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次结束的时间；尚无时为2299年。First event that ends it; 2299 while there is none.',
  `dispute` SimpleAggregateFunction(max, String) COMMENT '纠纷类型，按全国人民调解统计口径。Type of the national statistics.',
  `origin` SimpleAggregateFunction(max, String) COMMENT '纠纷的来源；“三源”指诉源、访源、警源。Where it came from; 三源 are 诉源, 访源, 警源.',
  `scale` SimpleAggregateFunction(max, String) COMMENT '纠纷涉及的规模。How many it touches.',
  `people` SimpleAggregateFunction(max, Int64) COMMENT '各方当事人的总人数。People on all sides.',
  `mode` SimpleAggregateFunction(max, String) COMMENT '纠纷进入调解委员会的方式。How it came to the committee.',
  `mediator` SimpleAggregateFunction(max, String) COMMENT '调解员的类别。Who mediates.',
  `form` SimpleAggregateFunction(max, String) COMMENT '书面协议或者口头协议。Written or oral.',
  `amount` SimpleAggregateFunction(max, Int64) COMMENT '调解协议涉及的金额，以分计。Money the agreement is about, in fen.',
  `averted_crime` SimpleAggregateFunction(max, Bool) COMMENT '是否防止了民间纠纷转化为刑事案件。防止民转刑: violence was averted.',
  `averted_group` SimpleAggregateFunction(max, Bool) COMMENT '是否防止了群体性上访。防止群体性上访.',
  `why` SimpleAggregateFunction(max, String) COMMENT '终止调解的原因。Why it ended.',
  `ruling` SimpleAggregateFunction(max, String) COMMENT '法院裁定的结果。What it ruled.',
  `to` SimpleAggregateFunction(max, String) COMMENT '引导当事人去往的途径。Where to.',
  `due_mediate` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“法院委派委托调解”期限届满的时刻，自首次起算；无此期限时为2299年。依据：最高法 2020 民事诉讼程序繁简分流试点；民诉法解释。End of the last day by the first start, 2299 when no such clock runs.',
  `met_mediate` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“法院委派委托调解”首次完成的时间；尚无时为2299年。First event that stops the clock; 2299 while there is none.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `case`)
SETTINGS min_age_to_force_merge_seconds = 120
COMMENT '调解：案件表 cases。CaseFold cases.';

-- materialized view gulou.mediations_cases_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`mediations_cases_mv`
TO `gulou`.`mediations_cases` AS
SELECT kpart,
  if(status = 'ok', key, '') AS case,
  max(if(status = 'ok' AND type = 'mediation.filed', e.division, '')) AS division,
  max(if(status = 'ok' AND type = 'mediation.filed', e.grid, '')) AS grid,
  toInt64(countIf(status = 'ok')) AS events,
  min(if(status = 'ok' AND type IN ('mediation.filed'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS filed_at,
  min(if(status = 'ok' AND type IN ('mediation.accepted'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS accepted_at,
  min(if(status = 'ok' AND type IN ('mediation.mediator_assigned'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS mediator_assigned_at,
  min(if(status = 'ok' AND type IN ('mediation.session_held'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS session_held_at,
  min(if(status = 'ok' AND type IN ('mediation.agreement_reached'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS agreement_reached_at,
  min(if(status = 'ok' AND type IN ('mediation.terminated'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS terminated_at,
  min(if(status = 'ok' AND type IN ('mediation.performed'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS performed_at,
  min(if(status = 'ok' AND type IN ('mediation.breached'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS breached_at,
  min(if(status = 'ok' AND type IN ('mediation.confirmation_applied'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS confirmation_applied_at,
  min(if(status = 'ok' AND type IN ('mediation.confirmation_decided'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS confirmation_decided_at,
  min(if(status = 'ok' AND type IN ('mediation.referred'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS referred_at,
  min(if(status = 'ok' AND type IN ('mediation.agreement_reached', 'mediation.terminated'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS ended_at,
  max(d.dispute) AS dispute,
  max(d.origin) AS origin,
  max(d.scale) AS scale,
  maxIf(d.people, type IN ('mediation.filed')) AS people,
  max(d.mode) AS mode,
  max(d.mediator) AS mediator,
  max(d.form) AS form,
  max(d.amount) AS amount,
  max(d.averted_crime) AS averted_crime,
  max(d.averted_group) AS averted_group,
  max(d.why) AS why,
  max(d.ruling) AS ruling,
  max(d.to) AS to,
  fromUnixTimestamp64Milli(min(if(d.due_mediate != 0, d.due_mediate, toUnixTimestamp64Milli(toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai')))), 'Asia/Shanghai') AS due_mediate,
  min(if(status = 'ok' AND type IN ('mediation.agreement_reached', 'mediation.terminated'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS met_mediate,
  max(koff) AS hi
FROM (SELECT kpart, koff, status, key, type, time, division, grid, JSONExtract(if(status = 'ok', data, ''), 'Tuple(dispute String, origin String, scale String, people Int64, mode String, mediator String, form String, amount Int64, averted_crime Bool, averted_group Bool, why String, ruling String, to String, due_mediate Int64)') AS d FROM `gulou`.`events_mediations`) AS e
GROUP BY kpart, case;

-- view gulou_published.mediations_by_county_hour
CREATE OR REPLACE VIEW `gulou_published`.`mediations_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, hour, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count
FROM `gulou`.`mediations_hourly` AS t WHERE type != ''
GROUP BY type, county, hour
COMMENT '调解统计，按事件类型、县市区和小时。Figures by type, county and hour.';

-- view gulou_published.mediations_to_date
CREATE OR REPLACE VIEW `gulou_published`.`mediations_to_date`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS upto,
  toStartOfDay(upto) AS today, toDateTime(toStartOfMonth(upto), 'Asia/Shanghai') AS month, toDateTime(toStartOfYear(upto), 'Asia/Shanghai') AS year
SELECT type, county, sumIf(t.net_count, t.hour >= today) AS net_count_today, sumIf(t.net_count, t.hour >= month) AS net_count_month, sumIf(t.net_count, t.hour >= year) AS net_count_year
FROM `gulou`.`mediations_hourly` AS t
WHERE type != '' AND hour >= year AND hour <= upto
GROUP BY type, county
COMMENT '调解统计，按事件类型和县市区：时刻 `at` 当日、当月和当年截至该小时的合计。Figures by type and county: of the day, month and year of `at`, up to its hour.';

-- view gulou_published.mediations_by_county_month
CREATE OR REPLACE VIEW `gulou_published`.`mediations_by_county_month`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, toStartOfMonth(hour) AS month, sum(t.net_people) AS net_people, sum(t.net_amount) AS net_amount
FROM `gulou`.`mediations_hourly` AS t
WHERE type != '' AND month < (SELECT max(toStartOfMonth(hour)) FROM `gulou`.`mediations_hourly` WHERE type != '')
GROUP BY type, county, month HAVING net_people != 0 OR net_amount != 0
COMMENT '调解统计，按事件类型、县市区和月份，只含已经过去的月份：有事件发生在其后月份的，该月份即为过去。Figures by type, county and month, of the months that are over: a month is once an event lies in a later one.';

-- view gulou_published.mediations_pending
CREATE OR REPLACE VIEW `gulou_published`.`mediations_pending`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT _place AS county,
  countIf(c.filed_at >= toStartOfDay(_now)) AS begun_today, countIf(c.filed_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, countIf(c.ended_at > _now) AS open_cases, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.agreement_reached_at <= _now) AS agreement_reached_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.terminated_at <= _now) AS terminated_this_year,
  countIf((c.due_mediate <= _now AND c.met_mediate > _now)) AS overdue_cases
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now
GROUP BY _place
COMMENT '调解案件数，按县市区，以时刻 `at` 的状态为准。Cases by county, counted as they stood at the instant `at`.';

-- view gulou_published.mediations_breakdown_before
CREATE OR REPLACE VIEW `gulou_published`.`mediations_breakdown_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT b._place AS county, split, part, sum(b.begun_this_year) AS begun_this_year, sum(b.open_cases) AS open_cases, sum(b.ended_this_year) AS ended_this_year
FROM (SELECT _place, toUInt8(c.filed_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, toUInt8(c.ended_at > _now) AS open_cases, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year,
  ['state', 'begun', 'dispute', 'origin', 'scale', 'mode', 'mediator', 'form', 'averted_crime', 'averted_group', 'why', 'ruling', 'to'] AS splits,
  [multiIf(c.referred_at <= _now, 'referred', c.terminated_at <= _now, 'terminated', c.breached_at <= _now, 'breached', c.performed_at <= _now, 'performed', c.agreement_reached_at <= _now, 'agreed', c.session_held_at <= _now, 'in_session', c.accepted_at <= _now, 'accepted', c.filed_at <= _now, 'filed', ''), if(c.ended_at > _now, toString(toDate(c.filed_at)), ''), toString(CAST(c.dispute AS String)), toString(CAST(c.origin AS String)), toString(CAST(c.scale AS String)), if(c.accepted_at > _now, '', toString(CAST(c.mode AS String))), if(c.mediator_assigned_at > _now, '', toString(CAST(c.mediator AS String))), if(c.agreement_reached_at > _now, '', toString(CAST(c.form AS String))), if(c.agreement_reached_at > _now, '', toString(CAST(c.averted_crime AS Bool))), if(c.agreement_reached_at > _now, '', toString(CAST(c.averted_group AS Bool))), if(c.terminated_at > _now, '', toString(CAST(c.why AS String))), if(c.confirmation_decided_at > _now, '', toString(CAST(c.ruling AS String))), if(c.referred_at > _now, '', toString(CAST(c.to AS String)))] AS parts
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now) AS b
ARRAY JOIN splits AS split, parts AS part
GROUP BY b._place, split, part
COMMENT '调解案件数，按县市区和单个项目，以`at` 上月末的状态为准；每个项目下每案计一次。Cases by county and one property at a time, as they stood at the end of the month before `at`; each property counts every case once.';

-- view gulou_published.mediations_duties
CREATE OR REPLACE VIEW `gulou_published`.`mediations_duties`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT _place AS county, clock, countIf(on_time = 1) AS met,
  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,
  countIf(open = 1 AND on_time IS NULL) AS running,
  minOrNullIf(due, overdue = 1) AS oldest_due
FROM (SELECT _place, clock, open, due, due <= _now AND met > _now AS overdue,
    multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
  FROM (SELECT _place, c.ended_at > _now AS open, _now, _never, ['mediate'] AS clocks, [_mediate_due] AS dues, [c.met_mediate] AS mets, [c.met_mediate] AS really_mets
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place, if(c.accepted_at > _now, _never, c.due_mediate) AS _mediate_due
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never)
GROUP BY _place, clock
COMMENT '调解案件数，按县市区和法定期限，以时刻 `at` 的状态为准。Cases by county and legal clock that runs, counted as they stood at the instant `at`.';

-- view gulou_published.mediations_pending_before
CREATE OR REPLACE VIEW `gulou_published`.`mediations_pending_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township,
  countIf(c.filed_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, countIf(c.ended_at > _now) AS open_cases, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year,
  countIf((c.due_mediate <= _now AND c.met_mediate > _now)) AS overdue_cases
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 9) AS _place
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now
GROUP BY _place
COMMENT '调解案件数，按县市区和乡镇街道，以`at` 上月末的状态为准。Cases by county and township, counted as they stood at the end of the month before `at`.';

-- view gulou_published.mediations_duties_before
CREATE OR REPLACE VIEW `gulou_published`.`mediations_duties_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, clock, countIf(on_time = 1) AS met,
  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,
  countIf(open = 1 AND on_time IS NULL) AS running
FROM (SELECT _place, clock, open, due, due <= _now AND met > _now AS overdue,
    multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
  FROM (SELECT _place, c.ended_at > _now AS open, _now, _never, ['mediate'] AS clocks, [_mediate_due] AS dues, [c.met_mediate] AS mets, [c.met_mediate] AS really_mets
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 9) AS _place, if(c.accepted_at > _now, _never, c.due_mediate) AS _mediate_due
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never)
GROUP BY _place, clock
COMMENT '调解案件数，按县市区、乡镇街道和法定期限，以`at` 上月末的状态为准。Cases by county, township and legal clock that runs, counted as they stood at the end of the month before `at`.';

-- view gulou_desk.mediations_by_county_hour
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, dispute, hour, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_people) AS gross_people, sum(t.net_people) AS net_people, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount
FROM `gulou`.`mediations_hourly` AS t WHERE type != ''
GROUP BY type, county, dispute, hour
COMMENT '调解统计，按事件类型、县市区和小时。Figures by type, county and hour.';

-- view gulou_desk.mediations_to_date
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_to_date`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS upto,
  toStartOfDay(upto) AS today, toDateTime(toStartOfMonth(upto), 'Asia/Shanghai') AS month, toDateTime(toStartOfYear(upto), 'Asia/Shanghai') AS year
SELECT type, county, dispute, sumIf(t.net_count, t.hour >= today) AS net_count_today, sumIf(t.net_people, t.hour >= today) AS net_people_today, sumIf(t.net_amount, t.hour >= today) AS net_amount_today, sumIf(t.net_count, t.hour >= month) AS net_count_month, sumIf(t.net_people, t.hour >= month) AS net_people_month, sumIf(t.net_amount, t.hour >= month) AS net_amount_month, sumIf(t.net_count, t.hour >= year) AS net_count_year, sumIf(t.net_people, t.hour >= year) AS net_people_year, sumIf(t.net_amount, t.hour >= year) AS net_amount_year
FROM `gulou`.`mediations_hourly` AS t
WHERE type != '' AND hour >= year AND hour <= upto
GROUP BY type, county, dispute
COMMENT '调解统计，按事件类型和县市区：时刻 `at` 当日、当月和当年截至该小时的合计。Figures by type and county: of the day, month and year of `at`, up to its hour.';

-- view gulou_desk.mediations_by_county_month
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_by_county_month`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, toStartOfMonth(hour) AS month, sum(t.net_people) AS net_people, sum(t.net_amount) AS net_amount
FROM `gulou`.`mediations_hourly` AS t
WHERE type != '' AND month < (SELECT max(toStartOfMonth(hour)) FROM `gulou`.`mediations_hourly` WHERE type != '')
GROUP BY type, county, month HAVING net_people != 0 OR net_amount != 0
COMMENT '调解统计，按事件类型、县市区和月份，只含已经过去的月份：有事件发生在其后月份的，该月份即为过去。Figures by type, county and month, of the months that are over: a month is once an event lies in a later one.';

-- view gulou_desk.mediations_by_township_day
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_by_township_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(place, 1, 6) AS county, if(length(place) = 9, place, '') AS township,
  day, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_people) AS gross_people, sum(t.net_people) AS net_people, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount
FROM `gulou`.`mediations_daily` AS t WHERE type != ''
GROUP BY type, substring(division, 1, 9) AS place, day
COMMENT '调解统计，按事件类型、乡镇街道和日期。Figures by type, township and day.';

-- view gulou_desk.mediations_by_village_day
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_by_village_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  day,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_people) AS gross_people, sum(t.net_people) AS net_people, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount
FROM `gulou`.`mediations_daily` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, day
COMMENT '调解统计，按事件类型、村（社区）和日期。Figures by type, village and day.';

-- view gulou_desk.mediations_by_village_year
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_by_village_year`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  toYear(day) AS year,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_people) AS gross_people, sum(t.net_people) AS net_people, sum(t.gross_amount) AS gross_amount, sum(t.net_amount) AS net_amount
FROM `gulou`.`mediations_daily` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, year
COMMENT '调解统计，按事件类型、村（社区）和年份。Figures by type, village and year.';

-- view gulou_desk.mediations_pending
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_pending`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township,
  countIf(c.filed_at >= toStartOfDay(_now)) AS begun_today, countIf(c.filed_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, countIf(c.ended_at > _now) AS open_cases, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.agreement_reached_at <= _now) AS agreement_reached_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.terminated_at <= _now) AS terminated_this_year, sumIf(CAST(c.people AS Int64), c.filed_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.filed_at <= _now) AS people_this_year, sumIf(CAST(c.amount AS Int64), c.agreement_reached_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.agreement_reached_at <= _now) AS amount_this_year,
  countIf((c.due_mediate <= _now AND c.met_mediate > _now)) AS overdue_cases
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 9) AS _place
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now
GROUP BY _place
COMMENT '调解案件数，按县市区和乡镇街道，以时刻 `at` 的状态为准。Cases by county and township, counted as they stood at the instant `at`.';

-- view gulou_desk.mediations_breakdown
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_breakdown`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT b._place AS county, split, part, sum(b.begun_today) AS begun_today, sum(b.begun_this_year) AS begun_this_year, sum(b.open_cases) AS open_cases, sum(b.ended_this_year) AS ended_this_year, sum(b.agreement_reached_this_year) AS agreement_reached_this_year, sum(b.terminated_this_year) AS terminated_this_year
FROM (SELECT _place, toUInt8(c.filed_at >= toStartOfDay(_now)) AS begun_today, toUInt8(c.filed_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, toUInt8(c.ended_at > _now) AS open_cases, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.agreement_reached_at <= _now) AS agreement_reached_this_year, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.terminated_at <= _now) AS terminated_this_year,
  ['state', 'begun', 'dispute', 'origin', 'scale', 'mode', 'mediator', 'form', 'averted_crime', 'averted_group', 'why', 'ruling', 'to'] AS splits,
  [multiIf(c.referred_at <= _now, 'referred', c.terminated_at <= _now, 'terminated', c.breached_at <= _now, 'breached', c.performed_at <= _now, 'performed', c.agreement_reached_at <= _now, 'agreed', c.session_held_at <= _now, 'in_session', c.accepted_at <= _now, 'accepted', c.filed_at <= _now, 'filed', ''), if(c.ended_at > _now, toString(toDate(c.filed_at)), ''), toString(CAST(c.dispute AS String)), toString(CAST(c.origin AS String)), toString(CAST(c.scale AS String)), if(c.accepted_at > _now, '', toString(CAST(c.mode AS String))), if(c.mediator_assigned_at > _now, '', toString(CAST(c.mediator AS String))), if(c.agreement_reached_at > _now, '', toString(CAST(c.form AS String))), if(c.agreement_reached_at > _now, '', toString(CAST(c.averted_crime AS Bool))), if(c.agreement_reached_at > _now, '', toString(CAST(c.averted_group AS Bool))), if(c.terminated_at > _now, '', toString(CAST(c.why AS String))), if(c.confirmation_decided_at > _now, '', toString(CAST(c.ruling AS String))), if(c.referred_at > _now, '', toString(CAST(c.to AS String)))] AS parts
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now) AS b
ARRAY JOIN splits AS split, parts AS part
GROUP BY b._place, split, part
COMMENT '调解案件数，按县市区和单个项目，以时刻 `at` 的状态为准；每个项目下每案计一次。Cases by county and one property at a time, as they stood at the instant `at`; each property counts every case once.';

-- view gulou_desk.mediations_breakdown_before
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_breakdown_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT b._place AS county, split, part, sum(b.begun_this_year) AS begun_this_year, sum(b.open_cases) AS open_cases, sum(b.ended_this_year) AS ended_this_year
FROM (SELECT _place, toUInt8(c.filed_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, toUInt8(c.ended_at > _now) AS open_cases, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year,
  ['state', 'begun', 'dispute', 'origin', 'scale', 'mode', 'mediator', 'form', 'averted_crime', 'averted_group', 'why', 'ruling', 'to'] AS splits,
  [multiIf(c.referred_at <= _now, 'referred', c.terminated_at <= _now, 'terminated', c.breached_at <= _now, 'breached', c.performed_at <= _now, 'performed', c.agreement_reached_at <= _now, 'agreed', c.session_held_at <= _now, 'in_session', c.accepted_at <= _now, 'accepted', c.filed_at <= _now, 'filed', ''), if(c.ended_at > _now, toString(toDate(c.filed_at)), ''), toString(CAST(c.dispute AS String)), toString(CAST(c.origin AS String)), toString(CAST(c.scale AS String)), if(c.accepted_at > _now, '', toString(CAST(c.mode AS String))), if(c.mediator_assigned_at > _now, '', toString(CAST(c.mediator AS String))), if(c.agreement_reached_at > _now, '', toString(CAST(c.form AS String))), if(c.agreement_reached_at > _now, '', toString(CAST(c.averted_crime AS Bool))), if(c.agreement_reached_at > _now, '', toString(CAST(c.averted_group AS Bool))), if(c.terminated_at > _now, '', toString(CAST(c.why AS String))), if(c.confirmation_decided_at > _now, '', toString(CAST(c.ruling AS String))), if(c.referred_at > _now, '', toString(CAST(c.to AS String)))] AS parts
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now) AS b
ARRAY JOIN splits AS split, parts AS part
GROUP BY b._place, split, part
COMMENT '调解案件数，按县市区和单个项目，以`at` 上月末的状态为准；每个项目下每案计一次。Cases by county and one property at a time, as they stood at the end of the month before `at`; each property counts every case once.';

-- view gulou_desk.mediations_duties
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_duties`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, clock, countIf(on_time = 1) AS met,
  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,
  countIf(open = 1 AND on_time IS NULL) AS running,
  minOrNullIf(due, overdue = 1) AS oldest_due
FROM (SELECT _place, clock, open, due, due <= _now AND met > _now AS overdue,
    multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
  FROM (SELECT _place, c.ended_at > _now AS open, _now, _never, ['mediate'] AS clocks, [_mediate_due] AS dues, [c.met_mediate] AS mets, [c.met_mediate] AS really_mets
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 9) AS _place, if(c.accepted_at > _now, _never, c.due_mediate) AS _mediate_due
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never)
GROUP BY _place, clock
COMMENT '调解案件数，按县市区和乡镇街道和法定期限，以时刻 `at` 的状态为准。Cases by county and township and legal clock that runs, counted as they stood at the instant `at`.';

-- view gulou_desk.mediations_pending_before
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_pending_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township,
  countIf(c.filed_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, countIf(c.ended_at > _now) AS open_cases, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year,
  countIf((c.due_mediate <= _now AND c.met_mediate > _now)) AS overdue_cases
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 9) AS _place
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now
GROUP BY _place
COMMENT '调解案件数，按县市区和乡镇街道，以`at` 上月末的状态为准。Cases by county and township, counted as they stood at the end of the month before `at`.';

-- view gulou_desk.mediations_duties_before
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_duties_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, clock, countIf(on_time = 1) AS met,
  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,
  countIf(open = 1 AND on_time IS NULL) AS running
FROM (SELECT _place, clock, open, due, due <= _now AND met > _now AS overdue,
    multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
  FROM (SELECT _place, c.ended_at > _now AS open, _now, _never, ['mediate'] AS clocks, [_mediate_due] AS dues, [c.met_mediate] AS mets, [c.met_mediate] AS really_mets
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 9) AS _place, if(c.accepted_at > _now, _never, c.due_mediate) AS _mediate_due
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never)
GROUP BY _place, clock
COMMENT '调解案件数，按县市区、乡镇街道和法定期限，以`at` 上月末的状态为准。Cases by county, township and legal clock that runs, counted as they stood at the end of the month before `at`.';

-- view gulou_desk.mediations_cases
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_cases`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT c.case AS case, substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, multiIf(c.referred_at <= _now, 'referred', c.terminated_at <= _now, 'terminated', c.breached_at <= _now, 'breached', c.performed_at <= _now, 'performed', c.agreement_reached_at <= _now, 'agreed', c.session_held_at <= _now, 'in_session', c.accepted_at <= _now, 'accepted', c.filed_at <= _now, 'filed', '') AS state, c.ended_at > _now AS open, if(c.ended_at > _now, _unknown, c.ended_at) AS ended_at, CAST(c.dispute AS String) AS dispute, CAST(c.origin AS String) AS origin, CAST(c.scale AS String) AS scale, CAST(c.people AS Int64) AS people, if(c.accepted_at > _now, defaultValueOfTypeName('String'), CAST(c.mode AS String)) AS mode, if(c.mediator_assigned_at > _now, defaultValueOfTypeName('String'), CAST(c.mediator AS String)) AS mediator, if(c.agreement_reached_at > _now, defaultValueOfTypeName('String'), CAST(c.form AS String)) AS form, if(c.agreement_reached_at > _now, defaultValueOfTypeName('Int64'), CAST(c.amount AS Int64)) AS amount, if(c.agreement_reached_at > _now, defaultValueOfTypeName('Bool'), CAST(c.averted_crime AS Bool)) AS averted_crime, if(c.agreement_reached_at > _now, defaultValueOfTypeName('Bool'), CAST(c.averted_group AS Bool)) AS averted_group, if(c.terminated_at > _now, defaultValueOfTypeName('String'), CAST(c.why AS String)) AS why, if(c.confirmation_decided_at > _now, defaultValueOfTypeName('String'), CAST(c.ruling AS String)) AS ruling, if(c.referred_at > _now, defaultValueOfTypeName('String'), CAST(c.to AS String)) AS to, if(c.filed_at > _now, _unknown, c.filed_at) AS filed_at, if(c.accepted_at > _now, _unknown, c.accepted_at) AS accepted_at, if(c.mediator_assigned_at > _now, _unknown, c.mediator_assigned_at) AS mediator_assigned_at, if(c.session_held_at > _now, _unknown, c.session_held_at) AS session_held_at, if(c.agreement_reached_at > _now, _unknown, c.agreement_reached_at) AS agreement_reached_at, if(c.terminated_at > _now, _unknown, c.terminated_at) AS terminated_at, if(c.performed_at > _now, _unknown, c.performed_at) AS performed_at, if(c.breached_at > _now, _unknown, c.breached_at) AS breached_at, if(c.confirmation_applied_at > _now, _unknown, c.confirmation_applied_at) AS confirmation_applied_at, if(c.confirmation_decided_at > _now, _unknown, c.confirmation_decided_at) AS confirmation_decided_at, if(c.referred_at > _now, _unknown, c.referred_at) AS referred_at, nullIf(_mediate_due, _never) AS due_mediate, _mediate_due <= _now AND c.met_mediate > _now AS overdue_mediate, multiIf(_mediate_due = _never OR least(c.met_mediate, _mediate_due) > _now, NULL, c.met_mediate >= _mediate_due, 0, 1) AS on_time_mediate
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 9) AS _place, CAST(NULL AS Nullable(DateTime64(3, 'Asia/Shanghai'))) AS _unknown, if(c.accepted_at > _now, _never, c.due_mediate) AS _mediate_due
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now
COMMENT '调解案件，时刻 `at` 之前开始的每案一行，状态以该时刻为准。One row a case begun by the instant `at`, as it stood at that instant.';

-- view gulou_desk.mediations_steps
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_steps`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT c.case AS case, substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township,
  CAST(c.filed_at AS DateTime64(3, 'Asia/Shanghai')) AS begun,
  step.1.3 AS came_from,
  if(step.1.3 = '', NULL, step.1.1) AS since, step.2.3 AS state, step.2.1 AS time
FROM (SELECT *, substring(c.division, 1, 9) AS _place, arraySort(arrayFilter(s -> s.1 < toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'),
    CAST([(c.filed_at, toUInt8(0), 'filed'), (c.accepted_at, toUInt8(1), 'accepted'), (c.session_held_at, toUInt8(2), 'in_session'), (c.agreement_reached_at, toUInt8(3), 'agreed'), (c.performed_at, toUInt8(4), 'performed'), (c.breached_at, toUInt8(5), 'breached'), (c.terminated_at, toUInt8(6), 'terminated'), (c.referred_at, toUInt8(7), 'referred')] AS Array(Tuple(DateTime64(3, 'Asia/Shanghai'), UInt8, String))))) AS taken,
  arrayPopBack(arrayPushFront(taken, (toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'), toUInt8(0), ''))) AS before,
  arrayJoin(arrayZip(before, taken)) AS step
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
COMMENT '调解案件的流转，每案每次进入一个状态为一行；截至某一时刻：`begun` 和 `time` 均不晚于该时刻的各行。One row a case and state it came into. As of an instant: those with `begun` and `time` not after it.';

-- view gulou_desk.mediations_deadlines
CREATE OR REPLACE VIEW `gulou_desk`.`mediations_deadlines`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT case, substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, open, dispute, origin, scale, clock, due,
  due <= _now AND met > _now AS overdue,
  multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
FROM (SELECT c.case AS case, CAST(c.dispute AS String) AS dispute, CAST(c.origin AS String) AS origin, CAST(c.scale AS String) AS scale, _place, c.ended_at > _now AS open, _now, _never, ['mediate'] AS clocks, [_mediate_due] AS dues, [c.met_mediate] AS mets, [c.met_mediate] AS really_mets
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 9) AS _place, if(c.accepted_at > _now, _never, c.due_mediate) AS _mediate_due
FROM `gulou`.`mediations_cases` AS c FINAL) AS c
WHERE c.filed_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never
COMMENT '调解案件的法定期限，每案每项期限一行，状态以时刻 `at` 为准。One row a case and legal clock that runs, as it stood at the instant `at`.';
