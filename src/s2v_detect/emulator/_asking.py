"""What a request for a check asks for, or the error that the service has for it."""

import hmac
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from s2v_detect._service import IMAGE_SCHEMES, MODEL, RESOLVE_HEADER
from s2v_detect.emulator._script import Error

_ELSEWHERE = ("wan2.2-s2v",)
"""Models that exist and are no detectors: the service says "url error" of them."""
_URL_ERROR = Error(400, "InvalidParameter", "url error, please check url!")
_NO_MODEL = Error(404, "ModelNotFound", "Model can not be found.")


class _Input(BaseModel):
    image_url: str


class _Model(BaseModel):
    model: str


class _Asked(_Model):
    input: _Input


def access_refused(headers: Mapping[str, str], api_key: str) -> Error | None:
    """Return the error that the headers alone bring about, if they do."""
    if headers.get("X-DashScope-Async", "disable").lower() == "disable":
        return key_refused(headers, api_key)
    return key_refused(headers, api_key) or Error(
        403, "AccessDenied", "current user api does not support asynchronous calls"
    )


def key_refused(headers: Mapping[str, str], api_key: str) -> Error | None:
    """Return the error of a key that is not the account's."""
    given = headers.get("Authorization", "").encode()
    if hmac.compare_digest(given, f"Bearer {api_key}".encode()):
        return None
    return Error(401, "InvalidApiKey", "Invalid API-key provided.")


def image_asked_for(headers: Mapping[str, str], body: bytes) -> str | Error:
    """Return the URL of the image to examine, or the error for a request that names none."""
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
        return Error(400, "InvalidParameter", "Content-Type must be application/json.")
    try:
        asked = _Asked.model_validate_json(body, strict=True)
    except ValidationError as error:
        return Error(400, "InvalidParameter", f"The request is malformed: {_told(error)}.")
    image = asked.input.image_url
    if asked.model in _ELSEWHERE:
        return _URL_ERROR
    if asked.model != MODEL:
        return _NO_MODEL
    return _unreadable(image, headers) or image


def synthesis_refused(headers: Mapping[str, str], body: bytes, api_key: str) -> Error:
    """Return what a request on the path of the video models gets: none of those models is here."""
    try:
        model = _Model.model_validate_json(body, strict=True).model
    except ValidationError as error:
        fault = Error(400, "InvalidParameter", f"The request is malformed: {_told(error)}.")
    else:
        fault = _URL_ERROR if model == MODEL else _NO_MODEL
    return key_refused(headers, api_key) or fault


def _unreadable(image: str, headers: Mapping[str, str]) -> Error | None:
    scheme = image.partition("://")[0].lower()
    if scheme not in IMAGE_SCHEMES:
        return Error(400, "InvalidURL", "The image is no http, https or oss URL.")
    if scheme == "oss" and headers.get(RESOLVE_HEADER) != "enable":
        return Error(
            400, "InvalidParameter.DataInspection", "Unable to download the media resource."
        )
    return None


def _told(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])
