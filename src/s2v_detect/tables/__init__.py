"""Tables of any length, read and written: rows from a person's list, records into a person's file.

An edge: it knows formats, encodings and cells, and what our own columns are. It knows no client, no
run, and no place where an output stands: that is `bulk`'s.

What needs an extra is imported late: `_parquet_reading`, `_parquet_writing`, `_excel_reading`,
`_excel_records`, `_excel_writing`.
"""

from s2v_detect.tables._file_formats import DELIMITERS, Format, format_of, is_list
from s2v_detect.tables._fitting import fitting_batches
from s2v_detect.tables._lines import (
    MORE,
    OUTCOME_KEYS,
    Delimited,
    JsonLines,
    Lines,
    OutputError,
    Record,
    cell,
    delimited,
    is_record,
    json_line,
)
from s2v_detect.tables._opening import Table, TableOptions, open_table
from s2v_detect.tables._read_back import delimited_output, read_records
from s2v_detect.tables._rows import InputError, Row, chosen_column
from s2v_detect.tables._whole import (
    WholeRecords,
    is_output,
    is_whole,
    most_rows,
    rows_in,
    whole_records,
)

__all__ = [
    "DELIMITERS",
    "MORE",
    "OUTCOME_KEYS",
    "Delimited",
    "Format",
    "InputError",
    "JsonLines",
    "Lines",
    "OutputError",
    "Record",
    "Row",
    "Table",
    "TableOptions",
    "WholeRecords",
    "cell",
    "chosen_column",
    "delimited",
    "delimited_output",
    "fitting_batches",
    "format_of",
    "is_list",
    "is_output",
    "is_record",
    "is_whole",
    "json_line",
    "most_rows",
    "open_table",
    "read_records",
    "rows_in",
    "whole_records",
]
