"""An output's records, read back with their types."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from s2v_detect._columns import OUTPUT_COLUMNS
from s2v_detect.tables._dialect import GUESSED
from s2v_detect.tables._file_formats import DELIMITERS, format_of
from s2v_detect.tables._lines import MORE, Record, is_record, no_output, plain

_OURS = {column.name: column for column in OUTPUT_COLUMNS}
_BOOLS = {"true": True, "false": False}


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of an output. Raises `OutputError` for what is none, and `OSError`.

    In CSV and TSV our own columns come back as they were before they were guarded against formulas;
    the input's columns as they stand in the file.

    A last line without its end, of a pass that was killed, is left out.
    """
    for number, record in enumerate(_rows_of(path), start=1):
        if not is_record(record):
            raise no_output(path, row=number)
        yield record


def _rows_of(path: Path) -> Iterator[Any]:
    if format_of(path) == "xlsx":
        from s2v_detect.tables._excel_records import excel_records  # noqa: PLC0415  # an extra

        return _excel_records(path, excel_records(path))
    if format_of(path) == "parquet":
        from s2v_detect.tables._parquet_reading import parquet_records  # noqa: PLC0415  # an extra

        return parquet_records(path)
    delimiter = DELIMITERS.get(path.suffix.lower())
    return _delimited_records(path, delimiter) if delimiter else _json_records(path)


def _json_records(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise no_output(path, line=number) from error


def delimited_output(file: TextIO, usual: str) -> tuple[list[str], str]:
    """Return the header and the delimiter of an output in CSV or TSV, and be behind that header.

    An output for Excel has a mark, and the delimiter of its input. Raises `csv.Error`, and
    `ValueError` for what is no UTF-8.
    """
    header: list[str] = []
    for delimiter in (usual, *(other for other in GUESSED if other != usual)):
        file.seek(0)
        header = next(csv.reader(iter(file.readline, ""), delimiter=delimiter), [])
        if header[-1:] == [MORE] and len(header) > 1:
            header[0] = header[0].removeprefix("\ufeff")
            return header, delimiter
    return header, usual


def _delimited_records(path: Path, usual: str) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            header, delimiter = delimited_output(file, usual)
        except (csv.Error, ValueError) as error:
            raise no_output(path, line=1) from error
        reader = csv.DictReader(file, header, delimiter=delimiter)
        try:
            for record in reader:
                if record.get("kind") is None or record.get("at") is None:
                    raise no_output(path, line=reader.line_num + 1)
                yield {key: _typed(key, value) for key, value in record.items() if key != MORE}
        except (csv.Error, ValueError) as error:
            raise no_output(path, line=reader.line_num + 1) from error


def _excel_records(path: Path, records: Iterator[Record]) -> Iterator[Record]:
    for number, record in enumerate(records, start=2):
        try:
            yield {key: _cell_typed(key, value) for key, value in record.items()}
        except (ValueError, TypeError) as error:
            raise no_output(path, line=number) from error


def _cell_typed(key: str, value: Any) -> Any:
    """Return the value of a cell, which has a type of its own, as its column's."""
    column = _OURS.get(key)
    if value is None:
        return column.empty if column else ""
    if column is None or isinstance(value, bool):
        return value
    return _typed(key, value) if column.type is bool else column.type(value)


def _typed(key: str, value: str) -> Any:
    column = _OURS.get(key)
    if column is None:
        return value or ""
    if not value:
        return column.empty
    if column.type is bool:
        return _BOOLS.get(value)
    return column.type(plain(value) if column.is_guarded else value)
