"""A real Chromium, and a page that is open in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """Debian's Chromium; where there is none the tests fail."""
    path = shutil.which("chromium")
    assert path, "Chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *options])
        yield browser
        browser.close()


class Shown:
    """A page that is open, and what went wrong in it."""

    def __init__(self, browser: Browser, place: Path | str, **options: Any) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page: Page = browser.new_page(**options)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(place if isinstance(place, str) else place.as_uri())

    def count(self, selector: str) -> int:
        """How many of these there are."""
        return self.page.locator(selector).count()

    def text(self, selector: str) -> str:
        """What is read there."""
        return self.page.inner_text(selector)
