"""The client for Alibaba Cloud's `wan2.2-s2v-detect`.

Five checks a second for the whole account, no 429, no lost answer, and true books.
"""

from s2v_detect._arguments import ClientOptions
from s2v_detect._version import VERSION as __version__
from s2v_detect.blocking import check_all, check_one
from s2v_detect.checks import OutcomeStream
from s2v_detect.client import DetectClient
from s2v_detect.errors import (
    AccessDenied,
    BadRequest,
    BudgetSpent,
    Busy,
    ConfigurationError,
    DetectError,
    ImageSkipped,
    ImageUnusable,
    LedgerError,
    NotSent,
    OutcomeUnknown,
    OutOfCredit,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
)
from s2v_detect.ledger import Ledger, LedgerAttempt, LedgerEntry, LedgerSpend, PostgresLedger
from s2v_detect.limiters import HostLimiter, LocalLimiter, RedisLimiter
from s2v_detect.models import Checked, Event, Failed, Outcome, Skipped, Spend, Statistics, Verdict
from s2v_detect.options import Budget, Preflight, RetryPolicy

__all__ = [
    "AccessDenied",
    "BadRequest",
    "Budget",
    "BudgetSpent",
    "Busy",
    "Checked",
    "ClientOptions",
    "ConfigurationError",
    "DetectClient",
    "DetectError",
    "Event",
    "Failed",
    "HostLimiter",
    "ImageSkipped",
    "ImageUnusable",
    "Ledger",
    "LedgerAttempt",
    "LedgerEntry",
    "LedgerError",
    "LedgerSpend",
    "LocalLimiter",
    "NotSent",
    "OutOfCredit",
    "Outcome",
    "OutcomeStream",
    "OutcomeUnknown",
    "PostgresLedger",
    "Preflight",
    "RateLimited",
    "RedisLimiter",
    "RetryPolicy",
    "ServiceError",
    "ServiceUnavailable",
    "Skipped",
    "Spend",
    "Statistics",
    "Verdict",
    "__version__",
    "check_all",
    "check_one",
]
