"""Logins and a board user's limits: the users file and the limits, without a server.

The server reads both at every statement.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from infra.warehouse import gate as board
from infra.warehouse._allowed import SETTINGS
from infra.warehouse._fault import ACCESS_DENIED, AUTHENTICATION_FAILED, READONLY, Fault
from infra.warehouse.access import User, Users, write_users
from schemas.errors import Misconfigured

WRITER = {"password": "tower", "role": "writer"}
BOARD = {"password": "drum", "role": "board", "databases": ["a", "b"]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "users.json"


def test_a_users_file_holds_for_both_roles_what_it_says(file: Path) -> None:
    limited = {**BOARD, "limits": {"max_result_rows": 7}}
    write_users(file, {"w": {**WRITER, "limits": {"max_result_rows": 7}}, "b": BOARD, "l": limited})
    users = Users(file)

    # Defaults of an entry: 30 seconds, 100,000 rows, 200 MB; a writer has no limits.
    every = {"max_execution_time": 30, "max_result_rows": 100_000, "max_memory_usage": 200_000_000}
    every["max_result_bytes"] = 33_554_432  # 32 MiB
    assert users.find("w") == User("w", "tower", "writer", (), {})
    assert users.find("b") == User("b", "drum", "board", ("a", "b"), every)
    assert users.find("l") == User("l", "drum", "board", ("a", "b"), every | {"max_result_rows": 7})
    assert users.find("nobody") is None
    assert [users.login(*who).is_board for who in (("w", "tower"), ("b", "drum"))] == [False, True]


@pytest.mark.parametrize(
    ("name", "password"),
    [("w", ""), ("w", "towe"), ("w", "tower "), ("w", "Tower"), ("nobody", "tower"), ("", "")],
)
def test_a_login_needs_the_name_and_the_whole_password(
    file: Path, name: str, password: str
) -> None:
    write_users(file, {"w": WRITER})

    with pytest.raises(Fault) as refused:
        Users(file).login(name, password)

    assert (refused.value.code, refused.value.what) == (
        AUTHENTICATION_FAILED,
        f"{name}: Authentication failed: password is incorrect, or there is no user with such "
        "name.",
    )


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"role": "writer"}, "KeyError"),
        ({"password": "x"}, "KeyError"),
        ({"password": "x", "role": "boards"}, "ValueError"),
        ({"password": "x", "role": ""}, "ValueError"),
        ({"password": "x", "role": "board", "databases": 1}, "TypeError"),
        ({"password": "x", "role": "board", "limits": 1}, "TypeError"),
        ("x", "TypeError"),
        (None, "TypeError"),
    ],
)
def test_an_entry_that_is_not_right_is_named_and_its_password_is_not(
    file: Path, entry: Any, error: str
) -> None:
    file.parent.mkdir()
    file.write_text(json.dumps({"users": {"u": entry}}))
    file.chmod(0o600)

    with pytest.raises(Misconfigured) as refused:
        Users(file)

    assert (refused.value.what, refused.value.do) == (
        f"The users file {str(file)!r} cannot be used: {error}.",
        "Write it with infra.warehouse.access.write_users.",
    )


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be used: FileNotFoundError"):
        Users(file)


@pytest.mark.parametrize("mode", [0o601, 0o602, 0o604, 0o610, 0o620, 0o640])
def test_each_right_of_others_is_one_too_many(file: Path, mode: int) -> None:
    write_users(file, {"w": WRITER})
    file.chmod(mode)

    with pytest.raises(Misconfigured) as refused:
        Users(file)

    assert refused.value.what == (
        f"The users file {str(file)!r} can be read by others (mode {mode & 0o77:o})."
    )
    for own in (0o600, 0o400, 0o700):
        file.chmod(own)
        assert Users(file).find("w") == User("w", "tower", "writer")


def test_a_new_file_holds_at_once_and_a_broken_one_never(file: Path) -> None:
    write_users(file, {"w": WRITER})
    users = Users(file)

    write_users(file, {"w": {**WRITER, "password": "new"}})
    assert users.login("w", "new").password == "new"
    with pytest.raises(Fault):
        users.login("w", "tower")

    # Half-written, then readable by others, then gone: the last good version applies.
    file.write_text("{")
    assert users.login("w", "new").name == "w"
    file.write_text('{"users": {}}')
    file.chmod(0o644)
    assert users.login("w", "new").name == "w"
    with pytest.raises(Misconfigured):
        users.reload()
    file.unlink()
    assert users.login("w", "new").name == "w"

    write_users(file, {})
    with pytest.raises(Fault):
        users.login("w", "new")


def test_the_same_time_with_another_file_is_noticed(file: Path) -> None:
    write_users(file, {"w": WRITER})
    users = Users(file)
    stamp = file.stat().st_mtime_ns
    write_users(file, {})
    os.utime(file, ns=(stamp, stamp))

    assert users.find("w") is None


def test_writing_leaves_no_half_file(file: Path) -> None:
    write_users(file, {"w": {**WRITER, "password": "another"}})
    write_users(file, {"w": WRITER})

    assert [each.name for each in file.parent.iterdir()] == ["users.json"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text()) == {"users": {"w": WRITER}}


ASKER = User("b", "drum", "board", ("a", "b"), {"max_result_rows": 100, "max_execution_time": 30})


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ("99", "99"),
        ("1", "1"),
        # Whole, and never below 1: the engine cuts a fraction off, and 0 would be no limit.
        ("99.9", "99"),
        ("0.5", "1"),
        ("1e-10", "1"),
        ("1e1", "10"),
        # Not lower: the limit itself, more, no limit (0), a sign, not a number.
        *((value, "100") for value in ("100", "101", "0", "-1", "", "x", "nan", "inf", "-1e-10")),
    ],
)
def test_a_limit_can_be_lowered_and_nothing_else(asked: str, holds: str) -> None:
    assert board.settings(ASKER, {"max_result_rows": asked}) == {
        "max_result_rows": holds,
        "max_execution_time": "30",
    }


FREE = {
    "output_format_json_quote_64bit_integers": ("1", "2"),
    "date_time_output_format": ("iso", "ISO"),
    "session_timezone": ("Asia/Shanghai", "../../etc/passwd"),
    "limit": ("10", "-1"),
    "offset": ("0", "1.5"),
    "max_block_size": ("65409", "0"),
    "max_threads": ("2", "17"),
    "log_comment": ("grafana_user:'x' \\ 鼓楼", "x" * 4001),
    "enable_http_compression": ("1", "1 "),
    "http_zlib_compression_level": ("3", "10"),
    "send_progress_in_http_headers": ("0", "x"),
    "http_headers_progress_interval_ms": ("100", "1"),
    "cancel_http_readonly_queries_on_client_close": ("true", "TRUE"),
    "http_send_timeout": ("30", "3601"),
    "send_timeout": ("300", "1e3"),
    "receive_timeout": ("300", "٣"),
    "connect_timeout": ("10", "0"),
}


@pytest.mark.parametrize(("name", "values"), FREE.items())
def test_settings_of_the_answers_form_are_free_within_their_range(
    name: str, values: tuple[str, str]
) -> None:
    right, wrong = values

    assert board.settings(ASKER, {name: right}) == {
        "max_result_rows": "100",
        "max_execution_time": "30",
        name: right,
    }
    with pytest.raises(Fault) as refused:
        board.settings(ASKER, {name: wrong})
    assert (refused.value.code, refused.value.what) == (
        READONLY,
        f"Cannot set {name!r} to such a value in readonly mode.",
    )


RANGES = {
    "limit": (0, 999_999_999),
    "offset": (0, 999_999_999),
    "max_block_size": (1, 1_000_000),
    "max_threads": (1, 16),
    "http_zlib_compression_level": (1, 9),
    "http_headers_progress_interval_ms": (10, 3_600_000),
    "http_connection_timeout": (1, 3_600),
    "http_send_timeout": (1, 3_600),
    "http_receive_timeout": (1, 3_600),
    "connect_timeout": (1, 3_600),
    "send_timeout": (1, 3_600),
    "receive_timeout": (1, 3_600),
    "output_format_pretty_max_rows": (1, 100_000),
}


@pytest.mark.parametrize(("name", "ends"), RANGES.items())
def test_a_number_is_free_from_the_first_of_its_range_to_the_last(
    name: str, ends: tuple[int, int]
) -> None:
    first, last = ends
    for right in (first, last):
        assert board.settings(ASKER, {name: str(right)})[name] == str(right)
    for wrong in (first - 1, last + 1):
        with pytest.raises(Fault):
            board.settings(ASKER, {name: str(wrong)})


def test_every_setting_with_a_range_has_its_ends_here() -> None:
    assert RANGES.keys() == {name for name, free in SETTINGS.items() if isinstance(free, range)}


@pytest.mark.parametrize(
    "name",
    """
    max_memory_usage max_rows_to_read allow_ddl output_format xlimit limits max_threads_x
    max_block_sizes http_timeout http_x_timeouts aconnect_timeout readonly_x
    allow_introspection_functions output_format_schema output_format_sql_insert_table_name
    format_schema output_format_json_quote_64bit_integers_x
    """.split(),  # noqa: SIM905
)
def test_any_other_setting_is_refused(name: str) -> None:
    with pytest.raises(Fault) as refused:
        board.settings(ASKER, {name: "7"})

    assert (refused.value.code, refused.value.what) == (
        READONLY,
        f"Cannot modify {name!r} setting in readonly mode.",
    )


def test_a_zone_is_one_of_the_list_or_the_citys_own() -> None:
    for zone in ("", "UTC", "Asia/Shanghai", "Asia/Almaty"):
        chosen = board.settings(ASKER, {"session_timezone": zone}, "Asia/Almaty")
        assert chosen["session_timezone"] == zone
    for wrong in ("Africa/Cairo", "asia/shanghai", "Asia/Almaty "):
        with pytest.raises(Fault):
            board.settings(ASKER, {"session_timezone": wrong})


def test_readonly_may_be_asked_for_and_changes_nothing() -> None:
    assert board.settings(ASKER, {"readonly": "0"}) == {
        "max_result_rows": "100",
        "max_execution_time": "30",
    }


def test_a_user_of_boards_is_in_the_first_database_or_another_of_its_own() -> None:
    assert [board.database(ASKER, wanted) for wanted in ("", "default", "a", "b")] == [
        *("a", "a", "a", "b"),
    ]
    nothing = User("b", "drum", "board")
    for user, wanted in ((ASKER, "c"), (ASKER, "A"), (ASKER, "system"), (nothing, "")):
        with pytest.raises(Fault) as refused:
            board.database(user, wanted)
        assert refused.value.code == ACCESS_DENIED
