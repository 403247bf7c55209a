"""Where a ledger is: the path of a file, or the address of a server that many machines reach."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from s2v_detect import ConfigurationError
from s2v_detect.bulk import Used, as_ledger
from s2v_detect.cli._account import FILE
from s2v_detect.cli._faults import told_of
from s2v_detect.cli._terminal import STANDARD
from s2v_detect.ledger import AnyLedger, is_address, ledger_at


def _place(_: Any, tokens: Sequence[Token]) -> Path | str:
    """Return what was typed as what it is: in a path, the // of an address would be one.

    Raises `ValueError`, without the text, for what is neither: it is a mistake in the command.
    """
    text = tokens[0].value
    try:
        ledger_at(text)
    except ConfigurationError as error:
        if error.__cause__ is None:  # a missing extra is no mistake in the command, and told later
            raise ValueError(told_of(error)) from error
    return text if is_address(text) else Path(text)


LedgerPlace = Annotated[Path | str, Parameter(converter=_place), FILE]
"""What a command calls its ledger."""


def used_by(ledger: Path | str) -> list[Used]:
    """Return the files of a ledger; those of a server are none of this machine's."""
    return [as_ledger(ledger)] if isinstance(ledger, Path) else []


def ledger_named_after(out: str, place: Path | str, **options: Any) -> AnyLedger:
    """Return the ledger of an output, whose runs have its name: from the ledger's folder on.

    On a server the name is the whole path, and one run of the name goes at a time, as in a file: an
    output has one writer.
    """
    if out == STANDARD:
        return ledger_at(place, name="", **options)
    if isinstance(place, Path):
        return ledger_at(place, name=_as_text(os.path.relpath(out, place.parent)), **options)
    return ledger_at(place, name=_as_text(str(Path(out).absolute())), is_exclusive=True, **options)


def _as_text(name: str) -> str:
    """Return a name of any bytes."""
    return name.encode(errors="backslashreplace").decode()
