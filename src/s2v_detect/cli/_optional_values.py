"""`--retry-failed`, alone or with a value behind a `=`.

As `bool | str`, cyclopts gives an option that stands alone the next word, and
`run --retry-failed portraits.csv` would lose its input. So the word alone gets its value first.
"""

from collections.abc import Iterator, Sequence

from s2v_detect import ConfigurationError
from s2v_detect.bulk import Retried, refuse_no_failures

_ALONE = {"--retry-failed": "all"}
_END = "--"  # behind it no word is an option


def with_values(words: Sequence[str]) -> list[str]:
    """Return the words of a command line, each option that may stand alone with a value.

    Example:
        >>> with_values(["run", "--retry-failed", "in.csv", "--", "--retry-failed"])
        ['run', '--retry-failed=all', 'in.csv', '--', '--retry-failed']
    """
    return list(_with_values(words))


def _with_values(words: Sequence[str]) -> Iterator[str]:
    is_over = False
    for word in words:
        is_over = is_over or word == _END
        is_alone = word in _ALONE and not is_over
        yield f"{word}={_ALONE[word]}" if is_alone else word


def reasons_of(value: bool | str) -> Retried:  # noqa: FBT001  # as the option has it
    """Return which failures a value of `--retry-failed` means."""
    if isinstance(value, bool) or value == "all":
        return bool(value)
    return [name for part in value.split(",") if (name := part.strip())]


def are_reasons(_: object, value: bool | str) -> None:  # noqa: FBT001  # as above
    """Raise `ValueError` for a reason that there is not; it names those that there are."""
    reasons = reasons_of(value)
    if isinstance(reasons, bool):
        return
    try:
        refuse_no_failures(reasons)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None
