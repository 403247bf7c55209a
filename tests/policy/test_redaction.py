"""What signs an address, and the key, are never shown."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2v_detect import Checked, Failed, NotSent, Skipped, Verdict
from s2v_detect._redaction import ended, redacted, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example/x.jpg", "https://a.example/x.jpg"),
        ("https://a.example/x.jpg?sign=1&b=2", "https://a.example/x.jpg?…"),
        ("https://a.example/x.jpg#frag", "https://a.example/x.jpg?…"),
        ("https://me:word@a.example/x", "https://a.example/x"),
        ("OSS://bucket/x?t=1", "OSS://bucket/x?…"),
        ("can't load https://a.example/x?s=1 now", "can't load https://a.example/x?… now"),
        ("'https://a.example/x?s=1'", "'https://a.example/x?…'"),
        ("key sk-ws-abc.def_123-x!", "key sk-…!"),
        ("plain? yes", "plain? yes"),
        ("a\x00b\u202ec\nd", "a�b�c�d"),
        ("", ""),
    ],
)
def test_queries_keys_and_controls_are_not_shown(text: str, expected: str) -> None:
    """The rest is as it was."""
    assert redacted(text) == expected


def test_what_is_shown_is_short() -> None:
    """A megabyte of address is no message."""
    assert len(redacted("https://a.example/" + "x" * 1_000_000)) == 300


@pytest.mark.parametrize(("image", "expected"), [(b"abc", "3 bytes"), (None, "None"), (7, "7")])
def test_images_that_are_no_text_are_described(image: object, expected: str) -> None:
    """Bytes by their number: never their content."""
    assert shown(image) == expected


@given(st.text(alphabet="abcXYZ0189-_.~%&=+/", min_size=8, max_size=40))
def test_no_query_survives_anywhere(secret: str) -> None:
    """Error, outcome, verdict: in a message and in a repr."""
    secret = f"S3CR3T{secret}"
    url = f"https://a.example/x.jpg?Signature={secret}"
    error = NotSent(f"not sent, {url} failed.", do="Try.", image=url)
    values = [
        error,
        Failed(index=0, image=url, item={"url": url}, error=error),
        Skipped(index=0, image=url, reason=f"about {url}"),
        Checked(index=0, image=url, verdict=Verdict(check_pass=False, message=f"see {url}")),
    ]
    for value in values:
        assert "S3CR3T" not in str(value)
        assert "S3CR3T" not in repr(value)


@pytest.mark.parametrize(
    "image",
    [
        "https://a.example/x?y='z'&Signature=S3CR3T",
        'https://a.example/x?y="z"&Signature=S3CR3T',
        "https://a.example/x?y=<z>&Signature=S3CR3T",
        "https://a.example/x?y=a b&Signature=S3CR3T",
        "//a.example/x?Signature=S3CR3T",
        "a.example/x?Signature=S3CR3T",
        "https://me:wo@S3CR3T@a.example/x",
        "https://me:wo'S3CR3T@a.example/x",
    ],
)
def test_an_address_that_is_not_well_formed_hides_what_signs_it_too(image: str) -> None:
    """A row of a user's data is shown before anybody knows that it is a good address."""
    assert "S3CR3T" not in shown(image)
    assert "S3CR3T" not in repr(Skipped(index=0, image=image, reason="it can't be read"))
    assert "S3CR3T" not in str(NotSent("not sent.", do="Try.", image=image))


@pytest.mark.parametrize(
    "text",
    [
        "see https://a.example/x?y='z'&Signature=S3CR3T now",
        "see https://me:wo@S3CR3T@a.example/x now",
        "url_https://a.example/x?Signature=S3CR3T",
    ],
)
def test_an_address_within_a_text_hides_all_of_its_query(text: str) -> None:
    """Quotes are allowed in a query, and do not end it."""
    assert "S3CR3T" not in redacted(text)


@pytest.mark.parametrize("character", "\u2028\u2029\u061c\ufeff\U000e0041\x7f\x9b\ud800")
def test_what_would_break_a_line_or_a_terminal_is_not_shown(character: str) -> None:
    """Line breaks and marks of Unicode as well; a lone surrogate could not even be printed."""
    assert redacted(f"a{character}b") == "a�b"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["a.", "sk-", "a://", "@", "'?"])
def test_a_long_text_is_redacted_in_little_time(piece: str) -> None:
    """A message of the service may be a megabyte of anything; the event loop waits for it."""
    before = time.process_time()
    redacted(piece * 50_000)
    assert time.process_time() - before < 1.0


@pytest.mark.parametrize(
    "text",
    [
        "denied: Signature=S3CR3T+aB%3D",
        "OSSAccessKeyId=S3CR3T",
        "Authorization: Bearer S3CR3T",
        'authorization="Basic S3CR3T=="',
        "Bearer S3CR3T",
        "x-oss-signature=S3CR3T",
        "X-Amz-Credential: S3CR3T",
        "x-oss-security-token: S3CR3T",
        "token=S3CR3T",
        "?sig=S3CR3T",
        'it had {"signature": "S3CR3T"}',
        r"it had {\"signature\":\"S3CR3T\"}",
        "https%3A%2F%2Fa.example%2Fx%3FSignature%3DS3CR3T",
        "see https://a.example/x\\u0026token=S3CR3T",
        "<Error><SignatureProvided>S3CR3T</SignatureProvided></Error>",
        "LTAIS3CR3T0000",
        "Bearer%20sk-S3CR3T000",
        "api_key_sk-S3CR3T000",
        "SK-S3CR3T000",
        "//me:S3CR3T@a.example/x",
    ],
)
def test_a_secret_outside_an_address_is_known_by_its_name(text: str) -> None:
    """The service and the store echo what they were sent, in headers, forms, JSON and XML."""
    assert "S3CR3T" not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "Invalid according to Policy: Policy expired.",
        "Signature: wrong",
        "The signature does not match.",
        "design=blue, risk-assessment, a // b",
        "it expires: soon",
    ],
)
def test_prose_stays_as_it_is(text: str) -> None:
    """A word is no secret because it stands behind a name."""
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", ""),
        ("It failed", "It failed."),
        ("It failed. ", "It failed."),
        ("It failed. (The emulator's estimate.)", "It failed. (The emulator's estimate.)"),
        ("It failed (twice)", "It failed (twice)."),
        ('It said "no."', 'It said "no."'),
        ('It said "no"', 'It said "no".'),
        ("Why?", "Why?"),
        ("Wait…", "Wait…"),
        ("图片太大。", "图片太大。"),
        ("图片太大（见文档。）", "图片太大（见文档。）"),
        ("a.example", "a.example."),
        ("version 1.2", "version 1.2."),
    ],
)
def test_somebody_elses_words_end_as_a_sentence_does(words: str, told: str) -> None:
    """With one full stop, whoever has set it."""
    assert ended(words) == told
