"""Damage done to a ledger's file: by chance, and the same for the same seed."""

import random
from collections.abc import Callable
from pathlib import Path

_PAGE_BYTES = 4096


def flip(content: bytearray, chance: random.Random) -> None:
    """One bit anywhere."""
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def flip_many(content: bytearray, chance: random.Random) -> None:
    """Twenty bits."""
    for _ in range(20):
        flip(content, chance)


def flip_head(content: bytearray, chance: random.Random) -> None:
    """A bit of the file's first hundred bytes, or of its tables' definitions."""
    content[chance.randrange(100)] ^= 1 << chance.randrange(8)


def overwrite(content: bytearray, chance: random.Random) -> None:
    """Sixteen bytes of something else."""
    place = chance.randrange(len(content) - 16)
    content[place : place + 16] = chance.randbytes(16)


def cut(content: bytearray, chance: random.Random) -> None:
    """The end is gone, to nothing at worst."""
    del content[chance.randrange(len(content)) :]


def cut_pages(content: bytearray, chance: random.Random) -> None:
    """Whole pages of the end are gone."""
    del content[chance.randrange(len(content) // _PAGE_BYTES) * _PAGE_BYTES :]


def zero_page(content: bytearray, chance: random.Random) -> None:
    """A page holds nothing."""
    place = chance.randrange(len(content) // _PAGE_BYTES) * _PAGE_BYTES
    content[place : place + _PAGE_BYTES] = bytes(_PAGE_BYTES)


def swap_pages(content: bytearray, chance: random.Random) -> None:
    """Two pages have changed their places."""
    first, second = (chance.randrange(len(content) // _PAGE_BYTES) * _PAGE_BYTES for _ in "ab")
    one, other = (content[place : place + _PAGE_BYTES] for place in (first, second))
    content[first : first + _PAGE_BYTES], content[second : second + _PAGE_BYTES] = other, one


KINDS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip,
    flip,
    flip_many,
    flip_head,
    overwrite,
    cut,
    cut_pages,
    zero_page,
    swap_pages,
)


def damage(sound: Path, damaged: Path, number: int) -> str:
    """Write a damaged copy of a ledger; the same for the same number. Return what was done."""
    kind = KINDS[number % len(KINDS)]
    content = bytearray(sound.read_bytes())
    kind(content, random.Random(number))  # no secret
    damaged.write_bytes(content)
    return kind.__name__
