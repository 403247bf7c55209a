"""The images of a bucket, listed from a real S3 server, and from one that answers wrongly."""

import asyncio
import runpy
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiobotocore.session import get_session
from tests.buckets import Bucket, new_bucket

from _lister import Fault, listing
from s2v_detect import Checked, ConfigurationError, Skipped
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.images import SignedImage
from s2v_detect.integrations.buckets import BucketImages, oss_options, refusal_of

OPENED = {"key": "AKIATESTTESTTEST", "secret": "s", "session": get_session()}
"""One session for all: each would read the model of S3 anew, 0.15 s of CPU."""

KEYS = [
    *("1.jpg", "1 2.jpg", "%41.jpg", "%FF%zz.jpg", "%2F.jpg", "?q=1.jpg", "#h.jpg", "+.jpg"),
    *("a&b=c;d.jpg", "'\"<>.jpg", "\\b.jpg", "~t.jpg", "!*().jpg", "a//b.jpg", "tab\t\x01.jpg"),
    *(
        "人像.jpg",
        "é.jpg",
        "e\u0301.jpg",
        "😀.jpg",
        "a:b@c.jpg",
        "[1].jpg",
        "{1}|^`.jpg",
        "noending",
    ),
    "a" * 900 + ".jpg",
]
"""None is another's spelling: what a URL has escapes for, and what looks like one."""


@pytest.fixture
def bucket(s3_endpoint: str) -> Bucket:
    """An empty bucket, and nothing in the environment that leads to another."""
    return new_bucket(s3_endpoint)


def options_of(bucket: Bucket) -> dict[str, Any]:
    """What leads to a bucket, given by hand."""
    return {"endpoint_url": bucket.endpoint, **OPENED}


async def listed(images: BucketImages) -> list[SignedImage]:
    """All of them."""
    return [image async for image in images]


async def test_an_address_leads_to_its_object_whatever_the_key(bucket: Bucket) -> None:
    """Each key that a bucket may have is fetched by its own address, and no other object is."""
    bucket.fill({f"in/{key}": key.encode() for key in KEYS} | {"other.jpg": b"other"})
    images = await listed(BucketImages(bucket.url("in/"), **options_of(bucket)))
    assert {str(image) for image in images} == {bucket.url(f"in/{key}") for key in KEYS}
    assert len({image.identity for image in images}) == len(KEYS)
    async with httpx.AsyncClient() as http:
        for image in images:
            answer = await http.get(await image.sign())
            assert answer.content.decode() == image.removeprefix(bucket.url("in/")), image


async def test_two_contents_of_a_key_are_two_images(bucket: Bucket) -> None:
    """By the ETag; what was not changed stays the same image."""
    identities = []
    for content in (b"1", b"1", b"2"):
        bucket.fill({"1.jpg": content})
        [image] = await listed(BucketImages(bucket.url(), **options_of(bucket)))
        identities.append(image.identity)
    assert identities[0] == identities[1] != identities[2]
    assert all(identity.startswith(bucket.url("1.jpg ")) for identity in identities)


@pytest.mark.parametrize(
    ("key", "size", "reason"),
    [
        ("a.jpg", 1, ""),
        ("a.JPEG", 400, ""),
        ("a", None, ""),
        ("a.jpg", 393_048_576, ""),
        ("a.jpg", 393_048_577, "393048577 bytes"),
        ("a.jpg", 0, "it is empty"),
        ("a.heic", 9, "ends in .heic"),
        ("b/a.GIF", 9, "ends in .gif"),
        ("../a.jpg", 9, "a part . or .."),
        ("b/./a.jpg", 9, "a part . or .."),
        ("b/..", 9, "a part . or .."),
        ("b/..a.jpg", 9, ""),
        ("b/a..jpg", 9, ""),
        ("b/.../a.jpg", 9, ""),
    ],
)
def test_what_can_be_no_image_is_refused_by_its_listing(
    key: str, size: int | None, reason: str
) -> None:
    """Nothing of it is fetched, and nothing is paid."""
    assert reason in refusal_of(key, size)
    assert bool(refusal_of(key, size)) == bool(reason)


async def test_what_is_not_called_as_an_image_is_left_out_and_counted(bucket: Bucket) -> None:
    """Marks of folders are no objects that anybody means."""
    others = ("a/", "a/b.txt", "c.TXT", "d.json", ".DS_Store", "a/._1.jpg", "x.parquet")
    bucket.fill({key: b"" if key.endswith("/") else b"x" for key in (*others, "1.jpg", "e")})
    images = BucketImages(bucket.url(), **options_of(bucket))
    for _ in range(2):  # each listing counts anew
        assert await listed(images) == [bucket.url("1.jpg"), bucket.url("e")]
        assert images.left_out == {".txt": 2, "hidden": 2, ".json": 1, ".parquet": 1}


async def test_a_stream_takes_them_as_they_are(emulator: Emulator, bucket: Bucket) -> None:
    """Neither `image=` nor `identity=` is asked for; what is skipped is an outcome."""
    bucket.fill({f"{n}.jpg": b"x" for n in range(5)} | {"5.jpg": b""})
    images = BucketImages(bucket.url(), **options_of(bucket))
    async with emulator.client() as client:
        outcomes = [each async for each in client.aiter_check(images, ordered=True)]
    assert [type(each) for each in outcomes] == [Checked] * 5 + [Skipped]
    assert [each.image for each in outcomes] == [bucket.url(f"{n}.jpg") for n in range(6)]


async def test_the_example_prints_each_image(
    emulator: Emulator,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Against a real bucket, by the settings of the environment alone."""
    bucket.fill({"1.jpg": b"x", "a.txt": b"x"})
    account = {"DASHSCOPE_API_KEY": emulator.api_key, "DASHSCOPE_BASE_URL": emulator.base_url}
    for name, value in (account | dict(bucket.environment)).items():
        monkeypatch.setenv(name, value)
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "bucket.py"))
    await example["main"](bucket.url(), str(tmp_path / "l.db"))
    first, _, last = capsys.readouterr().out.splitlines()
    assert first == f"checked {bucket.url('1.jpg')}"
    assert last == "not called as images are: {'.txt': 1}"


def test_a_stream_that_is_left_closes_the_listing(caplog: pytest.LogCaptureFixture) -> None:
    """Before it is over itself, and before its loop is; by a way out of any kind."""

    async def leave(*, by_break: bool) -> None:
        with listing(3000, page=100) as lister:
            images = BucketImages("s3://b/", endpoint_url=lister.endpoint, **OPENED)
            async with Emulator(answer=Pass(), counting="none") as emulator:
                async with emulator.client(max_in_flight=10) as client:
                    if by_break:
                        async for _ in client.aiter_check(images):
                            break
                        return
                    async with client.aiter_check(images) as stream:
                        await anext(stream)

    for by_break in (True, False):
        asyncio.run(leave(by_break=by_break))
    assert not caplog.text


async def test_a_prefix_is_the_beginning_of_keys(bucket: Bucket) -> None:
    """As S3 has it: one that ends in / is a folder, and a whole key is that object first."""
    bucket.fill(dict.fromkeys(("a/1.jpg", "a/b/2.jpg", "ab/3.jpg", "c.jpg"), b"x"))
    for prefix, count in (("", 4), ("a", 3), ("a/", 2), ("a/1.jpg", 1), ("d", 0)):
        images = await listed(BucketImages(bucket.url(prefix), **options_of(bucket)))
        assert len(images) == count, prefix


XML = b"<?xml version='1.0'?>"


def refused(status: int, code: str, more: str = "") -> Fault:
    """An answer of S3 that is no listing."""
    told = f"<Error><Code>{code}</Code><Message>Told so.</Message>{more}</Error>"
    return Fault(status, XML + told.encode())


FAULTS: Mapping[str, tuple[Fault, str]] = {
    "denied": (refused(403, "AccessDenied"), "may not list it"),
    "no bucket": (refused(404, "NoSuchBucket"), "no bucket of that name"),
    "another region": (
        refused(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
        "eu-west-1: set AWS_DEFAULT_REGION",
    ),
    "a strange key": (refused(403, "InvalidAccessKeyId"), "does not know the access key"),
    "a wrong secret": (refused(403, "SignatureDoesNotMatch"), "the secret"),
    "an old token": (refused(400, "ExpiredToken"), "have expired"),
    "a wrong clock": (refused(403, "RequestTimeTooSkewed"), "the clock"),
    "its own words": (refused(400, "Odd"), "Told so (Odd)"),
    "a bare 403": (Fault(403), "may not list it"),
    "busy": (refused(503, "SlowDown"), "SlowDown"),
    "a page of a proxy": (Fault(200, b"<html>log in</html>"), "no listing"),
    "nothing": (Fault(200), "no listing"),
    "text": (Fault(200, b"hello"), ""),
    "cut": (Fault(200, XML + b"<ListBucketResult>", cut=True), ""),
    "half": (Fault(200, XML + b"<ListBucketResult><IsTruncated>"), ""),
    "more without a token": (
        Fault(200, XML + b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"),
        "no listing",
    ),
}


SAME_TOKEN = Fault(
    200,
    XML + b"<ListBucketResult><IsTruncated>true</IsTruncated>"
    b"<NextContinuationToken>1</NextContinuationToken></ListBucketResult>",
)


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that is asked for once: what follows a fault is botocore's to test."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.mark.parametrize(
    ("fault", "told", "at"),
    [
        *(
            pytest.param(*FAULTS[name], at, id=f"{name}, on page {at}")
            for name in FAULTS
            for at in (0, 1)
        ),
        pytest.param(SAME_TOKEN, "no listing", 1, id="the same token again"),
    ],
)
async def test_a_listing_that_fails_never_looks_complete(
    once: None, fault: Fault, told: str, at: int
) -> None:
    """At whichever page, and whatever comes in its place: it raises, and says why."""
    images: list[SignedImage] = []
    with listing(30, page=10, faults={at: fault}) as lister:
        found = BucketImages("s3://b/faces/", endpoint_url=lister.endpoint, **OPENED)
        with pytest.raises(OSError) as caught:  # noqa: PT011  # its text is what is asked for
            async for image in found:
                images.append(image)  # what came before is looked at
    assert told in (caught.value.strerror or "")
    assert caught.value.strerror
    assert len(images) == at * 10


SETTINGS: Mapping[str, tuple[dict[str, Any], str]] = {
    "no credentials": ({"endpoint_url": "http://127.0.0.1:9"}, "Unable to locate credentials"),
    "half of them": ({"key": "AKIA"}, "missing"),
    "no such profile": ({"profile": "nobody"}, "nobody"),
    "an endpoint without a scheme": ({"key": "k", "secret": "s", "endpoint_url": "a:9"}, "a:9"),
    "an endpoint that is none": ({"key": "k", "secret": "s", "endpoint_url": "htp://a"}, "htp://a"),
    "nobody there": (
        {"key": "k", "secret": "s", "endpoint_url": "http://127.0.0.1:9"},
        "nothing answers at http://127.0.0.1:9",
    ),
    "an option that there is not": ({"key": "k", "secret": "s", "endpiont": "x"}, "endpiont"),
}


@pytest.mark.parametrize(("options", "told"), SETTINGS.values(), ids=SETTINGS)
async def test_settings_that_lead_nowhere_are_told_of(
    once: None, options: dict[str, Any], told: str
) -> None:
    """Before anything is asked for."""
    with pytest.raises(OSError) as caught:  # noqa: PT011  # its text is what is asked for
        await listed(BucketImages("s3://bucket/", **options))
    assert told in (caught.value.strerror or "")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bucket",
        "s3:",
        "s3://",
        "s3:///key",
        "oss://b/k",
        "gs://b/k",
        "https://b/k",
        "s3://UP per/k",
    ],
)
def test_what_is_no_bucket_is_told_of(url: str) -> None:
    """Also the service's own store: nobody can list it."""
    with pytest.raises(ConfigurationError, match="aliyun-oss://"):
        BucketImages(url)


OSS = {"OSS_ACCESS_KEY_ID": "LTAIKEY", "OSS_ACCESS_KEY_SECRET": "s"}
CLOUD = {"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIKEY", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s"}


@pytest.mark.parametrize(
    ("environment", "endpoint", "region"),
    [
        (
            OSS | {"OSS_REGION": "cn-hangzhou"},
            *("https://s3.oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ),
        (
            CLOUD | {"OSS_REGION": "cn-hangzhou"},
            *("https://s3.oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ),
        (
            OSS | {"OSS_ENDPOINT": "oss-cn-shanghai.aliyuncs.com"},
            *("https://oss-cn-shanghai.aliyuncs.com", "cn-shanghai"),
        ),
        (
            OSS | {"OSS_ENDPOINT": "https://s3.oss-cn-beijing-internal.aliyuncs.com"},
            *("https://s3.oss-cn-beijing-internal.aliyuncs.com", "cn-beijing"),
        ),
        (OSS | {"OSS_ENDPOINT": "http://img.example"}, "http://img.example", "cn-beijing"),
    ],
)
def test_a_bucket_of_oss_is_where_the_vendors_settings_say(
    environment: dict[str, str], endpoint: str, region: str
) -> None:
    """Those of its own tools, and of its credentials' library."""
    options = oss_options(environment)
    assert options["endpoint_url"] == endpoint
    assert options["client_kwargs"] == {"region_name": region}
    assert (options["key"], options["secret"]) == ("LTAIKEY", "s")


async def test_a_bucket_of_oss_is_in_the_hosts_name(
    once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OSS takes no other address. The credentials are its own, whatever those of AWS are."""
    found = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *more, **o: found("127.0.0.1", *more, **o))
    for name, value in (OSS | {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "x"}).items():
        monkeypatch.setenv(name, value)
    with listing(3) as lister:
        host = f"s3.oss-cn-hangzhou.aliyuncs.com:{lister.server_port}"
        monkeypatch.setenv("OSS_ENDPOINT", f"http://{host}")
        images = await listed(BucketImages("aliyun-oss://portraits/faces/"))
    assert images[2] == "aliyun-oss://portraits/faces/0000002.jpg"
    url = await images[2].sign()
    assert url.startswith(f"http://portraits.{host}/faces/0000002.jpg?X-Amz-Algorithm=AWS4-HMAC")
    assert "Credential=LTAIKEY%2F" in url
    assert "%2Fcn-hangzhou%2Fs3%2F" in url


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "OSS_REGION"),
        (OSS, "OSS_REGION"),
        ({"OSS_REGION": "cn-beijing"}, "OSS_ACCESS_KEY_SECRET"),
        ({"OSS_REGION": "cn-beijing", "OSS_ACCESS_KEY_ID": "LTAI"}, "OSS_ACCESS_KEY_SECRET"),
    ],
)
def test_oss_without_its_settings_is_told_of(environment: dict[str, str], told: str) -> None:
    """The credentials of AWS are not sent there in their place."""
    with pytest.raises(ConfigurationError, match=told):
        oss_options(environment)
