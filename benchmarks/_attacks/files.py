"""Paths of a command that are one file: by its own name, a spelling, or a link."""

import os
import shutil
import tempfile
from pathlib import Path

from _attacks.command import FAST, account, called
from _attacks.found import Found, Try
from s2v_detect.emulator import Emulator, Pass

RUN = ("run", "in.txt", "-o", "out.csv", *FAST)
NEW = ("run", "in.txt", *FAST)


def spelled(path: Path, how: str) -> str | None:
    """Another name of a file; None where there can be none of that kind."""
    if how == "plainly":
        return path.name
    if how == "otherwise":
        return f"../{path.parent.name}/./{path.name}"
    other = path.with_name(f"other-{how}-{path.name}")
    if how == "by a symbolic link":
        other.symlink_to(path.name)
    elif how == "by a hard link":
        if not path.exists():
            return None
        os.link(path, other)
    else:
        (path.parent / "way").symlink_to(".")
        return f"way/{path.name}"
    return other.name


WAYS = ("plainly", "otherwise", "by a symbolic link", "by a hard link", "by a linked folder")

# {} is the other spelling of the file that is named first.
CLASHES: list[tuple[str, tuple[str, ...]]] = [
    ("l.db", ("report", "l.db", "-o", "{}")),
    ("l.db", ("report", "{}", "-o", "l.db")),
    ("out.csv", ("report", "out.csv", "-o", "{}")),
    ("l.db", ("ledger", "export", "l.db", "-o", "{}", "--force")),
    ("l.db", (*NEW, "-o", "new.csv", "--ledger", "l.db", "--report", "{}")),
    ("l.db", (*NEW, "-o", "new.csv", "--ledger", "l.db", "--summary", "{}")),
    ("l.db", (*NEW, "-o", "new.csv", "--ledger", "l.db", "--events", "{}")),
    ("l.db", (*NEW, "-o", "{}", "--ledger", "l.db")),
    ("l.db", ("run", "{}", "-o", "new.csv", "--ledger", "l.db", *FAST)),
    ("in.txt", (*NEW, "-o", "{}")),
    ("in.txt", (*NEW, "-o", "new.csv", "--ledger", "{}")),
    ("in.txt", (*NEW, "-o", "new.csv", "--summary", "{}")),
    ("in.txt", (*NEW, "-o", "new.csv", "--report", "{}")),
    ("in.txt", (*NEW, "-o", "new.csv", "--events", "{}")),
    ("out.csv", (*RUN, "--summary", "{}")),
    ("out.csv", (*RUN, "--report", "{}")),
    ("out.csv", (*RUN, "--events", "{}")),
    ("out.csv.ledger", (*RUN, "--report", "{}")),
    ("new.csv", (*NEW, "-o", "new.csv", "--summary", "{}")),
    ("new.csv", (*NEW, "-o", "new.csv", "--ledger", "{}")),
    ("new.html", (*NEW, "-o", "new.csv", "--summary", "new.html", "--report", "{}")),
    ("l.part", ("run", "in.txt", "-o", "l", "--ledger", "{}", *FAST)),
    ("new.csv.part", (*NEW, "-o", "new.csv", "--report", "{}")),
    ("l.db-journal", (*NEW, "-o", "new.csv", "--ledger", "l.db", "--summary", "{}")),
    ("l.db-wal", ("ledger", "export", "l.db", "-o", "{}")),
    ("in.txt", ("estimate", "in.txt", "--ledger", "{}")),
    ("l.db", ("ledger", "copy", "l.db", "{}", "--force")),
    ("l.db-journal", ("ledger", "copy", "l.db", "{}")),
    # Of a ledger that the command does not use.
    ("l.db-journal", (*NEW, "-o", "{}", "--ledger", "new.db")),
    ("l.db-journal", (*NEW, "-o", "new.csv", "--summary", "{}")),
    ("l.db-journal", (*NEW, "-o", "new.csv", "--ledger", "{}")),
    ("l.db-journal", ("ledger", "copy", "out.csv.ledger", "{}")),
]

# No file is named twice here, but l.db is the ledger of another run.
OVER_A_LEDGER: list[tuple[str, ...]] = [
    (*NEW, "-o", "l.db"),
    (*NEW, "-o", "new.csv", "--summary", "l.db"),
    (*NEW, "-o", "new.csv", "--report", "l.db"),
    (*NEW, "-o", "new.csv", "--events", "l.db"),
    ("report", "out.csv", "-o", "l.db"),
    ("ledger", "export", "out.csv.ledger", "-o", "l.db", "--force"),
]


def attack(found: Found, tries: int) -> None:
    """Give each command to a folder with somebody's files; it must refuse, and leave them."""
    with (
        tempfile.TemporaryDirectory() as name,
        Emulator.run_in_thread(answer=Pass()) as emulator,
        account(emulator, Path(name)),
    ):
        given = Path(name) / "given"
        fill(given)
        cases = [(how, *clash) for how in WAYS for clash in CLASHES if _can_be(given, clash, how)]
        cases += [("another run's ledger", "l.db", words) for words in OVER_A_LEDGER]
        for one in found.tries(tries, "twice", "lost", "as whole", "traceback"):
            how, file, words = cases[one.number % len(cases)]
            one.attack = how
            folder = Path(shutil.copytree(given, Path(name) / str(one.number)))
            other = spelled(folder / file, how) if how in WAYS else file
            _refused(one, emulator, folder, [word.format(other) for word in words])
            shutil.rmtree(folder)


def _can_be(folder: Path, clash: tuple[str, tuple[str, ...]], how: str) -> bool:
    return how != "by a hard link" or (folder / clash[0]).exists()


def fill(folder: Path) -> None:
    """Have an input, an output, its ledger, a copy of that, a page, and a file of somebody's."""
    folder.mkdir()
    (folder / "in.txt").write_text("http://a.example/a.jpg\nhttp://a.example/b.jpg\n")
    assert called(folder, *RUN, "--report", "page.html").code == 0
    (folder / "notes.txt").write_text("mine\n")
    shutil.copy(folder / "out.csv.ledger", folder / "l.db")


def content(folder: Path) -> dict[str, bytes]:
    """Every file in a folder, and what it holds."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _refused(one: Try, emulator: Emulator, folder: Path, words: list[str]) -> None:
    before, bills = content(folder), emulator.billed
    with one.ends_with():
        code = called(folder, *words).code
        one.counts["said"] += code != 0
        if code != 2:
            one.breaks("as whole", f"exit code {code}: {' '.join(words)}")
    after = content(folder)
    changed = [name for name in before if after.get(name) != before[name]]
    if changed:
        one.breaks("lost", f"{changed}: {' '.join(words)}", len(changed))
    if emulator.billed > bills:
        one.breaks("twice", f"bills for {' '.join(words)}", emulator.billed - bills)
