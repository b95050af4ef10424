"""信访: petitions from registration to their end, under 信访工作条例 (in force 2022-05-01)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from schemas.clocks import Clock, Term
from schemas.event import Content, Event, field
from schemas.grain import Grain
from schemas.projections import CaseFold, Rollup, Stage
from schemas.words import (
    CaseId,
    Category,
    Days,
    Digest,
    Flag,
    Labels,
    Moment,
    Office,
    Persons,
    Pseudonym,
    Sealed,
    Stars,
)

Kind = Annotated[
    Literal["suggestion", "accusation", "appeal"],
    Labels(suggestion="建议意见", accusation="检举控告", appeal="申诉求决"),
]
Channel = Annotated[
    Literal["network", "letter", "telephone", "fax", "visit"],
    Labels(network="信息网络", letter="书信", telephone="电话", fax="传真", visit="走访"),
]
Level = Annotated[
    Literal["county", "city", "province", "capital"],
    Labels(county="到县", city="来市", province="赴省", capital="进京"),
]
Route = Annotated[
    Literal["31.1", "31.2", "31.3", "31.4", "31.5", "31.6", "none"],
    Labels(
        {
            "31.1": "诉讼类",
            "31.2": "仲裁复议类",
            "31.3": "党员申诉类",
            "31.4": "行政裁决确认许可类",
            "31.5": "履行法定职责类",
            "31.6": "信访程序",
            "none": "非申诉求决",
        }
    ),
]
Transfer = Annotated[
    Literal["passed_on", "assigned", "reported"],
    Labels(passed_on="转送", assigned="交办", reported="报请"),
]
Result = Annotated[
    Literal["supported", "explained", "not_supported"],
    Labels(supported="支持", explained="解释说明", not_supported="不予支持"),
]
Verdict = Annotated[
    Literal["upheld", "changed", "revoked"],
    Labels(upheld="维持", changed="变更", revoked="撤销"),
]
Refusal = Annotated[
    Literal["not_ours", "legal_route", "already_ended", "no_facts"],
    Labels(
        not_ours="不属本机关职权",
        legal_route="导入法定途径",
        already_ended="已复核终结",
        no_facts="无实质内容",
    ),
]

_ROUTE = (
    "Route of 条例 31 it takes; only an appeal has one.",
    "办理途径（《信访工作条例》第31条）；只有申诉求决有办理途径。",
)
_ENDS = ("petition.closed", "petition.withdrawn", "petition.merged", "petition.not_accepted")
# After these nobody has to answer. 不予受理 answers the transfer and the notice but closes nothing.
_GONE = ("petition.withdrawn", "petition.merged")


class Petition(
    Event,
    topic="petitions",
    key="petition",
    zh="信访",
    zh_doc="信访：群众向党委和政府及其部门反映情况、提出建议意见或者投诉请求，逐环节办理。"
    "每个事件都载明信访类别，因为检举控告不在县级以下显示（《信访工作条例》第30条）。",
):
    """信访: what citizens ask of, report to or complain of to the authorities, step by step.

    Every event names the kind, because 检举控告 is never shown below the county (条例 30).
    """

    petition: CaseId = field(
        "The office's number of the petition.",
        "信访部门登记的信访件编号。",
        zh="信访件编号",
        example="P-1",
    )
    kind: Kind = field(
        "Class of the petition (条例 29-31).",
        "信访事项的类别（《信访工作条例》第29至31条）。",
        zh="信访类别",
        example="appeal",
        fact=True,
    )

    grain: ClassVar = Grain("township")
    county_only: ClassVar = ("kind", "accusation")
    projections: ClassVar = (
        Rollup("hourly", "county", dims=("kind",)),
        Rollup("daily", "division"),
        CaseFold(
            "cases",
            opens="petition.registered",
            stages=(
                Stage("petition.registered", "registered", "已登记"),
                Stage("petition.transferred", "transferred", "已转送"),
                Stage("petition.accepted", "accepted", "办理中"),
                Stage("petition.replied", "replied", "已答复"),
                Stage("petition.review_requested", "in_review", "复查中"),
                Stage("petition.review_decided", "reviewed", "已复查"),
                Stage("petition.recheck_requested", "in_recheck", "复核中"),
                Stage("petition.recheck_decided", "rechecked", "已复核"),
                Stage("petition.closed", "closed", "已办结"),
                Stage("petition.not_accepted", "not_accepted", "不予受理"),
                Stage("petition.merged", "merged", "并案"),
                Stage("petition.withdrawn", "withdrawn", "撤回"),
            ),
            ends=_ENDS,
        ),
    )
    clocks: ClassVar = (
        Clock(
            "transfer",
            "转送",
            "petition.registered",
            terms=(Term(15, "信访工作条例 22"),),
            ends=("petition.transferred", "petition.accepted", "petition.replied", *_ENDS),
            lapses=_GONE,
        ),
        Clock(
            "notice",
            "受理告知",
            "petition.transferred",
            terms=(Term(15, "信访工作条例 23"),),
            # Not petition.objected: the next unit owes the notice, and until the petition goes to
            # one, the time of the unit that objected runs on.
            ends=("petition.accepted", "petition.replied", *_ENDS),
            lapses=_GONE,
            counts="last",
        ),
        Clock(
            "close",
            "办结",
            "petition.accepted",
            terms=(Term(60, "信访工作条例 34", when=("route", ("31.6",)), longest=30),),
            ends=("petition.replied", *_ENDS),
            lapses=(*_GONE, "petition.not_accepted"),
            extends="petition.extended",
        ),
        Clock(
            "review",
            "复查",
            "petition.review_requested",
            terms=(Term(30, "信访工作条例 35"),),
            ends=("petition.review_decided", *_ENDS),
            lapses=_GONE,
        ),
        Clock(
            "recheck",
            "复核",
            "petition.recheck_requested",
            terms=(Term(30, "信访工作条例 36"),),
            ends=("petition.recheck_decided", *_ENDS),
            lapses=_GONE,
        ),
    )


def _misrouted(content: Content) -> str | None:
    """Only 申诉求决 have a route (条例 31), so that the clock `close` runs for them only."""
    if content["route"] == "none" or content["kind"] == "appeal":
        return None
    return f"route {content['route']} of a petition that is no appeal"


class PetitionRegistered(
    Petition,
    name="petition.registered",
    zh="登记",
    zh_doc="信访部门对信访事项予以登记（《信访工作条例》第17、22条）。",
):
    """A petition was registered at a petition office (条例 17, 22)."""

    channel: Channel = field(
        "How it came (条例 17).",
        "信访人提出信访事项的渠道（《信访工作条例》第17条）。",
        zh="信访渠道",
        example="network",
        fact=True,
    )
    level: Level = field(
        "Where it was brought.",
        "信访事项提出到哪一级。",
        zh="到访层级",
        example="county",
        fact=True,
    )
    people: Persons = field(
        "People who brought it, 人次.",
        "提出该信访事项的人次。",
        zh="人次",
        example=1,
        total=True,
        fact=True,
    )
    repeated: Flag = field(
        "重件: the same matter was brought before.",
        "是否重件：同一事项此前已经提出过。",
        zh="重件",
        example=False,
        fact=True,
    )
    petitioner: Pseudonym = field(
        "Who brought it; a pseudonym.",
        "提出信访事项的人，以假名表示。",
        zh="信访人",
        fact=True,
        example="k1.0123456789abcdef0123456789abcdef",
    )
    category: Category | None = field(
        "First-level class of the city's own list.",
        "本市内容分类目录中的一级分类。",
        zh="内容分类",
        default=None,
        fact=True,
    )
    title: Sealed | None = field(
        "Subject line, sealed.", "信访件标题，加密保存。", zh="标题", default=None
    )
    text: Sealed | None = field(
        "What is asked, sealed.", "信访诉求的内容，加密保存。", zh="内容", default=None
    )
    content: Digest | None = field(
        "Keyed digest of subject and text.",
        "标题与内容的带密钥摘要值，用于发现内容相同的信访件。",
        zh="内容摘要值",
        default=None,
        fact=True,
    )


class PetitionTransferred(
    Petition,
    name="petition.transferred",
    zh="转送交办",
    zh_doc="信访事项转送、交办给有权处理的机关、单位（《信访工作条例》第22条）。",
):
    """Handed to the unit that has the power to deal with it (条例 22)."""

    mode: Transfer = field(
        "How it was handed over.", "转送、交办或者报请。", zh="转办方式", example="passed_on"
    )
    unit: Office = field(
        "Unit it was handed to.",
        "接收转送、交办的责任单位。",
        zh="责任单位",
        example="431202-民政局",
    )


class PetitionAccepted(
    Petition,
    name="petition.accepted",
    zh="受理",
    zh_doc="有权处理的机关、单位决定受理，并书面告知信访人（《信访工作条例》第23条）。",
):
    """The unit accepted it and told the petitioner in writing (条例 23)."""

    unit: Office = field(
        "Unit that accepted it.", "决定受理的单位。", zh="受理单位", example="431202-民政局"
    )
    route: Route = field(*_ROUTE, zh="办理途径", example="31.6", fact=True)

    @classmethod
    def incoherent(cls, content: Content) -> str | None:
        """Only an appeal has a route."""
        return _misrouted(content)


class PetitionNotAccepted(
    Petition, name="petition.not_accepted", zh="不予受理", zh_doc="不予受理，并向信访人告知原因。"
):
    """The petition was not accepted; the petitioner was given the reason."""

    reason: Refusal = field(
        "Why not.", "不予受理的原因。", zh="不予受理原因", example="legal_route", fact=True
    )


class PetitionObjected(
    Petition,
    name="petition.objected",
    zh="提出异议",
    zh_doc="收到转送、交办的机关、单位认为不属于本机关、本单位职权范围，在5个工作日内提出异议（《信访工作条例》第23条）。",
):
    """The unit says it is not competent, within five working days (条例 23)."""

    unit: Office = field(
        "Unit that objects.", "提出异议的单位。", zh="异议单位", example="431202-民政局"
    )


class PetitionExtended(
    Petition,
    name="petition.extended",
    zh="延期",
    zh_doc="经本机关、单位负责人批准，延长办理期限（《信访工作条例》第34条）。",
):
    """The time to close was extended with the approval of the unit's head (条例 34)."""

    days: Days = field(
        "Days added; at most 30 count.", "延长的天数，最多按30日计。", zh="延长天数", example=30
    )
    since: Moment = field(
        "When the unit accepted the petition, from the extension form.",
        "延期审批表所载的受理时间。",
        zh="受理时间",
        example="2021-03-01T09:00:00+08:00",
    )
    route: Route = field(*_ROUTE, zh="办理途径", example="31.6", fact=True)

    @classmethod
    def incoherent(cls, content: Content) -> str | None:
        """Only an appeal has a route."""
        return _misrouted(content)


class PetitionHearingHeld(
    Petition,
    name="petition.hearing_held",
    zh="听证",
    zh_doc="举行听证；复核期间，听证所需时间不计入期限（《信访工作条例》第36条）。",
):
    """A hearing was held; its days do not count in a recheck (条例 36)."""

    people: Persons = field("People present.", "到场参加听证的人数。", zh="人数", example=9)


class PetitionReplied(
    Petition,
    name="petition.replied",
    zh="答复",
    zh_doc="出具书面答复（《信访工作条例》第32至34条）。",
):
    """The written reply went out (条例 32-34)."""

    result: Result = field(
        "What was decided.", "对信访诉求的处理意见。", zh="处理意见", example="supported", fact=True
    )
    reply: Sealed | None = field(
        "The reply, sealed.", "答复内容，加密保存。", zh="答复内容", default=None
    )


class PetitionClosed(Petition, name="petition.closed", zh="办结", zh_doc="信访事项办结。"):
    """The petition is closed."""


class PetitionRated(
    Petition,
    name="petition.rated",
    zh="评价",
    zh_doc="信访人对办理情况作出评价（《信访工作条例》第21条）。",
):
    """The petitioner rated how it was handled (条例 21)."""

    satisfaction: Stars = field(
        "1 very dissatisfied to 5 very satisfied.",
        "满意度评价，1为很不满意，5为很满意。",
        zh="满意度",
        example=4,
        total=True,
        fact=True,
    )


class PetitionReviewRequested(
    Petition,
    name="petition.review_requested",
    zh="申请复查",
    zh_doc="信访人自收到答复之日起30日内申请复查（《信访工作条例》第35条）。",
):
    """The petitioner asked for a review within 30 days of the reply (条例 35)."""


class PetitionReviewDecided(
    Petition,
    name="petition.review_decided",
    zh="复查意见",
    zh_doc="作出复查意见（《信访工作条例》第35条）。",
):
    """The review was decided (条例 35)."""

    verdict: Verdict = field(
        "What became of the reply.", "复查对原处理意见的结论。", zh="复查结论", example="upheld"
    )


class PetitionRecheckRequested(
    Petition,
    name="petition.recheck_requested",
    zh="申请复核",
    zh_doc="信访人自收到复查意见之日起30日内申请复核（《信访工作条例》第36条）。",
):
    """The petitioner asked for a recheck within 30 days of the review (条例 36)."""


class PetitionRecheckDecided(
    Petition,
    name="petition.recheck_decided",
    zh="复核意见",
    zh_doc="作出复核意见；此后同一事实和理由不再受理（《信访工作条例》第36条）。",
):
    """The recheck was decided; the same facts are not taken again (条例 36)."""

    verdict: Verdict = field(
        "What became of the review.", "复核对复查意见的结论。", zh="复核结论", example="upheld"
    )


class PetitionWithdrawn(
    Petition, name="petition.withdrawn", zh="撤回", zh_doc="信访人撤回信访事项。"
):
    """The petitioner withdrew it."""


class PetitionMerged(
    Petition, name="petition.merged", zh="并案", zh_doc="并入反映同一事项的另一信访件。"
):
    """Joined to another petition on the same matter."""

    into: CaseId = field(
        "Petition it was joined to.", "并入的信访件编号。", zh="并入编号", example="P-2"
    )


class PetitionUrged(
    Petition,
    name="petition.urged",
    zh="督办",
    zh_doc="信访部门对责任单位予以督办（《信访工作条例》第40条）。",
):
    """A petition office urged the unit to act (条例 40)."""

    unit: Office = field(
        "Unit that was urged.", "被督办的责任单位。", zh="被督办单位", example="431202-民政局"
    )
