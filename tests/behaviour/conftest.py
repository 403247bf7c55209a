"""What the tests of local files have on the disk."""

from pathlib import Path

import pytest
from tests.uploading import picture


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of images, one of them twice."""
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(picture(number))
    (tmp_path / "copy of 0.jpg").write_bytes(picture(0))
    return tmp_path
