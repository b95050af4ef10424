"""Places where one small fault can change the code, and the file with each fault."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import cosmic_ray.plugins
import parso
from cosmic_ray.mutating import mutate_code

from tests.mutants.operators import DropCondition, DropMember, SqlEdge, SwapExtreme

ROOT: Final = Path(__file__).parents[2]
PLACES: Final = (
    *("schemas", "streams", "producers", "dashboards"),
    *("infra/warehouse", "infra/http", "infra/database.py"),
)

_COSMIC: Final[Mapping[str, Sequence[str]]] = {
    "comparison": (
        *(
            f"ReplaceComparisonOperator_{pair}"
            for pair in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Eq_NotEq", "NotEq_Eq",
                         "Is_IsNot", "IsNot_Is")
        ),
        "AddNot",
        "ReplaceUnaryOperator_Delete_Not",
    ),
    "constant": (
        "NumberReplacer",
        "ReplaceTrueWithFalse",
        "ReplaceFalseWithTrue",
        "ReplaceBinaryOperator_Add_Sub",
        "ReplaceBinaryOperator_Sub_Add",
        "ReplaceBinaryOperator_Mul_Add",
        "ReplaceBinaryOperator_FloorDiv_Mul",
        "ReplaceBinaryOperator_Mod_Mul",
    ),
    "flow": (
        "ReplaceAndWithOr",
        "ReplaceOrWithAnd",
        "ReplaceBreakWithContinue",
        "ReplaceContinueWithBreak",
        "ExceptionReplacer",
        "ZeroIterationForLoop",
    ),
}  # fmt: skip
OPERATORS: Final[Mapping[str, Mapping[str, Any]]] = {
    **{
        kind: {name: cosmic_ray.plugins.get_operator(f"core/{name}")() for name in names}
        for kind, names in _COSMIC.items()
    },
    "dropped": {"DropMember": DropMember(), "DropCondition": DropCondition()},
    "extreme": {"SwapExtreme": SwapExtreme()},
    "sql": {"SqlEdge": SqlEdge()},
}
"""The operators of every kind of change."""

# Texts for people or the log decide nothing; an example is the text of a sample.
_PROSE: Final = frozenset(
    {"Text", "field", "Column", "Rejected", "Labels", "debug", "info", "warning", "error",
     "critical", "exception", "getLogger", "TypeVar", "_text", "_words"}
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """One possible fault.

    Attributes:
        path: file, relative to the repository. line: line of the fault.
        kind: kind of change. operator: its operator. occurrence: its number in the file.
        within: the function or constant that contains it.
    """

    path: str
    line: int
    kind: str
    operator: str
    occurrence: int
    within: str = ""

    @cached_property
    def changed(self) -> tuple[str, str]:
        """The file before and after; both are equal if the operator cannot make the change."""
        source = (ROOT / self.path).read_text(encoding="utf-8")
        try:
            made = mutate_code(source, OPERATORS[self.kind][self.operator], self.occurrence)
        except AttributeError:  # cosmic-ray expects plain names in a tuple of exceptions
            made = source
        return source, str(made)

    @property
    def diff(self) -> tuple[str, str]:
        """The lines that differ, before and after."""
        before, after = (text.splitlines() for text in self.changed)
        head, tail = differing(before, after)
        return tuple(
            " ".join(line.strip() for line in lines[head : len(lines) - tail])
            for lines in (before, after)
        )  # type: ignore[return-value]

    def __str__(self) -> str:
        before, after = self.diff
        return f"{self.path}:{self.line}: {before}  =>  {after}"


def differing(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many lines are the same at the beginning and at the end of two texts."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return head, tail


def sites(path: Path) -> Iterator[Site]:
    """Every possible fault of a file, in the order of the operators."""
    tree = parso.parse(path.read_text(encoding="utf-8"))
    nodes = list(_walk(tree))
    local = path.relative_to(ROOT).as_posix()
    for kind, operators in OPERATORS.items():
        for name, operator in operators.items():
            occurrence = 0
            for node in nodes:
                for (line, _), _ in operator.mutation_positions(node):
                    if _decides(node):
                        yield Site(local, line, kind, name, occurrence, _within(node))
                    occurrence += 1


def _walk(node: Any) -> Iterator[Any]:
    """Nodes in cosmic-ray's order."""
    yield node
    for child in getattr(node, "children", ()):
        yield from _walk(child)


def _within(node: Any) -> str:
    """Name of the innermost function around a node, or of its module-level constant."""
    while node is not None:
        if node.type == "funcdef":
            return str(node.name.value)
        if node.type == "expr_stmt" and node.parent.parent.type == "file_input":
            return str(node.get_first_leaf().value)
        node = node.parent
    return ""


def _decides(node: Any) -> bool:
    """Whether a change there can change the program's behaviour, not only its texts."""
    child, parent = node, node.parent
    while parent is not None:
        if parent.type in ("tfpdef", "import_from", "import_name", "decorator"):
            return False
        # `name: type = value`: nothing reads the type at run time.
        if parent.type == "annassign" and parent.children[1] is child:
            return False
        # In a function's head, everything besides its parameters is a type.
        if parent.type == "funcdef" and child.type != "parameters" and child != parent.children[-1]:
            return False
        if parent.type == "raise_stmt" or _prose(parent, child) or _names(parent):
            return False
        if _documents(parent):
            return False
        child, parent = parent, parent.parent
    return True


def _prose(parent: Any, child: Any) -> bool:
    """Whether `child` is a text argument of a call for messages or descriptions."""
    if parent.type not in ("atom_expr", "power") or child is parent.children[0]:
        if parent.type == "argument" and parent.children[0] is not child:
            return parent.children[0].get_code().strip() in ("example", "zh", "zh_doc", "doc", "do")
        return False
    called = parent.children[:-1]
    return bool(called) and str(called[-1].get_last_leaf().value) in _PROSE


def _names(parent: Any) -> bool:
    """Whether it is a list of names for other programs: `__all__`, `__slots__`."""
    return parent.type == "expr_stmt" and str(parent.children[0].get_code()).strip()[:2] == "__"


def _documents(parent: Any) -> bool:
    return parent.type == "simple_stmt" and parent.children[0].type in ("string", "strings")


def every_site() -> list[Site]:
    """Every possible fault of the tested files, in a fixed order."""
    return [site for path in tested() for site in sites(path)]


def tested() -> list[Path]:
    """Every file in which faults are put, in a fixed order."""
    found = []
    for place in PLACES:
        root = ROOT / place
        found += [root] if root.is_file() else sorted(root.rglob("*.py"))
    return [path for path in found if "viewer" not in path.parts]


def draw(seed: int, count: int, among: Sequence[Site]) -> list[Site]:
    """`count` faults: kinds in turn, each time one of its sites that was not drawn before.

    So the many numbers and members do not crowd out the few extremes.
    """
    dice = random.Random(seed)
    left = {kind: [site for site in among if site.kind == kind] for kind in OPERATORS}
    found: list[Site] = []
    while len(found) < count and any(left.values()):
        for kind in OPERATORS:
            if left[kind] and len(found) < count:
                site = left[kind].pop(dice.randrange(len(left[kind])))
                before, after = site.changed
                if _compiles(after) and before != after:
                    found.append(site)
    return found


def _compiles(source: str) -> bool:
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True
