"""Rows from a listing that comes page by page: each image of a bucket is one row."""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from s2v_detect.tables import InputError, Row

Pages = Callable[[], AsyncGenerator[Sequence[str]]]
"""Lists the images from the first page on. Raises `OSError` where a page can't be had."""


class Listed:
    """Images of a listing in place of an input's lines.

    `left_out` counts what is no row, by its kind, and grows with the listing. `refused` makes the
    sentences for a listing that can't begin, of what the error says. `none` makes those for one
    without an image.
    """

    columns: tuple[str, ...] | None = None
    column: str | None = None
    delimiter = ""
    total: int | None = None
    """How many rows there will be is known when the listing is at its end, and not before."""

    def __init__(
        self,
        pages: Pages,
        *,
        left_out: Counter[str],
        refused: Callable[[OSError], str],
        none: Callable[[], str],
    ) -> None:
        self.left_out = left_out
        self._pages = pages
        self._refused = refused
        self._none = none

    async def batches(self) -> AsyncGenerator[list[Row]]:
        """Yield the rows, a page at a time.

        Raises `InputError` where no row can be had, and `OSError` when no more can.
        """
        count, has_begun = 0, False
        async with aclosing(self._pages()) as pages:
            while True:
                try:
                    page = await anext(pages, None)
                except OSError as error:
                    if has_begun:
                        raise
                    raise InputError(self._refused(error)) from error
                if page is None:
                    break
                has_begun = True
                count += len(page)
                if page:
                    yield [Row(None, image) for image in page]
        if not count:
            raise InputError(self._none())

    async def count(self) -> None:
        """Learn nothing: to count a bucket is to list it once more, and that is billed."""

    def close(self) -> None:
        """The listing closes itself."""
