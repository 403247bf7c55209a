"""Our upload is that of the vendor's SDK, into a store that keeps the vendor's rules."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dashscope
import httpx
import pytest
from dashscope.utils.oss_utils import OssUtils
from tests.uploading import FAST, picture

from s2v_detect import ImageUnusable, check_all
from s2v_detect._service import MODEL
from s2v_detect.emulator import Emulator, Error, Pass, Reject


@pytest.fixture
def sdk_emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """An emulator in a thread, which the vendor's own SDK takes for the service."""
    with Emulator.run_in_thread(answer=Pass()) as emulator:
        monkeypatch.setattr(dashscope, "base_http_api_url", emulator.base_url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield emulator


def test_our_upload_is_the_sdks_field_by_field(sdk_emulator: Emulator, photographs: Path) -> None:
    """The vendor's SDK uploads to the emulator; what we send has its fields, in its order."""
    store, path = sdk_emulator.store, photographs / "0.jpg"
    theirs_url, _ = OssUtils.upload(MODEL, str(path), sdk_emulator.api_key)
    options: dict[str, Any] = {"api_key": sdk_emulator.api_key, "base_url": sdk_emulator.base_url}
    [outcome] = check_all([path], **options)
    assert outcome.kind == "checked"
    theirs = store.file(theirs_url)
    ours = store.file(sdk_emulator.report.arrivals[-1].image or "")
    assert theirs
    assert ours
    assert list(ours.fields) == list(theirs.fields)
    own = ("policy", "Signature", "key")  # of each credential
    assert {k: v for k, v in ours.fields.items() if k not in own} == {
        k: v for k, v in theirs.fields.items() if k not in own
    }
    assert ours.content == theirs.content == path.read_bytes()


async def test_an_upload_is_bound_to_the_model_of_its_credential(
    sdk_emulator: Emulator, photographs: Path
) -> None:
    """One made for the next step, the video, is none for the check."""
    theirs, _ = OssUtils.upload("wan2.2-s2v", str(photographs / "0.jpg"), sdk_emulator.api_key)
    ours, _ = OssUtils.upload(MODEL, str(photographs / "0.jpg"), sdk_emulator.api_key)
    async with sdk_emulator.client(retry=FAST) as client:
        assert (await client.check(ours)).check_pass
        with pytest.raises(ImageUnusable):
            await client.check(theirs)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"policy": "of nobody"}, "SignatureDoesNotMatch"),
        ({"Signature": "forged"}, "SignatureDoesNotMatch"),
        ({"key": "elsewhere/face.jpg"}, "AccessDenied"),
        ({"x-oss-object-acl": None}, "InvalidArgument"),
        ({}, None),
    ],
)
async def test_the_pretended_store_keeps_the_vendors_rules(
    emulator: Emulator, change: dict[str, str | None], told: str | None
) -> None:
    """`file` last, the policy's own fields, and no name twice; refusals are XML."""
    async with httpx.AsyncClient(trust_env=False) as http:
        key = {"Authorization": f"Bearer {emulator.api_key}"}
        query = {"action": "getPolicy", "model": MODEL}
        granted = await http.get(f"{emulator.base_url}/uploads", params=query, headers=key)
        data = granted.json()["data"]
        fields: dict[str, str | None] = {
            "OSSAccessKeyId": data["oss_access_key_id"],
            "Signature": data["signature"],
            "policy": data["policy"],
            "key": f"{data['upload_dir']}/face.jpg",
            "x-oss-object-acl": data["x_oss_object_acl"],
            "x-oss-forbid-overwrite": data["x_oss_forbid_overwrite"],
            "success_action_status": "200",
            **change,
        }
        form = {name: value for name, value in fields.items() if value is not None}
        files = {"file": ("face.jpg", picture())}
        first = await http.post(data["upload_host"], data=form, files=files)
        again = await http.post(data["upload_host"], data=form, files=files)
        with_key = await http.post(data["upload_host"], data=form, files=files, headers=key)
        no_form = await http.post(data["upload_host"], content=picture())
        no_file = await http.post(data["upload_host"], files={"key": (None, "a")})
        no_model = {**query, "model": ""}
        other = await http.get(f"{emulator.base_url}/uploads", params=no_model, headers=key)
    assert other.status_code == 400
    assert b"InvalidArgument" in with_key.content
    assert b"PreconditionFailed" in no_form.content
    assert b"IncorrectNumberOfFiles" in no_file.content
    if told:
        assert f"<Code>{told}</Code>".encode() in first.content
    else:
        assert (first.status_code, first.content) == (200, b"")
        assert b"FileAlreadyExists" in again.content


async def test_an_upload_is_scripted_by_what_it_holds(
    emulator: Emulator, photographs: Path
) -> None:
    """Its address is another each time."""
    emulator.when(photographs / "0.jpg", Reject("InvalidFile.NoHuman"))
    emulator.when(picture(9), Error(500, "InternalError"), Pass())
    async with emulator.client(retry=FAST) as client:
        assert (await client.check(picture(0))).code == "InvalidFile.NoHuman"
        assert (await client.check(photographs / "copy of 0.jpg")).code == "InvalidFile.NoHuman"
        assert (await client.check(picture(1))).check_pass
        assert (await client.check(picture(9))).check_pass
    assert emulator.requests == 5
