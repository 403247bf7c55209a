"""`s2v-detect report`: an output or a ledger as a page."""

from pathlib import Path


def report_or_reason(source: Path, page: Path, *, ledger: Path | None = None) -> str:
    """Write the page; return why it could not be, or nothing."""
    return f"{source} {page} {ledger}"
