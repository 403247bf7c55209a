"""What an image is before it is asked for: its address, its file, its look, and its upload.

`_items` (what is asked of a user's item), `_places` (pure: where in an item an image is),
`_identity` (pure: what makes two images the same), `_addresses` (pure: which hosts are public),
`_header` (pure: format and size from the first bytes), `_files` (a file or bytes of this machine),
`_look` with `_fetching` and `_guard` (the first bytes from a server), `_upload` (into the vendor's
store), `_signed` (pure: an image whose address is made when the image is asked for), `_subjects`
(all of these as what a check is about). It knows no check: nothing here is billed.

`Looker` and `Uploader` are imported at their first use: a look loads httpcore, 100 ms of every
import, and most clients neither look nor upload.
"""

from typing import TYPE_CHECKING, Any

from s2v_detect.images._addresses import address_in, host_of, is_local, private_reason
from s2v_detect.images._files import (
    UNREAD,
    LocalImage,
    Reading,
    local_image,
    not_to_be_opened,
)
from s2v_detect.images._identity import (
    DIGITS,
    IN_BUCKET,
    NO_ADDRESS,
    NO_URL,
    asked_identity,
    identity_of,
    identity_text,
    image_of,
    is_in_bucket,
    is_missing,
    is_own,
    kept_as,
    name_of,
    no_identity,
    own_identity,
    trimmed,
)
from s2v_detect.images._items import Asked, Asking, Getter, asked_of
from s2v_detect.images._places import described, is_image, no_address
from s2v_detect.images._signed import FRESH_S, SIGNED_FOR_S, Sign, SignedImage, without_signature
from s2v_detect.images._subjects import Subject, Subjects, identity_within

if TYPE_CHECKING:
    from s2v_detect.images._look import Looker
    from s2v_detect.images._upload import Uploader

__all__ = [
    "DIGITS",
    "FRESH_S",
    "IN_BUCKET",
    "NO_ADDRESS",
    "NO_URL",
    "SIGNED_FOR_S",
    "UNREAD",
    "Asked",
    "Asking",
    "Getter",
    "LocalImage",
    "Looker",
    "Reading",
    "Sign",
    "SignedImage",
    "Subject",
    "Subjects",
    "Uploader",
    "address_in",
    "asked_identity",
    "asked_of",
    "described",
    "host_of",
    "identity_of",
    "identity_text",
    "identity_within",
    "image_of",
    "is_image",
    "is_in_bucket",
    "is_local",
    "is_missing",
    "is_own",
    "kept_as",
    "local_image",
    "name_of",
    "no_address",
    "no_identity",
    "not_to_be_opened",
    "own_identity",
    "private_reason",
    "trimmed",
    "without_signature",
]


def __getattr__(name: str) -> Any:
    if name == "Looker":
        from s2v_detect.images._look import Looker  # noqa: PLC0415  # as above

        return Looker
    if name == "Uploader":
        from s2v_detect.images._upload import Uploader  # noqa: PLC0415  # as above

        return Uploader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
