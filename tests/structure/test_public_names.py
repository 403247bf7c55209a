"""The public face: its names, their examples, and the sizes that keep the rest readable."""

import ast
from pathlib import Path

import httpx
import pytest

import s2v_detect
from s2v_detect.wire._endpoint import TRANSPORT_ERRORS

ROOT = Path(s2v_detect.__file__).parent
_CENTRES = ("client.py", "_check.py", "_pacing.py", "_writer.py")
FILES = sorted(ROOT.rglob("*.py"))


def test_all_is_what_is_there() -> None:
    """Every public name is listed, in order, and nothing else is."""
    modules = {path.stem for path in ROOT.iterdir()}
    # pytest adds names that are no identifiers to what it rewrites.
    names = {name for name in vars(s2v_detect) if name.isidentifier()}
    there = {name for name in names if not name.startswith("_")} - modules
    assert set(s2v_detect.__all__) - {"__version__"} == there
    assert len(s2v_detect.__all__) == len(set(s2v_detect.__all__)) <= 45


@pytest.mark.parametrize("name", sorted(set(s2v_detect.__all__) - {"__version__", "Outcome"}))
def test_every_public_name_says_what_it_is(name: str) -> None:
    """In a docstring of its own, not an inherited one."""
    assert vars(s2v_detect)[name].__doc__
    assert vars(s2v_detect)[name].__doc__ != Exception.__doc__


@pytest.mark.parametrize(
    "thing",
    [
        s2v_detect.DetectClient,
        s2v_detect.DetectClient.check,
        s2v_detect.DetectClient.aiter_check,
        s2v_detect.DetectClient.forecast_s,
        s2v_detect.DetectClient.statistics,
        s2v_detect.check_all,
        s2v_detect.check_one,
        s2v_detect.HostLimiter,
        s2v_detect.LocalLimiter,
        s2v_detect.PostgresLedger,
        s2v_detect.RedisLimiter,
        s2v_detect.RetryPolicy,
        s2v_detect.Spend,
        s2v_detect.Statistics,
        s2v_detect.Verdict,
    ],
)
def test_what_a_user_calls_has_an_example(thing: object) -> None:
    """The doctests run it."""
    assert ">>>" in (thing.__doc__ or "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_readable(path: Path) -> None:
    """No module over 350 lines, no function over 50 without its docstring.

    The one module that a room is about may have 400.
    """
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= (400 if path.name in _CENTRES else 350)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno if body else 0
            assert lines <= 50, f"{path.name}: {node.name}"


def test_every_transport_error_of_httpx_is_named() -> None:
    """A new one would otherwise be told as something else."""

    def kinds(kind: type[httpx.TransportError]) -> set[type[httpx.TransportError]]:
        own = (each for each in kind.__subclasses__() if each.__module__ == "httpx")
        return {kind}.union(*(kinds(each) for each in own))

    abstract = {
        httpx.TransportError,
        httpx.TimeoutException,
        httpx.NetworkError,
        httpx.ProtocolError,
    }
    assert kinds(httpx.TransportError) - abstract == set(TRANSPORT_ERRORS)
