"""Records into a Parquet file: the only module that writes one. It needs the extra `parquet`.

The types of the input's columns are those of the first row group. A column is text where its values
there do not agree, or where Parquet would not give each of them back as it was. A later value that
does not fit its column stands in `input_more`, as JSON: no row is held back by another's value.
"""

import errno
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, BinaryIO

from s2v_detect._columns import Column
from s2v_detect.tables._lines import MORE, Record, json_line, text_of
from s2v_detect.tables._names import distinct
from s2v_detect.tables._parquet_reading import pa, parquet

_GROUP = 5000
_TYPES = {int: pa.int64(), bool: pa.bool_(), float: pa.float64(), str: pa.string()}
_DEEPEST = 32
"""Levels of lists and objects: pyarrow reads back a few more, and crashes at very many."""
_REFUSED = (pa.ArrowException, ValueError, TypeError, OverflowError)
"""What pyarrow raises for a value that has no place in a type, or in a file."""


class ParquetRecords:
    """Row groups into a file, which is Parquet once the table is closed."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._columns = columns
        self._waiting: list[Record] = []
        self._writer: Any = None

    def add(self, records: Sequence[Record]) -> None:
        self._waiting += records
        if len(self._waiting) >= _GROUP:
            self._flush()

    def close(self) -> None:
        if self._waiting or self._writer is None:
            self._flush()
        self._writer.close()

    def discard(self) -> None:
        """Nothing is kept but in the file itself."""

    def _flush(self) -> None:
        records, self._waiting = self._waiting, []
        try:
            if self._writer is None:
                self._names, self._schema = _schema_of(records, self._columns)
                self._writer = parquet.ParquetWriter(self._file, self._schema)
            self._writer.write_table(_table(records, self._names, self._schema))
        except pa.ArrowException as error:  # of the file as a whole: each column was tried
            raise OSError(errno.EIO, f"Parquet takes no more: {error}") from error


def _schema_of(records: Sequence[Record], ours: Sequence[Column]) -> tuple[list[str], Any]:
    """Return the names of the columns in the records, and the columns of the file."""
    types = {column.name: _TYPES[column.type] for column in ours}
    names = dict.fromkeys([*(name for record in records for name in record), *types])
    names.pop(MORE, None)  # of an input it has been given another name
    fields = [
        (shown, types.get(name) or _inferred([record.get(name) for record in records]))
        for name, shown in zip(names, distinct(list(map(_unicode, names))), strict=True)
    ]
    return list(names), pa.schema([*fields, (MORE, pa.string())])


def _inferred(values: list[Any]) -> Any:
    """Return the type that gives all these values back from a file; text, where none does."""
    if any(_is_deeper(value, _DEEPEST) for value in values):
        return pa.string()
    try:
        array = pa.array(values)
        with BytesIO() as file:
            parquet.write_table(pa.table({"values": array}), file)
            found = parquet.read_table(file).column("values").to_pylist()
    except _REFUSED:
        return pa.string()
    is_kept = all(map(_holds, found, values))
    return array.type if is_kept and not pa.types.is_null(array.type) else pa.string()


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value
    if not isinstance(value, Mapping | list | tuple):
        return False
    return not levels or any(_is_deeper(item, levels - 1) for item in inner)


def _holds(found: Any, value: Any) -> bool:
    """Whether what was read back has all of a value in it."""
    if isinstance(value, Mapping):
        return isinstance(found, dict) and all(
            _holds(found.get(key), item) for key, item in value.items()
        )
    if isinstance(value, list | tuple):
        is_list = isinstance(found, list | tuple) and len(found) == len(value)
        return is_list and all(map(_holds, found, value))
    return bool(found == value) or (found != found and value != value)  # noqa: PLR0124  # no number


def _table(records: Sequence[Record], names: Sequence[str], schema: Any) -> Any:
    known = frozenset(names)
    more: list[Record] = [
        {name: value for name, value in record.items() if name not in known} for record in records
    ]
    arrays = [
        _array(name, type_, [record.get(name) for record in records], more)
        for name, type_ in zip(names, schema.types, strict=False)  # behind them is `input_more`
    ]
    extra = [json_line(rest).decode().rstrip("\n") if rest else None for rest in more]
    return pa.Table.from_arrays([*arrays, pa.array(extra, pa.string())], schema=schema)


def _array(name: str, type_: Any, values: list[Any], more: list[Record]) -> Any:
    if pa.types.is_string(type_):
        texts = [None if value is None else _unicode(value) for value in values]
        return pa.array(texts, type_)
    try:
        array = pa.array(values, type_)
        if all(map(_holds, array.to_pylist(), values)):
            return array
    except _REFUSED:
        pass
    kept = []
    for value, rest in zip(values, more, strict=True):
        kept.append(value if _is_kept(value, type_) else None)
        if value is not None and kept[-1] is None:
            rest[name] = value  # as JSON, rather than lost
    return pa.array(kept, type_)


def _is_kept(value: Any, type_: Any) -> bool:
    try:
        return _holds(pa.scalar(value, type_).as_py(), value)
    except _REFUSED:
        return False


def _unicode(value: Any) -> str:
    return text_of(value).encode(errors="backslashreplace").decode()
