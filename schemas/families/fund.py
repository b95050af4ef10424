"""幸福基金: what villages raise and what they spend it on; money is integer fen."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from schemas.event import Event, field
from schemas.grain import Grain
from schemas.projections import Balance, Rollup
from schemas.words import CaseId, EventId, Fen, Labels, Note, Persons, Pseudonym, Quantity

Source = Annotated[
    Literal["pledge", "collective", "donation", "reward"],
    Labels(pledge="自愿认缴", collective="集体经济", donation="社会捐赠", reward="以奖代补"),
]
Use = Annotated[
    Literal["old_and_young", "merit_and_need", "public_good"],
    Labels(old_and_young="敬老护幼", merit_and_need="奖优济困", public_good="公益服务"),
]

# Only entries that are not ordinary are marked: a ledger needs no column for this (D-17).
Entry = Annotated[Literal["opening"] | None, Labels(opening="期初余额")]
_ENTRY = (
    "Set on a balance brought forward: in the totals, in no year's movements.",
    "结转的期初余额才填写：计入累计，不计入任何年度的发生额。",
)


class Fund(
    Event,
    topic="funds",
    key="account",
    zh="幸福基金",
    zh_doc="幸福基金：村级基金筹集资金、确定用途并支出。",
):
    """幸福基金: a village fund raises money, decides what it is for, and pays it out."""

    account: CaseId = field(
        "The fund's own number.", "基金自编的账户编号。", zh="基金账户", example="F-431202001001"
    )

    grain: ClassVar = Grain("village")  # what a fund books is posted in its village (村务公开)
    projections: ClassVar = (
        Rollup("hourly", "county", dims=("entry",)),
        Rollup(
            "ledger",
            "division",
            dims=("source", "use", "entry"),
            balance=Balance(
                "amount",
                raised="fund.contributed",
                spent="fund.disbursed",
                by="source",
                opening=("entry", "opening"),
            ),
        ),
    )


class FundContributed(Fund, name="fund.contributed", zh="筹集", zh_doc="资金到账。"):
    """Money came in."""

    amount: Fen = field(
        "Received, in fen.", "收到的金额，以分计。", zh="金额", example=50000, total=True
    )
    source: Source = field("Where it came from.", "资金的来源。", zh="资金来源", example="pledge")
    giver: Pseudonym | None = field(
        "Who gave; a pseudonym.", "出资人或者捐助人，以假名表示。", zh="捐助人", default=None
    )
    entry: Entry = field(*_ENTRY, zh="记账类别", default=None)


class FundPledged(
    Fund, name="fund.pledged", zh="认缴", zh_doc="作出认缴承诺；资金到账后才计入筹集。"
):
    """Money was promised; it counts only when it comes."""

    amount: Fen = field(
        "Promised, in fen.", "认缴的金额，以分计。", zh="金额", example=50000, total=True
    )
    source: Source = field(
        "Where it is to come from.", "认缴资金的来源。", zh="资金来源", example="pledge"
    )
    giver: Pseudonym | None = field(
        "Who promised; a pseudonym.", "认缴人，以假名表示。", zh="认缴人", default=None
    )


class FundApproved(Fund, name="fund.approved", zh="审批", zh_doc="支出获得批准。"):
    """Spending was approved."""

    amount: Fen = field(
        "Approved, in fen.", "批准支出的金额，以分计。", zh="金额", example=30000, total=True
    )
    use: Use = field("What for.", "资金或者项目的用途。", zh="用途", example="merit_and_need")


class FundDisbursed(Fund, name="fund.disbursed", zh="支出", zh_doc="资金已经支付。"):
    """Money was paid out."""

    amount: Fen = field(
        "Paid, in fen; refunds are their own event.",
        "支付的金额，以分计；退款另作事件登记。",
        zh="金额",
        example=30000,
        total=True,
    )
    source: Source = field(
        "Which money was spent.", "支出的是哪一来源的资金。", zh="资金来源", example="pledge"
    )
    use: Use = field("What for.", "资金或者项目的用途。", zh="用途", example="merit_and_need")
    helped: Persons = field(
        "People helped, 人次.",
        "得到帮扶的人次。",
        zh="帮扶人次",
        example=1,
        total=True,
        grain=Grain("county", "year"),  # beside amounts that are public by village and day
    )
    receiver: Pseudonym | None = field(
        "Who received; a pseudonym.", "受助人，以假名表示。", zh="受助人", default=None
    )
    entry: Entry = field(*_ENTRY, zh="记账类别", default=None)


class ProjectOpened(
    Fund, name="fund.project_opened", zh="微公益项目立项", zh_doc="设立一个微公益项目。"
):
    """A micro-welfare project was set up."""

    project: CaseId = field(
        "The fund's own number of the project.",
        "基金自编的项目编号。",
        zh="项目编号",
        example="J-1",
    )
    projects: Quantity = field(
        "Projects set up: 1, or many in an opening balance.",
        "立项的项目数：一般为1，期初余额可为多个。",
        zh="项目数",
        example=1,
        total=True,
    )
    use: Use = field("What for.", "资金或者项目的用途。", zh="用途", example="public_good")
    entry: Entry = field(*_ENTRY, zh="记账类别", default=None)


class ProjectClosed(
    Fund, name="fund.project_closed", zh="微公益项目结项", zh_doc="一个微公益项目实施完毕。"
):
    """A micro-welfare project was finished."""

    project: CaseId = field(
        "The fund's own number of the project.",
        "基金自编的项目编号。",
        zh="项目编号",
        example="J-1",
    )
    projects: Quantity = field(
        "Projects finished.", "结项的项目数。", zh="项目数", example=1, total=True
    )
    entry: Entry = field(*_ENTRY, zh="记账类别", default=None)


class FundReversed(
    Fund,
    name="fund.reversed",
    zh="冲正",
    zh_doc="此前的一笔记账整笔冲正；正确的另行登记。",
    voids=(
        "fund.contributed",
        "fund.pledged",
        "fund.approved",
        "fund.disbursed",
        "fund.project_opened",
        "fund.project_closed",
    ),
):
    """Cancels a whole earlier entry; the correct one is filed as a new entry."""

    corrects: EventId = field(
        "Id of the entry taken back.", "被冲正的记账事件编号。", zh="冲正对象", example="f-1"
    )
    why: Note = field("Why it is taken back.", "冲正的原因。", zh="冲正原因", example="金额录错")
