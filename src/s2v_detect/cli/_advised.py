"""What came of an image, with what it means and what to do, for whoever reads no English."""

from s2v_detect.bulk import Skip
from s2v_detect.images import NO_URL
from s2v_detect.languages import N_, _, spoken
from s2v_detect.report import advice_for, skip_of
from s2v_detect.tables import Record

_LATER = N_("Check it again later.")
_IN_CHECK = {
    "ImageUnusable": N_("See that the address opens from China without a login; check it again."),
    "RateLimited": _LATER,
    "ServiceUnavailable": _LATER,
    "NotSent": N_("Look at the network; check it again."),
    "OutcomeUnknown": N_("Check it again; that may be billed once more."),
    "No address": N_("Give an http, https or oss URL, or the name of a file."),
    "Unreadable file": N_("Look at it, and check it again."),
}
"""What to do by the reason, where the advice is that of a run: `check` has not its options."""


def advised_in_check(record: Record, said: str) -> str:
    """Return the advice for an outcome of `check`, and behind it what was said of the outcome.

    What the service and the library say is English: there it stands alone, for it says both.
    """
    if spoken() == "en":
        return said
    error = skip_of(record["message"]) if record["kind"] == "skipped" else record["error"]
    return _behind_advice(record["kind"], record["code"], error, said, _IN_CHECK.get(error or ""))


def advised_reason(skip: Skip) -> str:
    """Return why images were skipped or failed, with what a person has to know of it."""
    reason = skip.reason
    if spoken() == "en":
        told = _("{reason}; for files beside the list, give --files")
        return told.format(reason=reason) if reason == NO_URL else reason
    if skip.error is not None:
        return _behind_advice("failed", "", skip.error, reason)
    usual = skip_of(reason)
    return _behind_advice("skipped", "", usual, reason) if usual else _(reason)


def _behind_advice(
    kind: str, code: str, error: str | None, said: str, do: str | None = None
) -> str:
    advice = advice_for(kind, code, error, spoken())
    do = _(do) if do else advice.do
    return _("{meaning} {do} ({said})").format(meaning=advice.meaning, do=do, said=said)
