"""The published view of a ledger: what came in, what went out, and what is left."""

from __future__ import annotations

from schemas.errors import SchemaError
from schemas.family import Family
from schemas.projections import Rollup
from schemas.sql.columns import COUNTY, PublishedView, instant, quoted
from schemas.sql.targets import target
from schemas.words import Text


def balances(family: Family, ledger: Rollup, database: str, zone: str) -> PublishedView:
    """One row per village (or wider place) and value of the ledger's vocabulary.

    Raises:
        SchemaError: the rollup is no ledger.
    """
    balance = ledger.balance
    if balance is None:
        raise SchemaError(f"rollup {ledger.name!r} of {family.topic!r} keeps no balance.")
    (raised, spent), amount = map(quoted, (balance.raised, balance.spent)), f"net_{balance.amount}"
    return PublishedView(
        f"{family.topic}_balances",
        f"{family.zh}余额",
        Text(
            f"Balance by village and {balance.by}, at the end of the day of `at`.",
            f"{family.zh}的余额，按村（社区）和{family.fields_named(balance.by)[0].zh}，"
            "以 `at` 当日终了为准。",
        ),
        {
            "county": COUNTY,
            "township": Text(
                "Township, nine digits; empty when unknown.", "乡镇街道代码，9位；不明时为空。"
            ),
            "village": Text(
                "Village, twelve digits; empty when the money is a township's or county's.",
                "村（社区）代码，12位；属于乡镇街道或者县市区的为空。",
            ),
            balance.by: family.fields_named(balance.by)[0].doc,
            "raised": Text(
                f"Sum of {balance.raised} that stand, in fen.", "有效的筹集金额合计，以分计。"
            ),
            "spent": Text(
                f"Sum of {balance.spent} that stand, in fen.", "有效的支出金额合计，以分计。"
            ),
            "balance": Text("Raised less spent, in fen.", "筹集减去支出的余额，以分计。"),
        },
        "SELECT substring(division, 1, 6) AS county,\n"
        "  if(length(division) >= 9, substring(division, 1, 9), '') AS township,\n"
        f"  if(length(division) = 12, division, '') AS village, {balance.by},\n"
        f"  sumIf({amount}, type = {raised}) AS raised,\n"
        f"  sumIf({amount}, type = {spent}) AS spent, raised - spent AS balance\n"
        f"FROM `{database}`.`{target(family, ledger)}`\n"
        f"WHERE type IN ({raised}, {spent})\n"
        f"  AND day <= toDate({instant(zone)})\n"
        # Grouped by division, so that its codes are derived per group, not per booking.
        f"GROUP BY division, {balance.by}",
        family.topic,
    )
