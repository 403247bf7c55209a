"""The errors of a check that ends with no answer of its own, in words for whoever waits."""

from s2v_detect.errors import DetectError, NotSent, OutcomeUnknown


def left_unknown() -> OutcomeUnknown:
    """Return the error of an image that is not asked for again: it might be paid for once more."""
    return OutcomeUnknown(
        "not asked again, an earlier request for it was sent and no answer was recorded.",
        do="`s2v-detect ledger reconcile` lists such images, and resends them or writes them off.",
        billed="unknown",
    )


def not_sent(why: str) -> NotSent:
    """Return the error of an image that no request was made for."""
    return NotSent(f"not sent, {why}.", do="Check it again; it was not billed.")


def cut_off(*, left: bool) -> DetectError:
    """Return the error of a request that outlived its client."""
    if not left:
        return not_sent("the client was closed")
    return OutcomeUnknown(
        "sent, and the client was closed before its answer came.",
        do="It may have been billed: check it again if its verdict is worth CNY 0.004.",
        billed="unknown",
    )
