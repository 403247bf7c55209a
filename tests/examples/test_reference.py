"""The page of all public names is what the docstrings say."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_its_script_writes() -> None:
    """Run `python .ci/reference.py` where this fails; every link in the page leads somewhere."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / ".ci" / "reference.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = script.page()
    assert (ROOT / "examples" / "reference.md").read_text(encoding="utf-8") == page
    headings = {line.removeprefix("### ").lower() for line in re.findall(r"(?m)^### .*", page)}
    links = set(re.findall(r"\(#(\w+)\)", page)) - {"columns"}
    assert links <= headings
    assert len(links) > 60
