"""`s2v-detect report`: an output or a ledger as a page."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from s2v_detect import LedgerEntry
from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.bulk import is_database
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._own import REPORT
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import printable, stderr_console, tell_kept
from s2v_detect.languages import _, needs_extra, spoken, why
from s2v_detect.ledger import ledger_at
from s2v_detect.tables import OutputError, Record, read_records


def report_writer() -> Callable[..., None]:
    """Return what writes a page. Raises `Unusable` where its extra is missing."""
    try:
        from s2v_detect.report import write_report  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise Unusable(needs_extra(_("The report"), "cli", "report")) from error
    return write_report


def write_page(
    source: Path | str,
    page: Path,
    *,
    title: str | None,
    note: str = "",
    ledger: Path | str | None = None,
    beside: Path | None = None,
    rate: float = REQUESTS_PER_S,
) -> Exit:
    """Write the report of an output or a ledger. Raises `Unusable`.

    Files are looked for in this folder, beside the output, and `beside` the input. `rate` is what
    was asked for.
    """
    write_report = report_writer()
    name = source.name if isinstance(source, Path) else ledger_at(source).where
    folders = [source.parent] if isinstance(source, Path) else []
    folders += [beside] if beside else []
    try:
        # An open ledger is not opened again.
        is_ledger = isinstance(source, str) or source == ledger or is_database(source)
        ledger = ledger or _ledger_beside(source)
        books = source if is_ledger else ledger
        records = _ledger_records(source) if is_ledger else read_records(Path(source))
        sent_at = _request_times(books, name) if books else None
        write_report(
            records,
            page,
            title=title or name,
            note=note,
            source=name,
            beside=[Path(), *folders],
            sent_at=sent_at,
            line_per_s=rate,
            language=spoken(),
            replaces=REPORT,
            on_kept=tell_kept,
        )
    except OutputError as error:
        raise Unusable(str(error)) from error
    except OSError as error:
        told = _(
            "No report could be made of {name}: {why}. Give an output of a run or a ledger, and a"
            " page that can be written."
        )
        raise Unusable(told.format(name=printable(name), why=why(error))) from error
    told = _("Report: {name}").format(name=printable(str(page)))
    stderr_console().print(told, markup=False)
    return Exit.DONE


def _ledger_beside(source: Path | str) -> Path | None:
    """Return the ledger that a run makes beside its output: it knows when requests were sent."""
    place = Path(f"{source}.ledger")
    return place if is_database(place) else None


def _request_times(ledger: Path | str, source: str) -> Iterator[float]:
    with ledger_at(ledger) as books:
        names = [name for name in books.names() if Path(name).name == source]
        yield from books.request_times(names[0] if names else None)


def _ledger_records(place: Path | str) -> Iterator[Record]:
    with ledger_at(place) as ledger:
        for entry in ledger.all_entries():
            yield _record(entry)


def _record(entry: LedgerEntry) -> Record:
    kind = {"answered": "checked", "skipped": "skipped"}.get(entry.state, "failed")
    billed = "yes" if entry.paid else "unknown" if entry.unsure else "no"
    return {
        "image": entry.image,
        "kind": kind,
        "check_pass": None if kind != "checked" else bool(entry.check_pass),
        "code": entry.code,
        "message": entry.message,
        "request_id": entry.request_id,
        "error": entry.error or (entry.state if kind == "failed" else None),
        "billed": billed,
        "cost": float(entry.cost),
        "cost_at_most": float(entry.cost_at_most),
        "attempts": entry.attempts,
        "at": datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds"),
    }
