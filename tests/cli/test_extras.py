"""Where an extra is missing, the message is the line that installs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from s2v_detect import __version__
from s2v_detect._version import missing, requirement
from s2v_detect.cli import main

ROOT = Path(__file__).parents[2]


def without(
    module: str, *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a Python that can't import `module`."""
    script = f"""
import sys
sys.modules[{module!r}] = None
from s2v_detect.cli import main
sys.exit(main({list(arguments)!r}))
"""
    return subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False, cwd=cwd
    )


@pytest.mark.parametrize("module", ["cyclopts", "rich"])
def test_the_command_without_its_extra(module: str) -> None:
    """Exit 2."""
    done = without(module, "--help")
    assert done.returncode == 2
    assert done.stderr == missing("The command", "cli") + "\n"


@pytest.mark.parametrize(
    "arguments",
    [("check", "--emulator", "http://a.example/1.jpg"), ("emulator", "--port", "0")],
)
def test_the_emulator_without_its_extra(arguments: tuple[str, ...]) -> None:
    """Exit 2."""
    done = without("aiohttp", *arguments)
    assert done.returncode == 2
    assert '[cli,emulator]"' in done.stderr


@pytest.mark.parametrize(
    ("module", "extra", "head"),
    [("pyarrow", "parquet", b"PAR1"), ("python_calamine", "excel", b"PK\x03\x04")],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_extra_is_asked_for_in_the_language_that_is_spoken(
    module: str, extra: str, head: bytes, language: str, tmp_path: Path
) -> None:
    """The line that installs it is the same."""
    (tmp_path / "in").write_bytes(head)
    done = without(module, "estimate", str(tmp_path / "in"), "--lang", language)
    assert done.returncode == 2
    said = {"en": " needs an extra. Install it: ", "zh": "：需要可选依赖，请安装："}[language]
    assert said in done.stderr
    assert done.stderr.endswith(f'[cli,{extra}]"\n')


@pytest.mark.parametrize(
    ("module", "arguments", "what"),
    [
        ("aiohttp", ("check", "--emulator", "http://a.example/1.jpg"), "The emulator"),
        ("aiohttp", ("run", "in.txt", "-o", "out.odd", "--emulator", "--live"), "The emulator"),
        ("pyarrow", ("run", "in.txt", "-o", "out.parquet", "--emulator", "--live"), "Parquet"),
        ("jinja2", ("run", "in.txt", "-o", "out.odd", "--emulator", "--live"), "The live page"),
        (
            "psycopg",
            ("ledger", "show", "postgresql://u:a-secret@a.example/x"),
            r"the ledger on a server can't be used\. PostgresLedger",
        ),
    ],
)
def test_a_missing_extra_is_told_before_anything_else(
    tmp_path: Path, module: str, arguments: tuple[str, ...], what: str
) -> None:
    """No line before it says that something has begun."""
    (tmp_path / "in.txt").write_text("http://a.example/1.jpg\n")
    done = without(module, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(rf"s2v-detect: {what} needs an extra\. Install it: .*\n", done.stderr)


def test_every_extra_that_a_sentence_names_is_there() -> None:
    """And no module has a sentence of its own, which would go on naming what is no more."""
    there = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    calls: list[str] = []
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        own = re.findall(r'pip install "?(?!"?httpx)', text)  # but for another project's extra
        assert not own or path.name == "_version.py", path
        calls += (
            re.findall(r"(?:missing|needs_extra)\((.*)\)", text)
            if path.name != "_version.py"
            else []
        )
    named = {extra for call in calls for extra in re.findall(r'"([a-z0-9]+)"', call)}
    assert named == set(there["optional-dependencies"]) - {"all"}
    assert named <= set(there["optional-dependencies"])


WHEEL = "s2v_detect-0.1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ({}, '"s2v-detect[cli,s3]"'),
        ({"url": ""}, '"s2v-detect[cli,s3]"'),
        ({"url": "file:///srv/clone", "dir_info": {}}, '"/srv/clone[cli,s3]"'),
        ({"url": "file:///srv/clone"}, '"/srv/clone[cli,s3]"'),
        (
            {"url": "file:///a%20b/%E5%85%8B", "dir_info": {"editable": True}},
            '-e "/a b/克[cli,s3]"',
        ),
        ({"url": f"file:///gone/{WHEEL}", "archive_info": {}}, f'"PATH/TO/{WHEEL}[cli,s3]"'),
        (
            {"url": f"https://a.example/{WHEEL}", "archive_info": {"hash": "sha256=0"}},
            f'"s2v-detect[cli,s3] @ https://a.example/{WHEEL}"',
        ),
        (
            {"url": "https://a.example/r.git", "vcs_info": {"vcs": "git", "commit_id": "0"}},
            '"s2v-detect[cli,s3] @ git+https://a.example/r.git@0"',
        ),
        (
            {
                "url": "https://user:secret@a.example/r.git",
                "vcs_info": {"vcs": "git", "commit_id": "0", "requested_revision": "v1"},
                "subdirectory": "client",
            },
            '"s2v-detect[cli,s3] @ git+https://a.example/r.git@v1#subdirectory=client"',
        ),
    ],
)
def test_the_line_names_what_was_installed(source: dict[str, Any], line: str) -> None:
    """From an index by name; else from where this package is: another of that name is not ours."""
    assert requirement(source, "cli", "s3") == line


def test_a_wheel_that_is_still_there_is_named_with_its_folder(tmp_path: Path) -> None:
    """So that the line works from any folder."""
    (tmp_path / WHEEL).touch()
    source = {"url": (tmp_path / WHEEL).as_uri(), "archive_info": {}}
    assert requirement(source, "cli") == f'"{tmp_path / WHEEL}[cli]"'


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_the_packages(option: str, capfd: pytest.CaptureFixture[str]) -> None:
    """On stdout, alone."""
    assert main([option]) == 0
    assert capfd.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["run", "--help"], ["check", "--help"]])
def test_help_tells_the_exit_codes(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Also without any argument."""
    assert main(arguments) == 0
    told = capfd.readouterr().out
    assert "130  interrupted" in told
    assert "s2v-detect" in told


def test_the_package_is_a_program_too() -> None:
    """For a Python whose folder of programs is not on the path."""
    done = subprocess.run(  # our own line
        [sys.executable, "-m", "s2v_detect", "-V"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{__version__}\n"
