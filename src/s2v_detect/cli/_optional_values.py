"""Options that may stand alone: `--retry-failed`, else with a value behind a `=`, and `--live`.

cyclopts gives an option that stands alone the next word, and `run --retry-failed portraits.csv`
would lose its input. So the word alone gets its value first.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from s2v_detect import ConfigurationError
from s2v_detect.bulk import Retried, refuse_no_failures

_END = "--"  # behind it no word is an option


def _is_none(_: str) -> bool:
    return False


_ALONE: dict[str, tuple[str, Callable[[str], bool]]] = {
    "--retry-failed": ("all", _is_none),
    "--live": ("0", str.isdecimal),
}
"""What each means alone, and whether the word behind it is its value."""


def with_values(words: Sequence[str]) -> list[str]:
    """Return the words of a command line, each option that may stand alone with a value.

    Example:
        >>> with_values(["run", "--retry-failed", "in.csv", "--", "--retry-failed"])
        ['run', '--retry-failed=all', 'in.csv', '--', '--retry-failed']
        >>> with_values(["run", "--live", "in.csv"]), with_values(["run", "--live", "8080"])
        (['run', '--live=0', 'in.csv'], ['run', '--live', '8080'])
    """
    return list(_with_values(words))


def _with_values(words: Sequence[str]) -> Iterator[str]:
    is_over = False
    for word, behind in pairwise([*words, ""]):
        is_over = is_over or word == _END
        alone, is_value = _ALONE.get(word, ("", _is_none))
        yield word if is_over or not alone or is_value(behind) else f"{word}={alone}"


def alone(name: str) -> str:
    """Return an option that stands alone as it is read then; nothing where it may not."""
    value, _ = _ALONE.get(name, ("", _is_none))
    return value and f"{name}={value}"


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
