"""The closing summary of a run, for people."""

from collections import Counter
from decimal import Decimal
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from s2v_detect import Spend
from s2v_detect._service import PRICE_CNY, REQUESTS_PER_S
from s2v_detect.bulk import RunSummary, Sample, Skip, Skips, Source, interval, is_image_name
from s2v_detect.cli._advised import advised_reason
from s2v_detect.cli._clock import OPTIONS
from s2v_detect.cli._exits import MEANINGS, Exit, exit_of
from s2v_detect.cli._faults import told_of
from s2v_detect.cli._terminal import duration, joined, printable, shown_image
from s2v_detect.images import NO_ADDRESS, NO_URL, UNREAD
from s2v_detect.languages import _, ngettext, why

_REASONS = 6
_COLUMNS = 20
_OF_COLUMN = (NO_URL, NO_ADDRESS, UNREAD, "the column ")
"""How reasons begin that all rows have where the images are in another column."""


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
    if rest := joined(_left(summary), _going_on(summary, code)):
        console.print(Text(rest, style="yellow"))
    style = "green" if code is Exit.DONE else "yellow"
    told = _("Exit {code}: {meaning}.").format(code=code.value, meaning=_(MEANINGS[code]))
    console.print(Text(told, style=style))


def tell_doubt(console: Console, summary: RunSummary, rows: Source, wanted: str | None) -> None:
    """Print that the column which `--column` says may be the wrong one, where outcomes say so.

    All rows were skipped for one reason, and what the first has is not called as an image.
    """
    ranked = summary.tally.skips.ranked
    others = [name for name in rows.columns or () if name != rows.column]
    is_doubted = (
        summary.is_complete
        and len(ranked) == 1
        and ranked[0].count == summary.tally.done
        and ranked[0].reason.startswith(_OF_COLUMN)
        and not is_image_name(ranked[0].image)
    )
    if wanted is None or not others or not is_doubted:
        return
    shown = _(", ").join(others[:_COLUMNS]) + (" …" if others[_COLUMNS:] else "")
    told = _(
        "No row is an image. Check --column: it is now {column!r}, and the other columns are"
        " {others}."
    )
    told = printable(told.format(column=rows.column, others=shown))
    console.print(Text(told, style="yellow"))


def _head(summary: RunSummary) -> Text:
    tally = summary.tally
    images = ngettext("{count:,} image in {time}", "{count:,} images in {time}", tally.done)
    images = images.format(count=tally.done, time=duration(summary.elapsed_s))
    requests = ngettext("{count:,} request", "{count:,} requests", tally.sent)
    if tally.sent_per_s:
        requests = ngettext(
            "{count:,} request, {speed:.2f} a second",
            "{count:,} requests, {speed:.2f} a second",
            tally.sent,
        )
    requests = requests.format(count=tally.sent, speed=tally.sent_per_s)
    return Text(images, style="bold").append(f"   {requests}", style="default not bold")


Line = tuple[str, str | Text, str | Text]
"""Of the summary: a word, a figure or a name, and what there is to say of it."""


def _counts(summary: RunSummary, *, output: str, emulated: bool) -> RenderableType:
    counts = [*_of_outcomes(summary), *_of_pace(summary)]
    others = [*_of_money(summary, emulated=emulated), (_("output"), Text(_written(output)), "")]
    width = max(cell_len(word) for word, *_rest in counts + others)
    return Group(_grid(counts, width, "right"), _grid(others, width, "left"))


def _grid(lines: list[Line], width: int, justify: JustifyMethod) -> RenderableType:
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(min_width=width)
    table.add_column(justify=justify, overflow="fold")
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(*line)
    return Padding(table, (0, 0, 0, 2))


def _of_outcomes(summary: RunSummary) -> list[Line]:
    tally = summary.tally
    rejected = Text(f"{tally.rejected:,}", style="yellow" if tally.rejected else "")
    lines: list[Line] = [
        (_("passed"), Text(f"{tally.passed:,}", style="green"), ""),
        (_("rejected"), rejected, _listed(tally.rejected_by_code, _("no reason given"))),
    ]
    if tally.skipped:
        lines.append((_("skipped"), f"{tally.skipped:,}", _unsent(summary.spend)))
        lines += [("", "", Text(told, style="dim")) for told in skips_told(tally.skips)]
    if tally.unseen:
        unseen = _("could not be looked at, and were sent all the same (--events says why)")
        lines.append((_("unseen"), f"{tally.unseen:,}", unseen))
    if tally.failed:
        failed = Text(f"{tally.failed:,}", style="red")
        lines.append((_("failed"), failed, _listed(tally.failed_by_error, "")))
        lines += [("", "", Text(told, style="dim")) for told in skips_told(tally.failures)]
    if tally.known:
        known = Text(f"{tally.known:,}", style="cyan")
        lines.append((_("known"), known, _("of these: cost nothing now")))
    if again := summary.spend.shared + summary.spend.known:  # of this run's own images
        told = _("of these: the same image again, asked for once")
        lines.append((_("repeated"), f"{again:,}", told))
    return lines


def _of_money(summary: RunSummary, *, emulated: bool) -> list[Line]:
    spend, in_all = summary.spend, summary.spend_in_all
    doubt = _doubt(summary, emulated=emulated)
    lines: list[Line] = [(_("cost"), _("CNY {cost}").format(cost=spend.cost), doubt)]
    if in_all and in_all.cost_at_most != spend.cost_at_most:
        told = _("with the earlier runs")
        if in_all.unknown:
            told = _("with the earlier runs; at most CNY {cost}").format(cost=in_all.cost_at_most)
        lines.append((_("in all"), _("CNY {cost}").format(cost=in_all.cost), told))
    return lines


def _of_pace(summary: RunSummary) -> list[Line]:
    """Return what kept the run from the whole rate."""
    tally = summary.tally
    lines: list[Line] = []
    if count := tally.throttled:
        told = ngettext(
            "time, as the service asked (429)", "times, as the service asked (429)", count
        )
        lines.append((_("slowed"), f"{count:,}", told))
    if count := tally.outages:
        told = ngettext("for the end of an outage", "for the end of {count:,} outages", count)
        lines.append((_("waited"), duration(tally.outage_s), told.format(count=count)))
    if count := summary.processes_met:
        told = ngettext(
            "other process used the account's rate at the same time",
            "other processes used the account's rate at the same time",
            count,
        )
        lines.append((_("shared"), f"{count:,}", told))
    if (given := summary.given_per_s) is not None:
        told = _("a second by the account at the end, no more")
        lines.append((_("given"), f"{given:.2g}", told))
    return lines


def _unsent(spend: Spend) -> str:
    spared = spend.refused + spend.unreachable
    if not spared:
        return _("not sent, not billed")
    return ngettext(
        "not sent, not billed: {count:,} request saved",
        "not sent, not billed: {count:,} requests saved",
        spared,
    ).format(count=spared)


def skips_told(skips: Skips) -> list[str]:
    """Return why rows were skipped, a line for each of the most frequent reasons."""
    ranked = skips.ranked
    told = [_skip_told(skip) for skip in ranked[:_REASONS]]
    more = len(ranked) - _REASONS
    if more > 0:
        others = ngettext("and {count:,} other reason", "and {count:,} other reasons", more)
        told.append(others.format(count=more))
    return told


def _skip_told(skip: Skip) -> str:
    where = shown_image(skip.image)
    if skip.line is not None:
        where = _("line {line:,}").format(line=skip.line)
    if skip.count > 1:
        where = _("first in {where}").format(where=where)
    told = _("{count:,} x {reason} ({where})")
    return told.format(count=skip.count, reason=printable(advised_reason(skip)), where=where)


def _written(output: str) -> str:
    is_there = output == "stdout" or Path(output).exists()
    name = printable(output)
    return name if is_there else _("{name} was not written").format(name=name)


def _listed(counts: Counter[str], unnamed: str) -> Text:
    first = counts.most_common(_REASONS)
    parts = [f"{printable(name) or unnamed} {count:,}" for name, count in first]
    if more := len(counts) - len(first):
        others = ngettext("{count:,} other reason", "{count:,} other reasons", more)
        parts.append(others.format(count=more))
    return Text(" · ".join(parts), style="dim")


def _doubt(summary: RunSummary, *, emulated: bool) -> str:
    if emulated:
        return _("as the emulator counts it; nothing was billed")
    spend = summary.spend
    if not spend.unknown:
        return _("before any free images") if spend.billed else ""
    return ngettext(
        "at most CNY {cost}: {count:,} request was sent and the answer was lost",
        "at most CNY {cost}: {count:,} requests were sent and the answer was lost",
        spend.unknown,
    ).format(cost=spend.cost_at_most, count=spend.unknown)


def problems_of(summary: RunSummary, output: str, *, of_one: bool = False) -> list[str]:
    """Return what ended the run or spoilt its output, each with what to do about it.

    `of_one`: a single image was asked for, and nothing else was left out.
    """
    name = printable(output)
    problems = []
    if summary.fault:
        fault = printable(told_of(summary.fault))
        problems.append(fault if of_one else _("The run ended early. {why}").format(why=fault))
    if summary.ended_by:
        told = _("The run ended early, by {option}. The same command goes on.")
        if not summary.has_ledger:
            told = _(
                "The run ended early, by {option}. The same command begins anew, for it has no"
                " ledger."
            )
        problems.append(told.format(option=OPTIONS[summary.ended_by]))
    if not (summary.is_complete or summary.is_placed) and Path(output).is_file():
        told = _(
            "{name} still has the rows of an earlier run. The outcomes of this one are in the"
            " ledger; the same command, run to its end, replaces the file."
        )
        problems.append(told.format(name=name))
    if summary.input_error:
        told = _("The input could not be read to its end: {why}.")
        problems.append(told.format(why=why(summary.input_error)))
    if summary.output_error:
        told = _("{name} takes no more: {why}. Sending was stopped; {left_out}")
        left_out = _left_out(summary)
        problems.append(told.format(name=name, why=why(summary.output_error), left_out=left_out))
    return problems


def _left(summary: RunSummary) -> str:
    """Return how many images have no outcome yet; empty where nobody knows, or none is left."""
    if not summary.left:
        return ""
    told = ngettext(
        "{count:,} of {total:,} images is left.",
        "{count:,} of {total:,} images are left.",
        summary.left,
    )
    return told.format(count=summary.left, total=summary.total)


def _going_on(summary: RunSummary, code: Exit) -> str:
    """Return what the same command does; empty where a problem, or its advice, says so."""
    if summary.left == 0 or code not in (Exit.INTERRUPTED, Exit.ACCOUNT):
        return ""
    if not summary.has_ledger:
        return _("The same command begins anew, for it has no ledger.")
    if code is Exit.INTERRUPTED:
        return _("The same command goes on.")
    return _("When that is mended, the same command goes on.")


def _left_out(summary: RunSummary) -> str:
    count = summary.tally.unwritten
    told = ngettext(
        "{count:,} outcome is not in it, and lost.",
        "{count:,} outcomes are not in it, and lost.",
        count,
    )
    if summary.has_ledger:
        told = ngettext(
            "{count:,} outcome is not in it; the ledger has what was answered.",
            "{count:,} outcomes are not in it; the ledger has what was answered.",
            count,
        )
    return told.format(count=count)


def cost_of_the_rest(summary: RunSummary, sample: Sample) -> Decimal:
    """Return the price of the rows that the sample has not, at most.

    Duplicates and images that can't be asked for make it less.
    """
    return (sample.rows_in_all - summary.tally.done) * PRICE_CNY


def _forecast(summary: RunSummary, sample: Sample) -> str:
    tally = summary.tally
    low, share, high = interval(tally.passed, tally.passed + tally.rejected)
    rest = sample.rows_in_all - tally.done
    told = ngettext(
        "pass rate {share:.1%}, with 95 % confidence between {low:.1%} and {high:.1%}. The other"
        " {count:,} row: at most CNY {cost}, and {time} at 5 a second.",
        "pass rate {share:.1%}, with 95 % confidence between {low:.1%} and {high:.1%}. The other"
        " {count:,} rows: at most CNY {cost}, and {time} at 5 a second.",
        rest,
    )
    return told.format(
        share=share,
        low=low,
        high=high,
        count=rest,
        cost=cost_of_the_rest(summary, sample),
        time=duration(rest / REQUESTS_PER_S),
    )
