"""What people read, on stdout and stderr: nothing in it may harm a terminal or end a run."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from s2v_detect._redaction import ended, legible, without_secrets
from s2v_detect.cli._wrapping import WrappingConsole
from s2v_detect.languages import _, why

_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1, "": 1}
_NUMBER = r"\d+(?:\.\d+)?"
_TIME = re.compile("".join(rf"(?:{_NUMBER}{unit})?" for unit in "dhms"), re.ASCII)
_PARTS = re.compile(rf"({_NUMBER})([dhms]?)", re.ASCII)
_FULL_STOPS = ("。", "？")
"""Of a language that has no space behind them."""
STANDARD = "-"
"""The name of stdin and of stdout on a command line."""


class _Unbreakable:
    """A stream whose reader may leave: what nobody reads is no reason to stop a paid run."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _ReadWhileWanted:
    """A stream whose reader may leave when he has seen enough, as `head` does."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.has_left = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._until_he_leaves():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._until_he_leaves():
            self._stream.flush()

    @contextmanager
    def _until_he_leaves(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # the rest goes nowhere; so does what Python flushes at its exit
            self.has_left = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextmanager
def stdout_read_while_wanted() -> Iterator[None]:
    """Have no command ended by a reader of stdout who leaves: it ends as it would have ended."""
    stream = sys.stdout
    if stream is None:
        yield
        return
    sys.stdout = _ReadWhileWanted(stream)
    try:
        yield
        sys.stdout.flush()  # while its fault can still be taken
    finally:
        sys.stdout = stream


def has_reader_left() -> bool:
    """Whether nobody reads stdout any more: what has much to print need not go on."""
    return getattr(sys.stdout, "has_left", False)


def stderr_console() -> Console:
    """Return the console of everything that is not data."""
    # None where the command was started with the descriptor closed.
    stream = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  # kept open
    # A terminal has a width to break lines at; what reads a pipe has none.
    return WrappingConsole(
        file=_Unbreakable(stream),  # type: ignore[arg-type]  # the methods that rich calls are there
        highlight=False,
        soft_wrap=not stream.isatty(),
    )


class _OnConsole(logging.Handler):
    """Prints records where nothing else is spoilt by them."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        try:
            lines = (printable(line) for line in self.format(record).splitlines())
            self._console.print("\n".join(lines), markup=False)
        except Exception:  # noqa: BLE001  # what every handler does: no record ends what it tells of
            self.handleError(record)


@contextmanager
def logged_on(console: Console) -> Iterator[None]:
    """Have what the library logs on the console: Python's own handler would print across it."""
    log, handler = logging.getLogger("s2v_detect"), _OnConsole(console)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def printable(text: str) -> str:
    """Return text without secrets, and without what steers a terminal or turns its direction."""
    return legible(without_secrets(text))


def shown_image(image: object) -> str:
    """Return an image's address without what signs it."""
    path, mark, _query = str(image).partition("?")
    return printable(path) + ("?…" if mark else "")


def tell_kept(path: Path, kept: Path) -> None:
    """Say that a file came or was changed meanwhile, and under which name it is kept."""
    told = _("{name} came or was changed meanwhile, and is kept as {kept}.").format(
        name=printable(path.name), kept=printable(kept.name)
    )
    stderr_console().print(told, markup=False)


def duration(seconds: float) -> str:
    """Return a time as people say it.

    Example:
        >>> duration(4.25), duration(61), duration(39_960)
        ('4.2 s', '1 min 01 s', '11 h 06 min')
    """
    if seconds < 10:  # noqa: PLR2004  # below it the tenths are of interest
        return _("{seconds:.1f} s").format(seconds=seconds)
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return _("{hours} h {minutes:02} min").format(hours=hours, minutes=minutes)
    if minutes:
        return _("{minutes} min {seconds:02} s").format(minutes=minutes, seconds=rest)
    return _("{seconds} s").format(seconds=rest)


def why_closed(error: OSError) -> str:
    """Return the same where a port can't be had: asyncio adds an address to the system's words."""
    return _(os.strerror(error.errno)) if error.errno else why(error)


def seconds_of(time: str) -> float | None:
    """Return the seconds of a time as people type it; None where it is none.

    Example:
        >>> seconds_of("90"), seconds_of("30m"), seconds_of("1h30m"), seconds_of("soon")
        (90.0, 1800.0, 5400.0, None)
    """
    text = time.strip().lower()
    if not text or not (_PARTS.fullmatch(text) or _TIME.fullmatch(text)):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))


def joined(*sentences: str) -> str:
    """Return sentences one after another.

    Example:
        >>> joined("It ends.", "", "Go on."), joined("运行结束。", "请继续。")
        ('It ends. Go on.', '运行结束。请继续。')
    """
    told = ""
    for each in filter(None, sentences):
        told += f" {each}" if told and not told.endswith(_FULL_STOPS) else each
    return told


def sentence(text: str) -> str:
    """Return a text as a sentence of its own.

    Example:
        >>> sentence("every image was answered")
        'Every image was answered.'
    """
    return ended(f"{text[:1].upper()}{text[1:]}")
