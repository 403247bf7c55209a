"""The vendor's temporary store, purely: credentials, the form of an upload, and its errors.

Facts: the vendor's page on temporary storage URLs, and its Python SDK 2.0.2 ("service-facts", 5).
A file lives for 48 hours, is bound to the account and to the model of its credential, and can't be
overwritten. A credential lives for some 300 seconds and serves many files. Nothing here is billed.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from s2v_detect._redaction import ended
from s2v_detect._service import IMAGE_FORMATS
from s2v_detect.errors import BadRequest, DetectError, ImageSkipped, NotSent

UPLOADS_PATH = "/uploads"
LIFETIME_S = 48 * 3600.0
"""Of a file in the store."""
MARGIN_S = 30.0
"""A credential is renewed so long before its end: an upload takes its time, and clocks differ."""

_MAY_PASS = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
"""A conflict is about the name, and the next try has another."""
_CODE = re.compile(rb"<Code>([^<]{1,100})</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]{1,500})</Message>")


class Credential(BaseModel):
    """What lets files be uploaded for a while. Its signature is a secret."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    policy: str = Field(repr=False)
    signature: str = Field(repr=False)
    upload_dir: str
    upload_host: str
    oss_access_key_id: str = Field(repr=False)
    x_oss_object_acl: str
    x_oss_forbid_overwrite: str
    expire_in_seconds: float = 300
    max_file_size_mb: float | None = None


class _Granted(BaseModel):
    model_config = ConfigDict(extra="ignore", defer_build=True)

    data: Credential


class Form(NamedTuple):
    """An upload's request, around the bytes of the file."""

    headers: dict[str, str]
    before: bytes
    after: bytes

    def __repr__(self) -> str:
        return f"Form({len(self.before)} bytes before the file)"  # they hold the signature


def credential_query(model: str) -> str:
    """Return the query that asks for a credential."""
    return urlencode({"action": "getPolicy", "model": model})


def credential_in(body: bytes) -> Credential | None:
    """Return the credential of a good answer, or None where it holds none that can be read."""
    try:
        return _Granted.model_validate_json(body).data
    except ValidationError:
        return None


def key_in(credential: Credential, unique: str, format: str) -> str:  # noqa: A002  # an image's
    """Return where a file goes: overwriting is forbidden, so its name is used once."""
    return f"{credential.upload_dir}/{unique}{IMAGE_FORMATS[format].endings[0]}"


def form_for(credential: Credential, key: str, format: str, *, boundary: str, size: int) -> Form:  # noqa: A002  # as above
    """Return the form of an upload: the fields that the policy signs, and `file` as the last."""
    media_type = IMAGE_FORMATS[format].media_type
    fields: Mapping[str, str] = {
        "OSSAccessKeyId": credential.oss_access_key_id,
        "Signature": credential.signature,
        "policy": credential.policy,
        "key": key,
        "x-oss-object-acl": credential.x_oss_object_acl,
        "x-oss-forbid-overwrite": credential.x_oss_forbid_overwrite,
        "success_action_status": "200",
        "x-oss-content-type": media_type,
    }
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    name = key.rpartition("/")[2]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    before, after = "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(before) + size + len(after)),
        "Accept": "application/json",
    }
    return Form(headers, before, after)


def is_taken(status: int, body: bytes) -> bool:
    """Whether the store has the file: an empty 200. A page before a network says 200 as well."""
    return status == HTTPStatus.OK and not body.strip()


def is_expired(status: int, body: bytes) -> bool:
    """Whether the store refused an upload because its credential is over its time."""
    return status == HTTPStatus.FORBIDDEN and b"olicy expired" in body


def refused(status: int, body: bytes) -> DetectError:
    """Return the error of an upload that the store refused, in its own words (XML).

    `NotSent` may pass; the others will be the same whenever it is tried.
    """
    found, told = _CODE.search(body), _MESSAGE.search(body)
    code = found[1].decode(errors="replace") if found else ""
    message = told[1].decode(errors="replace").strip() if told else ""
    said = f"the store answered {status} {code or '(no code)'}"
    said += f": {ended(message)}" if message else "."
    if code == "EntityTooLarge":
        why = f" ({message.rstrip('. ')})" if message else ""
        return ImageSkipped(f"it is too large for the store{why}", saves="bill")
    if status // 100 == 4 and status not in _MAY_PASS and not is_expired(status, body):  # noqa: PLR2004  # HTTP's own
        return BadRequest(
            f"not uploaded, {said}",
            do="It would be refused again; nothing was billed.",
            status=status,
            code=code,
            message=message,
        )
    return NotSent(f"not uploaded, {said}", do="Check it again; nothing was billed.")
