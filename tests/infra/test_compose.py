"""The compose file and Grafana's provisioning, read without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from infra.desks import OWN_SERVERS_LIMITS
from infra.parts import board_source
from infra.settings import Settings
from schemas.grain import ROLES, Role

INFRA = Path(__file__).parents[2] / "infra"
COMPOSE = INFRA / "compose.yaml"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def sources() -> Any:
    return read(INFRA / "grafana/provisioning/datasources/gulou.yaml")["datasources"]


def test_images_are_official_and_pinned_to_a_version() -> None:
    images = {name: service["image"] for name, service in read(COMPOSE)["services"].items()}
    assert set(images) == {"kafka", "clickhouse", "grafana"}
    owners = ("apache/kafka:", "clickhouse/clickhouse-server:", "grafana/grafana:")
    for image, owner in zip(images.values(), owners, strict=True):
        assert image.startswith(owner)
        assert re.fullmatch(r"\d+(\.\d+)+", image.removeprefix(owner))


def test_nothing_listens_beyond_this_machine_unless_someone_says_so() -> None:
    ports = [p for service in read(COMPOSE)["services"].values() for p in service["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_mounted_file_of_the_repository_exists() -> None:
    mounts = [v for service in read(COMPOSE)["services"].values() for v in service["volumes"]]
    local = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    assert len(local) == 4
    assert all((INFRA / path).exists() for path in local)


def test_a_password_is_asked_for_and_never_written_down() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    values = re.findall(r"PASSWORD: (.*)", text)
    assert values
    assert all(re.fullmatch(r"\$\{GULOU_\w+:\?set it\}", value) for value in values)
    assert [source["secureJsonData"]["password"] for source in sources()] == [
        "${GULOU_CLICKHOUSE_BOARD_PASSWORD}",
        "${GULOU_CLICKHOUSE_DESK_PASSWORD}",
    ]


@pytest.mark.parametrize(("n", "role"), [*enumerate(ROLES)])
def test_a_provisioned_data_source_is_the_published_one(n: int, role: Role, tmp_path: Path) -> None:
    ours = board_source(Settings(home=tmp_path), role)
    same = ("uid", "name", "type", "access", "isDefault")
    provisioned = sources()[n]
    assert {key: provisioned[key] for key in same} == {key: ours[key] for key in same}
    assert provisioned["jsonData"]["defaultDatabase"] == ours["jsonData"]["defaultDatabase"]
    assert provisioned["jsonData"]["username"] == ours["jsonData"]["username"]


def test_boards_are_read_from_where_compose_mounts_them() -> None:
    provider = read(INFRA / "grafana/provisioning/dashboards/gulou.yaml")["providers"][0]
    mounts = read(COMPOSE)["services"]["grafana"]["volumes"]
    assert f"../dashboards/json:{provider['options']['path']}:ro" in mounts
    assert provider["folderUid"] == "gulou"


def test_the_plugin_is_not_the_line_that_breaks_numeric_values() -> None:
    plugin = read(COMPOSE)["services"]["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    name, _, version = plugin.partition("@")
    major, minor, _ = map(int, version.split("."))
    assert name == "grafana-clickhouse-datasource"
    assert (major, minor) >= (4, 20)


def test_each_user_of_boards_may_send_its_time_limit_and_read_its_views_only() -> None:
    root = ElementTree.parse(INFRA / "grafana/board-users.xml").getroot()
    assert (
        root.find("profiles/board/constraints/max_execution_time/changeable_in_readonly")
        is not None
    )
    assert root.findtext("profiles/board/readonly") == "1"
    told = {name: root.findtext(f"profiles/board/{name}") for name in OWN_SERVERS_LIMITS}
    assert told == {name: str(limit) for name, limit in OWN_SERVERS_LIMITS.items()}
    assert {user.tag: user.findtext("grants/query") for user in root.findall("users/*")} == {
        "board": "GRANT SELECT ON gulou_published.*",
        "desk": "GRANT SELECT ON gulou_desk.*",
    }
    assert {user.findtext("profile") for user in root.findall("users/*")} == {"board"}
