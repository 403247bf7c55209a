"""Pictures of files inside the page, so that it can be mailed: small ones, and not too many.

A file of this machine is seen by nobody else. So its thumbnail is in the page itself, made anew
from the pixels alone: what a camera wrote into the file (where and when) is not mailed with it.
What is too large for a thumbnail, damaged or none of the four formats has none; the page then shows
the file from where it lies, as far as it is opened on this machine.
"""

import base64
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from s2v_detect._service import IMAGE_FORMATS
from s2v_detect.report._sample import Kept

_SIDE_PX = 240
"""The tile of a picture has 170 to 240 CSS pixels."""
_QUALITY = 70
_MOST_BYTES = 24_000
"""Of one picture, as text. Usual ones have 6,000 to 12,000."""
MOST_BYTES_IN_ALL = 5_000_000
"""With the rows (4 MB) a page is under 10 MB: what most mail servers take."""
_MOST_PIXELS = 50_000_000
"""More than the largest image that the service takes (7,000 x 7,000)."""


class Pictures:
    """The thumbnails of a page, by the places of their rows."""

    def __init__(self) -> None:
        self._left = MOST_BYTES_IN_ALL
        self._by_place: dict[int, str] = {}

    def take(self, rows: Iterable[Kept]) -> None:
        """Make the thumbnails of these rows, in their order, as long as there is room.

        Each row is given once. What has no thumbnail is not remembered: of a live page that would
        be a place for each such row, as long as the run goes on.
        """
        for kept in rows:
            if kept.row.file is None or self._left < _MOST_BYTES:
                continue
            if picture := _thumbnail(kept.row.file):
                self._by_place[kept.place] = picture
                self._left -= len(picture)

    def row_of(self, kept: Kept) -> str:
        """Return the JSON of a row, with its thumbnail where there is one."""
        picture = self._by_place.get(kept.place)
        return f'{kept.row.text[:-1]},"picture":"{picture}"}}' if picture else kept.row.text


def _thumbnail(file: Path) -> str:
    """Return a file's picture as a `data:` address, or nothing."""
    try:
        from PIL import Image, ImageOps  # noqa: PLC0415  # slow, and few pages have files
    except ImportError:  # a page without thumbnails is better than none
        return ""
    unusable = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)  # of a damaged one
    try:
        with Image.open(file, formats=tuple(IMAGE_FORMATS)) as image:
            if image.width * image.height > _MOST_PIXELS:
                return ""
            image.draft("RGB", (2 * _SIDE_PX, 2 * _SIDE_PX))  # JPEG: a sixtieth of the work
            image.thumbnail((_SIDE_PX, _SIDE_PX), reducing_gap=2.0)
            text = _as_text(ImageOps.exif_transpose(image))
    except (*unusable, Image.DecompressionBombWarning):
        return ""
    return text if len(text) <= _MOST_BYTES else ""


def _as_text(image: Any) -> str:
    from PIL import Image  # noqa: PLC0415  # as above

    picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if picture.mode == "RGBA":  # a JPEG has no transparency: white stands behind the picture
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    picture.info.clear()  # a comment of the camera's would be written too
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
