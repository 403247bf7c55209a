"""A column that holds nothing in any row: it is no sign of a wrong header, in any kind of list."""

import json
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.bulk.test_lists import every

from s2v_detect.bulk import Input
from s2v_detect.images import NO_ADDRESS
from s2v_detect.tables import InputError, Row

PHOTO = "https://a.example/1.jpg"
ENDINGS = ["jsonl", "parquet"]


async def rows_of(folder: Path, ending: str, **columns: list[str | None]) -> list[Row]:
    """Return the rows of a list with these columns."""
    path = folder / f"in.{ending}"
    if ending == "parquet":
        types = {name: pa.array(cells, pa.string()) for name, cells in columns.items()}
        parquet.write_table(pa.table(types), path)
    else:
        rows = zip(*columns.values(), strict=True)
        path.write_text(
            "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
        )
    with closing(Input.open(path, takes_files=False)) as source:
        return await every(source)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_the_column_that_has_the_addresses_is_named(tmp_path: Path, ending: str) -> None:
    """It was told to be a header on another line."""
    with pytest.raises(InputError, match="Give --column 'photo'"):
        await rows_of(tmp_path, ending, url=[None, None], photo=[PHOTO, PHOTO])


@pytest.mark.parametrize("ending", ENDINGS)
async def test_where_no_column_has_any_each_row_says_so(tmp_path: Path, ending: str) -> None:
    """As in a CSV file, where nothing is an empty text."""
    rows = await rows_of(tmp_path, ending, url=[None, None], name=["Ada", "Bob"])
    assert [(row.image, row.fault) for row in rows] == [("", NO_ADDRESS)] * 2
