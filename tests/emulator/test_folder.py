"""Files of a local folder, and nothing outside it."""

from pathlib import Path

import pytest

from s2v_detect.emulator import Emulator
from s2v_detect.emulator._folder import Folder, reached_at, url_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, and beside it what is none of its business."""
    inside = tmp_path / "inside"
    (inside / "deep").mkdir(parents=True)
    (inside / "deep" / "face 1.jpg").write_bytes(b"face")
    (tmp_path / "secret.txt").write_text("secret")
    (inside / "link.txt").symlink_to(tmp_path / "secret.txt")
    (inside / "ring").symlink_to(inside / "ring")
    (inside / "alias.jpg").symlink_to(inside / "deep" / "face 1.jpg")
    return inside


@pytest.mark.parametrize("name", ["deep/face 1.jpg", "alias.jpg", "deep/../deep/face 1.jpg"])
def test_files_inside_are_found(folder: Path, name: str) -> None:
    """Links may point inside the folder."""
    found = Folder(folder).file(name)
    assert found is not None
    assert found.read_bytes() == b"face"


@pytest.mark.parametrize(
    "name",
    [
        "none.jpg",
        "deep",
        "../secret.txt",
        "deep/../../secret.txt",
        "/etc/hosts",
        "link.txt",
        "ring",
        "a\0b",
        "x" * 5_000,
    ],
)
def test_nothing_else_is_found(folder: Path, name: str) -> None:
    """No path and no link leads out of the folder, and no name is an error."""
    assert Folder(folder).file(name) is None


def test_a_folder_is_a_folder(tmp_path: Path) -> None:
    """A mistyped folder raises where the emulator is made."""
    with pytest.raises(NotADirectoryError):
        Emulator(folder=tmp_path / "none")


@pytest.mark.parametrize(
    ("image", "url"),
    [
        ("http://photographs.example/a/b.jpg", "http://127.0.0.1:1/files/a/b.jpg"),
        ("http://photographs.example/face%201.jpg", "http://127.0.0.1:1/files/face%201.jpg"),
        ("http://photographs.example/a%2F..%2Fb", "http://127.0.0.1:1/files/a%2F..%2Fb"),
        ("http://a.example/b.jpg?x=%20", "http://a.example/b.jpg?x=%20"),
    ],
)
def test_the_reserved_host_is_the_emulator_itself(image: str, url: str) -> None:
    """Any other address is left as it is."""
    assert str(reached_at(image, "http://127.0.0.1:1")) == url


def test_a_name_becomes_an_address() -> None:
    """What a URL can't hold is quoted."""
    assert url_of("a/face 1.jpg") == "http://photographs.example/a/face%201.jpg"
