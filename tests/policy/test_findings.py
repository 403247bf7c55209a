"""What the doctor makes of what it has seen: values in, findings out."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from s2v_detect import DetectError
from s2v_detect.cli._exits import Exit
from s2v_detect.cli._extras import Part, extras_of, of_extras
from s2v_detect.cli._findings import (
    CLOCK_AHEAD_S,
    Heard,
    exit_of_findings,
    of_clock,
    of_key,
    of_line,
    of_network,
    of_service,
    of_sqlite,
    to_mend,
    unknown,
    well,
)
from s2v_detect.languages import speaking
from s2v_detect.ledger import may_lose_from_a_log
from s2v_detect.wire import Answer, credential_in, decode, is_answer

CREDENTIAL = (
    b'{"data": {"policy": "p", "signature": "s", "upload_dir": "d", "upload_host": "https://h",'
    b' "oss_access_key_id": "i", "x_oss_object_acl": "private", "x_oss_forbid_overwrite": "true"}}'
)
PAGE = b"<!doctype html><title>Log in</title>"


def told(code: str, message: str = "said") -> bytes:
    """Return the service's own words of an error."""
    return f'{{"code": "{code}", "message": "{message}", "request_id": "r"}}'.encode()


def heard(status: int, body: bytes) -> Heard:
    """Return what an answer is to the doctor."""
    answer = Answer(status, {}, body)
    error: DetectError | None = None
    try:
        decode(answer)
    except DetectError as caught:
        error = caught
    is_taken = credential_in(body) is not None
    return Heard(status, is_taken, is_answer(answer), error, "a.example:443", 0.05)


@pytest.mark.parametrize(
    ("status", "body", "service", "key", "code"),
    [
        (200, CREDENTIAL, "ok", "ok", Exit.DONE),
        (401, told("InvalidApiKey"), "ok", "to mend", Exit.ACCOUNT),
        (403, told("AccessDenied.Unpurchased"), "ok", "to mend", Exit.ACCOUNT),
        (404, told("ModelNotFound"), "ok", "to mend", Exit.ACCOUNT),
        (400, told("Arrearage"), "ok", "to mend", Exit.ACCOUNT),
        (403, told("AllocationQuota.FreeTierOnly"), "ok", "to mend", Exit.ACCOUNT),
        (429, told("Throttling.RateQuota"), "ok", "unknown", Exit.DONE),
        (400, told("InvalidParameter"), "ok", "unknown", Exit.DONE),
        (200, b"{}", "ok", "unknown", Exit.DONE),
        (200, told("InvalidApiKey"), "ok", "to mend", Exit.ACCOUNT),
        (503, told("ServiceUnavailable"), "to mend", "unknown", Exit.STOPPED),
        (500, told("InternalError"), "to mend", "unknown", Exit.STOPPED),
        (502, PAGE, "to mend", "unknown", Exit.STOPPED),
        (504, b"", "to mend", "unknown", Exit.STOPPED),
        (200, PAGE, "to mend", "unknown", Exit.ACCOUNT),
        (200, b"", "to mend", "unknown", Exit.ACCOUNT),
        (302, b"", "to mend", "unknown", Exit.ACCOUNT),
        (401, PAGE, "to mend", "unknown", Exit.ACCOUNT),
        (404, PAGE, "unknown", "unknown", Exit.DONE),
    ],
)
def test_an_answer_tells_of_the_service_and_of_the_key(
    status: int, body: bytes, service: str, key: str, code: Exit
) -> None:
    """What a page in the service's place says tells nothing of the key."""
    found = [of_service(heard(status, body)), of_key("DASHSCOPE_API_KEY", heard(status, body))]
    assert [each.state for each in found] == [service, key]
    assert exit_of_findings(found) is code
    for each in found:
        assert each.found.endswith(".")
        assert each.do or each.state == "ok"
        assert each.do.endswith((".", ""))


AT = datetime(2026, 11, 26, 4, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead_s", "took_s", "state", "words"),
    [
        (0.0, 0.1, "ok", "agrees"),
        (29.0, 0.1, "ok", "agrees"),
        (-29.0, 0.1, "ok", "agrees"),
        (32.0, 0.1, "to mend", "ahead of"),
        (-32.0, 0.1, "to mend", "behind"),
        (86_400.0, 0.1, "to mend", "24 h 00 min ahead of"),
        (-8 * 3600.0, 0.1, "to mend", "8 h 00 min behind"),
        (40.0, 30.0, "ok", "agrees"),  # the answer itself took half a minute
    ],
)
def test_a_clock_is_told_by_how_much_it_is_off(
    ahead_s: float, took_s: float, state: str, words: str
) -> None:
    """A `Date` has whole seconds, and the way takes its time: neither is a difference."""
    middle = (AT + timedelta(seconds=0.5 + ahead_s)).timestamp()
    found = of_clock(format_datetime(AT, usegmt=True), middle - took_s / 2, middle + took_s / 2)
    assert found.state == state
    assert words in found.found
    assert found.facts["ahead_s"] == pytest.approx(ahead_s, abs=0.1)
    assert CLOCK_AHEAD_S < 60


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Nov 2026 04:00:00 GMT", "0", "\0"])
def test_a_time_that_is_none_is_unknown(date: str) -> None:
    """And no fault."""
    assert of_clock(date, 0.0, 0.0).state == "unknown"


@pytest.mark.parametrize(
    ("version", "has_fault"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 4), False),
    ],
)
def test_the_fault_of_sqlite_is_told_and_harms_no_ledger(
    version: tuple[int, int, int], *, has_fault: bool
) -> None:
    """The releases are those of sqlite.org."""
    assert may_lose_from_a_log(version) is has_fault
    found = of_sqlite(version)
    assert found.state == "ok"
    assert found.found.startswith("Ledgers are safe: ") is has_fault
    with speaking("zh"):
        assert of_sqlite(version).found.startswith("账本不受影响：") is has_fault


NEEDED = [
    "httpx<0.29,>=0.28.1",
    "rich<16,>=14; extra == 'cli'",
    "rich<16,>=14; extra == 'all'",
    "psycopg[binary]<4,>=3.2.3; extra == 'postgres'",
    "s3fs>=2025.5.1; extra == 's3'",
    "aiohttp<4,>=3.12; extra == 'emulator'",
    "pillow<14,>=11; extra == 'emulator'",
    "pywin32; sys_platform == 'nowhere' and extra == 'emulator'",
]
NAMES = ["all", "cli", "emulator", "postgres", "s3"]


@pytest.mark.parametrize(
    ("installed", "absent", "wrong"),
    [
        (
            {"rich": "15.0", "psycopg": "3.3", "s3fs": "2026.1", "aiohttp": "3.12", "pillow": "11"},
            [],
            [],
        ),
        ({"rich": "15.0"}, ["emulator", "postgres", "s3"], []),
        ({"rich": "15.0", "aiohttp": "3.12"}, ["emulator", "postgres", "s3"], []),
        ({"rich": "13.9", "s3fs": "2024.1"}, ["emulator", "postgres"], ["rich", "s3fs"]),
        ({"rich": "by hand"}, ["emulator", "postgres", "s3"], ["rich"]),
        ({"rich": "16.0rc1"}, ["emulator", "postgres", "s3"], ["rich"]),
        ({}, ["cli", "emulator", "postgres", "s3"], []),
    ],
)
def test_extras_are_there_not_there_or_in_a_wrong_version(
    installed: dict[str, str], absent: list[str], wrong: list[str]
) -> None:
    """One that is not there is no fault, and the line that installs it is said."""
    extras = extras_of(NEEDED, NAMES, installed.get)
    assert list(extras) == ["cli", "emulator", "postgres", "s3"]
    assert [part.name for part in extras["emulator"]] == ["aiohttp", "pillow"]
    first, *others = of_extras(extras)
    assert first.state == "ok"
    assert (f'[{",".join(absent)}]"' in first.do) is bool(absent)
    assert first.do.startswith("If you need them, run: ") is bool(absent)
    assert [each.found.split()[0] for each in others] == wrong
    assert {each.exit for each in others} <= {Exit.USAGE}
    assert all("pip install" in each.do for each in others)


def test_an_extra_of_no_parts_is_there() -> None:
    """Nothing is missing in it."""
    [found] = of_extras({"empty": [], "one": [Part("a", ">=1", None, is_right=False)]})
    assert "Not installed: one." in found.found


@pytest.mark.parametrize(
    ("proxies", "certificates", "ignored", "is_here", "words", "does"),
    [
        ({}, "", [], False, "No proxy; certificates of certifi", False),
        ({"HTTPS_PROXY": "p:1"}, "", [], False, "HTTPS_PROXY (p:1)", False),
        ({}, "SSL_CERT_FILE names (/a.pem)", [], False, "SSL_CERT_FILE", False),
        ({}, "", ["REQUESTS_CA_BUNDLE"], False, "certifi", True),
        ({"HTTPS_PROXY": "p:1"}, "", ["CURL_CA_BUNDLE"], True, "on this machine", False),
    ],
)
def test_the_settings_of_the_network_in_force(
    *,
    proxies: dict[str, str],
    certificates: str,
    ignored: list[str],
    is_here: bool,
    words: str,
    does: bool,
) -> None:
    """None of them counts for a service on this machine."""
    found = of_network(proxies, certificates, ignored, is_here=is_here)
    assert found.state == "ok"
    assert words in found.found
    assert bool(found.do) is does


@pytest.mark.parametrize(
    ("processes", "given", "words"),
    [(1, None, "no other process shares"), (2, None, "1 other process shares"), (9, 3.5, "3.5 a")],
)
def test_a_line_tells_who_shares_it(processes: int, given: float | None, words: str) -> None:
    """And what the account gives, where that is less than the rate."""
    found = of_line("/a", processes, given)
    assert words in found.found
    assert bool(found.do) is (given is not None)


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], Exit.DONE),
        ([Exit.USAGE], Exit.USAGE),
        ([Exit.STOPPED, Exit.USAGE], Exit.USAGE),
        ([Exit.STOPPED, Exit.ACCOUNT, Exit.USAGE], Exit.ACCOUNT),
        ([Exit.STOPPED], Exit.STOPPED),
    ],
)
def test_the_exit_code_is_the_first_that_fits(codes: list[Exit], code: Exit) -> None:
    """What is well or unknown is no fault."""
    found = [well("a", "A."), unknown("b", "B.", "C.")]
    found += [to_mend("c", "C.", "D.", each) for each in codes]
    assert exit_of_findings(found) is code


def test_a_finding_is_json_too() -> None:
    """With a state of one word."""
    line: dict[str, Any] = to_mend("a", "B.", "C.", Exit.USAGE, d=1).as_json()
    assert line == {"part": "a", "state": "to_mend", "found": "B.", "do": "C.", "facts": {"d": 1}}
