"""What a reason means, and what to do about it; in the words of somebody who has to act on it."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from s2v_detect._service import ALL_FORMATS, IMAGE_FORMATS, LONGEST_PX, SHORTEST_PX
from s2v_detect.languages import N_, Language, _, speaking
from s2v_detect.report._words import said

_PREFIXES = ("InvalidFile.", "InvalidImage.", "InvalidImage")


class Advice(NamedTuple):
    """A reason in plain words."""

    meaning: str
    do: str


_ONE_PERSON = N_("Use a portrait of one person, alone in the picture.")
_FACING = N_("Use a picture taken from the front, the whole face free and turned to the camera.")
_SIZED = N_("Scale or crop it: each side from {shortest} to {longest:,} pixels.")
_SAVED = N_("Save it as {formats}.")
_RETRIED = N_("Run with --retry-failed.")
_UNREAD = N_("The format can't be read.")

_BY_CODE = {
    "NoHuman": Advice(N_("No person was found."), _ONE_PERSON),
    "NoHumanFace": Advice(N_("No face was found."), _ONE_PERSON),
    "InvalidPerson": Advice(N_("No person that can be used was found."), _ONE_PERSON),
    "MultiHuman": Advice(N_("More than one person is in the picture."), _ONE_PERSON),
    "BodyProportion": Advice(
        N_("The person takes up too much or too little of the picture."), N_("Crop it anew.")
    ),
    "FacePose": Advice(N_("The face is turned away."), _FACING),
    "FullFace": Advice(N_("The face is not whole, or something covers it."), _FACING),
    "FrontBody": Advice(N_("The body is not seen from the front."), _FACING),
    "FullBody": Advice(
        N_("The body is not whole."), N_("Use a picture that shows more of the person.")
    ),
    "BodyPose": Advice(N_("The pose can't be used."), N_("Use an upright, quiet pose.")),
    "Value": Advice(N_("It is too dark."), N_("Use a brighter picture.")),
    "Content": Advice(N_("Its content can't be used."), N_("Use another picture.")),
    "Resolution": Advice(N_("Its size in pixels is out of bounds."), _SIZED),
    "Size": Advice(N_("The file is too large."), N_("Save it smaller: at most 5 MB.")),
    "ImageSize": Advice(N_("Its size is out of bounds."), _SIZED),
    "AspectRatio": Advice(N_("It is too wide or too tall."), N_("Crop it.")),
    "Format": Advice(_UNREAD, _SAVED),
    "FileFormat": Advice(_UNREAD, _SAVED),
    "Openerror": Advice(N_("The file can't be opened."), N_("Save it anew; it may be damaged.")),
}
_LOST = Advice(
    N_("Sent, and no answer came: it may have been billed."),
    N_("Run s2v-detect ledger reconcile: it lists such images, resends them or writes them off."),
)
_UNSENT = Advice(N_("Nothing left this machine."), N_("Look at the network; run again."))
_BY_ERROR = {
    "ImageSkipped": Advice(
        N_("Never sent, never billed: the service would not take it."),
        N_("Its message says why: mend the address, or use another picture."),
    ),
    "ImageUnusable": Advice(
        N_("The service could not fetch or open it, or moderation refused it."),
        N_("See that the address opens from China without a login; then run with --retry-failed."),
    ),
    "BadRequest": Advice(N_("The service does not take this request."), N_("Look at its message.")),
    "RateLimited": Advice(N_("Still over the rate when the retries ran out."), _RETRIED),
    "ServiceUnavailable": Advice(N_("The service was out for too long."), _RETRIED),
    "NotSent": _UNSENT,
    "OutcomeUnknown": _LOST,
    # What stops a run is the same for every image; a ledger has it with the one that showed it.
    "AccessDenied": Advice(
        N_("The key, the workspace or the model is not permitted."),
        N_("Check in the console what the key may use; run again."),
    ),
    "OutOfCredit": Advice(
        N_("The account is overdue, or its free images are spent."),
        N_("Pay, or let images be paid for beyond the free ones; run again."),
    ),
    "BudgetSpent": Advice(
        N_("One more request might pass the budget."), N_("Run with a larger --max-cost.")
    ),
    "ConfigurationError": Advice(
        N_("The service can't be asked as things are set up."),
        N_("Run s2v-detect doctor: it says what to mend."),
    ),
    "LedgerError": Advice(
        N_("The ledger could not be read or written."), N_("Look at its disk; run again.")
    ),
    "Busy": Advice(N_("The line was too long to wait."), N_("Check it again later.")),
    # The states of a ledger's entry that no error ended.
    "asked": Advice(N_("A run took it, and did not come to it."), N_("Run again: it goes on.")),
    "sent": _LOST,
    "unknown": _LOST,
    "not sent": _UNSENT,
}
_UNREADABLE = Advice(N_("The file or folder could not be read."), N_("Look at it, and run again."))
_SKIPS = [
    (
        "pixels; both sides must have",
        N_("Size in pixels"),
        Advice(N_("Looked at, and not paid for: its size in pixels is out of bounds."), _SIZED),
    ),
    (
        f"{ALL_FORMATS} are taken",
        N_("Format"),
        Advice(
            N_("Looked at, and not paid for: it is none of the four formats, or damaged."),
            _SAVED,
        ),
    ),
    (
        "it is not there",
        N_("Missing"),
        Advice(N_("Its server says that it is not there."), N_("Mend the address.")),
    ),
    (
        "its host is",
        N_("Unreachable address"),
        Advice(N_("An address that is not public."), N_("Put it where the service can fetch it.")),
    ),
    (
        "it is no http, https or oss URL",
        N_("No address"),
        Advice(
            N_("It is no address of an image."),
            N_("Give an http, https or oss URL; for files beside the list, run with --files."),
        ),
    ),
    (
        "the address ",
        N_("Faulty address"),
        Advice(N_("The address can't be used."), N_("Mend the address.")),
    ),
    (
        "the line has",
        N_("Faulty row"),
        Advice(N_("The row is not as long as the header."), N_("Mend the row.")),
    ),
    ("can't be read", N_("Unreadable file"), _UNREADABLE),
    ("not a file", N_("Unreadable file"), _UNREADABLE),
]
"""What the reason of a skipped image holds, what that is called, and what to do. The reason is an
exception's, and so in English wherever it is read."""
_REJECTED = Advice(N_("Rejected without a reason that is known here."), N_("Look at its message."))
_FAILED = Advice(
    N_("The check gave no verdict."), N_("Look at its message, and run --retry-failed.")
)
OTHER, NONE = N_("other reasons"), N_("no reason")
"""Of those that have no place of their own, and of those that say none."""


def skip_of(message: str) -> str:
    """Return what a skipped image was skipped for, or nothing where it is none of the usual.

    Example:
        >>> skip_of("it is a GIF image; JPEG, PNG, BMP and WEBP are taken")
        'Format'
    """
    return next((name for words, name, _advice in _SKIPS if words in message), "")


def advice_for(kind: str, code: str, error: str | None, language: Language = "en") -> Advice:
    """Return what a row's outcome means.

    Example:
        >>> advice_for("checked", "InvalidFile.MultiHuman", None).meaning
        'More than one person is in the picture.'
    """
    return _in(language, _advice_for(kind, code, error))


@cache
def names_in(language: Language) -> Mapping[str, Mapping[str, str]]:
    """Return by group what reasons are called that have no code: those that are named here.

    The row of an image and the button of its reason have the English name in every language: it
    finds the rows, and this is what is read.
    """
    named = said({name: name for name in (OTHER, NONE)}, language)
    skips = said({name: name for _words, name, _advice in _SKIPS}, language)
    return {"rejected": named, "failed": named, "skipped": named | skips}


def _advice_for(kind: str, code: str, error: str | None) -> Advice:
    if kind == "checked":
        short = code
        for prefix in _PREFIXES:
            short = short.removeprefix(prefix)
        return _BY_CODE.get(short, _REJECTED)
    if kind == "skipped":
        usual = next((advice for _words, name, advice in _SKIPS if name == error), None)
        return usual or _BY_ERROR["ImageSkipped"]
    return _BY_ERROR.get(error or "", _FAILED)


def _in(language: Language, advice: Advice) -> Advice:
    """Return an advice in a language, with the service's facts."""
    *several, last = IMAGE_FORMATS
    with speaking(language):
        formats = _("{several} or {last}").format(several=_(", ").join(several), last=last)
        facts = {"formats": formats, "shortest": SHORTEST_PX, "longest": LONGEST_PX}
        return Advice(*(_(text).format(**facts) for text in advice))
