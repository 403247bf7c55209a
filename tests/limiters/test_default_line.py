"""The line that a client has when nobody says anything."""

import logging
import os
import subprocess
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from s2v_detect import ConfigurationError, DetectClient, HostLimiter, LocalLimiter, RedisLimiter
from s2v_detect.cli._account import Account
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.limiters import Limiter, _accounts, _folder
from s2v_detect.limiters._accounts import account_name, line_of

KEY = "sk-of-this-account"
ACCOUNT = ("https://dashscope.aliyuncs.com/api/v1", "m", KEY)


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the machine's lines, as for a user who says nothing."""
    monkeypatch.delenv("S2V_DETECT_LINE", raising=False)
    monkeypatch.setenv("S2V_DETECT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(_accounts, "_machine_lines", {})
    return tmp_path / "state"


def test_clients_of_one_account_share_the_machine_s_line(lines: Path) -> None:
    """One object in a process, one file on the machine, and no key in its name."""
    one = line_of(None, *ACCOUNT)
    assert isinstance(one, HostLimiter)
    assert line_of(None, *ACCOUNT) is one
    assert len(list(lines.glob("*.line"))) == 1
    assert line_of(None, *ACCOUNT[:2], "sk-other") is not one
    assert all(KEY not in path.name for path in lines.iterdir())
    assert KEY not in repr(one)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://dashscope.aliyuncs.com/api/v1/",
        "https://dashscope.aliyuncs.com//api/v1",
        "https://DASHSCOPE.aliyuncs.com/api/v1",
        "https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1",
        "https://WS-2.cn-beijing.maas.aliyuncs.com/api/v1/",
    ],
)
def test_the_hosts_of_one_account_are_one_line(base_url: str) -> None:
    """The vendor counts the account, whichever host is asked."""
    assert account_name(base_url, "m", KEY) == account_name(*ACCOUNT)


@pytest.mark.parametrize(
    ("base_url", "model", "key"),
    [
        ("https://dashscope.aliyuncs.com/api/v2", "m", KEY),
        ("https://dashscope.example.com/api/v1", "m", KEY),
        ("https://ws-1.cn-beijing.maas.aliyuncs.com.example/api/v1", "m", KEY),
        ("http://127.0.0.1:8000/api/v1", "m", KEY),
        ("https://dashscope.aliyuncs.com/api/v1", "n", KEY),
        ("https://dashscope.aliyuncs.com/api/v1", "m", "sk-other"),
    ],
)
def test_other_accounts_are_other_lines(base_url: str, model: str, key: str) -> None:
    """A model has a limit of its own; of a key nobody knows whose it is."""
    assert account_name(base_url, model, key) != account_name(*ACCOUNT)


@pytest.mark.parametrize("what", ["read-only", "network", "a file"])
def test_without_a_folder_it_is_one_line_for_the_process(
    lines: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """One log record says so, and no warning: those fail other people's tests."""
    if what == "a file":
        lines.write_text("")
    elif what == "network":
        monkeypatch.setattr(_folder, "_kind_of_disk", lambda _: "nfs")
    else:
        monkeypatch.setattr(os, "access", lambda *_: False)
    with caplog.at_level(logging.WARNING, "s2v_detect"):
        one = line_of(None, *ACCOUNT)
        assert line_of(None, *ACCOUNT) is one
    assert isinstance(one, LocalLimiter)
    assert len(caplog.records) == 1
    assert "S2V_DETECT_STATE_DIR" in caplog.text


def test_the_machine_s_line_can_be_switched_off(
    lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the pytest plugin does, for every test."""
    monkeypatch.setenv("S2V_DETECT_LINE", "process")
    assert isinstance(line_of(None, *ACCOUNT), LocalLimiter)
    assert not lines.exists()


def test_the_plugin_leaves_what_a_user_has_set(tmp_path: Path) -> None:
    """A project's own tests of two processes may want the machine's line."""
    code = "import os; print(os.environ['S2V_DETECT_LINE'])"
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {code}\n")
    for given, expected in ((None, "process"), ("machine", "machine")):
        environ = {name: value for name, value in os.environ.items() if name != "S2V_DETECT_LINE"}
        environ |= {} if given is None else {"S2V_DETECT_LINE": given}
        done = subprocess.run(  # noqa: S603  # our own test
            # The other plugins of this environment take seconds to start.
            [
                sys.executable,
                "-m",
                "pytest",
                "-qs",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:schemathesis",
                str(tmp_path),
            ],
            env=environ,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert expected in done.stdout


def test_a_given_limiter_takes_the_account_s_name_unless_it_has_one(tmp_path: Path) -> None:
    """Two clients of one account stand in one line then; a limiter without names stays as it is."""
    unnamed = HostLimiter(2.5, directory=tmp_path)
    bound = line_of(unnamed, *ACCOUNT)
    assert isinstance(bound, HostLimiter)
    assert (bound.name, bound.rate) == (account_name(*ACCOUNT), 2.5)
    assert line_of(unnamed, *ACCOUNT) is bound
    named = HostLimiter(2.5, name="team", directory=tmp_path)
    assert line_of(named, *ACCOUNT) is named
    local = LocalLimiter(2.5)
    assert line_of(local, *ACCOUNT) is local


async def test_a_client_is_on_its_account_s_line(lines: Path) -> None:
    """The client itself, with nothing said."""
    async with DetectClient(KEY) as client:
        assert isinstance(client._configuration.limiter, HostLimiter)  # noqa: SLF001  # what nobody else shows
    assert lines.is_dir()  # noqa: ASYNC240  # a moment


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize(
    ("account", "rate", "line", "expected"),
    [
        (Account(), 5.0, "", "None"),  # the client's default: the machine's line
        (Account(), 2.5, "", "HostLimiter(2.5, per_s=1)"),
        (Account(), 2.5, "process", "LocalLimiter(2.5, per_s=1)"),
        (Account(emulator=True), 5.0, "", "LocalLimiter(5, per_s=1)"),
        (Account(emulator=True), 40.0, "", "LocalLimiter(40, per_s=1)"),
    ],
)
def test_the_command_s_rate_is_the_machine_s_but_for_its_own_emulator(
    monkeypatch: pytest.MonkeyPatch, account: Account, rate: float, line: str, expected: str
) -> None:
    """`--rate 2.5` beside another run of 5 keeps to 2.5, and both to 5 together."""
    monkeypatch.setenv("S2V_DETECT_LINE", line)
    assert repr(account.line(rate)) == expected


def test_two_accounts_without_a_folder_are_told_of_once(
    lines: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The folder is at fault, and not the account."""
    lines.write_text("")
    for key in "ab":
        assert isinstance(line_of(None, *ACCOUNT[:2], key), LocalLimiter)
    assert len(caplog.records) == 1


@pytest.mark.usefixtures("lines")
def test_a_user_without_a_home_has_no_line_below_the_present_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a container with a number for a user: each folder would have another line."""
    monkeypatch.chdir(tmp_path)
    for folder in ("~/of/nobody", "state"):
        monkeypatch.setenv("S2V_DETECT_STATE_DIR", folder)
        assert isinstance(line_of(None, *ACCOUNT[:2], folder), LocalLimiter)
    assert "is no absolute path" in caplog.text
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("system", "state_home", "expected"),
    [
        ("linux", None, "home/.local/state"),
        ("linux", "", "home/.local/state"),
        ("linux", "relative", "home/.local/state"),
        ("linux", "given", "given"),
        ("freebsd14", None, "home/.local/state"),
        ("darwin", None, "home/Library/Application Support"),
        ("darwin", "given", "given"),
    ],
)
def test_the_lines_are_where_the_system_keeps_a_program_s_state(
    lines: Path, monkeypatch: pytest.MonkeyPatch, system: str, state_home: str | None, expected: str
) -> None:
    """The same folder for every environment of a user, whatever is installed in it."""
    root = lines.parent
    monkeypatch.delenv("S2V_DETECT_STATE_DIR")
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv("HOME", str(root / "home"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    if state_home is not None:
        given = str(root / "given") if state_home == "given" else state_home
        monkeypatch.setenv("XDG_STATE_HOME", given)
    assert _folder.state_folder(None) == root / expected / "s2v-detect" / "lines"


def test_the_environment_puts_the_line_into_redis(
    lines: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str
) -> None:
    """Of the library and of the command; nothing of it is on the machine's disk."""
    monkeypatch.setenv("S2V_DETECT_LINE", redis_url)
    one = line_of(None, *ACCOUNT)
    assert isinstance(one, RedisLimiter)
    assert line_of(None, *ACCOUNT) is one
    at_another_rate = Account().line(2.5)
    assert isinstance(at_another_rate, RedisLimiter)
    assert line_of(at_another_rate, *ACCOUNT).rate == 2.5
    assert isinstance(Account(emulator=True).line(2.5), LocalLimiter)
    assert not lines.exists()


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize(
    "slip", ["rediss//typo://", "redis:/host", "redis", "proces", "PROCESS", "off", "1", "http://a"]
)
def test_a_slip_in_the_environment_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, slip: str
) -> None:
    """It would split the account's line without a word: of the library and of the command."""
    monkeypatch.setenv("S2V_DETECT_LINE", slip)
    with pytest.raises(ConfigurationError, match='Set "machine"'):
        line_of(None, *ACCOUNT[:2], "sk-third")
    with pytest.raises(ConfigurationError, match='Set "machine"'):
        Account().line(2.5)


@pytest.mark.parametrize("name", ["", 5, b"team"])
def test_what_is_no_name_is_told_at_once(name: Any) -> None:
    """An empty one would be one line for all accounts."""
    for limiter in (HostLimiter, partial(RedisLimiter, "redis://cache.example")):
        with pytest.raises(ConfigurationError, match="Give a text"):
            limiter(name=name)


def test_an_empty_folder_is_told_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As of a variable that is not set: it is not the present folder."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="an empty text is no folder"):
        HostLimiter(directory="")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", [5, b"lines", ["lines"], 0])
def test_what_is_no_folder_is_told_at_once(folder: Any) -> None:
    """With a name too: the line is opened then."""
    for name in (None, "team"):
        with pytest.raises(ConfigurationError, match="Give a path"):
            HostLimiter(directory=folder, name=name)


@pytest.mark.parametrize("lane", ["fast", "", None, 0, "BULK"])
async def test_what_is_no_lane_is_told_with_those_there_are(lane: Any, tmp_path: Path) -> None:
    """By every limiter, and before anybody is in its line."""
    limiters: list[Limiter] = [
        LocalLimiter(),
        LocalLimiter(float("inf")),
        HostLimiter(name="team", directory=tmp_path),
        RedisLimiter("redis://cache.example", name="team"),
    ]
    for limiter in limiters:
        with pytest.raises(ConfigurationError, match="'interactive', 'bulk'"):
            await limiter.turn(lane)
        with pytest.raises(ConfigurationError, match="'interactive', 'bulk'"):
            limiter.forecast_s(lane)
        assert limiter.forecast_s("bulk") == 0.0


@pytest.mark.parametrize(
    ("end", "is_known"),
    [
        *((end, True) for end in ["", "/", "/0", "/12", "?db=3", "/3?protocol=3"]),
        *((end, False) for end in ["/x", "/1x", "/1/2", "/-1", "/1.5", "/%31", "/ 1", "?db=x"]),
    ],
)
def test_a_database_of_redis_is_a_number(end: str, is_known: bool) -> None:  # noqa: FBT001  # of the table
    """Any other would be the first: another line than that which was meant."""
    for scheme in ("redis", "rediss"):
        with nullcontext() if is_known else pytest.raises(ConfigurationError, match="no URL"):
            RedisLimiter(f"{scheme}://:a-secret@cache.example:6379{end}")


def test_a_socket_of_redis_is_a_path() -> None:
    """Its database is in the query."""
    RedisLimiter("unix:///run/redis.sock?db=2")


async def test_the_embedded_emulator_is_not_on_the_machine_s_line(lines: Path) -> None:
    """Tests in parallel with one fake key would share five a second."""
    async with Emulator(answer=Pass()) as emulator, emulator.client() as client:
        for number in range(12):
            await client.check(f"https://images.example/{number}.jpg")
        assert client.sharing() == (1, 0, None)
    assert not lines.exists()  # noqa: ASYNC240  # a moment
