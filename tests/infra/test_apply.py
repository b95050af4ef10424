"""What `apply` puts into ClickHouse besides tables: the city's divisions with their micro-grids."""

from __future__ import annotations

from pathlib import Path

from infra.settings import Settings
from infra.warehouse import Warehouse, apply


def test_coverage_has_the_base_that_stands_beside_the_divisions_of_any_city(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    places = tmp_path / "places.csv"
    places.write_text(
        "code,name,valid_from,valid_to\n990000,示例市,,\n990001,示例县,,\n"
        "990001001,示例镇,,\n990001001001,甲村,,\n990001001002,乙村,,\n",
        encoding="utf-8",
    )
    password = tmp_path / "password"
    password.write_text(warehouse.password, encoding="utf-8")
    settings = Settings().model_copy(
        update={
            "divisions": places,
            "clickhouse_host": warehouse.host,
            "clickhouse_port": warehouse.port,
            "clickhouse_user": warehouse.user,
            "clickhouse_password_file": password,
            "database": "elsewhere",
            "published_database": "elsewhere_published",
        }
    )

    def base() -> dict[str, int]:
        apply.apply(settings)
        client = apply.address(settings).connect()
        try:
            return dict(
                client.execute(
                    "SELECT code, microgrids FROM elsewhere_published.divisions "
                    "WHERE level = 'village'"
                )
            )
        finally:
            client.disconnect()

    assert base() == {"990001001001": 0, "990001001002": 0}
    (tmp_path / "microgrids_990000.csv").write_text("code,microgrids\n990001001001,41\n")
    assert base() == {"990001001001": 41, "990001001002": 0}
