"""The values a user holds: verdicts, outcomes, the spend and events.

All are frozen pydantic models. A repr shows a URL's query as `?…` and leaves `item` out.
"""

from datetime import UTC, datetime
from decimal import Decimal
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from pydantic import (
    Field,
    computed_field,
    field_serializer,
    model_serializer,
)
from typing_extensions import TypeVar

from s2v_detect._columns import OUTCOME_COLUMNS, filled
from s2v_detect._redaction import path_text, redacted, shown, text_of
from s2v_detect._service import PRICE_CNY
from s2v_detect.errors import Billed, DetectError
from s2v_detect.models._value import Value

Image = str | PathLike[str] | bytes
"""An http, https or oss URL, a local file, or the bytes of an image."""

_NOTHING = Decimal(0)

Lane = Literal["open", "interactive", "bulk"]
"""Who goes first: a connection that stands open and waits, a `check`, a stream."""

ItemT = TypeVar("ItemT", default=Any)
"""What a stream was given for each outcome. By its default a bare `Outcome` is a type too."""

LANES: tuple[Lane, ...] = ("open", "interactive", "bulk")


def _named(image: object) -> str:
    """Return the address or path; half a character, which no UTF-8 can hold, as its escape."""
    if isinstance(image, str):
        return text_of(image)
    return path_text(image) if isinstance(image, PathLike) else shown(image)


class Verdict(Value):
    """The service's answer about one image: it passes, or it is rejected.

    Example:
        >>> Verdict(check_pass=True, humanoid=True, billed="yes").check_pass
        True
    """

    check_pass: bool
    """Whether the image may be used to generate a talking video."""
    humanoid: bool | None = None
    """Whether a person was found; None where the service did not say, as on a reject."""
    code: str = ""
    """Why it was rejected, in the service's words (`InvalidFile.NoHuman`); often nothing."""
    message: str = ""
    request_id: str | None = None
    source: Literal["service", "shared", "ledger"] = "service"
    """Asked for this check, shared with another check of the same image at the same time, or
    known from the ledger."""
    billed: Billed = "yes"
    """Whether this answer was paid for. One that came from elsewhere cost nothing: `"no"`."""


class _Outcome(Value, Generic[ItemT]):
    """What came of one item of a stream: `Checked`, `Skipped` or `Failed`."""

    index: int
    """Place in the input, from 0."""
    item: ItemT = Field(default=cast("ItemT", None), repr=False)
    """What was given; the image itself unless `image=` took the image from it."""
    image: Any
    """The image that was checked, or what stood in its place."""
    attempts: int = 0
    """Requests made for this outcome; 0 where it was skipped or shared."""
    elapsed_s: float = 0.0
    """From the item's reading to its outcome, the line included."""
    billed: Billed = "no"
    cost: Decimal = _NOTHING
    """CNY paid for certain."""
    cost_at_most: Decimal = _NOTHING
    """CNY paid if every request whose answer was lost has been billed too."""
    doubt: str = ""
    """Why a look (`preflight`) could not tell whether the service would take it; often nothing."""
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    """When the outcome was settled, UTC."""

    def __class_getitem__(cls, _: Any) -> Any:
        """Return the class itself: what the item is, is said to type checkers alone.

        pydantic would make another class, which validates the item and copies it, and of which no
        outcome of a stream is an instance.
        """
        return cls

    def _line(self) -> dict[str, Any]:
        raise NotImplementedError  # each kind has its own

    @model_serializer(mode="plain")
    def _flat(self) -> dict[str, Any]:
        """One flat line of JSON, the same keys for every kind."""
        told = {
            "index": self.index,
            "image": _named(self.image),
            "billed": self.billed,
            "cost": float(self.cost),
            "cost_at_most": float(self.cost_at_most),
            "attempts": self.attempts,
            "elapsed_s": round(self.elapsed_s, 3),
            "doubt": self.doubt,
            "at": self.at.isoformat(timespec="milliseconds"),
        }
        return filled(OUTCOME_COLUMNS, told | self._line())


class Checked(_Outcome[ItemT]):
    """The image was examined: `verdict` says what came of it."""

    kind: Literal["checked"] = "checked"
    verdict: Verdict

    def _line(self) -> dict[str, Any]:
        told = self.verdict
        return {
            "kind": self.kind,
            "check_pass": told.check_pass,
            "humanoid": told.humanoid,
            "code": told.code,
            "message": told.message,
            "request_id": told.request_id,
            "source": told.source,
        }


class Skipped(_Outcome[ItemT]):
    """The image is hopeless: it was never sent and never billed. `reason` says why."""

    kind: Literal["skipped"] = "skipped"
    reason: str

    def _line(self) -> dict[str, Any]:
        return {"kind": self.kind, "message": self.reason, "error": "ImageSkipped"}


class Failed(_Outcome[ItemT]):
    """The check gave no verdict: `error` says why, and whether money may have been spent."""

    kind: Literal["failed"] = "failed"
    error: DetectError

    def _line(self) -> dict[str, Any]:
        error = self.error
        return {
            "kind": self.kind,
            "code": getattr(error, "code", ""),
            "message": getattr(error, "message", "") or redacted(f"{error.what} {error.do}"),
            "request_id": getattr(error, "request_id", None),
            "error": type(error).__name__,
        }


if TYPE_CHECKING:
    Outcome = Checked[ItemT] | Skipped[ItemT] | Failed[ItemT]
else:
    # Python's own union of the three would take no `Outcome[Row]`, or no `isinstance`.
    Outcome = _Outcome


class Spend(Value):
    """What a client has paid since it was made, as far as anyone can know.

    Example:
        >>> spend = Spend(billed=250, unknown=1)
        >>> spend.cost, spend.cost_at_most
        (Decimal('1.000'), Decimal('1.004'))
    """

    billed: int = 0
    """Requests whose answers were billed."""
    unknown: int = 0
    """Requests that may have been billed: sent, and no answer said whether."""
    skipped: int = 0
    """Images that were never sent, because the service would not take them."""
    refused: int = 0
    """Those of the skipped that the service would reject, by their first bytes."""
    unreachable: int = 0
    """Those of the skipped that it could not fetch, by their address or its server's word."""
    shared: int = 0
    """Checks that took the answer of another check of the same image."""
    known: int = 0
    """Checks whose answer was known from an earlier run."""

    @computed_field  # type: ignore[prop-decorator]  # mypy has no decorated properties yet (#1362)
    @property
    def cost(self) -> Decimal:
        """CNY billed for certain."""
        return self.billed * PRICE_CNY

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def cost_at_most(self) -> Decimal:
        """CNY billed if every unknown request was billed."""
        return (self.billed + self.unknown) * PRICE_CNY

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def saved(self) -> Decimal:
        """CNY that the shared, the known and the refused ones would have cost, at most."""
        return (self.shared + self.known + self.refused) * PRICE_CNY

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def saved_calls(self) -> int:
        """Requests that those and the unreachable ones would have made."""
        return self.shared + self.known + self.refused + self.unreachable


EventKind = Literal[
    "queued",
    "looked",
    "uploaded",
    "turn",
    "sent",
    "answered",
    "unsent",
    "throttled",
    "retrying",
    "shared",
    "known",
    "outage",
    "restored",
    "line",
    "settled",
]


class Event(Value):
    """One thing that happened to one image's check, for `on_event`.

    `queued` (asked for), `looked` (a `preflight` has seen it, has its `doubt`, or skips it),
    `uploaded` (a local file is in the store), `turn` (its turn has come), `sent` (the bytes left),
    `answered` (a whole answer, or the error it comes to), `unsent` (its turn came, and no bytes
    left), `throttled` (the line was slowed), `retrying` (`wait_s` until it is asked again),
    `shared` (joined a check under way), `known` (answered from the ledger), `outage` (with this
    image's request the service, or the store, counts as out: streams wait, new checks get
    `NotSent`, and one image at a time tries it), `restored` (it answers again), `line` (this turn
    is the first that came while the line could not be shared with the other processes, or the first
    that is shared again), `settled` (the end; the only step of an image that is skipped at once,
    and of a check that finds the line too long).

    After a `turn` there is `answered` or `unsent` before the next one.
    """

    kind: EventKind
    at: datetime
    """UTC."""
    image: Any
    flight: int = 0
    """The number of the image's check in this process: all its steps have it, and no other's."""
    attempt: int = 0
    """1 for the first request; 0 before it."""
    lane: Lane
    wait_s: float = 0.0
    """`uploaded`: seconds that took. `turn`: seconds spent in line, for the turns before it too.
    `answered`, `unsent`: seconds since the turn. `retrying`: seconds until the next attempt joins
    the line. `settled`: seconds in all."""
    billed: Billed = "no"
    cost: Decimal = _NOTHING
    cost_at_most: Decimal = _NOTHING
    error: str | None = None
    """The error's class name, where there is one."""
    where: str = ""
    """`outage`, `restored`: what does not answer, or answers again, with its address."""
    message: str = ""
    """`outage`: by which error it is known. `line`: why it can't be shared; empty when it can.
    `settled`: why no more was asked for, where it was ended before it had an answer."""
    until: datetime | None = None
    """`outage`: when streams wait no longer, UTC; None: they wait for ever."""
    doubt: str = ""
    """`looked`: why it could not be told whether the service would take the image; it is sent."""
    service_ms: int | None = None
    """`answered`: milliseconds the service says it took, where it does."""
    status: int | None = None
    """`answered`: the HTTP status of the answer, where there was one."""
    endpoint: str = ""
    """`turn`: the address that the request goes to. It holds no image and no key."""
    margin: float | None = None
    """`turn`: by which part of the gap that the rate asks for the requests are further apart now:
    0.15 in a new line, 0.02 after 50 requests without a 429. Looked at once a second, where the
    limiter tells its own."""
    check_pass: bool | None = None
    """`settled`: the verdict, where there is one."""

    @field_serializer("image", when_used="json")
    def _image_as_text(self, image: object) -> str:
        return _named(image)
