"""The ledger in a file: whose it is and who lives (`_file`), checksums, tables, connection.

A folder in its room: nobody but the room's face imports from here.
"""

from s2v_detect.ledger._sqlite._file import is_open_ledger
from s2v_detect.ledger._sqlite._file_ledger import Ledger

__all__ = ["Ledger", "is_open_ledger"]
