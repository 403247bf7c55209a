"""A credential of the store is renewed in time, and shared."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

from tests.uploading import picture

from s2v_detect._service import BASE_URL, MODEL
from s2v_detect.errors import NotSent
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


async def test_a_fault_of_the_credential_is_shared_by_all_who_wait_for_it() -> None:
    """In a dead network 20 files wait as long as one; who leaves takes no other along."""
    asked = 0
    answered = asyncio.Event()

    async def get(_: str) -> Answer:
        nonlocal asked
        asked += 1
        await answered.wait()
        raise NotSent("not sent, no connection.", do="Check the network.")

    async def post(_: str, __: Mapping[str, str], ___: AsyncIterator[bytes]) -> Answer:
        raise AssertionError

    async def at_once() -> None:
        """Nothing is in the way."""

    uploader = Uploader(get, post, MODEL, Reading(), base_url=BASE_URL)
    for round_ in (1, 2):
        answered.clear()
        images = [local_image(picture(number)) for number in range(20)]
        futures = [
            await uploader.begin(image, "bulk", may_begin=at_once, on_stored=list[str]().append)
            for image in images
        ]
        while asked < round_:
            await asyncio.sleep(0)
        futures.pop().cancel()
        answered.set()
        errors = await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 5)
        assert asked == round_
        assert [type(each) for each in errors] == [NotSent] * 19
        assert len(set(map(id, errors))) == 19  # each gets the name of its own image
    await uploader.close()


async def test_closing_ends_the_asking_for_a_credential() -> None:
    """Nothing of it is left, and nobody is told of its end."""
    begun = asyncio.Event()

    async def get(_: str) -> Answer:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def post(_: str, __: Mapping[str, str], ___: AsyncIterator[bytes]) -> Answer:
        raise AssertionError

    async def at_once() -> None:
        """Nothing is in the way."""

    uploader = Uploader(get, post, MODEL, Reading(), base_url=BASE_URL)
    image = local_image(picture(1))
    await uploader.begin(image, "bulk", may_begin=at_once, on_stored=list[str]().append)
    await begun.wait()
    await uploader.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
