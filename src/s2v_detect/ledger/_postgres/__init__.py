"""The ledger on a PostgreSQL server: its address, connection, tables, leases and faults.

A folder in its room: nobody but the room's face imports from here. `psycopg` is imported late, by
the modules that `_server_ledger` imports late.
"""

from s2v_detect.ledger._postgres._server_ledger import PostgresLedger

__all__ = ["PostgresLedger"]
