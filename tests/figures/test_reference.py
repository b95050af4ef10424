"""The published lists: divisions with their micro-grids, and the words of every vocabulary."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from schemas.reference.divisions import SHIPPED

if TYPE_CHECKING:
    from tests.town import Town

DATA = SHIPPED.parent
LEVEL = {6: "county", 9: "township", 12: "village"}
TYPES = {
    "visit.recorded": "走访登记",
    "visit.corrected": "走访更正",
    "visit.voided": "走访作废",
    "visit.request_raised": "走访诉求登记",
    "visit.request_closed": "走访诉求办结",
    "petition.registered": "信访登记",
    "petition.transferred": "信访转送交办",
    "petition.accepted": "信访受理",
    "petition.not_accepted": "信访不予受理",
    "petition.objected": "信访提出异议",
    "petition.extended": "信访延期",
    "petition.hearing_held": "信访听证",
    "petition.replied": "信访答复",
    "petition.closed": "信访办结",
    "petition.rated": "信访评价",
    "petition.review_requested": "信访申请复查",
    "petition.review_decided": "信访复查意见",
    "petition.recheck_requested": "信访申请复核",
    "petition.recheck_decided": "信访复核意见",
    "petition.withdrawn": "信访撤回",
    "petition.merged": "信访并案",
    "petition.urged": "信访督办",
    "mediation.filed": "调解登记",
    "mediation.accepted": "调解受理",
    "mediation.mediator_assigned": "调解指派",
    "mediation.session_held": "调解会",
    "mediation.agreement_reached": "调解达成协议",
    "mediation.terminated": "调解终止",
    "mediation.performed": "调解履行",
    "mediation.breached": "调解未履行",
    "mediation.confirmation_applied": "调解申请司法确认",
    "mediation.confirmation_decided": "调解司法确认裁定",
    "mediation.referred": "调解引导",
    "fund.contributed": "幸福基金筹集",
    "fund.pledged": "幸福基金认缴",
    "fund.approved": "幸福基金审批",
    "fund.disbursed": "幸福基金支出",
    "fund.project_opened": "幸福基金微公益项目立项",
    "fund.project_closed": "幸福基金微公益项目结项",
    "fund.reversed": "幸福基金冲正",
}
"""An event's Chinese name is prefixed with its family's, unless it already contains it."""

VOCABULARIES = {
    "role": "grid_member 网格员 party_member 党员 working_party_member 在职党员 cadre 干部",
    "purpose": "routine 日常走访 care 关爱帮扶 policy 政策宣讲 dispute 矛盾排查 safety 安全检查",
    "matter": "livelihood 民生保障 infrastructure 基础设施 environment 环境卫生 "
    "policy 政策咨询 dispute 矛盾纠纷 other 其他",
    "outcome": "settled 已解决 explained 已解释 passed_on 已转办 not_possible 暂不能解决",
    "kind": "suggestion 建议意见 accusation 检举控告 appeal 申诉求决",
    "channel": "network 信息网络 letter 书信 telephone 电话 fax 传真 visit 走访",
    "level": "county 到县 city 来市 province 赴省 capital 进京",
    "route": "31.1 诉讼类 31.2 仲裁复议类 31.3 党员申诉类 31.4 行政裁决确认许可类 "
    "31.5 履行法定职责类 31.6 信访程序 none 非申诉求决",
    "result": "supported 支持 explained 解释说明 not_supported 不予支持",
    "verdict": "upheld 维持 changed 变更 revoked 撤销",
    "reason": "not_ours 不属本机关职权 legal_route 导入法定途径 already_ended 已复核终结 "
    "no_facts 无实质内容",
    "dispute": "marriage_family 婚姻家庭 neighbours 邻里 housing_land 房屋宅基地 contract 合同 "
    "business 生产经营 damages 损害赔偿 forest_land 山林土地 expropriation 征地拆迁 "
    "pollution 环境污染 labour 劳动争议 consumer 消费 medical 医疗 "
    "traffic_accident 道路交通事故 property_management 物业 other 其他",
    "origin": "litigation 诉源 petition 访源 police 警源 grid 网格排查 party 当事人申请",
    "scale": "individual 个体 group 一般群体 large_group 重大群体",
    # of petitions, then of mediations
    "mode": "passed_on 转送 assigned 交办 reported 报请 applied 申请 initiated 主动 "
    "court_delegated 法院委派 court_ordinary 法院委托(普通) court_summary 法院委托(简易) "
    "passed 移送",
    "mediator": "full_time 专职调解员 five_elders 五老 lawyer 律师 volunteer 志愿者 "
    "trade 行业调解员",
    "form": "written 书面 oral 口头",
    "why": "not_agreed 未达成协议 party_left 当事人退出 not_fit 不宜调解",
    "ruling": "confirmed 裁定有效 refused 驳回申请",
    "to": "lawsuit 诉讼 arbitration 仲裁 administrative 行政",
    "source": "pledge 自愿认缴 collective 集体经济 donation 社会捐赠 reward 以奖代补",
    "use": "old_and_young 敬老护幼 merit_and_need 奖优济困 public_good 公益服务",
    "entry": "opening 期初余额",
}
"""Values and Chinese names of every field that has a vocabulary."""


def read(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_divisions_are_those_of_the_files_with_level_parent_and_micro_grids(town: Town) -> None:
    grids = {row["code"]: int(row["microgrids"]) for row in read("microgrids_431200.csv")}
    assert sum(grids.values()) == 112_600
    expected = {}
    for row in read("divisions_431200.csv"):
        code = row["code"]
        expected[code] = {
            "code": code,
            "name": row["name"],
            "level": "city" if code == "431200" else LEVEL[len(code)],
            "parent": code[:-3] if len(code) > 6 else "431200",
            "microgrids": grids.get(code, 0),
        }
    rows = town.published("divisions")
    assert {row["code"]: row for row in rows} == expected
    assert len(rows) == len(expected)


def test_every_event_type_has_one_chinese_name(town: Town) -> None:
    rows = town.published("labels", where="field = 'type'")
    assert {row["value"]: row["zh"] for row in rows} == TYPES
    assert len(rows) == len(TYPES)


def test_every_value_of_a_vocabulary_has_its_chinese_name(town: Town) -> None:
    rows = town.published("labels", where="field != 'type'")
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["field"], {})[row["value"]] = row["zh"]
    assert found == {
        field: dict(zip(*[iter(text.split())] * 2, strict=True))
        for field, text in VOCABULARIES.items()
    }
    assert len(rows) == sum(map(len, found.values()))


@pytest.mark.xfail(strict=True, reason="law 11: 行政复议 stands under arbitration")
def test_the_route_of_arbitration_is_arbitration_alone(town: Town) -> None:
    (label,) = town.published("labels", where="field = 'route' AND value = '31.2'")
    assert "复议" not in label["zh"]
