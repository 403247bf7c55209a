"""Damage is seen before anything is answered, or paid, on a damaged file's word.

Every row of an image has a checksum over all that an answer or a cost rests on. Triggers of the
connection write the checksum with every change, and let no change be made to a row whose checksum
is wrong: a change would make the damage look sound. A row that is claimed and holds no answer has
no checksum: it was read just before its claim, and three changes in a second would be summed for
nothing. A claimed row that holds an older answer keeps one, and is read again when a dead run's
claims are released. The triggers are temporary, so that nothing in the file depends on a function
of ours. What a checksum can't see (an index that points to another row, a page that is gone) is
seen by SQLite's own check when a run begins, unless this process made it a short time ago.
"""

import sqlite3

from s2v_detect.ledger._database import Database
from s2v_detect.ledger._entries import CHECKED, checksum, damaged_row
from s2v_detect.ledger._sqlite import _sound
from s2v_detect.ledger._sqlite._file import LedgerFile

CHECKSUM = f"image_checksum({CHECKED})"
_OLD = ", ".join(f"OLD.{name}" for name in CHECKED.split(", "))
# S608: our own names
_TRIGGERS = (
    f"""CREATE TEMP TRIGGER image_made AFTER INSERT ON main.image
WHEN NEW.state NOT IN ('asked', 'sent') BEGIN
    UPDATE image SET checksum = {CHECKSUM} WHERE id = NEW.id;
END""",  # noqa: S608
    f"""CREATE TEMP TRIGGER image_changes BEFORE UPDATE OF {CHECKED} ON main.image
WHEN OLD.state NOT IN ('asked', 'sent') AND OLD.checksum IS NOT image_checksum({_OLD}) BEGIN
    SELECT RAISE(ABORT, 'damaged');
END""",
    f"""CREATE TEMP TRIGGER image_changed AFTER UPDATE OF {CHECKED} ON main.image
WHEN NEW.state NOT IN ('asked', 'sent') OR NEW.check_pass IS NOT NULL BEGIN
    UPDATE image SET checksum = {CHECKSUM} WHERE id = NEW.id;
END""",  # noqa: S608
)


def register(connection: sqlite3.Connection) -> None:
    """Have the checksum known to a connection's SQL."""
    connection.create_function("image_checksum", -1, checksum, deterministic=True)


def guard(connection: sqlite3.Connection) -> None:
    """Have every change of an image's row checked and summed."""
    for trigger in _TRIGGERS:
        connection.execute(trigger)


def refuse_damaged_claims(connection: Database, run: int) -> None:
    """Raise `LedgerError` where a claimed row that has a checksum is damaged."""
    claimed = (
        "SELECT identity FROM image WHERE run = ? AND state IN ('asked', 'sent')"
        " AND check_pass IS NOT NULL"
    )
    row = connection.execute(f"{claimed} AND checksum IS NOT {CHECKSUM}", (run,)).fetchone()
    if row is not None:
        raise damaged_row(row[0])


class Damage(Exception):
    """The file is not sound; what SQLite says of it is the argument."""


def refuse_damage(connection: Database, file: LedgerFile, *, is_known_enough: bool) -> None:
    """Read the whole file, and raise `Damage` where it is not sound.

    `is_known_enough`: not where this process has found it sound a short time ago (`_sound`).

    2 s for a million images. `quick_check` takes 0.3 s, and does not see an identity that differs
    from the one in its index: the image would not be found, and be paid for again.
    """
    connection.execute("SELECT 1 FROM about").fetchone()  # from here on nobody's commit changes it
    if is_known_enough and _sound.is_known(file):
        return
    told = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if told != "ok":
        raise Damage(told)
    _sound.was_read(file)
