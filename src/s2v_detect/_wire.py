"""The wire, purely: an image into the documented request, an answer into a verdict or one error.

Nothing here awaits or has a clock. The tables are in `_service.py`; this module walks them.
Money: `usage.image_count` says billed, an error's body says not billed, anything else is unknown.
"""

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from math import isfinite
from typing import Any, NamedTuple

from pydantic_core import from_json

from s2v_detect._redaction import without_key
from s2v_detect._service import (
    CODE_RULES,
    COST_TIME_HEADER,
    MAYBE_BILLED_STATUSES,
    REQUEST_ID_HEADER,
    RESOLVE_HEADER,
    STATUS_MEANINGS,
    WORKSPACE_HEADER,
    CodeRule,
    Meaning,
)
from s2v_detect.errors import (
    AccessDenied,
    BadRequest,
    Billed,
    ConfigurationError,
    ImageUnusable,
    OutcomeUnknown,
    OutOfCredit,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
)
from s2v_detect.models import Verdict


class Answer(NamedTuple):
    """What came back: `headers` with lower-case names, `body` whole or as far as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def request_body(model: str, image: str) -> bytes:
    """Return the documented JSON body."""
    body = {"model": model, "input": {"image_url": image}}
    return json.dumps(body, ensure_ascii=False).encode()


def request_headers(standing: Mapping[str, str], image: str) -> dict[str, str]:
    """Return the `standing` headers, and for a file in the temporary store the one it needs."""
    if image.startswith("oss://"):
        return {**standing, RESOLVE_HEADER: "enable"}
    return dict(standing)


def standing_headers(workspace: str | None, user_agent: str) -> dict[str, str]:
    """Return the headers that every request of a client has, beside its key."""
    headers = {"Content-Type": "application/json", "User-Agent": user_agent}
    return {**headers, WORKSPACE_HEADER: workspace} if workspace else headers


def decode(answer: Answer) -> Verdict:
    """Return the verdict of an answer, or raise the one error that it comes to."""
    if answer.status in MAYBE_BILLED_STATUSES:
        raise _unknown(f"a gateway answered {answer.status} in the service's place")
    if 300 <= answer.status < 400:
        raise ConfigurationError(
            f"the base URL answers with a redirect ({answer.status}), not with the service.",
            do="Set base_url to the service itself; a proxy's sign-in page may stand between.",
        )
    told = _json_object(answer.body)
    if answer.status < 300:
        return _decode_success(answer, told)
    return _decode_error(answer, told or {})


def service_ms(answer: Answer) -> int | None:
    """Return the milliseconds that the service says it took, where it does."""
    text = answer.headers.get(COST_TIME_HEADER, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _decode_success(answer: Answer, told: dict[str, Any] | None) -> Verdict:
    if told is None:
        raise _unknown(f"the answer ({answer.status}) is no whole JSON")
    output = _mapping(told.get("output"))
    if isinstance(output.get("check_pass"), bool):
        return Verdict(
            check_pass=output["check_pass"],
            humanoid=output.get("humanoid") if isinstance(output.get("humanoid"), bool) else None,
            code=_text(output.get("code")),
            message=_text(output.get("message")),
            request_id=_request_id(answer, told),
            billed=_billed(told),
        )
    if _text(told.get("code")):
        return _decode_error(answer, told)
    raise _unknown(
        f"the answer ({answer.status}) holds no verdict that this version can read",
        billed=_billed(told),
    )


def _decode_error(answer: Answer, told: dict[str, Any]) -> Verdict:
    code = _text(told.get("code"))
    message = _text(told.get("message")) or _text(told.get("msg"))
    meaning = meaning_of(answer.status, code, message)
    if meaning is Meaning.VERDICT:
        return Verdict(
            check_pass=False,
            code=code,
            message=message,
            request_id=_request_id(answer, told),
            billed=_billed(told) if "usage" in told else "no",
        )
    said = f"the service answered {answer.status} {code or '(no code)'}"
    if meaning is Meaning.MISMATCH:
        raise ConfigurationError(f"{said}: model and endpoint do not match.", do=_MISMATCH_DO)
    kind, do = _ERRORS[meaning]
    error = kind(
        f"{said}: {message.rstrip('. ')}." if message else f"{said}.",
        do=do,
        status=answer.status,
        meaning=meaning,
        code=code,
        message=message,
        request_id=_request_id(answer, told),
        retry_after_s=retry_after_s(answer.headers),
        should_retry=_SHOULD_RETRY.get(answer.headers.get("x-should-retry", "").lower()),
    )
    if _billed(told) == "yes":  # the count is the oracle, beside an error too
        error.billed = "yes"
    raise error


_MISMATCH_DO = "Check `model` and `base_url`: it is not about the image's URL."
_SHOULD_RETRY = {"true": True, "false": False}

_ERRORS: dict[Meaning, tuple[type[ServiceError], str]] = {
    Meaning.ACCESS: (
        AccessDenied,
        "Check the API key, its region (Beijing) and what it may use; no image can be checked.",
    ),
    Meaning.CREDIT: (OutOfCredit, "Pay or top up the account; no image can be checked until then."),
    Meaning.UNUSABLE: (ImageUnusable, "Give an image that the service can fetch and may accept."),
    Meaning.UNREACHED: (
        ImageUnusable,
        "Host the image where the service can fetch it quickly from mainland China.",
    ),
    Meaning.THROTTLED: (
        RateLimited,
        "Lower `LocalLimiter(rate)`: others use this account's five a second too.",
    ),
    Meaning.CAPACITY: (ServiceUnavailable, "Check this image again later: the service is full."),
    Meaning.FAULT: (ServiceUnavailable, "Check this image again later: the service has a fault."),
    Meaning.BAD_REQUEST: (BadRequest, "Look the code up in the vendor's list of error messages."),
}


def meaning_of(status: int, code: str, message: str) -> Meaning:
    """Return what an error of the service comes to: by its code, else by its status."""
    for rule in CODE_RULES:
        if _fits(rule, status, code, message):
            return rule.meaning
    if status >= 500:
        return Meaning.FAULT
    return STATUS_MEANINGS.get(status, Meaning.BAD_REQUEST)


def _fits(rule: CodeRule, status: int, code: str, message: str) -> bool:
    if rule.statuses and status not in rule.statuses:
        return False
    if not any(fnmatchcase(_folded(code), _folded(pattern)) for pattern in rule.codes):
        return False
    return not rule.phrases or any(phrase in message.lower() for phrase in rule.phrases)


def _folded(code: str) -> str:
    """`invalid_api_key`, `NOT AUTHORIZED` and `InvalidApiKey` are spellings of one code."""
    return re.sub(r"[\s_\[\]?]", "", code).lower()


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds the service asks to wait, if it does so in a way that makes sense.

    No such header is documented; the vendor's SDK honours these. A date counts from the answer's
    own `Date`, so that a wrong clock here does no harm.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "")
        try:
            wait_s = float(text) * unit_s
        except ValueError:
            continue
        if isfinite(wait_s) and wait_s >= 0:
            return wait_s
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    # TypeError: one of the two dates has no time zone. OverflowError: a year of twenty digits.
    except (ValueError, TypeError, OverflowError):
        return None


def _unknown(what: str, *, billed: Billed = "unknown") -> OutcomeUnknown:
    do = {
        "unknown": "It may have been billed: check it again if its verdict is worth CNY 0.004.",
        "yes": "It was billed; look for a newer version of s2v-detect before you check more.",
        "no": "It was not billed; look for a newer version of s2v-detect before you check more.",
    }
    return OutcomeUnknown(f"{what}.", do=do[billed], billed=billed)


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        told = from_json(body)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return what the service says; what it echoes of our key is nowhere needed."""
    return "" if value is None else without_key(str(value))


def _billed(told: dict[str, Any]) -> Billed:
    count = _mapping(told.get("usage")).get("image_count")
    if isinstance(count, bool) or not isinstance(count, int | str):
        return "unknown"
    try:
        images = int(count)
    except ValueError:
        return "unknown"
    return "yes" if images > 0 else "no" if images == 0 else "unknown"


def _request_id(answer: Answer, told: dict[str, Any]) -> str | None:
    return _text(told.get("request_id") or answer.headers.get(REQUEST_ID_HEADER)) or None
