"""`gulou forget`, `hold` and `remember`, as an official runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from infra import feed
from infra.cli.main import app
from infra.settings import Settings
from schemas.errors import GulouError, Refused

TEXT = "门口的路灯不亮"
PERSON = "欧阳小满/13974500173"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("GULOU_HOME", str(tmp_path))
    return Settings.load()


@pytest.fixture
def sealed(settings: Settings) -> str:
    """A text of the person, sealed by an earlier import."""
    with feed.vault(settings) as vault:
        return vault.seal(vault.pseudonym(PERSON), "e-1", "text", TEXT)


def readable(settings: Settings, sealed: str) -> bool:
    with feed.vault(settings) as vault:
        try:
            return vault.unseal(vault.pseudonym(PERSON), "e-1", "text", sealed) == TEXT
        except Refused:
            return False


def run(*arguments: str, input: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=input)


def refusal(result: Result) -> str:
    assert isinstance(result.exception, GulouError)
    assert result.exception.exit_code == 2
    return str(result.exception)


def record(settings: Settings) -> list[tuple[str, str]]:
    lines = (settings.home / "erasures.jsonl").read_text(encoding="utf-8").splitlines()
    return [(e["type"], e["data"]["reason"]) for e in map(json.loads, lines)]


def test_a_person_from_the_input_is_forgotten_and_what_remains_is_said(
    settings: Settings, sealed: str
) -> None:
    done = run("forget", input=f"{PERSON}\n本人申请\n")
    assert done.exit_code == 0
    assert not readable(settings, sealed)
    assert record(settings) == [("subject.erased", "本人申请")]
    assert "密钥已销毁" in done.output
    for place in ("Kafka", "ClickHouse", "备份", "台账原件", "读不出来的来文", "erasures.jsonl"):
        assert place in done.output
    # Neither the screen nor any file has the person.
    files = [file.read_bytes() for file in settings.home.rglob("*") if file.is_file()]
    for part in PERSON.split("/"):
        assert part not in done.output
        assert not any(part.encode() in content for content in files)


def test_a_pseudonym_is_taken_as_an_argument_and_a_person_with_a_warning(
    settings: Settings, sealed: str
) -> None:
    with feed.vault(settings) as vault:
        pseudonym = vault.pseudonym(PERSON)
    held = run("hold", pseudonym, "--reason", "诉讼保全")
    assert held.exit_code == 0 and "命令历史" not in held.output
    released = run("remember", PERSON, "--reason", "期满")
    assert released.exit_code == 0 and "命令历史" in released.output
    assert run("forget", pseudonym, "--reason", "本人申请").exit_code == 0
    assert not readable(settings, sealed)


def test_a_hold_refuses_and_remember_lifts_it_and_readmits_after_an_erasure(
    settings: Settings, sealed: str
) -> None:
    assert run("hold", "--reason", "诉讼保全", input=PERSON).exit_code == 0
    assert "保全" in refusal(run("forget", "--reason", "本人申请", input=PERSON))
    assert readable(settings, sealed)
    assert "已解除保全" in run("remember", "--reason", "期满", input=PERSON).output
    assert run("forget", "--reason", "本人申请", input=PERSON).exit_code == 0
    again = run("remember", "--reason", "新的来访", input=PERSON)
    assert "可以重新登记" in again.output
    assert not readable(settings, sealed)
    assert "既未保全，也未注销" in refusal(run("remember", "--reason", "再来", input=PERSON))
    assert record(settings) == [
        ("subject.held", "诉讼保全"),
        ("subject.released", "期满"),
        ("subject.erased", "本人申请"),
        ("subject.readmitted", "新的来访"),
    ]


@pytest.mark.parametrize("command", ["forget", "hold", "remember"])
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (f"{PERSON}\n\n", "没有写明理由"),
        (f"{PERSON}\n  \n", "没有写明理由"),
        (f"{PERSON}\n其子13974500173来电\n", "理由里像是电话号码"),
        ("\n理由\n", "known by a blank"),
    ],
)
def test_without_a_person_or_a_fit_reason_nothing_happens(
    command: str, said: str, why: str, settings: Settings, sealed: str
) -> None:
    message = refusal(run(command, input=said))
    assert why in message and "13974500173" not in message
    assert readable(settings, sealed)
    assert not (settings.home / "erasures.jsonl").exists()


@pytest.mark.parametrize("command", ["forget", "hold"])
def test_a_person_nobody_knows_is_a_slip_of_the_pen(
    command: str, settings: Settings, sealed: str
) -> None:
    message = refusal(run(command, "--reason", "本人申请", input="欧阳小满"))
    assert "密钥库里没有此人" in message and "姓名/手机" in message
    assert "欧阳小满" not in message
    assert not (settings.home / "erasures.jsonl").exists()


def test_a_backup_of_the_secrets_that_is_put_back_forgets_again(
    settings: Settings, sealed: str
) -> None:
    file = settings.home / "secrets" / "vault.sqlite"
    backup = file.read_bytes()
    run("forget", "--reason", "本人申请", input=PERSON)
    for each in file.parent.glob("vault.sqlite*"):
        each.unlink()
    file.write_bytes(backup)
    assert not readable(settings, sealed)
