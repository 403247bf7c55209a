"""What signs an address, and the key, are never shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2v_detect import Checked, Failed, NotSent, Skipped, Verdict
from s2v_detect._redaction import redacted, shown


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
