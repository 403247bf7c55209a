"""What the processes of a line share, as the bytes of one block, and back.

The block has one page, so that the system writes it whole. It says of itself what it is: a mark, a
checksum, the version of the layout, and the boot whose clock its times are of. What another release
laid out otherwise is no block that this one may overwrite: see `OtherLayout`.
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

from s2v_detect.limiters._pacing import LEARNT
from s2v_detect.limiters._waiting_list import Claim, Member, Shared, Wish

BLOCK_BYTES = 4096
LAYOUT = 1
"""Another number for every change of the layout, the pacer's fields among it."""

_MARK = b"s2v-line"
_HEAD = struct.Struct("<8sIHH16sd5H6x")
_CHECKED_FROM = 12  # behind the mark and the checksum
_MEMBER = struct.Struct("<Qddd")
_WISH = struct.Struct("<QBxxxIddB7x")
_CLAIM = struct.Struct("<Qd")
_TIME = struct.Struct("<d")


class OtherLayout(Exception):
    """A block of another release of this package."""


class Block(NamedTuple):
    """A block that was read. `shared` is None where it is torn, foreign or of another boot."""

    shared: Shared | None
    is_new: bool = False


def encoded(shared: Shared, boot: bytes) -> bytes:
    """Return the block. Wishes that have no room are left out: their owners look again."""
    times = shared.learnt + shared.lefts
    parts = [
        struct.pack(f"<{len(times)}d", *times),
        *(_CLAIM.pack(*claim) for claim in shared.claims),
    ]
    used_bytes = _HEAD.size + sum(map(len, parts))
    room_bytes = BLOCK_BYTES - used_bytes
    # Those who wait go before those who only have used the line.
    members = shared.members[: room_bytes // (_MEMBER.size + _WISH.size)]
    room_bytes -= len(members) * _MEMBER.size
    wishes = shared.wishes
    if len(wishes) > room_bytes // _WISH.size:
        wishes = tuple(sorted(wishes, key=attrgetter("due"))[: room_bytes // _WISH.size])
    counts = [len(shared.learnt), len(shared.lefts), len(shared.claims), len(members), len(wishes)]
    head = _HEAD.pack(_MARK, 0, LAYOUT, 0, boot, shared.used_at, *counts)
    parts += [_MEMBER.pack(*member) for member in members]
    parts += [_WISH.pack(*wish) for wish in wishes]
    block = bytearray(b"".join([head, *parts]).ljust(BLOCK_BYTES, b"\0"))
    struct.pack_into("<I", block, len(_MARK), zlib.crc32(block[_CHECKED_FROM:]))
    return bytes(block)


def decoded(block: bytes, boot: bytes) -> Block:
    """Return what a block says. Raises `OtherLayout`."""
    if not any(block[: _HEAD.size]):  # a file is made with zeros
        return Block(None, is_new=True)
    if len(block) != BLOCK_BYTES or not block.startswith(_MARK):
        return Block(None)
    _, checksum, layout, _, of_boot, used_at, *counts = _HEAD.unpack_from(block)
    if zlib.crc32(block[_CHECKED_FROM:]) != checksum:
        return Block(None)
    if of_boot != boot:
        # Nothing of an earlier boot is in the last second.
        return Block(None, is_new=True)
    if layout != LAYOUT or counts[0] != len(LEARNT):
        raise OtherLayout
    return Block(_shared(block, used_at, counts))


def _shared(block: bytes, used_at: float, counts: list[int]) -> Shared:
    place = _HEAD.size

    def read(record: struct.Struct, count: int) -> Iterator[tuple[Any, ...]]:
        nonlocal place
        begin, place = place, place + record.size * count
        return record.iter_unpack(block[begin:place])

    learnt, lefts, claims, members, wishes = counts
    times = tuple(chain.from_iterable(read(_TIME, learnt + lefts)))
    return Shared(
        used_at,
        times[:learnt],
        times[learnt:],
        claims=tuple(map(Claim._make, read(_CLAIM, claims))),
        members=tuple(map(Member._make, read(_MEMBER, members))),
        wishes=tuple(map(Wish._make, read(_WISH, wishes))),
    )
