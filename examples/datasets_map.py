"""Hugging Face `datasets`: a map that adds the verdicts, by a coroutine over batches.

    python examples/datasets_map.py examples/portraits.txt

Each batch is a stream of its own; all of them, and all processes of `num_proc=`, share one line and
one ledger. A map that is interrupted begins again, and pays for nothing that was answered.
"""

import os
import sys
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value, config

from s2v_detect import Checked, DetectClient

config.MAX_NUM_RUNNING_ASYNC_MAP_FUNCTIONS_IN_PARALLEL = 2  # while one batch ends, one begins
OURS = {"check_pass": Value("bool"), "code": Value("string"), "outcome": Value("string")}


async def verdicts(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return our columns of a batch. No row raises: what was skipped or failed has no verdict."""
    async with DetectClient(ledger=os.environ.get("LEDGER", "screening.db")) as client:
        stream = client.aiter_check(batch["url"], ordered=True)
        outcomes = [outcome async for outcome in stream]
    told = [outcome.verdict if isinstance(outcome, Checked) else None for outcome in outcomes]
    return {
        "check_pass": [verdict and verdict.check_pass for verdict in told],
        "code": [verdict and verdict.code for verdict in told],
        "outcome": [outcome.kind for outcome in outcomes],
    }


def checked(portraits: Dataset) -> Dataset:
    """Return the dataset with our columns; their types are said, for a batch may be all empty."""
    features = Features({**portraits.features, **OURS})
    return portraits.map(verdicts, batched=True, batch_size=300, features=features)


if __name__ == "__main__":
    listed = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    for row in checked(Dataset.from_dict({"url": listed})):
        print(row["outcome"], row["url"], row["check_pass"])
