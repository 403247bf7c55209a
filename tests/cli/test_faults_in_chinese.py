"""`--lang zh`: what stops a run is told in Chinese, and the error's own sentence stands behind."""

import re
import sqlite3
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from s2v_detect import (
    ConfigurationError,
    DetectError,
    LedgerError,
    NotSent,
)
from s2v_detect._settings import from_env
from s2v_detect.cli._exits import Exit, exit_of_fault
from s2v_detect.cli._faults import OwnDo, found_of, told_of
from s2v_detect.cli._findings import of_error
from s2v_detect.emulator import Emulator, Error
from s2v_detect.errors import budget_spent, given_up, unreached
from s2v_detect.languages import speaking
from s2v_detect.ledger._sqlite._faults import as_ledger_error
from s2v_detect.wire import Answer, decode

Command = Callable[..., subprocess.CompletedProcess[str]]
HAN = re.compile("[\u4e00-\u9fff]")
IMAGE = "http://a.example/1.jpg"
AGAIN = "再次运行同一条命令"
NO_KEY = (
    "没有 API Key。请把北京地域的 API Key 设为环境变量 DASHSCOPE_API_KEY，或写入"
    " ~/.dashscope/api_key；想先试一下，请加 --emulator。（there is no API key.）"
)


def raised(work: Callable[[], object]) -> DetectError:
    """Return what a piece of work raises."""
    with pytest.raises(DetectError) as caught:
        work()
    return caught.value


def answered(status: int, code: str) -> DetectError:
    """Return the error of an answer, whose message names other things."""
    body = f'{{"code": "{code}", "message": "the workspace, modelnotfound"}}'.encode()
    return raised(lambda: decode(Answer(status, {}, body)))


def of_setup(what: str) -> DetectError:
    """Return the error of a set-up that reaches no service."""
    return unreached(what, "Correct the base URL", lasts=True)


def of_budget(period: str) -> DetectError:
    """Return the error of a day's or a month's budget."""
    spent = budget_spent(f"the CNY 1.50 a {period} of max_cost, of which CNY 1.2 is spent", "Wait")
    spent.begins_anew_at = datetime(2026, 12, 1)  # noqa: DTZ001  # its date alone is told
    return spent


def of_disk(name: str) -> DetectError:
    """Return the error of a ledger whose SQLite has failed."""
    failed = sqlite3.OperationalError("said")
    failed.sqlite_errorname = name
    return as_ledger_error(failed, Path("books.db"))


def of_outage() -> DetectError:
    """Return the error of a run that has waited for long enough."""
    return given_up(of_setup("the name a.example does not exist"), "the service", timedelta(1))


@pytest.mark.parametrize(
    ("error", "begins", "advises"),
    [
        (answered(401, "InvalidApiKey"), "API Key 无效（401 InvalidApiKey）。", "北京地域"),
        (answered(401, "invalid_api_key"), "API Key 无效（401 invalid_api_key）。", "抄写完整"),
        (answered(403, "Model.AccessDenied"), "这个 API Key 没有权限（403 Model.", "控制台"),
        (answered(403, ""), "这个 API Key 没有权限（403）。", "控制台"),
        (answered(404, "ModelNotFound"), "没有这个模型", "控制台"),
        (answered(403, "Workspace.AccessDenied"), "业务空间没有权限", "控制台"),
        (answered(400, "Arrearage"), "主账号欠费（400 Arrearage）。", "充值"),
        (answered(403, "AllocationQuota.FreeTierOnly"), "免费额度已用完", "用完即停"),
        (budget_spent("max_cost (CNY 0.02)", "Raise max_cost"), "预算已用完：", "超过 0.02 元"),
        (of_budget("day"), "当天的预算已用完：", "--max-cost-per-day"),
        (of_budget("month"), "当月的预算已用完：", "2026-12-01（北京时间 0 点）起"),
        (of_setup("the name a.example does not exist (x)"), "连不上服务：域名", "服务地址"),
        (of_setup("a.example:443 refuses connections"), "连不上服务：连接被拒绝", "服务地址"),
        (of_setup("the proxy a:1 asks for a user and a password (407)"), "代理要求", "USER:"),
        (of_setup("the certificate of a:1 is not trusted (x)"), "证书不受信任", "SSL_CERT_FILE"),
        (of_setup("the certificate of a:1 has expired"), "按本机时钟", "校准"),
        (of_setup("a:1 speaks TLS, and was asked in plain http"), "连不上服务。", "服务地址"),
        (unreached("the way is cut", "Wait", lasts=False), "连不上服务。", "本机网络"),
        (of_outage(), "服务中断已达 24 小时", "--max-outage"),
        (of_disk("SQLITE_FULL"), "账本所在的磁盘已满。", "腾出空间"),
        (of_disk("SQLITE_NOTADB"), "这个文件不是账本。", "没有改动"),
        (of_disk("SQLITE_BUSY"), "账本正被另一个进程占用。", "结束"),
        (of_disk("SQLITE_READONLY"), "账本打不开或不可写。", "可写"),
        (of_disk("SQLITE_CORRUPT"), "账本已损坏。", "副本"),
        (raised(lambda: from_env("a b", None, None)), "API Key 里有", "重新复制"),
        (raised(lambda: from_env("a", "ftp://a", None)), "服务地址不能用。", "Give one such as"),
        (raised(lambda: from_env("a", None, "a/b")), "业务空间 ID 不能用。", "Copy it"),
        (ConfigurationError("it is odd.", do="Mend it."), "", "Mend it."),
        (LedgerError("it is odd.", do="Mend it."), "账本", "Mend it."),
    ],
)
def test_a_fault_begins_with_its_meaning_and_ends_with_its_own_sentence(
    error: DetectError, begins: str, advises: str
) -> None:
    """What its own sentence advises is not said twice; in English it stands alone."""
    with speaking("zh"):
        told = told_of(error)
        found = of_error("key", error, Exit.ACCOUNT)
    assert told.startswith(begins)
    assert HAN.match(told) or told.startswith("API Key")
    assert advises in told
    assert told.rstrip("）").endswith((error.what, error.do, error.do_in_command or error.do))
    assert told.count(error.what) == 1
    assert found.found.startswith(begins)
    assert found.found.endswith(f"（{error.what}）")
    assert found.do
    assert told_of(error) == error.in_command()
    assert found_of(error)[1] == (error.do_in_command or error.do)


def test_there_is_no_key(
    called: Command, clean_environment: dict[str, str], tmp_path: Path
) -> None:
    """The first that a new user meets, of each command."""
    (tmp_path / "list.txt").write_text(IMAGE)
    for line in (["check", IMAGE], ["run", "list.txt", "-o", "out.csv", "--quiet"]):
        done = called(*line, "--lang", "zh", env=clean_environment)
        assert done.returncode == Exit.ACCOUNT
        assert NO_KEY.replace(" ", "") in re.sub(r"\s", "", done.stderr)


def test_the_emulators_own_faults_in_the_commands(
    called: Command, emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    """A wrong key, a budget, a ledger that is not there, and what the doctor says of a key."""
    environment |= {"COLUMNS": "500"}
    (tmp_path / "list.txt").write_text("".join(f"http://a.example/{n}.jpg\n" for n in range(9)))
    run = ("run", "list.txt", "-o", "out.csv", "--quiet", "--rate", "1000", "--max-cost", "0.02")
    told = called(*run, "--lang", "zh", env=environment).stderr
    assert "预算已用完：再发一个请求就可能超过 0.02 元。把 --max-cost 调高后，" in told
    assert AGAIN in told
    told = called("ledger", "show", "none.db", "--lang", "zh", env=environment).stderr
    assert "没有这个账本。" in told
    assert "（there is no ledger " in told
    emulator.when("*", Error(401, "InvalidApiKey"))
    told = called("check", IMAGE, "--lang", "zh", env=environment).stderr
    assert "API Key 无效（401 InvalidApiKey）。请检查 Key 是否抄写完整" in told
    assert f"（{IMAGE}: the service answered 401" in told
    wrong = environment | {"DASHSCOPE_API_KEY": "sk-wrong"}
    told = called("doctor", "--lang", "zh", env=wrong).stdout
    assert "API Key 无效（401 InvalidApiKey）。" in told


def test_what_one_command_says_to_do_stands_in_the_place_of_the_tables() -> None:
    """As `check` does at the end of an outage: no run goes on there."""
    error = given_up(NotSent("no.", do="Wait."), "the service", timedelta(seconds=9))
    assert exit_of_fault(error) is Exit.STOPPED
    with speaking("zh"):
        assert AGAIN in told_of(error)
        error.do_in_command = OwnDo("请稍后再检测。")
        told = told_of(error)
    assert AGAIN not in told
    assert told.partition("（")[0].endswith("请稍后再检测。")
