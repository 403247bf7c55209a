"""Lines for one account: who may send when.

What may live here: the pace (`_pacing`), whose turn it is (`_waiting_list`), and the limiters that
wait. A limiter knows no request and no client, and an account is a hash to it (`_accounts`).
`redis` is imported late, at the first line in Redis.
"""

from s2v_detect.limiters._accounts import (
    account_name,
    default_limiter,
    line_of,
    refuse_no_limiter,
    shared_line,
)
from s2v_detect.limiters._folder import LINE_VARIABLE, state_folder, wanted_line
from s2v_detect.limiters._host import HostLimiter
from s2v_detect.limiters._local import LocalLimiter
from s2v_detect.limiters._pacing import GRACE_S
from s2v_detect.limiters._redis import AskedRedisLimiter, RedisLimiter
from s2v_detect.limiters._turns import Limiter, SharedLine, Sharing, Turn

__all__ = [
    "GRACE_S",
    "LINE_VARIABLE",
    "AskedRedisLimiter",
    "HostLimiter",
    "Limiter",
    "LocalLimiter",
    "RedisLimiter",
    "SharedLine",
    "Sharing",
    "Turn",
    "account_name",
    "default_limiter",
    "line_of",
    "refuse_no_limiter",
    "shared_line",
    "state_folder",
    "wanted_line",
]
