"""What signs an address is taken out of an answer, however the answer writes it."""

import copy
import json
from urllib.parse import quote

import pytest

from s2v_detect.images import SignedImage, kept_as, name_of, without_signature

HEX = "5f2c8d1e9a7b4c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d"
BASE64 = "aB3/kQ+xY7pL2mN9vR4tW8zC1dE="
QUERIES = {
    "S3, version 4": f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=3600&X-Amz-Signature={HEX}",
    "S3, version 2": f"AWSAccessKeyId=AKIA&Signature={quote(BASE64, safe='')}&Expires=1800000000",
    "a token": f"X-Amz-Security-Token={quote(BASE64 * 3, safe='')}&X-Amz-Signature={HEX}",
    "OSS": f"x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-signature={HEX}",
}
ECHOES = {
    "as it is": lambda url: f'{{"message": "no: {url}"}}',
    "as JSON": lambda url: json.dumps({"message": url}),
    "as JSON in ASCII": lambda url: json.dumps({"message": url}).replace("&", "\\u0026"),
    "with slashes escaped": lambda url: json.dumps({"message": url}).replace("/", "\\/"),
    "without its escapes": lambda url: (
        url.replace("%2F", "/").replace("%2B", "+").replace("%3D", "=")
    ),
    "the query alone": lambda url: url.partition("?")[2],
    "one value alone": lambda url: url.rpartition("=")[2],
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_no_secret_of_an_address_is_left_in_an_answer(query: str, echo: object) -> None:
    """Long values of the query are secrets, or belong to one."""
    url = f"https://bucket.example/a.jpg?{query}"
    answer = echo(url) if callable(echo) else ""
    left = without_signature(answer.encode(), url).decode()
    for secret in (HEX, BASE64, quote(BASE64, safe=""), BASE64.replace("/", "\\/")):
        assert secret not in left


@pytest.mark.parametrize(
    "url", ["https://a.example/1.jpg", "https://a.example/1.jpg?v=1", "https://a.example/1.jpg?"]
)
def test_an_answer_about_a_plain_address_stays(url: str) -> None:
    """There is nothing to hide."""
    assert without_signature(f"no: {url} v=1".encode(), url) == f"no: {url} v=1".encode()


async def nothing() -> str:
    """An address that nobody asks for."""
    return ""


@pytest.mark.parametrize("key", ["a.jpg", "人像 1.jpg", "a?b#c%2F.jpg", "x\ny.jpg"])
def test_a_signed_image_is_its_name_everywhere_but_in_its_identity(key: str) -> None:
    """Two contents of one key are two images, and neither is a text of that name."""
    name = f"s3://bucket/{key}"
    one, other = (SignedImage(name, identity=f"{name} {etag}", sign=nothing) for etag in "12")
    assert one == name
    assert name_of(one) == name
    assert len({kept_as(one), kept_as(other), kept_as(name)}) == 3
    assert kept_as(one).startswith("id:")
    assert type(copy.deepcopy(one)) is str
