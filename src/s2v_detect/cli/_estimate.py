"""`s2v-detect estimate`: what a run would ask for, cost and take. Nothing is sent."""

import asyncio
import json
from contextlib import closing
from datetime import datetime, timedelta
from math import ceil, isfinite, isinf
from typing import Any

from rich.table import Table
from rich.text import Text

from s2v_detect._service import PRICE_CNY
from s2v_detect.bulk import Expected, Sample, Source, refuse_conflicts
from s2v_detect.cli._account import Account, Sending
from s2v_detect.cli._buckets import tell_left_out
from s2v_detect.cli._clock import OPTIONS, Ends, ends_by
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._plan import Plan
from s2v_detect.cli._run import opened_input
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._summary import skips_told
from s2v_detect.cli._summary_file import skips_as_json
from s2v_detect.cli._terminal import STANDARD, duration, printable, stderr_console
from s2v_detect.cli._wrapping import WrappingConsole
from s2v_detect.languages import N_, _, why
from s2v_detect.tables import InputError

_NAMES = {
    "rows": N_("rows"),
    "faulty": N_("of them skipped"),
    "duplicates": N_("of them repeated"),
    "known": N_("images known from the ledger"),
    "asked": N_("images to be asked for"),
    "beyond_budget": N_("images that the budget leaves out"),
}


_CENTURY_S = 100 * 365.25 * 86_400


def estimate_run(
    source: str, out: str | None, account: Account, plan: Plan, sending: Sending, *, as_json: bool
) -> Exit:
    """Print what a run of the same options would do. `out` is None where nobody says."""
    written = STANDARD if out is None else out
    refuse_conflicts(plan.used_by(source, written))
    try:
        with closing(opened_input(source, plan, written)) as rows:
            expected = _expected(out, account, plan)
            counts = asyncio.run(_counted(rows, expected, plan))
    except InputError as error:
        raise Unusable(str(error)) from error
    except OSError as error:
        told = _("{name} can't be read to its end: {why}. Nothing was sent.")
        raise Unusable(told.format(name=printable(source), why=why(error))) from error
    tell_left_out(stderr_console(), rows)
    rate, ends = sending.rate, ends_by(sending.until, sending.max_time)
    cost, seconds = counts["asked"] * PRICE_CNY, counts["asked"] / rate
    if as_json:
        whole = round(seconds, 1) if isfinite(seconds) else None  # JSON has no word for it
        fields: dict[str, Any] = {**counts, "faulty_by_reason": skips_as_json(expected.skips)}
        if ends.left_s:
            fields["in_time"] = _in_time(counts["asked"], rate, ends)
        print(json.dumps({**fields, "cost": str(cost), "seconds": whole}))  # noqa: T201  # data goes to stdout
        return Exit.DONE
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column()
    table.add_column(overflow="fold")  # else rich leaves out the ends of Chinese lines
    for name, count in counts.items():
        table.add_row(_(_NAMES[name]), f"{count:,}")
        for reason in skips_told(expected.skips) if name == "faulty" else ():
            table.add_row("", Text(reason, style="dim"))
    told = _("CNY {cost}, before any free images") if cost else _("CNY {cost}")
    table.add_row(_("cost at most"), told.format(cost=cost))
    table.add_row(_("time"), _time(seconds, rate))
    if ends.left_s:
        table.add_row(_("of them in time"), _told_in_time(counts["asked"], rate, ends))
    WrappingConsole(highlight=False).print(table)
    return Exit.DONE


def _in_time(asked: int, rate: float, ends: Ends) -> int:
    """Return how many images are asked for before the clock ends the run."""
    left_s = max(0.0, min(ends.left_s.values()))
    return asked if isinf(rate) else min(asked, ceil(left_s * rate))


def _told_in_time(asked: int, rate: float, ends: Ends) -> str:
    bound, left_s = min(ends.left_s.items(), key=lambda each: each[1])
    at = datetime.now().astimezone() + timedelta(seconds=left_s)
    told = _("{count:,}, until {at:%d %b %H:%M} ({option})")
    return told.format(count=_in_time(asked, rate, ends), at=at, option=OPTIONS[bound])


def _time(seconds: float, rate: float) -> str:
    if seconds >= _CENTURY_S:
        return _("more than a century at {rate:g} a second").format(rate=rate)
    done_at = datetime.now().astimezone() + timedelta(seconds=seconds)
    told = _("{time} at {rate:g} a second; begun now, done {done_at:%d %b %H:%M}")
    return told.format(time=duration(seconds), rate=rate, done_at=done_at)


def _expected(out: str | None, account: Account, plan: Plan) -> Expected:
    ledger = plan.ledger_for(STANDARD if out is None else out)
    has_ledger = ledger is not None or out is None
    if ledger and out and not ledger.exists():
        ledger = None  # the run will make it
    if ledger:
        try:
            plan.refuse_other_identity(ledger)
        except BaseException:
            ledger.close()
            raise
    return Expected(
        ledger,
        retry_failed=plan.retried,
        allow_private=account.allows_private(),
        on_unknown=account.on_unknown,
        repeats_cost=not has_ledger,
    )


async def _counted(rows: Source, expected: Expected, plan: Plan) -> dict[str, int]:
    """Return the counts; the images for which the budget has no money are not asked for."""
    source = Sample(rows.batches(), plan.sample, plan.seed or 0) if plan.sample else rows
    try:
        async for batch in source.batches():
            await asyncio.to_thread(expected.take, batch)
        room = await asyncio.to_thread(expected.room_in, plan.budget)
        if room is not None:
            expected.spend_at_most(room)
    finally:
        expected.close()
    return dict(expected.counts)
