"""Records into a Parquet file: the only module that writes one. It needs the extra `parquet`.

The types of the input's columns are those of the first row group, text where they do not agree
there; a later value that does not fit stands in `input_more`, as JSON.
"""

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

from s2v_detect._columns import Column
from s2v_detect.tables._lines import Record
from s2v_detect.tables._parquet_reading import pa, parquet

_GROUP = 5000
_TYPES = {int: pa.int64(), bool: pa.bool_(), float: pa.float64(), str: pa.string()}


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

    def _flush(self) -> None:
        records, self._waiting = self._waiting, []
        if self._writer is None:
            self._schema = _schema_of(records, self._columns)
            self._writer = parquet.ParquetWriter(self._file, self._schema)
        self._writer.write_table(_table(records, self._schema))


def _schema_of(records: Sequence[Record], ours: Sequence[Column]) -> Any:
    types = {column.name: _TYPES[column.type] for column in ours}
    names = list(dict.fromkeys([*(name for record in records for name in record), *types]))
    fields = [(name, types.get(name) or _inferred(name, records)) for name in names]
    return pa.schema([*fields, ("input_more", pa.string())])


def _inferred(name: str, records: Sequence[Record]) -> Any:
    try:
        found = pa.array([record.get(name) for record in records]).type
    except (pa.ArrowException, OverflowError):
        return pa.string()
    return pa.string() if pa.types.is_null(found) else found


def _table(records: Sequence[Record], schema: Any) -> Any:
    known = set(schema.names)
    more: list[Record] = [
        {name: value for name, value in record.items() if name not in known} for record in records
    ]
    arrays = []
    for field in schema:
        if field.name == "input_more":
            break
        arrays.append(_array(field, [record.get(field.name) for record in records], more))
    extra = [json.dumps(rest, default=str) if rest else None for rest in more]
    return pa.Table.from_arrays([*arrays, pa.array(extra, pa.string())], schema=schema)


def _array(field: Any, values: list[Any], more: list[Record]) -> Any:
    if pa.types.is_string(field.type):
        values = [_text(value) for value in values]
    try:
        return pa.array(values, field.type)
    except (pa.ArrowException, OverflowError):
        kept = []
        for value, rest in zip(values, more, strict=True):
            try:
                kept.append(pa.scalar(value, field.type).as_py())
            except (pa.ArrowException, OverflowError):
                kept.append(None)
                rest[field.name] = value  # as JSON, rather than lost
        return pa.array(kept, field.type)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.encode(errors="backslashreplace").decode()
