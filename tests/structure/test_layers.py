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

# From the bottom up. A room that is no file is a folder; what is in none of these fails the test.
LAYERS: list[tuple[str, list[str]]] = [
    (
        "words",
        ["_version", "_redaction", "_service", "_turns", "_values", "errors", "models", "_rules"],
    ),
    (
        "policy",
        [
            "_wire",
            "_pacing",
            "_retrying",
            "_headers",
            "_addresses",
            "_store",
            "_identity",
            "_unpacking",
        ],
    ),
    # What the resources stand on: threads, tasks, a file of this machine by its content, and when
    # a request's bytes leave.
    ("ground", ["_threads", "_tasks", "_files", "_departure"]),
    ("resources", ["_http", "_settings", "images", "ledger", "limiters"]),
    (
        "client",
        [
            "_waiting",
            "_books",
            "_budget",
            "_endings",
            "_gate",
            "_recording",
            "_crew",
            "_place",
            "_patience",
            "_subjects",
            "_preparing",
            "_line",
            "_asking",
            "_flight",
            "_flights",
            "_window",
            "_stream",
            "client",
            "_blocking",
        ],
    ),
    ("public", ["__init__"]),
    ("edges", ["bulk", "cli", "emulator", "report", "testing"]),
]
RANK = {room: rank for rank, (_, rooms) in enumerate(LAYERS) for room in rooms}
LAYER = {room: layer for layer, rooms in LAYERS for room in rooms}

# Who may import what comes from outside, where that is not everybody.
ROOMS_OF: dict[str, set[str]] = {
    # client.py and check_all name `httpx.AsyncClient` in a signature, and do nothing with it.
    "httpx": {"_http", "_departure", "client"},
    "httpcore": {"images"},
    "tenacity": {"_retrying"},
    "sqlite3": {"ledger"},
    "filelock": {"ledger"},
    "pyarrow": {"bulk", "cli"},
    "jinja2": {"report"},
    "aiohttp": {"emulator"},
    "skimage": {"emulator"},
    "PIL": {"emulator"},
    "numpy": {"emulator"},
    "cyclopts": {"cli"},
    "rich": {"cli"},
    "pytest": set(),  # the plugin is a module beside the package
}
# A type and a conversion of it: a path is a value too.
PATHS_IN = {"models": {"os"}, "_redaction": {"os"}, "_identity": {"os"}}
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
        if name.startswith(f"{PACKAGE}.") and name.split(".")[1] in RANK
    }
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_has_its_layer(path: Path) -> None:
    """A new room must be given a place."""
    assert room_of(path) in RANK


@pytest.mark.parametrize(("source", "target"), ARROWS)
def test_imports_point_down(source: str, target: str) -> None:
    """Never up; and sideways not among resources, nor from a policy to another."""
    if source == target:
        return
    assert RANK[target] <= RANK[source], f"{source} looks up to {target}"
    if LAYER[source] in ("resources", "policy"):
        assert RANK[target] < RANK[source], f"{source} looks sideways at {target}"


def test_no_rooms_import_each_other_round() -> None:
    """Inside a layer too the arrows have one direction."""
    below: dict[str, set[str]] = {room: set() for room in RANK}
    for source, target in ARROWS:
        if source != target:
            below[source].add(target)
    done: set[str] = set()
    while ready := {room for room in below if room not in done and below[room] <= done}:
        done |= ready
    assert done == set(below), f"round: {set(below) - done}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_outside_thing_is_known_to_its_room_alone(path: Path) -> None:
    """One boundary to the transport, one to each extra."""
    for name in imports(path):
        allowed = ROOMS_OF.get(name.split(".")[0])
        assert allowed is None or room_of(path) in allowed, f"{name} in {path.name}"


@pytest.mark.parametrize("room", [*LAYERS[0][1], *LAYERS[1][1]])
def test_words_and_policy_touch_nothing_outside(room: str) -> None:
    """No task, clock, chance, network, disk or environment."""
    path = ROOT / f"{room}.py"
    names = {name.split(".")[0] for name in imports(path)}
    assert not names & (UNCLEAN - PATHS_IN.get(room, set()))


@pytest.mark.parametrize("room", LAYERS[-1][1])
def test_edges_use_only_the_public_names(room: str) -> None:
    """What a user can't import, an edge does not either; facts, threads and redaction are for all.

    So is the ledger's face: whoever opens a file asks there whether that is an open ledger.
    """
    paths = sorted((ROOT / room).rglob("*.py")) or [ROOT / f"{room}.py"]
    public = {
        *s2v_detect.__all__,
        *LAYERS[-1][1],
        "_service",
        "_threads",
        "_redaction",
        "_addresses",
        "ledger",
    }
    for path in paths:
        for name in imports(path):
            if name.startswith(f"{PACKAGE}."):
                assert name.split(".")[1] in public, f"{path.name} imports {name}"


def test_importing_the_package_loads_no_extra() -> None:
    """In an interpreter of its own, beyond what httpx itself loads: rich, where it is there."""
    extras = [
        name for name, rooms in ROOMS_OF.items() if not rooms & {"_http", "_retrying", "ledger"}
    ]
    code = (
        "import sys, httpx; before = set(sys.modules); import s2v_detect;"
        f"print([name for name in {extras} if name in set(sys.modules) - before])"
    )
    done = subprocess.run(  # noqa: S603  # our own line
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
