"""Processes that tests start."""

import os


def uncovered() -> dict[str, str]:
    """Return the environment without what measures the coverage.

    For a process whose code is a copy, which would be measured as code of its own, and for one that
    may write no more than so much: the measuring has files of its own, and Python would leave half
    of a compiled module for all that come after.
    """
    kept = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"}
