"""What the processes of a line share, as the bytes of one block, and back.

The block has one page, so that the system writes it whole. It says of itself what it is: a mark, a
checksum, the version of the layout, and the boot whose clock its times are of. What another release
laid out otherwise is no block that this one may overwrite: see `OtherLayout`.
"""

import struct
import zlib
from functools import lru_cache
from itertools import chain, islice
from operator import attrgetter
from typing import NamedTuple

from s2v_detect.limiters._pacing import LEARNT
from s2v_detect.limiters._waiting_list import AHEAD_S, IDLE_S, Claim, Member, Shared, Wish

BLOCK_BYTES = 4096
_MARK = b"s2v-line"
_HEAD = struct.Struct("<8sIHH16sd5H6x")  # the same in every release
_CHECKED_FROM = 12  # behind the mark and the checksum
_CLAIM, _MEMBER, _WISH = "Qd", "Qddd", "QBxxxIddB7x"
_MEMBER_BYTES = struct.calcsize(f"<{_MEMBER}")
_WISH_BYTES = struct.calcsize(f"<{_WISH}")

LAYOUT = zlib.crc32("\n".join((_CLAIM, _MEMBER, _WISH, *LEARNT)).encode()) & 0xFFFF
"""Another number for every change of the layout, the pacer's fields among it."""


class OtherLayout(Exception):
    """A block that another release of this package uses."""


class Block(NamedTuple):
    """A block that was read. `shared` is None where it is torn, foreign or of another boot."""

    shared: Shared | None
    is_new: bool = False


def encoded(shared: Shared, boot: bytes) -> bytes:
    """Return the block. Wishes that have no room are left out: their owners look again."""
    claims, members, wishes = shared.claims, shared.members, shared.wishes
    times = len(shared.learnt), len(shared.lefts)
    room_bytes = BLOCK_BYTES - _HEAD.size - _body(sum(times), len(claims), 0, 0).size
    # Those who wait go before those who only have used the line.
    members = members[: room_bytes // (_MEMBER_BYTES + _WISH_BYTES)]
    most_wishes = (room_bytes - len(members) * _MEMBER_BYTES) // _WISH_BYTES
    if len(wishes) > most_wishes:
        wishes = tuple(sorted(wishes, key=attrgetter("due"))[:most_wishes])
    counts = len(claims), len(members), len(wishes)
    block = bytearray(BLOCK_BYTES)
    _HEAD.pack_into(block, 0, _MARK, 0, LAYOUT, 0, boot, shared.used_at, *times, *counts)
    rows = chain.from_iterable(chain(claims, members, wishes))
    _body(sum(times), *counts).pack_into(block, _HEAD.size, *shared.learnt, *shared.lefts, *rows)
    struct.pack_into("<I", block, len(_MARK), _checksum(block))
    return bytes(block)


def decoded(block: bytes, boot: bytes, now: float) -> Block:
    """Return what a block says. Raises `OtherLayout` where another release uses the line."""
    if not any(block[: _HEAD.size]):  # a file is made with zeros
        return Block(None, is_new=True)
    if len(block) != BLOCK_BYTES or not block.startswith(_MARK):
        return Block(None)
    _, checksum, layout, _, of_boot, used_at, *counts = _HEAD.unpack_from(block)
    if _checksum(block) != checksum:
        return Block(None)
    if of_boot != boot:
        # Nothing of an earlier boot is in the last second.
        return Block(None, is_new=True)
    if layout != LAYOUT:
        if -AHEAD_S <= now - used_at <= IDLE_S:
            raise OtherLayout
        return Block(None, is_new=now > used_at)
    return Block(_shared(block, used_at, counts))


def _shared(block: bytes, used_at: float, counts: list[int]) -> Shared:
    learnt, lefts, claims, members, wishes = counts
    body = _body(learnt + lefts, claims, members, wishes)
    values = iter(body.unpack_from(block, _HEAD.size))
    return Shared(
        used_at,
        tuple(islice(values, learnt)),
        tuple(islice(values, lefts)),
        claims=tuple([Claim._make(islice(values, 2)) for _ in range(claims)]),
        members=tuple([Member._make(islice(values, 4)) for _ in range(members)]),
        wishes=tuple([Wish._make(islice(values, 6)) for _ in range(wishes)]),
    )


@lru_cache(maxsize=64)
def _body(times: int, claims: int, members: int, wishes: int) -> struct.Struct:
    """Return how all behind the head is laid out: in one piece it is read twice as fast."""
    return struct.Struct("<" + "d" * times + _CLAIM * claims + _MEMBER * members + _WISH * wishes)


def _checksum(block: bytes | bytearray) -> int:
    return zlib.crc32(memoryview(block)[_CHECKED_FROM:])
