"""调解: disputes mediated under 人民调解法, and their judicial confirmation."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from schemas.clocks import Clock, Term
from schemas.event import Event, field
from schemas.grain import Grain
from schemas.projections import CaseFold, Rollup, Stage
from schemas.words import CaseId, Fen, Flag, Labels, Office, Persons, Pseudonym, Sealed

Dispute = Annotated[
    Literal[
        "marriage_family",
        "neighbours",
        "housing_land",
        "contract",
        "business",
        "damages",
        "forest_land",
        "expropriation",
        "pollution",
        "labour",
        "consumer",
        "medical",
        "traffic_accident",
        "property_management",
        "other",
    ],
    Labels(
        marriage_family="婚姻家庭",
        neighbours="邻里",
        housing_land="房屋宅基地",
        contract="合同",
        business="生产经营",
        damages="损害赔偿",
        forest_land="山林土地",
        expropriation="征地拆迁",
        pollution="环境污染",
        labour="劳动争议",
        consumer="消费",
        medical="医疗",
        traffic_accident="道路交通事故",
        property_management="物业",
        other="其他",
    ),
]
Origin = Annotated[
    Literal["litigation", "petition", "police", "grid", "party"],
    Labels(litigation="诉源", petition="访源", police="警源", grid="网格排查", party="当事人申请"),
]
Scale = Annotated[
    Literal["individual", "group", "large_group"],
    Labels(individual="个体", group="一般群体", large_group="重大群体"),
]
Mode = Annotated[
    Literal["applied", "initiated", "court_delegated", "court_ordinary", "court_summary", "passed"],
    Labels(
        applied="申请",
        initiated="主动",
        court_delegated="法院委派",
        court_ordinary="法院委托(普通)",
        court_summary="法院委托(简易)",
        passed="移送",
    ),
]
Mediator = Annotated[
    Literal["full_time", "five_elders", "lawyer", "volunteer", "trade"],
    Labels(
        full_time="专职调解员",
        five_elders="五老",
        lawyer="律师",
        volunteer="志愿者",
        trade="行业调解员",
    ),
]
Form = Annotated[Literal["written", "oral"], Labels(written="书面", oral="口头")]
Ended = Annotated[
    Literal["not_agreed", "party_left", "not_fit"],
    Labels(not_agreed="未达成协议", party_left="当事人退出", not_fit="不宜调解"),
]
Ruling = Annotated[
    Literal["confirmed", "refused"], Labels(confirmed="裁定有效", refused="驳回申请")
]
Onward = Annotated[
    Literal["lawsuit", "arbitration", "administrative"],
    Labels(lawsuit="诉讼", arbitration="仲裁", administrative="行政"),
]

_ENDED = ("mediation.agreement_reached", "mediation.terminated")


class Mediation(
    Event,
    topic="mediations",
    key="case",
    zh="调解",
    zh_doc="调解：纠纷从登记到达成协议、履行和司法确认，或者到终止。"
    "《人民调解法》未规定期限；以下期限来自法院，只适用于法院委派、委托的案件。",
):
    """调解: a dispute from filing to agreement, performance and confirmation, or to its end.

    人民调解法 sets no time limit; the limits below are the courts', and bind only cases they sent.
    """

    case: CaseId = field(
        "The committee's number of the case.",
        "调解委员会的调解案号。",
        zh="调解案号",
        example="M-1",
    )

    grain: ClassVar = Grain("township")
    projections: ClassVar = (
        Rollup("hourly", "county", dims=("dispute",)),
        Rollup("daily", "division"),
        CaseFold(
            "cases",
            opens="mediation.filed",
            stages=(
                Stage("mediation.filed", "filed", "已登记"),
                Stage("mediation.accepted", "accepted", "已受理"),
                Stage("mediation.session_held", "in_session", "调解中"),
                Stage("mediation.agreement_reached", "agreed", "达成协议"),
                Stage("mediation.performed", "performed", "履行完毕"),
                Stage("mediation.breached", "breached", "未履行"),
                Stage("mediation.terminated", "terminated", "终止"),
                Stage("mediation.referred", "referred", "引导诉讼仲裁行政"),
            ),
            ends=_ENDED,
        ),
    )
    clocks: ClassVar = (
        Clock(
            "mediate",
            "法院委派委托调解",
            "mediation.accepted",
            terms=(
                Term(
                    30, "最高法 2020 民事诉讼程序繁简分流试点", when=("mode", ("court_delegated",))
                ),
                Term(15, "民诉法解释", when=("mode", ("court_ordinary",))),
                Term(7, "民诉法解释", when=("mode", ("court_summary",))),
            ),
            ends=_ENDED,
        ),
    )


class MediationFiled(
    Mediation,
    name="mediation.filed",
    zh="登记",
    zh_doc="当事人向调解委员会提出纠纷，或者调解委员会排查发现纠纷。",
):
    """A dispute was brought to, or found by, a mediation committee."""

    dispute: Dispute = field(
        "Type of the national statistics.",
        "纠纷类型，按全国人民调解统计口径。",
        zh="纠纷类型",
        example="neighbours",
        fact=True,
    )
    origin: Origin = field(
        "Where it came from; 三源 are 诉源, 访源, 警源.",
        "纠纷的来源；“三源”指诉源、访源、警源。",
        zh="来源",
        example="grid",
        fact=True,
    )
    scale: Scale = field(
        "How many it touches.", "纠纷涉及的规模。", zh="规模", example="individual", fact=True
    )
    people: Persons = field(
        "People on all sides.",
        "各方当事人的总人数。",
        zh="涉及人数",
        example=2,
        total=True,
        fact=True,
    )
    party: Pseudonym | None = field(
        "First party; a pseudonym.", "第一当事人，以假名表示。", zh="当事人", default=None
    )
    facts: Sealed | None = field(
        "What it is about, sealed.", "纠纷事实，加密保存。", zh="纠纷事实", default=None
    )


class MediationAccepted(
    Mediation, name="mediation.accepted", zh="受理", zh_doc="调解委员会受理纠纷。"
):
    """The committee took the case."""

    mode: Mode = field(
        "How it came to the committee.",
        "纠纷进入调解委员会的方式。",
        zh="受理方式",
        example="applied",
        fact=True,
    )


class MediatorAssigned(
    Mediation,
    name="mediation.mediator_assigned",
    zh="指派",
    zh_doc="指定调解员，或者由当事人选定调解员。",
):
    """A mediator was named or chosen by the parties."""

    mediator: Mediator = field(
        "Who mediates.", "调解员的类别。", zh="调解员类别", example="five_elders", fact=True
    )


class MediationSessionHeld(
    Mediation, name="mediation.session_held", zh="调解会", zh_doc="各方当事人到场，召开调解会。"
):
    """The parties met."""

    people: Persons = field("People present.", "到场参加调解的人数。", zh="到场人数", example=4)


class AgreementReached(
    Mediation,
    name="mediation.agreement_reached",
    zh="达成协议",
    zh_doc="当事人达成协议；书面协议自签名之日起生效，口头协议自达成之日起生效。",
):
    """The parties agreed; it takes effect with signature or, when oral, with agreement."""

    form: Form = field(
        "Written or oral.", "书面协议或者口头协议。", zh="协议形式", example="written", fact=True
    )
    amount: Fen = field(
        "Money the agreement is about, in fen.",
        "调解协议涉及的金额，以分计。",
        zh="协议涉及金额",
        example=120000,
        total=True,
        fact=True,
    )
    averted_crime: Flag = field(
        "防止民转刑: violence was averted.",
        "是否防止了民间纠纷转化为刑事案件。",
        zh="防止民转刑",
        example=False,
        fact=True,
    )
    averted_group: Flag = field(
        "防止群体性上访.", "是否防止了群体性上访。", zh="防止群体性上访", example=False, fact=True
    )


class MediationTerminated(
    Mediation, name="mediation.terminated", zh="终止", zh_doc="未达成协议，调解终止。"
):
    """Mediation ended without agreement."""

    why: Ended = field(
        "Why it ended.", "终止调解的原因。", zh="终止原因", example="not_agreed", fact=True
    )


class AgreementPerformed(
    Mediation, name="mediation.performed", zh="履行", zh_doc="调解协议全部履行完毕。"
):
    """The agreement was carried out in full."""


class AgreementBreached(
    Mediation, name="mediation.breached", zh="未履行", zh_doc="一方当事人未履行调解协议。"
):
    """A party did not keep the agreement."""


class ConfirmationApplied(
    Mediation,
    name="mediation.confirmation_applied",
    zh="申请司法确认",
    zh_doc="双方当事人自协议生效之日起30日内，共同向人民法院申请司法确认。",
):
    """Both parties asked a court to confirm, within 30 days of its taking effect."""

    court: Office = field(
        "Court asked.", "收到司法确认申请的人民法院。", zh="法院", example="鹤城区人民法院"
    )


class ConfirmationDecided(
    Mediation,
    name="mediation.confirmation_decided",
    zh="司法确认裁定",
    zh_doc="人民法院对司法确认申请作出裁定。",
):
    """The court ruled on the confirmation."""

    ruling: Ruling = field(
        "What it ruled.", "法院裁定的结果。", zh="裁定", example="confirmed", fact=True
    )


class MediationReferred(
    Mediation,
    name="mediation.referred",
    zh="引导",
    zh_doc="引导当事人通过诉讼、仲裁或者行政途径解决。",
):
    """The parties were shown the way to court, arbitration or an authority."""

    to: Onward = field(
        "Where to.", "引导当事人去往的途径。", zh="去向", example="lawsuit", fact=True
    )
