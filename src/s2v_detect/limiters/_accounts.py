"""Which line a client takes: the one it was given, or its account's own."""

import os
import re
import threading
from hashlib import sha256

from pydantic import SecretStr

from s2v_detect._logging import log
from s2v_detect._service import BASE_URL, REQUESTS_PER_S
from s2v_detect.errors import ConfigurationError
from s2v_detect.limiters._folder import wanted_line
from s2v_detect.limiters._host import HostLimiter
from s2v_detect.limiters._local import LocalLimiter
from s2v_detect.limiters._redis import RedisLimiter
from s2v_detect.limiters._turns import Limiter
from s2v_detect.options import is_number

_WORKSPACE_HOST = re.compile(
    r"https://[a-z0-9_-]+\.cn-beijing\.maas\.aliyuncs\.com/api/v1", re.IGNORECASE
)  # [doc]

_process_lines: dict[tuple[str, float], LocalLimiter] = {}
_machine_lines: dict[str, Limiter] = {}
_lock = threading.Lock()


def account_name(base_url: str, model: str, api_key: str | SecretStr) -> str:
    """Return what tells one account's line from another's: a hash, for the key is never kept.

    The hosts of all its workspaces count as the one of the account.
    """
    key = api_key if isinstance(api_key, str) else api_key.get_secret_value()
    where = re.sub(r"(?<!:)/+", "/", base_url.strip()).rstrip("/")
    if _WORKSPACE_HOST.fullmatch(where) or where.lower() == BASE_URL:
        where = BASE_URL
    return sha256(f"{where}\0{model}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()


def refuse_no_limiter(value: object) -> None:
    """Raise `ConfigurationError` for what is neither None nor a limiter; say what one has."""
    if value is None:
        return
    names = [name for name in vars(Limiter) if not name.startswith("_")]
    missing = [name for name in names if not hasattr(value, name)]
    do = f"Give HostLimiter(2.5), say, or an object with {', '.join(names[:-1])} and {names[-1]}."
    if missing:
        what = f"limiter is of type {type(value).__name__}, without {', '.join(missing)}."
        raise ConfigurationError(what, do=do)
    for name in ("rate", "per_s"):
        amount = getattr(value, name)
        if not is_number(amount) or not amount > 0:
            raise ConfigurationError(f"limiter.{name} is {amount!r}, no number above 0.", do=do)


def line_of(
    limiter: Limiter | None, base_url: str, model: str, api_key: str | SecretStr
) -> Limiter:
    """Return the line of a client: its limiter, bound to the account; by default the machine's.

    Where the machine's line can't be kept it is one line for the process, and one log record says
    so. A limiter that was given raises `ConfigurationError` then.
    """
    bound_to = getattr(limiter, "bound_to", None)
    if bound_to is not None:
        bound: Limiter = bound_to(account_name(base_url, model, api_key))
        return bound
    return limiter or _default_line(base_url, model, api_key)


def shared_line(
    base_url: str, model: str, api_key: str | SecretStr, *, rate: float = REQUESTS_PER_S
) -> LocalLimiter:
    """Return the process's one line of this rate for this account, made at the first call.

    Lines are kept for good: a client that is opened a moment after another was closed must
    still know when that one's last request left.
    """
    # The key itself is not kept: a dump of these names would hold it.
    name = (account_name(base_url, model, api_key), rate)
    with _lock:
        return _process_lines.setdefault(name, LocalLimiter(rate))


def _default_line(base_url: str, model: str, api_key: str | SecretStr) -> Limiter:
    where = wanted_line()
    if where == "process":
        return shared_line(base_url, model, api_key)
    name = account_name(base_url, model, api_key)
    with _lock:
        line = _machine_lines.get(name)
        if line is None:
            line = _machine_lines[name] = _line_at(where, REQUESTS_PER_S, name)
        return line


def default_limiter(rate: float) -> Limiter:
    """Return a limiter of this rate, for any client: where the default line is, as far as can be.

    A client's own default is kept for its account; this one is not.
    """
    where = wanted_line()
    return LocalLimiter(rate) if where == "process" else _line_at(where, rate, None)


def _line_at(where: str, rate: float, name: str | None) -> Limiter:
    if where != "machine":
        return RedisLimiter(where, rate, name=name)
    try:
        return HostLimiter(rate, name=name)
    except ConfigurationError as error:
        if any(isinstance(line, LocalLimiter) for line in _machine_lines.values()):
            return LocalLimiter(rate)  # told before, for another account
        log("line_not_shared", cause=error.what)
    return LocalLimiter(rate)


def _forget_lines() -> None:
    """A forked child has its own line: the waiters in these belong to the parent's loops."""
    global _lock  # noqa: PLW0603  # the parent may have held it as it forked
    _lock = threading.Lock()
    _process_lines.clear()
    _machine_lines.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_lines)
