"""The errors of a check that ends with no answer of its own, in words for whoever waits."""

from s2v_detect.errors import Busy, DetectError, ImageSkipped, NotSent, OutcomeUnknown


def left_unknown() -> OutcomeUnknown:
    """Return the error of an image that is not asked for again: it might be paid for once more."""
    return OutcomeUnknown(
        "not asked again, an earlier request for it was sent and no answer was recorded.",
        do="`s2v-detect ledger reconcile` lists such images, and resends them or writes them off.",
        billed="unknown",
    )


def not_sent(why: str, image: object = None) -> NotSent:
    """Return the error of an image that no request was made for."""
    return NotSent(f"not sent, {why}.", do="Check it again; it was not billed.", image=image)


def cut_short(error: DetectError) -> NotSent:
    """Return the error of an image that would have been asked for again, had anybody waited."""
    left = NotSent(f"left before it was asked for again, {error.what}", do=error.do)
    left.billed = error.billed
    return left


def lost_before_resend(skipped: ImageSkipped) -> NotSent:
    """Return the error of an image that was sent, and can't be sent again."""
    return NotSent(
        f"not asked again, {skipped.reason}.",
        do="Make the file what it was, and check it again.",
    )


def busy(image: object, forecast_s: float, max_wait_s: float) -> Busy:
    """Return the error of a check that found the line too long."""
    return Busy(
        f"not sent, the line is {forecast_s:.1f} s long and {max_wait_s:g} s was the most.",
        do="Check it again later; it was not billed.",
        image=image,
        retry_after_s=forecast_s,
    )


def cut_off(*, left: bool) -> DetectError:
    """Return the error of a request that outlived its client."""
    if not left:
        return not_sent("the client was closed")
    return OutcomeUnknown(
        "sent, and the client was closed before its answer came.",
        do="It may have been billed: check it again if its verdict is worth CNY 0.004.",
        billed="unknown",
    )
