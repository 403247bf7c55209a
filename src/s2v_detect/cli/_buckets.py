"""A bucket in place of a list: what is told of it before its listing, and behind."""

from pathlib import Path
from typing import Any

from rich.console import Console

from s2v_detect import ConfigurationError
from s2v_detect.bulk import Listed, Source, steady_folder
from s2v_detect.cli._screening import Unusable
from s2v_detect.cli._terminal import STANDARD, printable
from s2v_detect.images import is_in_bucket
from s2v_detect.languages import _, needs_extra, ngettext, why

_STORE = "oss"
_EXTRA = ("s3fs", "fsspec", "aiobotocore", "botocore", "aiohttp")
_MOST_TOLD = 5


def is_bucket(name: str) -> bool:
    """Whether a name is meant as a bucket, of whichever kind: nobody means a file.

    Example:
        >>> is_bucket("s3://portraits/2026/"), is_bucket("portraits/2026/")
        (True, False)
    """
    return is_in_bucket(name) or name.lower().startswith(f"{_STORE}://")


def listed_bucket(name: str) -> Listed:
    """Return the images of a bucket as an input. Raises `Unusable` where that can't be."""
    scheme, _mark, rest = name.partition("://")
    shown = printable(name)
    if scheme.lower() == _STORE:
        told = _(
            "{name} can't be listed: oss:// is the service's own store for uploads. Give"
            " aliyun-oss://{rest} for a bucket of your own."
        )
        raise Unusable(told.format(name=shown, rest=printable(rest)))
    images = _images_of(name)

    def refused(error: OSError) -> str:
        told = _(
            "{name} can't be listed: {why}. Give the address and the credentials of a bucket that"
            " you may list, as for the tools of its cloud."
        )
        return told.format(name=shown, why=why(error))

    def none() -> str:
        count = sum(images.left_out.values())
        told = ngettext(
            "{name} holds no images; {count:,} object is not called as images are and left out"
            " ({kinds}). Give another bucket, or the beginning of other keys.",
            "{name} holds no images; {count:,} objects are not called as images are and left out"
            " ({kinds}). Give another bucket, or the beginning of other keys.",
            count,
        )
        if not count:
            told = _("{name} holds no images. Give another bucket, or the beginning of other keys.")
        return told.format(name=shown, count=count, kinds=_kinds(images.left_out))

    return Listed(images.pages, left_out=images.left_out, refused=refused, none=none)


def _images_of(name: str) -> Any:
    """Return the images of a bucket; `Unusable` where the extra is not installed."""
    try:
        from s2v_detect.integrations import buckets  # noqa: PLC0415  # an extra, when asked for
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise Unusable(needs_extra(_("A bucket"), "cli", "s3")) from error
    try:
        return buckets.BucketImages(name)
    except ConfigurationError as error:
        raise Unusable(str(error)) from error


def folder_of(source: str) -> Path:
    """Return the folder whose files the emulator serves."""
    return Path() if source == STANDARD or is_bucket(source) else steady_folder(source)


def tell_left_out(console: Console, rows: Source) -> None:
    """Say what of a bucket no row was made of."""
    if isinstance(rows, Listed) and rows.left_out:
        count = sum(rows.left_out.values())
        told = ngettext(
            "{count:,} object is not called as images are and left out ({kinds}).",
            "{count:,} objects are not called as images are and left out ({kinds}).",
            count,
        )
        console.print(told.format(count=count, kinds=_kinds(rows.left_out)), markup=False)


def _kinds(left_out: dict[str, int]) -> str:
    """Return how the objects are called that are not called as images are."""
    ranked = sorted(left_out.items(), key=lambda each: -each[1])
    kinds = [f"{printable(kind)}: {number:,}" for kind, number in ranked[:_MOST_TOLD]]
    return ", ".join([*kinds, *([_("others")] if len(ranked) > _MOST_TOLD else [])])
