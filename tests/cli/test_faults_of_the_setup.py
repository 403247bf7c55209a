"""What is wrong with the way to the service is one line that names it, and exit code 4."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.networks import answer, answering, closed_port
from tests.variables import NETWORK_VARIABLES

Command = Callable[..., subprocess.CompletedProcess[str]]

FAR = {"DASHSCOPE_API_KEY": "sk-only-a-test"}
IMAGE = "https://images.example/1.jpg"


def environments(proxy: int) -> dict[str, tuple[dict[str, str], str]]:
    """Return variables, and what is said of them."""
    refusing = closed_port()
    return {
        "407": ({"HTTPS_PROXY": f"http://127.0.0.1:{proxy}"}, "(HTTPS_PROXY) asks for a user and"),
        "refused": ({"HTTPS_PROXY": f"127.0.0.1:{refusing}"}, "(HTTPS_PROXY) refuses connections"),
        "socks": ({"ALL_PROXY": "socks5://127.0.0.1:1"}, 'pip install "httpx[socks]"'),
        "scheme": ({"https_proxy": "htp://me:S3CR3T@a"}, "https_proxy names no proxy"),
        "file": ({"SSL_CERT_FILE": "/nowhere/a.pem"}, "/nowhere/a.pem (No such file"),
        "name": ({"DASHSCOPE_BASE_URL": "https://service.invalid"}, "service.invalid does not ex"),
        "path": ({"DASHSCOPE_BASE_URL": "https://service.invalid/v1"}, "service.invalid/api/v1"),
    }


@pytest.fixture(scope="module")
def proxy() -> Iterator[int]:
    """The port of a proxy that asks for a password."""
    with answering(answer(407)) as port:
        yield port


@pytest.fixture(autouse=True)
def _no_network_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in NETWORK_VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("name", environments(0))
def test_it_is_told_by_both_commands_and_leaves_no_output(
    name: str, called: Command, clean_environment: dict[str, str], proxy: int, tmp_path: Path
) -> None:
    """Once for the run, not once for each image."""
    variables, words = environments(proxy)[name]
    env = {k: v for k, v in clean_environment.items() if k not in NETWORK_VARIABLES}
    (tmp_path / "list.txt").write_text("".join(f"https://a.example/{n}.jpg\n" for n in range(30)))
    for line in (["check", IMAGE, IMAGE], ["run", "list.txt", "-o", "out.jsonl", "--quiet"]):
        done = called(*line, env={**env, **FAR, **variables})
        assert done.returncode == 4, done.stderr
        assert sum(words in said for said in done.stderr.splitlines()) == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "S3CR3T" not in done.stderr
    assert not (tmp_path / "out.jsonl").exists()
