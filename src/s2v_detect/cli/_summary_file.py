"""The closing summary of a run as JSON, for programs: in English, whatever is spoken."""

import json
from pathlib import Path
from typing import Any

from s2v_detect import Spend
from s2v_detect.bulk import RunSummary, Sample, Skips, interval, replacing
from s2v_detect.cli._exits import MEANINGS, exit_of, incomplete_because
from s2v_detect.cli._own import SUMMARY
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._summary import cost_of_the_rest, problems_of
from s2v_detect.cli._terminal import printable, tell_kept
from s2v_detect.languages import _, speaking, why

SCHEMA_VERSION = 1
"""Of the summary as JSON: it grows when a key changes its meaning or goes."""


def write_summary(
    path: Path, summary: RunSummary, *, output: str, sample: Sample | None = None
) -> None:
    """Write the summary as JSON, in English whatever is spoken. Raises `Unusable`."""
    with speaking("en"):
        text = json.dumps(_as_json(summary, output, sample), indent=2, ensure_ascii=False)
    try:
        with replacing(path, SUMMARY, tell_kept) as file:
            file.write(f"{text}\n".encode(errors="backslashreplace"))
    except OSError as error:
        told = _(
            "{name} can't be written: {why}. The run itself is done; give another name after"
            " --summary."
        )
        raise Unusable(told.format(name=printable(str(path)), why=why(error))) from error


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
        "rows_left": summary.left,
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
        "failed_by_reason": skips_as_json(tally.failures),
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
        "cost_of_the_rest_at_most": str(cost_of_the_rest(summary, sample)),
    }


def skips_as_json(skips: Skips) -> list[dict[str, Any]]:
    """Return why rows were skipped, all of it."""
    return [
        {"reason": skip.reason, "count": skip.count, "first_line": skip.line}
        for skip in skips.ranked
    ]
