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
from s2v_detect.languages import N_, _
from s2v_detect.tables import DELIMITERS

Kind = Literal["a bucket", "a folder", "a pattern of files", "an image", "a list"]
_KINDS = (N_("a bucket"), N_("a folder"), N_("a pattern of files"), N_("an image"), N_("a list"))


class Idle(NamedTuple):
    """An option, and whether it would do nothing."""

    option: str
    is_given: bool
    """Whether its user gave it."""
    is_idle: bool
    told: str
    """What it is for, and what to do, with `{option}`, `{name}` and these to be filled in."""
    source: str = ""
    kind: str = ""


def refuse_idle(options: Iterable[Idle]) -> None:
    """Raise `Unusable` for the first option that is given and does nothing."""
    for option, is_given, is_idle, told, source, kind in options:
        if is_given and is_idle:
            name = option.split()[0]
            raise Unusable(told.format(option=option, name=name, source=source, kind=kind))


def idle_of_asked(asked: Asked) -> list[Idle]:
    """Return the options of whom is asked that may do nothing."""
    answer = f"--answer {asked.answer}"
    without = _(
        "{option} is for --emulator: without that the service itself would be asked. Add"
        " --emulator, or leave {name} out."
    )
    beside = _(
        "{option} is for the service, and --emulator asks an emulator of its own. Leave --emulator"
        " out, or leave {name} out."
    )
    return [
        Idle(answer, asked.answer is not None, not asked.emulator, without),
        Idle("--base-url", asked.base_url is not None, asked.emulator, beside),
        Idle("--workspace", asked.workspace is not None, asked.emulator, beside),
        Idle("--allow-http", asked.allow_http, asked.emulator, beside),
    ]


def idle_of_account(account: Account) -> list[Idle]:
    """Return the options of an account that may do nothing."""
    told = _(
        "{option} is for --preflight, which looks at the images. Add --preflight, or leave {name}"
        " out."
    )
    missing = Idle("--send-missing", account.send_missing, not account.preflight, told)
    return [*idle_of_asked(account), missing]


def idle_of_doctor(
    asked: Asked, probe: int | None, images: Sequence[str], **of_probe: object
) -> list[Idle]:
    """Return the options of the doctor that may do nothing: those of a probe without one."""
    why = _("{option} is for --probe, which makes paid requests. Add --probe, or leave {name} out.")
    told = [("IMAGES", bool(images)), (f"--answer {asked.answer}", asked.answer is not None)]
    told += [(f"--{name.replace('_', '-')}", value is not None) for name, value in of_probe.items()]
    return [
        *idle_of_asked(asked),
        *(Idle(option, is_given, probe is None, why) for option, is_given in told),
    ]


def idle_of_plan(plan: Plan, source: str, out: str | None) -> list[Idle]:
    """Return the options of a run that may do nothing; `out` is None where nobody says."""
    refresh = _(
        "{option} is for a run without --refresh, which asks again whatever the age. Leave"
        " --refresh out, or leave {name} out."
    )
    sample = _("{option} is for --sample. Add --sample, or leave {name} out.")
    return [
        *_idle_of_input(plan, source),
        *_idle_of_output(plan, out),
        Idle("--seed", plan.seed is not None, plan.sample is None, sample),
        *_idle_of_ledger(plan, out),
        Idle("--max-age-days", plan.max_age_days is not None, plan.refresh, refresh),
    ]


def _idle_of_input(plan: Plan, source: str) -> list[Idle]:
    kind, name = _kind_of(source), printable(source)
    of = _(
        "{option} is for a list, and {source} is {kind}: it has no columns. Give a list, or leave"
        " {name} out."
    )
    folder = _(
        "{option} is for a folder, and {source} is {kind}. Give a folder, or leave {name} out."
    )
    is_no_list, is_no_folder = kind != "a list", kind != "a folder"
    given = {f"--{name.replace('_', '-')}": value for name, value in plan.read_as.items()}
    return [
        *(
            Idle(option, value is not None, is_no_list, of, name, _(kind))
            for option, value in given.items()
        ),
        Idle("--files", plan.files, is_no_list, of, name, _(kind)),
        Idle("--recursive", plan.recursive, is_no_folder, folder, name, _(kind)),
    ]


def _idle_of_output(plan: Plan, out: str | None) -> list[Idle]:
    told = _(
        "{option} is for an output in CSV or TSV. Give a name that ends in .csv after -o, or leave"
        " {name} out."
    )
    is_delimited = out is None or Path(out).suffix.lower() in DELIMITERS
    return [
        Idle("--excel", plan.excel, not is_delimited, told),
        Idle("--guard-formulas", plan.guard_formulas, not is_delimited, told),
    ]


def _idle_of_ledger(plan: Plan, out: str | None) -> list[Idle]:
    told = _(
        "{option} is for a run with a ledger, which knows of earlier runs. Give a --ledger, or"
        " leave {name} out."
    )
    has_no_ledger = out is not None and plan.ledger_of(out) is None
    given = {
        "--retry-failed": plan.retry_failed is not False,
        "--refresh": plan.refresh,
        "--max-age-days": plan.max_age_days is not None,
        "--fresh": plan.fresh,
        "--max-cost-per-day": plan.max_cost_per_day is not None,
        "--max-cost-per-month": plan.max_cost_per_month is not None,
    }
    return [Idle(option, is_given, has_no_ledger, told) for option, is_given in given.items()]


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
