"""A page of another site in a browser of this machine neither reads nor steers the emulator."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.chromium import chromium

from s2v_detect import AccessDenied, check_all
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.emulator._origins import refusal

HERE = "127.0.0.1:8787"


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """One with a folder, in a thread."""
    (tmp_path / "face.jpg").write_bytes(b"private")
    with Emulator.run_in_thread(answer=Pass(), folder=tmp_path) as emulator:
        yield emulator


@pytest.mark.parametrize(
    ("host", "origin", "is_refused"),
    [
        (HERE, None, False),
        ("localhost:8787", None, False),
        ("LOCALHOST:8787", "http://localhost:8787", False),
        ("[::1]:8787", "http://[::1]:8787", False),
        ("emulator:8787", None, False),  # a name of a compose file
        ("host.docker.internal", None, False),
        ("192.168.0.7:8787", None, False),
        ("203.0.113.7:8787", None, False),  # an address can't be made to resolve elsewhere
        (None, None, False),
        ("rebound.example:8787", None, True),
        ("rebound.example:8787", "http://rebound.example:8787", True),
        ("127.0.0.1.nip.io:8787", None, True),
        ("ai.", None, True),
        (HERE, "https://evil.example", True),
        (HERE, "null", True),
        (HERE, "", True),
        (HERE, "http://127.0.0.1:9999", True),
        (HERE, "http://localhost:8787", True),
        (HERE, "http://127.0.0.1:8787.evil.example", True),
        ("[::1", None, True),
        (None, "https://evil.example", True),
    ],
)
def test_who_may_ask(host: str | None, origin: str | None, *, is_refused: bool) -> None:
    """By two headers that a page can't choose."""
    assert bool(refusal(host, origin)) is is_refused


ADDRESSES = [
    ("GET", "/emulator"),
    ("POST", "/emulator/reset"),
    ("POST", "/emulator/script"),
    ("GET", "/files/face.jpg"),
    ("GET", "/api/v1/uploads?action=getPolicy&model=wan2.2-s2v-detect"),
    ("POST", "/api/v1/services/aigc/image2video/face-detect"),
    ("POST", "/store"),
    ("GET", "/none"),
]


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}])
def test_every_address_refuses_other_sites(
    emulator: Emulator, method: str, path: str, headers: dict[str, str]
) -> None:
    """Before anything is counted, billed, read or forgotten."""
    with httpx.Client(trust_env=False) as web:
        key = {"Authorization": f"Bearer {emulator.api_key}"}
        answer = web.request(method, emulator.origin + path, headers={**key, **headers})
    assert answer.status_code == 403
    assert answer.json()["code"] == "EmulatorRefused"
    assert "access-control-allow-origin" not in answer.headers
    assert emulator.requests == 0
    assert emulator.store.granted == 0


def test_programs_of_this_machine_ask_as_before(emulator: Emulator) -> None:
    """They send no Origin, and the host that they were given."""
    with httpx.Client(trust_env=False) as web:
        for method, path in ADDRESSES[:4]:
            rules = [{"pattern": "x", "answers": [{"kind": "Pass"}]}]
            body = json.dumps({"rules": rules}) if path.endswith("script") else None
            assert web.request(method, emulator.origin + path, content=body).status_code == 200
    bare = http.client.HTTPConnection(emulator.host, emulator.port)
    bare.putrequest("GET", "/emulator", skip_host=True)
    bare.endheaders()
    assert bare.getresponse().status in (200, 400)
    bare.close()


async def test_a_client_that_goes_by_a_public_name_is_told(emulator: Emulator) -> None:
    """It is an error about the account: nobody looks for it in the image."""

    async def rename(request: httpx.Request) -> None:
        request.headers["Host"] = "emulator.example"

    async with (
        httpx.AsyncClient(trust_env=False, event_hooks={"request": [rename]}) as http,
        emulator.client(http_client=http) as client,
    ):
        with pytest.raises(AccessDenied, match="name of the open internet"):
            await client.check("https://a.example/1.jpg")


def test_a_real_page_can_not(emulator: Emulator, tmp_path: Path) -> None:
    """Chromium, a page of another origin: reading fails, and a form that is sent is refused."""
    emulator.when("*/kept.jpg", Pass())
    check_all(["https://a.example/1.jpg"], api_key=emulator.api_key, base_url=emulator.base_url)
    page_file = tmp_path / "page.html"
    page_file.write_text(f"<form method=post action='{emulator.origin}/emulator/reset'></form>")
    with chromium("--host-resolver-rules=MAP rebound.example 127.0.0.1") as browser:
        page = browser.new_page()
        page.goto(page_file.as_uri())
        read = "url => fetch(url).then(got => got.text()).catch(() => 'refused')"
        assert page.evaluate(read, f"{emulator.origin}/emulator") == "refused"
        with page.expect_navigation():
            page.evaluate("document.forms[0].submit()")
        assert "another site" in page.inner_text("body")
        page.goto(f"http://rebound.example:{emulator.port}/emulator")
        assert "EmulatorRefused" in page.inner_text("body")
        page.goto(f"{emulator.origin}/emulator")  # typed by the person themselves
        assert '"requests"' in page.inner_text("body")
    assert emulator.requests == 1
