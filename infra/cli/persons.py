"""`gulou forget`, `hold`, `remember`: what the vault keeps of a person.

The person is read from the input, because an argument stays in the shell's history and is visible
to every account while the command runs.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from infra import feed
from infra.cli._screen import err, out
from infra.settings import Settings
from producers.vault import Vault
from schemas.errors import Refused
from schemas.open_text import exposed

app = typer.Typer()

_Person = Annotated[
    str | None,
    typer.Argument(
        help="As the ledger's mapping writes the person, or the pseudonym. Read from the input "
        "when absent, so that no history of commands keeps it."
    ),
]
_Reason = Annotated[
    str | None,
    typer.Option(help="Why, and who decided; kept for ever, so no name. Asked for when absent."),
]


@app.command()
def forget(person: _Person = None, reason: _Reason = None) -> None:
    """Destroy the keys of a person: their texts can never be read again, anywhere.

    Bytes, counts and proofs stay. Writes subject.erased into erasures.jsonl. Exit code 2 under a
    legal hold, or when the vault does not know the person.

    Try:

    [cyan]gulou forget[/cyan]                                asks for person and reason

    [cyan]gulou forget --reason "本人申请，2026第3号" < person.txt[/cyan]
    """
    settings = Settings.load()
    with feed.vault(settings) as keys:
        subject, why = _asked(keys, person, reason)
        _known(keys, subject)
        there = keys.forget(subject, why)
        out.print(_FORGOTTEN if there else "此人的密钥早已销毁，或者从未有过；已记为注销。")
    out.print(f"{_REMAINS}\n注销记录：{settings.home / 'erasures.jsonl'}", soft_wrap=True)


@app.command()
def hold(person: _Person = None, reason: _Reason = None) -> None:
    """Put a person under a legal hold: `gulou forget` refuses until `gulou remember` lifts it.

    Example: [cyan]gulou hold --reason "诉讼保全，2026民初12号" < person.txt[/cyan]
    """
    with feed.vault(Settings.load()) as keys:
        subject, why = _asked(keys, person, reason)
        _known(keys, subject)
        keys.hold(subject, why)
    out.print("已予保全：解除之前不得注销。")


@app.command()
def remember(person: _Person = None, reason: _Reason = None) -> None:
    """Lift a person's legal hold; or admit a forgotten person again, under a new key.

    Texts sealed before an erasure stay unreadable. Exit code 2 when there is neither.

    Example: [cyan]gulou remember --reason "保全期满" < person.txt[/cyan]
    """
    with feed.vault(Settings.load()) as keys:
        subject, why = _asked(keys, person, reason)
        if keys.release(subject, why):
            out.print("已解除保全。")
        elif keys.readmit(subject, why):
            out.print("此人可以重新登记；注销以前的内容仍然无法读取。")
        else:
            raise Refused("此人既未保全，也未注销。(Neither held nor forgotten.)", do=_AS_WRITTEN)


_AS_WRITTEN = (
    "按台账映射文件的写法填写此人，例如“姓名/手机”；同一人在不同台账中写法不同的，逐一办理。"
)
_FORGOTTEN = "密钥已销毁：此人及其名下事项的加密内容，在任何地方都无法再读取。"
_REMAINS = (
    "仍然保留：\n"
    "- Kafka、ClickHouse 和归档中的密文、假名和统计数：不再能够读出或者对应到此人；\n"
    "- 密钥库的旧备份：其中仍有已销毁的密钥，请逐份删除；放回的备份在打开时会重新注销；\n"
    "- 台账原件、纸质材料和来文系统：不归本系统管理，请另行处理；\n"
    "- 读不出来的来文：原样留作凭证，看板和办事人员都看不到，只有管理员能够接触。"
)


def _asked(keys: Vault, person: str | None, reason: str | None) -> tuple[str, str]:
    """Pseudonym of the person and the reason, asked for where they are not given."""
    if person is None:
        person = _line("此人（不显示）", hidden=True)
    elif not keys.own(person):
        err.print("此人已留在命令历史中，请清除；下次不写参数，按提示输入。", soft_wrap=True)
    if reason is None:
        reason = _line("理由和批准单位（永久保存，不写姓名）")
    if not reason.strip():
        raise Refused("没有写明理由。(A reason is required.)", do="请写明理由和批准单位。")
    if (found := exposed(reason)) is not None:
        raise Refused(f"理由里像是{found}，而理由要永久明文保存。", do="请去掉后重新填写。")
    return (person if keys.own(person) else keys.pseudonym(person)), reason.strip()


def _line(prompt: str, *, hidden: bool = False) -> str:
    """One line of the input; a person at the keyboard sees the prompt."""
    if sys.stdin.isatty():
        return str(typer.prompt(prompt, hide_input=hidden))
    return sys.stdin.readline().strip()


def _known(keys: Vault, subject: str) -> None:
    if not keys.knows(subject):
        raise Refused("密钥库里没有此人。(The vault does not know this person.)", do=_AS_WRITTEN)
