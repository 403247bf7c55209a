"""Which column holds the image, by its name alone."""

import pytest

from s2v_detect.tables import InputError, chosen_column


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        (["id", "Image URL"], "Image URL"),
        (["id", "image-url", "note"], "image-url"),
        (["id", " ImageUrl "], " ImageUrl "),
        (["编号", "照片"], "照片"),
        (["编号", "人像地址", "姓名"], "人像地址"),
        (["编号", "头像 链接"], "头像 链接"),
        (["编号", "图片URL"], "图片URL"),
        (["avatar", "image_url"], "image_url"),
        (["图片", "url"], "url"),
        (["only"], "only"),
    ],
)
def test_a_usual_name_is_found_however_it_is_written(columns: list[str], chosen: str) -> None:
    """In small or large letters, its words joined by anything; the most usual one first."""
    assert chosen_column(columns, None) == chosen


@pytest.mark.parametrize("columns", [["id", "地址"], ["id", "images"], ["编号", "姓名"], []])
def test_an_unusual_name_is_asked_for(columns: list[str]) -> None:
    """A postal address is no image."""
    with pytest.raises(InputError, match="--column"):
        chosen_column(columns, None)
