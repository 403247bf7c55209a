"""What a run goes on with: whether its output and its ledger are of the runs before it.

Asked before anything is opened for writing, and before anything is paid.
"""

from pathlib import Path

from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import STANDARD, printable
from s2v_detect.ledger import AnyLedger


def refuse_strange_output(out: str, ledger: AnyLedger) -> None:
    """Raise `Unusable` where a file would be overwritten that is no output of an earlier run."""
    path = Path(out)
    if out == STANDARD or not path.is_file() or not path.stat().st_size:
        return
    if not ledger.exists() or ledger.name not in ledger.names():
        raise Unusable(
            f"{printable(out)} exists, and the ledger {printable(ledger.where)} knows no run"
            " that wrote it. Give another name after -o, or the --ledger of that run, or move the"
            " file away."
        )


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
    known_by = "their addresses" if before == "" else "a column of the list"
    known_by = f"the column {printable(before)}" if before else known_by
    give = f"Give --identity-column{before and f' {printable(before)}'}" if before != "" else ""
    raise Unusable(
        f"The ledger {printable(ledger.where)} knows the images of earlier runs by {known_by}:"
        " this run would find no answer there, and pay for every image again."
        f" {give or 'Leave --identity-column out'} as before, or give --fresh to pay again."
    )
