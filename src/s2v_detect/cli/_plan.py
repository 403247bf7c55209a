"""The options of `s2v-detect run`, and what they come to: its files, its ledger, how it reads."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from s2v_detect.bulk import (
    Options,
    Retried,
    Used,
    as_input,
    as_output,
    as_written,
    is_folder,
    is_pattern,
)
from s2v_detect.cli._account import FILE, POSITIVE, Spending
from s2v_detect.cli._buckets import is_bucket
from s2v_detect.cli._finishing import stdin_descriptor, stdout_descriptor
from s2v_detect.cli._going_on import refuse_other_identity
from s2v_detect.cli._optional_values import are_reasons, reasons_of
from s2v_detect.cli._own import EVENTS, REPORT, SUMMARY
from s2v_detect.cli._places import LedgerPlace, ledger_named_after, used_by
from s2v_detect.cli._terminal import STANDARD
from s2v_detect.languages import N_
from s2v_detect.ledger import AnyLedger
from s2v_detect.tables import Format

_FLAG = Parameter(negative=(), show_default=False)
_PORT = Parameter(validator=Number(gte=0, lte=65_535), negative=())
_REASONS = Parameter(negative=(), show_default=False, validator=are_reasons)
_DAY_S = 86_400


@Parameter(name="*", group="Run")
@dataclass(frozen=True)
class Plan(Spending):
    """The options of a run that say what is asked, what it may cost, and what is kept."""

    _: KW_ONLY
    column: str | None = None
    """The column that holds the image: its name, or its number. Default: image, image_url, url or
    another usual name, or the only one with addresses."""
    identity_column: str | None = None
    """The column that names the image, where its address changes (a signed one): the ledger, and
    what is a repeat, go by it. Default: the address, or the content of a file."""
    format: Format | None = None
    """What the input is, where its ending does not say; gzip is recognised by itself."""
    encoding: str | None = None
    """What the input is encoded in, such as gb18030. Default: UTF-8, its mark, or a told guess."""
    delimiter: str | None = None
    """What separates the cells of the input: one character, or "tab". Default: as its ending and
    its first lines say."""
    sheet: str | None = None
    """Excel: the sheet's name, or its number among those shown. Default: the one with a list."""
    header_row: int | None = None
    """CSV and Excel: the line, or row of the sheet, with the columns' names; 0: there is none."""
    recursive: Annotated[bool, _FLAG] = False
    """Where INPUT is a folder: its folders too."""
    files: Annotated[bool, _FLAG] = False
    """The column may hold paths of files, from beside INPUT; they are uploaded. Only for lists that
    you made yourself."""
    ledger: LedgerPlace | None = None
    """The ledger; several outputs may share one. Default: OUT.ledger; none for stdout. On a server
    machines share one: postgresql://USER@HOST/DATABASE, its password in PGPASSWORD or ~/.pgpass."""
    retry_failed: Annotated[bool | str, _REASONS] = False
    """Ask again for images that failed in an earlier run of this output: all of them, or behind a =
    by which errors: --retry-failed=RateLimited,NotSent."""
    refresh: Annotated[bool, _FLAG] = False
    """Ask again, and pay again, for images that were answered before."""
    max_age_days: Annotated[float | None, Parameter(validator=POSITIVE)] = None
    """Ask again, and pay again, for answers older than this."""
    fresh: Annotated[bool, _FLAG] = False
    """A new start: the budget counts anew, failed ones are asked again, another --identity-column
    may name the images. Answers stay free."""
    sample: Annotated[int | None, Parameter(validator=Number(gte=1))] = None
    """Ask for so many rows, chosen at random, and forecast the rest."""
    seed: int | None = None
    """Which sample: the same seed, the same rows. Default: 0."""
    summary: Annotated[Path | None, FILE] = None
    """Write the closing summary to this file too, as JSON."""
    report: Annotated[Path | None, FILE] = None
    """Write a report page (HTML) when the run ends."""
    live: Annotated[int | bool | None, _PORT] = None
    """Show the report in a browser of this machine while the run goes on, on this port. --live
    alone takes a free one; stderr says the address."""
    events: Annotated[Path | None, FILE] = None
    """Append every step of every image to this file, as JSON lines."""
    excel: Annotated[bool, _FLAG] = False
    """CSV and TSV that a double click opens right in Excel: with a mark of UTF-8, and in CSV the
    delimiter of the input."""
    guard_formulas: Annotated[bool, _FLAG] = False
    """CSV and TSV: a cell of the input's columns too gets a ' before what a spreadsheet would
    compute; image, code and message always do."""

    @property
    def live_port(self) -> int | None:
        """Where the live page is served, 0: on a free port; None: nowhere."""
        if self.live is None or self.live is False:
            return None
        return 0 if self.live is True else self.live

    @property
    def retried(self) -> Retried:
        """Which failures of earlier runs are asked for again."""
        return self.fresh or reasons_of(self.retry_failed)

    def used_by(self, source: str, out: str) -> list[Used]:
        """Return the files of a run, each with what it is used for."""
        return self.read_by(source) + self.written_by(out)

    def written_by(self, out: str) -> list[Used]:
        """Return the output, its ledger and what else a run writes."""
        used = [as_output(stdout_descriptor() if out == STANDARD else Path(out))]
        if ledger := self.ledger_of(out):
            used += used_by(ledger)
        others = (
            (N_("the summary"), self.summary, SUMMARY),
            (N_("the report"), self.report, REPORT),
            (N_("the file of events"), self.events, EVENTS),
        )
        return used + [as_written(role, path, own) for role, path, own in others if path]

    @staticmethod
    def read_by(source: str) -> list[Used]:
        """Return the input, unless that leaves the other files out by itself."""
        if source == STANDARD:
            return [as_input(stdin_descriptor())]
        is_left_out = is_bucket(source) or is_pattern(source) or is_folder(source)
        return [] if is_left_out else [as_input(Path(source))]

    @property
    def read_as(self) -> Options:
        """What the input is to be read as."""
        return {
            "column": self.column,
            "identity_column": self.identity_column,
            "format": self.format,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "sheet": self.sheet,
            "header_row": self.header_row,
        }

    def ledger_of(self, out: str) -> Path | str | None:
        """Return where the ledger of an output is."""
        return self.ledger or (None if out == STANDARD else Path(f"{out}.ledger"))

    def refuse_other_identity(self, ledger: AnyLedger) -> None:
        """Raise `Unusable` where the run would pay again and its user has not said so."""
        if not (self.fresh or self.refresh):
            refuse_other_identity(ledger, self.identity_column)

    def ledger_for(self, out: str) -> AnyLedger | None:
        """Return the ledger of an output."""
        place = self.ledger_of(out)
        if place is None:
            return None
        return ledger_named_after(
            out,
            place,
            max_age_s=None if self.max_age_days is None else self.max_age_days * _DAY_S,
            refresh=self.refresh,
            is_new_start=self.fresh,
        )
