"""What was asked, sent, answered and billed, on a disk: the books that survive the process.

Layers of its own, from the bottom: `_file` (whose it is, and who lives), `_damage` (checksums),
`_schema` (its tables), `_desk` (one thread, one connection, grouped commits), `_pages` and `_asked`
(SQL, as work for the desk), `_run` (what a client's flights write), `_ledger` (what a user holds).
"""

from s2v_detect.ledger._attempts import Ended, Page
from s2v_detect.ledger._entries import LedgerAttempt, LedgerEntry, LedgerSpend
from s2v_detect.ledger._file import is_open_ledger
from s2v_detect.ledger._ledger import Ledger
from s2v_detect.ledger._recording import UNRECORDED, Aside, Recorded, Recording, begun, ended
from s2v_detect.ledger._run import LedgerRun

__all__ = [
    "UNRECORDED",
    "Aside",
    "Ended",
    "Ledger",
    "LedgerAttempt",
    "LedgerEntry",
    "LedgerRun",
    "LedgerSpend",
    "Page",
    "Recorded",
    "Recording",
    "begun",
    "ended",
    "is_open_ledger",
]
