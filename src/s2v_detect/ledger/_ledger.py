"""What a user holds of a ledger, wherever that is: to give to a client, and to ask."""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from s2v_detect.errors import ConfigurationError, ImageSkipped, LedgerError
from s2v_detect.images import asked_identity, kept_as
from s2v_detect.ledger import _asked
from s2v_detect.ledger._database import Database, Store
from s2v_detect.ledger._entries import LedgerAttempt, LedgerEntry, LedgerSpend, State
from s2v_detect.ledger._run import LedgerRun, Opening, spent_by
from s2v_detect.ledger._writer import Writer
from s2v_detect.models import Image, Spend, Verdict
from s2v_detect.options import NO_BUDGET, Budget, is_number

_CHUNK = 500  # images in one question; SQLite takes 32,766, and others may want to write meanwhile

T = TypeVar("T")
K = TypeVar("K", bound=Image)


class AnyLedger(ABC):
    """A ledger, wherever its rows are: `Ledger` is one in a file, `PostgresLedger` on a server.

    Its methods block for milliseconds; in an event loop call them in a thread.
    """

    _is_alone = True
    """Whether one run of a name goes at a time."""

    def __init__(
        self, name: str, *, max_age_s: float | None, refresh: bool, is_new_start: bool
    ) -> None:
        _refuse_nonsense(name, max_age_s, refresh=refresh, is_new_start=is_new_start)
        self.name = name
        self._max_age_s = max_age_s
        self._stale_before = time.time() if refresh else 0.0
        self._is_new_start = is_new_start
        self._writer: Writer | None = None
        self._run: LedgerRun | None = None
        self._first_run = 0

    @property
    @abstractmethod
    def where(self) -> str:
        """What a message may say of the place: a path, or an address without its password."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether there is a ledger at that place."""

    @abstractmethod
    def copy(self, path: str | os.PathLike[str], *, replaces: bool = False) -> None:
        """Have a copy of the ledger in a file, as it is at this moment."""

    @abstractmethod
    def _store(self, *, creates: bool) -> Store:
        """Return a way to the rows."""

    @abstractmethod
    def _rewrite(self) -> None:
        """Have the rows written anew, so that nothing is left of those that are gone."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def begin(self, model: str, budget: Budget = NO_BUDGET) -> LedgerRun:
        """Return a run that may write: what a client does when it opens. The ledger is made."""
        was_open = self._writer is not None
        writer = self._opened(creates=True)
        new = self._is_new_start
        opening = Opening(self.name, model, new, self.is_fresh, budget, self._is_alone)
        try:
            self._run = LedgerRun(writer, opening)
        except BaseException:
            if not was_open:
                self.close()  # nobody else will
            raise
        self._is_new_start = False  # once is enough: what follows belongs to it
        self._first_run = self._first_run or self._run.id
        return self._run

    @property
    def run(self) -> int:
        """The number of the run that a client began last; 0: none yet."""
        return self._run.id if self._run else 0

    def lineage_to_be(self) -> int:
        """Return the lineage of the run that has begun, or else of the next; 0: a new one."""
        if self._run or self._is_new_start:
            return self.lineage
        latest = self._ask(partial(_asked.latest_run, name=self.name))
        return latest.lineage if latest else 0

    @property
    def lineage(self) -> int:
        """The number of the first run of its name."""
        return self._run.lineage if self._run else 0

    def spend(self) -> Spend:
        """Return what the lineage has spent, its earlier runs included."""
        if self._run:
            return self._run.spent()
        lineage = self.lineage_to_be() if self.exists() else 0
        return self._ask(partial(spent_by, lineage=lineage)) if lineage else Spend()

    def keep_identity(self, column: str) -> None:
        """Have it kept, durably, by which column the present run knows its images; empty: by none.

        Under another one its answers are not found, and all images are paid for again.
        """
        work = partial(_asked.keep_identity, run=self.run, column=column)
        self._opened().do(work, writes=True)

    def identities_kept(self) -> list[str | None]:
        """Return by which columns the earlier runs of this name knew what they sent, or all runs.

        An empty text: by what an image is. None: by a column whose name is not known.
        """
        return self._ask(partial(_asked.identities_kept, name=self.name))

    def mark_output(self, mark: str) -> None:
        """Have a mark of the output that the present run writes, when it is durable.

        It replaces the run's earlier mark. What it says is its writer's business.
        """
        if self._run is None:
            raise LedgerError(
                f"no run of the ledger {self.where} has begun.",
                do="Open a client with this ledger first.",
            )
        work = partial(_asked.mark_output, run=self._run.id, mark=mark)
        self._opened().do(work, writes=True)

    def output_mark(self) -> str | None:
        """Return the mark of the last run of this name that has one; None: there is none."""
        if self._writer is None and not self.exists():
            return None
        return self._ask(partial(_asked.output_mark, name=self.name))

    def names(self) -> list[str]:
        """Return the names of all runs there were."""
        return self._ask(_asked.names)

    def refuse_unusable(self) -> None:
        """Raise `LedgerError` where no run could begin on it: it is damaged, or can't be written.

        The rows are read whole, and one fact is written: a full disk is noticed by a commit alone.
        """
        writer = self._opened()
        writer.do(writer.store.refuse_damage)
        now = str(round(time.time()))
        writer.do(partial(_asked.keep, key="examined", value=now), writes=True)

    def close(self) -> None:
        """Let go of the rows. The ledger is opened again when it is asked again."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def is_fresh(self, entry: LedgerEntry) -> bool:
        """Whether a recorded answer will do, or is to be asked for again."""
        if entry.answered_at is None:
            return False
        if self._max_age_s is None and self._first_run <= (entry.answered_by or 0) <= self.run:
            return True  # by this object's runs, whatever the clock said meanwhile
        oldest = self._stale_before
        if self._max_age_s is not None:
            oldest = max(oldest, time.time() - self._max_age_s)
        return entry.answered_at >= oldest

    def known(self, images: Iterable[K], *, by_identity: bool = False) -> dict[K, Verdict]:
        """Return the verdicts on those of the images whose answer is recorded, for nothing.

        While a newer answer is asked for, the older one is what is known. Files are read whole,
        for what they hold is what they are. With `by_identity` the images are the identities that
        their user gave them (`aiter_check(…, identity=…)`); so it is of every method here.
        """
        return {
            image: verdict
            for image, entry in self.entries(images, by_identity=by_identity).items()
            if (verdict := entry.verdict) is not None and self.is_fresh(entry)
        }

    def entries(self, images: Iterable[K], *, by_identity: bool = False) -> dict[K, LedgerEntry]:
        """Return what is recorded of those of the images that were ever asked for."""
        found: dict[K, LedgerEntry] = {}
        for chunk in _chunks(images):
            identities = {image: _identity(image, by_identity) for image in chunk}
            kept = self._ask(
                partial(_asked.entries, identities=list(dict.fromkeys(identities.values())))
            )
            for image, identity in identities.items():
                if identity in kept:
                    found[image] = kept[identity]
        return found

    def attempts(self, image: Image, *, by_identity: bool = False) -> list[LedgerAttempt]:
        """Return every request for an image, the first first."""
        return self._ask(partial(_asked.attempts, identity=_identity(image, by_identity)))

    def all_entries(self, state: State | None = None) -> Iterator[LedgerEntry]:
        """Yield what is recorded of every image, or of those in one state; a piece at a time."""
        last = 0
        while entries := self._ask(partial(_asked.entries_after, last=last, state=state)):
            yield from entries
            last = entries[-1].id

    def statement(self) -> list[LedgerSpend]:
        """Return what was spent, by day (Beijing) and run: to lay beside the vendor's bill."""
        return self._ask(_asked.statement)

    def request_times(self, name: str | None = None) -> Iterator[float]:
        """Yield when each request was sent (POSIX seconds), of one name or of all runs."""
        last = (0, 0)
        while rows := self._ask(partial(_asked.times_after, last=last, name=name)):
            yield from (sent_at for _, _, sent_at in rows)
            last = rows[-1][:2]

    def allow_resend(
        self, images: Iterable[Image] | None = None, *, by_identity: bool = False
    ) -> int:
        """Let unknown images be asked for once more; each may be billed twice. Return how many.

        Asking is up to the next client: nothing is sent here. Default: all that are unknown.
        """
        return self._reconcile(_asked.allow_resend, images, by_identity)

    def write_off(self, images: Iterable[Image] | None = None, *, by_identity: bool = False) -> int:
        """Count unknown images as failed, and their requests as perhaps billed. Return how many."""
        return self._reconcile(_asked.write_off, images, by_identity)

    def forget_uploads(self) -> None:
        """Have every local image uploaded anew: for when the store has lost them all."""
        self._opened().do(_asked.forget_uploads, writes=True)

    def forget(self, images: Iterable[Image], *, by_identity: bool = False) -> int:
        """Remove all that leads to these images, for good. Return how many there were.

        An image that is forgotten is asked for, and paid for, again when it comes again. What was
        paid for it stays in the statement. The rows are written anew: seconds for a million images.
        Raises `LedgerError` for an image that a run is asking for now; nothing is forgotten then.
        """
        identities = [_identity(image, by_identity) for image in images]
        removed = self._opened().do(lambda db: _asked.forget(db, identities), writes=True)
        self._rewrite()
        return removed

    def prune(self, older_than_s: float) -> tuple[int, int]:
        """Remove all images as `forget` does that nothing happened to for so many seconds.

        Return how many, and how many as old stay: those under way, and the unknown ones.
        """
        before = time.time() - older_than_s
        counts = self._opened().do(lambda db: _asked.prune(db, before), writes=True)
        self._rewrite()
        return counts

    def _reconcile(
        self,
        work: Callable[[Database, list[str] | None], int],
        images: Iterable[Image] | None,
        by_identity: bool,  # noqa: FBT001  # as it was given above
    ) -> int:
        named = None if images is None else [_identity(image, by_identity) for image in images]
        return self._opened().do(lambda db: work(db, named), writes=True)

    def _ask(self, question: Callable[[Database], T]) -> T:
        return self._opened().do(question)

    def _opened(self, *, creates: bool = False) -> Writer:
        if self._writer is not None and not self._writer.is_of_this_process:
            self._writer = self._run = None  # a child of a fork begins anew
        if self._writer is None:
            writer = Writer(self._store(creates=creates))
            writer.opened()
            self._writer = writer
        return self._writer


def _refuse_nonsense(name: object, max_age_s: object, **flags: object) -> None:
    """Raise `ConfigurationError` for an argument that means nothing, or another than it seems to.

    A text as a flag is true, whatever it says: `refresh="no"` would pay for everything again.
    """
    is_age = max_age_s is None or (is_number(max_age_s) and max_age_s >= 0)
    values = [
        (isinstance(name, str), "the ledger's name", name, "Give a str, or leave it out."),
        (is_age, "max_age_s", max_age_s, "Give the seconds that an answer is good for, or None."),
    ]
    flag_do = "Give True or False; False is the default."
    values += [(isinstance(flag, bool), each, flag, flag_do) for each, flag in flags.items()]
    for is_right, what, value, do in values:
        if not is_right:
            raise ConfigurationError(f"{what} is {value!r}.", do=do)


def _identity(image: Image, by_identity: bool) -> str:  # noqa: FBT001  # as it was given above
    """Return what an image is kept under; what is none is kept as it was written."""
    if by_identity:
        return asked_identity(image, image)
    if isinstance(image, str):
        return kept_as(image)
    from s2v_detect.images import local_image  # noqa: PLC0415  # most images are addresses

    try:
        return local_image(image).identity
    except ImageSkipped:
        return kept_as(image)


def _chunks(images: Iterable[K]) -> Iterator[list[K]]:
    chunk: list[K] = []
    for image in images:
        chunk.append(image)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
