"""The page of the web example, in a real Chromium."""

import asyncio
import runpy
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Locator, Page, expect
from tests.chromium import chromium

from s2v_detect.emulator import Emulator, Error, Pass, Reject

EXAMPLES = Path(__file__).parents[2] / "examples"
PHOTOGRAPHS = EXAMPLES / "photographs"
HOSTILE = "</b><script>document.title='owned'</script><img src=x onerror=alert(1)>"
LONG = "a" * 1500
Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for the whole module."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def service() -> Iterator[Emulator]:
    """An emulator for the whole module: every image passes until a test says otherwise."""
    with Emulator.run_in_thread(answer=Pass(), counting="sliding") as emulator:
        yield emulator


@pytest.fixture(scope="module")
def base(service: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the example, served in a thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DASHSCOPE_API_KEY", service.api_key)
        patch.setenv("DASHSCOPE_BASE_URL", service.base_url)
        patch.setenv("WEB_APP_LEDGER", str(tmp_path_factory.mktemp("page") / "portraits.db"))
        app = runpy.run_path(str(EXAMPLES / "web_app.py"))["app"]
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
            serving = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
            serving.start()
            while not server.started:  # then it has read its settings
                assert serving.is_alive(), "the application did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            server.should_exit = True
            serving.join()


@pytest.fixture
def opened(browser: Browser, base: str) -> Iterator[Opened]:
    """What opens the page. At the end nothing went wrong in it, and it asked nobody else."""
    problems: list[str] = []
    asked: list[str] = []
    contexts = []

    def opened(language: str = "en-GB", width: int = 1000, **more: Any) -> Page:
        viewport = {"width": width, "height": 900}
        context = browser.new_context(locale=language, viewport=viewport, **more)  # type: ignore[arg-type]  # as given
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        answer = page.goto(base)
        assert answer
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        return page

    yield opened
    for context in contexts:
        context.close()
    # A picture that is not there, and a connection that is lost, are what a test asks for.
    assert [each for each in problems if "Failed to load resource" not in each] == []
    assert [url for url in asked if not url.startswith((f"{base}/", f"blob:{base}/"))] == []


def ask(page: Page, url: str) -> Locator:
    """Give the form an address, by the keyboard; return its card."""
    page.fill("#url", url)
    page.press("#url", "Enter")
    return page.locator(".check").first


def give(page: Page, *files: Path | dict[str, Any]) -> Locator:
    """Give the form files; return the card of the first."""
    page.set_input_files("#file", files)  # type: ignore[arg-type]  # each is a path or bytes
    return page.locator(".check").first


def test_a_file_is_checked_and_its_picture_shown(opened: Opened, service: Emulator) -> None:
    """One bill. The same file again, under another name, is known."""
    page = opened()
    card = give(page, PHOTOGRAPHS / "portrait.jpg")
    expect(card).to_have_attribute("data-state", "passed")
    expect(card).to_contain_text("This portrait can be used")
    expect(card.locator("bdi")).to_have_text("portrait.jpg")
    assert card.locator("img").evaluate("image => image.naturalWidth") == 512
    before = service.billed
    page.click('[data-sample="portrait.jpg"]')
    expect(page.locator(".check")).to_have_count(2)
    expect(page.locator(".check").first).to_contain_text("Known from an earlier check.")
    assert service.billed == before


def test_a_rejected_address_is_told_with_its_reason_in_both_languages(
    opened: Opened, service: Emulator, base: str
) -> None:
    """The browser's language at first; the switch changes what stands there already, too."""
    service.when("*/coffee.jpg?*", Reject("InvalidFile.NoHuman"))
    page = opened("zh-CN")
    expect(page.locator("h1")).to_contain_text("这张人像能开口说话吗")
    card = ask(page, f"{base}/photographs/coffee.jpg?signature=secret")
    expect(card).to_have_attribute("data-state", "rejected")
    expect(card).to_contain_text("没有检测到人。")
    assert card.locator("img").evaluate("image => image.naturalWidth") == 600
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.click("#language")
    expect(card).to_contain_text("No person was found. Use a portrait of one person")
    assert page.locator("html").get_attribute("lang") == "en"
    assert "secret" not in page.inner_text("body")


def test_what_goes_wrong_is_told_in_plain_words_in_both_languages(
    opened: Opened, service: Emulator, base: str, tmp_path: Path
) -> None:
    """Mistakes of the visitor, and faults that are ours; the account is no matter of a visitor."""
    service.when("*?gone", Error(400, "InvalidURL"))
    service.when("*?key", Error(401, "InvalidApiKey"))
    page = opened()
    image = f"{base}/photographs/portrait.webp"
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes((5 << 20) + 1))
    told: dict[str, tuple[Callable[[], Locator], str, str]] = {
        "image-skipped": (
            lambda: give(page, PHOTOGRAPHS / "cat.jpg"),
            "This can't be checked It was not sent. It is 451 x 300 pixels",
            "无法检测这张图片",
        ),
        "too-large": (lambda: give(page, large), "The file is too large", "文件太大"),
        "image-unusable": (
            lambda: ask(page, f"{image}?gone"),
            "The picture could not be fetched",
            "无法获取这张图片",
        ),
        "unavailable": (
            lambda: ask(page, f"{image}?key"),
            "Pictures can't be checked now Try again later.",
            "目前无法检测图片",
        ),
    }
    for asks, english, chinese in told.values():
        card = asks()
        expect(card).to_have_attribute("data-state", "problem")
        expect(card).to_contain_text(english, use_inner_text=True)
        page.click("#language")
        expect(card).to_contain_text(chinese)
        page.click("#language")
    assert "InvalidApiKey" not in page.inner_text("body")


def test_what_is_no_address_is_said_at_the_field(opened: Opened) -> None:
    """And read out; nothing is asked."""
    page = opened()
    field, mistake = page.locator("#url"), page.locator("#mistake")
    for typed in (
        "",
        "  ",
        "face.jpg",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://a.example/b",
    ):
        mistake.evaluate("element => { element.textContent = '' }")
        field.fill(typed)
        field.press("Enter")
        expect(mistake).to_have_text("Give an address that begins with https:// or http://")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_be_focused()
    expect(mistake).to_have_role("alert")
    assert page.locator(".check").count() == 0


def test_what_a_visitor_and_the_service_say_is_only_text(
    opened: Opened, service: Emulator, base: str
) -> None:
    """A hostile name of a file, a hostile address and a hostile message do nothing."""
    service.when("*hostile*", Reject("InvalidFile.NoHuman", HOSTILE))
    page = opened()
    card = ask(page, f"{base}/photographs/coffee.jpg?hostile#{HOSTILE}")
    expect(card.locator(".service")).to_have_text(HOSTILE)
    portrait = (PHOTOGRAPHS / "portrait.jpg").read_bytes()
    card = give(page, {"name": HOSTILE, "mimeType": "image/jpeg", "buffer": portrait})
    expect(card).to_have_attribute("data-state", "passed")
    expect(card.locator("bdi")).to_have_text(HOSTILE)
    assert page.title() == "Portrait check"


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_a_phone_shows_it_without_scrolling_sideways(
    opened: Opened, service: Emulator, base: str, language: str
) -> None:
    """The longest addresses and messages too, in the dark, and with the keyboard alone."""
    service.when("*long*", Reject("InvalidFile.NoHuman", LONG))
    page = opened(language, 390, color_scheme="dark", is_mobile=True, has_touch=True)
    for name in (f"long{LONG}", f"portrait.jpg?{LONG}", "portrait.png"):
        card = ask(page, f"{base}/photographs/{name}?{language}" if "?" not in name else name)
    card = ask(page, f"{base}/photographs/portrait.jpg?{LONG}{language}")
    expect(card).to_have_attribute("data-state", "passed")
    give(page, {"name": f"{LONG}.jpg", "mimeType": "image/jpeg", "buffer": b"no image"})
    expect(page.locator(".check").first).to_have_attribute("data-state", "problem")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("#url").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "submit"


def test_a_lost_connection_is_said_and_tried_again(opened: Opened, base: str) -> None:
    """The portrait is still there: nobody has to choose the file again."""
    page = opened()
    page.context.set_offline(True)
    card = give(page, PHOTOGRAPHS / "portrait.png")
    expect(card).to_contain_text("The connection was lost")
    page.context.set_offline(False)
    card.get_by_role("button", name="Try again").click()
    expect(card).to_have_attribute("data-state", "passed")


@pytest.mark.real_time
def test_a_visitor_sees_the_line_move_and_may_leave_it(
    opened: Opened, service: Emulator, base: str
) -> None:
    """Twenty others are in line. Who leaves it was never sent."""
    page = opened()
    port = int(base.rpartition(":")[2])
    others = [in_line(port, number) for number in range(20)]
    left = ask(page, f"{base}/photographs/portrait.webp?left")
    stays = ask(page, f"{base}/photographs/portrait.webp?stays")
    place = stays.locator(".state b")
    expect(place).to_contain_text("people are before you")
    expect(page.locator("[data-state=place] progress")).to_have_count(2)
    page.get_by_role("button", name="Leave the line").last.click()
    expect(page.locator(".check").last).to_contain_text(
        "You left the line Nothing was sent.", use_inner_text=True
    )
    first = int(place.inner_text().split()[0])
    expect(place).not_to_have_text(f"{first} people are before you")
    assert int(place.inner_text().split()[0]) < first
    for other in others:  # they leave, too
        other.close()
    expect(stays).to_have_attribute("data-state", "passed")
    assert "photographs/portrait.webp?left" not in str(service.bills)
    del left


def in_line(port: int, number: int) -> socket.socket:
    """Return the connection of one who waits in line."""
    other = socket.create_connection(("127.0.0.1", port))
    body = f"url=https://images.example/{number}.jpg"
    kind = "Content-Type: application/x-www-form-urlencoded"
    head = f"POST /checks HTTP/1.1\r\nHost: a\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    other.sendall(f"{head}{body}".encode())
    assert other.recv(1024)
    return other
