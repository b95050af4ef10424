"""幸福基金: what villages raise and what they spend it on; money is integer fen."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from schemas._event import Event, field
from schemas._projections import Family, PublishedView, Rollup, instant, target
from schemas._words import CaseId, EventId, Fen, Labels, Note, Persons, Pseudonym, Quantity

Source = Annotated[
    Literal["pledge", "collective", "donation", "reward"],
    Labels(pledge="自愿认缴", collective="集体经济", donation="社会捐赠", reward="以奖代补"),
]
Use = Annotated[
    Literal["old_and_young", "merit_and_need", "public_good"],
    Labels(old_and_young="敬老护幼", merit_and_need="奖优济困", public_good="公益服务"),
]

# Only what is no ordinary entry is marked: a ledger needs no column for it.
Entry = Annotated[Literal["opening"] | None, Labels(opening="期初余额")]


def _balances(family: Family, database: str, zone: str) -> PublishedView:
    ledger = family.projections[1]
    return PublishedView(
        "funds_balances",
        "幸福基金余额",
        "Balance of the funds of a village by source, at the end of the day of `at`.",
        {
            "county": "County, six digits.",
            "township": "Township, nine digits; empty when unknown.",
            "village": "Village, twelve digits; empty when the fund is a township's or county's.",
            "source": "Where the money came from.",
            "raised": "Contributions that stand, in fen.",
            "spent": "Disbursements that stand, in fen.",
            "balance": "Raised less spent, in fen.",
        },
        "SELECT substring(division, 1, 6) AS county,\n"
        "  if(length(division) >= 9, substring(division, 1, 9), '') AS township,\n"
        "  if(length(division) = 12, division, '') AS village, source,\n"
        "  sumIf(net_amount, type = 'fund.contributed') AS raised,\n"
        "  sumIf(net_amount, type = 'fund.disbursed') AS spent, raised - spent AS balance\n"
        f"FROM `{database}`.`{target(family, ledger)}`\n"
        "WHERE type IN ('fund.contributed', 'fund.disbursed')\n"
        f"  AND day <= toDate({instant(zone)})\n"
        "GROUP BY county, township, village, source",
    )


class Fund(Event, topic="funds", key="account", zh="幸福基金"):
    """幸福基金: a village fund raises money, decides what it is for, and pays it out."""

    account: CaseId = field("The fund's own number.", zh="基金账户", example="F-431202001001")

    projections: ClassVar = (
        Rollup("hourly", "county", "hour", dims=("entry",)),
        Rollup("ledger", "division", "day", dims=("source", "use", "entry")),
    )
    views: ClassVar = (_balances,)


class FundContributed(Fund, name="fund.contributed", zh="筹集"):
    """Money came in."""

    amount: Fen = field("Received, in fen.", zh="金额", example=50000, total=True)
    source: Source = field("Where it came from.", zh="资金来源", example="pledge")
    giver: Pseudonym | None = field("Who gave; a pseudonym.", zh="捐助人", default=None)
    entry: Entry = field(
        "Set on a balance brought forward: in the totals, in no year's movements.",
        zh="记账类别",
        default=None,
    )


class FundPledged(Fund, name="fund.pledged", zh="认缴"):
    """Money was promised; it counts only when it comes."""

    amount: Fen = field("Promised, in fen.", zh="金额", example=50000, total=True)
    source: Source = field("Where it is to come from.", zh="资金来源", example="pledge")
    giver: Pseudonym | None = field("Who promised; a pseudonym.", zh="认缴人", default=None)


class FundApproved(Fund, name="fund.approved", zh="审批"):
    """Spending was approved."""

    amount: Fen = field("Approved, in fen.", zh="金额", example=30000, total=True)
    use: Use = field("What for.", zh="用途", example="merit_and_need")


class FundDisbursed(Fund, name="fund.disbursed", zh="支出"):
    """Money was paid out."""

    amount: Fen = field(
        "Paid, in fen; refunds are their own event.", zh="金额", example=30000, total=True
    )
    source: Source = field("Which money was spent.", zh="资金来源", example="pledge")
    use: Use = field("What for.", zh="用途", example="merit_and_need")
    helped: Persons = field(
        "People helped, 人次.", zh="帮扶人次", example=1, total=True, below_township=False
    )
    receiver: Pseudonym | None = field("Who received; a pseudonym.", zh="受助人", default=None)
    entry: Entry = field(
        "Set on a balance brought forward: in the totals, in no year's movements.",
        zh="记账类别",
        default=None,
    )


class ProjectOpened(Fund, name="fund.project_opened", zh="微公益项目立项"):
    """A micro-welfare project was set up."""

    project: CaseId = field("The fund's own number of the project.", zh="项目编号", example="J-1")
    projects: Quantity = field(
        "Projects set up: 1, or many in an opening balance.", zh="项目数", example=1, total=True
    )
    use: Use = field("What for.", zh="用途", example="public_good")
    entry: Entry = field(
        "Set on a balance brought forward: in the totals, in no year's movements.",
        zh="记账类别",
        default=None,
    )


class ProjectClosed(Fund, name="fund.project_closed", zh="微公益项目结项"):
    """A micro-welfare project was finished."""

    project: CaseId = field("The fund's own number of the project.", zh="项目编号", example="J-1")
    projects: Quantity = field("Projects finished.", zh="项目数", example=1, total=True)
    entry: Entry = field(
        "Set on a balance brought forward: in the totals, in no year's movements.",
        zh="记账类别",
        default=None,
    )


class FundReversed(
    Fund,
    name="fund.reversed",
    zh="冲正",
    voids=(
        "fund.contributed",
        "fund.pledged",
        "fund.approved",
        "fund.disbursed",
        "fund.project_opened",
        "fund.project_closed",
    ),
):
    """An earlier entry is taken back as a whole; the right one is filed anew."""

    corrects: EventId = field("Id of the entry taken back.", zh="冲正对象", example="f-1")
    why: Note = field("Why it is taken back.", zh="冲正原因", example="金额录错")
