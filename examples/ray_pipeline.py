"""A stage of Ray Data: what Ray runs again is not paid for again. It needs the extra `ray`.

It reads Parquet in `portraits`, with a column `url`. The workers have the key in their environment.
"""

import ray.data

from s2v_detect.integrations.ray import check_dataset

checked = check_dataset(ray.data.read_parquet("portraits"), "url", ledger="screening.db")
checked.filter(lambda row: row["s2v_check_pass"] is True).write_parquet("usable")
