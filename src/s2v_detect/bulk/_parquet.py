"""Records into a Parquet file: the only module that writes one. It needs the extra `parquet`."""

import asyncio
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from s2v_detect._columns import OUTPUT_COLUMNS, Column
from s2v_detect.bulk._beside import replacing
from s2v_detect.bulk._lines import Record
from s2v_detect.bulk._marks import mark_of
from s2v_detect.bulk._parquet_reading import pa, parquet, rows_in
from s2v_detect.bulk._placing import Place

_GROUP = 5000
_TYPES = {int: pa.int64(), bool: pa.bool_(), float: pa.float64(), str: pa.string()}


class ParquetOutput:
    """Row groups into a file beside the output, which takes its place when it is whole.

    The types of the input's columns are those of the first row group, text where they do not agree
    there; a later value that does not fit stands in `input_more`, as JSON.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._rows_there = rows_in(place.path)
        self._rows = 0
        self._waiting: list[Record] = []
        self._file = os.fdopen(place.descriptor, "wb", closefd=False)
        self._writer: Any = None

    async def write(self, records: Sequence[Record]) -> None:
        self._waiting += records
        self._rows += len(records)
        if len(self._waiting) >= _GROUP:
            await asyncio.to_thread(self._flush)

    async def finish(self, *, is_complete: bool) -> bool:
        return await asyncio.to_thread(self._finish, is_complete)

    def close(self) -> None:
        with suppress(OSError):  # a full disk was told of when it was written to
            self._file.close()
        self._place.leave()

    def _flush(self) -> None:
        records, self._waiting = self._waiting, []
        if self._writer is None:
            self._schema = _schema_of(records, OUTPUT_COLUMNS)
            self._writer = parquet.ParquetWriter(self._file, self._schema)
        self._writer.write_table(_table(records, self._schema))

    def _finish(self, is_complete: bool) -> bool:  # noqa: FBT001  # called by name above
        if self._waiting or self._writer is None:
            self._flush()
        self._writer.close()
        self._file.flush()
        os.fsync(self._place.descriptor)
        if is_complete or self._rows >= self._rows_there:
            with self._place.part.open("rb") as file:
                mark = mark_of(file)
            self._place.take(mark)
            self._place.grown(mark, is_last=True)
            self._place.sync_folder()
        return self._place.is_taken


def write_parquet(path: Path, rows: Iterable[Record], columns: Sequence[Column]) -> None:
    """Write rows of these columns to a file, whole or not at all."""
    source = iter(rows)
    first = list(islice(source, _GROUP))
    schema = _schema_of(first, columns)
    with replacing(path) as file, parquet.ParquetWriter(file, schema) as writer:
        while first:
            writer.write_table(_table(first, schema))
            first = list(islice(source, _GROUP))


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
