"""Parquet files that are there: whether one is an output, and its records. It needs the extra.

What writes an output asks here whether it may replace the one that is there: nothing is written.
"""

from collections.abc import Iterator
from pathlib import Path

from s2v_detect.languages import needs_extra
from s2v_detect.tables._lines import OUTCOME_KEYS, OutputError, Record, damaged_output, no_output

try:
    import pyarrow as pa
    from pyarrow import parquet
except ModuleNotFoundError as error:
    raise OutputError(needs_extra("Parquet", "cli", "parquet")) from error

__all__ = ["is_output", "pa", "parquet", "parquet_records", "rows_in"]

DAMAGED = (pa.ArrowException, OSError, ValueError, OverflowError)
"""What pyarrow raises, seen with each bit of a file flipped."""


def rows_in(path: Path) -> int:
    """Return how many rows a file has."""
    try:
        return int(parquet.ParquetFile(path).metadata.num_rows)
    except DAMAGED:  # none, or none of ours: kept under another name, where it is replaced
        return 0


def is_output(path: Path) -> bool:
    """Whether a file has the columns of an output."""
    try:
        names = parquet.ParquetFile(path).schema_arrow.names
    except DAMAGED:
        return False
    return set(names) >= set(OUTCOME_KEYS)


def parquet_records(path: Path) -> Iterator[Record]:
    """Yield the records of an output."""
    try:
        file = parquet.ParquetFile(path)
    except DAMAGED as error:
        raise no_output(path) from error
    if not set(file.schema_arrow.names) >= {"kind", "at"}:
        raise no_output(path)
    try:
        for batch in file.iter_batches(batch_size=1000):
            yield from batch.to_pylist()
    except DAMAGED as error:
        raise damaged_output(path) from error
