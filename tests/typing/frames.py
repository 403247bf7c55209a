"""What type checkers say of frames: what goes in comes out. Nothing runs this file.

Each line with an `ignore` is one that they must refuse, as in `items.py`.
"""

from typing import assert_type

import polars as pl

from s2v_detect.integrations.frames import acheck_frame, check_frame


async def a_frame_comes_back_as_what_it_was(frame: pl.DataFrame) -> None:
    """By both functions, with the options of a client."""
    assert_type(check_frame(frame, "url", ledger="l.db", max_cost="1.5"), pl.DataFrame)
    assert_type(check_frame(frame, give_up_after_s=20, max_time_s=7.5), pl.DataFrame)
    assert_type(await acheck_frame(frame, identity="id", progress=False), pl.DataFrame)


def what_is_no_frame_is_refused(frame: pl.DataFrame) -> None:
    """A lazy one, a list, and options that there are not."""
    check_frame(frame.lazy())  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    check_frame(["a"])  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]
    check_frame(frame, max_time_s="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    check_frame(frame, timeout_s="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
