"""A stage of Ray Data: what Ray runs again is not paid for again. It needs the extra `ray`."""

import ray.data

from s2v_detect.integrations.ray import check_dataset

portraits = ray.data.read_parquet("portraits")  # with a column "url"
checked = check_dataset(portraits, "url", ledger="screening.db")  # the workers have the key
usable = checked.filter(lambda row: row["s2v_check_pass"] is True)
usable.write_parquet("usable")
