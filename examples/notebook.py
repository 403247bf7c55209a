"""Screening a table in a notebook: `check_all` needs no `await` and works beside a running loop."""

# %% The rows, as they come from wherever they come from.
from collections import Counter

from s2v_detect import check_all

rows = [
    {"name": "Ada", "portrait": "https://example.com/ada.jpg"},
    {"name": "Ben", "portrait": "https://example.com/ben.jpg"},
    {"name": "Cleo", "portrait": "not uploaded yet"},
]

# %% One outcome a row, in the order of the rows; `outcome.item` is the row itself.
outcomes = check_all(rows, image="portrait")

# %% What passed.
usable = [
    outcome.item["name"]
    for outcome in outcomes
    if outcome.kind == "checked" and outcome.verdict.check_pass
]
print("usable:", ", ".join(usable))

# %% And what it cost. Each outcome is a flat row itself: `pandas.DataFrame(map(dict, lines))`.
lines = [outcome.model_dump() for outcome in outcomes]
print(Counter(line["kind"] for line in lines))
print("CNY", sum(outcome.cost for outcome in outcomes))
