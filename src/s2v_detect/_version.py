"""Which release this is, and how its extras are installed."""

VERSION = "0.1.0"
"""Where both the build and the User-Agent read it."""


def missing(what: str, *extras: str) -> str:
    """Return the sentences that say how to get the extras that something needs.

    They name a clone, as long as the package is on no index: another name would install nothing, or
    somebody else's package.

    Example:
        >>> missing("Parquet", "cli", "parquet")
        'Parquet needs an extra. Install it in a clone of the project: pip install ".[cli,parquet]"'
    """
    names = ",".join(extras)
    return f'{what} needs an extra. Install it in a clone of the project: pip install ".[{names}]"'
