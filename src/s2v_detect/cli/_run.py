"""`s2v-detect run`: a file of images into a file of verdicts."""

import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from rich.console import Console

from s2v_detect.bulk import (
    Files,
    Input,
    Output,
    OwnFiles,
    RunSummary,
    Sample,
    Source,
    column_names,
    is_folder,
    is_image_file,
    is_pattern,
    open_output,
    pipe_output,
    refuse_conflicts,
)
from s2v_detect.cli._account import Account, Sending, emulator_class
from s2v_detect.cli._buckets import folder_of, is_bucket, listed_bucket, tell_left_out
from s2v_detect.cli._clock import ends_by
from s2v_detect.cli._events import EventLines
from s2v_detect.cli._exits import Exit, exit_of
from s2v_detect.cli._finishing import (
    refuse_unfinishable,
    stdin_descriptor,
    stdout_descriptor,
    unwritable,
)
from s2v_detect.cli._going_on import refuse_strange_output
from s2v_detect.cli._live import folder_beside, live_page, note_of
from s2v_detect.cli._plan import Plan
from s2v_detect.cli._progress import TaskOfBlock
from s2v_detect.cli._report import write_page
from s2v_detect.cli._screening import Begun, Screening, Unusable
from s2v_detect.cli._summary import print_summary, tell_doubt
from s2v_detect.cli._summary_file import write_summary
from s2v_detect.cli._terminal import STANDARD, joined, printable, stderr_console
from s2v_detect.cli._too_many import refuse_too_many
from s2v_detect.languages import _, why
from s2v_detect.ledger import AnyLedger
from s2v_detect.tables import InputError, OutputError, format_of


def screen_file(source: str, out: str, account: Account, plan: Plan, sending: Sending) -> Exit:
    """Screen an input into an output, print the summary and return the exit code."""
    console, ends = stderr_console(), ends_by(sending.until, sending.max_time)
    refuse_conflicts(plan.used_by(source, out))
    if account.emulator:
        emulator_class()  # its extra is told of first
    _refuse_unfinishable(out, plan)
    with ExitStack() as closing_all:
        rows = closing_all.enter_context(closing(opened_input(source, plan, out)))
        _refuse_place(out)
        refuse_too_many(lambda: opened_input(source, plan, out), source, out, sample=plan.sample)
        ledger = plan.ledger_for(out)
        if ledger:
            closing_all.callback(ledger.close)
            refuse_strange_output(out, ledger)
            plan.refuse_other_identity(ledger)
        sample = plan.sample and Sample(rows.batches(), plan.sample, plan.seed or 0)
        events = plan.events and closing_all.enter_context(EventLines(plan.events))
        screening = Screening(
            # A pipe may have its first row much later; its output has a lock by then.
            source=sample or rows if is_stream(source) else Begun(sample or rows),
            open_output=output_opener(out, rows, plan, ledger, console),
            account=account,
            sending=sending,
            console=console,
            folder=folder_of(source),
            ledger=ledger,
            budget=plan.budget,
            retry_failed=plan.retried,
            identity_column=plan.identity_column,
            on_event=events.write if events else None,
            ends=ends,
        )
        port = plan.live_port
        live = port is not None and closing_all.enter_context(
            live_page(port, source, out, screening, plan.ledger_of(out))
        )
        try:
            summary = asyncio.run(_counted(rows, live.shown if live else screening))
        except (InputError, OutputError) as error:
            raise Unusable(str(error)) from error
        code, name = exit_of(summary), "stdout" if out == STANDARD else out
        sampled = sample or None
        print_summary(console, summary, output=name, emulated=account.emulator, sample=sampled)
        tell_doubt(console, summary, rows, plan.column)
        tell_left_out(console, rows)
        if plan.summary:
            write_summary(plan.summary, summary, output=name, sample=sampled)
        if live:
            live.end(summary, name)
    if plan.report:
        _report_on(source, out, plan, screening)
    return code


def _refuse_place(out: str) -> None:
    if Path(out).is_dir():
        told = _("{name} is a folder. Give the name of a file after -o.")
        raise Unusable(told.format(name=printable(out)))
    if not Path(out).parent.is_dir():
        raise Unusable(unwritable(out, _("No such file or directory"), "-o"))


def _refuse_unfinishable(out: str, plan: Plan) -> None:
    """Raise `Unusable` for what the end of the run would fail at."""
    has_records = not is_stream(out) or plan.ledger_of(out) is not None
    refuse_unfinishable(
        summary=plan.summary, report=plan.report, has_records=has_records, output=out
    )


def _report_on(source: str, out: str, plan: Plan, screening: Screening) -> None:
    assert plan.report is not None  # noqa: S101  # for the types
    place = plan.ledger_of(out)
    write_page(
        place if place and is_stream(out) else Path(out),
        plan.report,
        title=None,
        note=note_of(screening),
        ledger=place,
        beside=folder_beside(source),
        rate=screening.sending.rate,
    )


def opened_input(name: str, plan: Plan, out: str = STANDARD) -> Source:
    """Return the input of that name: a file, folder, pattern or bucket, `-` for stdin.

    What the run itself writes is no input of it.
    """
    if is_bucket(name):
        return listed_bucket(name)
    own = OwnFiles(plan.written_by(out))

    def tell(guessed: str, option: str) -> None:
        what = "stdin" if name == STANDARD else printable(name)
        told = _("{name} is read as {kind}.").format(name=what, kind=guessed)
        other = option and _("If that is wrong, give {option}.").format(option=option)
        stderr_console().print(joined(told, other), markup=False)

    try:
        if is_pattern(name):
            return Files.matching(name, own=own)
        if is_folder(name):
            return Files.in_folder(Path(name), recursive=plan.recursive, own=own)
        if name != STANDARD and is_image_file(Path(name)):
            return Files.one(Path(name))
        if name != STANDARD:
            return Input.open(
                Path(name), takes_files=plan.files, own=own, on_guess=tell, **plan.read_as
            )
        beside = Path() if plan.files else None
        return Input(
            stdin_descriptor(), files_beside=beside, own=own, on_guess=tell, **plan.read_as
        )
    except InputError as error:
        raise Unusable(str(error)) from error
    except OSError as error:
        told = _(
            "{name} can't be read: {why}. Give a folder of images, a pattern in quotes, or a list"
            " of them: text, CSV, TSV, JSON lines, Excel or Parquet."
        )
        raise Unusable(told.format(name=printable(name), why=why(error))) from error


def output_opener(
    name: str, rows: Source, plan: Plan, ledger: AnyLedger | None, console: Console
) -> Callable[[], Output]:
    """Return what opens the output of that name, `-` for stdout."""
    if name == STANDARD:
        return stdout_lines

    def tell(path: Path, kept: Path, reason: str) -> None:
        told = _("{name} was changed after the run that wrote it, and is kept as {kept}.")
        if reason == "other rows":
            told = _(
                "{name} had rows of an earlier run that this run has not, and is kept as {kept}."
            )
        told = told.format(name=printable(path.name), kept=printable(kept.name))
        console.print(told, markup=False)

    has_other_ending = Path(name).suffix and format_of(Path(name)) == "text"
    is_odd = bool(has_other_ending) and not is_stream(name)

    def opened() -> Output:
        output = open_output(
            Path(name),
            columns=lambda: column_names(rows.columns),
            marks=ledger,
            on_kept=tell,
            guards_all=plan.guard_formulas,
            excel_delimiter=(lambda: _excel_delimiter(name, rows)) if plan.excel else None,
            known_by=column_names([plan.identity_column])[0] if plan.identity_column else "image",
        )
        if is_odd:
            told = _(
                "{name} is written as JSON lines; the ending .csv, .tsv, .xlsx or .parquet gives a"
                " table."
            )
            console.print(told.format(name=printable(name)), markup=False)
        return output

    return opened


def _excel_delimiter(out: str, rows: Source) -> str:
    """Return what separates the cells of a CSV file on the machine that the input comes from."""
    return rows.delimiter if Path(out).suffix.lower() == ".csv" and rows.delimiter in ",;" else ""


def is_stream(out: str) -> bool:
    """Whether an output can't be read again: stdout, a pipe, a device."""
    return out == STANDARD or (Path(out).exists() and not Path(out).is_file())


def stdout_lines() -> Output:
    """Return an output that goes to stdout."""
    return pipe_output(os.dup(stdout_descriptor()))


async def _counted(rows: Source, screening: Screening) -> RunSummary:
    """Run, with the input's length counted beside the first requests."""
    begun = screening.source if isinstance(screening.source, Begun) else None
    if begun:
        await begun.begin()
    try:
        with TaskOfBlock(rows.count(), "The count of the images"):
            return await screening.run()
    finally:
        if begun:
            await begun.close()


__all__ = [
    "opened_input",
    "screen_file",
    "stdout_lines",
]
