-- table gulou.events_petitions
CREATE TABLE IF NOT EXISTS `gulou`.`events_petitions` (
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
  CONSTRAINT fenced CHECK tok = joinGet('gulou.owner', 'tok', 'petitions', kpart),
  INDEX id_bloom id TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX corrects_bloom corrects TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX logged_range logged TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree ORDER BY (kpart, koff)
COMMENT '信访：主题 petitions 的全部消息，每个偏移一行。Every message of topic petitions, one row an offset.';

-- target gulou.petitions_hourly
CREATE TABLE IF NOT EXISTS `gulou`.`petitions_hourly` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `type` LowCardinality(String) COMMENT '事件类型；为空表示未计入。Event type; empty: not counted.',
  `hour` DateTime('Asia/Shanghai') COMMENT '所属小时，按本市时区。Start of the hour, city\'s zone.',
  `county` LowCardinality(String) COMMENT '统计数据所属的地方。Place of the figures.',
  `kind` LowCardinality(String) COMMENT '信访事项的类别（《信访工作条例》第29至31条）。Class of the petition (条例 29-31).',
  `gross_count` SimpleAggregateFunction(sum, Int64) COMMENT '原报件次。Events as first filed.',
  `net_count` SimpleAggregateFunction(sum, Int64) COMMENT '更正、作废之后仍有效的件次。Events that still stand after corrections.',
  `gross_people` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：提出该信访事项的人次。As first filed: People who brought it, 人次.',
  `net_people` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：提出该信访事项的人次。After corrections: People who brought it, 人次.',
  `gross_satisfaction` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：满意度评价，1为很不满意，5为很满意。As first filed: 1 very dissatisfied to 5 very satisfied.',
  `net_satisfaction` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：满意度评价，1为很不满意，5为很满意。After corrections: 1 very dissatisfied to 5 very satisfied.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `type`, `hour`, `county`, `kind`)
COMMENT '信访：汇总表 hourly。Rollup hourly.';

-- materialized view gulou.petitions_hourly_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`petitions_hourly_mv`
TO `gulou`.`petitions_hourly` AS
SELECT kpart, p.type AS type, toStartOfHour(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai')) AS hour, substring(p.division, 1, 6) AS county, p.data.kind AS kind,
  sum(p.gross) AS gross_count, sum(p.net) AS net_count, sum(p.gross * if(p.type IN ('petition.registered'), p.data.people, 0)) AS gross_people, sum(p.net * if(p.type IN ('petition.registered'), p.data.people, 0)) AS net_people, sum(p.gross * p.data.satisfaction) AS gross_satisfaction, sum(p.net * p.data.satisfaction) AS net_satisfaction, max(koff) AS hi
FROM (SELECT kpart, koff, if(status = 'ok' AND net = '', [tuple(1, 1, type, toUnixTimestamp64Milli(time), division, grid, JSONExtract(data, 'Tuple(people Int64, satisfaction Int64, kind String)'))]::Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(people Int64, satisfaction Int64, kind String))), if(status = 'ok', JSONExtract(net, 'Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(people Int64, satisfaction Int64, kind String)))'), [])) AS postings FROM `gulou`.`events_petitions`)
LEFT ARRAY JOIN postings AS p
GROUP BY kpart, type, hour, county, kind;

-- target gulou.petitions_daily
CREATE TABLE IF NOT EXISTS `gulou`.`petitions_daily` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `type` LowCardinality(String) COMMENT '事件类型；为空表示未计入。Event type; empty: not counted.',
  `day` Date COMMENT '所属日期，按本市时区。Start of the day, city\'s zone.',
  `division` LowCardinality(String) COMMENT '统计数据所属的地方。Place of the figures.',
  `gross_count` SimpleAggregateFunction(sum, Int64) COMMENT '原报件次。Events as first filed.',
  `net_count` SimpleAggregateFunction(sum, Int64) COMMENT '更正、作废之后仍有效的件次。Events that still stand after corrections.',
  `gross_people` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：提出该信访事项的人次。As first filed: People who brought it, 人次.',
  `net_people` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：提出该信访事项的人次。After corrections: People who brought it, 人次.',
  `gross_satisfaction` SimpleAggregateFunction(sum, Int64) COMMENT '原报合计：满意度评价，1为很不满意，5为很满意。As first filed: 1 very dissatisfied to 5 very satisfied.',
  `net_satisfaction` SimpleAggregateFunction(sum, Int64) COMMENT '更正后合计：满意度评价，1为很不满意，5为很满意。After corrections: 1 very dissatisfied to 5 very satisfied.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `type`, `day`, `division`)
COMMENT '信访：汇总表 daily。Rollup daily.';

-- materialized view gulou.petitions_daily_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`petitions_daily_mv`
TO `gulou`.`petitions_daily` AS
SELECT kpart, p.type AS type, toDate(fromUnixTimestamp64Milli(p.time, 'Asia/Shanghai')) AS day, if(p.data.kind = 'accusation', substring(p.division, 1, 6), p.division) AS division,
  sum(p.gross) AS gross_count, sum(p.net) AS net_count, sum(p.gross * if(p.type IN ('petition.registered'), p.data.people, 0)) AS gross_people, sum(p.net * if(p.type IN ('petition.registered'), p.data.people, 0)) AS net_people, sum(p.gross * p.data.satisfaction) AS gross_satisfaction, sum(p.net * p.data.satisfaction) AS net_satisfaction, max(koff) AS hi
FROM (SELECT kpart, koff, if(status = 'ok' AND net = '', [tuple(1, 1, type, toUnixTimestamp64Milli(time), division, grid, JSONExtract(data, 'Tuple(people Int64, satisfaction Int64, kind String)'))]::Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(people Int64, satisfaction Int64, kind String))), if(status = 'ok', JSONExtract(net, 'Array(Tuple(gross Int64, net Int64, type String, time Int64, division String, grid String, data Tuple(people Int64, satisfaction Int64, kind String)))'), [])) AS postings FROM `gulou`.`events_petitions`)
LEFT ARRAY JOIN postings AS p
GROUP BY kpart, type, day, division;

-- target gulou.petitions_cases
CREATE TABLE IF NOT EXISTS `gulou`.`petitions_cases` (
  `kpart` UInt16 COMMENT '统计数据所来自的 Kafka 分区。Kafka partition the figures come from.',
  `case` String COMMENT '案件编号；为空表示未计入。Number of the case; empty: not counted.',
  `division` SimpleAggregateFunction(max, String) COMMENT '案件首个事件所在的区划。Place of the first event of the case.',
  `grid` SimpleAggregateFunction(max, String) COMMENT '案件首个事件所在的微网格。Micro-grid of the first event of the case.',
  `events` SimpleAggregateFunction(sum, Int64) COMMENT '案件的事件数。Events of the case.',
  `registered_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“登记”的时间；尚无时为2299年。First petition.registered; 2299 while there is none.',
  `transferred_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“转送交办”的时间；尚无时为2299年。First petition.transferred; 2299 while there is none.',
  `accepted_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“受理”的时间；尚无时为2299年。First petition.accepted; 2299 while there is none.',
  `not_accepted_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“不予受理”的时间；尚无时为2299年。First petition.not_accepted; 2299 while there is none.',
  `objected_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“提出异议”的时间；尚无时为2299年。First petition.objected; 2299 while there is none.',
  `extended_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“延期”的时间；尚无时为2299年。First petition.extended; 2299 while there is none.',
  `hearing_held_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“听证”的时间；尚无时为2299年。First petition.hearing_held; 2299 while there is none.',
  `replied_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“答复”的时间；尚无时为2299年。First petition.replied; 2299 while there is none.',
  `closed_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“办结”的时间；尚无时为2299年。First petition.closed; 2299 while there is none.',
  `rated_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“评价”的时间；尚无时为2299年。First petition.rated; 2299 while there is none.',
  `review_requested_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“申请复查”的时间；尚无时为2299年。First petition.review_requested; 2299 while there is none.',
  `review_decided_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“复查意见”的时间；尚无时为2299年。First petition.review_decided; 2299 while there is none.',
  `recheck_requested_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“申请复核”的时间；尚无时为2299年。First petition.recheck_requested; 2299 while there is none.',
  `recheck_decided_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“复核意见”的时间；尚无时为2299年。First petition.recheck_decided; 2299 while there is none.',
  `withdrawn_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“撤回”的时间；尚无时为2299年。First petition.withdrawn; 2299 while there is none.',
  `merged_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“并案”的时间；尚无时为2299年。First petition.merged; 2299 while there is none.',
  `urged_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次“督办”的时间；尚无时为2299年。First petition.urged; 2299 while there is none.',
  `ended_at` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '首次结束的时间；尚无时为2299年。First event that ends it; 2299 while there is none.',
  `kind` SimpleAggregateFunction(max, String) COMMENT '信访事项的类别（《信访工作条例》第29至31条）。Class of the petition (条例 29-31).',
  `channel` SimpleAggregateFunction(max, String) COMMENT '信访人提出信访事项的渠道（《信访工作条例》第17条）。How it came (条例 17).',
  `level` SimpleAggregateFunction(max, String) COMMENT '信访事项提出到哪一级。Where it was brought.',
  `people` SimpleAggregateFunction(max, Int64) COMMENT '提出该信访事项的人次。People who brought it, 人次.',
  `repeated` SimpleAggregateFunction(max, Bool) COMMENT '是否重件：同一事项此前已经提出过。重件: the same matter was brought before.',
  `petitioner` SimpleAggregateFunction(max, String) COMMENT '提出信访事项的人，以假名表示。Who brought it; a pseudonym.',
  `category` SimpleAggregateFunction(max, String) COMMENT '本市内容分类目录中的一级分类。First-level class of the city\'s own list.',
  `content` SimpleAggregateFunction(max, String) COMMENT '标题与内容的带密钥摘要值，用于发现内容相同的信访件。Keyed digest of subject and text.',
  `route` SimpleAggregateFunction(max, String) COMMENT '办理途径（《信访工作条例》第31条）；只有申诉求决有办理途径。Route of 条例 31 it takes; only an appeal has one.',
  `reason` SimpleAggregateFunction(max, String) COMMENT '不予受理的原因。Why not.',
  `result` SimpleAggregateFunction(max, String) COMMENT '对信访诉求的处理意见。What was decided.',
  `satisfaction` SimpleAggregateFunction(max, Int64) COMMENT '满意度评价，1为很不满意，5为很满意。1 very dissatisfied to 5 very satisfied.',
  `county_only` SimpleAggregateFunction(max, UInt8) COMMENT '案件中有只公布到县级的事件时为1。1 when any event of the case is never shown below the county.',
  `due_transfer` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“转送”期限届满的时刻，自首次起算；无此期限时为2299年。依据：信访工作条例 22。End of the last day by the first start, 2299 when no such clock runs.',
  `met_transfer` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“转送”首次完成的时间；尚无时为2299年。First event that stops the clock; 2299 while there is none.',
  `due_notice` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“受理告知”期限届满的时刻，自首次起算；无此期限时为2299年。依据：信访工作条例 23。End of the last day by the first start, 2299 when no such clock runs.',
  `due_notice_moved` SimpleAggregateFunction(maxMap, Tuple(Array(DateTime64(3, 'Asia/Shanghai')), Array(DateTime64(3, 'Asia/Shanghai')))) COMMENT '可延后期限的各事件所定“受理告知”期限届满的时刻，按事件发生的时间。依据：信访工作条例 23。End of the last day as set by each event that may put it off, by its time.',
  `met_notice` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“受理告知”首次完成的时间；尚无时为2299年。First event that stops the clock; 2299 while there is none.',
  `due_close` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“办结”期限届满的时刻，自首次起算；无此期限时为2299年。依据：信访工作条例 34。End of the last day by the first start, 2299 when no such clock runs.',
  `due_close_moved` SimpleAggregateFunction(maxMap, Tuple(Array(DateTime64(3, 'Asia/Shanghai')), Array(DateTime64(3, 'Asia/Shanghai')))) COMMENT '可延后期限的各事件所定“办结”期限届满的时刻，按事件发生的时间。依据：信访工作条例 34。End of the last day as set by each event that may put it off, by its time.',
  `met_close` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“办结”首次完成的时间；尚无时为2299年。First event that stops the clock; 2299 while there is none.',
  `due_review` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“复查”期限届满的时刻，自首次起算；无此期限时为2299年。依据：信访工作条例 35。End of the last day by the first start, 2299 when no such clock runs.',
  `met_review` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“复查”首次完成的时间；尚无时为2299年。First event that stops the clock; 2299 while there is none.',
  `due_recheck` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“复核”期限届满的时刻，自首次起算；无此期限时为2299年。依据：信访工作条例 36。End of the last day by the first start, 2299 when no such clock runs.',
  `met_recheck` SimpleAggregateFunction(min, DateTime64(3, 'Asia/Shanghai')) COMMENT '“复核”首次完成的时间；尚无时为2299年。First event that stops the clock; 2299 while there is none.',
  `hi` SimpleAggregateFunction(max, Int64) COMMENT '本 Kafka 分区已见的最大偏移，即水位。Highest offset seen of this Kafka partition: watermark.' CODEC(T64, LZ4)
)
ENGINE = AggregatingMergeTree ORDER BY (`kpart`, `case`)
SETTINGS min_age_to_force_merge_seconds = 120
COMMENT '信访：案件表 cases。CaseFold cases.';

-- materialized view gulou.petitions_cases_mv
CREATE MATERIALIZED VIEW IF NOT EXISTS `gulou`.`petitions_cases_mv`
TO `gulou`.`petitions_cases` AS
SELECT kpart,
  if(status = 'ok', key, '') AS case,
  max(if(status = 'ok' AND type = 'petition.registered', e.division, '')) AS division,
  max(if(status = 'ok' AND type = 'petition.registered', e.grid, '')) AS grid,
  toInt64(countIf(status = 'ok')) AS events,
  min(if(status = 'ok' AND type IN ('petition.registered'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS registered_at,
  min(if(status = 'ok' AND type IN ('petition.transferred'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS transferred_at,
  min(if(status = 'ok' AND type IN ('petition.accepted'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS accepted_at,
  min(if(status = 'ok' AND type IN ('petition.not_accepted'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS not_accepted_at,
  min(if(status = 'ok' AND type IN ('petition.objected'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS objected_at,
  min(if(status = 'ok' AND type IN ('petition.extended'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS extended_at,
  min(if(status = 'ok' AND type IN ('petition.hearing_held'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS hearing_held_at,
  min(if(status = 'ok' AND type IN ('petition.replied'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS replied_at,
  min(if(status = 'ok' AND type IN ('petition.closed'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS closed_at,
  min(if(status = 'ok' AND type IN ('petition.rated'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS rated_at,
  min(if(status = 'ok' AND type IN ('petition.review_requested'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS review_requested_at,
  min(if(status = 'ok' AND type IN ('petition.review_decided'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS review_decided_at,
  min(if(status = 'ok' AND type IN ('petition.recheck_requested'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS recheck_requested_at,
  min(if(status = 'ok' AND type IN ('petition.recheck_decided'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS recheck_decided_at,
  min(if(status = 'ok' AND type IN ('petition.withdrawn'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS withdrawn_at,
  min(if(status = 'ok' AND type IN ('petition.merged'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS merged_at,
  min(if(status = 'ok' AND type IN ('petition.urged'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS urged_at,
  min(if(status = 'ok' AND type IN ('petition.closed', 'petition.withdrawn', 'petition.merged', 'petition.not_accepted'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS ended_at,
  max(d.kind) AS kind,
  max(d.channel) AS channel,
  max(d.level) AS level,
  maxIf(d.people, type IN ('petition.registered')) AS people,
  max(d.repeated) AS repeated,
  max(d.petitioner) AS petitioner,
  max(d.category) AS category,
  max(d.content) AS content,
  max(d.route) AS route,
  max(d.reason) AS reason,
  max(d.result) AS result,
  max(d.satisfaction) AS satisfaction,
  max(d.kind = 'accusation') AS county_only,
  fromUnixTimestamp64Milli(min(if(d.due_transfer != 0, d.due_transfer, toUnixTimestamp64Milli(toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai')))), 'Asia/Shanghai') AS due_transfer,
  min(if(status = 'ok' AND type IN ('petition.transferred', 'petition.accepted', 'petition.replied', 'petition.closed', 'petition.withdrawn', 'petition.merged', 'petition.not_accepted'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS met_transfer,
  fromUnixTimestamp64Milli(min(if(d.due_notice != 0, d.due_notice, toUnixTimestamp64Milli(toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai')))), 'Asia/Shanghai') AS due_notice,
  maxMapIf([time], [fromUnixTimestamp64Milli(d.due_notice, 'Asia/Shanghai')], d.due_notice != 0) AS due_notice_moved,
  min(if(status = 'ok' AND type IN ('petition.accepted', 'petition.replied', 'petition.closed', 'petition.withdrawn', 'petition.merged', 'petition.not_accepted'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS met_notice,
  fromUnixTimestamp64Milli(min(if(d.due_close != 0 AND NOT type = 'petition.extended', d.due_close, toUnixTimestamp64Milli(toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai')))), 'Asia/Shanghai') AS due_close,
  maxMapIf([time], [fromUnixTimestamp64Milli(d.due_close, 'Asia/Shanghai')], d.due_close != 0 AND type = 'petition.extended') AS due_close_moved,
  min(if(status = 'ok' AND type IN ('petition.replied', 'petition.closed', 'petition.withdrawn', 'petition.merged', 'petition.not_accepted'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS met_close,
  fromUnixTimestamp64Milli(min(if(d.due_review != 0, d.due_review, toUnixTimestamp64Milli(toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai')))), 'Asia/Shanghai') AS due_review,
  min(if(status = 'ok' AND type IN ('petition.review_decided', 'petition.closed', 'petition.withdrawn', 'petition.merged', 'petition.not_accepted'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS met_review,
  fromUnixTimestamp64Milli(min(if(d.due_recheck != 0, d.due_recheck, toUnixTimestamp64Milli(toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai')))), 'Asia/Shanghai') AS due_recheck,
  min(if(status = 'ok' AND type IN ('petition.recheck_decided', 'petition.closed', 'petition.withdrawn', 'petition.merged', 'petition.not_accepted'), time, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'))) AS met_recheck,
  max(koff) AS hi
FROM (SELECT kpart, koff, status, key, type, time, division, grid, JSONExtract(if(status = 'ok', data, ''), 'Tuple(kind String, channel String, level String, people Int64, repeated Bool, petitioner String, category String, content String, route String, reason String, result String, satisfaction Int64, due_transfer Int64, due_notice Int64, due_close Int64, due_review Int64, due_recheck Int64)') AS d FROM `gulou`.`events_petitions`) AS e
GROUP BY kpart, case;

-- view gulou_published.petitions_by_county_hour
CREATE OR REPLACE VIEW `gulou_published`.`petitions_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, hour, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count
FROM `gulou`.`petitions_hourly` AS t WHERE type != ''
GROUP BY type, county, hour
COMMENT '信访统计，按事件类型、县市区和小时。Figures by type, county and hour.';

-- view gulou_published.petitions_to_date
CREATE OR REPLACE VIEW `gulou_published`.`petitions_to_date`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS upto,
  toStartOfDay(upto) AS today, toDateTime(toStartOfMonth(upto), 'Asia/Shanghai') AS month, toDateTime(toStartOfYear(upto), 'Asia/Shanghai') AS year
SELECT type, county, sumIf(t.net_count, t.hour >= today) AS net_count_today, sumIf(t.net_count, t.hour >= month) AS net_count_month, sumIf(t.net_count, t.hour >= year) AS net_count_year
FROM `gulou`.`petitions_hourly` AS t
WHERE type != '' AND hour >= year AND hour <= upto
GROUP BY type, county
COMMENT '信访统计，按事件类型和县市区：时刻 `at` 当日、当月和当年截至该小时的合计。Figures by type and county: of the day, month and year of `at`, up to its hour.';

-- view gulou_published.petitions_by_county_month
CREATE OR REPLACE VIEW `gulou_published`.`petitions_by_county_month`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, toStartOfMonth(hour) AS month, sum(t.net_people) AS net_people, sum(t.net_satisfaction) AS net_satisfaction
FROM `gulou`.`petitions_hourly` AS t
WHERE type != '' AND month < (SELECT max(toStartOfMonth(hour)) FROM `gulou`.`petitions_hourly` WHERE type != '')
GROUP BY type, county, month HAVING net_people != 0 OR net_satisfaction != 0
COMMENT '信访统计，按事件类型、县市区和月份，只含已经过去的月份：有事件发生在其后月份的，该月份即为过去。Figures by type, county and month, of the months that are over: a month is once an event lies in a later one.';

-- view gulou_published.petitions_pending
CREATE OR REPLACE VIEW `gulou_published`.`petitions_pending`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT _place AS county,
  countIf(c.registered_at >= toStartOfDay(_now)) AS begun_today, countIf(c.registered_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, countIf(c.ended_at > _now) AS open_cases, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.closed_at <= _now) AS closed_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.withdrawn_at <= _now) AS withdrawn_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.merged_at <= _now) AS merged_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.not_accepted_at <= _now) AS not_accepted_this_year,
  countIf((c.due_transfer <= _now AND c.met_transfer > _now) OR (_notice_latest > _none AND _notice_latest <= _now AND c.met_notice > _now) OR (_close_latest > _none AND _close_latest <= _now AND c.met_close > _now) OR (c.due_review <= _now AND c.met_review > _now) OR (c.due_recheck <= _now AND c.met_recheck > _now)) AS overdue_cases
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now
GROUP BY _place
COMMENT '信访案件数，按县市区，以时刻 `at` 的状态为准。Cases by county, counted as they stood at the instant `at`.';

-- view gulou_published.petitions_breakdown_before
CREATE OR REPLACE VIEW `gulou_published`.`petitions_breakdown_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT b._place AS county, split, part, sum(b.begun_this_year) AS begun_this_year, sum(b.open_cases) AS open_cases, sum(b.ended_this_year) AS ended_this_year
FROM (SELECT _place, toUInt8(c.registered_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, toUInt8(c.ended_at > _now) AS open_cases, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year,
  ['state', 'begun', 'kind', 'channel', 'level', 'repeated', 'route', 'reason', 'result'] AS splits,
  [multiIf(c.withdrawn_at <= _now, 'withdrawn', c.merged_at <= _now, 'merged', c.not_accepted_at <= _now, 'not_accepted', c.closed_at <= _now, 'closed', c.recheck_decided_at <= _now, 'rechecked', c.recheck_requested_at <= _now, 'in_recheck', c.review_decided_at <= _now, 'reviewed', c.review_requested_at <= _now, 'in_review', c.replied_at <= _now, 'replied', c.accepted_at <= _now, 'accepted', c.transferred_at <= _now, 'transferred', c.registered_at <= _now, 'registered', ''), if(c.ended_at > _now, toString(toDate(c.registered_at)), ''), toString(CAST(c.kind AS String)), toString(CAST(c.channel AS String)), toString(CAST(c.level AS String)), toString(CAST(c.repeated AS Bool)), if(least(c.accepted_at, c.extended_at) > _now, '', toString(CAST(c.route AS String))), if(c.not_accepted_at > _now, '', toString(CAST(c.reason AS String))), if(c.replied_at > _now, '', toString(CAST(c.result AS String)))] AS parts
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now) AS b
ARRAY JOIN splits AS split, parts AS part
GROUP BY b._place, split, part
COMMENT '信访案件数，按县市区和单个项目，以`at` 上月末的状态为准；每个项目下每案计一次。Cases by county and one property at a time, as they stood at the end of the month before `at`; each property counts every case once.';

-- view gulou_published.petitions_duties
CREATE OR REPLACE VIEW `gulou_published`.`petitions_duties`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT _place AS county, clock, countIf(on_time = 1) AS met,
  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,
  countIf(open = 1 AND on_time IS NULL) AS running,
  minOrNullIf(due, overdue = 1) AS oldest_due
FROM (SELECT _place, clock, open, due, due <= _now AND met > _now AS overdue,
    multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
  FROM (SELECT _place, c.ended_at > _now AS open, _now, _never, ['transfer', 'notice', 'close', 'review', 'recheck'] AS clocks, [_transfer_due, _notice_due, _close_due, _review_due, _recheck_due] AS dues, [c.met_transfer, c.met_notice, c.met_close, c.met_review, c.met_recheck] AS mets, [least(c.transferred_at, c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.replied_at, c.closed_at), least(c.review_decided_at, c.closed_at, c.not_accepted_at), least(c.recheck_decided_at, c.closed_at, c.not_accepted_at)] AS really_mets
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place, if(c.registered_at > _now, _never, c.due_transfer) AS _transfer_due, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, if(_notice_latest = _none, _never, _notice_latest) AS _notice_due, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest, if(_close_latest = _none, _never, _close_latest) AS _close_due, if(c.review_requested_at > _now, _never, c.due_review) AS _review_due, if(c.recheck_requested_at > _now, _never, c.due_recheck) AS _recheck_due
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never)
GROUP BY _place, clock
COMMENT '信访案件数，按县市区和法定期限，以时刻 `at` 的状态为准。Cases by county and legal clock that runs, counted as they stood at the instant `at`.';

-- view gulou_published.petitions_pending_before
CREATE OR REPLACE VIEW `gulou_published`.`petitions_pending_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township,
  countIf(c.registered_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, countIf(c.ended_at > _now) AS open_cases, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year,
  countIf((c.due_transfer <= _now AND c.met_transfer > _now) OR (_notice_latest > _none AND _notice_latest <= _now AND c.met_notice > _now) OR (_close_latest > _none AND _close_latest <= _now AND c.met_close > _now) OR (c.due_review <= _now AND c.met_review > _now) OR (c.due_recheck <= _now AND c.met_recheck > _now)) AS overdue_cases
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, if(c.county_only = 1, 6, 9)) AS _place, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now
GROUP BY _place
COMMENT '信访案件数，按县市区和乡镇街道，以`at` 上月末的状态为准。Cases by county and township, counted as they stood at the end of the month before `at`.';

-- view gulou_published.petitions_duties_before
CREATE OR REPLACE VIEW `gulou_published`.`petitions_duties_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, clock, countIf(on_time = 1) AS met,
  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,
  countIf(open = 1 AND on_time IS NULL) AS running
FROM (SELECT _place, clock, open, due, due <= _now AND met > _now AS overdue,
    multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
  FROM (SELECT _place, c.ended_at > _now AS open, _now, _never, ['transfer', 'notice', 'close', 'review', 'recheck'] AS clocks, [_transfer_due, _notice_due, _close_due, _review_due, _recheck_due] AS dues, [c.met_transfer, c.met_notice, c.met_close, c.met_review, c.met_recheck] AS mets, [least(c.transferred_at, c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.replied_at, c.closed_at), least(c.review_decided_at, c.closed_at, c.not_accepted_at), least(c.recheck_decided_at, c.closed_at, c.not_accepted_at)] AS really_mets
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, if(c.county_only = 1, 6, 9)) AS _place, if(c.registered_at > _now, _never, c.due_transfer) AS _transfer_due, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, if(_notice_latest = _none, _never, _notice_latest) AS _notice_due, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest, if(_close_latest = _none, _never, _close_latest) AS _close_due, if(c.review_requested_at > _now, _never, c.due_review) AS _review_due, if(c.recheck_requested_at > _now, _never, c.due_recheck) AS _recheck_due
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never)
GROUP BY _place, clock
COMMENT '信访案件数，按县市区、乡镇街道和法定期限，以`at` 上月末的状态为准。Cases by county, township and legal clock that runs, counted as they stood at the end of the month before `at`.';

-- view gulou_desk.petitions_by_county_hour
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, kind, hour, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_people) AS gross_people, sum(t.net_people) AS net_people, sum(t.gross_satisfaction) AS gross_satisfaction, sum(t.net_satisfaction) AS net_satisfaction
FROM `gulou`.`petitions_hourly` AS t WHERE type != ''
GROUP BY type, county, kind, hour
COMMENT '信访统计，按事件类型、县市区和小时。Figures by type, county and hour.';

-- view gulou_desk.petitions_to_date
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_to_date`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS upto,
  toStartOfDay(upto) AS today, toDateTime(toStartOfMonth(upto), 'Asia/Shanghai') AS month, toDateTime(toStartOfYear(upto), 'Asia/Shanghai') AS year
SELECT type, county, kind, sumIf(t.net_count, t.hour >= today) AS net_count_today, sumIf(t.net_people, t.hour >= today) AS net_people_today, sumIf(t.net_satisfaction, t.hour >= today) AS net_satisfaction_today, sumIf(t.net_count, t.hour >= month) AS net_count_month, sumIf(t.net_people, t.hour >= month) AS net_people_month, sumIf(t.net_satisfaction, t.hour >= month) AS net_satisfaction_month, sumIf(t.net_count, t.hour >= year) AS net_count_year, sumIf(t.net_people, t.hour >= year) AS net_people_year, sumIf(t.net_satisfaction, t.hour >= year) AS net_satisfaction_year
FROM `gulou`.`petitions_hourly` AS t
WHERE type != '' AND hour >= year AND hour <= upto
GROUP BY type, county, kind
COMMENT '信访统计，按事件类型和县市区：时刻 `at` 当日、当月和当年截至该小时的合计。Figures by type and county: of the day, month and year of `at`, up to its hour.';

-- view gulou_desk.petitions_by_county_month
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_by_county_month`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, toStartOfMonth(hour) AS month, sum(t.net_people) AS net_people, sum(t.net_satisfaction) AS net_satisfaction
FROM `gulou`.`petitions_hourly` AS t
WHERE type != '' AND month < (SELECT max(toStartOfMonth(hour)) FROM `gulou`.`petitions_hourly` WHERE type != '')
GROUP BY type, county, month HAVING net_people != 0 OR net_satisfaction != 0
COMMENT '信访统计，按事件类型、县市区和月份，只含已经过去的月份：有事件发生在其后月份的，该月份即为过去。Figures by type, county and month, of the months that are over: a month is once an event lies in a later one.';

-- view gulou_desk.petitions_by_township_day
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_by_township_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(place, 1, 6) AS county, if(length(place) = 9, place, '') AS township,
  day, sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_people) AS gross_people, sum(t.net_people) AS net_people, sum(t.gross_satisfaction) AS gross_satisfaction, sum(t.net_satisfaction) AS net_satisfaction
FROM `gulou`.`petitions_daily` AS t WHERE type != ''
GROUP BY type, substring(division, 1, 9) AS place, day
COMMENT '信访统计，按事件类型、乡镇街道和日期。Figures by type, township and day.';

-- view gulou_desk.petitions_by_village_day
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_by_village_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  day,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_people) AS gross_people, sum(t.net_people) AS net_people, sum(t.gross_satisfaction) AS gross_satisfaction, sum(t.net_satisfaction) AS net_satisfaction
FROM `gulou`.`petitions_daily` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, day
COMMENT '信访统计，按事件类型、村（社区）和日期。Figures by type, village and day.';

-- view gulou_desk.petitions_by_village_year
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_by_village_year`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  substring(division, 1, 9) AS township, division AS village,
  toYear(day) AS year,
  sum(t.gross_count) AS gross_count, sum(t.net_count) AS net_count, sum(t.gross_people) AS gross_people, sum(t.net_people) AS net_people, sum(t.gross_satisfaction) AS gross_satisfaction, sum(t.net_satisfaction) AS net_satisfaction
FROM `gulou`.`petitions_daily` AS t
WHERE type != '' AND length(division) = 12
GROUP BY type, county, township, village, year
COMMENT '信访统计，按事件类型、村（社区）和年份。Figures by type, village and year.';

-- view gulou_desk.petitions_pending
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_pending`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township,
  countIf(c.registered_at >= toStartOfDay(_now)) AS begun_today, countIf(c.registered_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, countIf(c.ended_at > _now) AS open_cases, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.closed_at <= _now) AS closed_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.withdrawn_at <= _now) AS withdrawn_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.merged_at <= _now) AS merged_this_year, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.not_accepted_at <= _now) AS not_accepted_this_year, sumIf(CAST(c.people AS Int64), c.registered_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.registered_at <= _now) AS people_this_year, sumIf(CAST(c.satisfaction AS Int64), c.rated_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.rated_at <= _now) AS satisfaction_this_year,
  countIf((c.due_transfer <= _now AND c.met_transfer > _now) OR (_notice_latest > _none AND _notice_latest <= _now AND c.met_notice > _now) OR (_close_latest > _none AND _close_latest <= _now AND c.met_close > _now) OR (c.due_review <= _now AND c.met_review > _now) OR (c.due_recheck <= _now AND c.met_recheck > _now)) AS overdue_cases
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, if(c.county_only = 1, 6, 9)) AS _place, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now
GROUP BY _place
COMMENT '信访案件数，按县市区和乡镇街道，以时刻 `at` 的状态为准。Cases by county and township, counted as they stood at the instant `at`.';

-- view gulou_desk.petitions_breakdown
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_breakdown`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT b._place AS county, split, part, sum(b.begun_today) AS begun_today, sum(b.begun_this_year) AS begun_this_year, sum(b.open_cases) AS open_cases, sum(b.ended_this_year) AS ended_this_year, sum(b.closed_this_year) AS closed_this_year, sum(b.withdrawn_this_year) AS withdrawn_this_year, sum(b.merged_this_year) AS merged_this_year, sum(b.not_accepted_this_year) AS not_accepted_this_year
FROM (SELECT _place, toUInt8(c.registered_at >= toStartOfDay(_now)) AS begun_today, toUInt8(c.registered_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, toUInt8(c.ended_at > _now) AS open_cases, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.closed_at <= _now) AS closed_this_year, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.withdrawn_at <= _now) AS withdrawn_this_year, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.merged_at <= _now) AS merged_this_year, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now AND c.not_accepted_at <= _now) AS not_accepted_this_year,
  ['state', 'begun', 'kind', 'channel', 'level', 'repeated', 'route', 'reason', 'result'] AS splits,
  [multiIf(c.withdrawn_at <= _now, 'withdrawn', c.merged_at <= _now, 'merged', c.not_accepted_at <= _now, 'not_accepted', c.closed_at <= _now, 'closed', c.recheck_decided_at <= _now, 'rechecked', c.recheck_requested_at <= _now, 'in_recheck', c.review_decided_at <= _now, 'reviewed', c.review_requested_at <= _now, 'in_review', c.replied_at <= _now, 'replied', c.accepted_at <= _now, 'accepted', c.transferred_at <= _now, 'transferred', c.registered_at <= _now, 'registered', ''), if(c.ended_at > _now, toString(toDate(c.registered_at)), ''), toString(CAST(c.kind AS String)), toString(CAST(c.channel AS String)), toString(CAST(c.level AS String)), toString(CAST(c.repeated AS Bool)), if(least(c.accepted_at, c.extended_at) > _now, '', toString(CAST(c.route AS String))), if(c.not_accepted_at > _now, '', toString(CAST(c.reason AS String))), if(c.replied_at > _now, '', toString(CAST(c.result AS String)))] AS parts
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now) AS b
ARRAY JOIN splits AS split, parts AS part
GROUP BY b._place, split, part
COMMENT '信访案件数，按县市区和单个项目，以时刻 `at` 的状态为准；每个项目下每案计一次。Cases by county and one property at a time, as they stood at the instant `at`; each property counts every case once.';

-- view gulou_desk.petitions_breakdown_before
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_breakdown_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT b._place AS county, split, part, sum(b.begun_this_year) AS begun_this_year, sum(b.open_cases) AS open_cases, sum(b.ended_this_year) AS ended_this_year
FROM (SELECT _place, toUInt8(c.registered_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, toUInt8(c.ended_at > _now) AS open_cases, toUInt8(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year,
  ['state', 'begun', 'kind', 'channel', 'level', 'repeated', 'route', 'reason', 'result'] AS splits,
  [multiIf(c.withdrawn_at <= _now, 'withdrawn', c.merged_at <= _now, 'merged', c.not_accepted_at <= _now, 'not_accepted', c.closed_at <= _now, 'closed', c.recheck_decided_at <= _now, 'rechecked', c.recheck_requested_at <= _now, 'in_recheck', c.review_decided_at <= _now, 'reviewed', c.review_requested_at <= _now, 'in_review', c.replied_at <= _now, 'replied', c.accepted_at <= _now, 'accepted', c.transferred_at <= _now, 'transferred', c.registered_at <= _now, 'registered', ''), if(c.ended_at > _now, toString(toDate(c.registered_at)), ''), toString(CAST(c.kind AS String)), toString(CAST(c.channel AS String)), toString(CAST(c.level AS String)), toString(CAST(c.repeated AS Bool)), if(least(c.accepted_at, c.extended_at) > _now, '', toString(CAST(c.route AS String))), if(c.not_accepted_at > _now, '', toString(CAST(c.reason AS String))), if(c.replied_at > _now, '', toString(CAST(c.result AS String)))] AS parts
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, 6) AS _place
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now) AS b
ARRAY JOIN splits AS split, parts AS part
GROUP BY b._place, split, part
COMMENT '信访案件数，按县市区和单个项目，以`at` 上月末的状态为准；每个项目下每案计一次。Cases by county and one property at a time, as they stood at the end of the month before `at`; each property counts every case once.';

-- view gulou_desk.petitions_duties
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_duties`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, clock, countIf(on_time = 1) AS met,
  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,
  countIf(open = 1 AND on_time IS NULL) AS running,
  minOrNullIf(due, overdue = 1) AS oldest_due
FROM (SELECT _place, clock, open, due, due <= _now AND met > _now AS overdue,
    multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
  FROM (SELECT _place, c.ended_at > _now AS open, _now, _never, ['transfer', 'notice', 'close', 'review', 'recheck'] AS clocks, [_transfer_due, _notice_due, _close_due, _review_due, _recheck_due] AS dues, [c.met_transfer, c.met_notice, c.met_close, c.met_review, c.met_recheck] AS mets, [least(c.transferred_at, c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.replied_at, c.closed_at), least(c.review_decided_at, c.closed_at, c.not_accepted_at), least(c.recheck_decided_at, c.closed_at, c.not_accepted_at)] AS really_mets
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, if(c.county_only = 1, 6, 9)) AS _place, if(c.registered_at > _now, _never, c.due_transfer) AS _transfer_due, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, if(_notice_latest = _none, _never, _notice_latest) AS _notice_due, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest, if(_close_latest = _none, _never, _close_latest) AS _close_due, if(c.review_requested_at > _now, _never, c.due_review) AS _review_due, if(c.recheck_requested_at > _now, _never, c.due_recheck) AS _recheck_due
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never)
GROUP BY _place, clock
COMMENT '信访案件数，按县市区和乡镇街道和法定期限，以时刻 `at` 的状态为准。Cases by county and township and legal clock that runs, counted as they stood at the instant `at`.';

-- view gulou_desk.petitions_pending_before
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_pending_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township,
  countIf(c.registered_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai')) AS begun_this_year, countIf(c.ended_at > _now) AS open_cases, countIf(c.ended_at >= toDateTime(toStartOfYear(_now), 'Asia/Shanghai') AND c.ended_at <= _now) AS ended_this_year,
  countIf((c.due_transfer <= _now AND c.met_transfer > _now) OR (_notice_latest > _none AND _notice_latest <= _now AND c.met_notice > _now) OR (_close_latest > _none AND _close_latest <= _now AND c.met_close > _now) OR (c.due_review <= _now AND c.met_review > _now) OR (c.due_recheck <= _now AND c.met_recheck > _now)) AS overdue_cases
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, if(c.county_only = 1, 6, 9)) AS _place, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now
GROUP BY _place
COMMENT '信访案件数，按县市区和乡镇街道，以`at` 上月末的状态为准。Cases by county and township, counted as they stood at the end of the month before `at`.';

-- view gulou_desk.petitions_duties_before
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_duties_before`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, clock, countIf(on_time = 1) AS met,
  countIf(on_time = 0 AND overdue = 0) AS late, countIf(overdue = 1) AS past,
  countIf(open = 1 AND on_time IS NULL) AS running
FROM (SELECT _place, clock, open, due, due <= _now AND met > _now AS overdue,
    multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
  FROM (SELECT _place, c.ended_at > _now AS open, _now, _never, ['transfer', 'notice', 'close', 'review', 'recheck'] AS clocks, [_transfer_due, _notice_due, _close_due, _review_due, _recheck_due] AS dues, [c.met_transfer, c.met_notice, c.met_close, c.met_review, c.met_recheck] AS mets, [least(c.transferred_at, c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.replied_at, c.closed_at), least(c.review_decided_at, c.closed_at, c.not_accepted_at), least(c.recheck_decided_at, c.closed_at, c.not_accepted_at)] AS really_mets
FROM (SELECT *, toDateTime64(toStartOfMonth(fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai')), 3, 'Asia/Shanghai') - toIntervalMillisecond(1) AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, if(c.county_only = 1, 6, 9)) AS _place, if(c.registered_at > _now, _never, c.due_transfer) AS _transfer_due, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, if(_notice_latest = _none, _never, _notice_latest) AS _notice_due, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest, if(_close_latest = _none, _never, _close_latest) AS _close_due, if(c.review_requested_at > _now, _never, c.due_review) AS _review_due, if(c.recheck_requested_at > _now, _never, c.due_recheck) AS _recheck_due
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never)
GROUP BY _place, clock
COMMENT '信访案件数，按县市区、乡镇街道和法定期限，以`at` 上月末的状态为准。Cases by county, township and legal clock that runs, counted as they stood at the end of the month before `at`.';

-- view gulou_desk.petitions_cases
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_cases`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT c.case AS case, substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, multiIf(c.withdrawn_at <= _now, 'withdrawn', c.merged_at <= _now, 'merged', c.not_accepted_at <= _now, 'not_accepted', c.closed_at <= _now, 'closed', c.recheck_decided_at <= _now, 'rechecked', c.recheck_requested_at <= _now, 'in_recheck', c.review_decided_at <= _now, 'reviewed', c.review_requested_at <= _now, 'in_review', c.replied_at <= _now, 'replied', c.accepted_at <= _now, 'accepted', c.transferred_at <= _now, 'transferred', c.registered_at <= _now, 'registered', '') AS state, c.ended_at > _now AS open, if(c.ended_at > _now, _unknown, c.ended_at) AS ended_at, CAST(c.kind AS String) AS kind, CAST(c.channel AS String) AS channel, CAST(c.level AS String) AS level, CAST(c.people AS Int64) AS people, CAST(c.repeated AS Bool) AS repeated, CAST(c.category AS String) AS category, if(least(c.accepted_at, c.extended_at) > _now, defaultValueOfTypeName('String'), CAST(c.route AS String)) AS route, if(c.not_accepted_at > _now, defaultValueOfTypeName('String'), CAST(c.reason AS String)) AS reason, if(c.replied_at > _now, defaultValueOfTypeName('String'), CAST(c.result AS String)) AS result, if(c.rated_at > _now, defaultValueOfTypeName('Int64'), CAST(c.satisfaction AS Int64)) AS satisfaction, if(c.registered_at > _now, _unknown, c.registered_at) AS registered_at, if(c.transferred_at > _now, _unknown, c.transferred_at) AS transferred_at, if(c.accepted_at > _now, _unknown, c.accepted_at) AS accepted_at, if(c.not_accepted_at > _now, _unknown, c.not_accepted_at) AS not_accepted_at, if(c.objected_at > _now, _unknown, c.objected_at) AS objected_at, if(c.extended_at > _now, _unknown, c.extended_at) AS extended_at, if(c.hearing_held_at > _now, _unknown, c.hearing_held_at) AS hearing_held_at, if(c.replied_at > _now, _unknown, c.replied_at) AS replied_at, if(c.closed_at > _now, _unknown, c.closed_at) AS closed_at, if(c.rated_at > _now, _unknown, c.rated_at) AS rated_at, if(c.review_requested_at > _now, _unknown, c.review_requested_at) AS review_requested_at, if(c.review_decided_at > _now, _unknown, c.review_decided_at) AS review_decided_at, if(c.recheck_requested_at > _now, _unknown, c.recheck_requested_at) AS recheck_requested_at, if(c.recheck_decided_at > _now, _unknown, c.recheck_decided_at) AS recheck_decided_at, if(c.withdrawn_at > _now, _unknown, c.withdrawn_at) AS withdrawn_at, if(c.merged_at > _now, _unknown, c.merged_at) AS merged_at, if(c.urged_at > _now, _unknown, c.urged_at) AS urged_at, nullIf(_transfer_due, _never) AS due_transfer, _transfer_due <= _now AND c.met_transfer > _now AS overdue_transfer, multiIf(_transfer_due = _never OR least(c.met_transfer, _transfer_due) > _now, NULL, c.met_transfer >= _transfer_due, 0, c.met_transfer < least(c.transferred_at, c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), NULL, 1) AS on_time_transfer, nullIf(_notice_due, _never) AS due_notice, _notice_due <= _now AND c.met_notice > _now AS overdue_notice, multiIf(_notice_due = _never OR least(c.met_notice, _notice_due) > _now, NULL, c.met_notice >= _notice_due, 0, c.met_notice < least(c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), NULL, 1) AS on_time_notice, nullIf(_close_due, _never) AS due_close, _close_due <= _now AND c.met_close > _now AS overdue_close, multiIf(_close_due = _never OR least(c.met_close, _close_due) > _now, NULL, c.met_close >= _close_due, 0, c.met_close < least(c.replied_at, c.closed_at), NULL, 1) AS on_time_close, nullIf(_review_due, _never) AS due_review, _review_due <= _now AND c.met_review > _now AS overdue_review, multiIf(_review_due = _never OR least(c.met_review, _review_due) > _now, NULL, c.met_review >= _review_due, 0, c.met_review < least(c.review_decided_at, c.closed_at, c.not_accepted_at), NULL, 1) AS on_time_review, nullIf(_recheck_due, _never) AS due_recheck, _recheck_due <= _now AND c.met_recheck > _now AS overdue_recheck, multiIf(_recheck_due = _never OR least(c.met_recheck, _recheck_due) > _now, NULL, c.met_recheck >= _recheck_due, 0, c.met_recheck < least(c.recheck_decided_at, c.closed_at, c.not_accepted_at), NULL, 1) AS on_time_recheck
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, if(c.county_only = 1, 6, 9)) AS _place, CAST(NULL AS Nullable(DateTime64(3, 'Asia/Shanghai'))) AS _unknown, if(c.registered_at > _now, _never, c.due_transfer) AS _transfer_due, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, if(_notice_latest = _none, _never, _notice_latest) AS _notice_due, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest, if(_close_latest = _none, _never, _close_latest) AS _close_due, if(c.review_requested_at > _now, _never, c.due_review) AS _review_due, if(c.recheck_requested_at > _now, _never, c.due_recheck) AS _recheck_due
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now
COMMENT '信访案件，时刻 `at` 之前开始的每案一行，状态以该时刻为准。One row a case begun by the instant `at`, as it stood at that instant.';

-- view gulou_desk.petitions_steps
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_steps`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT c.case AS case, substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township,
  CAST(c.registered_at AS DateTime64(3, 'Asia/Shanghai')) AS begun,
  step.1.3 AS came_from,
  if(step.1.3 = '', NULL, step.1.1) AS since, step.2.3 AS state, step.2.1 AS time
FROM (SELECT *, substring(c.division, 1, if(c.county_only = 1, 6, 9)) AS _place, arraySort(arrayFilter(s -> s.1 < toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'),
    CAST([(c.registered_at, toUInt8(0), 'registered'), (c.transferred_at, toUInt8(1), 'transferred'), (c.accepted_at, toUInt8(2), 'accepted'), (c.replied_at, toUInt8(3), 'replied'), (c.review_requested_at, toUInt8(4), 'in_review'), (c.review_decided_at, toUInt8(5), 'reviewed'), (c.recheck_requested_at, toUInt8(6), 'in_recheck'), (c.recheck_decided_at, toUInt8(7), 'rechecked'), (c.closed_at, toUInt8(8), 'closed'), (c.not_accepted_at, toUInt8(9), 'not_accepted'), (c.merged_at, toUInt8(10), 'merged'), (c.withdrawn_at, toUInt8(11), 'withdrawn')] AS Array(Tuple(DateTime64(3, 'Asia/Shanghai'), UInt8, String))))) AS taken,
  arrayPopBack(arrayPushFront(taken, (toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai'), toUInt8(0), ''))) AS before,
  arrayJoin(arrayZip(before, taken)) AS step
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
COMMENT '信访案件的流转，每案每次进入一个状态为一行；截至某一时刻：`begun` 和 `time` 均不晚于该时刻的各行。One row a case and state it came into. As of an instant: those with `begun` and `time` not after it.';

-- view gulou_desk.petitions_deadlines
CREATE OR REPLACE VIEW `gulou_desk`.`petitions_deadlines`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT case, substring(_place, 1, 6) AS county, if(length(_place) = 9, _place, '') AS township, open, kind, channel, level, clock, due,
  due <= _now AND met > _now AS overdue,
  multiIf(due = _never OR least(met, due) > _now, NULL, met >= due, 0, met < really_met, NULL, 1) AS on_time
FROM (SELECT c.case AS case, CAST(c.kind AS String) AS kind, CAST(c.channel AS String) AS channel, CAST(c.level AS String) AS level, _place, c.ended_at > _now AS open, _now, _never, ['transfer', 'notice', 'close', 'review', 'recheck'] AS clocks, [_transfer_due, _notice_due, _close_due, _review_due, _recheck_due] AS dues, [c.met_transfer, c.met_notice, c.met_close, c.met_review, c.met_recheck] AS mets, [least(c.transferred_at, c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.accepted_at, c.replied_at, c.closed_at, c.not_accepted_at), least(c.replied_at, c.closed_at), least(c.review_decided_at, c.closed_at, c.not_accepted_at), least(c.recheck_decided_at, c.closed_at, c.not_accepted_at)] AS really_mets
FROM (SELECT *, fromUnixTimestamp64Milli({at:Int64}, 'Asia/Shanghai') AS _now, toDateTime64('2299-01-01 00:00:00.000', 3, 'Asia/Shanghai') AS _never, toDateTime64(0, 3, 'Asia/Shanghai') AS _none, substring(c.division, 1, if(c.county_only = 1, 6, 9)) AS _place, if(c.registered_at > _now, _never, c.due_transfer) AS _transfer_due, greatest(if(c.transferred_at > _now OR c.due_notice = _never, _none, c.due_notice), arrayMax((at, due) -> if(at > _now, _none, due), c.due_notice_moved.1, c.due_notice_moved.2)) AS _notice_latest, if(_notice_latest = _none, _never, _notice_latest) AS _notice_due, greatest(if(c.accepted_at > _now OR c.due_close = _never, _none, c.due_close), arrayMax((at, due) -> if(at > _now, _none, due), c.due_close_moved.1, c.due_close_moved.2)) AS _close_latest, if(_close_latest = _none, _never, _close_latest) AS _close_due, if(c.review_requested_at > _now, _never, c.due_review) AS _review_due, if(c.recheck_requested_at > _now, _never, c.due_recheck) AS _recheck_due
FROM `gulou`.`petitions_cases` AS c FINAL) AS c
WHERE c.registered_at <= _now)
ARRAY JOIN clocks AS clock, dues AS due, mets AS met, really_mets AS really_met
WHERE due < _never
COMMENT '信访案件的法定期限，每案每项期限一行，状态以时刻 `at` 为准。One row a case and legal clock that runs, as it stood at the instant `at`.';
