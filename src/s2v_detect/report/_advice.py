"""What a reason means, and what to do about it; in the words of somebody who has to act on it."""

from typing import NamedTuple

from s2v_detect._service import ALL_FORMATS, ANY_FORMAT, LONGEST_PX, SHORTEST_PX

_PREFIXES = ("InvalidFile.", "InvalidImage.", "InvalidImage")


class Advice(NamedTuple):
    """A reason in plain words."""

    meaning: str
    do: str


_ONE_PERSON = "Use a portrait of one person, alone in the picture."
_FACING = "Use a picture taken from the front, the whole face free and turned to the camera."
_SIZED = f"Scale or crop it: each side from {SHORTEST_PX} to {LONGEST_PX:,} pixels."
_SAVED = f"Save it as {ANY_FORMAT}."

_BY_CODE = {
    "NoHuman": Advice("No person was found.", _ONE_PERSON),
    "NoHumanFace": Advice("No face was found.", _ONE_PERSON),
    "InvalidPerson": Advice("No person that can be used was found.", _ONE_PERSON),
    "MultiHuman": Advice("More than one person is in the picture.", _ONE_PERSON),
    "BodyProportion": Advice("The person takes up too much or too little of it.", "Crop it anew."),
    "FacePose": Advice("The face is turned away.", _FACING),
    "FullFace": Advice("The face is not whole, or something covers it.", _FACING),
    "FrontBody": Advice("The body is not seen from the front.", _FACING),
    "FullBody": Advice("The body is not whole.", "Use a picture that shows more of the person."),
    "BodyPose": Advice("The pose can't be used.", "Use an upright, quiet pose."),
    "Value": Advice("It is too dark.", "Use a brighter picture."),
    "Content": Advice("Its content can't be used.", "Use another picture."),
    "Resolution": Advice("Its size in pixels is out of bounds.", _SIZED),
    "Size": Advice("The file is too large.", "Save it smaller: at most 5 MB."),
    "ImageSize": Advice("Its size is out of bounds.", _SIZED),
    "AspectRatio": Advice("It is too wide or too tall.", "Crop it."),
    "Format": Advice("The format can't be read.", _SAVED),
    "FileFormat": Advice("The format can't be read.", _SAVED),
    "Openerror": Advice("The file can't be opened.", "Save it anew; it may be damaged."),
}
_BY_ERROR = {
    "ImageSkipped": Advice(
        "Never sent, never billed: the service would not take it.",
        "Its message says why: mend the address, or use another picture.",
    ),
    "ImageUnusable": Advice(
        "The service could not fetch or open it, or moderation refused it.",
        "See that the address opens from China without a login; then run with --retry-failed.",
    ),
    "BadRequest": Advice("The service does not take this request.", "Look at its message."),
    "RateLimited": Advice("Still over the rate when the retries ran out.", "Run --retry-failed."),
    "ServiceUnavailable": Advice("The service was out for too long.", "Run with --retry-failed."),
    "NotSent": Advice("Nothing left this machine.", "Look at the network; run again."),
    "OutcomeUnknown": Advice(
        "Sent, and no answer came: it may have been billed.",
        "Run s2v-detect ledger reconcile: it lists such images, resends them or writes them off.",
    ),
}
_UNREADABLE = Advice("The file or folder could not be read.", "Look at it, and run again.")
_SKIPS = [
    (
        "pixels; both sides must have",
        "Size in pixels",
        Advice("Looked at, and not paid for: its size in pixels is out of bounds.", _SIZED),
    ),
    (
        f"{ALL_FORMATS} are taken",
        "Format",
        Advice(
            "Looked at, and not paid for: it is none of the four formats, or damaged.",
            _SAVED,
        ),
    ),
    (
        "it is not there",
        "Missing",
        Advice("Its server says that it is not there.", "Mend the address."),
    ),
    (
        "its host is",
        "Unreachable address",
        Advice("An address that is not public.", "Put it where the service can fetch it."),
    ),
    ("can't be read", "Unreadable file", _UNREADABLE),
    ("not a file", "Unreadable file", _UNREADABLE),
]
"""What the reason of a skipped image holds, what that is called, and what to do."""
_REJECTED = Advice("Rejected without a reason that is known here.", "Look at its message.")
_FAILED = Advice("The check gave no verdict.", "Look at its message, and run --retry-failed.")


def skip_of(message: str) -> str:
    """Return what a skipped image was skipped for, or nothing where it is none of the usual.

    Example:
        >>> skip_of("it is a GIF image; JPEG, PNG, BMP and WEBP are taken")
        'Format'
    """
    return next((name for words, name, _ in _SKIPS if words in message), "")


def advice_for(kind: str, code: str, error: str | None) -> Advice:
    """Return what a row's outcome means.

    Example:
        >>> advice_for("checked", "InvalidFile.MultiHuman", None).meaning
        'More than one person is in the picture.'
    """
    if kind == "checked":
        short = code
        for prefix in _PREFIXES:
            short = short.removeprefix(prefix)
        return _BY_CODE.get(short, _REJECTED)
    if kind == "skipped":
        usual = next((advice for _, name, advice in _SKIPS if name == error), None)
        return usual or _BY_ERROR["ImageSkipped"]
    return _BY_ERROR.get(error or "", _FAILED)
