"""An upload goes to no host that the service could not have its store at."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from s2v_detect import ConfigurationError, DetectClient, RetryPolicy
from s2v_detect.emulator import Emulator

CREDENTIAL = {
    "policy": "p",
    "signature": "S3CR3T",
    "upload_dir": "d",
    "oss_access_key_id": "LTAI",
    "x_oss_object_acl": "private",
    "x_oss_forbid_overwrite": "true",
}


class Gateway(httpx.AsyncBaseTransport):
    """Whoever answers at the base URL: names a store, and keeps which hosts were sent what."""

    def __init__(self, store: str) -> None:
        self.met: list[str] = []
        self._store = store

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Give the credential, take the upload, let the image pass."""
        self.met.append(request.url.host)
        await request.aread()
        if request.method == "GET":
            return httpx.Response(200, json={"data": {**CREDENTIAL, "upload_host": self._store}})
        if request.url.path.startswith("/api/v1"):
            told = {"output": {"check_pass": True}, "usage": {"image_count": 1}}
            return httpx.Response(200, content=json.dumps(told))
        return httpx.Response(200)


@pytest.fixture
def picture() -> bytes:
    """A photograph."""
    return (Path(__file__).parents[2] / "examples" / "photographs" / "portrait.jpg").read_bytes()


def client_of(gateway: Gateway, **options: Any) -> DetectClient:
    """Return a client that reaches this gateway alone, not yet open."""
    http = httpx.AsyncClient(transport=gateway)
    once = RetryPolicy(max_attempts=1)
    return DetectClient("sk-0123456789", http_client=http, retry=once, **options)


@pytest.mark.parametrize(
    "store",
    [
        "http://store.example/",
        "https://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "https://localhost:9200/",
        "https://vault/",
        "https://[::1]/",
        "https://[::1",
        "file:///etc/passwd",
    ],
)
async def test_a_lying_gateway_sends_no_portrait_into_this_network(
    store: str, picture: bytes
) -> None:
    """Nor in clear over the internet. Every image would meet the same: a stream stops."""
    gateway = Gateway(store)
    async with client_of(gateway) as client:
        with pytest.raises(ConfigurationError, match="store's address") as raised:
            await client.check(picture)
        with pytest.raises(ConfigurationError):
            async for _ in client.aiter_check([picture]):
                pass
    assert set(gateway.met) == {"dashscope.aliyuncs.com"}
    assert "S3CR3T" not in str(raised.value)
    assert client.spend.cost_at_most == 0


async def test_the_store_of_the_service_is_public(picture: bytes) -> None:
    """By https, as the vendor's is."""
    gateway = Gateway("https://store.example")
    async with client_of(gateway) as client:
        assert (await client.check(picture)).check_pass
    assert gateway.met == ["dashscope.aliyuncs.com", "store.example", "dashscope.aliyuncs.com"]


async def test_a_gateway_of_this_network_may_have_its_store_there(
    picture: bytes, emulator: Emulator
) -> None:
    """The emulator has, and so may a company's own gateway."""
    gateway = Gateway("http://store.internal/")
    async with client_of(gateway, base_url="http://gateway:8080/api/v1") as client:
        assert (await client.check(picture)).check_pass
    assert "store.internal" in gateway.met
    async with emulator.client() as client:
        assert (await client.check(picture)).check_pass
    assert emulator.store.uploaded == 1
