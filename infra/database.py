"""Compares the live ClickHouse with what `schemas/` declares, makes a plan and applies it.

The table `applied` holds one digest per applied object. An events table only ever gains columns and
indexes. When the query or columns of a projection change, it is dropped with its target and created
again; the worker's next claim fills it from the events, as it does after any crash. A changed
comment rebuilds nothing: it is altered in place (D-83).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clickhouse_driver.errors import Error as DriverError
from clickhouse_driver.errors import ServerException

from infra import desks
from infra.settings import Settings
from schemas import names
from schemas.errors import Misconfigured, Unavailable
from schemas.families import families
from schemas.reference.divisions import SHIPPED, Divisions, microgrids, parent
from schemas.sql.columns import quoted
from schemas.sql.tables import Layout, Statement, database_statements, desk_statements, statements
from streams.connection import Address

_APPLIED = "applied"
_MAY_NOT = 497
_NO_LOGIN = (192, 193, 194, 516)
_COMMENT = re.compile(r"\sCOMMENT '(?:[^'\\]|\\.)*'")


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the plan: what it does, in words, and the SQL that does it."""

    what: str
    sql: tuple[str, ...]


def address(settings: Settings) -> Address:
    """Where ClickHouse is, as the user that owns all databases."""
    host, port = settings.clickhouse_address
    options: dict[str, Any] = {}
    if settings.clickhouse_secure:
        options = {"secure": True, "ca_certs": settings.clickhouse_cafile}
    return Address(
        host,
        port,
        settings.clickhouse_user,
        settings.clickhouse_password.get_secret_value(),
        options,
    )


def layout(settings: Settings) -> Layout:
    """Where the objects are, and on how many servers."""
    return Layout(
        settings.database,
        settings.published_database,
        settings.desk_database,
        settings.timezone,
        settings.clickhouse_cluster,
    )


def divisions(settings: Settings) -> Divisions:
    """The city's divisions."""
    return Divisions.load(settings.divisions or SHIPPED)


def apply(settings: Settings) -> list[Change]:
    """Applies the plan; returns the changes made, none when all was as declared.

    Raises:
        Misconfigured: an events table has a column of another type than declared.
        Unavailable: ClickHouse does not answer.
    """
    place = layout(settings)
    client = address(settings).connect()
    try:
        for statement in database_statements(place):
            client.execute(statement.sql)
        client.execute(
            f"CREATE TABLE IF NOT EXISTS `{place.database}`.`{_APPLIED}`{place.on_cluster} "
            "(name String, digest String, at DateTime64(3) DEFAULT now64(3)) "
            f"ENGINE = {place.engine('ReplacingMergeTree')}(at) ORDER BY name"
        )
        done = list(_plan(client, place, statements(families(), place)))
        for change in done:
            for sql in change.sql:
                client.execute(sql)
        _reference(client, place, settings)
    finally:
        client.disconnect()
    return [*done, *apply_desks(settings)]


def apply_desks(settings: Settings) -> list[Change]:
    """Makes the desks of counties that have clerks of their own, and drops the others.

    Nothing else changes, so it may run while workers write. One caller at a time: between the
    reading of the grants and the drop of a desk, nobody may let a clerk in to it.

    Raises:
        Misconfigured: a city's own ClickHouse lets Gulou make or drop no user.
        Unavailable: ClickHouse does not answer, or nothing was ever applied there.
    """
    with desks.alone(settings):
        return _apply_desks(settings)


def _apply_desks(settings: Settings) -> list[Change]:
    place = replace(layout(settings), counties=desks.counties(settings))
    client = address(settings).connect()
    try:
        gone = list(_gone(client, place))
        for change in gone:
            client.execute(change.sql[0])
        for statement in database_statements(place):
            if statement.database in place.desks.values():
                client.execute(statement.sql)
        done = list(_plan(client, place, desk_statements(families(), place)))
        for change in done:
            for sql in change.sql:
                client.execute(sql)
        users = list(_users(client, settings, place)) if settings.clickhouse_host else []
    except ServerException:
        raise
    except (DriverError, OSError, EOFError) as error:
        raise Unavailable(
            f"ClickHouse does not answer ({type(error).__name__}).", do="See: gulou status"
        ) from error
    finally:
        client.disconnect()
    return [*gone, *done, *users]


def _gone(client: Any, place: Layout) -> Iterator[Change]:
    """Drops the databases of desks that are no more; they hold nothing but views."""
    desk = re.compile(rf"{re.escape(place.desk)}_[0-9]{{6}}")
    ours = {name.partition(".")[0] for name in _applied(client, place)}
    for (database,) in client.execute("SELECT name FROM system.databases ORDER BY name"):
        wanted = database in place.desks.values()
        # Only what Gulou made: a city may have a database of such a name.
        if database in ours and desk.fullmatch(database) and not wanted:
            drop = f"DROP DATABASE IF EXISTS `{database}`{place.on_cluster} SYNC"
            yield Change(f"drop database {database}", (drop,))


def _users(client: Any, settings: Settings, place: Layout) -> Iterator[Change]:
    """Makes and drops the users of desks on a city's own ClickHouse, one after the other."""
    to_be = {f"user {desks.reader(settings, county).name}" for county in place.counties}
    applied = {k: d for k, d in _applied(client, place).items() if k.startswith("user ") and d}
    for key in sorted(to_be | applied.keys()):
        name = key.removeprefix("user ")
        user = replace(desks.reader(settings, name[-6:]), name=name)
        sql = user.made(place) if key in to_be else user.dropped(place)
        digest = hashlib.sha256("".join(sql).encode()).hexdigest()[:32] if key in to_be else ""
        if applied.get(key, "") != digest:
            _managed(client, settings, sql, user, key in to_be)
            client.execute(_remembered(place, key, digest))
            yield Change(f"{'create' if key in to_be else 'drop'} {key}", sql)


def _managed(
    client: Any, settings: Settings, sql: Sequence[str], user: desks.DeskUser, wanted: bool
) -> None:
    """Runs statements about a user; whoever may not is content when an administrator has done it.

    Raises:
        Misconfigured: the user is not as wanted, and may not be made so.
    """
    try:
        for statement in sql:
            client.execute(statement)
    except ServerException as error:
        if error.code != _MAY_NOT:
            raise
        probe = f"SELECT 1 FROM `{user.database}`.labels LIMIT 1" if wanted else "SELECT 1"
        code = _fault(settings, user, probe)
        if (code == 0) if wanted else (code in _NO_LOGIN):
            return
        raise Misconfigured(
            f"ClickHouse's user {settings.clickhouse_user!r} may not make or drop the user "
            f"{user.name!r} of a county's clerks.",
            do="Grant it ACCESS MANAGEMENT, and SELECT with GRANT OPTION on "
            f"{settings.desk_database}_*.*; or let an administrator run: {'; '.join(sql)}",
        ) from None


def _fault(settings: Settings, user: desks.DeskUser, probe: str) -> int:
    """The code of the error that a user of a desk gets; 0 for an answer."""
    client = replace(address(settings), user=user.name, password=user.password).connect()
    try:
        client.execute(probe)
    except DriverError as error:
        return int(error.code)
    finally:
        client.disconnect()
    return 0


def _applied(client: Any, place: Layout) -> Mapping[str, str]:
    """Digest by name of what was applied."""
    return dict(client.execute(f"SELECT name, digest FROM `{place.database}`.`{_APPLIED}` FINAL"))


def _plan(client: Any, place: Layout, declared: Sequence[Statement]) -> Iterator[Change]:
    there = {
        (database, name)
        for database, name in client.execute(
            "SELECT database, name FROM system.tables WHERE database IN %(dbs)s",
            {"dbs": sorted({"", *(statement.database for statement in declared)})},
        )
    }
    applied = _applied(client, place)
    yield from _dropped(there, applied.keys(), declared, place)
    rebuilt: set[str] = set()
    for statement in declared:
        is_view = statement.kind == "view"
        if not is_view and statement.name in rebuilt:
            continue  # with the other half of its projection
        exists = (statement.database, statement.name) in there
        full, remember = f"{statement.database}.{statement.name}", _remember(statement, place)
        # A view keeps its old column types, so it is created again with the table it reads.
        stands = not (is_view and rebuilt)
        if exists and applied.get(full) == _digest(statement) and stands:
            continue
        if not exists:
            yield Change(f"create {statement.kind} {full}", (statement.sql, remember))
        elif is_view:
            yield Change(f"replace view {full}", (statement.sql, remember))
        elif statement.kind in ("target", "materialized view"):
            table = statement.name.removesuffix("_mv")
            rebuilt |= {table, f"{table}_mv"}
            yield _rebuild(table, declared, place)
        else:
            yield Change(f"alter {full}", (*_added(client, statement, place), remember))
    yield from _described(client, declared, place, rebuilt)


def _dropped(
    there: Collection[tuple[str, str]],
    applied: Collection[str],
    declared: Sequence[Statement],
    place: Layout,
) -> Iterator[Change]:
    """Drops the published views that are declared no more: one may be too fine for its readers.

    Only those that Gulou made; a city may keep views of its own beside them.
    """
    wanted = {(statement.database, statement.name) for statement in declared}
    for database, name in sorted(there):
        made = database != place.database and f"{database}.{name}" in applied
        if made and (database, name) not in wanted:
            drop = f"DROP VIEW `{database}`.`{name}`{place.on_cluster} SYNC"
            yield Change(f"drop view {database}.{name}", (drop,))


def _described(
    client: Any, declared: Sequence[Statement], place: Layout, rebuilt: set[str]
) -> Iterator[Change]:
    """Changes of existing columns with a comment that differs from the declared one."""
    live = {
        (table, column): comment
        for table, column, comment in client.execute(
            "SELECT table, name, comment FROM system.columns WHERE database = %(db)s",
            {"db": place.database},
        )
    }
    for statement in declared:
        if statement.kind not in ("table", "target") or statement.name in rebuilt:
            continue
        table = f"`{statement.database}`.`{statement.name}`{place.on_cluster}"
        alters = tuple(
            f"ALTER TABLE {table} COMMENT COLUMN `{c.name}` {quoted(str(c.doc))}"
            for c in statement.columns
            if live.get((statement.name, c.name), str(c.doc)) != str(c.doc)
        )
        if alters:
            yield Change(f"describe {statement.database}.{statement.name}", alters)


def _rebuild(table: str, declared: Sequence[Statement], place: Layout) -> Change:
    """Drops a projection's view and target; the claim fills the new target from the events."""
    view = f"{table}_mv"
    halves = [s for s in declared if s.name in (table, view)]
    drops = [
        f"DROP TABLE IF EXISTS `{place.database}`.`{name}`{place.on_cluster} SYNC"
        for name in (view, table)
    ]
    made = [*(s.sql for s in halves), *(_remember(s, place) for s in halves)]
    return Change(f"rebuild projection {place.database}.{table}", (*drops, *made))


def _remember(statement: Statement, place: Layout) -> str:
    """The statement that records what was applied."""
    return _remembered(place, f"{statement.database}.{statement.name}", _digest(statement))


def _remembered(place: Layout, name: str, digest: str) -> str:
    return (
        f"INSERT INTO `{place.database}`.`{_APPLIED}` (name, digest) "
        f"SELECT {quoted(name)}, {quoted(digest)}"
    )


def _added(client: Any, statement: Statement, place: Layout) -> Iterator[str]:
    table = f"`{statement.database}`.`{statement.name}`{place.on_cluster}"
    live = {
        name: (type_, codec)
        for name, type_, codec in client.execute(
            "SELECT name, type, compression_codec FROM system.columns "
            "WHERE database = %(db)s AND table = %(table)s",
            {"db": statement.database, "table": statement.name},
        )
    }
    for column in statement.columns:
        type_, codec = live.get(column.name, ("", ""))
        if not type_:
            yield f"ALTER TABLE {table} ADD COLUMN {column.ddl}"
        elif _bare(type_) != _bare(column.type):
            raise Misconfigured(
                f"{statement.database}.{statement.name}.{column.name} is {type_!r}, "
                f"declared as {column.type!r}; history is never rewritten.",
                do="Declare a new column, or start a new database with GULOU_DATABASE.",
            )
        elif column.codec and not codec:  # For new parts; old ones change as they merge.
            yield f"ALTER TABLE {table} MODIFY COLUMN `{column.name}` CODEC({column.codec})"
    for index in statement.indexes:
        yield f"ALTER TABLE {table} ADD INDEX IF NOT EXISTS {index}"


def _bare(type_: str) -> str:
    return "".join(type_.split())


def _digest(statement: Statement) -> str:
    # A view is cheap to create again with its comment; a table of figures is not.
    sql = statement.sql if statement.kind == "view" else _COMMENT.sub("", statement.sql)
    return hashlib.sha256(sql.encode()).hexdigest()[:32]


def _reference(client: Any, place: Layout, settings: Settings) -> None:
    """Loads the divisions with their micro-grids, when they differ from the stored ones."""
    known = divisions(settings)
    # Only micro-grids from a file: a coverage of made-up micro-grids would be no figure.
    grids = microgrids(settings.divisions or SHIPPED, known) or {}
    wanted = [
        (d.code, d.name, d.level, parent(d.code), grids.get(d.code, 0), d.valid_from, d.valid_to)
        for d in known.values()
    ]
    table = f"`{place.database}`.`{names.DIVISIONS_TABLE}`"
    columns = "code, name, level, parent, microgrids, valid_from, valid_to"
    if sorted(client.execute(f"SELECT {columns} FROM {table} FINAL")) != sorted(wanted):
        client.execute(f"TRUNCATE TABLE {table}{place.on_cluster}")
        client.execute(f"INSERT INTO {table} ({columns}) VALUES", wanted)
