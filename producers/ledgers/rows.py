"""Turns one row of a ledger into its events, or into the reason why it makes none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from producers.client import Encoded, Encoder
from producers.ledgers import cells as _cells
from producers.ledgers.mapping import From, LedgerMapping, Made
from producers.ledgers.places import Places
from producers.ledgers.tables import Row, clean, plain
from schemas.errors import Refused
from schemas.event import Envelope, FieldSpec, meaning
from schemas.open_text import Exposed, exposed
from schemas.words import TEXT_MAX

Code = Literal[
    "broken",
    "blank",
    "time",
    "order",
    "future",
    "division",
    "choice",
    "number",
    "text",
    "repeated",
    "conflict",
    "personal",
    "refused",
]
"""Why a row is in the reject file."""

_READABLE: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
_CASE: Final = re.compile(r"[A-Za-z0-9:._-]{1,64}")
_OPEN_ONLY: Final = (
    "只能由字母、数字和 : . _ - 组成；编号里有汉字时，在映射文件中为它写 digest = true；"
    "单位、分类等名称，在映射文件的 values 中逐一列出"
)
# A message may quote an unreadable time only in this form: year, month, day and a time of day, in
# this order. Looser forms let telephone and identity numbers through: 139-0745-1234, 20210230.
_DATE_LIKE: Final = re.compile(
    r"(?:19|20)[0-9]{2}(?:[-/.][01]?[0-9][-/.][0-3]?[0-9]|年[01]?[0-9]月[0-3]?[0-9]日?)"
    r"(?:[T ]?[0-2]?[0-9][:时][0-5]?[0-9](?:[:分](?:[0-5]?[0-9]秒?)?)?)?"
)


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a row makes no event: a code for programs, a sentence in Chinese for the clerk."""

    code: Code
    column: str
    message: str


class Reject(Exception):
    """Ends the work on one row."""

    def __init__(self, code: Code, column: str, message: str) -> None:
        super().__init__(code)
        self.why = Rejection(code, column, message)


@dataclass(frozen=True, slots=True)
class Draft:
    """One event before it is sealed."""

    made: Made
    data: Mapping[str, Any]
    attributes: Mapping[str, Any]


class Converter:
    """Makes the events of rows; the same row makes the same events in any file.

    Args:
        mapping: which columns feed which fields.
        encoder: seals and checks; also holds the divisions.
        now: no row may be recorded later than this.
    """

    def __init__(self, mapping: LedgerMapping, encoder: Encoder, now: datetime) -> None:
        self._mapping, self._encoder, self._now = mapping, encoder, now
        self._places = Places(encoder.divisions)
        self._times = {made.time.bare for made in mapping.events}
        # Identity of an accepted row -> its number and digest: a million rows take 200 MB.
        self._seen: dict[bytes, tuple[int, bytes]] = {}

    def drafts(self, row: Row) -> list[Draft]:
        """The events of a row, in the order of the mapping.

        Raises:
            Reject: the row cannot be accepted as it is.
        """
        if row.broken:
            raise Reject("broken", "", f"整行读不出来：{row.broken}")
        identity = self._identity(row.cells)
        self._refuse_repeats(row, identity)
        division = self._division(row.cells)
        found: list[Draft] = []
        before: tuple[datetime, str] | None = None
        for made in self._mapping.events:
            if made.when is not None and made.when.cell(row.cells) is None:
                continue
            time, recorded = self._times_of(made, row.cells, before)
            before = (time, _column(made.time, "time"))
            attributes = {
                "id": f"{identity}:{made.suffix}",
                "source": self._mapping.source,
                "time": time,
                "recorded": recorded,
                "division": division,
            }
            for name in ("grid", "actor"):
                feed: From | None = getattr(made, name)
                if feed is not None and (cell := feed.cell(row.cells)) is not None:
                    attributes[name] = text = plain(cell)
                    zh, _ = meaning(Envelope.model_fields[name])
                    self._refuse_exposed(feed, text, zh, row.cells)
            data = {
                name: value
                for name, feed in made.data.items()
                if (value := self._value(feed, made.cls.fields[name], row.cells)) is not None
            }
            found.append(Draft(made, data, attributes))
        return found

    def subjects(self, drafts: Sequence[Draft]) -> list[str]:
        """The subjects whose keys will seal the drafts."""
        return [
            self._encoder.subject(draft.made.cls, draft.data)
            for draft in drafts
            if any(draft.made.cls.fields[name].sealed for name in draft.data)
        ]

    def owned(self, drafts: Sequence[Draft]) -> list[tuple[str, str]]:
        """The cases that the drafts assign to a person, each with that person."""
        found = (self._encoder.owned(draft.made.cls, draft.data) for draft in drafts)
        return [pair for pair in found if pair is not None]

    def encoded(self, row: Row, drafts: Sequence[Draft]) -> list[Encoded]:
        """The messages of a row, all of them or none; the row then counts as accepted.

        Raises:
            Reject: an event is refused, or the row repeats one that came before it.
        """
        identity = self._identity(row.cells)
        # Checked again: the row it repeats may be in the same chunk.
        self._refuse_repeats(row, identity)
        messages = []
        for draft in drafts:
            try:
                messages.append(
                    self._encoder.encode(draft.made.cls, draft.data, **draft.attributes)
                )
            except Refused as refused:
                raise self._refused(draft.made, refused) from None
        self._seen[_short_digest(identity)] = (row.number, self._content(row))
        return messages

    def _identity(self, cells: Mapping[str, Any]) -> str:
        parts = [self._part(cells.get(name), name) for name in self._mapping.identity]
        if not any(parts):
            raise Reject("blank", self._mapping.identity[0], "编号为空，无法认定是哪一行")
        if not self._mapping.open_identity:
            # Keyed, so that nobody can test names against an id.
            return self._encoder.vault.digest(*parts)
        if len(parts) == 1 and _READABLE.fullmatch(parts[0]):
            return parts[0]
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]

    def _part(self, cell: Any, name: str) -> str:
        # XLSX and CSV write the same time differently, and the row must keep its identity.
        if name in self._times:
            when = _cells.moment(cell, self._mapping.times, self._mapping.zone)
            if when is not None:
                return when.at.isoformat()
        return plain(cell)

    def _refuse_repeats(self, row: Row, identity: str) -> None:
        found = self._seen.get(_short_digest(identity))
        if found is None:
            return
        column = self._mapping.identity[0]
        if found[1] == self._content(row):
            raise Reject("repeated", column, f"与第 {found[0]} 行完全相同，只计一次")
        raise Reject("conflict", column, f"与第 {found[0]} 行编号相同而内容不同，请核对后改正")

    def _content(self, row: Row) -> bytes:
        texts = (plain(row.cells.get(name)) for name in self._mapping.columns())
        return _short_digest("\x1f".join(texts))

    def _division(self, cells: Mapping[str, Any]) -> str:
        place = self._mapping.division
        parts = [plain(part.cell(cells)) for part in place.parts]
        found = self._places.find(parts) if any(parts) else None
        if found or place.unknown:
            return found or place.unknown
        column = place.columns[-1] if place.columns else "division"
        if not any(parts):
            raise Reject("blank", column, "没有填写地点")
        # The whole part must be a place: 张三 13907451234 城东社区 only ends like one.
        shown = [part if self._places.known(part) else masked(part) for part in parts if part]
        raise Reject("division", column, f"找不到或不能唯一认定的地点：{'/'.join(shown)}")

    def _times_of(
        self, made: Made, cells: Mapping[str, Any], before: tuple[datetime, str] | None
    ) -> tuple[datetime, datetime]:
        column = _column(made.time, "time")
        time = self._moment(made.time, column, cells, before[0] if before else None)
        if self._mapping.ordered and before is not None and time < before[0]:
            raise Reject("order", column, f"早于“{before[1]}”")
        if made.recorded is None:
            recorded = time
        else:
            column = _column(made.recorded, "recorded")
            recorded = self._moment(made.recorded, column, cells, time)
            if recorded < time:
                raise Reject("order", column, "登记早于发生")
        if recorded > self._now:
            raise Reject("future", column, "晚于现在")
        return time, recorded

    def _moment(
        self, feed: From, column: str, cells: Mapping[str, Any], floor: datetime | None
    ) -> datetime:
        cell = feed.cell(cells)
        if cell is None:
            raise Reject("blank", column, "没有填写时间")
        when = _cells.moment(cell, self._mapping.times, self._mapping.zone)
        if when is None:
            text = plain(cell)
            shown = text if _DATE_LIKE.fullmatch(text) else masked(text)
            raise Reject("time", column, f"看不出是什么时间：{shown}")
        # A bare day starts at midnight; it must not come before the floor on the same day.
        if when.day_only and floor is not None and when.at < floor:
            same_day = floor.astimezone(self._mapping.zone).date() == when.at.date()
            return floor if same_day else when.at
        return when.at

    def _value(self, feed: From, spec: FieldSpec, cells: Mapping[str, Any]) -> Any:
        cell = feed.cell(cells)
        column = _column(feed, spec.name)
        if cell is None:
            if spec.optional:
                return None
            raise Reject("blank", column, f"没有填写“{spec.zh}”")
        if spec.choices:
            return _choice(cell, column, spec)
        if spec.stored == "Int64":
            money = spec.money and feed.unit
            # 13974500173 is more likely a telephone than 1.3 million yuan: 13,974,500,173 is none.
            self._refuse_exposed(feed, plain(cell), spec.zh, cells)
            number = _cells.fen(cell, feed.unit) if money else _cells.whole(cell)
            return _or_reject(
                number, "number", column, f"“{spec.zh}”应为{_number_word(spec)}", cell
            )
        if spec.stored == "Bool":
            return _or_reject(_cells.yes(cell), "choice", column, f"“{spec.zh}”应为是或否", cell)
        if spec.stored.startswith("DateTime"):
            return self._moment(feed, column, cells, None)
        text = str(clean(cell) or "") if spec.sealed and isinstance(cell, str) else plain(cell)
        if len(text) > TEXT_MAX:
            raise Reject("text", column, f"有 {len(text):,} 字，最多 {TEXT_MAX:,} 字")
        if spec.personal and feed.columns and not feed.bare and self._encoder.vault.own(text):
            # A template that spells out a pseudonym could pass a number through unkeyed.
            raise Reject("refused", column, "代号只能整格取自一列，不能由文字拼成")
        return self._open(feed, text, column, spec, cells) if spec.open else text

    def _open(
        self, feed: From, text: str, column: str, spec: FieldSpec, cells: Mapping[str, Any]
    ) -> str:
        """A text that may travel in the open: a code, a word that the mapping names, or a digest.

        Raises:
            Reject: it is none of these, or holds a number of a person.
        """
        if not feed.columns or text in feed.named:
            return text
        if feed.digest:
            # Keyed: a digest without a key can be guessed by trying names and numbers.
            sound = _CASE.fullmatch(text) and self._exposed(feed, text, cells) is None
            return text if sound else self._encoder.vault.digest(text)
        self._refuse_exposed(feed, text, spec.zh, cells)
        if not _CASE.fullmatch(text):
            raise Reject("refused", column, f"“{spec.zh}”{_OPEN_ONLY}，现为{masked(text)}")
        return text

    def _refuse_exposed(self, feed: From, text: str, zh: str, cells: Mapping[str, Any]) -> None:
        found = None if text in feed.named else self._exposed(feed, text, cells)
        if found is not None:
            column = _column(feed, "")
            raise Reject("personal", column, f"“{zh}”里像是{found}，此栏明文传送，不得填写")

    def _exposed(self, feed: From, text: str, cells: Mapping[str, Any]) -> Exposed | None:
        # Each cell too: a template can write digits before and after a number.
        for each in (text, *(plain(cells.get(name)) for name in feed.columns)):
            if (found := exposed(each, self._encoder.divisions)) is not None:
                return found
        return None

    def _refused(self, made: Made, refused: Refused) -> Reject:
        field = re.search(r"data\.(\w+)", refused.what)
        feed = made.data.get(field[1]) if field else None
        column = _column(feed, field[1] if field else "")
        why = refused.what.split(": ", 1)[-1]
        if why.startswith("actor"):
            why = "填报者只能是单位代码、“区划代码-单位”或者假名，不得填写姓名"
        elif "should match pattern" in why:
            why = _OPEN_ONLY
        return Reject("refused", column, f"不符合规定（{made.type}）：{why}")


def masked(text: str) -> str:
    """The length of a cell, in place of content that may be personal."""
    return f"（{len(text)} 字，内容不显示）"


def _choice(cell: Any, column: str, spec: FieldSpec) -> str:
    text = plain(cell)
    if text in spec.choices:
        return text
    named = {plain(label): value for value, label in spec.labels.items()}
    if text in named:
        return named[text]
    allowed = "、".join(spec.labels.values())
    raise Reject("choice", column, f"“{spec.zh}”应为 {allowed} 之一，现为{masked(text)}")


def _or_reject(value: Any, code: Code, column: str, message: str, cell: Any) -> Any:
    if value is None:
        raise Reject(code, column, f"{message},现为{masked(plain(cell))}")
    return value


def _number_word(spec: FieldSpec) -> str:
    return "金额" if spec.money else "整数"


def _column(feed: From | None, name: str) -> str:
    return feed.columns[0] if feed is not None and feed.columns else name


def _short_digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
