"""Exactly the documented request leaves, and nothing of our own making."""

import json

import httpx
import pytest
import respx

from s2v_detect import AccessDenied, DetectClient, LocalLimiter, OutcomeUnknown, RetryPolicy

IMAGE = "https://images.example/face.jpg?size=1&b=ü"
BASE_URL = "https://dashscope.aliyuncs.com/api/v1"
URL = f"{BASE_URL}/services/aigc/image2video/face-detect"
VERDICT = {
    "output": {"check_pass": True, "humanoid": True},
    "usage": {"image_count": 1},
    "request_id": "c56f62df",
}
ONCE = RetryPolicy(max_attempts=1)


@respx.mock
async def test_the_request_is_the_documented_one() -> None:
    """Method, address, body and headers as on the vendor's page; a User-Agent of ours."""
    route = respx.post(URL).respond(json=VERDICT)
    async with DetectClient("sk-secret", limiter=LocalLimiter(1000)) as client:
        verdict = await client.check(IMAGE)
    sent = route.calls.last.request
    assert json.loads(sent.content) == {
        "model": "wan2.2-s2v-detect",
        "input": {"image_url": IMAGE},
    }
    assert {name.lower() for name in sent.headers} == {
        *("host", "content-type", "authorization", "user-agent", "content-length"),
        "accept-encoding",
    }
    assert sent.headers["authorization"] == "Bearer sk-secret"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.headers["user-agent"].startswith("s2v-detect/")
    assert verdict.request_id == "c56f62df"


@respx.mock
async def test_only_an_oss_address_has_the_resolve_header() -> None:
    """And the workspace's header is there when one is set."""
    route = respx.post(URL).respond(json=VERDICT)
    async with DetectClient("sk-x", workspace="ws-1", limiter=LocalLimiter(1000)) as client:
        await client.check("oss://bucket/key.jpg")
        await client.check(IMAGE)
    first, second = (call.request.headers for call in route.calls)
    assert first["x-dashscope-ossresourceresolve"] == "enable"
    assert "x-dashscope-ossresourceresolve" not in second
    assert first["x-dashscope-workspace"] == second["x-dashscope-workspace"] == "ws-1"
    assert "x-dashscope-async" not in {*first, *second}


@respx.mock
async def test_cookies_of_the_service_are_not_sent_back() -> None:
    """A cookie jar would keep them; the documented request has none."""
    route = respx.post(URL).respond(json=VERDICT, headers={"Set-Cookie": "track=1; Path=/"})
    async with DetectClient("sk-x", limiter=LocalLimiter(1000)) as client:
        await client.check(IMAGE)
        await client.check(IMAGE)
    assert "cookie" not in route.calls.last.request.headers


@respx.mock
async def test_a_redirect_is_not_followed_with_the_key() -> None:
    """What stands there may have passed the request on; the error tells of the redirect."""
    respx.post(URL).respond(302, headers={"Location": "https://elsewhere.example/"})
    async with DetectClient("sk-x", limiter=LocalLimiter(1000), retry=ONCE) as client:
        with pytest.raises(OutcomeUnknown, match="redirect"):
            await client.check(IMAGE)
        assert (client.spend.billed, client.spend.unknown) == (0, 1)


@respx.mock
async def test_neither_key_nor_signature_is_in_what_is_shown() -> None:
    """Errors, their reprs, the client's and the verdict's: the key and the query stay out."""
    respx.post(URL).respond(
        401, json={"code": "InvalidApiKey", "message": "sk-secret123 on https://a.b/c?sign=xyz"}
    )
    async with DetectClient("sk-secret123", limiter=LocalLimiter(1000), retry=ONCE) as client:
        with pytest.raises(AccessDenied) as raised:
            await client.check("https://images.example/face.jpg?Signature=xyz")
        shown = f"{raised.value} {raised.value!r} {client!r}"
    assert "secret123" not in shown
    assert "xyz" not in shown
    assert "face.jpg?…" in shown


@respx.mock
async def test_an_answer_that_never_ends_is_cut_at_a_bound() -> None:
    """A hostile or broken gateway can't fill the memory."""
    respx.post(URL).mock(return_value=httpx.Response(200, stream=_Endless()))
    async with DetectClient(
        "sk-x", limiter=LocalLimiter(1000), retry=ONCE, on_unknown="keep"
    ) as client:
        with pytest.raises(OutcomeUnknown, match="no whole JSON"):
            await client.check(IMAGE)
    assert client.spend.unknown == 1
    assert _Endless.given < 40


class _Endless(httpx.AsyncByteStream):
    given = 0

    async def __aiter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204  # httpx's own signature says AsyncIterator and is async
        while True:
            _Endless.given += 1
            yield b"x" * 65_536
