"""The picture of the web example: on a desk in English, and on a phone, in the dark, in Chinese.

`pictures.py` makes it. The portraits, the reject and the line are real; the emulator answers by a
script. It needs a font that has Chinese (Debian's fonts-noto-cjk).
"""

import asyncio
import os
import runpy
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import uvicorn
from playwright.async_api import Browser, Page

from s2v_detect.emulator import Emulator, Pass, Reject

EXAMPLES = Path(__file__).parents[1] / "examples"
PHOTOGRAPHS = EXAMPLES / "photographs"
PORTRAITS = "https://images.example/portraits/"
OTHERS = 34
HEIGHT_PX = 1150
LAYOUT = """
<style>
  body {{ margin: 0; padding: 30px 34px; display: flex; gap: 30px; align-items: flex-start;
          background: linear-gradient(135deg, #d9e4df, #e9e3d6); }}
  img {{ display: block; border-radius: 16px; box-shadow: 0 12px 36px rgb(0 0 0 / .22); }}
  img + img {{ border-radius: 30px; border: 7px solid #0b0d0f; }}
</style>
<img src="{desk}" height="{height}"><img src="{phone}" height="{height}">
"""


@asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[str]:
    async with Emulator(answer=Pass(latency_s=0.4), counting="sliding") as emulator:
        emulator.when(PHOTOGRAPHS / "coffee.jpg", Reject("InvalidFile.NoHuman"))
        os.environ |= {
            "DASHSCOPE_API_KEY": emulator.api_key,
            "DASHSCOPE_BASE_URL": emulator.base_url,
            "S2V_DETECT_LINE": "process",
            "WEB_APP_LEDGER": str(folder / "portraits.db"),
        }
        app = runpy.run_path(str(EXAMPLES / "web_app.py"))["app"]
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none"))
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        await serving


async def _opened(browser: Browser, base: str, *, is_phone: bool) -> Page:
    context = await browser.new_context(
        viewport={"width": 390 if is_phone else 820, "height": HEIGHT_PX},
        locale="zh-CN" if is_phone else "en-GB",
        color_scheme="dark" if is_phone else "light",
        device_scale_factor=1.5,
    )
    page = await context.new_page()
    await page.route(
        f"{PORTRAITS}*", lambda route: route.fulfill(path=PHOTOGRAPHS / "portrait.webp")
    )
    await page.goto(base)
    for name, state in (("portrait.jpg", "passed"), ("coffee.jpg", "rejected")):
        await page.click(f'[data-sample="{name}"]')
        await page.locator(f'[data-state="{state}"]').wait_for()
    return page


async def _in_line(base: str) -> None:
    """Stand in line with others."""

    async def one(number: int) -> None:
        await visitor.post("/checks", data={"url": f"https://images.example/{number}.jpg"})

    async with httpx.AsyncClient(base_url=base, timeout=60) as visitor:
        await asyncio.gather(*(one(number) for number in range(OTHERS)))


async def web_page(browser: Browser, folder: Path, target: Path) -> None:
    """Take the picture."""
    async with _served(folder) as base:
        pages = [await _opened(browser, base, is_phone=each) for each in (False, True)]
        others = asyncio.create_task(_in_line(base))
        await asyncio.sleep(0.5)
        for number, page in enumerate(pages, start=1):
            await page.fill("#url", f"{PORTRAITS}eileen-collins-{number}.webp")
            await page.press("#url", "Enter")
            await page.evaluate("document.activeElement.blur()")
            await page.evaluate("scrollTo(0, 0)")
        await asyncio.sleep(2.6)
        shots = [b64encode(await page.screenshot()).decode() for page in pages]
        for page in pages:
            await page.context.close()
        await others
    desk, phone = (f"data:image/png;base64,{shot}" for shot in shots)
    both = await browser.new_page(device_scale_factor=1)
    await both.set_content(LAYOUT.format(desk=desk, phone=phone, height=HEIGHT_PX))
    size = await both.evaluate("[...document.images].map(image => image.width)")
    width = sum(size) + 2 * 34 + 30 + 14
    await both.set_viewport_size({"width": width, "height": HEIGHT_PX + 74})
    await both.screenshot(path=str(target))
    await both.close()
