"""What is an image, and when two of them are one."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2v_detect import ImageSkipped
from s2v_detect.images._identity import (
    asked_identity,
    identity_of,
    identity_text,
    image_of,
    own_identity,
    trimmed,
)

SAME = [
    ("https://a.example/x", "HTTPS://A.example/x"),
    ("https://a.example/x", "https://a.example:443/x"),
    ("http://a.example/x", "http://a.example:80/x"),
    ("https://a.example", "https://a.example/"),
    ("https://a.example/x", "https://a.example/x#top"),
    ("https://[2001:DB8::1]/x", "https://[2001:db8::1]:443/x"),
    ("https://a.example/ä", "https://a.example/%C3%A4"),
    ("https://a.example/人/脸.jpg", "https://a.example/%E4%BA%BA/脸.jpg"),
    ("https://a.example/x?name=脸&n=1", "https://a.example/x?name=%E8%84%B8&n=1"),
    ("https://a.example/\U0001f600.jpg#ä", "https://a.example/%F0%9F%98%80.jpg"),
    ("https://a.example/e\u0301", "https://a.example/e%CC%81"),
    ("https://ü@a.example/", "https://%C3%BC@a.example/"),
    ("https://münchen.example/x", "https://xn--mnchen-3ya.example/x"),
    ("https://MÜNCHEN.Example:443/x", "https://münchen.example/x"),
    ("https://mu\u0308nchen.example/x", "https://münchen.example/x"),
    ("https://人。example/x", "https://xn--gmq.example/x"),
    ("https://faß.example/x", "https://xn--fa-hia.example/x"),
    ("https://a\xad.example/x", "https://a.example/x"),
    ("https://\uff41.example/x", "https://a.example/x"),
]
NOT_SAME = [
    ("https://a.example/x", "http://a.example/x"),
    ("https://a.example/x", "https://a.example/X"),
    ("https://a.example/x", "https://a.example/x/"),
    ("https://a.example/x", "https://a.example:8443/x"),
    ("https://a.example/x?a=1&b=2", "https://a.example/x?b=2&a=1"),
    ("https://a.example/x?a=1", "https://a.example/x?a=2"),
    ("https://a.example/~x", "https://a.example/%7Ex"),
    ("https://u:1@a.example/x", "https://u:2@a.example/x"),
    ("https://a.example/x", "https://a.example./x"),
    ("https://a.example/ä", "https://a.example/%e4"),
    ("https://a.example/ä", "https://a.example/%c3%a4"),
    ("https://a.example/ä", "https://a.example/%E4"),
    ("https://a.example/\xe9", "https://a.example/e\u0301"),
    ("https://a.example/ä", "https://a.example/Ä"),
    ("https://a.example/a\xadb", "https://a.example/ab"),
    ("https://faß.example/x", "https://fass.example/x"),
    ("https://i\u2764.example/x", "https://i.example/x"),
    ("https://m%C3%BCnchen.example/x", "https://xn--mnchen-3ya.example/x"),
    ("oss://bucket/ä", "oss://bucket/%C3%A4"),
    ("oss://Bucket/x", "oss://bucket/x"),
    ("oss://bucket/x", "oss://bucket/X"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_that_every_server_takes_for_one_are_one(one: str, other: str) -> None:
    """Scheme, host, default port, empty path, fragment."""
    assert identity_of(one) == identity_of(other)


@pytest.mark.parametrize(("one", "other"), NOT_SAME)
def test_spellings_that_a_server_may_tell_apart_are_two(one: str, other: str) -> None:
    """Taking two images for one would give one of them the other's verdict."""
    assert identity_of(one) != identity_of(other)


HOPELESS = [
    ("", "empty"),
    ("   ", "empty"),
    ("face.jpg", "no http, https or oss URL"),
    ("/home/me/face.jpg", "no http, https or oss URL"),
    (r"C:\faces\1.jpg", "no http, https or oss URL"),
    ("file:///etc/passwd", "no http, https or oss URL"),
    ("ftp://a.example/x", "no http, https or oss URL"),
    ("javascript:alert(1)", "no http, https or oss URL"),
    ("data:image/png;base64,AAAA", "no http, https or oss URL"),
    ("//a.example/x", "no http, https or oss URL"),
    ("s3://bucket/1.jpg", "in a bucket: give a signed https address"),
    ("GS://bucket/a b.jpg", "in a bucket"),
    (" aliyun-oss://bucket/1.jpg", "in a bucket"),
    ("abfss://box@account/[1.jpg", "in a bucket"),
    ("https://", "no host"),
    ("https:///x", "no host"),
    ("https://a.example:port/x", "can't be read"),
    ("https://a.example:99999/x", "can't be read"),
    ("https://[::1/x", "can't be read"),
    ("https://a.example/a b.jpg", "white space"),
    ("https://a.example/a\nb.jpg", "white space"),
    ("https://a.example/a\x00.jpg", "white space or a control character"),
    ("https://a.example/a\x00", "white space or a control character: percent-encode it"),
    ("https://a.example/a b ", "white space or a control character: percent-encode it"),
    (" https://a.example/x", "white space at its start: strip it"),
    ("https://a.example/x ", "white space at its end: strip it"),
    ("https://a.example/x\r\n", "white space at its end: strip it"),
    ("https://a.example/x\u2028", "white space at its end: strip it"),
    ("oss://bucket/x\t", "white space at its end: strip it"),
    ("\u00a0https://a.example/x\n", "white space around it: strip it"),
    ("face.jpg\n", "white space at its end: strip it"),
    ("https://a.example/\ud800.jpg", "not Unicode text"),
    ("https://a.example/" + "x" * 70_000, "characters"),
    ("oss://bucket", "no object"),
    ("oss://bucket/", "no object"),
    (None, "None"),
    (float("nan"), "float"),
    (7, "int"),
    (b"\xff\xd8", "bytes"),
    (Path("face.jpg"), "Path"),
    (["https://a.example/x"], "list"),
]


@pytest.mark.parametrize(("value", "reason"), HOPELESS)
def test_what_is_no_address_is_skipped_with_its_reason(value: object, reason: str) -> None:
    """Never guessed to be a path, never sent, never billed."""
    with pytest.raises(ImageSkipped, match="skipped") as raised:
        image_of(value)
    assert reason in raised.value.reason
    assert raised.value.billed == "no"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/face.jpg",
        "http://user:word@a.example:8080/x?y=z#w",
        "https://münchen.example/gesicht-ü.jpg",
        "https://[2001:db8::1]/x",
        "HTTP://A.EXAMPLE",
        "oss://bucket/key/of/it.jpg",
        "https://a.example/" + "x" * 60_000,
    ],
)
def test_an_address_is_sent_as_it_was_written(url: str) -> None:
    """Not a character is changed."""
    assert image_of(url) is url


@given(st.text() | st.from_regex(r"(?i)(https?|oss)://[^\s]{0,40}", fullmatch=True))
def test_any_text_is_an_image_or_is_skipped(text: str) -> None:
    """And an identity's identity is itself, and an image."""
    try:
        image = image_of(text)
    except ImageSkipped:
        return
    identity = identity_of(image)
    assert identity_of(image_of(identity)) == identity


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("oss://bucket/photo#1.jpg", "oss://bucket/photo#2.jpg"),
        ("https://a.example/x", "https://a.example/x?"),
    ],
)
def test_what_only_looks_alike_is_two(one: str, other: str) -> None:
    """A key of the store may hold a `#`; an empty query is not the same as none."""
    assert identity_of(one) != identity_of(other)


@pytest.mark.parametrize(
    "url", ["https://me:S3CR3T@exa\u2100mple.com/x", "https://me:S3CR3T/x", "https://[S3CR3T]/x"]
)
def test_a_reason_quotes_nothing_of_the_address(url: str) -> None:
    """It goes into a line of the output, where nothing is redacted any more."""
    with pytest.raises(ImageSkipped) as raised:
        image_of(url)
    assert "S3CR3T" not in raised.value.reason


AROUND = "\ufeff \u200b\u2060\xad\u202a\u200e\u3164\ufe0f\t\u3000\xa0\u034f"


@given(st.text(AROUND, max_size=6), st.text(AROUND, max_size=6))
def test_what_nobody_sees_around_an_address_is_white_space(before: str, behind: str) -> None:
    """As it is copied out of a spreadsheet, a chat or a PDF."""
    url = "https://a.example/x.jpg"
    assert trimmed(f"{before}{url}{behind}") == url
    assert trimmed(f"{before}{behind}") == ""


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/\u2764\ufe0f",  # a heart, drawn as an emoji
        "https://a.example/a\u200bb.jpg",
        "https://a.example/\u0646\u200c\u0646.jpg",
        "\u4eba",
    ],
)
def test_what_stands_inside_an_address_stays(url: str) -> None:
    """A mark behind the character that it changes is inside."""
    assert trimmed(f"\ufeff{url}\u200b") == url


def test_a_very_long_run_of_blanks_costs_no_more_than_its_length() -> None:
    """In the middle too."""
    text = f"x{chr(0x200B) * 60_000}x"
    assert trimmed(text) == text


class Colour(Enum):
    """As an ORM may give it."""

    RED = "red"


class Number(IntEnum):
    """A whole number with a name."""

    SEVEN = 7


class Word(str, Enum):  # noqa: UP042  # what code from before 3.11 has
    """A text with a name, whose `str()` is that name."""

    A = "a"


class Named(StrEnum):
    """A text with a name, whose `str()` is the text."""

    A = "a"


A_UUID = UUID("12345678-1234-5678-1234-567812345678")
TEXTS: list[tuple[Any, str]] = [
    ("a", "a"),
    (" a\t", "a"),
    ("\ufeffa\u200b", "a"),
    ("a b", "a b"),
    ("007", "007"),
    ("2.0", "2.0"),
    ("nan", "nan"),
    ("None", "None"),
    ("https://a.example/x", "https://a.example/x"),
    (str(A_UUID), str(A_UUID)),
    (A_UUID, str(A_UUID)),
    (np.str_("a"), "a"),
    (Word.A, "a"),
    (Named.A, "a"),
    (0, "0"),
    (7, "7"),
    (-7, "-7"),
    (2**70, str(2**70)),
    (Number.SEVEN, "7"),
    (np.int64(7), "7"),
    (np.uint8(7), "7"),
    (np.array(7), "7"),
    (2.0, "2"),
    (-0.0, "0"),
    (-3.0, "-3"),
    (1e15, "1000000000000000"),
    (2.0**53 - 1, str(2**53 - 1)),
    (np.float64(2.0), "2"),
    (Decimal(7), "7"),
    (Decimal("7.00"), "7"),
    (Decimal("7E+2"), "700"),
    (Decimal(2**90), str(2**90)),
    *((code, code) for code in ["1e3", "12E45678", "1e-5", "e+3", "1.5e", "2.0", "1.5", "0x1F"]),
    *((cell, "7") for cell in pd.DataFrame({"id": [7, None]})["id"][:1]),
    *((cell, "7") for cell in pd.DataFrame({"id": [7, None]}, dtype="Int64")["id"][:1]),
]
NO_TEXTS: list[tuple[Any, str]] = [
    (None, "nothing (None)"),
    ("", "empty"),
    (" \t\u200b", "empty"),
    (float("nan"), "nothing (nan, of type float)"),
    (np.float64("nan"), "nothing (nan"),
    (Decimal("nan"), "nothing (NaN, of type Decimal)"),
    (Decimal("snan"), "nothing (sNaN"),
    (pd.NA, "nothing (<NA>"),
    (pd.NaT, "nothing (NaT"),
    (1.5, "1.5, of type float and no whole number"),
    (Decimal("1.5"), "1.5, of type Decimal and no whole number"),
    (float("inf"), "a float of 2**53 or more"),
    (2.0**53, "a float of 2**53 or more"),
    (-(2.0**53), "a float of 2**53 or more"),
    (1e300, "a float of 2**53 or more"),
    (Decimal("inf"), "a value of type Decimal"),
    (Decimal("1E+999999"), "more than 100 digits"),
    (10**5000, "more than 100 digits"),
    (-(10**100), "more than 100 digits"),
    (True, "a value of type bool"),
    (np.bool_(1), "a value of type bool"),
    (np.float32(2), "a value of type float32"),
    (np.array([1, 2]), "a value of type ndarray"),
    (1j, "a value of type complex"),
    (Fraction(2), "a value of type Fraction"),
    (Colour.RED, "a value of type Colour"),
    (date(2026, 1, 2), "a value of type date"),
    (datetime(2026, 1, 2, tzinfo=UTC), "a value of type datetime"),
    (pd.Timestamp("2026-01-02"), "a value of type Timestamp"),
    (timedelta(1), "a value of type timedelta"),
    (b"a", "a value of type bytes"),
    (Path("a"), "Path"),
    (["a"], "a value of type list"),
    (("a", 1), "a value of type tuple"),
    ({"id": 1}, "a value of type dict"),
    (object(), "a value of type object"),
    ("\ud800", "not Unicode text"),
]


@pytest.mark.parametrize(("value", "text"), TEXTS, ids=lambda value: repr(value)[:40])
def test_an_identity_is_a_text_whatever_table_it_comes_from(value: object, text: str) -> None:
    """A whole number is one in a CSV, a workbook, a frame and a database."""
    assert identity_text(value, None) == text
    assert own_identity(value, None) == own_identity(text, None)


@pytest.mark.parametrize(
    ("value", "why"),
    NO_TEXTS,
    ids=[f"{type(value).__name__} {number}" for number, (value, _) in enumerate(NO_TEXTS)],
)
def test_what_is_no_identity_says_why_and_what_to_give(value: object, why: str) -> None:
    """Also what has several spellings (a date), or stands for several numbers (a large float)."""
    with pytest.raises(ImageSkipped) as raised:
        identity_text(value, "https://a.example/x")
    assert why in raised.value.reason
    assert raised.value.reason.startswith("its identity ")
    assert raised.value.reason.endswith(": give a text or a whole number")
    assert (raised.value.image, raised.value.saves) == ("https://a.example/x", "identity")


@pytest.mark.parametrize(
    "text",
    ["3.10101E+17", "3.1010119900101e+17", "3,10101E+17", "1E+17", "1e+3", " 3.1E17 ", "-3.1e+17",
     "1.5E-05", "310.1E+15", "\u200b1.23457E+11"],
)  # fmt: skip
def test_a_number_in_scientific_notation_names_no_image(text: str) -> None:
    """Several numbers are written so. A ledger that has one of an older release still finds it."""
    with pytest.raises(ImageSkipped, match="scientific notation, which stands for several") as seen:
        own_identity(text, None)
    assert seen.value.reason.endswith(": give all of its digits, as a text")
    assert asked_identity(text, None) == "id:" + text.strip(" \u200b")
