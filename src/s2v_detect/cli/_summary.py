"""The closing summary of a run, for people."""

from collections import Counter

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from s2v_detect.bulk import RunSummary
from s2v_detect.cli._exits import MEANINGS, Exit, exit_of
from s2v_detect.cli._terminal import duration, printable

_REASONS = 6


def print_summary(console: Console, summary: RunSummary, *, output: str, emulated: bool) -> None:
    """Print how a run ended and what it came to."""
    console.print()
    console.print(_head(summary))
    console.print(_counts(summary, output=output, emulated=emulated))
    for problem in problems_of(summary, output):
        console.print(Text(problem, style="red"))
    code = exit_of(summary)
    style = "green" if code is Exit.DONE else "yellow"
    console.print(Text(f"Exit {code.value}: {MEANINGS[code]}.", style=style))


def _head(summary: RunSummary) -> Text:
    tally = summary.tally
    images = "1 image" if tally.done == 1 else f"{tally.done:,} images"
    requests = "1 request" if tally.sent == 1 else f"{tally.sent:,} requests"
    pace = f", {tally.sent_per_s:.2f} a second" if tally.sent_per_s else ""
    text = Text(f"{images} in {duration(summary.elapsed_s)}", style="bold")
    return text.append(f"   {requests}{pace}", style="default not bold")


def _counts(summary: RunSummary, *, output: str, emulated: bool) -> RenderableType:
    tally, spend = summary.tally, summary.spend
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(overflow="fold")
    table.add_row("  passed", Text(f"{tally.passed:,}", style="green"), "")
    rejected = Text(f"{tally.rejected:,}", style="yellow" if tally.rejected else "")
    table.add_row("  rejected", rejected, _listed(tally.rejected_by_code, "no reason given"))
    if tally.skipped:
        table.add_row("  skipped", f"{tally.skipped:,}", "not sent, not billed")
    if tally.failed:
        failed = Text(f"{tally.failed:,}", style="red")
        table.add_row("  failed", failed, _listed(tally.failed_by_error, ""))
    if tally.throttled:
        table.add_row("  slowed", f"{tally.throttled:,}", "times, as the service asked (429)")
    money = Table.grid(padding=(0, 3, 0, 0))
    money.add_row("  cost    ", f"CNY {spend.cost}", _doubt(summary, emulated=emulated))
    money.add_row("  output  ", Text(printable(output)), "")
    return Group(table, money)


def _listed(counts: Counter[str], unnamed: str) -> Text:
    first = counts.most_common(_REASONS)
    parts = [f"{printable(name) or unnamed} {count:,}" for name, count in first]
    if len(counts) > len(first):
        parts.append(f"{len(counts) - len(first)} other reasons")
    return Text(" · ".join(parts), style="dim")


def _doubt(summary: RunSummary, *, emulated: bool) -> str:
    if emulated:
        return "as the emulator counts it; nothing was billed"
    spend = summary.spend
    if not spend.unknown:
        return "before any free images"
    requests = "1 request was" if spend.unknown == 1 else f"{spend.unknown:,} requests were"
    return f"at most CNY {spend.cost_at_most}: {requests} sent and the answer was lost"


def problems_of(summary: RunSummary, output: str) -> list[str]:
    """Return what ended the run or spoilt its output, each with what to do about it."""
    problems = []
    if summary.fault:
        problems.append(f"The run ended early. {printable(str(summary.fault))}")
    if summary.input_error:
        why = summary.input_error.strerror or type(summary.input_error).__name__
        problems.append(f"The input could not be read to its end: {why}.")
    if summary.output_error:
        why = summary.output_error.strerror or type(summary.output_error).__name__
        problems.append(
            f"{printable(output)} takes no more: {why}. Sending was stopped;"
            f" {summary.tally.unwritten:,} outcomes are not in it and are lost."
        )
    return problems
