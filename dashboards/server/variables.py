"""A stored board's variables: their options, what is chosen, and what may go into its SQL.

A value goes into SQL only when it is among its variable's options, or matches the pattern that the
board declares for a text. Options may depend on other variables, so a value is judged after those.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dashboards.server.answers import Said
from dashboards.server.county import is_outside, refusal
from dashboards.server.filling import (
    ALL,
    Filling,
    Value,
    filled,
    filled_sql,
    instants,
    names_in,
)
from dashboards.server.frames import AnswerColumn
from dashboards.server.queries import Inquiry, Queries, source_uid
from dashboards.server.shelf import Record
from schemas.errors import GulouError, Misconfigured
from schemas.grain import County

OPTIONS_S: Final = 60.0
"""Age up to which a list of options is used again; an error is forgotten at once."""
_MOST_OPTIONS: Final = 100_000
"""Options kept in all, about 20 MB; a drill-down through a city makes a list a place."""
_SHOWN: Final = 40
"""Characters of a refused value that its refusal repeats."""

# Written by the board's author, so they may be any piece of SQL.
_DECLARED: Final = ("custom", "constant", "interval", "datasource", "switch")
_STEP: Final = re.compile(r"\d{1,6}(ms|[smhdwMy])")
_AUTO: Final = "$__auto"
_EVERYTHING: Final = "全部"


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a list: what goes into SQL, and what people see."""

    value: str
    text: str


class Unknown(Said):
    """A value that is no option of its variable, or no text that the board allows."""


class Nothing(Said):
    """A variable has no options, so that nothing is chosen."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A variable with its options and what is chosen.

    Attributes:
        model: as the board stores it.
        parents: variables on which its options depend.
        picked: the options that are chosen; "All" is one of them.
        problem: why the choice may not go into SQL.
    """

    model: Record
    parents: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    picked: tuple[Option, ...] = ()
    problem: GulouError | None = None

    @property
    def name(self) -> str:
        """As in `${name}`."""
        return str(self.model["name"])

    @property
    def several(self) -> bool:
        """Whether its value is a list."""
        return bool(self.model.get("multi"))

    @property
    def everything(self) -> bool:
        """Whether "All" is chosen."""
        return any(each.value == ALL for each in self.picked)

    @property
    def filling(self) -> Filling:
        """What stands for it in SQL."""
        declared = self.model.get("type") in _DECLARED
        if not self.everything:
            value = self._shaped([each.value for each in self.picked])
            return Filling(value, self._shaped([each.text for each in self.picked]), declared)
        if own := str(self.model.get("allValue") or ""):
            return Filling(own, _EVERYTHING, declared=True, everything=True)
        values = [each.value for each in self.options]
        return Filling(values, _EVERYTHING, declared, everything=True)

    def _shaped(self, values: list[str]) -> Value:
        return values if self.several else (values or [""])[0]


class OptionLists:
    """Lists of options that queries gave, shared by all requests for a while."""

    def __init__(self) -> None:
        self._held: dict[object, tuple[float, tuple[Option, ...]]] = {}
        self._weight = 0

    def __len__(self) -> int:
        return len(self._held)

    def held(self, key: object) -> tuple[Option, ...] | None:
        """The list under a key while it is young enough."""
        until, found = self._held.get(key, (0.0, ()))
        return found if time.monotonic() < until else None

    def keep(self, key: object, options: tuple[Option, ...]) -> None:
        """Holds a list; those too old go, and the oldest when all together are too long."""
        now = time.monotonic()
        self._drop(key)
        self._held[key] = (now + OPTIONS_S, options)
        self._weight += _weight(options)
        while len(self._held) > 1:
            # The first is the oldest: a list that is kept again goes to the end.
            oldest = next(iter(self._held))
            if self._weight <= _MOST_OPTIONS and self._held[oldest][0] > now:
                return
            self._drop(oldest)

    def _drop(self, key: object) -> None:
        found = self._held.pop(key, None)
        if found is not None:
            self._weight -= _weight(found[1])


def _weight(options: tuple[Option, ...]) -> int:
    """An empty list counts too: its key is a whole statement, and there may be any number."""
    return 1 + len(options)


class Variables:
    """Settles the variables of one board for one request, parents first.

    Args:
        board: as stored.
        asked: values by variable, as an address holds them; a text is taken for its option too.
        carried: variables whose values came along when a parent changed: the first option takes the
            place of a value that is gone. Any other value that is no option is a problem.
    """

    def __init__(
        self,
        board: Record,
        queries: Queries,
        lists: OptionLists,
        inquiry: Inquiry,
        asked: Mapping[str, list[str]],
        carried: Collection[str] = (),
    ) -> None:
        self._queries, self._lists, self._inquiry = queries, lists, inquiry
        self._span, self._county = inquiry.span, inquiry.caller.county
        self._asked, self._carried = asked, carried
        listed = (board.get("templating") or {}).get("list") or ()
        self._models = {str(each["name"]): each for each in listed if each.get("name")}
        self._done: dict[str, Chosen] = {}
        self._begun: set[str] = set()

    @property
    def names(self) -> Collection[str]:
        """Of the board's variables."""
        return self._models.keys()

    async def all(self) -> list[Chosen]:
        """Every variable, in the board's order, each with its problem if it has one."""
        return [found for name in self._models if (found := await self._settled(name))]

    async def fillings(self, texts: Iterable[str]) -> dict[str, Filling]:
        """What stands for the variables that occur in texts, and for the range.

        Raises:
            Unknown: a value is no option of its variable.
            Nothing: a variable has no options.
            GulouError: the options could not be had.
        """
        names = {name for text in texts for name in names_in(text)}
        chosen = [found for name in sorted(names) if (found := await self._settled(name))]
        for each in chosen:
            if each.problem:
                raise each.problem
        return self._instants() | {each.name: each.filling for each in chosen}

    def _instants(self) -> dict[str, Filling]:
        return instants(self._span.start_ms, self._span.end_ms)

    async def _settled(self, name: str) -> Chosen | None:
        """The variable of this name after its parents; None if the board has none.

        In a circle of variables the one that was begun first stays unfilled in the other's query.
        """
        if name in self._begun or name not in self._models:
            return self._done.get(name)
        self._begun.add(name)
        model = self._models[name]
        asked = [model.get(key) for key in ("query", "definition", "regex", "datasource")]
        names = names_in(json.dumps(asked, ensure_ascii=False)) - {name}
        parents = [p for each in sorted(names) if (p := await self._settled(each))]
        self._done[name] = await self._one(model, parents)
        return self._done[name]

    async def _one(self, model: Record, parents: list[Chosen]) -> Chosen:
        bare = Chosen(model, tuple(each.name for each in parents))
        asked = self._wanted(model)
        try:
            for each in parents:
                if each.problem:
                    raise each.problem
            fillings = self._instants() | {each.name: each.filling for each in parents}
            options = await self._options(model, fillings)
        except GulouError as problem:
            # Its value stays as it was asked: what it is can be said, and nothing is shown of it.
            kept = tuple(Option(each, each) for each in asked or ())
            return replace(bare, options=_saved(model), picked=kept, problem=problem)
        listed, carried = replace(bare, options=tuple(options)), model["name"] in self._carried
        if self._county:
            listed = _within(self._county, listed, () if carried else asked or ())
            if listed.problem:
                return replace(listed, picked=tuple(Option(each, each) for each in asked or ()))
            if not listed.model.get("includeAll"):
                asked = [each for each in asked or () if each != ALL] or None
        return _chosen(listed, asked, parents, carried=carried)

    def _wanted(self, model: Record) -> list[str] | None:
        """The values asked for; None when the board's own choice holds."""
        asked = self._asked.get(str(model["name"]))
        if asked is None or model.get("skipUrlSync") or model.get("type") == "constant":
            return None
        if model.get("type") == "textbox":
            return asked[:1]
        named = [ALL if each == "All" and model.get("includeAll") else each for each in asked]
        # "All" of the board one came from is no value here; Grafana takes the first option too.
        return [v for v in named if v and (v != ALL or model.get("includeAll"))] or None

    async def _options(self, model: Record, fillings: Mapping[str, Filling]) -> Iterable[Option]:
        query = model.get("query")
        match model.get("type"):
            case "query":
                return await self._queried(model, fillings)
            case "custom":
                return _custom(filled(str(query or ""), fillings))
            case "datasource":
                regex = _regex(filled(str(model.get("regex") or ""), fillings))
                return [
                    Option(str(each["uid"]), str(each["name"]))
                    for each in self._queries.store.all("datasources")
                    if each["type"] == query and (not regex or regex.search(each["name"]))
                ]
            case "interval":
                steps = [step.strip() for step in str(query or "").split(",") if step.strip()]
                auto = [Option(_AUTO, "auto")] if model.get("auto") else []
                return [*auto, *(Option(step, step) for step in steps)]
            case "constant" | "textbox":
                return [Option(str(query or ""), str(query or ""))]
            case "switch":
                return [Option(each, each) for each in ("true", "false")]
            case _:
                return _saved(model)

    async def _queried(self, model: Record, fillings: Mapping[str, Filling]) -> tuple[Option, ...]:
        query = model.get("query")
        raw = query.get("rawSql") or query.get("query") if isinstance(query, dict) else query
        raw = str(raw or model.get("definition") or "")
        if not raw.strip():
            return ()
        uid = source_uid(model.get("datasource"))
        sql = filled_sql(raw, fillings)
        values = {n: each.value for n, each in fillings.items() if not n.startswith("__")}
        look = replace(self._inquiry.looking(sql, values), variable=str(model["name"]))
        origin = await self._queries.origin(filled(uid, fillings), sql, self._inquiry.caller, look)
        key = (origin, sql, model.get("regex"), model.get("sort"))
        # What changes with the range is asked anew, as in Grafana.
        lasting = model.get("refresh") != _AT_EVERY_RANGE and "$__" not in sql
        if lasting and (held := self._lists.held(key)) is not None:
            return held
        answer = await self._queries.table(origin, sql, self._span)
        options = _sorted(_matching(_rows(answer.columns), model), int(model.get("sort") or 0))
        first: dict[str, Option] = {}
        for each in options:
            first.setdefault(each.value, each)
        found = tuple(first.values())
        if lasting:
            self._lists.keep(key, found)
        return found


_AT_EVERY_RANGE: Final = 2  # Grafana's code of a variable's `refresh`.


def _saved(model: Record) -> tuple[Option, ...]:
    """The options that the board was saved with."""
    saved = model.get("options") or ()
    return tuple(Option(str(o["value"]), str(o["text"])) for o in saved if o.get("value") != ALL)


def _chosen(
    listed: Chosen, asked: list[str] | None, parents: list[Chosen], *, carried: bool
) -> Chosen:
    """The variable with what is chosen of its options, or with its problem."""
    model = listed.model
    if model.get("type") == "textbox":
        return _typed(listed, asked)
    by_name = {each.text: each for each in reversed(listed.options)}
    by_name |= {each.value: each for each in reversed(listed.options)}
    if model.get("includeAll"):
        by_name[ALL] = Option(ALL, _EVERYTHING)
    if model.get("type") == "interval" and model.get("auto"):
        by_name |= {each: Option(each, each) for each in asked or () if _STEP.fullmatch(each)}
    unknown = [each for each in asked or () if each not in by_name]
    if unknown and not carried:
        kept = tuple(by_name.get(each, Option(each, each)) for each in asked or ())
        return replace(listed, picked=kept, problem=_unknown(model, unknown, parents))
    wanted = asked if asked is not None else _current(model)
    picked = [by_name[each] for each in wanted if each in by_name]
    if not picked:
        first = by_name[ALL] if ALL in by_name else next(iter(listed.options), None)
        if first is None:
            label = model.get("label") or model["name"]
            none = Nothing(f"{_where(parents)}没有可选的{label}。", do="请另选。")
            return replace(listed, problem=none)
        picked = [first]
    if any(each.value == ALL for each in picked):
        picked = [by_name[ALL]]
    return replace(listed, picked=tuple(picked if listed.several else picked[:1]))


def _within(county: County, listed: Chosen, asked: Collection[str]) -> Chosen:
    """The variable without the places outside a county; a problem where one of them is asked for.

    "All" is no choice where counties are left out: it stands for more than the list shows.
    """
    if listed.model.get("type") == "textbox":
        return listed
    outside = [each for each in listed.options if is_outside(county, each.value)]
    inside = tuple(each for each in listed.options if each not in outside)
    names = {name: each.text for each in outside for name in (each.value, each.text)}
    refused = [names.get(each, each) for each in asked if each in names or is_outside(county, each)]
    if outside and not inside:
        refused = refused or [each.text for each in outside[:3]]
    model = listed.model | ({"includeAll": False} if outside else {})
    problem = refusal(county, *refused) if refused else None
    return replace(listed, model=model, options=inside, problem=problem)


def _typed(listed: Chosen, asked: list[str] | None) -> Chosen:
    """A text variable: the board's own text, or one that matches the pattern it declares."""
    model = listed.model
    own = (_current(model) or [each.value for each in listed.options])[0]
    value = asked[0] if asked else own
    picked = (Option(value, value),)
    regex = _regex(str(model.get("regex") or ""))
    allowed = {own, *(each.value for each in listed.options)}
    if value in allowed or (regex and regex.fullmatch(value)):
        return replace(listed, picked=picked)
    return replace(listed, picked=picked, problem=_unknown(model, [value], []))


def _current(model: Record) -> list[str]:
    """What the board was saved with; it may be gone by now."""
    saved = (model.get("current") or {}).get("value")
    values = saved if isinstance(saved, list) else [saved]
    return [str(each) for each in values if each not in (None, "")]


def _unknown(model: Record, values: list[str], parents: list[Chosen]) -> Unknown:
    label = model.get("label") or model["name"]
    shown = "、".join(
        f"“{each[:_SHOWN]}{'…' if len(each) > _SHOWN else ''}”" for each in values[:3]
    )
    if model.get("type") == "textbox":
        return Unknown(f"{label}不能是{shown}。", do="请改写。")
    return Unknown(f"{_where(parents)}没有这个{label}：{shown}。", do="请从列表中另选。")


def _where(parents: list[Chosen]) -> str:
    """The place within which something was sought, for a message."""
    places = (each for each in parents if each.model.get("type") == "query" and not each.everything)
    return "、".join(option.text for each in places for option in each.picked)


def _rows(columns: list[AnswerColumn]) -> list[Option]:
    """An option a row: the value in the first column, the text in the second if there is one."""
    if not columns:
        return []
    values, texts = columns[0].values, columns[min(1, len(columns) - 1)].values
    return [Option(_plain(v), _plain(t)) for v, t in zip(values, texts, strict=True)]


def _plain(value: Any) -> str:
    """A cell as the page writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _matching(options: list[Option], model: Record) -> list[Option]:
    """The options whose text matches the variable's pattern; a group of it replaces both parts."""
    regex = _regex(str(model.get("regex") or ""))
    if regex is None:
        return options
    kept: list[Option] = []
    for option in options:
        if not (found := regex.search(option.text)):
            continue
        groups = found.groupdict()
        value = groups.get("value") or (found[1] if regex.groups else None)
        kept.append(option if value is None else Option(value, groups.get("text") or value))
    return kept


def _regex(text: str) -> re.Pattern[str] | None:
    """A pattern as JavaScript writes it, `/…/i` or bare; None for an empty one.

    Raises:
        Misconfigured: it is no pattern.
    """
    if not text:
        return None
    written = re.fullmatch(r"/(.*)/([a-z]*)", text, re.DOTALL)
    body, flags = (written[1], written[2]) if written else (text, "")
    try:
        given = (re.I if "i" in flags else 0) | (re.S if "s" in flags else 0)
        return re.compile(
            body.replace("(?<value>", "(?P<value>").replace("(?<text>", "(?P<text>"), given
        )
    except re.error as error:
        raise Misconfigured(
            f"a variable's pattern {text!r} is unreadable ({error}).", do="Correct the board."
        ) from error


def _custom(text: str) -> list[Option]:
    """`label : value, …`; a comma that belongs to a word has a backslash before it."""
    parts = (part.replace("\\,", ",").strip() for part in re.findall(r"(?:\\,|[^,])+", text))
    pairs = ((part, re.fullmatch(r"(.+)\s:\s(.+)", part)) for part in parts)
    return [
        Option(pair[2].strip(), pair[1].strip()) if pair else Option(part, part)
        for part, pair in pairs
    ]


def _sorted(options: list[Option], sort: int) -> list[Option]:
    """Grafana's codes: 0 none, 1/2 text, 3/4 number, 5/6 text without case, 7/8 natural."""
    keys: dict[int, Callable[[Option], Any]] = {
        1: lambda option: _spoken(option.text),
        2: lambda option: int((re.search(r"\d+", option.text) or ["-1"])[0]),
        3: lambda option: _spoken(option.text.lower()),
        4: lambda option: [
            (int(part), b"") if part.isdecimal() else (-1, _spoken(part))
            for part in re.split(r"(\d+)", option.text)
        ],
    }
    key = keys.get((sort + 1) // 2)
    return sorted(options, key=key, reverse=sort % 2 == 0) if key else options


def _spoken(text: str) -> bytes:
    """Sort key for Chinese text: GB 2312 orders its common characters by pinyin."""
    return text.encode("gb18030")
