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
_UNREADABLE = (
    N_("Unreadable file"),
    Advice(N_("The file or folder could not be read."), N_("Look at it, and run again.")),
)
_FAULTY = (
    N_("Faulty address"),
    Advice(N_("The address can't be used."), N_("Mend the address.")),
)
_NOT_PUBLIC = (
    N_("Unreachable address"),
    Advice(N_("An address that is not public."), N_("Put it where the service can fetch it.")),
)
_QUOTE = (
    N_("Stray quote"),
    Advice(
        N_("The quotes of the row do not fit together."),
        N_("Put a cell with a quote in it between quotes, and write its own quote twice."),
    ),
)
_TOO_LARGE = (N_("File too large"), _BY_CODE["Size"])
_NO_JSON = (
    N_("No JSON object"),
    Advice(N_("It is no JSON object."), N_("Write one JSON object a line.")),
)
_TOO_LONG = (
    N_("Too long"),
    Advice(
        N_("It is longer than an address or a row may be."),
        N_("See whether several rows became one, and mend the row."),
    ),
)
_UNDECODED = (
    N_("Not decoded"),
    Advice(
        N_("It is no text in the encoding of the list."),
        N_("Give the right one after --encoding, or mend the row."),
    ),
)
_OF_THE_RUN = (
    N_("File of the run"),
    Advice(N_("It is a file that the run writes, and no image."), N_("Leave the row out.")),
)
_FORMAT = (
    N_("Format"),
    Advice(N_("Looked at, and not paid for: it is none of the four formats, or damaged."), _SAVED),
)
_SKIPS = [
    (
        "its identity ",
        N_("Faulty identity"),
        Advice(
            N_("The row's identity can't be used."),
            N_("Give each image a text or a whole number of its own."),
        ),
    ),
    (
        "pixels; both sides must have",
        N_("Size in pixels"),
        Advice(N_("Looked at, and not paid for: its size in pixels is out of bounds."), _SIZED),
    ),
    (f"{ALL_FORMATS} are taken", *_FORMAT),
    (f"the service takes {ALL_FORMATS}", *_FORMAT),
    (
        "it is not there",
        N_("Missing"),
        Advice(N_("Its server says that it is not there."), N_("Mend the address.")),
    ),
    ("its host is", *_NOT_PUBLIC),
    (
        "it is no http, https or oss URL",
        N_("No address"),
        Advice(
            N_("It is no address of an image."),
            N_("Give an http, https or oss URL; for files beside the list, run with --files."),
        ),
    ),
    (
        "an address in a bucket",
        N_("In a bucket"),
        Advice(
            N_("It is the address of an object in a bucket, which the service can't open."),
            N_("Give a signed https address of it, or the bucket itself to s2v-detect run."),
        ),
    ),
    (
        "the address is empty",
        N_("Empty address"),
        Advice(N_("There is no address."), N_("Fill it in, or leave the row out.")),
    ),
    (
        "on behind the ",
        N_("Cut address"),
        Advice(N_("The address goes on behind a delimiter."), N_("Put the address in quotes.")),
    ),
    ("the address ", *_FAULTY),
    ("the oss address ", *_FAULTY),
    (
        "two addresses in one ",
        N_("Two addresses"),
        Advice(N_("Two addresses stand in one place."), N_("Give each its own row.")),
    ),
    ("a quote ", *_QUOTE),
    (
        "holds no text",
        N_("No text"),
        Advice(N_("The cell of the image holds no text."), N_("Put an address there.")),
    ),
    (
        "a formula whose value is not saved",
        N_("Formula without a value"),
        Advice(
            N_("The cell holds a formula whose value is not saved."),
            N_("Open the file in Excel and save it."),
        ),
    ),
    ("is not JSON", *_NO_JSON),
    ("is no JSON object", *_NO_JSON),
    ("is longer than ", *_TOO_LONG),
    (
        "two files were joined",
        N_("Joined files"),
        Advice(
            N_("Two files were joined in the middle of the line."),
            N_("Put each address into a line of its own."),
        ),
    ),
    ("the line is not ", *_UNDECODED),
    ("the item is not ", *_UNDECODED),
    (
        "the line has",
        N_("Faulty row"),
        Advice(N_("The row is not as long as the header."), N_("Mend the row.")),
    ),
    (
        "holds a NUL byte",
        N_("Damaged row"),
        Advice(N_("The row is damaged."), N_("Save the list anew, or mend the row.")),
    ),
    (
        "it is a folder: ",
        N_("Folder"),
        Advice(N_("It is a folder."), N_("Give it to s2v-detect run.")),
    ),
    (
        "it changed while it was read",
        N_("Changed file"),
        Advice(
            N_("The file changed while it was read."),
            N_("Run again when nothing writes it any more."),
        ),
    ),
    ("the store takes", *_TOO_LARGE),
    ("too large for the store", *_TOO_LARGE),
    (" bytes, and no image of ", *_TOO_LARGE),
    ("its key has a part ", *_FAULTY),
    ("can't be read", *_UNREADABLE),
    ("not a file", *_UNREADABLE),
    ("it is a ledger ", *_OF_THE_RUN),
    ("it is a file of the run ", *_OF_THE_RUN),
    ("no file of that name", *_UNREADABLE),
    ("path can't be had", *_UNREADABLE),
    (
        "it is empty",
        N_("Empty file"),
        Advice(N_("The file is empty."), N_("Save it anew.")),
    ),
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
