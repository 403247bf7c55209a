"""`s2v-detect ledger copy`, `forget` and `prune`: what is kept of a ledger, and for how long."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from s2v_detect.bulk import as_copy, refuse_conflicts
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._places import LedgerPlace, used_by
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import joined, printable, seconds_of, stderr_console
from s2v_detect.languages import _, ngettext
from s2v_detect.ledger import ledger_at

_FLAG = Parameter(negative=(), show_default=False)


def _seconds(age: str) -> float:
    seconds = seconds_of(age) if age[-1:] in ("d", "h", "m") else None  # 90 could be meant as days
    if seconds is None:
        raise ValueError(_("Give a number of days, hours or minutes, such as 90d, 12h or 30m."))
    return seconds


def _is_age(_type: object, age: str) -> None:
    _seconds(age)


def copy(
    ledger: LedgerPlace,
    target: Annotated[Path, Parameter(name="COPY")],
    /,
    *,
    force: Annotated[bool, _FLAG] = False,
) -> int:
    """Copy the ledger as it is at this moment, also while a run writes it.

    A plain copy of a file that is being written may be torn. The copy of a
    ledger on a server is a file.

    Args:
        ledger: The ledger: its file, or the address of its server.
        target: The copy.
        force: Replace a file that is there; of ledgers, only an older copy of this one.
    """
    refuse_conflicts([*used_by(ledger), as_copy(target)])
    if os.path.lexists(target) and not force:
        told = _("{name} exists. Give another name, or --force.")
        raise Unusable(told.format(name=printable(str(target))))
    with ledger_at(ledger) as books:
        books.copy(target, replaces=force)
    return Exit.DONE


def forget(
    ledger: LedgerPlace, image: str, /, *more: str, by_identity: Annotated[bool, _FLAG] = False
) -> int:
    """Remove all that leads to images: what a person may ask for whose portrait they are.

    A run that meets one of them again asks, and pays, for it again. What was
    paid for them stays in the statement, without their addresses.

    Args:
        ledger: The ledger: its file, or the address of its server.
        image: An address, in any spelling that is the same image, or a file.
        more: More of them.
        by_identity: The images are given as in the --identity-column of their run.
    """
    images = (image, *more)
    with ledger_at(ledger) as books:
        named = meant(images, by_identity=by_identity)
        removed = books.forget(named, by_identity=by_identity)
    unknown = len(images) - removed
    rest = ngettext(
        "{count:,} was never asked for.", "{count:,} were never asked for.", unknown
    ).format(count=unknown)
    stderr_console().print(joined(_forgotten(removed), rest if unknown else ""))
    return Exit.INCOMPLETE if unknown else Exit.DONE


def prune(
    ledger: LedgerPlace, /, *, older_than: Annotated[str, Parameter(validator=_is_age)]
) -> int:
    """Forget all images that nothing happened to for a time, as `forget` does.

    Images that are under way or unknown stay: `reconcile` settles those.

    Args:
        ledger: The ledger: its file, or the address of its server.
        older_than: A number of days, hours or minutes, such as 90d, 12h or 30m.
    """
    with ledger_at(ledger) as books:
        removed, kept = books.prune(_seconds(older_than))
    stays = ngettext(
        "{count:,} as old stays: it is under way or unknown.",
        "{count:,} as old stay: they are under way or unknown.",
        kept,
    ).format(count=kept)
    stderr_console().print(joined(_forgotten(removed), stays if kept else ""))
    return Exit.DONE


def _forgotten(count: int) -> str:
    told = ngettext("{count:,} image is forgotten.", "{count:,} images are forgotten.", count)
    return told.format(count=count)


def meant(images: Sequence[str], *, by_identity: bool) -> list[str | Path]:
    """Return what was typed as what it is: an identity, an address, or a file: what it holds."""
    if by_identity:
        return list(images)
    return [
        Path(image) if "://" not in image and Path(image).is_file() else image for image in images
    ]
