"""A local file is read in few steps."""

from typing import Any

import pytest

from s2v_detect import ImageSkipped
from s2v_detect.images._files import local_image
from s2v_detect.images._header import read_header


def test_a_header_of_many_tiny_segments_is_read_in_few_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A megabyte of them would else be copied a quarter of a million times."""
    steps: list[object] = []

    def watched(*given: Any, **more: Any) -> object:
        steps.append(given)
        return read_header(*given, **more)

    monkeypatch.setattr("s2v_detect.images._files.read_header", watched)
    with pytest.raises(ImageSkipped, match="says nothing of its size"):
        local_image(b"\xff\xd8" + b"\xff\xe1\0\2" * 250_000 + b"\xff\xd9")
    assert len(steps) < 2 * 1_000_000 / 4096
