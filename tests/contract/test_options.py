"""The login options of the contract for a real server."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.contract.conftest import given, real_clickhouse


def test_a_real_kafka_is_logged_in_to_as_the_product_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret")
    for name, value in {
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "PLAIN",
        "USERNAME": "tester",
        "PASSWORD_FILE": str(tmp_path / "password"),
        "SSL_CHECK_HOSTNAME": "false",
    }.items():
        monkeypatch.setenv(f"GULOU_TEST_KAFKA_{name}", value)

    options = given("kafka", kafka_bootstrap="kafka1:9093").kafka_options("admin")

    context = options.pop("ssl_context")
    assert isinstance(context, ssl.SSLContext)
    assert not context.check_hostname
    assert options == {
        "bootstrap_servers": "kafka1:9093",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "tester",
        "sasl_plain_password": "s3cret",
    }


def test_a_real_clickhouse_is_reached_as_the_product_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3:cret")
    for name, value in {
        "USER": "tester",
        "PASSWORD_FILE": str(tmp_path / "password"),
        "SECURE": "true",
        "CAFILE": "/etc/city.pem",
        "HTTP_PORT": "8443",
    }.items():
        monkeypatch.setenv(f"GULOU_TEST_CLICKHOUSE_{name}", value)

    found = real_clickhouse("ch1:9440")

    assert (found.host, found.port, found.user, found.password) == (
        "ch1", 9440, "tester", "s3:cret",
    )  # fmt: skip
    assert (found.url, found.secure, found.cafile) == ("https://ch1:8443/", True, "/etc/city.pem")


def test_a_variable_that_stands_for_no_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GULOU_TEST_KAFKA_USER", "tester")

    with pytest.raises(pytest.UsageError, match="GULOU_TEST_KAFKA_USER stands for no setting"):
        given("kafka")
