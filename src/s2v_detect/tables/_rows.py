"""What a row of an input is, and which column holds its image."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from s2v_detect.images import NO_ADDRESS, trimmed
from s2v_detect.languages import _
from s2v_detect.tables._reading import LONGEST_ADDRESS, TextLine

_USUAL_COLUMNS = (
    *(
        "image",
        "imageurl",
        "url",
        "图片",
        "图片链接",
        "图片地址",
        "图片网址",
        "图片url",
        "图片路径",
    ),
    *("img", "imgurl", "photo", "photourl", "picture", "pictureurl", "pic", "picurl", "imagelink"),
    *("imageuri", "imageaddress", "照片", "照片链接", "照片地址", "照片url", "图像", "图像地址"),
    *("图像链接", "图像url", "人像", "人像链接", "人像地址", "人像图片", "人像照片", "人像url"),
    *("头像", "头像链接", "头像地址", "头像url", "avatar", "avatarurl", "portrait", "portraiturl"),
    *("证件照", "证件照片", "证件照链接", "证件照地址", "登记照", "寸照", "一寸照", "免冠照"),
    *("人脸", "人脸图片", "人脸照片", "人脸链接", "照片网址", "自拍", "自拍照"),
    *("原图", "原图链接", "原图地址", "src", "href", "link", "uri", "链接", "链接地址", "网址"),
)
"""The first that an input has is the image's: in small letters, without what joins words."""
_JOINS = re.compile(r"[\s_\-\ufeff]+")
_REMARK = re.compile(r"（[^）]*）|\([^)]*\)|【[^】]*】|\[[^\]]*\]|[*\uff0a]|[:：]\Z")
"""What stands in a name for whoever fills the column in: `（必填）`, `*`."""
_MARK = "\ufeff"
_SCHEMES = ("http://", "https://", "oss://")
_NEXT_ADDRESS = re.compile(r"(?:([,;|])|[\s，、；｜。])(?:https?|oss)://", re.IGNORECASE)
"""A second address in a cell, with what separates it; the group is an ASCII separator."""
_TWO = "two addresses in one cell; give each its own row"
EXCERPT = 200
"""Characters of what can be no row, to know it by."""


class Row(NamedTuple):
    """One row that asks for something: an address, or a `fault` that says why it is none."""

    number: int | None
    """The line where it begins, or the row of a Parquet file, from 1; None: no file."""
    image: str
    """The address without the white space around it; of a faulty row, its beginning."""
    fault: str = ""
    columns: Mapping[str, Any] | None = None
    """All columns as they were read, the image's own too; None for plain text."""
    path: Path | None = None
    """The file, where the image is one of this machine; `image` is then its name."""
    identity: str | None = None
    """What the row's own column names the image by; None: it goes by its address or content."""

    @property
    def source(self) -> str | Path:
        """What is checked."""
        return self.path or self.image

    @property
    def key(self) -> str | Path:
        """What tells the image from others."""
        return self.source if self.identity is None else self.identity


class InputError(Exception):
    """The input can't be read as what it should be; the message says what to do."""


class Rows(Protocol):
    """Makes rows of lines."""

    columns: tuple[str, ...] | None
    column: str | None
    """The one that holds the image, once that is known."""
    passed_over: int
    """Lines that gave no row of their own."""

    def rows(self, lines: Sequence[TextLine]) -> list[Row]:
        """Return the rows that end in these lines."""

    def rest(self) -> list[Row]:
        """Return what is left at the end."""


def is_address(value: object) -> bool:
    """Whether a value is a text that is meant as an address.

    Example:
        >>> is_address(" HTTPS://a.example/1.jpg"), is_address("faces/1.jpg"), is_address(7)
        (True, False, False)
    """
    return isinstance(value, str) and trimmed(value)[:8].lower().startswith(_SCHEMES)


def unmarked(line: str) -> str:
    """Return a line without the marks that begin it: each of two files that were joined had one."""
    return line.lstrip(_MARK) if line[:1] == _MARK else line


def chosen_column(columns: Sequence[str], wanted: str | None) -> str:
    """Return the column that holds the image. Raises `InputError` where none is plain.

    `wanted` is its name, or its number from 1 where no column has that name.
    """
    if wanted is not None:
        if wanted in columns:
            return wanted
        if wanted.isdecimal() and 1 <= int(wanted) <= len(columns):
            return columns[int(wanted) - 1]
        told = _("The input has no column {column!r}. {columns}")
        raise InputError(told.format(column=wanted, columns=named(columns)))
    if usual := usual_column(columns):
        return usual
    if len(columns) == 1:
        return columns[0]
    told = _("The input does not say which column holds the image. Give --column. {columns}")
    raise InputError(told.format(columns=named(columns)))


def usual_column(columns: Iterable[str]) -> str | None:
    """Return the column whose name says that it holds the image."""
    names = list(reversed(list(columns)))
    by_word = {_JOINS.sub("", _REMARK.sub("", name)).lower(): name for name in names}
    by_word |= {_JOINS.sub("", name).lower(): name for name in names}
    return next((by_word[usual] for usual in _USUAL_COLUMNS if usual in by_word), None)


def row_of(number: int, columns: Mapping[str, Any], column: str) -> Row:
    """Return the row whose image is in that column."""
    value = columns.get(column)
    if value is None:
        return Row(number, "", NO_ADDRESS, columns)  # as of an empty text: CSV has nothing else
    if not isinstance(value, str):
        excerpt = str(value)[:EXCERPT]
        return Row(number, excerpt, f"the column {column!r} holds no text", columns)
    return address_row(number, value, columns)


def address_row(number: int, text: str, columns: Mapping[str, Any]) -> Row:
    """Return the row whose image has that address, wherever the row has it."""
    image = trimmed(text)
    if len(image) > LONGEST_ADDRESS // 4 and len(image.encode(errors="replace")) > LONGEST_ADDRESS:
        fault = f"its address is longer than {LONGEST_ADDRESS} bytes"
        return Row(number, image[:EXCERPT], fault, columns)
    if has_two_addresses(image):
        return Row(number, image[:EXCERPT], _TWO, columns)
    return Row(number, image, "", columns)


def has_two_addresses(image: str) -> bool:
    """Whether a text is an address with another one behind a separator.

    White space and full-width punctuation are in no address. A comma, a `;` or a `|` may be: they
    separate nothing within brackets, or behind an address that is a part of this one. Nor do they
    in a query, unless the second address has a query too.

    Example:
        >>> has_two_addresses("https://a.example/1.jpg；https://a.example/2.jpg")
        True
        >>> has_two_addresses("https://a.example/fetch?u=https://b.example/2.jpg")
        False
    """
    if image.count("://") < 2 or not is_address(image):  # noqa: PLR2004  # of two addresses
        return False
    for found in _NEXT_ADDRESS.finditer(image):
        before, behind = image[: found.start()], image[found.end() :]
        is_within = before.count("://") > 1 or any(
            before.count(left) > before.count(right) for left, right in ("()", "[]", "{}")
        )
        if not found[1] or not (is_within or ("?" in before and "?" not in behind)):
            return True
    return False


def in_column(column: str | None) -> str:
    """Return what is said of a column that was chosen."""
    return _("with its images in the column {column!r}").format(column=column)


def read_as(kind: str, details: str) -> str:
    """Return what an input is read as: a kind of list, and what was found of it."""
    return _("{kind} {details}").format(kind=kind, details=details) if details else kind


def named(columns: Sequence[str]) -> str:
    """Return a sentence that names the columns of an input."""
    shown = _(", ").join(columns[:20]) + (" …" if len(columns) > 20 else "")  # noqa: PLR2004  # enough to find one
    return _("Its columns are {names}.").format(names=shown) if columns else _("It has no columns.")
