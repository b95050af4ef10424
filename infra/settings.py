"""The settings of one installation, and the only place that reads the environment.

One declaration = variable, default and doc: the field `flush_ms` is the variable
`GULOU_FLUSH_MS`. `python -m infra.settings` renders them all into `docs/settings.md`.
"""

from __future__ import annotations

import difflib
import logging
import os
import secrets
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.errors import Misconfigured

# kafka-python warns at every login without TLS that the password travels in the clear. By SCRAM it
# does not; PLAIN without TLS is the embedded broker's login to itself, or what a city has chosen.
logging.getLogger("kafka.net.sasl").setLevel(logging.ERROR)

PREFIX = "GULOU_"
ROOT = Path(__file__).resolve().parents[1]
# A checkout keeps its data beside its code, wherever the command is called from.
_VAR = (ROOT if (ROOT / "pyproject.toml").exists() else Path.cwd()) / "var"
_DOC = ROOT / "docs" / "settings.md"
_MB = 1024 * 1024

SCRAM = "SCRAM-SHA-512"
"""How the users of the embedded Kafka log in."""
KafkaUser = Literal["admin", "producer", "worker", "auditor"]
"""As whom a part acts at Kafka: who makes topics, sends events, counts them, only reads."""
LOCAL = "127.0.0.1"
"""Where parts listen that nobody but this machine may reach, whatever `host` says."""
KAFKA_USERS: tuple[KafkaUser, ...] = get_args(KafkaUser)


def kafka_name(user: KafkaUser) -> str:
    """The user's name at Kafka, and that of its password's file."""
    return f"gulou-{user}"


Port = Annotated[int, Field(ge=0, le=65_535)]
Milliseconds = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """Where everything is and how it runs; by default all parts embedded, on this machine only.

    A part with a given address (`kafka_bootstrap`, `clickhouse_host`, `grafana_url`) is the city's
    own and is not started; clients do not know which one they talk to.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    # -- this machine
    home: Path = Field(default=_VAR, description="Data, secrets and logs of this installation.")
    cache: Path = Field(
        default=_VAR / "cache",
        description="Downloaded parts, shared by all installations of a checkout.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address the embedded parts listen on, without TLS.",
    )
    maven_url: str = Field(
        default="",
        description="Maven repository to fetch Kafka's jars from; empty is Maven Central.",
    )
    min_free_mb: int = Field(
        default=2_048,
        ge=0,
        description="Free disk space to start with; with a quarter of it left all stops.",
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="Faust workers that share the partitions."
    )
    metrics_port: Port = Field(
        default=19108,
        description="Metrics and readiness of the first worker, on 127.0.0.1 alone; worker n is n "
        "ports above.",
    )

    # -- the city
    divisions: Path | None = Field(
        default=None,
        description="CSV file with another city's divisions (code,name,valid_from,valid_to); empty "
        "is the shipped one. Its row of six digits ending in 00 is the city, the place of events "
        "whose place is unknown (未定位). Coverage needs microgrids_<city>.csv (code,microgrids) "
        "beside it, a map outlines_<city>.geojson.",
    )
    timezone: str = Field(
        default="Asia/Shanghai", description="Zone of days, deadlines and columns."
    )
    language: str = Field(
        default="zh",
        pattern="^[a-z]{2,3}(_[A-Z]{2})?$",
        description="Language of the boards: zh, or one with a file in dashboards/words.",
    )

    # -- Kafka
    kafka_port: Port = Field(
        default=19092, description="Port of the embedded Kafka; 0 is any free one."
    )
    kafka_bootstrap: str = Field(
        default="",
        description="host:port[,host:port] of the city's own Kafka; empty starts the embedded.",
    )
    kafka_replication: int = Field(
        default=-1, ge=-1, description="Replicas of each topic; -1 is what the brokers say."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to talk to the city's own Kafka."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="Used with SASL_PLAINTEXT and SASL_SSL."
    )
    kafka_username: str = Field(
        default="",
        description="SASL user of every part at the city's own Kafka; empty: each part has its "
        "own: gulou-admin, gulou-producer, gulou-worker, gulou-auditor.",
    )
    kafka_password_file: Path | None = Field(
        default=None, description="File with the password of that user."
    )
    kafka_passwords: Path | None = Field(
        default=None,
        description="Folder with the passwords of the parts' own users, a file named after each; "
        "the embedded Kafka's are made at first start, in secrets/kafka.",
    )
    kafka_ssl_cafile: Path | None = Field(
        default=None, description="Certificates to trust; empty is the system's."
    )
    kafka_ssl_certfile: Path | None = Field(default=None, description="Client certificate, PEM.")
    kafka_ssl_keyfile: Path | None = Field(
        default=None, description="Key of the client certificate."
    )
    kafka_ssl_check_hostname: bool = Field(
        default=True, description="Whether the broker's certificate must carry its host name."
    )

    # -- ClickHouse
    clickhouse_port: Port = Field(default=19000, description="Native protocol; 0 is any free port.")
    clickhouse_http_port: Port = Field(
        default=18123, description="HTTP interface; 0 is any free port."
    )
    clickhouse_host: str = Field(
        default="", description="Host of the city's own ClickHouse; empty starts the embedded one."
    )
    clickhouse_user: str = Field(default="gulou", description="User that owns all databases.")
    clickhouse_password_file: Path | None = Field(
        default=None, description="File with its password; empty is one made at first start."
    )
    clickhouse_board_user: str = Field(
        default="board", description="User that reads the viewers' views only."
    )
    clickhouse_board_password_file: Path | None = Field(
        default=None, description="File with its password; empty is one made at first start."
    )
    clickhouse_desk_user: str = Field(
        default="desk", description="User that reads the clerks' views only."
    )
    clickhouse_desk_password_file: Path | None = Field(
        default=None, description="File with its password; empty is one made at first start."
    )
    clickhouse_secure: bool = Field(default=False, description="TLS to the city's own ClickHouse.")
    clickhouse_cafile: Path | None = Field(
        default=None, description="Certificates to trust; empty is the system's."
    )
    clickhouse_cluster: str = Field(
        default="",
        pattern=r"^[\w.-]*$",
        description="Cluster of the city's own ClickHouse to create replicated tables on; empty "
        "is one server.",
    )
    database: str = Field(default="gulou", pattern=r"^\w+$", description="Database of the truth.")
    published_database: str = Field(
        default="gulou_published", pattern=r"^\w+$", description="Database of the viewers' views."
    )
    desk_database: str = Field(
        default="gulou_desk",
        pattern=r"^\w+$",
        description="Database of the clerks' views: finer figures and lists of cases.",
    )

    # -- boards
    board_port: Port = Field(default=13000, description="Board server; 0 is any free port.")
    closed: bool = Field(
        default=False,
        description="Whether the boards ask for a token on this machine too; needed behind a "
        "proxy and where others have accounts.",
    )
    looks_months: int = Field(
        default=6,
        ge=6,
        description="Months for which looks at case-level data stay on record; 6 at least.",
    )
    grafana_url: str = Field(
        default="", description="The city's own Grafana; empty starts the embedded board server."
    )
    grafana_token_file: Path | None = Field(
        default=None, description="File with a service account token of the city's own Grafana."
    )
    grafana_clickhouse_host: str = Field(
        default="",
        description="ClickHouse as the city's own Grafana reaches it; empty: as seen from here.",
    )
    grafana_clickhouse_port: Port = Field(
        default=0, description="Its native port from there; 0 is the port this program uses."
    )

    # -- the stream
    batch_events: int = Field(
        default=50_000, ge=1, le=100_000, description="Most events one INSERT may carry."
    )
    batch_bytes: int = Field(
        default=32_000_000,
        ge=_MB,
        le=32 * _MB,
        description="Most payload bytes one INSERT may carry.",
    )
    flush_ms: Milliseconds = Field(
        default=200,
        description="Least time between two INSERTs of a topic while there is little to do.",
    )
    dead_ceiling: int = Field(
        default=10_000, ge=1, description="Dead letters of a topic in an hour that stop the stream."
    )
    session_timeout_s: float = Field(
        default=10.0, ge=1, description="Silence after which a worker's partitions go to another."
    )
    watchdog_s: int = Field(
        default=60,
        ge=5,
        description="A worker behind for so long without progress exits, to be restarted.",
    )

    @classmethod
    def load(cls, **given: Any) -> Self:
        """The settings of this environment; `given` values win.

        Raises:
            Misconfigured: a variable has an invalid value, or is not a setting.
        """
        for name in os.environ:
            known = [variable(field) for field in cls.model_fields]
            if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_"):
                if name.upper() in known:
                    continue
                near = difflib.get_close_matches(name, known, n=1)
                raise Misconfigured(
                    f"{name} is set but is no setting of Gulou.",
                    do=f"Did you mean {near[0]}?" if near else "Unset it.",
                )
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            field = str(first["loc"][0])
            raise Misconfigured(
                f"{variable(field)} is {first['input']!r}: {first['msg']}.",
                do=f"It means: {cls.model_fields[field].description}"
                if field in cls.model_fields
                else "",
            ) from None

    @field_validator("home", "cache", "divisions")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()

    @field_validator("host")
    @classmethod
    def _one_address(cls, host: str) -> str:
        # Kafka sends this address to its clients, and they cannot connect to a wildcard.
        if host in ("0.0.0.0", "::", "*"):
            raise ValueError("one address of this machine is needed, such as 10.0.0.5")
        return host

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("no such time zone") from error
        return name

    @field_validator("desk_database", "clickhouse_desk_user")
    @classmethod
    def _not_the_viewers(cls, name: str, given: ValidationInfo) -> str:
        others = {
            "desk_database": ("database", "published_database"),
            "clickhouse_desk_user": ("clickhouse_user", "clickhouse_board_user"),
        }
        if name in [given.data.get(other) for other in others[str(given.field_name)]]:
            raise ValueError("the clerks' views need a database and a user of their own")
        return name

    @field_validator("clickhouse_cluster")
    @classmethod
    def _of_the_city(cls, cluster: str, given: ValidationInfo) -> str:
        if cluster and not given.data.get("clickhouse_host"):
            raise ValueError("the embedded ClickHouse is one server; set GULOU_CLICKHOUSE_HOST too")
        return cluster

    @property
    def zone(self) -> ZoneInfo:
        """Zone in which days begin and deadlines end."""
        return ZoneInfo(self.timezone)

    @property
    def bootstrap(self) -> str:
        """Kafka's address, the city's own or the embedded one's."""
        return self.kafka_bootstrap or f"{self.host}:{self.kafka_port}"

    @property
    def kafka_protocol(self) -> str:
        """How to talk to Kafka, the city's own or the embedded one."""
        return self.kafka_security_protocol if self.kafka_bootstrap else "SASL_PLAINTEXT"

    def kafka_options(self, user: KafkaUser) -> dict[str, Any]:
        """Keyword arguments for any client of kafka-python that acts as `user`."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.kafka_protocol,
        }
        if self.kafka_protocol.startswith("SASL"):
            name, password = self.kafka_login(user)
            options |= {
                "sasl_mechanism": self.kafka_sasl_mechanism if self.kafka_bootstrap else SCRAM,
                "sasl_plain_username": name,
                "sasl_plain_password": password.get_secret_value(),
            }
        if (context := self.kafka_tls()) is not None:
            options["ssl_context"] = context
        return options

    def kafka_login(self, user: KafkaUser) -> tuple[str, SecretStr]:
        """Name and password at Kafka of the part that acts as `user`.

        Raises:
            Misconfigured: a city's Kafka asks for a password, and no setting says where it is.
        """
        own = kafka_name(user)
        if not self.kafka_bootstrap:
            return own, self.secret(f"kafka/{own}")
        if self.kafka_username:
            file = self.kafka_password_file
            return self.kafka_username, _read(file) if file else SecretStr("")
        if self.kafka_passwords is None:
            raise Misconfigured(
                f"GULOU_KAFKA_SECURITY_PROTOCOL is {self.kafka_security_protocol!r}, and nothing "
                "says who logs in.",
                do="Set GULOU_KAFKA_USERNAME and _PASSWORD_FILE, or GULOU_KAFKA_PASSWORDS.",
            )
        return own, _read(self.kafka_passwords / own)

    def kafka_tls(self) -> ssl.SSLContext | None:
        """TLS context for kafka-python, aiokafka and Faust; None where TLS is off."""
        if not self.kafka_protocol.endswith("SSL"):
            return None
        context = ssl.create_default_context(cafile=self.kafka_ssl_cafile)
        context.check_hostname = self.kafka_ssl_check_hostname
        if self.kafka_ssl_certfile:
            context.load_cert_chain(self.kafka_ssl_certfile, self.kafka_ssl_keyfile)
        return context

    @property
    def clickhouse_address(self) -> tuple[str, int]:
        """Host and native port of ClickHouse, the city's own or the embedded one's."""
        return (self.clickhouse_host or self.host, self.clickhouse_port)

    @property
    def clickhouse_password(self) -> SecretStr:
        """Password of `clickhouse_user`."""
        file = self.clickhouse_password_file
        return _read(file) if file else self.secret("clickhouse")

    @property
    def clickhouse_board_password(self) -> SecretStr:
        """Password of `clickhouse_board_user`."""
        file = self.clickhouse_board_password_file
        return _read(file) if file else self.secret("clickhouse-board")

    @property
    def clickhouse_desk_password(self) -> SecretStr:
        """Password of `clickhouse_desk_user`."""
        file = self.clickhouse_desk_password_file
        return _read(file) if file else self.secret("clickhouse-desk")

    @property
    def grafana_token(self) -> SecretStr:
        """Token for the city's own Grafana; made here for the embedded board server."""
        file = self.grafana_token_file
        return _read(file) if file else self.secret("grafana")

    @property
    def access_file(self) -> Path:
        """Who is let in to the boards: names, roles and digests of tokens."""
        return self.home / "secrets" / "access.json"

    @property
    def looks_folder(self) -> Path:
        """Who looked at case-level data: a file a month."""
        return self.home / "looks"

    def secret(self, name: str) -> SecretStr:
        """The secret `name` of this installation, made at its first use, mode 0600.

        32 random bytes in URL-safe letters. Losing the folder `secrets` loses the guarded data.
        """
        file = self.home / "secrets" / name
        for folder in (self.home / "secrets", file.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = file.with_name(f".{file.name}.{os.getpid()}")
        if not file.exists():
            # Written aside and linked: two starts at once must agree on one complete secret.
            made.touch(mode=0o600, exist_ok=False)
            made.write_text(secrets.token_urlsafe(32))
            try:
                os.link(made, file)
            except FileExistsError:
                pass
            finally:
                made.unlink()
        return _read(file)

    def environment(self) -> dict[str, str]:
        """These settings as variables for a child process; they name secret files, not secrets."""
        return {
            variable(name): str(value) for name, value in self.model_dump(exclude_none=True).items()
        }


def variable(field: str) -> str:
    """The environment variable of a field: `flush_ms` -> `GULOU_FLUSH_MS`."""
    return PREFIX + field.upper()


def has_display() -> bool:
    """Whether this session has a screen on which a browser could open."""
    return sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def settings_table() -> str:
    """Every setting as a row of a Markdown table, in the order of declaration."""
    return "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    yield "| variable | default | meaning |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        if isinstance(default, Path):
            default = f"./{default.relative_to(_VAR.parent)}"
        shown = (
            ""
            if default in (None, "")
            else f"`{str(default).lower()}`"
            if isinstance(default, bool)
            else f"`{default}`"
        )
        yield f"| `{variable(name)}` | {shown} | {field.description} |"


def _read(file: Path) -> SecretStr:
    try:
        return SecretStr(file.read_text().strip())
    except OSError as error:
        raise Misconfigured(
            f"The secret file {str(file)!r} cannot be read: {error.strerror}.",
            do="Check the path and that its owner runs this command.",
        ) from error


def document() -> str:
    """The whole text of `docs/settings.md`."""
    return (
        "# Settings\n\n"
        "<!-- Written by: python -m infra.settings -->\n\n"
        "Every setting is an environment variable. Without any, all parts are embedded and "
        "listen on this machine only.\n\n" + settings_table()
    )


if __name__ == "__main__":
    _DOC.write_text(document())
