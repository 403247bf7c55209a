"""Records into an Excel file: the only module that writes one. It needs the extra `excel`.

The columns are those of the first records. What a cell can't hold whole stands in `input_more`, as
JSON, and the cell has as much of it as it holds. A JSON that is longer than a cell goes on in the
cells to its right.
"""

import errno
import json
import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from s2v_detect._columns import Column
from s2v_detect.languages import needs_extra
from s2v_detect.tables._excel_parts import MOST_COLUMNS, MOST_ROWS
from s2v_detect.tables._lines import MORE, OutputError, Record, json_line, text_of

try:
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import XlsxWriterException
except ModuleNotFoundError as error:
    raise OutputError(needs_extra("Excel", "cli", "excel")) from error

_GROUP = 5000
_MOST_RECORDS = MOST_ROWS - 1  # below the header
_LONGEST = 32_767
"""Of a cell's text, in UTF-16 units."""
_LARGEST_INTEGER = 10**15
"""Excel keeps 15 digits of a number: a longer one is a text, so that an identity stays whole."""
_NO_XML = re.compile("[\ufffe\uffff]")
_NARROW, _WIDE = 9, 48  # characters of a column
_OPTIONS = {
    "constant_memory": True,
    "strings_to_urls": False,  # else the addresses behind the 65,530th are lost
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "use_zip64": True,  # else 4 GB of rows would be lost at the very end
}


class ExcelRecords:
    """Rows into a file, which is a workbook once the table is closed."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column], folder: Path) -> None:
        """`folder` is not there yet: the rows wait in it until they are packed."""
        self._ours = [column.name for column in columns]
        self._folder = folder
        self._waiting: list[Record] = []
        self._names: list[str] = []
        self._known: frozenset[str] = frozenset()
        self._rows = 0
        self._added = 0
        folder.mkdir()
        self._book = Workbook(file, _OPTIONS | {"tmpdir": str(folder)})
        self._sheet = self._book.add_worksheet("verdicts")

    def add(self, records: Sequence[Record]) -> None:
        if self._added + len(records) > _MOST_RECORDS:
            raise OSError(
                errno.EFBIG,
                f"an Excel sheet has no more than {_MOST_RECORDS:,} rows; the ledger has the"
                " others too, for an output in .csv, .jsonl or .parquet",
            )
        self._added += len(records)
        if self._names:
            self._write(records)
            return
        self._waiting += records
        if len(self._waiting) >= _GROUP:
            self._begin()

    def close(self) -> None:
        if not self._names:
            self._begin()
        last = len(self._names)
        self._sheet.autofilter(0, 0, self._rows, last)
        try:
            self._book.close()
        except XlsxWriterException as error:
            cause = error.__context__
            raise cause if isinstance(cause, OSError) else OSError(errno.EIO, str(error)) from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave no rows on the disk but those of the file itself."""
        if self._sheet.row_data_fh:
            self._sheet.row_data_fh.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _begin(self) -> None:
        """Write the header, and the rows that waited for it."""
        records, self._waiting = self._waiting, []
        ours = set(self._ours)
        names = dict.fromkeys(name for record in records for name in record if name not in ours)
        room = MOST_COLUMNS - len(self._ours) - 1
        theirs = [name for name in names if _fitted(name) == name and name != MORE][:room]
        self._names = [*theirs, *self._ours]
        self._known = frozenset(self._names)
        bold = self._book.add_format({"bold": True})
        for place, name in enumerate([*self._names, MORE]):
            self._sheet.write_string(0, place, name, bold)
            longest = max((len(_shown(each.get(name))) for each in records[:200]), default=0)
            width = min(_WIDE, max(_NARROW, longest + 1, len(name) + 3))  # 3: the filter's button
            self._sheet.set_column(place, place, width)
        self._sheet.freeze_panes(1, 0)
        self._write(records)

    def _write(self, records: Sequence[Record]) -> None:
        for record in records:
            self._rows += 1
            more = {name: value for name, value in record.items() if name not in self._known}
            for place, name in enumerate(self._names):
                value = record.get(name)
                if value is not None and not self._put(place, value):
                    more[name] = value
            if more:
                self._put_more(more)

    def _put(self, place: int, value: Any) -> bool:
        """Write a cell, and return whether it holds the value whole."""
        if isinstance(value, bool):
            self._sheet.write_boolean(self._rows, place, value)
            return True
        if _is_number(value):
            self._sheet.write_number(self._rows, place, value)
            return True
        text = text_of(value)
        fitted = _fitted(text)
        self._sheet.write_string(self._rows, place, fitted)
        return fitted == text

    def _put_more(self, more: Record) -> None:
        text = json_line(more).decode().rstrip("\n")
        if _fitted(text) != text:  # in ASCII it can be cut anywhere
            text = json.dumps(json.loads(text))
        for number, start in enumerate(range(0, len(text), _LONGEST)):
            piece = text[start : start + _LONGEST]
            self._sheet.write_string(self._rows, len(self._names) + number, piece)


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) < _LARGEST_INTEGER


def _fitted(text: str) -> str:
    """Return as much of a text as a cell holds: what XML has no character for is escaped."""
    if not text.isascii():
        text = text.encode(errors="backslashreplace").decode()
        text = _NO_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if len(text) * 2 <= _LONGEST or len(text.encode("utf-16-le")) <= _LONGEST * 2:
        return text
    return text.encode("utf-16-le")[: (_LONGEST - 1) * 2].decode("utf-16-le", "ignore") + "…"


def _shown(value: Any) -> str:
    return "" if value is None else text_of(value)[:_WIDE]
