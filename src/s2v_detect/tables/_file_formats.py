"""What a list of images, an output and an export may be: each format of a file stands here once."""

from pathlib import Path
from typing import Literal, NamedTuple

from s2v_detect.languages import N_, _

Format = Literal["text", "csv", "tsv", "jsonl", "parquet", "xlsx"]


class FileFormat(NamedTuple):
    """One format of a file."""

    words: str
    """As a person calls it; looked up in the language that is spoken where it is shown."""
    endings: tuple[str, ...] = ()
    """Of files, the one that is written first; what has no ending of any format is text."""
    delimiter: str = ""
    """Between the cells of a line."""


FORMATS: dict[Format, FileFormat] = {
    "text": FileFormat(N_("text")),
    "csv": FileFormat("CSV", (".csv",), ","),
    "tsv": FileFormat("TSV", (".tsv", ".tab"), "\t"),
    "jsonl": FileFormat(N_("JSON lines"), (".jsonl", ".ndjson", ".json")),
    "parquet": FileFormat("Parquet", (".parquet", ".parq", ".pq")),
    "xlsx": FileFormat("Excel", (".xlsx", ".xlsm")),
}
"""Each can be an input. Each but text is written too: what has no ending of its own is then JSON
lines."""

_BY_ENDING = {ending: name for name, each in FORMATS.items() for ending in each.endings}
DELIMITERS = {
    ending: each.delimiter for each in FORMATS.values() if each.delimiter for ending in each.endings
}
"""By the ending of a file."""


def format_of(path: Path) -> Format:
    """Return the format that a file's ending says.

    Example:
        >>> format_of(Path("faces.CSV")), format_of(Path("faces"))
        ('csv', 'text')
    """
    return _BY_ENDING.get(path.suffix.lower(), "text")


def is_list(path: Path) -> bool:
    """Whether a file is called as a list of images is.

    Example:
        >>> is_list(Path("faces.CSV.gz")), is_list(Path("faces.txt")), is_list(Path("faces"))
        (True, True, False)
    """
    plain = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return plain.suffix.lower() in (".txt", *_BY_ENDING)


def no_header_row(name: Format) -> str:
    """Return what is said where `--header-row` is given for a format that has no such row."""
    told = _(
        "--header-row is for CSV and Excel, and {format} has no row of names. Leave the option out,"
        " or give --format csv."
    )
    return told.format(format=_(FORMATS[name].words))
