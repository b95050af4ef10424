"""走访: households visited by grid members, Party members and cadres, and what they asked for."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from schemas.event import Content, Event, field
from schemas.grain import Grain
from schemas.projections import Diary, Kept, Rollup
from schemas.words import CaseId, EventId, Labels, Minutes, Note, Persons, Pseudonym, Sealed

Role = Annotated[
    Literal["grid_member", "party_member", "working_party_member", "cadre"],
    Labels(
        grid_member="网格员", party_member="党员", working_party_member="在职党员", cadre="干部"
    ),
]
Purpose = Annotated[
    Literal["routine", "care", "policy", "dispute", "safety"],
    Labels(
        routine="日常走访",
        care="关爱帮扶",
        policy="政策宣讲",
        dispute="矛盾排查",
        safety="安全检查",
    ),
]
Matter = Annotated[
    Literal["livelihood", "infrastructure", "environment", "policy", "dispute", "other"],
    Labels(
        livelihood="民生保障",
        infrastructure="基础设施",
        environment="环境卫生",
        policy="政策咨询",
        dispute="矛盾纠纷",
        other="其他",
    ),
]
Outcome = Annotated[
    Literal["settled", "explained", "passed_on", "not_possible"],
    Labels(settled="已解决", explained="已解释", passed_on="已转办", not_possible="暂不能解决"),
]


def _hours_to_minutes(content: Content) -> Content:
    """Version 1 stored whole hours in `lasted_hours`."""
    hours = content["lasted_hours"]
    if type(hours) is not int:  # bool is an int to isinstance
        raise ValueError("lasted_hours is no whole number")
    rest = {name: value for name, value in content.items() if name != "lasted_hours"}
    return rest | {"lasted": hours * 60}


class Visit(
    Event,
    topic="visits",
    key="household",
    zh="走访",
    zh_doc="走访：入户走访，记录群众诉求并跟踪办理到底。"
    "来源：党建+微网格，联系服务群众五个到户；走访登记表。",
):
    """走访: a household is visited, what it asks for is written down and followed to its end.

    Source: 党建+微网格, 联系服务群众五个到户; the household visit form.
    """

    household: Pseudonym = field(
        "Household visited; a pseudonym, never a name.",
        "受访户，以假名表示，不得填写姓名。",
        zh="户",
        example="k1.0123456789abcdef0123456789abcdef",
    )

    grain: ClassVar = Grain("grid")
    projections: ClassVar = (
        Rollup("hourly", "county", dims=("role",)),
        Rollup("daily", "division"),
        Diary(
            "coverage",
            "走访覆盖",
            seen=Kept("visit.recorded", "visits", "走访", "Visits that stand", "有效走访户次"),
            last="last_visit",
            also=(
                Kept(
                    "visit.request_raised",
                    "requests_found",
                    "发现诉求",
                    "Requests raised in visits",
                    "走访中登记的诉求件数",
                ),
                Kept(
                    "visit.request_closed",
                    "requests_closed",
                    "办结诉求",
                    "Requests closed",
                    "办结的诉求件数",
                ),
            ),
        ),
    )


class VisitRecorded(
    Visit,
    name="visit.recorded",
    zh="走访登记",
    zh_doc="入户走访并填报走访表。来源：走访登记表第3至9栏。",
    version=2,
):
    """A household was visited and the form was filed.

    Source: household visit form, boxes 3-9.
    """

    role: Role = field("Who visited.", "走访人的身份。", zh="走访人身份", example="grid_member")
    purpose: Purpose = field("What for.", "走访的事由。", zh="走访事由", example="routine")
    lasted: Minutes = field(
        "From arrival to leaving, in minutes.",
        "从到达至离开的时长，以分钟计。",
        zh="走访时长",
        example=25,
    )
    met: Persons = field(
        "People met at home.", "入户见到的人数。", zh="见到人数", example=3, total=True
    )
    remark: Sealed | None = field(
        "What was seen, sealed.", "走访所见，加密保存。", zh="备注", default=None
    )

    upcasts: ClassVar = {1: _hours_to_minutes}


class VisitCorrected(
    VisitRecorded,
    name="visit.corrected",
    zh="走访更正",
    zh_doc="对此前走访表的全部内容予以更正。",
    version=1,
    corrects="visit.recorded",
):
    """The whole content of an earlier visit form, set right."""

    corrects: EventId = field(
        "Id of the visit form set right.",
        "被更正的走访表的事件编号。",
        zh="更正对象",
        example="v-1",
    )

    upcasts: ClassVar = {}


class VisitVoided(
    Visit,
    name="visit.voided",
    zh="走访作废",
    zh_doc="走访表作废：走访并未发生，或者重复填报。",
    voids=("visit.recorded",),
):
    """A visit form taken back: it never happened, or was filed twice."""

    corrects: EventId = field(
        "Id of the visit form taken back.",
        "被作废的走访表的事件编号。",
        zh="作废对象",
        example="v-1",
    )
    why: Note = field("Why it is taken back.", "作废的原因。", zh="作废原因", example="重复填报")


class RequestRaised(
    Visit, name="visit.request_raised", zh="诉求登记", zh_doc="群众在走访中提出诉求。"
):
    """A household asked for something during a visit."""

    request: CaseId = field(
        "The grid's own number of the request.",
        "网格自编的诉求编号。",
        zh="诉求编号",
        example="r-1",
    )
    matter: Matter = field(
        "What it is about.", "诉求涉及的类别。", zh="诉求类别", example="livelihood"
    )
    text: Sealed | None = field(
        "The request in the household's words, sealed.",
        "群众原话所述的诉求内容，加密保存。",
        zh="诉求内容",
        default=None,
    )


class RequestClosed(
    Visit, name="visit.request_closed", zh="诉求办结", zh_doc="群众的诉求已经办理，并已告知本人。"
):
    """The household's request has been dealt with, and the household was informed."""

    request: CaseId = field(
        "The grid's own number of the request.",
        "网格自编的诉求编号。",
        zh="诉求编号",
        example="r-1",
    )
    outcome: Outcome = field(
        "What came of it.", "诉求的办理结果。", zh="办理结果", example="settled"
    )
