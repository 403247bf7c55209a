"""A frame of any library: the columns that are read of it, and ours put beside them.

narwhals knows the libraries apart. Our columns are made by each library itself, in its own types: a
column of narwhals' making has no place for a flag that is unknown in pandas, and loses the subclass
and the `attrs` of a pandas frame.

pandas has two families of types. A frame whose images are in Arrow's gets ours in Arrow's, money
as decimals among them; any other gets the types that pandas calls nullable, and money as objects of
`Decimal`, which add up exactly and need no other library.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Generic

import narwhals
import narwhals.stable.v2 as nw
from narwhals.stable.v2.typing import IntoDataFrameT

from s2v_detect import ConfigurationError
from s2v_detect._columns import ADDED_COLUMNS, Column
from s2v_detect.images import described, is_image, is_missing, no_address, trimmed
from s2v_detect.integrations._columns import (
    MONEY,
    Added,
    AddedColumns,
    arrow_type,
    exact_type,
    names,
)

_COLLECTED = {
    "dask": "frame.compute()",
    "duckdb": "frame.df()",
    "ibis": "frame.to_pandas()",
    "pyspark": "frame.toPandas()",
    "sqlframe": "frame.toPandas()",
}
"""How the lazy frames of a library give their rows; all others by `collect`."""

_MOST_NAMED = 20

_INSTEAD = {
    "": "Give a column of addresses, of bytes or of paths (pathlib.Path).",
    "no address": "Give http or https addresses; of files give pathlib.Path objects, not their"
    " names, or the folder to s2v-detect run.",
    "an address in a bucket": "Give signed https addresses of the objects, and identity= with a"
    " column of their names; or give the bucket to check_all, as BucketImages.",
}
"""What to give in place of a column, by what its texts are."""

Make = Callable[[Column, Added], Any]
"""Makes a column of a library."""


class Framed(Generic[IntoDataFrameT]):
    """A frame whose images are to be checked.

    Raises `TypeError` for what is no frame, or a lazy one, and `ConfigurationError` for a column
    that is not there, holds no image, or would be lost under one of ours.
    """

    def __init__(
        self, frame: IntoDataFrameT, column: str, *, identity: str | None, prefix: str
    ) -> None:
        self._given = frame
        self._frame = _opened(frame)
        self._prefix = prefix
        for name in (column,) if identity is None else (column, identity):
            self._refuse_no_column(name)
        self._refuse_a_clash(names(prefix), column, identity)
        self.images: list[Any] = self._frame.get_column(column).to_list()
        self.identities: list[Any] | None = None
        if identity is not None:
            self.identities = self._frame.get_column(identity).to_list()
        self._refuse_no_images(column)
        self._make = _made_for(self._frame, column)  # before anything is paid for

    def with_columns(self, columns: AddedColumns) -> IntoDataFrameT:
        """Return the frame with our columns, which have as many rows."""
        values = map(self._make, ADDED_COLUMNS, columns.columns)
        ours = dict(zip(names(self._prefix), values, strict=True))
        frame: Any = self._frame
        if frame.implementation.is_pandas_like():
            done = frame.to_native().assign(**ours)
        else:
            as_series = partial(nw.from_native, series_only=True)
            series = (as_series(each).alias(name) for name, each in ours.items())
            done = frame.with_columns(*series).to_native()
        told: IntoDataFrameT = _like(self._given, done)
        return told

    def _refuse_no_column(self, name: str) -> None:
        there = self._frame.columns
        if name in there:
            return
        shown = ", ".join(repr(each) for each in there[:_MOST_NAMED]) or "none"
        more = f" and {len(there) - _MOST_NAMED} more" if len(there) > _MOST_NAMED else ""
        raise ConfigurationError(
            f"the frame has no column {name!r}.", do=f"Give one that it has: {shown}{more}."
        )

    def _refuse_a_clash(self, ours: list[str], column: str, identity: str | None) -> None:
        """Let ours replace those of an earlier call, which are all there, and nothing else."""
        there = [name for name in ours if name in self._frame.columns]
        is_earlier = there == ours and not {column, identity} & set(ours)
        if there and not is_earlier:
            raise ConfigurationError(
                f"the frame has a column {there[0]!r} already, which is none of an earlier result.",
                do=f"Give another prefix than {self._prefix!r}, so that nothing is lost.",
            )

    def _refuse_no_images(self, column: str) -> None:
        """Refuse a column without an image, unless some of its texts is a faulty address."""
        if any(map(is_image, self.images)):
            return
        first = next((each for each in self.images if not is_missing(each)), None)
        if first is None:
            return
        others = [name for name in self._frame.columns if name != column and self._has_image(name)]
        texts = [each for each in self.images if isinstance(each, str) and trimmed(each)]
        kinds = dict.fromkeys(map(no_address, texts))
        if isinstance(first, str) and not others and (not texts or "" in kinds):
            return
        what = described(first)
        if texts and first is texts[0] and (kind := no_address(first)):
            what = f"{what}, which is {kind}"
        raise ConfigurationError(
            f"the column {column!r} holds no image in any row; the first is {what}.",
            do=f"Give a column with images: {others[0]!r} has some."
            if others
            else " ".join(_INSTEAD[kind] for kind in kinds or ("",)),
        )

    def _has_image(self, name: str) -> bool:
        """Whether the first value of a column is an image."""
        values = self._frame.get_column(name).head(_MOST_NAMED).to_list()
        return any(map(is_image, values))


def _opened(frame: Any) -> Any:
    """Return a frame as narwhals has it. Raises `TypeError` for one that it has not, or is lazy."""
    kind = type(frame).__name__
    native = narwhals.to_native(frame, pass_through=True)  # its own frames are not all one kind
    try:
        found = nw.from_native(native, pass_through=True, allow_series=True)
    except nw.exceptions.DuplicateError as error:
        raise ConfigurationError(
            "two columns of the frame have one name.", do="Give each a name of its own."
        ) from error
    if isinstance(found, nw.LazyFrame):
        library = found.implementation.value
        do = _COLLECTED.get(library, "frame.collect()")
        raise TypeError(
            f"frame is a {kind}, which is lazy: its rows are not there yet. Collect them first, by"
            f" `{do}` (narwhals' own way is `.collect()`)."
        )
    if isinstance(found, nw.DataFrame):
        return found
    if kind == "RecordBatch":
        raise TypeError(
            "frame is of type RecordBatch. Give a pyarrow.Table: `pa.Table.from_batches([batch])`."
        )
    raise TypeError(
        f"frame is of type {kind}. Give a frame of pandas, polars or pyarrow, or what has images to"
        " `check_all`."
    )


def _like(given: Any, native: Any) -> Any:
    """Return a frame as narwhals has it, where one of narwhals was given."""
    if isinstance(given, nw.DataFrame):
        return nw.from_native(native, eager_only=True)
    if isinstance(given, narwhals.DataFrame):
        return narwhals.from_native(native, eager_only=True)
    return native


def _made_for(frame: Any, column: str) -> Make:
    """Return what makes the columns for this frame, in the types of its library."""
    kind = frame.implementation
    if kind.is_polars():
        return _of_polars()
    if kind.is_pyarrow():
        return _of_arrow
    if kind.is_pandas_like():
        return _of_pandas(frame.to_native(), column)
    raise TypeError(f"frames of {kind.value} are not known. Give one of pandas, polars or pyarrow.")


def _of_arrow(column: Column, added: Added) -> Any:
    import pyarrow as pa  # noqa: PLC0415  # the frame's own

    values = pa.array(added.distinct, arrow_type(column))
    rows = [None, pa.py_buffer(added.numbers)]
    return pa.chunked_array(
        [values.take(pa.Array.from_buffers(pa.int64(), len(added.numbers), rows))]
    )


def _of_polars() -> Make:
    import polars as pl  # noqa: PLC0415  # the frame's own

    types: dict[type, Any] = {
        str: pl.String(),
        int: pl.Int64(),
        float: pl.Float64(),
        bool: pl.Boolean(),
        Decimal: pl.Decimal(*MONEY),
        datetime: pl.Datetime("us", "UTC"),
    }

    def make(column: Column, added: Added) -> Any:
        values = pl.Series(added.distinct, dtype=types[exact_type(column)])
        return values.gather(pl.Series(added.numbers, dtype=pl.Int64))

    return make


def _of_pandas(frame: Any, column: str) -> Make:
    import pandas as pd  # noqa: PLC0415  # the frame's own, or what it is made of

    is_arrow = isinstance(frame[column].dtype, pd.ArrowDtype)
    types: dict[type, Any] = {
        str: "string",
        int: "Int64",
        float: "Float64",
        bool: "boolean",
        Decimal: object,
        datetime: "datetime64[us, UTC]",
    }

    def make(column: Column, added: Added) -> Any:
        type_ = pd.ArrowDtype(arrow_type(column)) if is_arrow else types[exact_type(column)]
        return pd.array(added.distinct, dtype=type_).take(added.numbers)

    return make
