"""Where an extra is missing, the message is the line that installs it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from s2v_detect import __version__
from s2v_detect._version import missing
from s2v_detect.cli import main

ROOT = Path(__file__).parents[2]


def without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a Python that can't import `module`."""
    script = f"""
import sys
sys.modules[{module!r}] = None
from s2v_detect.cli import main
sys.exit(main({list(arguments)!r}))
"""
    return subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False
    )


@pytest.mark.parametrize("module", ["cyclopts", "rich"])
def test_the_command_without_its_extra(module: str) -> None:
    """Exit 2."""
    done = without(module, "--help")
    assert done.returncode == 2
    sentence = "The command needs an extra. Install it in a clone of the project: "
    assert done.stderr == f'{sentence}pip install ".[cli]"\n'


@pytest.mark.parametrize(
    "arguments",
    [("check", "--emulator", "http://a.example/1.jpg"), ("emulator", "--port", "0")],
)
def test_the_emulator_without_its_extra(arguments: tuple[str, ...]) -> None:
    """Exit 2."""
    done = without("aiohttp", *arguments)
    assert done.returncode == 2
    assert 'pip install ".[cli,emulator]"' in done.stderr


def test_every_extra_that_a_sentence_names_is_there() -> None:
    """And no module has a sentence of its own, which would go on naming what is no more."""
    there = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    calls: list[str] = []
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        own = re.findall(r'pip install "?(?!"?httpx)', text)  # but for another project's extra
        assert not own or path.name == "_version.py", path
        calls += re.findall(r"missing\(([^)]*)\)", text) if path.name != "_version.py" else []
    named = {extra for call in calls for extra in re.findall(r'"([a-z0-9]+)"', call)}
    assert named == set(there["optional-dependencies"]) - {"all"}
    assert named <= set(there["optional-dependencies"])
    assert missing("x", "cli").endswith('pip install ".[cli]"')


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
