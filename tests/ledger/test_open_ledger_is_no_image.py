"""A ledger that is open here is never opened as an image: closing it would drop SQLite's locks."""

import os
from pathlib import Path

import pytest

from s2v_detect import ImageSkipped, Ledger
from s2v_detect.emulator import Emulator

IMAGE = "https://images.example/face.jpg"


@pytest.mark.parametrize("link", ["none", "symbolic", "hard"])
async def test_an_open_ledger_among_the_images_is_skipped_unread(
    emulator: Emulator, tmp_path: Path, link: str
) -> None:
    """By whatever name; a ledger that is not open is a file like any other, and no image."""
    path = tmp_path / "books.db"
    async with emulator.client(ledger=path) as client:
        await client.check(IMAGE)
        name = path if link == "none" else tmp_path / "portrait.jpg"
        if link == "symbolic":
            name.symlink_to(path)
        elif link == "hard":
            os.link(path, name)
        with pytest.raises(ImageSkipped, match="a ledger that is open here"):
            await client.check(name)
    async with emulator.client() as client:
        with pytest.raises(ImageSkipped, match="no image that is known"):
            await client.check(name)
    with Ledger(path) as ledger:
        assert [entry.image for entry in ledger.all_entries("answered")] == [IMAGE]
