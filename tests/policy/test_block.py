"""The block of a line: what goes in comes out, and what is no block is told from one."""

import math

import pytest

from s2v_detect.limiters import _block
from s2v_detect.limiters._block import BLOCK_BYTES, OtherLayout, decoded, encoded
from s2v_detect.limiters._pacing import Pacer
from s2v_detect.limiters._waiting_list import MOST_COUNTED, Claim, Member, Shared, Wish

BOOT = bytes(range(16))


def shared(processes: int = 4) -> Shared:
    """Return the state of a line that many use."""
    pacer = Pacer(MOST_COUNTED, 1.0)
    for number in range(200):
        pacer.left(number / MOST_COUNTED)
    pacer.throttled(4.0, 7.5)
    return Shared(
        5.25,
        *pacer.state(),
        members=tuple(Member(2**64 - 1 - each, 5.0, 1.0, each) for each in range(processes)),
        wishes=tuple(
            Wish(2**64 - 1 - each, 2, each, 4.5, 6.5, each % 3) for each in range(processes)
        ),
        claims=(Claim(2**63, 5.25),),
    )


def test_what_goes_in_comes_out() -> None:
    """With whatever a pacer has learnt, infinities among it."""
    block = encoded(shared(), BOOT)
    assert len(block) == BLOCK_BYTES
    assert decoded(block, BOOT, 5.5).shared == shared()
    new = Shared(1.0, *Pacer(5.0).state())
    assert -math.inf in new.learnt
    assert decoded(encoded(new, BOOT), BOOT, 5.5).shared == new


def test_more_processes_than_have_room_are_left_out() -> None:
    """Those who look soonest stay; the others come again by themselves."""
    found = decoded(encoded(shared(400), BOOT), BOOT, 5.5).shared
    assert found is not None
    assert 25 <= len(found.wishes) <= len(shared(400).wishes)
    assert found.lefts == shared().lefts


@pytest.mark.parametrize("at", [0, 7, 8, 11, 12, 20, 100, 700, 2000, BLOCK_BYTES - 1])
def test_a_block_with_a_wrong_byte_says_nothing(at: int) -> None:
    """Torn or written over: nobody knows who left in the last second."""
    block = bytearray(encoded(shared(), BOOT))
    block[at] ^= 0x55
    assert decoded(bytes(block), BOOT, 5.5) == (None, False)


@pytest.mark.parametrize("block", [b"hello", b"x" * BLOCK_BYTES, b"\xff" * 9000, b"s2v-line"])
def test_a_foreign_file_says_nothing(block: bytes) -> None:
    """It is no line of ours."""
    assert decoded(block, BOOT, 5.5) == (None, False)


@pytest.mark.parametrize("block", [b"", bytes(BLOCK_BYTES)])
def test_an_empty_file_is_a_new_line(block: bytes) -> None:
    """A file is made with zeros."""
    assert decoded(block, BOOT, 5.5) == (None, True)


def test_an_earlier_boot_is_long_ago() -> None:
    """Its clock is another one, and its last second is over."""
    assert decoded(encoded(shared(), bytes(16)), BOOT, 5.5) == (None, True)


def test_another_release_s_layout_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would write over it would take the other release's line away."""
    block = encoded(shared(), BOOT)
    monkeypatch.setattr(_block, "LAYOUT", 2)
    with pytest.raises(OtherLayout):
        decoded(block, BOOT, 5.5)
