"""The closing summary of a run: for people, and as JSON for programs."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from s2v_detect import Spend
from s2v_detect._service import PRICE_CNY, REQUESTS_PER_S
from s2v_detect.bulk import RunSummary, Sample, Skip, Skips, interval, replacing
from s2v_detect.cli._clock import OPTIONS
from s2v_detect.cli._exits import MEANINGS, Exit, exit_of, incomplete_because
from s2v_detect.cli._own import SUMMARY
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import counted, duration, printable, shown_image, tell_kept

SCHEMA_VERSION = 1
"""Of the summary as JSON: it grows when a key changes its meaning or goes."""

_REASONS = 6


def print_summary(
    console: Console,
    summary: RunSummary,
    *,
    output: str,
    emulated: bool,
    sample: Sample | None = None,
) -> None:
    """Print how a run ended and what it came to."""
    console.print()
    console.print(_head(summary))
    console.print(_counts(summary, output=output, emulated=emulated))
    if sample:
        console.print(Text(f"  {_forecast(summary, sample)}"))
    for problem in problems_of(summary, output):
        console.print(Text(problem, style="red"))
    code = exit_of(summary)
    style = "green" if code is Exit.DONE else "yellow"
    console.print(Text(f"Exit {code.value}: {MEANINGS[code]}.", style=style))


def _head(summary: RunSummary) -> Text:
    tally = summary.tally
    images = counted(tally.done, "image", "images")
    requests = counted(tally.sent, "request", "requests")
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
        table.add_row("  skipped", f"{tally.skipped:,}", _unsent(spend))
        for told in skips_told(tally.skips):
            table.add_row("", "", Text(told, style="dim"))
    if tally.unseen:
        unseen = "could not be looked at, and were sent all the same (--events says why)"
        table.add_row("  unseen", f"{tally.unseen:,}", unseen)
    if tally.failed:
        failed = Text(f"{tally.failed:,}", style="red")
        table.add_row("  failed", failed, _listed(tally.failed_by_error, ""))
    if tally.known:
        table.add_row(
            "  known", Text(f"{tally.known:,}", style="cyan"), "of these: cost nothing now"
        )
    _add_pace(table, summary)
    money = Table.grid(padding=(0, 3, 0, 0))
    money.add_row("  cost    ", f"CNY {spend.cost}", _doubt(summary, emulated=emulated))
    if summary.spend_in_all and summary.spend_in_all.cost_at_most != spend.cost_at_most:
        in_all = summary.spend_in_all
        money.add_row(
            "  in all  ", f"CNY {in_all.cost}", f"with the earlier runs{_at_most(in_all)}"
        )
    money.add_row("  output  ", Text(_written(output)), "")
    return Group(table, money)


def _add_pace(table: Table, summary: RunSummary) -> None:
    """Add what kept the run from the whole rate."""
    tally = summary.tally
    if tally.throttled:
        times = "time" if tally.throttled == 1 else "times"
        table.add_row("  slowed", f"{tally.throttled:,}", f"{times}, as the service asked (429)")
    if tally.outages:
        of = "an outage" if tally.outages == 1 else f"{tally.outages:,} outages"
        table.add_row("  waited", duration(tally.outage_s), f"for the end of {of}")
    if met := summary.processes_met:
        others = "other process used" if met == 1 else "other processes used"
        table.add_row("  shared", f"{met:,}", f"{others} the account's rate at the same time")
    if (given := summary.given_per_s) is not None:
        table.add_row("  given", f"{given:.2g}", "a second by the account at the end, no more")


def _unsent(spend: Spend) -> str:
    spared = spend.refused + spend.unreachable
    if not spared:
        return "not sent, not billed"
    return f"not sent, not billed: {counted(spared, 'request', 'requests')} saved"


def skips_told(skips: Skips) -> list[str]:
    """Return why rows were skipped, a line for each of the most frequent reasons."""
    ranked = skips.ranked
    told = [f"{skip.count:,} x {printable(skip.reason)} ({_first(skip)})" for skip in ranked]
    more = len(ranked) - _REASONS
    return [*told[:_REASONS], *([f"and {more:,} other reasons"] if more > 0 else [])]


def _first(skip: Skip) -> str:
    where = shown_image(skip.image) if skip.line is None else f"line {skip.line:,}"
    return f"first in {where}" if skip.count > 1 else where


def skips_as_json(skips: Skips) -> list[dict[str, Any]]:
    """Return the same for programs, all of it."""
    return [
        {"reason": skip.reason, "count": skip.count, "first_line": skip.line}
        for skip in skips.ranked
    ]


def _written(output: str) -> str:
    is_there = output == "stdout" or Path(output).exists()
    return printable(output) if is_there else f"{printable(output)} was not written"


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
    requests = counted(spend.unknown, "request was", "requests were")
    return f"at most CNY {spend.cost_at_most}: {requests} sent and the answer was lost"


def problems_of(summary: RunSummary, output: str, *, of_one: bool = False) -> list[str]:
    """Return what ended the run or spoilt its output, each with what to do about it.

    `of_one`: a single image was asked for, and nothing else was left out.
    """
    problems = []
    if summary.fault:
        early = "" if of_one else "The run ended early. "
        problems.append(f"{early}{printable(summary.fault.in_command())}")
    if summary.ended_by:
        goes_on = "goes on" if summary.has_ledger else "begins anew, for it has no ledger"
        option = OPTIONS[summary.ended_by]
        problems.append(f"The run ended early, by {option}. The same command {goes_on}.")
    if not (summary.is_complete or summary.is_placed) and Path(output).is_file():
        problems.append(
            f"{printable(output)} holds more rows of an earlier run and was kept; the same command"
            " goes on from there."
        )
    if summary.input_error:
        why = summary.input_error.strerror or type(summary.input_error).__name__
        problems.append(f"The input could not be read to its end: {why}.")
    if summary.output_error:
        why = summary.output_error.strerror or type(summary.output_error).__name__
        problems.append(
            f"{printable(output)} takes no more: {why}. Sending was stopped;"
            f" {counted(summary.tally.unwritten, 'outcome is', 'outcomes are')} not in"
            f" it{_kept(summary)}."
        )
    return problems


def write_summary(
    path: Path, summary: RunSummary, *, output: str, sample: Sample | None = None
) -> None:
    """Write the summary as JSON. Raises `Unusable` where it can't."""
    text = json.dumps(_as_json(summary, output, sample), indent=2, ensure_ascii=False)
    try:
        with replacing(path, SUMMARY, tell_kept) as file:
            file.write(f"{text}\n".encode(errors="backslashreplace"))
    except OSError as error:
        raise Unusable(
            f"{printable(str(path))} can't be written: {error.strerror}. The run itself is done;"
            " give another name after --summary."
        ) from error


def _as_json(summary: RunSummary, output: str, sample: Sample | None) -> dict[str, Any]:
    tally, code = summary.tally, exit_of(summary)
    return {
        "schema_version": SCHEMA_VERSION,
        "exit_code": code.value,
        "exit_meaning": MEANINGS[code],
        "output": output,
        "is_complete": summary.is_complete,
        "incomplete_because": incomplete_because(summary),
        "elapsed_s": round(summary.elapsed_s, 3),
        "rows": tally.done,
        "passed": tally.passed,
        "rejected": tally.rejected,
        "skipped": tally.skipped,
        "failed": tally.failed,
        "known": tally.known,
        "unknown": tally.unknown,
        "unwritten": tally.unwritten,
        "unseen": tally.unseen,
        "rejected_by_code": dict(tally.rejected_by_code),
        "failed_by_error": dict(tally.failed_by_error),
        "skipped_by_reason": skips_as_json(tally.skips),
        "requests": tally.sent,
        "requests_per_s": round(tally.sent_per_s, 3),
        "throttled": tally.throttled,
        "processes_met": summary.processes_met,
        "given_per_s": None if (given := summary.given_per_s) is None else round(given, 3),
        "outages": tally.outages,
        "outage_s": round(tally.outage_s, 3),
        "spend": _spend(summary.spend),
        "spend_in_all": summary.spend_in_all and _spend(summary.spend_in_all),
        "sample": sample and _sampled(summary, sample),
        "problems": problems_of(summary, output),
    }


def _spend(spend: Spend) -> dict[str, Any]:
    """Return the counts, and the amounts as text: so they stay exact."""
    return spend.model_dump(mode="json")


def _sampled(summary: RunSummary, sample: Sample) -> dict[str, Any]:
    tally = summary.tally
    low, share, high = interval(tally.passed, tally.passed + tally.rejected)
    return {
        "rows": tally.done,
        "rows_in_all": sample.rows_in_all,
        "pass_rate": share,
        "pass_rate_low": low,
        "pass_rate_high": high,
        "confidence": 0.95,
        "cost_of_the_rest_at_most": str(_cost_of_the_rest(summary, sample)),
    }


def _cost_of_the_rest(summary: RunSummary, sample: Sample) -> Decimal:
    """Duplicates and images that can't be asked for make it less."""
    return (sample.rows_in_all - summary.tally.done) * PRICE_CNY


def _forecast(summary: RunSummary, sample: Sample) -> str:
    tally = summary.tally
    low, share, high = interval(tally.passed, tally.passed + tally.rejected)
    rest = sample.rows_in_all - tally.done
    return (
        f"pass rate {share:.1%}, with 95 % confidence between {low:.1%} and {high:.1%}. The other"
        f" {rest:,} rows: at most CNY {_cost_of_the_rest(summary, sample)}, and"
        f" {duration(rest / REQUESTS_PER_S)} at 5 a second."
    )


def _at_most(spend: Spend) -> str:
    return f"; at most CNY {spend.cost_at_most}" if spend.unknown else ""


def _kept(summary: RunSummary) -> str:
    return "; the ledger has what was answered" if summary.has_ledger else ", and lost"
