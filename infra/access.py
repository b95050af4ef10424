"""Lets people and programs in, and takes it back: grants, and the desks that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dashboards.server.looks import recorded
from infra import desks
from infra.database import apply_desks, divisions
from infra.http import Grants
from infra.settings import Settings
from schemas.errors import GulouError, Misconfigured, Unavailable
from schemas.grain import Access


def add(settings: Settings, name: str, role: Access, county: str | None) -> tuple[str, bool]:
    """Lets a name in; returns its token, and whether ClickHouse is ready for it.

    Args:
        settings: of the installation.
        name: of the wall, the desk or the program.
        role: what it may do.
        county: code or name of the one county that a clerk may see; None: all.

    Raises:
        Refused: the name has access already, or the city has no such county.
        Misconfigured: a city's own ClickHouse does not let Gulou make the county's user.
    """
    grants = Grants(settings.access_file)
    bound = desks.county(divisions(settings), county) if county else None
    token = grants.add(name, role, bound)
    try:
        return token, _in_step(settings) if bound else True
    except GulouError:
        grants.revoke(name)
        raise


def revoke(settings: Settings, name: str) -> bool:
    """Shuts a name out; returns whether ClickHouse knows.

    Raises:
        Refused: the name has no access.
        Misconfigured: the name is shut out, but a city's own ClickHouse does not let Gulou drop a
            county's user.
    """
    grants = Grants(settings.access_file)
    before = grants.counties()
    grants.revoke(name)
    try:
        return grants.counties() == before or _in_step(settings)
    except Misconfigured as error:
        raise Misconfigured(
            f"{name!r} has no access any more. {error.what}", do=error.do
        ) from error


def looks(
    settings: Settings, since: str, who: str, unreadable: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Looks at case-level data from a day on, by one name or by all; oldest first."""
    for look in recorded(settings.looks_folder, unreadable):
        if look["at"][:10] >= since and who in ("", look["who"]):
            yield look


def _in_step(settings: Settings) -> bool:
    """Brings ClickHouse's users and views in step with the grants; False if it does not answer."""
    if not settings.clickhouse_host:
        desks.write_users(settings)
    try:
        apply_desks(settings)
    except Unavailable:
        return False
    return True
