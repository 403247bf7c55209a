"""A look at one image: fetched, opened, measured, and searched for a face.

It is an estimate. The service examines far more than a frontal face (pose, proportions, light)
and reaches URLs from elsewhere; what it thinks of an image only it can tell. What an estimate
says in a message, it says as one.
"""

import asyncio
import io
import ssl
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from s2v_detect._version import missing
from s2v_detect.emulator._script import Answer, Error, Pass, Reject

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_FORMATS = ("JPEG", "PNG", "BMP", "WEBP")  # as the API page says
_SHORTEST_PX, _LONGEST_PX = 400, 7000  # as the API page says

_MOST_BYTES = 50 * 2**20  # ours: 7000 x 7000 in any photograph's compression is less
_MOST_AT_ONCE = 2
_SEARCHED_PX = 800  # longer images are searched in this size: faces stay findable, time bounded
_SMALLEST_FACE_PX, _LARGEST_FACE_PX = 60, 300
_SCALE, _STEP = 1.2, 1.0


class Looking:
    """Fetches and examines images, two at a time. Nothing is remembered from one to the next."""

    def __init__(self, *, timeout_s: float) -> None:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        self._free = asyncio.Semaphore(_MOST_AT_ONCE)

    async def close(self) -> None:
        """Close the connections to where images came from."""
        await self._session.close()

    async def answer(self, url: URL) -> Answer:
        """Return the verdict on the image at `url`, or the error for one that can't be had."""
        async with self._free:
            content = await self._fetched(url)
            return content if isinstance(content, Answer) else await _examined(content)

    async def answer_about(self, content: bytes) -> Answer:
        """Return the verdict on an image that is here already."""
        async with self._free:
            return await _examined(content)

    async def _fetched(self, url: URL) -> bytes | Answer:
        try:
            async with self._session.get(url) as response:
                return await _content(response)
        except TimeoutError:
            return Error(400, "InvalidURL.Timeout", _told("The URL took too long to download"))
        except (ssl.SSLError, aiohttp.ClientSSLError, aiohttp.ClientConnectorDNSError):
            return _unreachable()
        except aiohttp.ClientConnectorError:
            return Error(400, "InvalidURL.ConnectionRefused", _told("Connection refused"))
        except (aiohttp.InvalidURL, aiohttp.TooManyRedirects):
            return Error(400, "InvalidURL", _told("The URL cannot be fetched"))
        except aiohttp.ClientError:
            return _unreachable()


async def _examined(content: bytes) -> Answer:
    try:
        return await asyncio.to_thread(examined, content)
    except ImportError:
        return Error(400, "BadRequest.Emulator", missing("Looking at images", "emulator"))


async def _content(response: aiohttp.ClientResponse) -> bytes | Answer:
    if not response.ok:
        return Error(400, "InvalidURL", _told(f"The URL answered {response.status}"))
    if response.content_type in ("text/html", "application/json", "application/xml"):
        return Error(
            400, "InvalidParameter.DataInspection", _told("The URL gives no image but a document")
        )
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _MOST_BYTES:
            return Reject("InvalidFile.Size", _told("The file is too large"))
    return bytes(content)


def _unreachable() -> Error:
    return Error(
        400, "InvalidParameter.DataInspection", _told("Unable to download the media resource")
    )


def _told(what: str) -> str:
    return f"{what}. (The emulator's estimate.)"


def examined(content: bytes) -> Answer:
    """Return the verdict on an image: its format and size are looked at before any face."""
    import PIL  # noqa: PLC0415  # an extra, and slow: only when it is needed
    from PIL import Image  # noqa: PLC0415  # as above

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            return _sized(image) or _verdict(_faces(image))
    except PIL.UnidentifiedImageError:
        return Reject("InvalidFile.Format", _told("The file is no JPEG, PNG, BMP or WEBP image"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Reject("InvalidFile.Resolution", _told("The image is far too large"))
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for a damaged image
        return Reject("InvalidFile.Openerror", _told("The image cannot be opened"))


def _sized(image: "Picture") -> Reject | None:
    if all(_SHORTEST_PX <= side_px <= _LONGEST_PX for side_px in image.size):
        return None
    width_px, height_px = image.size
    what = f"The image is {width_px} x {height_px}, not {_SHORTEST_PX} to {_LONGEST_PX} a side"
    return Reject("InvalidFile.Resolution", _told(what))


def _verdict(faces: int) -> Answer:
    if faces == 0:
        return Reject("InvalidFile.NoHuman", _told("No frontal face was found"))
    if faces > 1:
        return Reject("InvalidFile.MultiHuman", _told(f"{faces} frontal faces were found"))
    return Pass()


def _faces(image: "Picture") -> int:
    import numpy as np  # noqa: PLC0415  # comes with scikit-image
    from PIL import ImageOps  # noqa: PLC0415  # an extra
    from skimage.data import lbp_frontal_face_cascade_filename  # noqa: PLC0415  # an extra, slow
    from skimage.feature import Cascade  # noqa: PLC0415  # as above

    image.draft("RGB", (_SEARCHED_PX, _SEARCHED_PX))
    upright = ImageOps.exif_transpose(image)  # a face that lies on its side is not found
    searched = upright.convert("RGB")
    searched.thumbnail((_SEARCHED_PX, _SEARCHED_PX))
    trained = lbp_frontal_face_cascade_filename()  # type: ignore[no-untyped-call]  # ships no types
    cascade = Cascade(trained)
    found = cascade.detect_multi_scale(
        img=np.asarray(searched),
        scale_factor=_SCALE,
        step_ratio=_STEP,
        min_size=(_SMALLEST_FACE_PX, _SMALLEST_FACE_PX),
        max_size=(_LARGEST_FACE_PX, _LARGEST_FACE_PX),
    )
    return len(found)
