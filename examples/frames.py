"""Screening a data frame: verdicts as typed columns beside its own, and a rerun that is free.

    python examples/frames.py

It reads `portraits.csv` of the folder where you are, which has a column `url`: the folder of the
examples has one. pandas, polars and pyarrow are all taken; this one is of polars.
"""

import polars as pl

from s2v_detect.integrations.frames import check_frame

frame = check_frame(pl.read_csv("portraits.csv"), "url", ledger="screening.db")
usable = frame.filter(pl.col("s2v_check_pass"))
print(f"{len(usable)} of {len(frame)} portraits may be used, for CNY {frame['s2v_cost'].sum()}")
for kind, message in frame.filter(pl.col("s2v_kind") != "checked")[
    "s2v_kind", "s2v_message"
].iter_rows():
    print(f"{kind}: {message}")
