"""Data frames of pandas, polars and pyarrow: a column of images in, columns of verdicts out.

    from s2v_detect.integrations.frames import check_frame

    frame = check_frame(frame, "url", ledger="screening.db")
    frame = frame.s2v.check("url", ledger="screening.db")  # the same, of pandas and polars

The frame comes back as what it was, with the columns of an outcome behind its own: each has the
prefix `s2v_`. Rows, their order and the index stay as they are.

| columns | pandas | polars | pyarrow, and pandas in Arrow's types |
|---|---|---|---|
| `check_pass`, `humanoid` | `boolean` | `Boolean` | `bool` |
| `cost`, `cost_at_most` | `object`, of `Decimal`s | `Decimal(12, 4)` | `decimal128(12, 4)` |
| `attempts` | `Int64` | `Int64` | `int64` |
| `elapsed_s` | `Float64` | `Float64` | `double` |
| `at` | `datetime64[us, UTC]` | `Datetime("us", "UTC")` | `timestamp("us", "UTC")` |
| all others | `string` | `String` | `string` |

Importing this module gives frames of pandas and polars their `s2v`, where these are installed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from inspect import signature
from typing import Any, Generic, Unpack

from s2v_detect import ClientOptions, DetectClient, check_all
from s2v_detect._redaction import seal
from s2v_detect._settings import refuse_unknown
from s2v_detect._version import missing
from s2v_detect.integrations._bar import bar_of
from s2v_detect.integrations._screening import Screening, by_row

try:
    from narwhals.stable.v2.typing import IntoDataFrameT

    from s2v_detect.integrations._framed import Framed
except ImportError as error:
    raise ModuleNotFoundError(missing("The module of frames", "frames"), name=error.name) from error


def check_frame(
    frame: IntoDataFrameT,
    column: str = "url",
    *,
    identity: str | None = None,
    prefix: str = "s2v_",
    progress: bool = True,
    give_up_after_s: float | None = None,
    max_time_s: float | None = None,
    **options: Unpack[ClientOptions],
) -> IntoDataFrameT:
    """Return the frame with the outcome of each row's image behind its own columns.

    Works in a notebook too, where an event loop runs already. A row whose cell is empty is skipped
    and not sent. What a ledger knows costs nothing: with `ledger=` the same call again pays nothing
    and takes seconds. The columns of an earlier call are replaced.

    Args:
        frame: of pandas, polars, pyarrow (a `Table`) or modin, or one of narwhals. No lazy one.
        column: the name of the column of images: addresses, bytes, or paths (`pathlib.Path`).
        identity: the name of the column by which you know the images, where their addresses change.
        prefix: what the names of our columns begin with.
        progress: draw a bar, in a notebook or on a terminal, if tqdm is installed.
        give_up_after_s: seconds after which one image is given up, as for `check_all`.
        max_time_s: seconds for the whole call, as for `check_all`.
        options: as for `DetectClient`. An amount of `max_cost` is for this call, unless the ledger
            has a name: `Ledger("screening.db", name="november")`.

    Raises:
        TypeError: `frame` is none, or a lazy one; an argument is unknown.
        ConfigurationError: a column is not there, holds no image, or would be lost under ours. A
            column of texts holds none where no text is meant as an http, https or oss URL.
        DetectError: a fault of the whole run, as for `check_all`.
        BaseException: what interrupts it, as for `check_all`. Each of these two has the `outcomes`
            that had been asked for by then; the `index` of each is the place of its row, from 0.

    Example:
        >>> def usable(frame: "pandas.DataFrame") -> "pandas.DataFrame":
        ...     checked = check_frame(frame, "portrait", ledger="screening.db")
        ...     return checked[checked["s2v_check_pass"].fillna(False)]
    """
    _refuse_unknown(check_frame, options)
    framed = Framed(frame, column, identity=identity, prefix=prefix)
    screening = Screening(framed.images, framed.identities, options)
    with (
        _placed(),
        bar_of(len(framed.images), is_wanted=progress) as bar,
        screening.opened(bar) as asked,
    ):
        asked |= {"give_up_after_s": give_up_after_s, "max_time_s": max_time_s}
        for outcome in check_all(screening.items(), ordered=False, **asked, **screening.options):
            screening.take(outcome)
        bar.fill()
    return framed.with_columns(screening.columns)


async def acheck_frame(
    frame: IntoDataFrameT,
    column: str = "url",
    *,
    identity: str | None = None,
    prefix: str = "s2v_",
    progress: bool = True,
    **options: Unpack[ClientOptions],
) -> IntoDataFrameT:
    """Return the frame with the outcomes of its images, as `check_frame` does, for async code.

    Cancelling sends no more; what was sent is finished, and counted in the ledger. So a bound on
    the whole is `async with asyncio.timeout(…)`.
    """
    _refuse_unknown(acheck_frame, options)
    framed = Framed(frame, column, identity=identity, prefix=prefix)
    screening = Screening(framed.images, framed.identities, options)
    outcomes: list[Any] = []
    with (
        _placed(outcomes),
        bar_of(len(framed.images), is_wanted=progress) as bar,
        screening.opened(bar) as asked,
    ):
        async with (
            DetectClient(**screening.options) as client,
            client.aiter_check(screening.items(), **asked) as stream,
        ):
            async for outcome in stream:
                outcomes.append(outcome)  # what has come must survive a fault
                screening.take(outcome)
        bar.fill()
    return framed.with_columns(screening.columns)


def _refuse_unknown(call: Callable[..., object], options: Any) -> None:
    seal(options)
    own = [*signature(call).parameters][:-1]  # without `options`
    refuse_unknown(call.__name__, options, [*own, *ClientOptions.__annotations__])


@contextmanager
def _placed(came: list[Any] | None = None) -> Iterator[None]:
    """Let what ends a call early have the outcomes that had come, by the places of their rows."""
    try:
        yield
    except BaseException as error:
        outcomes = came if came is not None else vars(error).get("outcomes")
        if outcomes is not None:
            vars(error)["outcomes"] = by_row(outcomes)
        raise


class Accessor(Generic[IntoDataFrameT]):
    """What a frame has as `s2v`."""

    def __init__(self, frame: IntoDataFrameT) -> None:
        self._frame = frame

    def check(self, column: str = "url", **options: Any) -> IntoDataFrameT:
        """Return the frame with the outcomes of its images, as `check_frame` does."""
        seal(options)
        return check_frame(self._frame, column, **options)

    async def acheck(self, column: str = "url", **options: Any) -> IntoDataFrameT:
        """Return the same, for async code: `acheck_frame`."""
        seal(options)
        return await acheck_frame(self._frame, column, **options)


def _register() -> None:
    with suppress(ImportError):
        import pandas as pd  # noqa: PLC0415  # where it is installed

        if not hasattr(pd.DataFrame, "s2v"):
            pd.api.extensions.register_dataframe_accessor("s2v")(Accessor)
    with suppress(ImportError):
        import polars as pl  # noqa: PLC0415  # as above

        if not hasattr(pl.DataFrame, "s2v"):
            pl.api.register_dataframe_namespace("s2v")(Accessor)
            pl.api.register_lazyframe_namespace("s2v")(Accessor)


_register()
