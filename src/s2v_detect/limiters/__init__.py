"""Lines for one account: who may send when."""

import hashlib
import os
import threading

from pydantic import SecretStr

from s2v_detect._service import REQUESTS_PER_S
from s2v_detect.limiters._host import HostLimiter
from s2v_detect.limiters._local import LocalLimiter
from s2v_detect.limiters._pacing import GRACE_S
from s2v_detect.limiters._turns import Limiter, Turn, refuse_no_limiter

__all__ = [
    "GRACE_S",
    "HostLimiter",
    "Limiter",
    "LocalLimiter",
    "Turn",
    "refuse_no_limiter",
    "shared_line",
]

_lines: dict[tuple[str, str, bytes, float], LocalLimiter] = {}
_lock = threading.Lock()


def shared_line(
    base_url: str, model: str, api_key: str | SecretStr, *, rate: float = REQUESTS_PER_S
) -> LocalLimiter:
    """Return the process's one line of this rate for this account, made at the first call.

    Lines are kept for good: a client that is opened a moment after another was closed must
    still know when that one's last request left.
    """
    # The key itself is not kept: a dump of these names would hold it.
    key = api_key if isinstance(api_key, str) else api_key.get_secret_value()
    name = (base_url, model, hashlib.sha256(key.encode()).digest(), rate)
    with _lock:
        return _lines.setdefault(name, LocalLimiter(rate))


def _forget_lines() -> None:
    """A forked child has its own line: the waiters in these belong to the parent's loops."""
    global _lock  # noqa: PLW0603  # the parent may have held it as it forked
    _lock = threading.Lock()
    _lines.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_lines)
