"""What the emulator takes for a request, and what it answers to anything else."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from s2v_detect._service import MODEL
from s2v_detect.emulator import CODES, REJECT_CODES, Emulator, Error, Pass, Reject

Ask = Callable[..., Awaitable[httpx.Response]]

IMAGE = "http://a.example/face.jpg"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator under which every image passes."""
    async with Emulator(answer=Pass()) as emulator:
        yield emulator


async def test_a_documented_request_gets_the_documented_answer(
    emulator: Emulator, ask: Ask
) -> None:
    """Body and headers are those of the API page, plus one that names the emulator."""
    answer = await ask(emulator)
    assert answer.status_code == 200
    assert answer.json() == {
        "output": {"check_pass": True, "humanoid": True},
        "usage": {"image_count": 1},
        "request_id": answer.headers["x-request-id"],
    }
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["req-cost-time"]) >= 0
    assert answer.headers["X-Emulator"] == "script"


@pytest.mark.parametrize(
    ("replaced", "status", "code", "message"),
    [
        ({"headers": {"Authorization": "Bearer sk-other"}}, 401, "InvalidApiKey", "API-key"),
        ({"headers": {"Authorization": "sk-emulator"}}, 401, "InvalidApiKey", "API-key"),
        ({"headers": {"Authorization": ""}}, 401, "InvalidApiKey", "API-key"),
        (
            {"headers": {"X-DashScope-Async": "enable"}},
            403,
            "AccessDenied",
            "does not support asynchronous calls",
        ),
        ({"model": "wan2.2-s2v"}, 400, "InvalidParameter", "url error, please check url!"),
        ({"model": "wan9-detect"}, 404, "ModelNotFound", "not be found"),
        ({"json": {"model": "wan2.2-s2v-detect"}}, 400, "InvalidParameter", "input: "),
        ({"json": {"model": "wan2.2-s2v-detect", "input": {}}}, 400, "InvalidParameter", "image_"),
        (
            {"json": {"model": "wan2.2-s2v-detect", "input": {"image_url": 1}}},
            400,
            "InvalidParameter",
            "image_url",
        ),
        (
            {"json": None, "content": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            "InvalidParameter",
            "malformed",
        ),
        (
            {"json": None, "content": b"{}", "headers": {"Content-Type": "text/plain"}},
            400,
            "InvalidParameter",
            "Content-Type",
        ),
        ({"image": "ftp://a.example/face.jpg"}, 400, "InvalidURL", "no http, https or oss"),
        ({"image": "oss://a/face.jpg"}, 400, "InvalidParameter.DataInspection", "media resource"),
    ],
)
async def test_a_request_that_is_not_as_documented_gets_its_error(
    emulator: Emulator,
    ask: Ask,
    *,
    replaced: dict[str, Any],
    status: int,
    code: str,
    message: str,
) -> None:
    """Each fault has the service's own status and code, and costs nothing."""
    image = replaced.pop("image", "http://a.example/face.jpg")
    headers = replaced.pop("headers", {})
    answer = await ask(emulator, image, headers=headers, **replaced)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert message in answer.json()["message"]
    assert answer.json()["request_id"]
    assert emulator.billed == 0


@pytest.mark.parametrize("base", ["/api/v1", ""])
@pytest.mark.parametrize("end", ["", "/"])
async def test_other_clients_reach_it_by_their_settings(
    emulator: Emulator, tls: ssl.SSLContext, base: str, end: str
) -> None:
    """With or without the base path, with a slash at the end, and with "no asynchronous call"."""
    url = f"{emulator.origin}{base}/services/aigc/image2video/face-detect{end}"
    headers = {"Authorization": f"Bearer {emulator.api_key}", "X-DashScope-Async": "disable"}
    body = {"model": MODEL, "input": {"image_url": IMAGE}}
    async with httpx.AsyncClient(verify=tls) as http:
        answer = await http.post(url, headers=headers, json=body)
    assert answer.json()["output"]["check_pass"]
    assert emulator.billed == 1


@pytest.mark.parametrize(
    ("body", "key", "status", "message"),
    [
        (b'{"model": "wan2.2-s2v-detect"}', "", 400, "url error, please check url!"),
        (b'{"model": "wan2.2-s2v", "input": {}}', "", 404, "Model can not be found."),
        (b'{"model": 1}', "", 400, "The request is malformed: model: "),
        (b"{", "", 400, "The request is malformed: "),
        (b'{"model": "wan2.2-s2v-detect"}', "sk-other", 401, "Invalid API-key provided."),
    ],
)
async def test_the_path_of_the_video_models_is_no_way_to_a_check(
    emulator: Emulator, tls: ssl.SSLContext, *, body: bytes, key: str, status: int, message: str
) -> None:
    """As at the service: model and path do not match. It is counted, and costs nothing."""
    url = f"{emulator.base_url}/services/aigc/image2video/video-synthesis"
    headers = {
        "Authorization": f"Bearer {key or emulator.api_key}",
        "X-DashScope-Async": "enable",
    }
    async with httpx.AsyncClient(verify=tls) as http:
        answer = await http.post(url, headers=headers, content=body)
    assert answer.status_code == status
    assert answer.json()["message"].startswith(message)
    assert (emulator.billed, emulator.requests) == (0, 1)


async def test_an_object_store_address_is_taken_with_its_header(
    emulator: Emulator, ask: Ask
) -> None:
    """`oss://` needs `X-DashScope-OssResourceResolve: enable`."""
    answer = await ask(
        emulator, "oss://a/face.jpg", headers={"X-DashScope-OssResourceResolve": "enable"}
    )
    assert answer.json()["output"]["check_pass"]


@pytest.mark.parametrize("row", CODES, ids=lambda row: f"{row.status}-{row.code}")
async def test_every_code_of_the_service_can_be_had(
    emulator: Emulator, ask: Ask, row: tuple[int, str, str]
) -> None:
    """`Error(*row)` puts the status, code and message of the row on the wire."""
    emulator.when("*", Error(*row))
    answer = await ask(emulator)
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == row


@pytest.mark.parametrize("code", REJECT_CODES)
async def test_every_reject_can_be_had_in_both_shapes(
    emulator: Emulator, ask: Ask, code: str
) -> None:
    """In the page's shape it is billed, in the other it is free."""
    emulator.when("*", Reject(code), Reject(code, shape="400"))
    page, seen = await ask(emulator), await ask(emulator)
    assert (page.status_code, page.json()["output"]["code"]) == (200, code)
    assert (seen.status_code, seen.json()["code"]) == (400, code)
    assert emulator.billed == 1


async def test_the_shape_of_rejects_is_an_option(ask: Ask) -> None:
    """`reject_shape="400"` is the shape of every reject that does not choose its own."""
    async with Emulator(answer=Reject(), reject_shape="400") as emulator:
        answer = await ask(emulator)
        assert answer.status_code == 400
        assert answer.json()["code"] == "InvalidFile.Content"
        assert "output" not in answer.json()
        assert emulator.billed == 0
