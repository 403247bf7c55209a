"""Imports point down only; each outside thing is known to one room."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import s2v_detect

ROOT = Path(s2v_detect.__file__).parent
PACKAGE = "s2v_detect"

# From the bottom up: a room is a folder, or a module of the root. Arrows point down only.
FLOORS: list[tuple[str, list[str]]] = [
    ("facts", ["_version", "_service", "_columns", "_redaction"]),
    ("records", ["_logging"]),
    ("errors", ["errors"]),
    ("values", ["models", "_waiting"]),
    ("options", ["options"]),
    ("limiters", ["limiters"]),
    ("wire", ["wire"]),
    ("images", ["images"]),
    ("ledger", ["ledger"]),
    ("settings", ["_settings", "_arguments"]),
    ("checks", ["checks"]),
    ("client", ["client"]),
    ("blocking", ["blocking"]),
    ("public", ["__init__"]),
    ("languages", ["languages"]),
    ("tables", ["tables"]),
    ("bulk", ["bulk"]),
    ("report", ["report"]),
    ("emulator", ["emulator", "testing"]),
    ("integrations", ["integrations"]),
    ("cli", ["cli"]),
    ("program", ["__main__"]),
]
FLOOR = {room: floor for floor, (_, rooms) in enumerate(FLOORS) for room in rooms}
EDGES = ["languages", "tables", "bulk", "report", "emulator", "testing", "integrations", "cli"]
INNER = ["models", "limiters", "wire", "images", "ledger", "checks", "blocking"]
MOST_MODULES = 12  # of a room below the edges, and of the root; beside its `__init__`

# Modules without a task, a clock, chance, a network, a disk or an environment.
PURE = [
    "_service",
    "_columns",
    "_redaction",
    "errors",
    "models/_value",
    "models/_values",
    "models/_statistics",
    "options",
    "limiters/_pacing",
    "limiters/_waiting_list",
    "limiters/_alone",
    "limiters/_block",
    "limiters/_redis/_script",
    "wire/_answers",
    "wire/_environment",
    "wire/_setup",
    "wire/_store",
    "wire/_unpacking",
    "images/_identity",
    "images/_places",
    "images/_addresses",
    "images/_signed",
    "images/_header",
    "ledger/_place",
    "checks/_again",
    "cli/_extras",
    "cli/_findings",
    "cli/_hidden",
    "cli/_probe_page",
]

# Who may import what comes from outside, where that is not everybody.
ROOMS_OF: dict[str, set[str]] = {
    # The client's arguments name `httpx.AsyncClient`, and do nothing with it.
    "httpx": {"wire", "client", "_arguments"},
    "httpcore": {"images"},
    "tenacity": {"checks", "options"},
    "sqlite3": {"ledger"},
    "filelock": {"ledger"},
    "psycopg": {"ledger"},
    "redis": {"limiters"},
    "pyarrow": {"tables", "cli", "integrations"},
    "chardet": {"tables"},
    "python_calamine": {"tables"},
    "xlsxwriter": {"tables"},
    "jinja2": {"report"},
    "aiohttp": {"emulator", "integrations", "report"},
    "ray": {"integrations"},
    "skimage": {"emulator"},
    "PIL": {"emulator", "report"},
    "numpy": {"emulator"},
    "cyclopts": {"cli"},
    "rich": {"cli"},
    "packaging": {"cli"},
    "narwhals": {"integrations"},
    "opentelemetry": {"integrations"},
    "pandas": {"integrations"},
    "polars": {"integrations"},
    "tqdm": {"integrations"},
    "s3fs": {"integrations"},
    "fastapi": {"integrations"},
    "starlette": {"integrations"},
    "botocore": {"integrations"},
    "pytest": set(),  # the plugin is a module beside the package
}
# A type and a conversion of it: a path is a value too, and so is what a resolver says.
VALUES_IN = {
    "models/_values": {"os"},
    "_redaction": {"os"},
    "images/_identity": {"os"},
    "images/_places": {"os"},
    "wire/_setup": {"socket"},
}
UNCLEAN = {"asyncio", "anyio", "os", "pathlib", "random", "socket", "sqlite3", "threading", "time"}


def room_of(path: Path) -> str:
    """Return the room a file is in."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[str]:
    """Yield the full names that a file imports, inside functions and type checks too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}: a relative import hides its arrow"
            yield node.module or ""
            if node.module == PACKAGE:
                yield from (f"{PACKAGE}.{alias.name}" for alias in node.names)


FILES = sorted(ROOT.rglob("*.py"))
ARROWS = sorted(
    {
        (room_of(path), name.split(".")[1])
        for path in FILES
        for name in imports(path)
        if name.startswith(f"{PACKAGE}.") and name.split(".")[1] in FLOOR
    }
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_its_floor(path: Path) -> None:
    """A new room must be given a place."""
    assert room_of(path) in FLOOR


@pytest.mark.parametrize(("source", "target"), ARROWS)
def test_imports_point_down(source: str, target: str) -> None:
    """Never up, and never sideways: a room knows only what is below it."""
    assert source == target or FLOOR[target] < FLOOR[source], f"{source} looks up to {target}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_is_entered_by_its_face(path: Path) -> None:
    """What others may use of a room stands in its `__init__`."""
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == PACKAGE and len(parts) > 2 and parts[1] != room_of(path):
            inside = ROOT / parts[1] / f"{parts[2]}.py"
            assert not inside.exists(), f"{path.name} goes through the wall of {parts[1]}: {name}"


@pytest.mark.parametrize("room", [*INNER, *(room for room in EDGES if (ROOT / room).is_dir())])
def test_no_modules_of_a_room_import_each_other_round(room: str) -> None:
    """Inside a room too the arrows have one direction, the late ones among them."""
    below: dict[str, set[str]] = {}
    paths = [path for path in (ROOT / room).glob("*.py") if path.stem != "__init__"]
    for path in paths:
        found = {name.rpartition(".")[2] for name in inner_imports(path, room)}
        below[path.stem] = found & {each.stem for each in paths} - {path.stem}
    done: set[str] = set()
    while ready := {module for module in below if module not in done and below[module] <= done}:
        done |= ready
    assert done == set(below), f"round: {set(below) - done}"


@pytest.mark.parametrize("folder", ["", *INNER])
def test_a_room_has_few_modules(folder: str) -> None:
    """So many as one can keep in mind."""
    # `__main__` only calls the command.
    modules = [path for path in (ROOT / folder).glob("*.py") if not path.stem.startswith("__")]
    assert len(modules) <= MOST_MODULES, sorted(path.stem for path in modules)


def inner_imports(path: Path, room: str) -> Iterator[str]:
    """Yield the modules of its own room that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == f"{PACKAGE}.{room}":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            elif node.module.startswith(f"{PACKAGE}.{room}."):
                yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_outside_thing_is_known_to_its_room_alone(path: Path) -> None:
    """One boundary to the transport, one to each extra."""
    for name in imports(path):
        allowed = ROOMS_OF.get(name.split(".")[0])
        assert allowed is None or room_of(path) in allowed, f"{name} in {path.name}"


@pytest.mark.parametrize("module", PURE)
def test_pure_modules_touch_nothing_outside(module: str) -> None:
    """No task, clock, chance, network, disk or environment."""
    path = ROOT / f"{module}.py"
    names = {name.split(".")[0] for name in imports(path)}
    assert not names & (UNCLEAN - VALUES_IN.get(module, set()))


@pytest.mark.parametrize("room", EDGES)
def test_edges_use_only_the_public_names(room: str) -> None:
    """What a user can't import, an edge does not either; facts, threads and redaction are for all.

    So are the faces of three rooms: whether a file is an open ledger, what an image is, and which
    line is the default. Who wraps a client refuses an argument that it does not have as the client
    does: by the settings. The command's doctor tells of a set-up that no client can be made with:
    it asks the settings and the wire themselves.
    """
    paths = sorted((ROOT / room).rglob("*.py")) or [ROOT / f"{room}.py"]
    public = {
        *s2v_detect.__all__,
        *EDGES,
        "_service",
        "_columns",
        "_version",
        "_waiting",
        "_redaction",
        "_logging",
        "_settings",
        "images",
        "ledger",
        "limiters",
        "options",
        *(("wire",) if room == "cli" else ()),
    }
    for path in paths:
        for name in imports(path):
            if name.startswith(f"{PACKAGE}."):
                assert name.split(".")[1] in public, f"{path.name} imports {name}"


def test_importing_the_package_loads_no_extra() -> None:
    """In an interpreter of its own, beyond what httpx itself loads: rich, where it is there."""
    extras = [name for name, rooms in ROOMS_OF.items() if not rooms & {"wire", "checks", "ledger"}]
    extras.append("psycopg")
    code = (
        "import sys, httpx; before = set(sys.modules); import s2v_detect;"
        f"print([name for name in {extras} if name in set(sys.modules) - before])"
    )
    done = subprocess.run(  # noqa: S603  # our own line
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
