"""Whatever a constructor can't use is one sentence at once, by the argument's name."""

import math
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from s2v_detect import (
    ConfigurationError,
    DetectClient,
    Ledger,
    LocalLimiter,
    Preflight,
    RetryPolicy,
)
from s2v_detect.emulator import Emulator

NO_NUMBERS: list[Any] = [
    *("5", "x", "", b"5", None, math.nan, -math.inf, True, False, -1, -0.5),
    *(Decimal("2.5"), [1], (), {}, object(), 10**400, 1j, np.int64(-1), np.bool_(1)),
]
NO_TEXTS: list[Any] = [b"x", 5, 0, 2.5, math.nan, True, False, [], ["x"], object(), Path("x")]
NO_FLAGS: list[Any] = ["no", "false", "", "0", 0, 1, None, math.nan, [], object()]


def client(**options: Any) -> DetectClient:
    """A client with a key."""
    return DetectClient(**{"api_key": "sk-x", **options})


def ledger(**options: Any) -> Ledger:
    """A ledger with a path."""
    return Ledger(**{"path": "l.db", **options})


Wrong = tuple[Callable[..., object], str, list[Any]]
WRONG: list[Wrong] = [
    (LocalLimiter, "rate", [*NO_NUMBERS, 0]),
    (LocalLimiter, "per_s", [*NO_NUMBERS, 0, math.inf]),
    (client, "timeout_s", [*NO_NUMBERS, 0, math.inf]),
    (client, "max_in_flight", [*NO_NUMBERS, 0, math.inf, 2.5]),
    (client, "max_outage_s", [each for each in NO_NUMBERS if each is not None]),
    (client, "base_url", NO_TEXTS),
    (client, "workspace", NO_TEXTS),
    (client, "allow_http", NO_FLAGS),
    (client, "http_client", ["http://a.example", 5, True, httpx.AsyncClient, httpx]),
    (RetryPolicy, "max_attempts", [*NO_NUMBERS, 0, 2.5, math.inf]),
    (RetryPolicy, "give_up_after_s", NO_NUMBERS),
    (RetryPolicy, "first_wait_s", [*NO_NUMBERS, 0, 21, math.inf]),
    (RetryPolicy, "longest_wait_s", [*NO_NUMBERS, 0, 0.5, math.inf]),
    (RetryPolicy, "stop", [3, "x", []]),
    (RetryPolicy, "wait", [3, "x", []]),
    (Preflight, "timeout_s", [*NO_NUMBERS, 0, math.inf]),
    (Preflight, "max_header_bytes", [*NO_NUMBERS, 0, 2.5]),
    (Preflight, "max_at_once", [*NO_NUMBERS, 0, 2.5]),
    (Preflight, "skip_missing", ["x", None, 5, []]),
    (Preflight, "ports", [80, "80", None, (0,), (70_000,), ("x",)]),
    (ledger, "path", [None, b"l.db", 5, True, []]),
    (ledger, "name", [*NO_TEXTS, None]),
    (ledger, "max_age_s", [each for each in NO_NUMBERS if each is not None]),
    (ledger, "refresh", NO_FLAGS),
    (ledger, "is_new_start", NO_FLAGS),
]


@pytest.mark.parametrize(
    ("make", "name", "values"), WRONG, ids=[f"{make.__name__} {name}" for make, name, _ in WRONG]
)
def test_a_value_that_can_not_be_used_is_told_at_once(
    make: Callable[..., object], name: str, values: list[Any]
) -> None:
    """A text is no number, whatever it says; a NaN is none, and a bool is one by accident."""
    for value in values:
        with pytest.raises(ConfigurationError, match=r"^[^\n]+[.…] [A-Z][^\n]*\.$") as raised:
            make(**{name: value})
            pytest.fail(f"{name}={value!r} is taken")
        told = "a line of" if make is LocalLimiter else name
        assert told.replace("base_url", "base") in str(raised.value).replace("base_url", "base")


RIGHT: list[Wrong] = [
    (LocalLimiter, "rate", [5, 2.5, 1e-3, math.inf, np.float64(2.5)]),
    (client, "timeout_s", [1, 0.5, np.float64(2.5)]),
    (client, "max_outage_s", [None, 0, 2.5, math.inf]),
    (client, "base_url", [None, "", "https://a.example"]),
    (client, "workspace", [None, "", "a"]),
    (client, "allow_http", [True, False]),
    (RetryPolicy, "give_up_after_s", [0, 2.5, math.inf]),
    (RetryPolicy, "max_attempts", [1, 3.0]),
    (RetryPolicy, "stop", [None, lambda _: True]),
    (Preflight, "ports", [(80,), [80, 443], ()]),
    (ledger, "path", ["l.db", Path("l.db")]),
    (ledger, "max_age_s", [None, 0, 2.5, math.inf]),
]


@pytest.mark.parametrize(
    ("make", "name", "values"), RIGHT, ids=[f"{make.__name__} {name}" for make, name, _ in RIGHT]
)
def test_what_can_be_used_is_taken(
    make: Callable[..., object], name: str, values: list[Any]
) -> None:
    """The edges of what is refused."""
    for value in values:
        assert make(**{name: value})


@pytest.mark.parametrize(
    ("make", "name", "told"),
    [
        (RetryPolicy, "max_attempt", "RetryPolicy has no 'max_attempt'. Give max_attempts, if"),
        (RetryPolicy, "give_up_after", "Give give_up_after_s, if"),
        (RetryPolicy, "zzz", "It has max_attempts, give_up_after_s, "),
        (Preflight, "timeout", "Preflight has no 'timeout'. Give timeout_s, if"),
        (Preflight, "allow_privat", "Give allow_private, if"),
    ],
)
def test_a_rule_that_there_is_not_says_which_one_is_meant(
    make: Callable[..., object], name: str, told: str
) -> None:
    """As the arguments of a client do."""
    with pytest.raises(ConfigurationError) as raised:
        make(**{name: 3})
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (RetryPolicy, r"Give RetryPolicy\(max_attempts=3\)"),
        (Preflight, r"Preflight\(timeout_s=3\)"),
    ],
)
def test_rules_are_given_by_name(make: Callable[..., object], told: str) -> None:
    """`RetryPolicy(3)` says so, and shows how."""
    with pytest.raises(TypeError, match=told):
        make(3)


EMULATOR: list[tuple[str, list[Any]]] = [
    ("host", [*NO_TEXTS, None, ""]),
    ("api_key", [*NO_TEXTS, None, ""]),
    ("port", NO_NUMBERS),
    ("rate", NO_NUMBERS),
    ("free_images", NO_NUMBERS),
    ("latency_s", [*NO_NUMBERS[:11], (0, "1"), (None, 1)]),
    ("fetch_timeout_s", NO_NUMBERS),
    ("counting", ["slidng", None, 5]),
    ("reject_shape", [200, None, "x"]),
    ("clock", [None, 5, "x"]),
]


@pytest.mark.parametrize(("name", "values"), EMULATOR)
def test_an_emulator_that_can_not_be_is_told_at_once(name: str, values: list[Any]) -> None:
    """When it is made, not when a request comes."""
    for value in values:
        with pytest.raises((TypeError, ValueError), match=name):
            Emulator(**{name: value})
            pytest.fail(f"{name}={value!r} is taken")


def test_an_emulator_s_folder_may_be_named_by_a_text(tmp_path: Path) -> None:
    """One that is none is told."""
    assert Emulator(folder=os.fspath(tmp_path)).url_of("a")
    with pytest.raises(NotADirectoryError, match="is no folder"):
        Emulator(folder=os.fspath(tmp_path / "none"))
