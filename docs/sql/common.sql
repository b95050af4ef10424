-- database gulou
CREATE DATABASE IF NOT EXISTS `gulou` ENGINE = Atomic;

-- database gulou_published
CREATE DATABASE IF NOT EXISTS `gulou_published` ENGINE = Atomic;

-- database gulou_desk
CREATE DATABASE IF NOT EXISTS `gulou_desk` ENGINE = Atomic;

-- table gulou.owner
CREATE TABLE IF NOT EXISTS `gulou`.`owner` (
  `topic` String COMMENT '主题。Topic.',
  `kpart` UInt16 COMMENT 'Kafka 分区。Kafka partition.',
  `tok` UInt64 COMMENT '有权写入的工作进程的令牌，用作栅栏。Token of the worker that may insert: the fence.'
)
ENGINE = Join(ANY, LEFT, topic, kpart) SETTINGS join_any_take_last_row = 1, persistent = 1;

-- table gulou.divisions
CREATE TABLE IF NOT EXISTS `gulou`.`divisions` (
  `code` String COMMENT '6位、9位或者12位区划代码。Code of 6, 9 or 12 digits.',
  `name` String COMMENT '区划名称。Name.',
  `level` String COMMENT '层级：city 市，county 县市区，township 乡镇街道，village 村社区。city, county, township or village.',
  `parent` String COMMENT '上一级区划的代码。Code one level up.',
  `microgrids` UInt32 COMMENT '村（社区）的微网格数，即覆盖率的基数。Micro-grids of a village: the base of coverage.',
  `valid_from` String COMMENT '代码生效的首日。First day the code is valid.',
  `valid_to` String COMMENT '代码失效的首日；仍有效时为空。First day it no longer is; empty while it lasts.'
)
ENGINE = ReplacingMergeTree ORDER BY code;

-- table gulou.heartbeat
CREATE TABLE IF NOT EXISTS `gulou`.`heartbeat` (
  `topic` String COMMENT '主题。Topic.',
  `kpart` UInt16 COMMENT 'Kafka 分区。Kafka partition.',
  `beat` DateTime64(3, 'Asia/Shanghai') COMMENT '工作进程报告的时间。When the worker said so.',
  `lag` Int64 COMMENT 'Kafka 中尚未入库的消息数。Messages in Kafka not yet stored.',
  `watermark` Int64 COMMENT '已入库并计入统计的最大偏移。Highest offset stored and projected.',
  `behind_since` DateTime64(3, 'Asia/Shanghai') COMMENT '消息不间断积压的起始时间；无积压时为1970年。Since when messages have been waiting without a pause; 1970 when none waits.'
)
ENGINE = ReplacingMergeTree(beat) ORDER BY (topic, kpart);

-- table gulou.rebuilds
CREATE TABLE IF NOT EXISTS `gulou`.`rebuilds` (
  `target` String COMMENT '统计表的表名。Table of the projection.',
  `kpart` UInt16 COMMENT 'Kafka 分区。Kafka partition.',
  `pending` Bool COMMENT '其统计数据是否正在清空重算。Whether its figures are being emptied and filled again.',
  `at` UInt64 COMMENT '工作进程的时钟，1970年起的纳秒数；以最后一条为准。Nanoseconds since 1970, the worker\'s clock: the last one holds.'
)
ENGINE = ReplacingMergeTree(at) ORDER BY (target, kpart);

-- table gulou.events
CREATE TABLE IF NOT EXISTS `gulou`.`events` (
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
  `tok` UInt64 COMMENT '写入时持有该分区的工作进程的令牌。Token of the worker that owned the partition when it was stored.'
)
ENGINE = Merge(`gulou`, '^events_')
COMMENT '全部主题的全部消息；_table 是该主题的事实表名。Every message of every topic; _table names the topic\'s table.';

-- view gulou_published.all_by_county_hour
CREATE OR REPLACE VIEW `gulou_published`.`all_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, entry, hour, toInt64(r.net_count) AS net_count, toInt64(r.net_amount) AS net_amount
FROM `gulou`.`funds_hourly` AS r WHERE type != ''
UNION ALL
SELECT type, county, toLowCardinality('') AS entry, hour, toInt64(r.net_count) AS net_count, toInt64(0) AS net_amount
FROM `gulou`.`mediations_hourly` AS r WHERE type != ''
UNION ALL
SELECT type, county, toLowCardinality('') AS entry, hour, toInt64(r.net_count) AS net_count, toInt64(0) AS net_amount
FROM `gulou`.`petitions_hourly` AS r WHERE type != ''
UNION ALL
SELECT type, county, toLowCardinality('') AS entry, hour, toInt64(r.net_count) AS net_count, toInt64(0) AS net_amount
FROM `gulou`.`visits_hourly` AS r WHERE type != ''
COMMENT '各主题更正后的统计，按事件类型、县市区和小时，只含按此口径公布的主题。三者相同的可有多行，应予相加。Net figures of all families that are shown so, by type, county and hour. Several rows may have these the same: add them up.';

-- view gulou_published.all_by_township_day
CREATE OR REPLACE VIEW `gulou_published`.`all_by_township_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  extract(division, '^.{9}') AS township, length(division) = 12 AS village_known,
  entry, day, net_count, net_amount
FROM (
SELECT type, division, entry, day, toInt64(r.net_count) AS net_count, toInt64(r.net_amount) AS net_amount
FROM `gulou`.`funds_ledger` AS r WHERE type != ''
UNION ALL
SELECT type, division, toLowCardinality('') AS entry, day, toInt64(r.net_count) AS net_count, toInt64(0) AS net_amount
FROM `gulou`.`visits_daily` AS r WHERE type != ''
)
COMMENT '各主题更正后的统计，按事件类型、乡镇街道和日期，只含按此口径公布的主题。三者相同的可有多行，应予相加。Net figures of all families that are shown so, by type, township and day. Several rows may have these the same: add them up.';

-- view gulou_published.divisions
CREATE OR REPLACE VIEW `gulou_published`.`divisions`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT code, name, level, parent, microgrids
FROM `gulou`.`divisions` FINAL
COMMENT '本市行政区划。The city\'s divisions.';

-- view gulou_published.labels
CREATE OR REPLACE VIEW `gulou_published`.`labels`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT field, value, zh FROM (SELECT ['channel', 'channel', 'channel', 'channel', 'channel', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'entry', 'form', 'form', 'kind', 'kind', 'kind', 'level', 'level', 'level', 'level', 'matter', 'matter', 'matter', 'matter', 'matter', 'matter', 'mediator', 'mediator', 'mediator', 'mediator', 'mediator', 'mode', 'mode', 'mode', 'mode', 'mode', 'mode', 'mode', 'mode', 'mode', 'origin', 'origin', 'origin', 'origin', 'origin', 'outcome', 'outcome', 'outcome', 'outcome', 'purpose', 'purpose', 'purpose', 'purpose', 'purpose', 'reason', 'reason', 'reason', 'reason', 'result', 'result', 'result', 'role', 'role', 'role', 'role', 'route', 'route', 'route', 'route', 'route', 'route', 'route', 'ruling', 'ruling', 'scale', 'scale', 'scale', 'source', 'source', 'source', 'source', 'to', 'to', 'to', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'use', 'use', 'use', 'verdict', 'verdict', 'verdict', 'why', 'why', 'why'] AS f, ['fax', 'letter', 'network', 'telephone', 'visit', 'business', 'consumer', 'contract', 'damages', 'expropriation', 'forest_land', 'housing_land', 'labour', 'marriage_family', 'medical', 'neighbours', 'other', 'pollution', 'property_management', 'traffic_accident', 'opening', 'oral', 'written', 'accusation', 'appeal', 'suggestion', 'capital', 'city', 'county', 'province', 'dispute', 'environment', 'infrastructure', 'livelihood', 'other', 'policy', 'five_elders', 'full_time', 'lawyer', 'trade', 'volunteer', 'applied', 'assigned', 'court_delegated', 'court_ordinary', 'court_summary', 'initiated', 'passed', 'passed_on', 'reported', 'grid', 'litigation', 'party', 'petition', 'police', 'explained', 'not_possible', 'passed_on', 'settled', 'care', 'dispute', 'policy', 'routine', 'safety', 'already_ended', 'legal_route', 'no_facts', 'not_ours', 'explained', 'not_supported', 'supported', 'cadre', 'grid_member', 'party_member', 'working_party_member', '31.1', '31.2', '31.3', '31.4', '31.5', '31.6', 'none', 'confirmed', 'refused', 'group', 'individual', 'large_group', 'collective', 'donation', 'pledge', 'reward', 'administrative', 'arbitration', 'lawsuit', 'fund.approved', 'fund.contributed', 'fund.disbursed', 'fund.pledged', 'fund.project_closed', 'fund.project_opened', 'fund.reversed', 'mediation.accepted', 'mediation.agreement_reached', 'mediation.breached', 'mediation.confirmation_applied', 'mediation.confirmation_decided', 'mediation.filed', 'mediation.mediator_assigned', 'mediation.performed', 'mediation.referred', 'mediation.session_held', 'mediation.terminated', 'petition.accepted', 'petition.closed', 'petition.extended', 'petition.hearing_held', 'petition.merged', 'petition.not_accepted', 'petition.objected', 'petition.rated', 'petition.recheck_decided', 'petition.recheck_requested', 'petition.registered', 'petition.replied', 'petition.review_decided', 'petition.review_requested', 'petition.transferred', 'petition.urged', 'petition.withdrawn', 'visit.corrected', 'visit.recorded', 'visit.request_closed', 'visit.request_raised', 'visit.voided', 'merit_and_need', 'old_and_young', 'public_good', 'changed', 'revoked', 'upheld', 'not_agreed', 'not_fit', 'party_left'] AS v, ['传真', '书信', '信息网络', '电话', '走访', '生产经营', '消费', '合同', '损害赔偿', '征地拆迁', '山林土地', '房屋宅基地', '劳动争议', '婚姻家庭', '医疗', '邻里', '其他', '环境污染', '物业', '道路交通事故', '期初余额', '口头', '书面', '检举控告', '申诉求决', '建议意见', '进京', '来市', '到县', '赴省', '矛盾纠纷', '环境卫生', '基础设施', '民生保障', '其他', '政策咨询', '五老', '专职调解员', '律师', '行业调解员', '志愿者', '申请', '交办', '法院委派', '法院委托(普通)', '法院委托(简易)', '主动', '移送', '转送', '报请', '网格排查', '诉源', '当事人申请', '访源', '警源', '已解释', '暂不能解决', '已转办', '已解决', '关爱帮扶', '矛盾排查', '政策宣讲', '日常走访', '安全检查', '已复核终结', '导入法定途径', '无实质内容', '不属本机关职权', '解释说明', '不予支持', '支持', '干部', '网格员', '党员', '在职党员', '诉讼类', '仲裁复议类', '党员申诉类', '行政裁决确认许可类', '履行法定职责类', '信访程序', '非申诉求决', '裁定有效', '驳回申请', '一般群体', '个体', '重大群体', '集体经济', '社会捐赠', '自愿认缴', '以奖代补', '行政', '仲裁', '诉讼', '幸福基金审批', '幸福基金筹集', '幸福基金支出', '幸福基金认缴', '幸福基金微公益项目结项', '幸福基金微公益项目立项', '幸福基金冲正', '调解受理', '调解达成协议', '调解未履行', '调解申请司法确认', '调解司法确认裁定', '调解登记', '调解指派', '调解履行', '调解引导', '调解会', '调解终止', '信访受理', '信访办结', '信访延期', '信访听证', '信访并案', '信访不予受理', '信访提出异议', '信访评价', '信访复核意见', '信访申请复核', '信访登记', '信访答复', '信访复查意见', '信访申请复查', '信访转送交办', '信访督办', '信访撤回', '走访更正', '走访登记', '走访诉求办结', '走访诉求登记', '走访作废', '奖优济困', '敬老护幼', '公益服务', '变更', '撤销', '维持', '未达成协议', '不宜调解', '当事人退出'] AS z)
ARRAY JOIN f AS field, v AS value, z AS zh
COMMENT '事件类型和各词汇取值的中文名称。Chinese names of event types and of the values of every vocabulary.';

-- view gulou_published.pipeline
CREATE OR REPLACE VIEW `gulou_published`.`pipeline`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT h.topic AS topic, h.kpart AS kpart, if(messages = 0, NULL, e.stored) AS stored,
  if(messages = 0, NULL, e.newest) AS newest, e.messages AS messages, h.beat AS beat,
  h.lag AS lag, h.behind_since AS behind_since
FROM (SELECT * FROM `gulou`.`heartbeat` FINAL) AS h
LEFT JOIN (
SELECT 'funds' AS topic, kpart, max(koff) AS stored, max(logged) AS newest, count() AS messages FROM `gulou`.`events_funds` GROUP BY kpart
UNION ALL
SELECT 'mediations' AS topic, kpart, max(koff) AS stored, max(logged) AS newest, count() AS messages FROM `gulou`.`events_mediations` GROUP BY kpart
UNION ALL
SELECT 'petitions' AS topic, kpart, max(koff) AS stored, max(logged) AS newest, count() AS messages FROM `gulou`.`events_petitions` GROUP BY kpart
UNION ALL
SELECT 'visits' AS topic, kpart, max(koff) AS stored, max(logged) AS newest, count() AS messages FROM `gulou`.`events_visits` GROUP BY kpart) AS e ON h.topic = e.topic AND h.kpart = e.kpart
COMMENT '各 Kafka 分区的时效：已入库的消息，以及工作进程最近的心跳。Freshness of every Kafka partition: what is stored, and the worker\'s last heartbeat.';

-- view gulou_published.uncounted
CREATE OR REPLACE VIEW `gulou_published`.`uncounted`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT replaceOne(_table, 'events_', '') AS topic, toString(status) AS status,
  splitByChar(':', reason)[1] AS reason, toDate(logged) AS day, count() AS messages
FROM `gulou`.`events` WHERE status != 'ok'
GROUP BY topic, status, reason, day
COMMENT '已入库而未计入统计的消息，按主题、去向、原因和写入日期。Messages that are stored but not counted, by topic, status, reason and day logged.';

-- view gulou_published.messages_by_minute
CREATE OR REPLACE VIEW `gulou_published`.`messages_by_minute`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT replaceOne(_table, 'events_', '') AS topic, toStartOfMinute(logged) AS minute,
  count() AS messages FROM `gulou`.`events` GROUP BY topic, minute
COMMENT '已入库的消息，无论是否计入统计，按主题和写入 Kafka 的分钟。Messages stored, counted or not, by topic and the minute the broker appended them.';

-- view gulou_published.projections
CREATE OR REPLACE VIEW `gulou_published`.`projections`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT topic, projection, kpart, max(u.reached) AS reached, max(u.stored) AS stored
FROM (
SELECT 'funds' AS topic, arrayJoin(['hourly', 'ledger']) AS projection,
  kpart, toInt64(-1) AS reached, stored FROM (SELECT kpart, max(koff) AS stored
  FROM `gulou`.`events_funds` GROUP BY kpart)
UNION ALL
SELECT 'funds', 'hourly', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`funds_hourly` GROUP BY kpart
UNION ALL
SELECT 'funds', 'ledger', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`funds_ledger` GROUP BY kpart
UNION ALL
SELECT 'mediations' AS topic, arrayJoin(['hourly', 'daily', 'cases']) AS projection,
  kpart, toInt64(-1) AS reached, stored FROM (SELECT kpart, max(koff) AS stored
  FROM `gulou`.`events_mediations` GROUP BY kpart)
UNION ALL
SELECT 'mediations', 'hourly', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`mediations_hourly` GROUP BY kpart
UNION ALL
SELECT 'mediations', 'daily', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`mediations_daily` GROUP BY kpart
UNION ALL
SELECT 'mediations', 'cases', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`mediations_cases` GROUP BY kpart
UNION ALL
SELECT 'petitions' AS topic, arrayJoin(['hourly', 'daily', 'cases']) AS projection,
  kpart, toInt64(-1) AS reached, stored FROM (SELECT kpart, max(koff) AS stored
  FROM `gulou`.`events_petitions` GROUP BY kpart)
UNION ALL
SELECT 'petitions', 'hourly', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`petitions_hourly` GROUP BY kpart
UNION ALL
SELECT 'petitions', 'daily', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`petitions_daily` GROUP BY kpart
UNION ALL
SELECT 'petitions', 'cases', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`petitions_cases` GROUP BY kpart
UNION ALL
SELECT 'visits' AS topic, arrayJoin(['hourly', 'daily', 'coverage']) AS projection,
  kpart, toInt64(-1) AS reached, stored FROM (SELECT kpart, max(koff) AS stored
  FROM `gulou`.`events_visits` GROUP BY kpart)
UNION ALL
SELECT 'visits', 'hourly', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`visits_hourly` GROUP BY kpart
UNION ALL
SELECT 'visits', 'daily', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`visits_daily` GROUP BY kpart
UNION ALL
SELECT 'visits', 'coverage', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`visits_coverage` GROUP BY kpart
) AS u
GROUP BY topic, projection, kpart HAVING stored >= 0
COMMENT '各统计表在每个有消息的 Kafka 分区中的进度。How far every projection has got in every Kafka partition that has messages.';

-- view gulou_published.table_parts
CREATE OR REPLACE VIEW `gulou_published`.`table_parts`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT table, count() AS parts, sum(p.rows) AS rows, sum(p.bytes_on_disk) AS bytes,
  max(toTimeZone(p.modification_time, 'UTC')) AS newest
FROM system.parts AS p WHERE p.active AND p.database = 'gulou'
GROUP BY table
COMMENT '各数据表的有效数据块；小块过多表示合并跟不上写入。Active parts of every table: many small ones mean that merges do not keep up.';

-- view gulou_published.recent_events
CREATE OR REPLACE VIEW `gulou_published`.`recent_events`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT toStartOfMinute(logged) AS logged, toStartOfMinute(time) AS time, type,
  substring(division, 1, 6) AS county FROM (
(SELECT logged, time, type, division, status FROM `gulou`.`events_funds`
ORDER BY logged DESC LIMIT 200)
UNION ALL
(SELECT logged, time, type, division, status FROM `gulou`.`events_mediations`
ORDER BY logged DESC LIMIT 200)
UNION ALL
(SELECT logged, time, type, division, status FROM `gulou`.`events_petitions`
ORDER BY logged DESC LIMIT 200)
UNION ALL
(SELECT logged, time, type, division, status FROM `gulou`.`events_visits`
ORDER BY logged DESC LIMIT 200)) WHERE status = 'ok'
COMMENT '各主题最新200条消息中计入统计的事件，地点只到县市区。Of each topic\'s newest 200 messages those that count; county at the narrowest.';

-- view gulou_desk.all_by_county_hour
CREATE OR REPLACE VIEW `gulou_desk`.`all_by_county_hour`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, county, entry, hour, toInt64(r.net_count) AS net_count, toInt64(0) AS net_people, toInt64(r.net_amount) AS net_amount
FROM `gulou`.`funds_hourly` AS r WHERE type != ''
UNION ALL
SELECT type, county, toLowCardinality('') AS entry, hour, toInt64(r.net_count) AS net_count, toInt64(r.net_people) AS net_people, toInt64(r.net_amount) AS net_amount
FROM `gulou`.`mediations_hourly` AS r WHERE type != ''
UNION ALL
SELECT type, county, toLowCardinality('') AS entry, hour, toInt64(r.net_count) AS net_count, toInt64(r.net_people) AS net_people, toInt64(0) AS net_amount
FROM `gulou`.`petitions_hourly` AS r WHERE type != ''
UNION ALL
SELECT type, county, toLowCardinality('') AS entry, hour, toInt64(r.net_count) AS net_count, toInt64(0) AS net_people, toInt64(0) AS net_amount
FROM `gulou`.`visits_hourly` AS r WHERE type != ''
COMMENT '各主题更正后的统计，按事件类型、县市区和小时，只含按此口径公布的主题。三者相同的可有多行，应予相加。Net figures of all families that are shown so, by type, county and hour. Several rows may have these the same: add them up.';

-- view gulou_desk.all_by_township_day
CREATE OR REPLACE VIEW `gulou_desk`.`all_by_township_day`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT type, substring(division, 1, 6) AS county,
  extract(division, '^.{9}') AS township, length(division) = 12 AS village_known,
  entry, day, net_count, net_people, net_amount
FROM (
SELECT type, division, entry, day, toInt64(r.net_count) AS net_count, toInt64(0) AS net_people, toInt64(r.net_amount) AS net_amount
FROM `gulou`.`funds_ledger` AS r WHERE type != ''
UNION ALL
SELECT type, division, toLowCardinality('') AS entry, day, toInt64(r.net_count) AS net_count, toInt64(r.net_people) AS net_people, toInt64(r.net_amount) AS net_amount
FROM `gulou`.`mediations_daily` AS r WHERE type != ''
UNION ALL
SELECT type, division, toLowCardinality('') AS entry, day, toInt64(r.net_count) AS net_count, toInt64(r.net_people) AS net_people, toInt64(0) AS net_amount
FROM `gulou`.`petitions_daily` AS r WHERE type != ''
UNION ALL
SELECT type, division, toLowCardinality('') AS entry, day, toInt64(r.net_count) AS net_count, toInt64(0) AS net_people, toInt64(0) AS net_amount
FROM `gulou`.`visits_daily` AS r WHERE type != ''
)
COMMENT '各主题更正后的统计，按事件类型、乡镇街道和日期，只含按此口径公布的主题。三者相同的可有多行，应予相加。Net figures of all families that are shown so, by type, township and day. Several rows may have these the same: add them up.';

-- view gulou_desk.divisions
CREATE OR REPLACE VIEW `gulou_desk`.`divisions`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT code, name, level, parent, microgrids
FROM `gulou`.`divisions` FINAL
COMMENT '本市行政区划。The city\'s divisions.';

-- view gulou_desk.labels
CREATE OR REPLACE VIEW `gulou_desk`.`labels`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT field, value, zh FROM (SELECT ['channel', 'channel', 'channel', 'channel', 'channel', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'dispute', 'entry', 'form', 'form', 'kind', 'kind', 'kind', 'level', 'level', 'level', 'level', 'matter', 'matter', 'matter', 'matter', 'matter', 'matter', 'mediator', 'mediator', 'mediator', 'mediator', 'mediator', 'mode', 'mode', 'mode', 'mode', 'mode', 'mode', 'mode', 'mode', 'mode', 'origin', 'origin', 'origin', 'origin', 'origin', 'outcome', 'outcome', 'outcome', 'outcome', 'purpose', 'purpose', 'purpose', 'purpose', 'purpose', 'reason', 'reason', 'reason', 'reason', 'result', 'result', 'result', 'role', 'role', 'role', 'role', 'route', 'route', 'route', 'route', 'route', 'route', 'route', 'ruling', 'ruling', 'scale', 'scale', 'scale', 'source', 'source', 'source', 'source', 'to', 'to', 'to', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'type', 'use', 'use', 'use', 'verdict', 'verdict', 'verdict', 'why', 'why', 'why'] AS f, ['fax', 'letter', 'network', 'telephone', 'visit', 'business', 'consumer', 'contract', 'damages', 'expropriation', 'forest_land', 'housing_land', 'labour', 'marriage_family', 'medical', 'neighbours', 'other', 'pollution', 'property_management', 'traffic_accident', 'opening', 'oral', 'written', 'accusation', 'appeal', 'suggestion', 'capital', 'city', 'county', 'province', 'dispute', 'environment', 'infrastructure', 'livelihood', 'other', 'policy', 'five_elders', 'full_time', 'lawyer', 'trade', 'volunteer', 'applied', 'assigned', 'court_delegated', 'court_ordinary', 'court_summary', 'initiated', 'passed', 'passed_on', 'reported', 'grid', 'litigation', 'party', 'petition', 'police', 'explained', 'not_possible', 'passed_on', 'settled', 'care', 'dispute', 'policy', 'routine', 'safety', 'already_ended', 'legal_route', 'no_facts', 'not_ours', 'explained', 'not_supported', 'supported', 'cadre', 'grid_member', 'party_member', 'working_party_member', '31.1', '31.2', '31.3', '31.4', '31.5', '31.6', 'none', 'confirmed', 'refused', 'group', 'individual', 'large_group', 'collective', 'donation', 'pledge', 'reward', 'administrative', 'arbitration', 'lawsuit', 'fund.approved', 'fund.contributed', 'fund.disbursed', 'fund.pledged', 'fund.project_closed', 'fund.project_opened', 'fund.reversed', 'mediation.accepted', 'mediation.agreement_reached', 'mediation.breached', 'mediation.confirmation_applied', 'mediation.confirmation_decided', 'mediation.filed', 'mediation.mediator_assigned', 'mediation.performed', 'mediation.referred', 'mediation.session_held', 'mediation.terminated', 'petition.accepted', 'petition.closed', 'petition.extended', 'petition.hearing_held', 'petition.merged', 'petition.not_accepted', 'petition.objected', 'petition.rated', 'petition.recheck_decided', 'petition.recheck_requested', 'petition.registered', 'petition.replied', 'petition.review_decided', 'petition.review_requested', 'petition.transferred', 'petition.urged', 'petition.withdrawn', 'visit.corrected', 'visit.recorded', 'visit.request_closed', 'visit.request_raised', 'visit.voided', 'merit_and_need', 'old_and_young', 'public_good', 'changed', 'revoked', 'upheld', 'not_agreed', 'not_fit', 'party_left'] AS v, ['传真', '书信', '信息网络', '电话', '走访', '生产经营', '消费', '合同', '损害赔偿', '征地拆迁', '山林土地', '房屋宅基地', '劳动争议', '婚姻家庭', '医疗', '邻里', '其他', '环境污染', '物业', '道路交通事故', '期初余额', '口头', '书面', '检举控告', '申诉求决', '建议意见', '进京', '来市', '到县', '赴省', '矛盾纠纷', '环境卫生', '基础设施', '民生保障', '其他', '政策咨询', '五老', '专职调解员', '律师', '行业调解员', '志愿者', '申请', '交办', '法院委派', '法院委托(普通)', '法院委托(简易)', '主动', '移送', '转送', '报请', '网格排查', '诉源', '当事人申请', '访源', '警源', '已解释', '暂不能解决', '已转办', '已解决', '关爱帮扶', '矛盾排查', '政策宣讲', '日常走访', '安全检查', '已复核终结', '导入法定途径', '无实质内容', '不属本机关职权', '解释说明', '不予支持', '支持', '干部', '网格员', '党员', '在职党员', '诉讼类', '仲裁复议类', '党员申诉类', '行政裁决确认许可类', '履行法定职责类', '信访程序', '非申诉求决', '裁定有效', '驳回申请', '一般群体', '个体', '重大群体', '集体经济', '社会捐赠', '自愿认缴', '以奖代补', '行政', '仲裁', '诉讼', '幸福基金审批', '幸福基金筹集', '幸福基金支出', '幸福基金认缴', '幸福基金微公益项目结项', '幸福基金微公益项目立项', '幸福基金冲正', '调解受理', '调解达成协议', '调解未履行', '调解申请司法确认', '调解司法确认裁定', '调解登记', '调解指派', '调解履行', '调解引导', '调解会', '调解终止', '信访受理', '信访办结', '信访延期', '信访听证', '信访并案', '信访不予受理', '信访提出异议', '信访评价', '信访复核意见', '信访申请复核', '信访登记', '信访答复', '信访复查意见', '信访申请复查', '信访转送交办', '信访督办', '信访撤回', '走访更正', '走访登记', '走访诉求办结', '走访诉求登记', '走访作废', '奖优济困', '敬老护幼', '公益服务', '变更', '撤销', '维持', '未达成协议', '不宜调解', '当事人退出'] AS z)
ARRAY JOIN f AS field, v AS value, z AS zh
COMMENT '事件类型和各词汇取值的中文名称。Chinese names of event types and of the values of every vocabulary.';

-- view gulou_desk.pipeline
CREATE OR REPLACE VIEW `gulou_desk`.`pipeline`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT h.topic AS topic, h.kpart AS kpart, if(messages = 0, NULL, e.stored) AS stored,
  if(messages = 0, NULL, e.newest) AS newest, e.messages AS messages, h.beat AS beat,
  h.lag AS lag, h.behind_since AS behind_since
FROM (SELECT * FROM `gulou`.`heartbeat` FINAL) AS h
LEFT JOIN (
SELECT 'funds' AS topic, kpart, max(koff) AS stored, max(logged) AS newest, count() AS messages FROM `gulou`.`events_funds` GROUP BY kpart
UNION ALL
SELECT 'mediations' AS topic, kpart, max(koff) AS stored, max(logged) AS newest, count() AS messages FROM `gulou`.`events_mediations` GROUP BY kpart
UNION ALL
SELECT 'petitions' AS topic, kpart, max(koff) AS stored, max(logged) AS newest, count() AS messages FROM `gulou`.`events_petitions` GROUP BY kpart
UNION ALL
SELECT 'visits' AS topic, kpart, max(koff) AS stored, max(logged) AS newest, count() AS messages FROM `gulou`.`events_visits` GROUP BY kpart) AS e ON h.topic = e.topic AND h.kpart = e.kpart
COMMENT '各 Kafka 分区的时效：已入库的消息，以及工作进程最近的心跳。Freshness of every Kafka partition: what is stored, and the worker\'s last heartbeat.';

-- view gulou_desk.uncounted
CREATE OR REPLACE VIEW `gulou_desk`.`uncounted`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT replaceOne(_table, 'events_', '') AS topic, toString(status) AS status,
  splitByChar(':', reason)[1] AS reason, toDate(logged) AS day, count() AS messages
FROM `gulou`.`events` WHERE status != 'ok'
GROUP BY topic, status, reason, day
COMMENT '已入库而未计入统计的消息，按主题、去向、原因和写入日期。Messages that are stored but not counted, by topic, status, reason and day logged.';

-- view gulou_desk.messages_by_minute
CREATE OR REPLACE VIEW `gulou_desk`.`messages_by_minute`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT replaceOne(_table, 'events_', '') AS topic, toStartOfMinute(logged) AS minute,
  count() AS messages FROM `gulou`.`events` GROUP BY topic, minute
COMMENT '已入库的消息，无论是否计入统计，按主题和写入 Kafka 的分钟。Messages stored, counted or not, by topic and the minute the broker appended them.';

-- view gulou_desk.projections
CREATE OR REPLACE VIEW `gulou_desk`.`projections`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT topic, projection, kpart, max(u.reached) AS reached, max(u.stored) AS stored
FROM (
SELECT 'funds' AS topic, arrayJoin(['hourly', 'ledger']) AS projection,
  kpart, toInt64(-1) AS reached, stored FROM (SELECT kpart, max(koff) AS stored
  FROM `gulou`.`events_funds` GROUP BY kpart)
UNION ALL
SELECT 'funds', 'hourly', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`funds_hourly` GROUP BY kpart
UNION ALL
SELECT 'funds', 'ledger', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`funds_ledger` GROUP BY kpart
UNION ALL
SELECT 'mediations' AS topic, arrayJoin(['hourly', 'daily', 'cases']) AS projection,
  kpart, toInt64(-1) AS reached, stored FROM (SELECT kpart, max(koff) AS stored
  FROM `gulou`.`events_mediations` GROUP BY kpart)
UNION ALL
SELECT 'mediations', 'hourly', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`mediations_hourly` GROUP BY kpart
UNION ALL
SELECT 'mediations', 'daily', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`mediations_daily` GROUP BY kpart
UNION ALL
SELECT 'mediations', 'cases', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`mediations_cases` GROUP BY kpart
UNION ALL
SELECT 'petitions' AS topic, arrayJoin(['hourly', 'daily', 'cases']) AS projection,
  kpart, toInt64(-1) AS reached, stored FROM (SELECT kpart, max(koff) AS stored
  FROM `gulou`.`events_petitions` GROUP BY kpart)
UNION ALL
SELECT 'petitions', 'hourly', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`petitions_hourly` GROUP BY kpart
UNION ALL
SELECT 'petitions', 'daily', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`petitions_daily` GROUP BY kpart
UNION ALL
SELECT 'petitions', 'cases', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`petitions_cases` GROUP BY kpart
UNION ALL
SELECT 'visits' AS topic, arrayJoin(['hourly', 'daily', 'coverage']) AS projection,
  kpart, toInt64(-1) AS reached, stored FROM (SELECT kpart, max(koff) AS stored
  FROM `gulou`.`events_visits` GROUP BY kpart)
UNION ALL
SELECT 'visits', 'hourly', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`visits_hourly` GROUP BY kpart
UNION ALL
SELECT 'visits', 'daily', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`visits_daily` GROUP BY kpart
UNION ALL
SELECT 'visits', 'coverage', kpart, CAST(max(hi) AS Int64), -1
FROM `gulou`.`visits_coverage` GROUP BY kpart
) AS u
GROUP BY topic, projection, kpart HAVING stored >= 0
COMMENT '各统计表在每个有消息的 Kafka 分区中的进度。How far every projection has got in every Kafka partition that has messages.';

-- view gulou_desk.table_parts
CREATE OR REPLACE VIEW `gulou_desk`.`table_parts`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT table, count() AS parts, sum(p.rows) AS rows, sum(p.bytes_on_disk) AS bytes,
  max(toTimeZone(p.modification_time, 'UTC')) AS newest
FROM system.parts AS p WHERE p.active AND p.database = 'gulou'
GROUP BY table
COMMENT '各数据表的有效数据块；小块过多表示合并跟不上写入。Active parts of every table: many small ones mean that merges do not keep up.';

-- view gulou_desk.recent_events
CREATE OR REPLACE VIEW `gulou_desk`.`recent_events`
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT logged, time, type,
  substring(division, 1, 6) AS county FROM (
(SELECT logged, time, type, division, status FROM `gulou`.`events_funds`
ORDER BY logged DESC LIMIT 200)
UNION ALL
(SELECT logged, time, type, division, status FROM `gulou`.`events_mediations`
ORDER BY logged DESC LIMIT 200)
UNION ALL
(SELECT logged, time, type, division, status FROM `gulou`.`events_petitions`
ORDER BY logged DESC LIMIT 200)
UNION ALL
(SELECT logged, time, type, division, status FROM `gulou`.`events_visits`
ORDER BY logged DESC LIMIT 200)) WHERE status = 'ok'
COMMENT '各主题最新200条消息中计入统计的事件，地点只到县市区。Of each topic\'s newest 200 messages those that count; county at the narrowest.';
