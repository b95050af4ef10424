"""Who may import whom, what a file may hold, and what it may be called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "producers", "streams", "dashboards", "infra")
LINES, SCREEN = 500, 60
# "About": a file or a function may end what it says.
LEEWAY = 1.1

MAY_IMPORT = {
    "schemas": {"schemas"},
    "producers": {"schemas", "producers"},
    "streams": {"schemas", "streams"},
    "dashboards": {"schemas", "dashboards"},
    "infra": set(PACKAGES),
}

# Libraries that ship no types, or that govern how a folder works, stop in one file of it.
ONLY_IN = {
    "faust": {"streams/app.py", "streams/chunks.py"},  # the transport is a part of Faust
    "mode": {"streams/app.py", "streams/chunks.py"},
    "grafana_api": {"dashboards/publish.py"},
    "clickhouse_driver": {"streams/connection.py", "dashboards/server/reader.py"},
    "kafka": {"producers/client.py", "producers/_bulk.py", "streams/dead_letters.py"},
    "chdb": set(),
}

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
FORBIDDEN_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|base|manager)(_|$)")


def files(*packages: str) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if "node_modules" not in path.parts]


def local(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Module and level of every import of a file, wherever in it it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, 0
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level


CODE = files(*PACKAGES)
EVERYTHING = files(*PACKAGES, "tests")
each = pytest.mark.parametrize("path", CODE, ids=local)
each_test_too = pytest.mark.parametrize("path", EVERYTHING, ids=local)


@each
def test_schemas_know_nobody_siblings_not_each_other_and_nobody_knows_infra(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    ours = {name.partition(".")[0] for name, _ in imports(path)} & {*PACKAGES, "tests"}
    assert ours <= MAY_IMPORT[package]


@pytest.mark.parametrize("path", files("schemas"), ids=local)
def test_schemas_need_pydantic_and_the_standard_library_alone(path: Path) -> None:
    import sys

    outside = {name.partition(".")[0] for name, _ in imports(path)} - set(sys.stdlib_module_names)
    allowed = {"schemas", "pydantic", "pydantic_core", "typing_extensions"}
    # Hashes a batch of keys at once; who only reads the classes does not import it.
    assert outside <= allowed | ({"numpy"} if local(path) == "schemas/partitions.py" else set())


@each_test_too
def test_imports_are_absolute(path: Path) -> None:
    assert [name for name, level in imports(path) if level] == []


@pytest.mark.parametrize("path", files("producers", "streams", "dashboards"), ids=local)
def test_a_library_that_governs_a_folder_is_imported_in_one_place(path: Path) -> None:
    used = {name.partition(".")[0] for name, _ in imports(path)}
    strays = {lib for lib in used & ONLY_IN.keys() if local(path) not in ONLY_IN[lib]}
    assert strays == set()


@each
def test_only_the_settings_read_the_environment(path: Path) -> None:
    # Handing the environment whole to a child, or setting a variable for a library, reads nothing.
    tree = ast.parse(path.read_text(encoding="utf-8"))
    written = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del)
    }
    whole = {id(value) for n in ast.walk(tree) for value in handed_on(n)}
    read = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("environ", "getenv", "environb")
        and id(node) not in written | whole
    ]
    if local(path) != "infra/settings.py":
        assert read == []


def handed_on(node: ast.AST) -> list[ast.expr]:
    """Operands that go on as they are: `{**it, …}`, `dict(it)`, `it | …`, `env=it`."""
    match node:
        case ast.Dict(keys=keys, values=values):
            return [value for key, value in zip(keys, values, strict=True) if key is None]
        case ast.Call(func=ast.Name(id="dict"), args=args):
            return args
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.keyword(arg="env", value=value):
            return [value]
    return []


@each_test_too
def test_a_file_is_no_longer_than_a_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES * LEEWAY


@each_test_too
def test_a_function_is_no_longer_than_a_screen(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    long = {n.name: own_lines(n) for n in ast.walk(tree) if isinstance(n, FUNCTIONS)}
    assert {name: lines for name, lines in long.items() if lines > SCREEN * LEEWAY} == {}


def own_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without those of its docstring and of what is defined inside it."""
    inside = [n for n in node.body if isinstance(n, (*FUNCTIONS, ast.ClassDef))]
    apart: list[ast.stmt] = [*inside, *(node.body[:1] if ast.get_docstring(node) else [])]
    return length(node) - sum(map(length, apart))


def length(node: ast.stmt) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


@each_test_too
def test_no_file_is_named_for_being_useful(path: Path) -> None:
    names = [*path.relative_to(ROOT).parent.parts, path.stem.lower()]
    assert [name for name in names if FORBIDDEN_NAMES.search(name)] == []


@each
def test_every_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_no_folder_shadows_a_library() -> None:
    folders = {path.name for path in (ROOT / "infra").iterdir() if path.is_dir()}
    assert folders & {"kafka", "clickhouse", "grafana", "faust", "chdb"} <= {"grafana"}


def test_names_of_topics_and_tables_are_spelled_in_one_file() -> None:
    spelled = re.compile(r"""f?["'](events_|gulou-ingest|urn:gulou:)""")
    found = {local(path) for path in CODE if spelled.search(path.read_text(encoding="utf-8"))}
    # tables: the regular expression of the Merge table; watched takes the prefix off it;
    # wire and event name the urn in their messages; broken writes messages that are wrong.
    known = {"schemas/names.py", "schemas/sql/tables.py", "schemas/sql/watched.py"}
    known |= {"schemas/wire.py", "schemas/event.py", "producers/simulator/broken.py"}
    assert found - known == set()


def test_every_file_of_the_families_is_one_and_is_named_for_its_events() -> None:
    rooms = ROOT / "schemas" / "families"
    found = sorted(path.stem for path in rooms.glob("*.py") if path.name != "__init__.py")
    assert found
    assert [path for path in rooms.iterdir() if path.is_dir() and path.name != "__pycache__"] == []
    for stem in found:
        text = (rooms / f"{stem}.py").read_text(encoding="utf-8")
        assert set(re.findall(r'name="(\w+)\.\w+"', text)) == {stem}


@each
def test_what_begins_with_an_underscore_is_private_to_its_folder(path: Path) -> None:
    here = ".".join(path.relative_to(ROOT).parent.parts)
    strays = [
        name
        for name in {*names_imported(path)}
        if any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
        and name.partition(".")[0] in PACKAGES
        and name.rpartition("._")[0] != here
        and not here.startswith(name.partition("._")[0] + ".")
    ]
    assert strays == []


def names_imported(path: Path) -> Iterator[str]:
    """Every module and every name that a file imports, with dots before it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_two_classes_never_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in CODE:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(local(path))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
