"""What a run goes on with: whether its output and its ledger are of the runs before it.

Asked before anything is opened for writing, and before anything is paid.
"""

from pathlib import Path

from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import STANDARD, printable
from s2v_detect.languages import _
from s2v_detect.ledger import AnyLedger


def refuse_strange_output(out: str, ledger: AnyLedger) -> None:
    """Raise `Unusable` where a file would be overwritten that is no output of an earlier run."""
    path = Path(out)
    if out == STANDARD or not path.is_file() or not path.stat().st_size:
        return
    if not ledger.exists() or ledger.name not in ledger.names():
        told = _(
            "{name} exists, and the ledger {ledger} knows no run that wrote it. Give another name"
            " after -o, or the --ledger of that run, or move the file away."
        )
        raise Unusable(told.format(name=printable(out), ledger=printable(ledger.where)))


def refuse_other_identity(ledger: AnyLedger, column: str | None) -> None:
    """Raise `Unusable` where the answers that were paid for would not be found again.

    A ledger keeps an image under what the run knew the image by: a column of the user's own, or
    what the image is. A run that goes by anything else pays for every image once more.
    """
    kept = ledger.identities_kept() if ledger.exists() else []
    is_as_before = (column or "") in kept or (column is not None and None in kept)
    if not kept or is_as_before:
        return
    before = kept[0]
    told = _(
        "The ledger {ledger} knows the images of earlier runs by the column {column}: this run"
        " would find no answer there, and pay for every image again. Give --identity-column"
        " {column} as before, or give --fresh to pay again."
    )
    if before is None:
        told = _(
            "The ledger {ledger} knows the images of earlier runs by a column of the list: this run"
            " would find no answer there, and pay for every image again. Give --identity-column as"
            " before, or give --fresh to pay again."
        )
    elif not before:
        told = _(
            "The ledger {ledger} knows the images of earlier runs by their addresses: this run"
            " would find no answer there, and pay for every image again. Leave --identity-column"
            " out as before, or give --fresh to pay again."
        )
    where = printable(ledger.where)
    raise Unusable(told.format(ledger=where, column=printable(before or "")))
