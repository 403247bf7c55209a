"""What the tests of the page share."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from tests.chromium import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a module."""
    with chromium() as browser:
        yield browser
