"""A credential of the store is renewed in time, and shared."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

from tests.uploading import picture

from s2v_detect._service import BASE_URL, MODEL
from s2v_detect.images import Uploader
from s2v_detect.images._files import Reading, local_image
from s2v_detect.wire._answers import Answer


async def test_a_credential_is_renewed_before_its_end() -> None:
    """By our own clock, half a minute early; those who wait for it share the new one."""
    now = [0.0]
    asked = 0

    async def get(_: str) -> Answer:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        data = dict.fromkeys(
            (
                *("policy", "signature", "upload_dir", "oss_access_key_id"),
                *("x_oss_object_acl", "x_oss_forbid_overwrite"),
            ),
            "a",
        )
        told = {"data": {**data, "upload_host": "https://store.example", "expire_in_seconds": 300}}
        return Answer(200, {}, json.dumps(told).encode())

    async def post(_: str, __: Mapping[str, str], body: AsyncIterator[bytes]) -> Answer:
        async for _piece in body:
            pass
        return Answer(200, {}, b"")

    async def at_once() -> None:
        """Nothing is in the way."""

    stored: list[str] = []
    uploader = Uploader(get, post, MODEL, Reading(), base_url=BASE_URL, clock=lambda: now[0])

    async def upload(number: int) -> None:
        image = local_image(picture(number))
        await (await uploader.begin(image, "bulk", may_begin=at_once, on_stored=stored.append))

    await asyncio.gather(*(upload(number) for number in range(5)))
    now[0] = 269
    await upload(5)
    assert asked == 1
    now[0] = 271
    await asyncio.gather(*(upload(number) for number in range(6, 11)))
    assert asked == 2
    assert len(set(stored)) == 11
