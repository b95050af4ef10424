import stat
from pathlib import Path

import pytest

from infra.settings import KAFKA_USERS, Settings, document, settings_table
from schemas.errors import Misconfigured


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the Gulou variables of the machine that runs the tests."""
    import os

    for name in os.environ:
        if name.startswith("GULOU_"):
            monkeypatch.delenv(name)


def test_without_variables_everything_is_embedded_and_on_this_machine_only() -> None:
    found = Settings.load()

    assert (found.host, found.bootstrap) == ("127.0.0.1", "127.0.0.1:19092")
    assert found.clickhouse_address == ("127.0.0.1", 19000)


def test_each_part_logs_in_to_the_embedded_kafka_as_a_user_of_its_own(tmp_path: Path) -> None:
    found = Settings.load(home=tmp_path, kafka_security_protocol="SSL", kafka_username="citys-own")

    options = {user: found.kafka_options(user) for user in KAFKA_USERS}

    assert {user: each["sasl_plain_username"] for user, each in options.items()} == {
        "admin": "gulou-admin",
        "producer": "gulou-producer",
        "worker": "gulou-worker",
        "auditor": "gulou-auditor",
    }
    passwords = {each.pop("sasl_plain_password") for each in options.values()}
    assert len(passwords) == len(KAFKA_USERS)
    kept = list((tmp_path / "secrets" / "kafka").iterdir())
    assert {file.read_text() for file in kept} == passwords
    assert {stat.S_IMODE(file.stat().st_mode) for file in kept} == {0o600}
    assert stat.S_IMODE(kept[0].parent.stat().st_mode) == 0o700
    assert options["worker"] == {
        "bootstrap_servers": "127.0.0.1:19092",
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "gulou-worker",
    }


def test_a_citys_kafka_without_passwords_is_asked_without_one() -> None:
    assert Settings.load(kafka_bootstrap="kafka1:9092").kafka_options("producer") == {
        "bootstrap_servers": "kafka1:9092",
        "security_protocol": "PLAINTEXT",
    }


def test_a_city_may_give_each_part_a_user_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "gulou-worker").write_text("the worker's\n")
    found = Settings.load(
        kafka_bootstrap="kafka1:9092",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_passwords=tmp_path,
    )

    name, password = found.kafka_login("worker")

    assert (name, password.get_secret_value()) == ("gulou-worker", "the worker's")
    with pytest.raises(Misconfigured, match="gulou-producer' cannot be read: No such file"):
        found.kafka_login("producer")


def test_a_kafka_that_asks_for_a_password_which_nobody_has_set_is_one_sentence() -> None:
    found = Settings.load(kafka_bootstrap="kafka1:9092", kafka_security_protocol="SASL_SSL")

    with pytest.raises(Misconfigured, match="'SASL_SSL', and nothing says who logs in") as refused:
        found.kafka_options("worker")

    assert "GULOU_KAFKA_PASSWORDS" in refused.value.do


def test_a_city_points_every_client_at_its_own_servers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    for name, value in {
        "GULOU_KAFKA_BOOTSTRAP": "kafka-1.example:9093,kafka-2.example:9093",
        "GULOU_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "GULOU_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
        "GULOU_KAFKA_USERNAME": "gulou",
        "GULOU_KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
        "GULOU_CLICKHOUSE_HOST": "ch.example",
        "GULOU_CLICKHOUSE_PORT": "9440",
    }.items():
        monkeypatch.setenv(name, value)

    found = Settings.load()
    options = found.kafka_options("admin")

    assert options.pop("ssl_context").check_hostname
    assert options == {
        "bootstrap_servers": "kafka-1.example:9093,kafka-2.example:9093",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "gulou",
        "sasl_plain_password": "s3cret",
    }
    assert found.clickhouse_address == ("ch.example", 9440)


def test_a_child_process_reads_the_same_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = Settings.load(home=tmp_path, kafka_port=0, divisions=tmp_path, clickhouse_secure=True)

    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)

    assert Settings.load() == given


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GULOU_KAFKA_PORT", "99999", "GULOU_KAFKA_PORT is '99999': Input should be less than or"),
        ("GULOU_TIMEZONE", "Asia/Huaihua", "GULOU_TIMEZONE is 'Asia/Huaihua': .*no such time zone"),
        ("GULOU_DATABASE", "my city", "GULOU_DATABASE is 'my city': .*Database of the truth"),
        ("GULOU_HOST", "0.0.0.0", "GULOU_HOST is '0.0.0.0': .*one address of this machine"),
        ("GULOU_DESK_DATABASE", "gulou_published", ".* a database and a user of their own"),
        ("GULOU_CLICKHOUSE_DESK_USER", "board", "DESK_USER is 'board': .*a user of their own"),
        ("GULOU_KAFKA_PROT", "1", "GULOU_KAFKA_PROT is set but .* Did you mean GULOU_KAFKA_PORT?"),
    ],
)
def test_a_wrong_variable_is_one_sentence_with_its_name_and_meaning(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(Misconfigured, match=said):
        Settings.load()


def test_an_empty_variable_is_as_if_it_were_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GULOU_DIVISIONS", "")

    assert Settings.load().divisions is None


def test_a_secret_is_made_once_kept_for_its_owner_only_and_never_shown(tmp_path: Path) -> None:
    settings = Settings.load(home=tmp_path)

    secret = settings.clickhouse_password

    file = tmp_path / "secrets" / "clickhouse"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert len(secret.get_secret_value()) == 43  # 32 bytes in base64 without padding
    assert Settings.load(home=tmp_path).clickhouse_password == secret
    passwords = {settings.clickhouse_board_password, settings.clickhouse_desk_password, secret}
    assert len(passwords) == 3
    shown = f"{secret} {secret!r} {settings!r} {settings.environment()}"
    assert secret.get_secret_value() not in shown
    assert list(file.parent.glob(".*")) == []


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings.load(
        kafka_bootstrap="kafka1:9092", kafka_username="gulou", kafka_password_file=tmp_path / "none"
    )

    with pytest.raises(Misconfigured, match="none' cannot be read: No such file"):
        settings.kafka_login("worker")


def test_every_setting_is_documented_and_the_page_is_up_to_date() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"`GULOU_{name.upper()}`" in settings_table()
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text() == document()
