"""Options that would do nothing beside the others: refused before anything, never ignored.

Who gives an option expects something of it: `--answer pass` without `--emulator` would go to the
service, and be billed. What only some formats of a list have (`--encoding`, `--sheet`) the list
itself refuses, for it knows its format.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from s2v_detect.bulk import is_folder, is_image_file, is_pattern
from s2v_detect.cli._account import Account, Asked
from s2v_detect.cli._buckets import is_bucket
from s2v_detect.cli._plan import Plan
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import STANDARD, printable
from s2v_detect.tables import DELIMITERS

Kind = Literal["a bucket", "a folder", "a pattern of files", "an image", "a list"]


class Idle(NamedTuple):
    """An option, and whether it would do nothing."""

    option: str
    is_given: bool
    """Whether its user gave it."""
    is_idle: bool
    why: str
    """What it is for, and what to do, as the middle of a message."""


def refuse_idle(options: Iterable[Idle]) -> None:
    """Raise `Unusable` for the first option that is given and does nothing."""
    for each in options:
        if each.is_given and each.is_idle:
            raise Unusable(
                f"{each.option} is for {each.why}, or leave {each.option.split()[0]} out."
            )


def idle_of_asked(asked: Asked) -> list[Idle]:
    """Return the options of whom is asked that may do nothing."""
    answer = f"--answer {asked.answer}"
    without = "--emulator: without that the service itself would be asked. Add --emulator"
    beside = "the service, and --emulator asks an emulator of its own. Leave --emulator out"
    return [
        Idle(answer, asked.answer is not None, not asked.emulator, without),
        Idle("--base-url", asked.base_url is not None, asked.emulator, beside),
        Idle("--workspace", asked.workspace is not None, asked.emulator, beside),
        Idle("--allow-http", asked.allow_http, asked.emulator, beside),
    ]


def idle_of_account(account: Account) -> list[Idle]:
    """Return the options of an account that may do nothing."""
    preflight = "--preflight, which looks at the images. Add --preflight"
    missing = Idle("--send-missing", account.send_missing, not account.preflight, preflight)
    return [*idle_of_asked(account), missing]


def idle_of_doctor(
    asked: Asked, probe: int | None, images: Sequence[str], **of_probe: object
) -> list[Idle]:
    """Return the options of the doctor that may do nothing: those of a probe without one."""
    why = "--probe, which makes paid requests. Add --probe"
    told = [("IMAGES", bool(images)), (f"--answer {asked.answer}", asked.answer is not None)]
    told += [(f"--{name.replace('_', '-')}", value is not None) for name, value in of_probe.items()]
    return [
        *idle_of_asked(asked),
        *(Idle(option, is_given, probe is None, why) for option, is_given in told),
    ]


def idle_of_plan(plan: Plan, source: str, out: str | None) -> list[Idle]:
    """Return the options of a run that may do nothing; `out` is None where nobody says."""
    kind = _kind_of(source)
    of = f"a list, and {printable(source)} is {kind}: it has no columns. Give a list"
    folder = f"a folder, and {printable(source)} is {kind}. Give a folder"
    delimited = "an output in CSV or TSV. Give a name that ends in .csv after -o"
    ledger = "a run with a ledger, which knows of earlier runs. Give a --ledger"
    refresh = "a run without --refresh, which asks again whatever the age. Leave --refresh out"
    is_no_list = kind != "a list"
    is_delimited = out is not None and Path(out).suffix.lower() in DELIMITERS
    has_no_ledger = out is not None and plan.ledger_of(out) is None
    return [
        *[
            Idle(f"--{name.replace('_', '-')}", value is not None, is_no_list, of)
            for name, value in plan.read_as.items()
        ],
        Idle("--files", plan.files, is_no_list, of),
        Idle("--recursive", plan.recursive, kind != "a folder", folder),
        Idle("--excel", plan.excel, out is not None and not is_delimited, delimited),
        Idle(
            "--guard-formulas", plan.guard_formulas, out is not None and not is_delimited, delimited
        ),
        Idle("--seed", plan.seed is not None, plan.sample is None, "--sample. Add --sample"),
        Idle("--retry-failed", plan.retry_failed is not False, has_no_ledger, ledger),
        Idle("--refresh", plan.refresh, has_no_ledger, ledger),
        Idle("--max-age-days", plan.max_age_days is not None, has_no_ledger, ledger),
        Idle("--fresh", plan.fresh, has_no_ledger, ledger),
        Idle("--max-cost-per-day", plan.max_cost_per_day is not None, has_no_ledger, ledger),
        Idle("--max-cost-per-month", plan.max_cost_per_month is not None, has_no_ledger, ledger),
        Idle("--max-age-days", plan.max_age_days is not None, plan.refresh, refresh),
    ]


def _kind_of(source: str) -> Kind:
    if source == STANDARD:
        return "a list"
    if is_bucket(source):
        return "a bucket"
    if is_pattern(source):
        return "a pattern of files"
    if is_folder(source):
        return "a folder"
    try:
        return "an image" if is_image_file(Path(source)) else "a list"
    except (OSError, ValueError):  # told when it is opened
        return "a list"
