"""What is asked of each item: its image, and what its user knows the image by.

The theory. One bad item is data: it is skipped with its reason, and the rest goes on. A key that is
mistyped, or rows without `image=`, are none: they would skip every item. What tells them apart is
whether any item has an image at all. So items are held until one has (and an identity, where that
is asked for): nothing of them would be sent, so nothing is held up. Then those without are skipped.
Where none of the first window has one, or none of a shorter input, the run is set up wrong, and a
`ConfigurationError` says so by what the first item has.

What a cell of a table may hold (nothing, a number) is data, and so is a text that is no address:
the key was there.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from decimal import Decimal
from inspect import iscoroutinefunction
from operator import itemgetter
from os import PathLike
from typing import Any, NamedTuple

from s2v_detect.errors import ConfigurationError, ImageSkipped
from s2v_detect.images._identity import is_missing, own_identity
from s2v_detect.images._places import as_getter, described, place_like, place_of_image
from s2v_detect.models import ItemT

Getter = Callable[[ItemT], Any] | str | None
"""How to get something from an item: a function, or the key of a mapping."""


class Asked(NamedTuple):
    """What is asked of one item."""

    image: Any
    own: str | None
    """The identity that the user gave it, if any."""


class Asking:
    """How the items of one stream are asked, and whether any of them has answered.

    Raises `TypeError` for what is neither a key nor a function.
    """

    def __init__(self, image: Getter, identity: Getter) -> None:
        self._image = _Getting("image", image)
        self._identity = None if identity is None else _Getting("identity", identity)
        self.is_fitting = False
        """Whether some item had an image, and some an identity, if that is asked for."""

    def of(self, item: Any) -> Asked | ImageSkipped:
        """Return what an item asks for, or why it is skipped."""
        asked = self._of(item)
        if not self.is_fitting:
            self.is_fitting = all(getting.is_found for getting in self._gettings)
        return asked

    def misfit(self, first: Any, count: int) -> ConfigurationError:
        """Return the fault of a stream of which so many items came and none fits."""
        getting = next(each for each in self._gettings if not each.is_found)
        return getting.fault(first, count)

    @property
    def _gettings(self) -> "list[_Getting]":
        return [self._image] if self._identity is None else [self._image, self._identity]

    def _of(self, item: Any) -> Asked | ImageSkipped:
        try:
            image = self._image.got(item, item)
        except ImageSkipped as skipped:
            if self._identity and not self._identity.is_found:
                with suppress(ImageSkipped):
                    self._identity.got(item, None)
            return skipped
        if self._identity is None:
            return Asked(image, None)
        try:
            return Asked(image, own_identity(self._identity.got(item, image), image))
        except ImageSkipped as skipped:
            return skipped


async def asked_of(
    items: AsyncIterable[Any], asking: Asking, *, most_held: int
) -> AsyncGenerator[tuple[Any, Asked | ImageSkipped]]:
    """Yield each item with what it asks for. Raises `ConfigurationError` where none fits.

    At most so many are held, while nothing else is in flight.
    """
    held: list[tuple[Any, Asked | ImageSkipped]] = []
    async for item in items:
        asked = asking.of(item)
        if asking.is_fitting:
            for each in held:
                yield each
            held.clear()
            yield item, asked
            continue
        held.append((item, asked))
        if len(held) == most_held:
            break
    if held:
        raise asking.misfit(held[0][0], len(held))


class _Getting:
    """Gets an image or an identity from items, by a key or a function."""

    def __init__(self, name: str, getter: Getter) -> None:
        _refuse_no_getter(name, getter)
        self._name = name
        self._getter = getter
        self._get = itemgetter(getter) if isinstance(getter, str) else getter
        self._first: Any = None
        """What was got first, or the error that was raised."""
        self.is_found = False
        """Whether an item had it."""

    def got(self, item: Any, image: Any) -> Any:
        """Return what an item has. Raises `ImageSkipped`, in which `image` is named."""
        try:
            found = item if self._get is None else self._get(item)
        except ImageSkipped:
            self.is_found = True  # by a function that knows what it does
            raise
        except Exception as error:  # the user's function on the user's row: one bad row is one row
            self._first = self._first or error
            reason = f"{self._name}= raised {type(error).__name__} on it ({error})"
            saves: Any = "identity" if self._name == "identity" else "nothing"
            raise ImageSkipped(reason, image=image, saves=saves) from error
        if not self.is_found:
            self._first = found if self._first is None else self._first
            self.is_found = self._name == "identity" or _may_be_an_image(found)
        return found

    def fault(self, item: Any, count: int) -> ConfigurationError:
        """Return the error of a stream whose first items have it not; `item` is the first."""
        return ConfigurationError(f"{self._what(count)}.", do=f"{self._do(item)}.")

    def _what(self, count: int) -> str:
        items = "the first item" if count == 1 else f"each of the first {count} items"
        if not isinstance(self._first, Exception):
            got = "" if self._get is None else f"what {self._name}= gets from "
            return f"{got}{items} is no image, but {described(self._first)}"
        if isinstance(self._getter, str):
            return f"{self._name}= is {self._getter!r}, a key that {items} lacks"
        return f"{self._name}= raised {type(self._first).__name__} ({self._first}) on {items}"

    def _do(self, item: Any) -> str:
        of_image = self._name == "image"
        wanted = None
        if isinstance(self._first, Exception):  # else the key was there
            wanted = self._getter if isinstance(self._getter, str) else _missed(self._first)
        place = place_like(wanted, item, of_image=of_image) if wanted else None
        if place is None and of_image:
            place = place_of_image(item)
        if place == "item":
            return f"Leave {self._name}= out, for the first item is an image itself"
        is_ = f"the first item is {described(item)}"
        if place is None:
            what = "the image" if of_image else "what you know the image by"
            return f"Say with {self._name}= which key holds {what}, or give a function: {is_}"
        return f"Give {self._name}={as_getter(place)}, for {is_}"


def _missed(error: object) -> str | None:
    """Return the key or the name that a function did not find, where its error tells."""
    if isinstance(error, AttributeError):
        return error.name
    if isinstance(error, KeyError) and error.args and isinstance(error.args[0], str):
        return error.args[0]
    return None


def _may_be_an_image(value: object) -> bool:
    """Whether it is an image, or what an odd cell holds where others have an image."""
    is_cell = isinstance(value, str | bytes | PathLike | int | float | Decimal)
    return is_cell or is_missing(value)


def _refuse_no_getter(name: str, getter: object) -> None:
    """Raise `TypeError` for what is neither a key nor a function, or one that must be awaited."""
    if getter is None or isinstance(getter, str):
        return
    if isinstance(getter, int):
        do = f"Give the key of a mapping (a str), or `lambda item: item[{getter}]`, a function."
        raise TypeError(f"{name} is {getter!r}. {do}")
    if not callable(getter):
        raise TypeError(f"{name} is {getter!r}. Give the key of a mapping (a str), or a function.")
    if iscoroutinefunction(getter):
        raise TypeError(f"{name} is an async function. Give a plain one: nobody would await it.")
