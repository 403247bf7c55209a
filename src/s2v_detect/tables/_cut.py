"""Whether a delimiter cut an image's address in two: the address before it is another image's.

**Theory.** Addresses may have commas in them, as OSS has in `…/resize,w_400`, and few programs put
such a cell in quotes. Nothing but the two pieces tells. An address in quotes, or in the last cell,
is whole, and so is one in a table of tabs. Else

* a *plain* cut is never sent: the address ends in an operation on images that lacks its values, or
  the next cell has a value for one (`w_400`, `quality=75/1.jpg`), or goes on with a query;
* a *likely* cut is asked about: the address does not end as images do, and either no header says
  how many cells a row has, or the next cell is the end of a path (`_Germany.jpg`). A column that
  its user chose by `--column` is taken at its word here.
"""

import re
from collections.abc import Sequence
from typing import Literal

from s2v_detect._service import IMAGE_FORMATS
from s2v_detect.images import trimmed
from s2v_detect.tables._rows import is_address

_ENDINGS = tuple(ending for each in IMAGE_FORMATS.values() for ending in each.endings)
_LACKS_VALUES = re.compile(
    r"process=image(/|%2f)(?!(info|average-hue)\Z)((?!%2c)[^,&])*\Z", re.IGNORECASE
)
_IS_VALUE = re.compile(
    r"[whcqgml]_[\w.%]|(limit|color|type|text|size|fill|ar|fl|dpr)_\w|[a-z][\w-]*=[^=\s]"
    r"|[^\s,]*[&?][\w-]+=",
    re.IGNORECASE,
)
_IS_END_OF_PATH = re.compile(
    rf"[^\s?]+({'|'.join(map(re.escape, _ENDINGS))})(\?\S*)?", re.IGNORECASE
)

SaidBy = Literal["user", "header", "nobody"]


def cut(text: str, cells: Sequence[str], place: int, delimiter: str, said_by: SaidBy) -> str:
    """Return how the address in `cells[place]` goes on in the next cell; nothing where it is whole.

    `text` is the whole line, with its quotes. `said_by` tells who says which cells there are.
    """
    following = cells[place + 1 : place + 2]
    if not any(following):
        return ""
    image = trimmed(cells[place])
    if delimiter == "\t" or image.lower().endswith(_ENDINGS):
        return ""
    if not is_address(image) or f'"{image}"' in text or is_address(following[0]):
        return ""
    if _LACKS_VALUES.search(image) or _IS_VALUE.match(following[0]):
        return f"the address goes on behind the {delimiter!r}; put the address in quotes"
    is_end = "?" not in image and _IS_END_OF_PATH.fullmatch(following[0])
    if said_by == "user" or (said_by == "header" and not is_end):
        return ""
    return (
        f"the address may go on behind the {delimiter!r}; put the address in quotes, or give"
        f" --column {place + 1} if it ends there"
    )
