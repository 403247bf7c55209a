"""What came of an image, with what it means and what to do, for whoever reads no English."""

from s2v_detect.languages import _, spoken
from s2v_detect.report import advice_for, skip_of
from s2v_detect.tables import Record

NO_URL = "it is no http, https or oss URL"
"""What the library says of the name of a file."""


def advised(record: Record, said: str) -> str:
    """Return the advice for an outcome, and behind it what was said of the outcome.

    What the service and the library say is English: there it stands alone, for it says both.
    """
    if spoken() == "en":
        return said
    error = skip_of(record["message"]) if record["kind"] == "skipped" else record["error"]
    return _behind_advice(record["kind"], record["code"], error, said)


def advised_skip(reason: str) -> str:
    """Return the reason of a skipped image, with what a person has to know of it."""
    if spoken() == "en":
        told = _("{reason}; for files beside the list, give --files")
        return told.format(reason=reason) if reason == NO_URL else reason
    return _behind_advice("skipped", "", skip_of(reason), reason) if skip_of(reason) else reason


def _behind_advice(kind: str, code: str, error: str | None, said: str) -> str:
    advice = advice_for(kind, code, error, spoken())
    return _("{meaning} {do} ({said})").format(meaning=advice.meaning, do=advice.do, said=said)
