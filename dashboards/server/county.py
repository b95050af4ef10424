"""What the clerk of one county may ask: that county's figures, from a data source of its own.

The views behind that source have no row of another county. So a question about another county is
refused here: its answer would be a zero that looks like a figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from dashboards.server.answers import Denied
from dashboards.server.reader import DataSource, source
from dashboards.server.shelf import Record
from schemas.errors import Misconfigured
from schemas.grain import County


class Outside(Denied):
    """Something of another county than the clerk's."""


def is_outside(county: County, value: str) -> bool:
    """Whether a variable's value is the code of a place that does not lie in the county."""
    # By the province: the districts and counties of 重庆 begin with 5001 and 5002.
    found = re.fullmatch(_codes(county.code[:2]), value)
    return found is not None and not value.startswith(county.code)


def refusal(county: County, *named: str) -> Outside:
    """Why the named places are not shown."""
    shown = "、".join(f"“{each}”" for each in named)
    return Outside(f"您的账号只能查看{county.name}的数据，不能查看{shown}。", do=_HOW)


def check(county: County, sql: str) -> None:
    """Looks for other counties in the SQL of a panel whose variables are filled in.

    Raises:
        Outside: it names a place outside the county.
    """
    # By the city: 432000 may well be the seconds of five days.
    for found in re.finditer(rf"(?<!\d){_codes(county.code[:4])}(?!\d)", sql):
        # The city's own code marks an unknown place; queries set such rows apart by it.
        if is_outside(county, found[0]) and not re.fullmatch(r"\d{4}00", found[0]):
            raise refusal(county, found[0])


def _codes(head: str) -> str:
    """Pattern of the codes that begin with some digits, from the county down to the micro-grid."""
    return rf"{head}\d{{{6 - len(head)}}}(?:\d{{3}}){{0,3}}"


class Desks:
    """The data sources of the counties' clerks.

    Args:
        clerks: the data source of all clerks as this server was started with it. Not as it is
            published: a publisher must not turn the passwords of counties to another server.
        password: gives the password of a county's user by its code; None: there are none.
    """

    def __init__(self, clerks: Record | None, password: Callable[[str], str] | None) -> None:
        self._clerks, self._password = clerks, password

    def origin(self, county: County) -> DataSource:
        """The data source of a county's clerks.

        Raises:
            Misconfigured: this server was started without the clerks' data source or the key.
        """
        if self._clerks is None or self._password is None:
            raise Misconfigured(
                f"本服务没有{county.name}的数据源。", do="请由管理员用 gulou up 启动看板服务。"
            )
        data = dict(self._clerks.get("jsonData") or {})
        data["username"] = f"{data.get('username')}_{county.code}"
        data["defaultDatabase"] = f"{data.get('defaultDatabase')}_{county.code}"
        # No published data source can have a uid with a colon.
        own = {"uid": f"desk:{county.code}", "jsonData": data}
        origin = source({**self._clerks, **own}, self._password(county.code))
        # A board may name no county, and its figures are the county's all the same.
        return replace(origin, note=f"仅含{county.name}")


_HOW = "请从列表中另选；确需查看其他县市区的，请向管理员申请。"
