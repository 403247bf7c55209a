"""What a reason means, and what to do about it; in the words of somebody who has to act on it."""

from typing import NamedTuple

_PREFIXES = ("InvalidFile.", "InvalidImage.", "InvalidImage")


class Advice(NamedTuple):
    """A reason in plain words."""

    meaning: str
    do: str


_ONE_PERSON = "Use a portrait of one person, alone in the picture."
_FACING = "Use a picture taken from the front, the whole face free and turned to the camera."
_SIZED = "Scale or crop it: each side from 400 to 7,000 pixels."

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
    "Format": Advice("The format can't be read.", "Save it as JPEG, PNG, BMP or WEBP."),
    "FileFormat": Advice("The format can't be read.", "Save it as JPEG, PNG, BMP or WEBP."),
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
_REJECTED = Advice("Rejected without a reason that is known here.", "Look at its message.")
_FAILED = Advice("The check gave no verdict.", "Look at its message, and run --retry-failed.")


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
    return _BY_ERROR.get(error or "", _FAILED)
