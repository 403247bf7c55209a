r"""Rows from lines of CSV and TSV. What can be no row says why, and ends nothing.

**Theory.** Each line that is not blank is in exactly one row, or is the header, or lies within a
cell in quotes that is believed. A cell is in quotes where its first character is one; a quote
further on in a cell without quotes is a character as any other, but in an address. A cell in quotes
that does not end in its line goes on in the next ones, and is believed only if

* the quote that ends it is followed by a delimiter or by the line's end: any other is the beginning
  of somebody else's cell (`"5 inch`, and in the next line `"6 inch`);
* none of the lines it would swallow is a row of its own, with an address where the image belongs;
* it ends, before the row is longer than a row can be.

Else the line where it began is a faulty row, and each line after it is read anew. Every line is so
read twice at most: within quotes that go on, a line has no quote that could open a cell.

`_head` says which of the first lines is the header: usually the first. Until that is plain, rows
wait, and none of them has an address. A first line that can't be read ends the run before it
begins, and no line below one that can't be read takes the header's place. A row with more cells
than the header has is faulty: its address may have been cut at a delimiter (`_cut` has the other
signs). Empty cells beyond are no harm.

Why none of the readers that are faster: pyarrow 26 and polars 2.1 take the two lines above for one
row, or end there; both take an address in the first line for a header; DuckDB 2.0 takes it for a
row, but drops a header that it can't decode. None tells the line of a row, and all but pyarrow hold
what they read.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from s2v_detect.images import trimmed
from s2v_detect.languages import _
from s2v_detect.tables._cut import ENDINGS, SaidBy, cut
from s2v_detect.tables._dialect import delimiter_of, delimiter_said
from s2v_detect.tables._encodings import undecoded_header
from s2v_detect.tables._head import head_of, is_decisive, said_by
from s2v_detect.tables._names import distinct
from s2v_detect.tables._reading import LONGEST_ROW, TextLine
from s2v_detect.tables._row_faults import Surplus, Undecoded
from s2v_detect.tables._rows import EXCERPT, InputError, Row, is_address, row_of, unmarked

_QUOTED = '"[^"]*+(?:""[^"]*+)*+'
"""A cell in quotes, up to the quote that ends it."""
_WITHIN = re.compile(_QUOTED[1:])
_UNCLOSED = re.compile(_QUOTED)

_SHORT = 4096
"""Characters of an address that needs no look at its length in bytes."""

_DOUBLE = "put a cell with a quote in it between quotes, and write its own quote twice"

_State = Literal["closed", "open", "broken"]

_MOST_AHEAD = 100
"""Lines that are looked at for a column with addresses, where there are so many."""


class _First(NamedTuple):
    """A row that was read before the header was known."""

    number: int
    text: str
    cells: list[str]
    fault: str = ""


class CsvRows:
    """Cells between delimiters; a cell in quotes may hold delimiters and ends of lines."""

    def __init__(
        self,
        default: str,
        column: str | None,
        delimiter: str | None = None,
        header_row: int | None = None,
    ) -> None:
        self.columns: tuple[str, ...] | None = None
        self.column: str | None = None
        self.passed_over = 0
        self.has_header = True
        self.header_line: int | None = None
        """Where the header is, if it is not the first line with anything in it."""
        self.is_chosen = False
        """Whether the column was chosen for its addresses."""
        self.delimiter = delimiter or ""
        """Empty until the first lines are read, if nobody said it."""
        self._default = default
        self._wanted = column
        self._said_by: SaidBy = "nobody"
        self._open: TextLine | None = None
        self._following: list[TextLine] = []
        self._length = 0
        self._place = 0
        self._is_begun = False
        self._header_row = header_row
        self._said = said_by(header_row)
        self._firsts: list[_First] = []
        self._lines: Sequence[TextLine] = ()

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        rows: list[Row] = []
        self._lines = lines
        for line in lines if self.columns else self._begun(lines):
            if row := self._plain_row(line):
                rows.append(row)
            else:
                self._take(line, rows)
        return rows

    def rest(self) -> list[Row]:
        rows: list[Row] = []
        while self._open:
            self._give_up(f"a quote in it never closes; {_DOUBLE}", rows)
        self._lines = ()
        if self._firsts:
            self._decide(rows)
        elif self.columns is None and self._header_row:
            told = _(
                "The input has nothing in line {line}, which --header-row says is its header. Give"
                " the number of another line."
            )
            raise InputError(told.format(line=self._header_row))
        return rows

    def _begun(self, lines: Sequence[TextLine]) -> Sequence[TextLine]:
        """Know the delimiter, and return the lines without one that only says it."""
        first = next((n for n, line in enumerate(lines) if line.fault or line.text.strip()), None)
        if first is None or self._is_begun:
            return lines
        said = delimiter_said(unmarked(lines[first].text))
        if said:
            self.passed_over += 1
            lines = [*lines[:first], *lines[first + 1 :]]
        if self._header_row:
            above = [line for line in lines if line.number < self._header_row]
            self.passed_over += len(above)
            lines = lines[len(above) :]
        texts = [unmarked(line.text) for line in lines if not line.fault and line.text.strip()]
        self._is_begun = bool(texts) or not said
        self._separate(self.delimiter or said or delimiter_of(texts, self._default))
        return lines

    def _separate(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self._whole = () if delimiter == ";" else ENDINGS
        mark = re.escape(delimiter)
        cell = rf'(?:{_QUOTED}"(?={mark}|\Z)|(?!")[^{mark}]*+)'
        self._cell = re.compile(rf"(?:\A|{mark})({cell})")
        self._cells_from_first = re.compile(rf"{cell}(?:{mark}{cell})*+")
        self._cells_behind = re.compile(rf"(?:{mark}{cell})*+")

    def _plain_row(self, line: TextLine) -> Row | None:
        """Return the row of a line with nothing odd about it, as nearly all are: a short way."""
        number, text, fault, _ = line
        if fault or '"' in text or text[:1] == "\ufeff" or self._open or not self.columns:
            return None
        cells = text.split(self.delimiter)
        if len(cells) != len(self.columns):
            return None
        place = self._place
        image = cells[place].strip()
        if not image or len(image) > _SHORT or not image.isascii() or image.count("://") > 1:
            return None
        is_last = len(cells) == place + 1
        if not is_last and not image.endswith(self._whole) and self._cut(text, cells):
            return None
        return Row(number, image, "", dict(zip(self.columns, cells, strict=True)))

    def _take(self, line: TextLine, rows: list[Row]) -> None:
        if self._open is not None:
            self._go_on(line, rows)
        elif line.fault or '"' not in line.text:
            self._record(line, rows)
        else:
            if line.text[:1] == "\ufeff":
                line = line._replace(text=unmarked(line.text))
            state = self._state(line.text, is_within=False)
            if state == "closed":
                self._record(line, rows)
            elif state == "open":
                self._open, self._following, self._length = line, [], len(line.text)
            else:
                self._refuse(line, f"a quote ends in the middle of a cell; {_DOUBLE}", rows)

    def _go_on(self, line: TextLine, rows: list[Row]) -> None:
        """Take a line that may lie within the open cell."""
        self._following.append(line)
        self._length += len(line.text)
        state = self._state(line.text, is_within=True)
        if line.fault or self._length > LONGEST_ROW:
            self._give_up(f"a quote in it never closes; {_DOUBLE}", rows)
        elif self._is_row(line.text):
            self._give_up(f"a quote in it is still open where the next row begins; {_DOUBLE}", rows)
        elif state == "broken":
            self._give_up(
                f"a quote in it never closes, but for the quote of another cell; {_DOUBLE}", rows
            )
        elif state == "closed":
            self._close(rows)

    def _close(self, rows: list[Row]) -> None:
        """Believe in the open cell."""
        first, following = self._open, self._following
        self._open, self._following = None, []
        if first:
            lines = [first, *following]
            text = "".join(f"{line.text}{line.end}" for line in lines[:-1]) + lines[-1].text
            self.passed_over += len(following)
            self._record(first._replace(text=text), rows)

    def _give_up(self, fault: str, rows: list[Row]) -> None:
        """Have the line of the open quote faulty, and those after it read anew."""
        first, following = self._open, self._following
        self._open, self._following = None, []
        if first:
            self._refuse(first, fault, rows)
            for line in following:
                self._take(line, rows)

    def _state(self, text: str, *, is_within: bool) -> _State:
        """Return what a line is, which begins in a cell of quotes or between two cells."""
        at, cells = 0, self._cells_from_first
        if is_within:
            within = _WITHIN.match(text)
            at, cells = (within.end() if within else 0) + 1, self._cells_behind
            if at > len(text):
                return "open"
        found = cells.match(text, at)
        at = found.end() if found else at
        if at == len(text):
            return "closed"
        return "open" if _UNCLOSED.fullmatch(text, at + (text[at] == self.delimiter)) else "broken"

    def _is_row(self, text: str) -> bool:
        """Whether what an open cell takes of a line has an address where the image belongs."""
        within = _WITHIN.match(text)
        taken = text[: within.end()] if within else text
        cells = [cell.strip().strip('"') for cell in taken.split(self.delimiter)]
        if self.columns is None:
            return any(map(is_address, cells))
        is_whole = self._place > 0 or len(cells) == len(self.columns)
        return is_whole and self._place < len(cells) and is_address(cells[self._place])

    def _record(self, line: TextLine, rows: list[Row]) -> None:
        if line.fault:
            self._refuse(line, line.fault, rows)
        elif not trimmed(line.text):
            self.passed_over += 1
        else:
            text = unmarked(line.text)
            cells = self._cells(text)
            if self.columns is None:
                self._take_first(_First(line.number, text, cells), rows)
            else:
                rows.append(self._row(line.number, text, cells))

    def _cells(self, text: str) -> list[str]:
        if '"' not in text:
            return text.split(self.delimiter)
        return [
            cell[1:-1].replace('""', '"') if cell[:1] == '"' else cell
            for cell in self._cell.findall(text)
        ]

    def _take_first(self, first: _First, rows: list[Row]) -> None:
        """Take a row while the header is not known."""
        if self._header_row and not self._firsts and first.number != self._header_row:
            told = _(
                "The input has no row that begins in line {line}, which --header-row says is its"
                " header. Give the number of another line."
            )
            raise InputError(told.format(line=self._header_row))
        if first.fault and not self._firsts and self._header_row != 0:
            if isinstance(first.fault, Undecoded):
                raise InputError(undecoded_header(first.number, first.fault))
            told = _(
                "The header, line {line} of the input, can't be read: {fault}. Mend that line, or"
                " say what the input is: --encoding, --delimiter, --format, --header-row."
            )
            raise InputError(told.format(line=first.number, fault=first.fault))
        self._firsts.append(first)
        if is_decisive([each.cells for each in self._firsts], self._wanted, self._said):
            self._decide(rows)

    def _decide(self, rows: list[Row]) -> None:
        """Know the header and the column, and give the rows that waited for that."""
        firsts, self._firsts = self._firsts, []
        readable = next((n for n, each in enumerate(firsts) if each.fault), len(firsts))
        last = firsts[-1].number
        ahead = [line for line in self._lines if line.number > last][:_MOST_AHEAD]
        ahead = [line for line in ahead if self._state(line.text, is_within=False) == "closed"]
        cells = [each.cells for each in firsts]
        cells += [self._cells(line.text) for line in ahead]
        numbers = [each.number for each in firsts] + [line.number for line in ahead]
        head = head_of(cells, self._wanted, self._said, searched=readable, numbers=numbers)
        self.has_header = head.header is not None
        self.columns, self.column, self.is_chosen = head.names, head.column, head.is_chosen
        self._place = self.columns.index(self.column)
        self._said_by = "user" if self._wanted else "header" if self.has_header else "nobody"
        above = 0 if head.header is None else head.header + 1
        if above > 1:
            self.header_line = firsts[above - 1].number
        self.passed_over += above
        if not above and (fault := self._cut(firsts[0].text, firsts[0].cells)):
            told = _(
                "The input has no header, and in its first line {fault}. Or give --format text, if"
                " each line is an address."
            )
            raise InputError(told.format(fault=fault))
        rows += [
            Row(each.number, each.text, each.fault)
            if each.fault
            else self._row(each.number, each.text, each.cells)
            for each in firsts[above:]
        ]

    def _cut(self, text: str, cells: Sequence[str]) -> str:
        return cut(text, cells, self._place, self.delimiter, self._said_by)

    def _row(self, number: int, text: str, cells: list[str]) -> Row:
        names = self.columns or ()
        columns = dict(zip(names, cells, strict=False))
        beyond = cells[len(names) :]
        if beyond:
            columns = dict(zip(distinct([*names, *[""] * len(beyond)]), cells, strict=True))
        if any(cell.strip() for cell in beyond):
            told = (
                f"the line has {len(cells)} cells, and the header {len(names)}; a cell with"
                f" {self.delimiter!r} in it must stand in quotes"
            )
            return Row(number, text[:EXCERPT], Surplus(told), columns)
        if fault := self._cut(text, cells):
            return Row(number, text[:EXCERPT], fault, columns)
        row = row_of(number, columns, self.column or "")
        if '"' in row.image and is_address(row.image):
            return row._replace(fault=f"a quote is in the middle of its address; {_DOUBLE}")
        return row

    def _refuse(self, line: TextLine, fault: str, rows: list[Row]) -> None:
        """Give a line that can't be read. Raises `InputError` where it may be the header."""
        text = line.text[:EXCERPT]
        if self.columns is None:
            self._take_first(_First(line.number, text, [], fault), rows)
        else:
            rows.append(Row(line.number, text, fault))
