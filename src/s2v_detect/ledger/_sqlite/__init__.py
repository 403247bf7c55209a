"""The ledger in a file: whose it is and who lives (`_file`), checksums, tables, connection.

A folder in its room: nobody but the room's face, and a server's copy of itself, imports from here.
"""

from s2v_detect.ledger._sqlite._copying import write_whole
from s2v_detect.ledger._sqlite._faults import may_lose_from_a_log
from s2v_detect.ledger._sqlite._file import is_open_ledger
from s2v_detect.ledger._sqlite._file_ledger import Ledger
from s2v_detect.ledger._sqlite._schema import VERSION
from s2v_detect.ledger._sqlite._store import connected

__all__ = ["VERSION", "Ledger", "connected", "is_open_ledger", "may_lose_from_a_log", "write_whole"]
