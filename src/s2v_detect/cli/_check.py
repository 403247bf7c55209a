"""`s2v-detect check`: a few images, and a small table."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from s2v_detect.bulk import Output, RunSummary, file_row, is_image_file
from s2v_detect.cli._account import Account, Sending
from s2v_detect.cli._advised import advised_in_check
from s2v_detect.cli._exits import Exit, exit_of
from s2v_detect.cli._faults import OwnDo
from s2v_detect.cli._finishing import stdout_descriptor
from s2v_detect.cli._run import stdout_lines
from s2v_detect.cli._screening import Screening, Unusable
from s2v_detect.cli._summary import problems_of
from s2v_detect.cli._tables import stdout_console
from s2v_detect.cli._terminal import printable, shown_image, stderr_console
from s2v_detect.images import trimmed
from s2v_detect.languages import _, pgettext
from s2v_detect.tables import Record, Row, is_list

_PATIENCE = "90s"  # somebody sits before it: as long as the retries of one image


def check_images(images: Sequence[str], account: Account, *, as_json: bool) -> Exit:
    """Check the images, print their outcomes in the given order and return the exit code."""
    _refuse_lists(images)
    console = stderr_console()
    stdout_descriptor()  # told before anything is paid for
    table = None if as_json else _Table()
    answered = set[int]()
    screening = Screening(
        source=_Given(images),
        open_output=lambda: _Noted(table or stdout_lines(), answered),
        account=account,
        console=console,
        folder=Path(),
        sending=Sending(ordered=True, quiet=True, max_outage=_PATIENCE),
    )
    summary = asyncio.run(screening.run())
    if summary.fault and exit_of(summary) is Exit.STOPPED:  # what is said of a run is not so here
        summary.fault.do_in_command = OwnDo(_("Check it again later."))
    if table and not table.is_empty:
        table.print()
    for problem in problems_of(summary, "stdout", of_one=len(images) == 1):
        console.print(Text(problem, style="red"))
    if told := _unanswered(images, answered, summary):
        console.print(Text(told, style="red"))
    return exit_of(summary)


def _unanswered(images: Sequence[str], answered: set[int], summary: RunSummary) -> str:
    """Return which images have no row; the one that a problem names is not told twice."""
    if summary.output_error:  # nobody knows which were answered meanwhile
        return ""
    named = summary.fault and summary.fault.image
    left = [
        shown_image(image)
        for index, image in enumerate(images)
        if index not in answered and _row(image).source != named
    ]
    told = _("Without an answer, and not billed: {images}.")
    return told.format(images=_(", ").join(left)) if left else ""


def _refuse_lists(images: Sequence[str]) -> None:
    """Raise `Unusable` for a list of images: that is an input of `run`."""
    for image in images:
        path = Path(image)
        if "://" not in image and is_list(path) and path.is_file() and not is_image_file(path):
            told = _(
                "{name} is a list of images, and no image. Give the list to `s2v-detect run {name}"
                " -o verdicts.csv`."
            )
            raise Unusable(told.format(name=printable(image)))


class _Given:
    """The images of a command line."""

    def __init__(self, images: Sequence[str]) -> None:
        self._images = images
        self.total = len(images)

    async def batches(self) -> AsyncGenerator[list[Row]]:
        yield [_row(image) for image in self._images]


def _row(image: str) -> Row:
    """Return the row of a URL, or else of a file: whoever types one on this machine may read it."""
    if "://" in image or not trimmed(image):
        return Row(None, trimmed(image))
    if Path(image).is_dir():
        return Row(None, image, f"it is a folder: `s2v-detect run {image} -o verdicts.jsonl`")
    return file_row(Path(image))


class _Noted:
    """An output, with a note of the images that have their row in it."""

    def __init__(self, output: Output, answered: set[int]) -> None:
        self._output = output
        self._answered = answered

    async def write(self, records: Sequence[Record]) -> None:
        """Put rows there."""
        await self._output.write(records)
        self._answered.update(record["index"] for record in records)

    async def finish(self, *, is_complete: bool) -> bool:
        """Make sure of them."""
        return await self._output.finish(is_complete=is_complete)

    def close(self) -> None:
        """Let go of the output."""
        self._output.close()


class _Table:
    """Outcomes as the rows of a table."""

    def __init__(self) -> None:
        self._table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 3, 0, 0))
        self._table.add_column(_("image"), overflow="fold")
        self._table.add_column(_("verdict"), no_wrap=True)
        self._table.add_column(_("why"), overflow="fold")
        self._table.add_column(pgettext("of an image", "CNY"), no_wrap=True, justify="right")

    async def write(self, records: Sequence[Record]) -> None:
        """Add rows."""
        for record in records:
            word, style, why = _told(record)
            if record["source"] == "shared":
                again = _("the same image again, asked for once")
                why = f"{why} · {again}" if why else again
            doubt = "≤ " if record["cost_at_most"] != record["cost"] else ""
            self._table.add_row(
                Text(shown_image(record["image"])),
                Text(word, style=style),
                Text(printable(why)),
                f"{doubt}{record['cost_at_most']:.3f}",
            )

    async def finish(self, *, is_complete: bool) -> bool:
        """Nothing is out yet."""
        return is_complete

    def close(self) -> None:
        """Nothing is open."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing came, as where the key is wrong."""
        return not self._table.row_count

    def print(self) -> None:
        """Put the table on stdout."""
        stdout_console().print(self._table)


def _told(record: Record) -> tuple[str, str, str]:
    """Return an outcome's word, the style of it, and why."""
    if record["kind"] == "skipped":
        return _("skipped"), "dim", advised_in_check(record, record["message"])
    if record["kind"] == "failed":
        return (
            _("failed"),
            "red",
            advised_in_check(record, f"{record['error']}: {record['message']}"),
        )
    if record["check_pass"]:
        return _("passed"), "green", record["message"]
    said = ": ".join(filter(None, (record["code"], record["message"])))
    return (
        _("rejected"),
        "yellow",
        advised_in_check(record, said or _("the service gives no reason")),
    )
