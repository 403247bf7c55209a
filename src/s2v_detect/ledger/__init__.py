"""What was asked, sent, answered and billed, on a disk: the books that survive the process.

Layers of its own, from the bottom: `_file` (whose it is, and who lives), `_damage` (checksums),
`_schema` (its tables), `_writer` (one thread, one connection, grouped commits), `_claims` and
`_asked` (SQL, as work for the writer), `_run` (what a client's flights write), `_ledger` (what a
user holds), `_recording` (the face that a check writes to).
"""

from s2v_detect.ledger._attempts import Claim, Ended
from s2v_detect.ledger._entries import LedgerAttempt, LedgerEntry, LedgerSpend
from s2v_detect.ledger._file import is_open_ledger
from s2v_detect.ledger._ledger import Ledger
from s2v_detect.ledger._recording import UNRECORDED, Aside, Recorded, Recording, begun, ended
from s2v_detect.ledger._run import LedgerRun

__all__ = [
    "UNRECORDED",
    "Aside",
    "Claim",
    "Ended",
    "Ledger",
    "LedgerAttempt",
    "LedgerEntry",
    "LedgerRun",
    "LedgerSpend",
    "Recorded",
    "Recording",
    "begun",
    "ended",
    "is_open_ledger",
]
