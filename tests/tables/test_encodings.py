"""What a list is encoded in: the language that is spoken tells too, and a refusal is in it."""

import json
import pickle
from contextlib import closing
from pathlib import Path

import pytest
from tests.bulk.test_lists import WORDS, every

from s2v_detect import ImageSkipped
from s2v_detect.bulk import Input
from s2v_detect.languages import Language, speaking
from s2v_detect.tables import InputError, Row
from s2v_detect.tables._row_faults import Undecoded

A = "https://a.example/1.jpg"
STAFF = (
    "罗强,仓库 吴芳,客服 高艳,客服 李艳涛,客服 高洋静,客服 张伟伟,仓库 林娜,仓库 罗明秀,仓库"
    " 高秀洋,仓库 朱洋伟,仓库 黄涛,仓库 李军静,客服 黄艳,仓库 李超涛,客服 罗磊,仓库 杨娜强,仓库"
    " 赵艳,仓库 赵平强,客服 林明,仓库 李明,仓库"
)
ORDINARY = "姓名,部门,照片地址\n" + "".join(
    f"{row},faces/{number}.jpg\n" for number, row in enumerate(STAFF.split())
)
"""Short words, of which chardet is little surer that they are GB18030 than another encoding."""


async def rows_of(path: Path, language: Language) -> tuple[list[Row], str]:
    """Return the rows of a list, and what it was read as."""
    with speaking(language), closing(Input.open(path, takes_files=True)) as source:
        return await every(source), source.guessed


async def test_an_ordinary_list_is_read_where_its_language_is_spoken(tmp_path: Path) -> None:
    """What it was read as is told; in another language it is asked about, by the names to give."""
    path = tmp_path / "员工名单.csv"
    path.write_bytes(ORDINARY.encode("gbk"))
    rows, guessed = await rows_of(path, "zh")
    assert [",".join((row.columns or {}).values()) for row in rows] == ORDINARY.split()[1:]
    assert "gb18030" in guessed
    with pytest.raises(InputError) as refused:
        await rows_of(path, "en")
    assert str(refused.value).startswith(
        "The header, line 1 of the input, is no UTF-8 text. The input may be in gb18030 or"
    )
    assert str(refused.value).endswith(": give --encoding with the name.")


@pytest.mark.parametrize("encoding", WORDS)
@pytest.mark.parametrize("count", [1, 3, 10, 200])
async def test_other_lists_are_read_as_everywhere(
    tmp_path: Path, encoding: str, count: int
) -> None:
    """Right, or not at all."""
    words = WORDS[encoding].split()
    names = [words[n % len(words)] for n in range(count)]
    path = tmp_path / "list.csv"
    content = "url,name\n" + "".join(f"{A}?{n},{name}\n" for n, name in enumerate(names))
    path.write_bytes(content.encode(encoding))
    rows, guessed = await rows_of(path, "zh")
    if guessed:
        assert [(row.columns or {})["name"] for row in rows] == names
    else:
        assert all("--encoding" in row.fault for row in rows if row.fault)
        assert any(row.fault for row in rows)


@pytest.mark.parametrize(
    ("content", "encoding", "said"),
    [
        (ORDINARY.encode("gbk"), "utf-8", "UTF-8"),
        (b"\xff,url\n1,2\n", None, "UTF-8"),
        (b"\xff,url\n1,2\n", "euc-jp", "euc-jp"),
        (b"\xff,url\n1,2\n", "EUC_JIS_2004", "euc-jp"),
        ("é,url\n1,2\n".encode("cp1252"), None, "UTF-8"),
    ],
)
async def test_a_header_in_another_encoding_is_refused_in_the_language_that_is_spoken(
    tmp_path: Path, content: bytes, encoding: str | None, said: str
) -> None:
    """With the one option that says the encoding, and names that it takes."""
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    for language in ("en", "zh"):
        with speaking(language), closing(Input.open(path, encoding=encoding)) as source:
            with pytest.raises(InputError) as refused:
                await every(source)
        told = str(refused.value)
        assert f" {said} " in told, told
        assert "--encoding" in told
        assert not any(word in told for word in ("--delimiter", "--format", "--header-row", "_"))
        assert ("line" in told) == (language == "en"), told


def test_what_is_known_of_a_line_that_is_no_text_goes_wherever_its_sentence_goes() -> None:
    """An output has the sentence, and an error that is pickled all of it."""
    fault = Undecoded.of("UTF-8", ("big5hkscs", "cp949"))
    assert json.loads(json.dumps([fault])) == [str(fault)]
    twin = pickle.loads(pickle.dumps(ImageSkipped(fault)))  # noqa: S301  # our own bytes
    assert twin.reason == fault
    assert (twin.reason.encoding, twin.reason.likely) == ("UTF-8", ("big5hkscs", "cp949"))
