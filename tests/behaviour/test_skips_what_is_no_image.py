"""What is no image is one bad image: not uploaded, not billed, and the stream goes on."""

import asyncio
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.uploading import Odd, is_upload, picture, through, xml

from s2v_detect import ImageSkipped, NotSent
from s2v_detect.emulator import Emulator


class Bad:
    """Makes what is no image of a folder."""

    @staticmethod
    def missing(path: Path) -> str:
        """Nothing there."""
        return "No such file"

    @staticmethod
    def folder(path: Path) -> str:
        """A directory."""
        path.mkdir()
        return "folder"

    @staticmethod
    def empty(path: Path) -> str:
        """No byte in it."""
        path.touch()
        return "an empty file"

    @staticmethod
    def pipe(path: Path) -> str:
        """One that nobody writes to."""
        os.mkfifo(path)
        return "not a file"

    @staticmethod
    def circle(path: Path) -> str:
        """A link to itself."""
        path.symlink_to(path)
        return "symbolic links"

    @staticmethod
    def text(path: Path) -> str:
        """A page under the name of an image."""
        path.write_text("<html><body>Sign in</body></html>")
        return "an HTML page"

    @staticmethod
    def small(path: Path) -> str:
        """Below the bounds."""
        path.write_bytes(picture(size=(399, 500)))
        return "399 x 500"


@pytest.mark.parametrize("name", [name for name in vars(Bad) if not name.startswith("_")])
async def test_what_is_no_image_is_an_outcome_with_its_reason(
    emulator: Emulator, tmp_path: Path, name: str
) -> None:
    """Nothing is uploaded, nothing sent, and the rest of the stream goes on."""
    path = tmp_path / "face.jpg"
    reason = getattr(Bad, name)(path)
    async with emulator.client(ledger=tmp_path / "a.db") as client:
        outcomes = [o async for o in client.aiter_check([path, picture()], ordered=True)]
        with pytest.raises(ImageSkipped, match=reason):
            await client.check(path)
        assert client.spend.skipped == 2
        assert client.spend.refused == (2 if name in ("empty", "text", "small") else 0)
    assert outcomes[0].kind == "skipped"
    assert reason in outcomes[0].reason
    assert outcomes[1].kind == "checked"
    assert emulator.billed == emulator.store.uploaded == 1


async def test_a_name_with_a_zero_byte_is_no_file(emulator: Emulator) -> None:
    """Python itself refuses it."""
    async with emulator.client() as client:
        with pytest.raises(ImageSkipped, match="no file of that name"):
            await client.check(Path("face\0.jpg"))


class Growing(os.PathLike[str]):
    """A file that somebody writes to between its look and its upload."""

    def __init__(self, path: Path, then: bytes) -> None:
        self._path = path
        self._then = then
        self._opened = 0

    def __fspath__(self) -> str:
        self._opened += 1
        if self._opened == 2:
            self._path.write_bytes(self._then)
        return str(self._path)


@pytest.mark.parametrize("then", [picture(8), picture() + b"more", picture()[:-9]])
async def test_a_file_that_changes_while_it_is_read_is_not_checked(
    emulator: Emulator, tmp_path: Path, then: bytes
) -> None:
    """Other bytes, more or fewer of them: what was looked at is not what would be checked."""
    path = tmp_path / "face.jpg"
    path.write_bytes(picture())
    async with emulator.client() as client:
        with pytest.raises((ImageSkipped, NotSent)):
            await client.check(Growing(path, then))
    assert emulator.billed == 0


async def test_a_file_that_is_too_large_is_refused_before_it_is_sent(emulator: Emulator) -> None:
    """By what the credential says."""
    emulator.store.max_file_size_mb = 0.001
    async with emulator.client() as client:
        with pytest.raises(ImageSkipped, match=r"the store takes 0\.001"):
            await client.check(picture())
    assert (emulator.store.uploaded, emulator.requests) == (0, 0)


async def test_what_is_too_large_for_the_store_is_tried_once(
    emulator: Emulator, tmp_path: Path
) -> None:
    """Under however many names it lies there."""
    paths = [tmp_path / f"{number}.jpg" for number in range(10)]
    for path in paths:
        path.write_bytes(picture())
    kinds: list[str] = []
    uploads = 0

    async def meet(request: httpx.Request) -> httpx.Response | None:
        nonlocal uploads
        if not is_upload(request):
            return None
        uploads += 1
        while kinds.count("shared") < 9:
            await asyncio.sleep(0.001)
        return xml(400, "EntityTooLarge")

    async with through(emulator, meet, on_event=lambda event: kinds.append(event.kind)) as client:
        outcomes = [o async for o in client.aiter_check(paths)]
    assert {outcome.kind for outcome in outcomes} == {"skipped"}
    assert uploads == 1


def _raise() -> None:
    raise RuntimeError("no")


@pytest.mark.parametrize("path", [_raise, lambda: 5, lambda: None])
async def test_a_path_that_is_none_is_one_bad_image(
    emulator: Emulator, tmp_path: Path, path: Callable[[], Any]
) -> None:
    """And the stream goes on; its record can be written."""
    async with emulator.client(ledger=tmp_path / "a.db") as client:
        images = [Odd(path), picture()]
        outcomes = [o async for o in client.aiter_check(images, ordered=True)]
    assert [outcome.kind for outcome in outcomes] == ["skipped", "checked"]
    assert outcomes[0].model_dump(mode="json")["image"] == "<Odd>"


@pytest.mark.parametrize("value", [bytearray(b"a"), memoryview(b"a"), io.BytesIO(b"a"), 5])
async def test_what_holds_bytes_and_is_none_says_what_to_give(
    emulator: Emulator, value: object
) -> None:
    """A buffer may change while it is asked about, and a file object has a place in it."""
    async with emulator.client() as client:
        with pytest.raises(ImageSkipped, match=r"give a URL, a path \(pathlib\.Path\) or bytes"):
            await client.check(value)  # type: ignore[arg-type]  # what a user may try
