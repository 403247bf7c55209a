"""Screening a data frame: verdicts as typed columns beside its own, and a rerun that is free.

    python examples/frames.py                # of the list beside it
    python examples/frames.py MY_LIST.csv    # with a column `url`

pandas, polars and pyarrow are all taken; this one is of polars.
"""

import sys
from pathlib import Path

import polars as pl

from s2v_detect.integrations.frames import check_frame

table = sys.argv[1] if sys.argv[1:] else Path(__file__).with_name("portraits.csv")
frame = check_frame(pl.read_csv(table), "url", ledger="screening.db")
usable = frame.filter(pl.col("s2v_check_pass"))
print(f"{len(usable)} of {len(frame)} portraits may be used, for CNY {frame['s2v_cost'].sum()}")
for kind, message in frame.filter(pl.col("s2v_kind") != "checked")[
    "s2v_kind", "s2v_message"
].iter_rows():
    print(f"{kind}: {message}")
