"""Changes that cosmic-ray lacks: dropped members and conditions, min for max, edges in SQL.

Each has the interface of cosmic-ray's operators: `mutation_positions` yields the positions of a
node of parso's tree once per possible change, and `mutate` makes one of those changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

import parso
from cosmic_ray.operators.operator import Example, Operator

Positions = Iterator[tuple[tuple[int, int], tuple[int, int]]]


class _Operator(Operator):  # type: ignore[misc]
    """One change, defined by the nodes it applies to and their changed texts."""

    def mutation_positions(self, node: Any) -> Positions:
        for _ in self._ways(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        return _parsed(node, list(self._ways(node))[index])

    def _ways(self, node: Any) -> Iterator[str]:
        """The text of the node after each possible change."""
        raise NotImplementedError

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return ()


def _parsed(node: Any, text: str) -> Any:
    """A leaf in place of the whole node: the changed text is written, not walked again."""
    return parso.python.tree.Name(text, node.start_pos, node.get_first_leaf().prefix)


def _code(node: Any) -> str:
    return str(node.get_code(include_prefix=False))


class DropMember(_Operator):
    """Removes one member from a tuple, list, set or dictionary of similar members.

    Members of different kinds form a record: without one of them nothing runs at all.
    """

    def _ways(self, node: Any) -> Iterator[str]:
        if node.type not in ("testlist_comp", "dictorsetmaker") or node.parent.type != "atom":
            return
        if any(child.type in ("comp_for", "sync_comp_for") for child in node.children):
            return
        members = _members(node)
        if len(members) < 2 or not _alike(node):
            return
        for n in range(len(members)):
            rest = members[:n] + members[n + 1 :]
            # A tuple of one member needs its comma.
            yield ", ".join(rest) + (
                "," if len(rest) == 1 and node.type != "dictorsetmaker" else ""
            )


def _alike(node: Any) -> bool:
    mapping = any(child.type == "operator" and child.value == ":" for child in node.children)
    if mapping:
        return True
    kinds = {
        "atom" if child.type == "atom" else "string" if child.type == "fstring" else child.type
        for child in node.children
        if not (child.type == "operator" and child.value == ",")
    }
    return len(kinds) == 1


def _members(node: Any) -> list[str]:
    found = [""]
    for child in node.children:
        if child.type == "operator" and child.value == ",":
            found.append("")
        else:
            found[-1] += _code(child) if not found[-1] else str(child.get_code())
    return [member for member in found if member.strip()]


class DropCondition(_Operator):
    """Removes one operand of an `and` or an `or`, or the `if` of a comprehension."""

    def _ways(self, node: Any) -> Iterator[str]:
        if node.type in ("and_test", "or_test"):
            operands = [_code(child) for child in node.children[::2]]
            word = f" {node.children[1].value} "
            for n in range(len(operands)):
                yield word.join(operands[:n] + operands[n + 1 :])
        if node.type in ("comp_if", "sync_comp_if"):
            yield "if True"


class SwapExtreme(_Operator):
    """Swaps `max` and `min`, and `any` and `all`."""

    _SWAPS: ClassVar = {"min": "max", "max": "min", "any": "all", "all": "any"}

    def _ways(self, node: Any) -> Iterator[str]:
        if node.type != "name" or node.value not in self._SWAPS:
            return
        before, after = node.get_previous_leaf(), node.get_next_leaf()
        if after.value in ("(", ",") and not (before and before.value == "."):
            yield self._SWAPS[node.value]


_SQL = re.compile(
    r"\b(SELECT|FROM|WHERE|GROUP BY|ORDER BY|HAVING|LIMIT|JOIN|UNION|AND|OR|NOT|AS|IN|INTERVAL|DESC"
    r"|NULL|FINAL)\b|\b(if|sum|min|max|count|avg|any|to[A-Z]\w+|\w+If|multiIf|greatest|least)\("
    r"|\{\w+\}|[<>=]=? "
)
_EDGES: tuple[tuple[str, str], ...] = (
    (r">=", ">"),
    (r"<=", "<"),
    (r"(?<![<>!=])>(?!=)", ">="),
    (r"(?<![<>!=-])<(?!=)", "<="),
    (r"(?<![<>!=:])(?<!\(at )=(?!=)(?= )", "!="),
    (r"!=", "="),
    (r"\bAND\b", "OR"),
    (r"\bOR\b", "AND"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bNOT (?=\w+\()", ""),
    (r" DESC\b", ""),
    (r"\bmin(?=\w*\()", "max"),
    (r"\bmax(?=\w*\()", "min"),
    (r"\bleast\(", "greatest("),
    (r"\bgreatest\(", "least("),
    (r"\bnet_", "gross_"),
    (r"\bgross_", "net_"),
    (r"(?<=\w) \+ (?=\w)", " - "),
    (r"(?<=\w) - (?=\w)", " + "),
    (r"\btoStartOfYear\b", "toStartOfMonth"),
    (r"\btoStartOfMonth\b", "toStartOfYear"),
    (r"\btoStartOfHour\b", "toStartOfDay"),
    (r"\btoStartOfDay\b", "toStartOfHour"),
    (r"\b1 MONTH\b", "1 YEAR"),
    (r"\b1 YEAR\b", "1 MONTH"),
    (r"\bDISTINCT ", ""),
    (r"\bUNION ALL\b", "UNION DISTINCT"),
    (r"\bLEFT (?=(ARRAY )?JOIN)", ""),
    (r"\barrayMin\b", "arrayMax"),
    (r"\barrayMax\b", "arrayMin"),
    (r"(?<![\w.'%:])(\d+)(?![\w.%)])", "+1"),
)


class SqlEdge(_Operator):
    """Changes an edge in SQL text: a comparison, sort, sign, bound, aggregate or number."""

    def _ways(self, node: Any) -> Iterator[str]:
        if node.type not in ("string", "fstring_string"):
            return
        text = node.value
        if not _SQL.search(text) or "</" in text:
            return
        for pattern, instead in _EDGES:
            for found in re.finditer(pattern, text):
                new = str(int(found[0]) + 1) if instead == "+1" else instead
                yield text[: found.start()] + new + text[found.end() :]
