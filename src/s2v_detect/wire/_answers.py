"""The wire, purely: an image into the documented request, an answer into a verdict or one error.

Nothing here awaits or has a clock. The tables are in `_service.py`; this module walks them.
Money: only the service's own word says that nothing was billed. `usage.image_count` says how many
images were, whole JSON with a `code` says none; so does any other 4xx but 408 and 499, which was
refused before the model ran. All else may have been billed: a gateway's page, half an answer.
"""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from math import isfinite
from typing import Any, NamedTuple

from pydantic_core import from_json

from s2v_detect._redaction import ended, without_key
from s2v_detect._service import (
    CODE_RULES,
    COST_TIME_HEADER,
    GATEWAY_STATUSES,
    MAYBE_BILLED_STATUSES,
    REQUEST_ID_HEADER,
    RESOLVE_HEADER,
    STATUS_MEANINGS,
    WORKSPACE_HEADER,
    CodeRule,
    Meaning,
)
from s2v_detect.errors import (
    MAYBE_BILLED,
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

_REDIRECTS_FROM, _REFUSALS_FROM, _FAULTS_FROM = 300, 400, 500  # HTTP's own
_CODE_CHARACTERS = 200
_MESSAGE_CHARACTERS = 2000
"""What is looked at, told and kept of the service's words: a code of a megabyte is no code."""
_MOST_IMAGES = 1000
"""More for one image that was sent is no count."""


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
    headers = {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",  # a body that needs unpacking can be a bomb
        "User-Agent": user_agent,
    }
    return {**headers, WORKSPACE_HEADER: workspace} if workspace else headers


def decode(answer: Answer) -> Verdict:
    """Return the verdict of an answer, or raise the one error that it comes to."""
    try:
        return _decode(answer)
    except OutcomeUnknown as error:
        error.retry_after_s = retry_after_s(answer.headers)
        raise


def _decode(answer: Answer) -> Verdict:
    if answer.status in MAYBE_BILLED_STATUSES:
        raise _unknown(f"a gateway answered {answer.status} in the service's place")
    told = _json_object(answer.body)
    if answer.status < _REDIRECTS_FROM:
        return _decode_success(answer, told)
    if _code(told or {}) or _is_refusal(answer.status):
        return _decode_error(answer, told or {})
    if answer.status < _REFUSALS_FROM:
        raise _redirected(answer.status)
    raise _unknown(_said_by_no_service(answer, told), billed=_billed(told or {}))


def is_answer(answer: Answer) -> bool:
    """Whether the service itself answers, be it with a refusal: no page, and no fault."""
    return answer.status < _FAULTS_FROM and _json_object(answer.body) is not None


def images_billed(answer: Answer) -> int:
    """Return how many images an answer was billed as, by its own count; 0 where it has none."""
    if answer.status in MAYBE_BILLED_STATUSES:
        return 0
    return _count(_json_object(answer.body) or {}) or 0


def service_ms(answer: Answer) -> int | None:
    """Return the milliseconds that the service says it took, where it does."""
    text = answer.headers.get(COST_TIME_HEADER, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _is_refusal(status: int) -> bool:
    """Whether a status alone says that the request was refused before the model ran."""
    return _REFUSALS_FROM <= status < _FAULTS_FROM and status not in GATEWAY_STATUSES


def _decode_success(answer: Answer, told: dict[str, Any] | None) -> Verdict:
    if told is None:
        raise _unknown(_said_by_no_service(answer, told))
    output = _mapping(told.get("output"))
    if isinstance(output.get("check_pass"), bool):
        return Verdict(
            check_pass=output["check_pass"],
            humanoid=output.get("humanoid") if isinstance(output.get("humanoid"), bool) else None,
            code=_text(output.get("code"), _CODE_CHARACTERS),
            message=_text(output.get("message"), _MESSAGE_CHARACTERS),
            request_id=_request_id(answer, told),
            billed=_billed(told),
        )
    if _code(told):
        return _decode_error(answer, told)
    raise _unknown(
        f"the answer ({answer.status}) holds no verdict that this version can read",
        billed=_billed(told),
    )


def _decode_error(answer: Answer, told: dict[str, Any]) -> Verdict:
    code, message = _code(told) or _text(told.get("code"), _CODE_CHARACTERS), _message(told)
    meaning = meaning_of(answer.status, code, message)
    if meaning is Meaning.VERDICT:
        return Verdict(
            check_pass=False,
            code=code,
            message=message,
            request_id=_request_id(answer, told),
            billed="no" if told.get("usage") is None else _billed(told),
        )
    said = f"the service answered {answer.status} {code or '(no code)'}"
    if meaning is Meaning.MISMATCH:
        raise ConfigurationError(f"{said}: model and endpoint do not match.", do=_MISMATCH_DO)
    kind, do = _ERRORS[meaning]
    error = kind(
        f"{said}: {ended(message)}" if message else f"{said}.",
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
    Meaning.CREDIT: (
        OutOfCredit,
        "Pay, top up, or let the account go on behind its free images: until then none is checked.",
    ),
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
    folded, lower = _folded(code), message.lower()
    for rule in CODE_RULES:
        if _fits(rule, status, folded, lower):
            return rule.meaning
    return STATUS_MEANINGS[status if status in STATUS_MEANINGS else _range_of(status)]


def _range_of(status: int) -> range:
    rows = (row for row in STATUS_MEANINGS if isinstance(row, range))
    return next(row for row in rows if status in row)


def _fits(rule: CodeRule, status: int, folded: str, lower: str) -> bool:
    if rule.statuses and status not in rule.statuses:
        return False
    if not any(fnmatchcase(folded, _folded(pattern)) for pattern in rule.codes):
        return False
    return not rule.phrases or any(phrase in lower for phrase in rule.phrases)


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


def _said_by_no_service(answer: Answer, told: dict[str, Any] | None) -> str:
    if told is None:
        coding = answer.headers.get("content-encoding", "")
        packed = f" (it came as {coding[:20]})" if coding else ""
        return f"the answer ({answer.status}) is no whole JSON{packed}"
    return f"the answer ({answer.status}) is not in the service's own words"


def _redirected(status: int) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the base URL answers with a redirect ({status}), not with the service.",
        do="Set base_url to the service itself: a proxy's sign-in page may stand between."
        " What was sent may have been billed.",
        billed="unknown",
    )


def _unknown(what: str, *, billed: Billed = "unknown") -> OutcomeUnknown:
    do = {
        "unknown": MAYBE_BILLED,
        "yes": "It was billed; look for a newer version of s2v-detect before you check more.",
        "no": "It was not billed; look for a newer version of s2v-detect before you check more.",
    }
    return OutcomeUnknown(f"{what}.", do=do[billed], billed=billed)


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        told = from_json(body.removeprefix(BOM_UTF8))  # which readers of JSON may ignore
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object, most: int) -> str:
    """Return what the service says; what it echoes of our key is nowhere needed."""
    return "" if value is None else without_key(str(value)[:most])


def _code(told: dict[str, Any]) -> str:
    """Return the service's code, at the top or in `error`; a number is a gateway's, and none."""
    for place in (told, _mapping(told.get("error"))):
        code = place.get("code")
        if isinstance(code, str) and code.strip():
            return _text(code, _CODE_CHARACTERS)
    return ""


def _message(told: dict[str, Any]) -> str:
    for place in (told, _mapping(told.get("error"))):
        if message := place.get("message") or place.get("msg"):
            return _text(message, _MESSAGE_CHARACTERS)
    return ""


def _billed(told: dict[str, Any]) -> Billed:
    count = _count(told)
    return "unknown" if count is None else "yes" if count else "no"


def _count(told: dict[str, Any]) -> int | None:
    """Return how many images were billed, or None where the answer does not say so."""
    count = _mapping(told.get("usage")).get("image_count")
    if isinstance(count, str) and count.isascii() and count.isdigit() and len(count) < 10:
        count = int(count)
    if isinstance(count, bool) or not isinstance(count, int):
        return None
    return count if 0 <= count <= _MOST_IMAGES else None


def _request_id(answer: Answer, told: dict[str, Any]) -> str | None:
    nested = _mapping(told.get("error")).get("request_id")
    request_id = told.get("request_id") or nested or answer.headers.get(REQUEST_ID_HEADER)
    return _text(request_id, _CODE_CHARACTERS) or None
