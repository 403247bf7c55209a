"""What the package logs: every record once, with its level, its sentence and its extra keys.

All records go to the logger `s2v_detect` (the emulator's to its child). `record.s2v_event` is the
name of a record; its values are `record.s2v_…`, a prefix that no name of `LogRecord` itself has.
Each value is what JSON has: a text, a number or None. No text holds a secret.

INFO is what the package does by itself and well. WARNING is a trouble outside, or its end. ERROR is
what is lost, or may be.
"""

import logging
from datetime import timedelta
from types import TracebackType
from typing import Any, NamedTuple

from s2v_detect._redaction import without_secrets


class Record(NamedTuple):
    """One kind of record."""

    level: int
    text: str
    """With the values by their names. `%(lasted)s` is `lasted_s` in hours, minutes and seconds."""
    keys: tuple[str, ...]
    """Of its values, without the prefix."""
    logger: str = "s2v_detect"


_OUTAGE = ("where", "error", "cause", "lasted_s")

RECORDS = {
    "outage_begun": Record(
        logging.WARNING,
        "An outage of %(where)s has begun: %(cause)s Streams wait for its end, %(at_most)s.",
        (*_OUTAGE, "max_outage_s"),
    ),
    "outage_still_on": Record(
        logging.WARNING, "The outage of %(where)s is still on after %(lasted)s: %(cause)s", _OUTAGE
    ),
    "outage_given_up": Record(
        logging.WARNING,
        "The outage of %(where)s is still on after %(lasted)s, and streams wait no longer:"
        " %(cause)s",
        _OUTAGE,
    ),
    "outage_left": Record(
        logging.WARNING,
        "The outage of %(where)s was still on after %(lasted)s, when the client was closed.",
        _OUTAGE,
    ),
    "outage_ended": Record(
        logging.WARNING, "The outage of %(where)s has ended after %(lasted)s.", _OUTAGE
    ),
    "margin_grown": Record(
        logging.INFO,
        "The service refused a request for its rate (429): the line starts %(percent).1f %% slower"
        " than its rate now.",
        ("limiter", "margin", "margin_before", "rate_per_s"),
    ),
    "rate_lowered": Record(
        logging.WARNING,
        "The account gives %(given_per_s).3g requests a second now, of the line's %(rate_per_s).3g:"
        " others use the account, or the vendor gives less.",
        ("limiter", "given_per_s", "rate_per_s"),
    ),
    "line_not_shared": Record(
        logging.WARNING,
        "This process does not share the account's rate with others of this machine: %(cause)s Set"
        " S2V_DETECT_STATE_DIR to a folder that can be written, or S2V_DETECT_LINE=process.",
        ("cause",),
    ),
    "line_lost": Record(
        logging.WARNING,
        "The line %(of)s can't be shared now: %(cause)s. This process %(goes_on)s until it can.",
        ("limiter", "cause"),
    ),
    "line_shared": Record(logging.INFO, "The line %(of)s is shared again.", ("limiter",)),
    "ledger_waits": Record(
        logging.WARNING,
        "%(cause)s What is to be recorded waits for it, for %(max_wait_s)g s at most.",
        ("ledger", "cause", "max_wait_s"),
    ),
    "ledger_back": Record(
        logging.WARNING, "The ledger %(ledger)s can be used again.", ("ledger", "waited_s")
    ),
    "ledger_owes": Record(
        logging.ERROR,
        "%(cause)s What is owed to it is tried again with the next write.",
        ("ledger", "cause"),
    ),
    "answer_not_recorded": Record(
        logging.ERROR, "%(cause)s The answer is told all the same.", ("cause",)
    ),
    "images_claimed": Record(
        logging.WARNING,
        "%(are_claimed)s in the ledger %(ledger)s by another run (process %(process)s), since"
        " %(since)s: these wait for that run, and all others go on. If it is stopped, continue it"
        " or end it.",
        ("ledger", "images", "process", "since"),
    ),
    "watcher_raised": Record(
        logging.ERROR, "on_event raised on %(kind)s; the check goes on", ("kind",)
    ),
    "beside_failed": Record(
        logging.ERROR,
        "%(what)s has failed, and all else goes on. Please report what stands below.",
        ("what",),
    ),
    "visitor_refused": Record(
        logging.ERROR,
        "A visitor was answered with %(status)s: %(cause)s",
        ("status", "error", "cause"),
    ),
    "ray_drops_rows": Record(
        logging.WARNING,
        "Ray's max_errored_blocks drops the rows of a batch in which the account failed (its key,"
        " its credit, its budget), and the job ends as if it were complete.",
        ("max_errored_blocks",),
    ),
    "connection_refused": Record(
        logging.WARNING,
        "A connection could not be accepted: %(cause)s",
        ("cause",),
        "s2v_detect.emulator",
    ),
}


def log(
    event: str, words: dict[str, Any] | None = None, *, exc_info: bool = False, **told: Any
) -> None:
    """Have a record logged, with its values. `words` stand in its text alone."""
    record = RECORDS[event]
    logger = logging.getLogger(record.logger)
    if not logger.isEnabledFor(record.level):
        return
    told = {key: _without_secrets(value) for key, value in told.items()}
    lasted = {key[:-2]: _lasted(value) for key, value in told.items() if key.endswith("_s")}
    extra = {"s2v_event": event} | {f"s2v_{key}": value for key, value in told.items()}
    # One mapping as the arguments: the text names its values.
    args = lasted | told | (words or {})
    logger.log(record.level, record.text, args, exc_info=exc_info, extra=extra, stacklevel=2)


def _without_secrets(value: Any) -> Any:
    return without_secrets(value) if isinstance(value, str) else value


def _lasted(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=round(seconds))


class Harmless:
    """A block whose fault costs nothing else: of what goes on beside a run, and is no part of it.

    The fault is logged, and those after it are not: what fails once a second would fill a log.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_told = False

    def __enter__(self) -> None:
        """Any number of times, and from any thread."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        if not self._is_told:
            self._is_told = True
            log("beside_failed", exc_info=True, what=self._what)
        return True
