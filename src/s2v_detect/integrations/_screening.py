"""The rows of a frame through a client: what needs no asking, and the stream for the rest.

An empty cell is a skipped row. What the ledger knows is answered from it for a batch of rows at a
time, as a run does: row by row through the stream would take forty times as long. Nothing of the
ledger's promises is lost: it is asked by the same identities, whether an answer is fresh is for the
ledger to say, and each row read has its own checksum. What it does not answer goes to the stream,
which asks it again before anything is sent.

A watcher (`on_event`) is told of every step of every check. So with one, all go through the stream.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from inspect import iscoroutinefunction
from os import PathLike
from typing import Any, NamedTuple

from s2v_detect import ClientOptions, Event, ImageSkipped, Outcome
from s2v_detect._waiting import in_thread
from s2v_detect.images import identity_text, image_of, is_missing
from s2v_detect.integrations._bar import Bar
from s2v_detect.integrations._columns import AddedColumns, cells_of, skipped_cells
from s2v_detect.ledger import AnyLedger, ledger_at

_BATCH = 5000
"""Rows: few enough that the first request leaves at once."""

_EMPTY = "the cell is empty"


class Cell(NamedTuple):
    """A row on its way through the stream."""

    place: int
    image: Any
    identity: Any


class Screening:
    """All rows of one frame, on their way to their outcomes."""

    def __init__(
        self, images: Sequence[Any], identities: Sequence[Any] | None, options: ClientOptions
    ) -> None:
        self._images = images
        self._identities = identities
        self._is_watched = options.get("on_event") is not None
        self._ledger: AnyLedger | None = None
        self._bar = Bar(None)
        self.options = options
        """What the client is opened with: the user's, with the ledger that is asked here too."""
        self.columns = AddedColumns(len(images))

    @contextmanager
    def opened(self, bar: Bar) -> Iterator[dict[str, Any]]:
        """Give what a stream is asked with, while the ledger is open."""
        self._bar = bar
        options: Any = self.options
        if bar.is_drawn:
            options["on_event"] = self._watch(options.get("on_event"))
        given = options.get("ledger")
        if isinstance(given, str | PathLike):
            options["ledger"] = ledger_at(given)
        self._ledger = options.get("ledger")
        owned = None if self._ledger is given else self._ledger
        with owned or nullcontext():
            yield {"image": _image, "identity": None if self._identities is None else _identity}

    async def items(self) -> AsyncGenerator[Cell]:
        """Yield the rows that must be asked for; the others have their cells by then."""
        for first in range(0, len(self._images), _BATCH):
            places = range(first, min(first + _BATCH, len(self._images)))
            asked = self._without_empty(places)
            if self._ledger is not None and not self._is_watched:
                asked = await in_thread(partial(self._without_known, self._ledger, asked))
            self._bar.add(len(places) - len(asked))
            for place in asked:
                identity = None if self._identities is None else self._identities[place]
                yield Cell(place, self._images[place], identity)

    def take(self, outcome: Outcome[Cell]) -> None:
        """Have the cells of an outcome's row."""
        self.columns.put(outcome.item.place, cells_of(outcome))

    def _without_empty(self, places: range) -> list[int]:
        asked, skipped = [], skipped_cells(_EMPTY, datetime.now(UTC))
        for place in places:
            image = self._images[place]
            if type(image) is not str and is_missing(image):
                self.columns.put(place, skipped)
            else:
                asked.append(place)
        return asked

    def _without_known(self, ledger: AnyLedger, places: list[int]) -> list[int]:
        """Fill in what the ledger answers, and return the rest. It reads a file, and blocks."""
        keys = list(map(self._key, places))
        asked = (key for key in keys if key is not None)
        entries = ledger.entries(asked, by_identity=self._identities is not None)
        known, answers, rest = [], [], []
        for place, key in zip(places, keys, strict=True):
            entry = entries.get(key) if key is not None else None
            if entry is not None and entry.check_pass is not None and ledger.is_fresh(entry):
                known.append(place)
                answers.append(entry)
            else:
                rest.append(place)
        self.columns.put_known(known, answers, datetime.now(UTC))
        return rest

    def _key(self, place: int) -> str | None:
        """Return what the ledger is asked by. None: a file, which the stream reads, or a fault."""
        image = self._images[place]
        if self._identities is None:
            return image if isinstance(image, str) else None
        try:
            if isinstance(image, str):
                image_of(image)
            return identity_text(self._identities[place], image)
        except ImageSkipped:
            return None

    def _watch(self, theirs: Any) -> Any:
        """Return what moves the bar too; of what the client refuses, that itself."""
        if self._is_watched and (not callable(theirs) or iscoroutinefunction(theirs)):
            return theirs

        def watch(event: Event) -> None:
            if event.kind in ("settled", "shared"):
                self._bar.add(1, event.cost)
            if theirs is not None:
                theirs(event)

        return watch


def by_row(outcomes: Sequence[Outcome[Cell]]) -> tuple[Outcome[Any], ...]:
    """Return outcomes with the place of the row as their index, and the image as their item."""
    return tuple(
        outcome.model_copy(update={"index": outcome.item.place, "item": outcome.item.image})
        for outcome in outcomes
    )


def _image(cell: Cell) -> Any:
    return cell.image


def _identity(cell: Cell) -> Any:
    return cell.identity
