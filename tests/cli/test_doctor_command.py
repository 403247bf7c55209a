"""`s2v-detect doctor` says what is wrong and what to do, and pays nothing."""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from tests.networks import ELSEWHERE, answer, answering, closed_port
from tests.variables import NETWORK_VARIABLES

from _postgres_server import PostgresServer
from s2v_detect import HostLimiter, Ledger
from s2v_detect._service import MODEL
from s2v_detect.cli import main
from s2v_detect.emulator import Emulator, Pass
from s2v_detect.limiters import account_name

Command = Callable[..., subprocess.CompletedProcess[str]]
Doctor = Callable[..., dict[str, dict[str, Any]]]

KEY = "sk-0123456789abcdef"
CREDENTIAL = (
    b'{"data": {"policy": "p", "signature": "s", "upload_dir": "d", "upload_host": "https://h",'
    b' "oss_access_key_id": "i", "x_oss_object_acl": "private", "x_oss_forbid_overwrite": "true"}}'
)


@pytest.fixture(autouse=True)
def _no_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*NETWORK_VARIABLES, "S2V_DETECT_LINE", "S2V_DETECT_STATE_DIR"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """One for all: no doctor asks for a check."""
    with Emulator.run_in_thread(answer=Pass()) as opened:
        yield opened


@pytest.fixture
def doctor(called: Command, environment: dict[str, str], tmp_path: Path) -> Doctor:
    """Run the doctor in an environment, and return its findings by their parts."""

    def run(*arguments: object, code: int, **variables: str) -> dict[str, dict[str, Any]]:
        env = environment | {"S2V_DETECT_STATE_DIR": str(tmp_path / "state")} | variables
        env = {name: value for name, value in env.items() if value != "-"}
        done = called("doctor", "--json", *arguments, env=env)
        assert not done.stderr
        told = json.loads(done.stdout)
        assert (done.returncode, told["exit_code"]) == (code, code), done.stdout
        assert KEY not in done.stdout
        assert "S3CR3T" not in done.stdout
        for each in told["findings"]:
            assert each["do"] or each["state"] == "ok"
        return {each["part"]: each for each in reversed(told["findings"])}

    return run


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the parts that are not well."""
    return {part: each["state"] for part, each in found.items() if each["state"] != "ok"}


def dated(ahead_s: float) -> bytes:
    """Return a good answer of a service whose clock is so far ahead."""
    date = formatdate(time.time() + ahead_s, usegmt=True)
    return answer(200, CREDENTIAL).replace(b"\r\n", f"\r\nDate: {date}\r\n".encode(), 1)


def test_all_is_well_and_nothing_is_paid(doctor: Doctor, emulator: Emulator) -> None:
    """Exit 0. No check was asked for, and the line took no turn."""
    found = doctor(code=0)
    assert states(found) == {}
    assert found["key"]["facts"] == {"source": "DASHSCOPE_API_KEY"}
    assert "takes it" in found["key"]["found"]
    assert found["line"]["facts"]["others"] == 0
    assert emulator.requests == 0
    assert emulator.billed == 0


def environments() -> dict[str, tuple[dict[str, str], dict[str, str], str]]:
    """Return variables, which part they harm, and how."""
    dead = f"http://127.0.0.1:{closed_port()}/api/v1"
    far = {"DASHSCOPE_BASE_URL": "https://service.invalid/api/v1"}
    proxy = {**far, "HTTPS_PROXY": f"http://me:S3CR3T@127.0.0.1:{closed_port()}"}
    unknown_key = {"key": "unknown"}
    service = {"service": "to mend", **unknown_key}
    network = {"network": "to mend", "service": "unknown", **unknown_key}
    return {
        "no key": ({"DASHSCOPE_API_KEY": "-"}, {"key": "to_mend"}, "no API key"),
        "empty key": ({"DASHSCOPE_API_KEY": " "}, {"key": "to_mend"}, "no API key"),
        "key file": (
            {"DASHSCOPE_API_KEY": "-", "DASHSCOPE_API_KEY_FILE_PATH": "/nowhere/S3CR3T"},
            {"key": "to_mend"},
            "does not exist",
        ),
        "quoted key": ({"DASHSCOPE_API_KEY": f'"{KEY} "'}, {"key": "to_mend"}, "no key has"),
        "wrong key": ({"DASHSCOPE_API_KEY": KEY}, {"key": "to_mend"}, "401 InvalidApiKey"),
        "dead": ({"DASHSCOPE_BASE_URL": dead}, service, "refuses connections"),
        "no name": (far, service, "service.invalid does not exist"),
        "no url": (
            {"DASHSCOPE_BASE_URL": "ftp://a.example"},
            {"address": "to_mend", "service": "unknown", **unknown_key},
            "no http or https URL",
        ),
        "password": (
            {"DASHSCOPE_BASE_URL": "https://me:S3CR3T@a.example/api/v1"},
            {"address": "to_mend", "service": "unknown", **unknown_key},
            "a user in it",
        ),
        "plain http": (
            {"DASHSCOPE_BASE_URL": "http://a.example/api/v1"},
            {"address": "to_mend", "service": "unknown", **unknown_key},
            "anybody on the way",
        ),
        "workspace": (
            {"DASHSCOPE_WORKSPACE": "S3CR3T/../x"},
            {"address": "to_mend", "service": "unknown", **unknown_key},
            "workspace id",
        ),
        "dead proxy": (proxy, service, "(HTTPS_PROXY) refuses connections"),
        "no proxy": ({**far, "HTTPS_PROXY": "htp://me:S3CR3T@a"}, network, "HTTPS_PROXY names no"),
        "socks": ({**far, "ALL_PROXY": "socks5://127.0.0.1:1"}, network, "not installed"),
        "certificates": ({**far, "SSL_CERT_FILE": "/nowhere/a"}, network, "SSL_CERT_FILE names"),
    }


@pytest.mark.parametrize("name", environments())
def test_what_is_wrong_with_the_account_and_the_way_there(doctor: Doctor, name: str) -> None:
    """Exit 4, as of a run; what can't be told because of it is unknown."""
    variables, wrong, words = environments()[name]
    found = doctor(code=4, **variables)
    assert states(found) == {part: state.replace(" ", "_") for part, state in wrong.items()}
    [mend] = [each for each in found.values() if each["state"] == "to_mend"]
    assert words in mend["found"]


@pytest.mark.parametrize(
    ("said", "code", "wrong"),
    [
        (0, 0, {}),  # seconds that its clock is ahead: its answer is made when it is asked for
        (3600, 2, {"clock": "to_mend"}),
        (-90, 2, {"clock": "to_mend"}),
        (answer(200, CREDENTIAL), 0, {"clock": "unknown"}),
        (answer(200, b"<html>log in"), 4, {"service": "to_mend", "key": "unknown"}),
        (answer(302), 4, {"service": "to_mend", "key": "unknown"}),
        (answer(404), 0, {"service": "unknown", "key": "unknown"}),
        (answer(503), 6, {"service": "to_mend", "key": "unknown"}),
        (answer(407), 4, {"service": "to_mend", "key": "unknown"}),
        (b"", 6, {"service": "to_mend", "key": "unknown"}),
        (b"SSH-2.0-OpenSSH_9\r\n\r\n", 4, {"service": "to_mend", "key": "unknown"}),
        (
            answer(401, f'{{"code": "InvalidApiKey", "message": "wrong {KEY}"}}'.encode()),
            4,
            {"key": "to_mend"},
        ),
    ],
)
def test_what_answers_in_the_service_s_place(
    doctor: Doctor, said: bytes | int, code: int, wrong: dict[str, str]
) -> None:
    """Each end of one free request."""
    with answering(dated(said) if isinstance(said, int) else said) as port:
        url = f"http://127.0.0.1:{port}/api/v1"
        found = doctor(code=code, DASHSCOPE_BASE_URL=url, DASHSCOPE_API_KEY=KEY)
    told = {part: state for part, state in states(found).items() if part != "clock"}
    assert told == {part: state for part, state in wrong.items() if part != "clock"}
    if "clock" in wrong:
        assert found["clock"]["state"] == wrong["clock"]


def test_a_service_behind_a_proxy_is_told_with_the_proxy(doctor: Doctor) -> None:
    """What answers is the service, and by whom it was reached is said; no password is."""
    with answering(dated(0)) as port:
        proxy, url = f"http://me:S3CR3T@127.0.0.1:{port}", f"http://{ELSEWHERE}:81/api/v1"
        found = doctor(code=0, DASHSCOPE_BASE_URL=url, HTTP_PROXY=proxy)
    words = f"{ELSEWHERE}:81, by the proxy 127.0.0.1:{port} (HTTP_PROXY), answers"
    assert words in found["service"]["found"]
    assert found["network"]["facts"]["proxies"] == {"HTTP_PROXY": f"127.0.0.1:{port}"}


def test_the_others_on_the_line_are_counted(
    doctor: Doctor, emulator: Emulator, tmp_path: Path
) -> None:
    """Each process that has the account's line open."""
    (tmp_path / "state").mkdir()
    name = account_name(emulator.base_url, MODEL, emulator.api_key)
    limiter = HostLimiter(name=name, directory=tmp_path / "state")
    assert doctor(code=0)["line"]["facts"]["others"] == limiter.sharing().processes == 1


@pytest.mark.parametrize(
    ("folder", "words"),
    [("a file", "File exists"), ("a file/lines", "Not a directory"), ("", "no absolute path")],
)
def test_a_state_folder_that_is_none(
    doctor: Doctor, tmp_path: Path, folder: str, words: str
) -> None:
    """Exit 2: a run would go on, and not share the rate."""
    (tmp_path / "a file").touch()
    where = str(tmp_path / folder) if folder else "relative"
    found = doctor(code=2, S2V_DETECT_STATE_DIR=where)
    assert states(found) == {"line": "to_mend"}
    assert words in found["line"]["found"]
    assert "S2V_DETECT_STATE_DIR" in found["line"]["do"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("process", 0, "Each process has its own"),
        ("machine", 0, "no other process shares"),
        ("proces", 4, "says neither"),
        ("redis://me:S3CR3T@127.0.0.1:{dead}/0", 2, "redis://127.0.0.1"),
        ("redis://127.0.0.1:notaport/S3CR3T", 4, "no URL of a Redis"),
        ("unix:///nowhere/redis.sock?password=S3CR3T", 2, "can't be used"),
    ],
)
def test_where_the_line_is(doctor: Doctor, line: str, code: int, words: str) -> None:
    """Without a turn of it, and without the password of a Redis."""
    where = line.replace("{dead}", str(closed_port()))
    found = doctor(code=code, S2V_DETECT_LINE=where)
    assert words in found["line"]["found"]


def test_a_line_in_redis_tells_who_shares_it(doctor: Doctor, redis_url: str) -> None:
    """The second doctor sees the first, whose name the server keeps for a while."""
    assert doctor(code=0, S2V_DETECT_LINE=redis_url)["line"]["facts"]["others"] == 0
    assert doctor(code=0, S2V_DETECT_LINE=redis_url)["line"]["facts"]["others"] == 1


def no_ledgers() -> dict[str, tuple[str, int, str]]:
    """Return places, the exit code, and what is said of them."""
    dead = f"postgresql://books:S3CR3T@127.0.0.1:{closed_port()}/books"
    return {
        "none yet": ("new.db", 0, "the first run makes it"),
        "no folder": ("nowhere/new.db", 2, "none can be made"),
        "a text": ("notes.txt", 2, "it is no ledger"),
        "a folder": ("folder", 2, "folder can't be used"),
        "another database": ("other.db", 2, "it is no ledger"),
        "damaged": ("damaged.db", 2, "damaged"),
        "server down": (dead, 2, "can't be used"),
        "password": (dead.replace("books:S3CR3T@", "") + "?password=S3CR3T", 2, "can't be used"),
    }


@pytest.fixture
def _places(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n" * 1000)
    (tmp_path / "folder").mkdir()
    with Ledger(tmp_path / "damaged.db") as ledger:
        ledger.begin("model")
    content = bytearray((tmp_path / "damaged.db").read_bytes())
    content[4096 : 4096 * 3] = bytes(4096 * 2)
    (tmp_path / "damaged.db").write_bytes(content)
    import sqlite3  # noqa: PLC0415  # for this alone

    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE a (b)")
    other.commit()
    other.close()


@pytest.mark.usefixtures("_places")
@pytest.mark.parametrize("name", no_ledgers())
def test_a_ledger_that_can_be_used_or_not(doctor: Doctor, tmp_path: Path, name: str) -> None:
    """No ledger is made, and no other file is touched."""
    place, code, words = no_ledgers()[name]
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    found = doctor("--ledger", place, code=code)
    assert words in found["ledger"]["found"]
    after = {path: path.is_file() and path.read_bytes() for path in tmp_path.iterdir()}
    assert before == {path: kept for path, kept in after.items() if path.name != "state"}


def test_a_ledger_is_written_for_a_trial(doctor: Doctor, tmp_path: Path) -> None:
    """While a run has it open, too; its answers stay as they are."""
    with Ledger(tmp_path / "l.db") as ledger:
        ledger.begin("model")
        found = doctor("--ledger", "l.db", code=0)
    assert "can be written" in found["ledger"]["found"]


def test_a_ledger_on_a_server(doctor: Doctor, postgres: PostgresServer) -> None:
    """One that is there, and a database that has none yet."""
    from s2v_detect import PostgresLedger  # noqa: PLC0415  # psycopg

    place = postgres.database()
    assert "makes it" in doctor("--ledger", place, code=0)["ledger"]["found"]
    with PostgresLedger(place) as ledger:
        ledger.begin("model")
    assert "can be written" in doctor("--ledger", place, code=0)["ledger"]["found"]
    gone = place.rpartition("/")[0] + "/nowhere"
    assert "nowhere" in doctor("--ledger", gone, code=2)["ledger"]["found"]


def test_without_a_terminal_each_finding_is_a_line(
    called: Command, environment: dict[str, str]
) -> None:
    """For grep, and without colour; the emulator needs neither key nor line."""
    done = called("doctor", "--emulator", env=environment | {"DASHSCOPE_API_KEY": ""})
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert all(line.startswith("ok ") for line in lines)
    assert "\x1b" not in done.stdout
    assert [line.split()[1] for line in lines][:4] == ["program", "key", "address", "network"]


def test_the_base_url_of_an_option_goes_before_the_environment(
    doctor: Doctor, emulator: Emulator
) -> None:
    """And is told as what it is."""
    found = doctor(
        "--base-url", emulator.base_url, code=0, DASHSCOPE_BASE_URL="https://service.invalid"
    )
    assert found["address"]["facts"]["source"] == "--base-url"


@pytest.fixture
def silent() -> Iterator[str]:
    """The base URL of what takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_service_that_says_nothing_is_waited_for_so_long(doctor: Doctor, silent: str) -> None:
    """`--timeout-s` bounds it; exit 6, for it may pass."""
    found = doctor("--timeout-s", "0.2", code=6, DASHSCOPE_BASE_URL=silent)
    assert "within 0.2 s" in found["service"]["found"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("a.jpg",),
        ("--max-cost", "1"),
        ("--rate", "6"),
        ("-o", "p.md"),
        ("--emulator", "--answer", "pass"),
        ("--answer", "pass"),
        ("--emulator", "--base-url", "https://a.example"),
        ("--probe", "2", "a.jpg"),
        ("--probe", "2", "--max-cost", "1"),
        ("--probe", "0", "--max-cost", "1", "a.jpg"),
        ("--probe", "2", "--max-cost", "nan", "a.jpg"),
        ("--probe", "2", "--max-cost", "-1", "a.jpg"),
        ("--probe", "2", "--max-cost", "1", "--rate", "0", "a.jpg"),
    ],
)
def test_what_means_nothing_is_refused_before_anything(
    arguments: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, with what to do."""
    assert main(["doctor", *arguments]) == 2
    said = capfd.readouterr()
    assert not said.out
    assert said.err
