r"""Whether a delimiter cut an image's address in two: the address before it is another image's.

**Theory.** Addresses may have commas in them, as OSS has in `…/resize,w_400`, a `;` or a `|`, and
few programs put such a cell in quotes. Nothing but the two pieces tells. An address in quotes, or
in the last cell, is whole, and so is one in a table of tabs. Else

* a *plain* cut is never sent. Each row of the table below is a manner of writing in which a
  delimiter stands within an address: how the first piece ends, and how the second begins. Both must
  fit, so that an address beside the plain cell of another column is no cut;
* a *likely* cut is asked about: the address does not end as images do, and either no header says
  how many cells a row has, or the next cell is the end of a path (`_Germany.jpg`). A column that
  its user chose by `--column` is taken at its word here.
"""

import re
from collections.abc import Sequence
from typing import Literal

from s2v_detect._service import IMAGE_FORMATS
from s2v_detect.images import trimmed
from s2v_detect.tables._row_faults import Miscut
from s2v_detect.tables._rows import is_address

ENDINGS = tuple(ending for each in IMAGE_FORMATS.values() for ending in each.endings)
"""How the address of an image ends: what ends so is whole, but before a `;`."""
_ENDING = f"({'|'.join(map(re.escape, ENDINGS))})"
_OPERATION = (
    "(resize|crop|indexcrop|circle|rounded-corners|rotate|auto-orient|blur|sharpen|bright|contrast"
    "|watermark|quality|format|interlace)"
)
_LISTED = frozenset(
    (
        *("format", "compress", "enhance", "redeye", "faces", "focalpoint", "edges", "entropy"),
        *("progressive", "dpr", "smart", "width", "viewport-width", "save-data"),
        *("top", "bottom", "left", "right"),
    )
)
_IN_PATH = r"([a-z]{1,3}_|[a-z]+=)[^\s/?]*"
_END = r"([,;|]|\Z)"

_MANNERS = tuple(
    (re.compile(first, re.IGNORECASE), re.compile(second, re.IGNORECASE))
    for first, second in (
        # Alibaba's OSS and its kin, `image/resize,w_400`: an operation without a value is none.
        (r"process=(image|video)(/|%2f)(?!(info|average-hue)\Z)((?!%2c)[^,&])*\Z", r"."),
        (
            r"[?&][\w-]*process=[^?&]*%2c[^?&]*/[a-z-]+\Z",
            rf"[a-z]{{1,7}}_[\w-]+(/\S*)?{_END}|\w+(/\S*)?{_END}",
        ),
        (rf"\?.*[/=]{_OPERATION}\Z", rf"[a-z]{{1,7}}_[\w-]+(/\S*)?{_END}|\w+/{_OPERATION}\b"),
        (r"", rf"([wh]_\d+|q_\d\d?|limit_[01]|m_(lfit|mfit|fill|pad|fixed))(/\S*)?{_END}"),
        # Cloudinary, Wix and Cloudflare, `/w_300,h_400/1.jpg` and `/width=80,quality=75/1.jpg`.
        (rf"\A[^?]*[/,]{_IN_PATH}\Z", rf"{_IN_PATH}/\S"),
        # The International Image Interoperability Framework, `/0,0,512,512/300,/0/default.jpg`.
        (
            r"/(pct:|\^?!|\^)?[\d.]*\Z",
            r"[\d.,]*/(\S*/)?(default|native|color|gr[ae]y|bitonal)\.",
        ),
        # Pairs and lists in a query, `?resize=300,200` and `?auto=format,compress`.
        (
            r"[?&](resize|fit|crop|rect|dims?|geometry|thumbnail|wh)=[\d.]+(px)?\Z",
            rf"[\d.]+(px)?{_END}",
        ),
        (
            r"[?&](auto|crop|ch|enhance|flags?)=[a-z]+\Z",
            rf"({'|'.join(sorted(_LISTED))}){_END}",
        ),
        # A query that begins or goes on, and what is set like `width=400` in one.
        (r"\?", r"[^\s&=]*&[\w.~-]+="),
        (r"\A[^?]*\Z", r"[^\s?]*\?[\w.~-]+="),
        (r"\?", r"[a-z_][\w.-]*=[^\s=]*"),
        # Tencent and Qiniu, `?imageMogr2/auto-orient|imageView2/2/w/400`.
        (r"\?\w+2?(/|\Z)", r"(image|water|round|avinfo|saveas|style)\w*/\S"),
        # Amazon, `._SR160,160_.jpg`, and names of files, `Washington,%20DC`.
        (r"\._[^/]*\Z", rf"\d+_(\w+_)?{_ENDING}"),
        (r"", rf"(_|%[\da-f]{{2}}|[&?]\w)\S*{_END}"),
    )
)
_PLAIN = re.compile(r"[^\d_=&?/%.][^_=&?/%.]*")
"""With `_LISTED`, the cells that no manner takes for a second piece, but for those of `_ODD`."""
_ODD = ("process=", "(", "[", "{")
_PATH_PARAMETER = re.compile(r"(jsessionid|phpsessid|sid|v|ver|version|rev|ts?)=\S*", re.IGNORECASE)
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))
_IS_END_OF_PATH = re.compile(rf"(?!/)[^\s?]+{_ENDING}(\?\S*)?", re.IGNORECASE)

SaidBy = Literal["user", "header", "nobody"]


def cut(text: str, cells: Sequence[str], place: int, delimiter: str, said_by: SaidBy) -> str:
    """Return how the address in `cells[place]` goes on in the next cell; nothing where it is whole.

    `text` is the whole line, with its quotes. `said_by` tells who says which cells there are.
    """
    cell = cells[place + 1] if len(cells) > place + 1 and delimiter != "\t" else ""
    if not cell or (said_by == "header" and _is_plain(cell, cells[place])):
        return ""
    image = trimmed(cells[place])
    is_image = image.lower().endswith(ENDINGS)
    if is_image and (delimiter != ";" or said_by != "header"):
        return ""
    if not is_address(image) or f'"{image}"' in text or is_address(cell):
        return ""
    behind = delimiter.join(cells[place + 1 :])
    is_parameter = delimiter == ";" and _PATH_PARAMETER.match(behind)
    has_no_query = is_image and "?" not in image
    if is_parameter or (not has_no_query and _goes_on(image, behind)):
        return Miscut(f"the address goes on behind the {delimiter!r}; put the address in quotes")
    is_end = "?" not in image and _IS_END_OF_PATH.fullmatch(cell)
    if is_image or said_by == "user" or (said_by == "header" and not is_end):
        return ""
    return Miscut(
        f"the address may go on behind the {delimiter!r}; put the address in quotes, or give"
        f" --column {place + 1} if it ends there"
    )


def _is_plain(cell: str, image: str) -> bool:
    """Whether nothing is suspect, as in nearly all rows: the table above takes some 10 µs."""
    return (
        _PLAIN.fullmatch(cell) is not None
        and cell.lower() not in _LISTED
        and not any(map(image.lower().__contains__, _ODD))
    )


def _goes_on(image: str, behind: str) -> bool:
    if any(image.count(left) > image.count(right) and right in behind for left, right in _BRACKETS):
        return True
    return any(second.match(behind) and first.search(image) for first, second in _MANNERS)
