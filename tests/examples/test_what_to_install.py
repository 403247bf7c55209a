"""What an example needs beside the package and its extras is on the page, where it is run."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", PAGE, re.MULTILINE))
SET_UP = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WEB, TELEMETRY = "Check portraits in a web application", "Send telemetry"


@pytest.mark.parametrize(
    ("task", "needed"),
    [
        ("Screen a data frame", "polars"),
        *((WEB, name) for name in ("uvicorn", "litestar", "django", "python-multipart")),
        (WEB, "fastapi>=0.165"),
        (TELEMETRY, "opentelemetry-sdk"),
        (TELEMETRY, "opentelemetry-exporter-prometheus"),
        *(("Test your own application", name) for name in ("pytest", "pytest-asyncio")),
    ],
)
def test_what_no_extra_brings_is_told(task: str, needed: str) -> None:
    """In a line that installs it; a clone has it in its group of developers."""
    told = " ".join(re.findall(r"`pip install ([^`]+)`", SECTIONS[task].replace("\n", " ")))
    assert needed in told.replace('"', "").split()
    extras = SET_UP["project"]["optional-dependencies"].values()
    assert not [each for extra in extras for each in extra if is_of(each, needed)]
    assert [each for each in SET_UP["dependency-groups"]["dev"] if is_of(each, needed)]


def is_of(requirement: str, needed: str) -> bool:
    """Whether a requirement is of this name, or of the name and the lower bound."""
    return bool(re.match(rf"{re.escape(needed)}(?![\w-])", requirement.partition(",")[0]))


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_every_server_and_framework_of_an_example_is_told(path: Path) -> None:
    """What an example imports by name is in an extra, or in some line of the page."""
    source = path.read_text(encoding="utf-8")
    imported = set(re.findall(r"^(?:import|from) ([a-z]+)", source, re.MULTILINE))
    lines = [
        each for extra in SET_UP["project"]["optional-dependencies"].values() for each in extra
    ]
    lines += [" ".join(re.findall(r"`pip install ([^`]+)`", PAGE))]
    brought = set(re.findall(r"[a-z]+", " ".join(lines)))
    group = {re.split(r"[^\w-]", each)[0] for each in SET_UP["dependency-groups"]["dev"]}
    assert imported & group <= brought
