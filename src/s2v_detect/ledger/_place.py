"""What a text given as a ledger is: the address of a server, the path of a file, or neither.

Pure. What is neither may hold a password, as an address of another program does. It is refused, and
no message repeats it.
"""

import re
from typing import TypeGuard

from s2v_detect.errors import ConfigurationError

_ADDRESS = re.compile(r"\s*(?P<scheme>postgres(?:ql)?://)", re.IGNORECASE)
_FRINGE = r"""[\s"'<]*"""  # of a text that was copied with its quotation marks
_DRIVER = re.compile(_FRINGE + r"postgres(?:ql)?\+", re.IGNORECASE)
_FOREIGN = re.compile(
    # One letter is a drive of Windows.
    rf"{_FRINGE}[a-z][a-z0-9+.:-]+:/ | .*:// | {_FRINGE}(?://)?[^\s/\\:@]+:[^\s/\\@]+@[^\s/\\@]+/",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_SETTING = re.compile(_FRINGE + r"\w+[ ]?\w*\s*=", re.IGNORECASE)
_OWN_SETTING = re.compile(
    # Of libpq, and of those that write the like with semicolons.
    r"""(?:\A|[\s"';])(?:host|hostaddr|port|dbname|user|password|passfile|service)\s*=""",
    re.IGNORECASE,
)
_GIVE = "Give the path of a file, or postgresql://host/database with user@ before the host."


def is_address(place: object) -> TypeGuard[str]:
    """Whether that is the address of a server, and no path."""
    return isinstance(place, str) and _ADDRESS.match(place) is not None


def as_address(text: str) -> str:
    """Return an address as libpq takes it.

    Example:
        >>> as_address(" PostgreSQL://db.example/screening ")
        'postgresql://db.example/screening'
    """
    text = text.strip()
    scheme = _ADDRESS.match(text)
    return text if scheme is None else scheme["scheme"].lower() + text[scheme.end() :]


def refuse_no_place(text: str, *, takes_settings: bool = False) -> None:
    """Raise `ConfigurationError` for a text that is neither an address nor a path.

    With `takes_settings` libpq's other form, `host=… dbname=…`, is an address too.
    """
    if not text.strip():
        raise ConfigurationError(
            "the ledger's place is an empty text.",
            do=f"{_GIVE} It may come from a variable that is not set.",
        )
    if is_address(text):
        return
    if _SETTING.match(text) and _OWN_SETTING.search(text):
        if takes_settings:
            return
        raise ConfigurationError(
            "the ledger's place is a list of settings, which is no address and no path.",
            do="Give postgresql://host/database with user@ before the host, or a"
            " `PostgresLedger` of these settings.",
        )
    if _DRIVER.match(text):
        raise ConfigurationError(
            "the ledger's address names a driver.",
            do="Leave out the + and what stands between it and the colon:"
            " postgresql://host/database.",
        )
    if _FOREIGN.match(text):
        raise ConfigurationError(
            "the ledger's place is no address of a PostgreSQL, and no path.", do=_GIVE
        )
