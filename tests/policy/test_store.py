"""The temporary store's words: credentials, forms, and refusals, as values."""

import json
from typing import Any

import pytest

from s2v_detect import BadRequest, DetectError, ImageSkipped, NotSent
from s2v_detect.wire._store import (
    Credential,
    credential_in,
    credential_query,
    form_for,
    is_expired,
    is_taken,
    key_in,
    refused,
)

GRANTED: dict[str, Any] = {
    "policy": "p",
    "signature": "s3cret",
    "upload_dir": "dashscope-instant/1",
    "upload_host": "https://store.example",
    "expire_in_seconds": 300,
    "max_file_size_mb": 100,
    "capacity_limit_mb": 999_999_999,
    "oss_access_key_id": "LTAI",
    "x_oss_object_acl": "private",
    "x_oss_forbid_overwrite": "true",
}


def granted(**changes: Any) -> Credential | None:
    """Return what is read of an answer."""
    return credential_in(json.dumps({"request_id": "1", "data": GRANTED | changes}).encode())


def test_numbers_come_as_numbers_or_as_text() -> None:
    """Both are in use."""
    credential = granted(expire_in_seconds="300", max_file_size_mb="100.5")
    assert credential
    assert (credential.expire_in_seconds, credential.max_file_size_mb) == (300, 100.5)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"data": {}}', b'{"output": {"policy": "p"}}', b"\xff"]
)
def test_what_holds_no_credential_is_none(body: bytes) -> None:
    """An answer may be anything."""
    assert credential_in(body) is None


def test_a_credential_shows_no_secret() -> None:
    """Reprs travel."""
    credential = granted(policy="p0licy")
    assert "s3cret" not in repr(credential)
    assert "p0licy" not in repr(credential)
    assert "LTAI" not in repr(credential)


def test_the_query_names_the_model() -> None:
    """An upload is bound to it."""
    assert credential_query("a b") == "action=getPolicy&model=a+b"


@pytest.mark.parametrize(
    ("format_", "ending"), [("JPEG", "jpg"), ("PNG", "png"), ("BMP", "bmp"), ("WEBP", "webp")]
)
def test_a_form_has_the_signed_fields_and_the_file_last(format_: str, ending: str) -> None:
    """And says its own length."""
    credential = granted()
    assert credential
    key = key_in(credential, "u1", format_)
    assert key == f"dashscope-instant/1/u1.{ending}"
    form = form_for(credential, key, format_, boundary="b", size=5)
    names = [part.split(b'"')[1].decode() for part in form.before.split(b"form-data; name=")[1:]]
    assert names[-1] == "file"
    assert names[:7] == [
        "OSSAccessKeyId",
        "Signature",
        "policy",
        "key",
        "x-oss-object-acl",
        "x-oss-forbid-overwrite",
        "success_action_status",
    ]
    assert int(form.headers["Content-Length"]) == len(form.before) + 5 + len(form.after)
    assert "Authorization" not in form.headers


EXPIRED = (
    b"<Error><Code>AccessDenied</Code>"
    b"<Message>Invalid according to Policy: Policy expired.</Message></Error>"
)


@pytest.mark.parametrize(
    ("status", "body", "error", "told"),
    [
        (403, EXPIRED, NotSent, "Policy expired"),
        (403, b"<Error><Code>SignatureDoesNotMatch</Code>", BadRequest, "SignatureDoesNotMatch"),
        (400, b"<Error><Code>EntityTooLarge</Code>", ImageSkipped, "too large for the store"),
        (400, b"", BadRequest, "400 (no code)"),
        (404, b"<html>", BadRequest, "404 (no code)"),
        (408, b"", NotSent, "408"),
        (409, b"<Error><Code>FileAlreadyExists</Code>", NotSent, "FileAlreadyExists"),
        (429, b"", NotSent, "429"),
        (500, b"\xff\xfe<Code>\xff</Code>", NotSent, "500"),
        (503, b"<Error><Code>ServiceBusy</Code>", NotSent, "ServiceBusy"),
        (200, b"<html>Sign in", NotSent, "200"),
        (301, b"", NotSent, "301"),
    ],
)
def test_a_refusal_is_one_error(
    status: int, body: bytes, error: type[DetectError], told: str
) -> None:
    """`NotSent` where it may pass. Nothing of an upload is ever billed."""
    assert not is_taken(status, body)
    met = refused(status, body)
    assert type(met) is error
    assert told in str(met)
    assert met.billed == "no"


def test_an_empty_200_alone_says_that_it_is_there() -> None:
    """White space is empty too; a page is not."""
    assert is_taken(200, b"")
    assert is_taken(200, b"\r\n")
    assert not is_taken(204, b"")


def test_the_end_of_a_credential_is_known_by_its_words() -> None:
    """Other denials are not its end."""
    assert is_expired(403, EXPIRED)
    assert not is_expired(403, b"<Code>AccessDenied</Code>")
    assert not is_expired(200, EXPIRED)
