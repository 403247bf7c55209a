"""An image whose address is made anew each time that it is asked for.

An object of a private bucket has no lasting address: it is fetched by one that is signed, for a
while. Such an address is a key to the object. So it is made just before the request that holds it,
and kept nowhere; books, outputs and messages have the image's name.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

Sign = Callable[[], Awaitable[str]]
"""Makes an address that lives for `SIGNED_FOR_S`. Raises `ConfigurationError` where it can't."""

SIGNED_FOR_S = 3600
"""How long an address should live. One of temporary credentials ends with these, if they end
sooner: in ten minutes at the soonest, for before that they are renewed."""
FRESH_S = 300.0
"""How old an address may be that is sent: the service has to fetch it, too."""

_SHORTEST_SECRET = 16


class SignedImage(str):
    """An image by its name, such as `s3://bucket/key`, with what makes an address for it.

    As a text it is its name. Pickled, or copied, it is a plain text: what signs stays here.
    """

    __slots__ = ("identity", "refusal", "sign")

    def __new__(cls, name: str, *, identity: str, sign: Sign, refusal: str = "") -> Self:
        """Return the image. `identity` is another where its content is; `refusal`: why not to ask.

        Whatever else is the same image has the same identity.
        """
        image = super().__new__(cls, name)
        image.identity = identity
        image.sign = sign
        image.refusal = refusal
        return image

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str.__str__(self),)

    identity: str
    sign: Sign
    refusal: str


def without_signature(answer: bytes, url: str) -> bytes:
    """Return an answer without what signs the address: some services echo what they were sent."""
    for secret in _secrets_of(url):
        answer = answer.replace(secret, b"...")
    return answer


def _secrets_of(url: str) -> Iterator[bytes]:
    """Yield the long values of a query, as they are written and as they are meant."""
    query = urlsplit(url).query
    written = [part.partition("=")[2] for part in query.split("&")]
    meant = [value for _, value in parse_qsl(query)] + [unquote(value) for value in written]
    for value in {*written, *meant, *(each.replace("/", "\\/") for each in meant)}:
        if len(value) >= _SHORTEST_SECRET:
            yield value.encode()
