"""`s2v-detect ledger`: one image, everything, the spend, and what is unknown."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.text import Text

from s2v_detect import LedgerAttempt, LedgerEntry, LedgerSpend
from s2v_detect._columns import LEDGER_COLUMNS, as_text, filled
from s2v_detect._redaction import without_key
from s2v_detect._service import PRICE_CNY
from s2v_detect.bulk import as_written, refuse_conflicts, write_table
from s2v_detect.cli import _examples
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._finishing import stdout_descriptor, unwritable
from s2v_detect.cli._idle import Idle, refuse_idle
from s2v_detect.cli._keeping import copy, forget, meant, prune
from s2v_detect.cli._own import export_over
from s2v_detect.cli._places import LedgerPlace, used_by
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._tables import Column, Kind, stdout_console, table_of
from s2v_detect.cli._terminal import (
    has_reader_left,
    printable,
    shown_image,
    stderr_console,
)
from s2v_detect.languages import N_, _, ngettext, pgettext, why
from s2v_detect.ledger import AnyLedger, ledger_at
from s2v_detect.tables import OutputError

_STATES = (
    *(N_("asked"), N_("sent"), N_("answered"), N_("skipped"), N_("failed")),
    *("unknown", N_("not sent")),
)
_OUTCOMES = (N_("sent"), N_("billed"), N_("free"), "unknown", N_("not sent"))
"""`unknown` is said of the bill: the word is not the one for what is unknown of a set-up."""
_FLAG = Parameter(negative=(), show_default=False)
_NARROW = 80
_EXPORT_COLUMNS = f"Columns:\n{as_text(LEDGER_COLUMNS)}"

ledger_app = App(
    name="ledger",
    help="What was asked, sent, answered and billed: look at it, copy it, settle it, forget it.",
    help_epilogue=_examples.LEDGER,
    help_format="plaintext",
    result_action="return_value",
)
for command in (copy, forget, prune):
    ledger_app.command(command)


@ledger_app.command
def show(
    ledger: LedgerPlace,
    /,
    *images: str,
    by_identity: Annotated[bool, _FLAG] = False,
    as_json: Annotated[bool, Parameter(name="--json"), _FLAG] = False,
) -> int:
    """Show images with all their requests; without an image, how many are in which state.

    Args:
        ledger: The ledger: its file, or the address of its server.
        images: Addresses, in any spelling that is the same image, or files.
        by_identity: The images are given as in the --identity-column of their run.
        as_json: Print JSON lines.
    """
    stdout_descriptor()
    refuse_idle(_idle(images, by_identity=by_identity))
    with ledger_at(ledger) as books:
        if not images:
            return _overview(books, as_json=as_json)
        named = meant(images, by_identity=by_identity)
        given = dict(zip(images, named, strict=True))
        entries = books.entries(given.values(), by_identity=by_identity)
        for image, each in given.items():
            entry = entries.get(each)
            attempts = books.attempts(each, by_identity=by_identity)
            if entry is None:
                told = _("{name} was never asked for.").format(name=shown_image(image))
                stderr_console().print(told, markup=False)
            elif as_json:
                requests = [_attempt_fields(attempt) for attempt in attempts]
                _print_json(_entry_fields(entry) | {"requests": requests})
            else:
                _print_entry(entry, attempts)
    return Exit.DONE if len(entries) == len(given) else Exit.INCOMPLETE


@ledger_app.command
def statement(
    ledger: LedgerPlace, /, *, as_json: Annotated[bool, Parameter(name="--json"), _FLAG] = False
) -> int:
    """Print what was spent, by day and run, to lay beside the vendor's bill.

    A day is one of Beijing's, as in the bill. Requests whose answers were
    lost are unknown: at most they were billed.

    Args:
        ledger: The ledger: its file, or the address of its server.
        as_json: Print JSON lines.
    """
    stdout_descriptor()
    with ledger_at(ledger) as books:
        spends = books.statement()
    if as_json:
        for spend in spends:
            _print_json(_spend_fields(spend))
        return Exit.DONE
    total = LedgerSpend(
        "",
        _("in all"),
        sum(spend.requests for spend in spends),
        sum(spend.billed for spend in spends),
        sum(spend.unknown for spend in spends),
    )
    figures = (_("requests"), _("billed"), _name_of("unknown"), _("CNY"), _("CNY at most"))
    _print_table(
        [Column(_("day (Beijing)"), Kind.WORD), Column(_("run")), *_figures(*figures)],
        [_spend_row(spend) for spend in [*spends, total]],
    )
    return Exit.DONE


@ledger_app.command(help_epilogue=_EXPORT_COLUMNS)
def export(
    ledger: LedgerPlace,
    /,
    *,
    out: Annotated[str, Parameter(name=("--out", "-o"), allow_leading_hyphen=True)],
    force: Annotated[bool, _FLAG] = False,
) -> int:
    """Write everything, one row an image. Signed addresses are written whole.

    Args:
        ledger: The ledger: its file, or the address of its server.
        out: CSV, TSV, JSON lines, Excel or Parquet by its ending; - is JSON lines on stdout.
        force: Replace a file that is there.
    """
    written = stdout_descriptor() if out == "-" else Path(out)
    replaces = export_over(force=force)
    refuse_conflicts([*used_by(ledger), as_written(N_("the export"), written, replaces)])
    with ledger_at(ledger) as books:
        rows = (_entry_fields(entry) for entry in books.all_entries())
        if out == "-":
            for row in rows:
                _print_json(row)
                if has_reader_left():
                    break
            return Exit.DONE
        path = Path(out)
        try:
            write_table(path, rows, columns=LEDGER_COLUMNS)
        except OutputError as error:
            raise Unusable(str(error)) from error
        except OSError as error:
            raise Unusable(unwritable(out, why(error), "-o")) from error
    return Exit.DONE


@ledger_app.command
def reconcile(
    ledger: LedgerPlace,
    /,
    *images: str,
    by_identity: Annotated[bool, _FLAG] = False,
    resend: Annotated[bool, _FLAG] = False,
    write_off: Annotated[bool, _FLAG] = False,
) -> int:
    """List the images that were sent and whose answers were lost, or settle them.

    Without an option nothing is changed. Nothing is sent: after --resend the
    next run asks for them once more.

    Args:
        ledger: The ledger: its file, or the address of its server.
        images: Only these.
        by_identity: The images are given as in the --identity-column of their run.
        resend: Let each be asked for once more; it may be billed twice.
        write_off: Count them as failed, and their requests as perhaps billed.
    """
    if resend and write_off:
        raise Unusable(_("--resend and --write-off exclude each other. Give one of them."))
    refuse_idle(_idle(images, by_identity=by_identity))
    console = stderr_console()
    named = meant(images, by_identity=by_identity)
    with ledger_at(ledger) as books:
        if resend:
            count = books.allow_resend(named or None, by_identity=by_identity)
            told = ngettext(
                "{count:,} image may be asked for again, for at most CNY {cost} more.",
                "{count:,} images may be asked for again, for at most CNY {cost} more.",
                count,
            )
            console.print(told.format(count=count, cost=count * PRICE_CNY))
        elif write_off:
            count = books.write_off(named or None, by_identity=by_identity)
            told = ngettext(
                "{count:,} image counts as failed; it may have been billed.",
                "{count:,} images count as failed; they may have been billed.",
                count,
            )
            console.print(told.format(count=count))
        else:
            stdout_descriptor()
            found = books.entries(named, by_identity=by_identity).values()
            _list_unknown(books, {entry.id for entry in found} if images else None)
    return Exit.DONE


def _idle(images: Sequence[str], *, by_identity: bool) -> list[Idle]:
    told = _(
        "{option} is for images that are named. Give what they are known by, or leave {option} out."
    )
    return [Idle("--by-identity", by_identity, not images, told)]


def _list_unknown(books: AnyLedger, wanted: set[int] | None) -> None:
    """Print those of the wanted; None: of all."""
    columns = [Column(_("image")), Column(_("lost at (UTC)"), Kind.WORD)]
    rows = []
    for entry in books.all_entries("unknown"):
        if wanted is None or entry.id in wanted:
            row = (shown_image(entry.image), _to_the_second(entry.at))
            rows.append((*row, str(entry.attempts), str(entry.cost_at_most)))
    if count := len(rows):
        _print_table([*columns, *_figures(_("requests"), _("CNY at most"))], rows)
    told = ngettext(
        "{count:,} image is unknown. --resend lets them be asked for once more, --write-off counts"
        " them as failed.",
        "{count:,} images are unknown. --resend lets them be asked for once more, --write-off"
        " counts them as failed.",
        count,
    ).format(count=count)
    stderr_console().print(told if count else _("No image is unknown."))


def _overview(books: AnyLedger, *, as_json: bool) -> int:
    counts = dict.fromkeys(_STATES, 0)
    for entry in books.all_entries():
        counts[entry.state] += 1
    if as_json:
        _print_json(counts)
        return Exit.DONE
    rows = [(_name_of(state), f"{count:,}") for state, count in counts.items()]
    _print_table([Column(_("state"), Kind.WORD), *_figures(_("images"))], rows)
    return Exit.DONE


def _print_entry(entry: LedgerEntry, attempts: Iterable[LedgerAttempt]) -> None:
    console = stdout_console()
    console.print(Text(shown_image(entry.image), style="bold"))
    for name, value in (_entry_fields(entry) | {"state": _name_of(entry.state)}).items():
        if name != "image" and (value is False or value not in (None, "", 0)):
            console.print(Text(f"  {name:<13} {printable(str(value))}"))
    headings = [_("sent at (UTC)"), _("ended at (UTC)")]
    columns = [Column(each, Kind.WORD) for each in (*headings, _("outcome"))]
    columns += [Column(name) for name in (_("error"), _("code"), _("request id"), _("run"))]
    rows = [_attempt_row(attempt) for attempt in attempts]
    if console.width < _NARROW:  # one below the other: beside each other they leave no room for ids
        columns[:2] = [Column("\n".join(headings), Kind.WORD)]
        rows = [["\n".join(row[:2]), *row[2:]] for row in rows]
    filled_in = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    if rows:
        shown = [[row[place] for place in filled_in] for row in rows]
        _print_table([columns[place] for place in filled_in], shown)


def _attempt_row(attempt: LedgerAttempt) -> list[str]:
    ended = "" if attempt.ended_at is None else _to_the_second(attempt.ended_at)
    told = (attempt.error, attempt.code, attempt.request_id, attempt.run)
    names = [printable(str(each or "")) for each in told]
    return [_to_the_second(attempt.sent_at), ended, _name_of(attempt.outcome), *names]


def _spend_row(spend: LedgerSpend) -> list[str]:
    counts = (f"{count:,}" for count in (spend.requests, spend.billed, spend.unknown))
    amounts = (str(spend.cost), str(spend.cost_at_most))
    return [spend.day, printable(spend.run) or "-", *counts, *amounts]


def _name_of(state: str) -> str:
    """Return what a state or an outcome is called, in the language that is spoken."""
    return pgettext("of a bill", "unknown") if state == "unknown" else _(state)


def _entry_fields(entry: LedgerEntry) -> dict[str, Any]:
    told = {
        **entry._asdict(),
        "image": entry.image,
        "identity": entry.own_identity or "",
        "check_pass": None if entry.check_pass is None else bool(entry.check_pass),
        "humanoid": None if entry.humanoid is None else bool(entry.humanoid),
        "code": without_key(entry.code),  # an older release may have kept what was echoed
        "message": without_key(entry.message),
        "cost": float(entry.cost),
        "cost_at_most": float(entry.cost_at_most),
        "elapsed_s": round(entry.elapsed_s, 3),
        "answered_at": None if entry.answered_at is None else _iso(entry.answered_at),
        "at": _iso(entry.at),
    }
    return filled(LEDGER_COLUMNS, told)


def _attempt_fields(attempt: LedgerAttempt) -> dict[str, Any]:
    return {
        "sent_at": _iso(attempt.sent_at),
        "ended_at": None if attempt.ended_at is None else _iso(attempt.ended_at),
        "outcome": attempt.outcome,
        "error": attempt.error,
        "code": attempt.code,
        "request_id": attempt.request_id,
        "run": attempt.run,
        "service_ms": attempt.service_ms,
    }


def _spend_fields(spend: LedgerSpend) -> Mapping[str, Any]:
    amounts = {"cost": str(spend.cost), "cost_at_most": str(spend.cost_at_most)}
    return spend._asdict() | amounts


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _to_the_second(at: float) -> str:
    """Return a time for people; the zone is in the heading, and --json has the rest."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


def _figures(*headings: str) -> list[Column]:
    return [Column(heading, Kind.FIGURE) for heading in headings]


def _print_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    console = stdout_console()
    console.print(table_of(columns, rows, console.width))


def _print_json(fields: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(fields, ensure_ascii=False) + "\n")
