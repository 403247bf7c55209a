"""Key, address and workspace: where they come from, and what is refused."""

import pwd
from pathlib import Path
from typing import Any, NoReturn

import pytest

from s2v_detect import ConfigurationError, DetectClient, check_all
from s2v_detect._redaction import sealed
from s2v_detect._settings import Settings, from_env
from s2v_detect.images._addresses import upload_refusal

KEY = {"DASHSCOPE_API_KEY": "sk-env"}
DEFAULT = "https://dashscope.aliyuncs.com/api/v1"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def settings(
    environ: dict[str, str],
    api_key: str | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
) -> Settings:
    """Return the settings of this environment alone."""
    return from_env(sealed(api_key), base_url, workspace, environ)


def key_in(settings: Settings) -> str:
    """Return what the service is sent."""
    return settings.api_key.get_secret_value()


def test_the_key_is_taken_from_the_first_place_that_has_one(tmp_path: Path) -> None:
    """Argument, variable, named file, the vendor's own file; white space around it is removed."""
    named = tmp_path / "named"
    named.write_text("sk-named\n")
    environ = {"DASHSCOPE_API_KEY_FILE_PATH": str(named)}
    own = tmp_path / ".dashscope" / "api_key"
    own.parent.mkdir()
    own.write_text("  sk-own\n")
    assert key_in(settings({**environ, **KEY}, api_key=" sk-arg ")) == "sk-arg"
    assert key_in(settings({**environ, **KEY})) == "sk-env"
    assert key_in(settings({**environ, "DASHSCOPE_API_KEY": " "})) == "sk-named"
    assert key_in(settings({})) == "sk-own"


def test_without_a_key_it_says_what_to_set() -> None:
    """The first thing a new user meets."""
    with pytest.raises(ConfigurationError, match="Set DASHSCOPE_API_KEY"):
        settings({})


def test_a_key_file_that_is_missing_or_unreadable_says_so(tmp_path: Path) -> None:
    """Named by the user, so not passed over in silence."""
    environ = {"DASHSCOPE_API_KEY_FILE_PATH": str(tmp_path / "none")}
    with pytest.raises(ConfigurationError, match="does not exist"):
        settings(environ)
    (tmp_path / "none").write_bytes(b"\xff\xfe\x00s")
    with pytest.raises(ConfigurationError, match="can't be read"):
        settings(environ)


@pytest.mark.parametrize("key", ["sk-a b", "sk-\x00", "sk-ключ", "sk-a\nX-Evil: 1", "“sk-1”"])
def test_a_key_that_can_be_none_is_refused_and_not_shown(key: str) -> None:
    """It would break the header, or put another into it."""
    with pytest.raises(ConfigurationError) as raised:
        settings({}, api_key=key)
    assert key not in str(raised.value)
    assert "sk-" not in str(raised.value)


def test_the_address_is_taken_from_the_first_place_that_has_one() -> None:
    """Argument, newer variable, older variable, the public address; no slash at the end."""
    old = {"DASHSCOPE_HTTP_BASE_URL": "https://old.example/api/v1/"}
    new = {"DASHSCOPE_BASE_URL": "https://new.example/api/v1"}
    assert settings(KEY).base_url == DEFAULT
    assert settings({**KEY, **old}).base_url == "https://old.example/api/v1"
    assert settings({**KEY, **old, **new}).base_url == "https://new.example/api/v1"
    given = settings({**KEY, **old, **new}, base_url="http://127.0.0.1:8787/api/v1/")
    assert given.base_url == "http://127.0.0.1:8787/api/v1"


@pytest.mark.parametrize(
    "url",
    [
        "dashscope.aliyuncs.com/api/v1",
        "ftp://a.example/api/v1",
        "https://",
        "https://a.example:port/api/v1",
        "https://[::1/api/v1",
        "https://a.example/api/v1?x=1",
        "https://a.example/api/v1#x",
        "https://me:word@a.example/api/v1",
        "https://a.example/a b",
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        f"{DEFAULT}/services/aigc/image2video/face-detect",
    ],
)
def test_an_address_that_can_not_be_the_services_is_refused(url: str) -> None:
    """Before anything is sent there, with what one looks like."""
    with pytest.raises(ConfigurationError, match="base URL"):
        settings(KEY, base_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://dashscope.aliyuncs.com",
        "https://dashscope.aliyuncs.com/",
        "https://dashscope.aliyuncs.com//",
        "https://dashscope.aliyuncs.com/api/v1//",
        " https://dashscope.aliyuncs.com\n",
    ],
)
def test_a_host_alone_is_completed(url: str) -> None:
    """Every base URL ends in /api/v1: there is nothing else that could be meant."""
    assert settings(KEY, base_url=url).base_url == DEFAULT
    assert settings({**KEY, "DASHSCOPE_BASE_URL": url}).base_url == DEFAULT


def test_a_host_alone_is_completed_with_its_port_and_workspace() -> None:
    """Whatever it is written with."""
    template = "https://{WorkspaceId}.cn-beijing.maas.aliyuncs.com"
    assert settings(KEY, base_url="http://[::1]:8787/").base_url == "http://[::1]:8787/api/v1"
    found = settings(KEY, base_url=template, workspace="ws-1").base_url
    assert found == "https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1"


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/api", "/api/v1"),
        ("/v1", "/api/v1"),
        ("/api/v2", "/api/v1"),
        ("/api/v1/services", "/api/v1"),
        ("/api/v1/services/aigc/image2video/face-detect", "/api/v1"),
        ("/api/v1/uploads", "/api/v1"),
        ("/services/aigc/image2video/face-detect", "/api/v1"),
        ("/compatible-mode/v1", "/api/v1"),
        ("/compatible-mode/v1/chat/completions", "/api/v1"),
        ("/API/V1", "/api/v1"),
        ("//api/v1", "/api/v1"),
        ("/api//v1", "/api/v1"),
        ("/api/v11", "/api/v1"),
        ("/gateway", "/gateway/api/v1"),
        ("/gateway/api/", "/gateway/api/v1"),
        ("/gateway/v1", "/gateway/api/v1"),
        ("/api/v1.", "/api/v1./api/v1"),
        ("/xapi/v1", "/xapi/api/v1"),
    ],
)
def test_another_path_is_refused_with_the_right_one(path: str, right: str) -> None:
    """Asked there, the service would answer each image with a 404, which reads as a bad key."""
    with pytest.raises(ConfigurationError) as raised:
        settings(KEY, base_url=f"https://a.example:444{path}")
    assert f"Give https://a.example:444{right}, if" in str(raised.value)


@pytest.mark.parametrize("path", ["/api/v1", "/gateway/api/v1", "/a/b/api/v1/", "/api/api/v1"])
def test_a_path_before_the_services_own_is_a_gateways(path: str) -> None:
    """It stays as it was given."""
    url = f"https://a.example{path}"
    assert settings(KEY, base_url=url).base_url == url.rstrip("/")


def test_a_workspace_goes_into_the_header_and_where_the_address_names_it() -> None:
    """`{WorkspaceId}` in a base URL is how the vendor writes it."""
    template = "https://{WorkspaceId}.cn-beijing.maas.aliyuncs.com/api/v1"
    found = settings(KEY, base_url=template, workspace="ws-1")
    assert found.base_url == "https://ws-1.cn-beijing.maas.aliyuncs.com/api/v1"
    assert found.workspace == "ws-1"
    assert settings({**KEY, "DASHSCOPE_WORKSPACE_ID": "ws-2"}).workspace == "ws-2"
    both = {"DASHSCOPE_WORKSPACE": "ws-3", "DASHSCOPE_WORKSPACE_ID": "ws-2"}
    assert settings({**KEY, **both}).workspace == "ws-3"
    with pytest.raises(ConfigurationError, match="no workspace is set"):
        settings(KEY, base_url=template)


@pytest.mark.parametrize("workspace", ["a.b", "evil.example/x", "-a", "a b", "a\r\nX: 1", "x" * 64])
def test_a_workspace_is_one_label(workspace: str) -> None:
    """It goes into a host name: a dot in it would send the key elsewhere."""
    with pytest.raises(ConfigurationError, match="workspace"):
        settings(KEY, workspace=workspace)


def test_settings_do_not_show_the_key() -> None:
    """Not even in a debugger."""
    assert "sk-env" not in repr(settings(KEY))


@pytest.mark.parametrize(
    "url",
    [
        f"{DEFAULT}?",
        f"{DEFAULT}#",
        "https://a.example/\x7f",
        "https://\N{SNOWMAN}.example/api/v1",
        "https://a\u200bb.example/api/v1",
        "https://" + "ü" * 70 + ".example/api/v1",
        "https://a.example/" + "a" * 70_000,
    ],
)
def test_an_address_that_httpx_would_not_take_is_refused_as_ours(url: str) -> None:
    """Not with an error of httpx, and not by asking a path behind a question mark."""
    with pytest.raises(ConfigurationError, match="base URL"):
        DetectClient("sk-1", base_url=url)


def test_without_a_home_there_is_just_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a user that no password file knows."""

    def nobody(number: int) -> NoReturn:
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ConfigurationError, match="Set DASHSCOPE_API_KEY"):
        settings({})


def test_a_key_file_written_by_an_editor_of_windows_is_read(tmp_path: Path) -> None:
    """It begins with a mark of three bytes."""
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfsk-bom\r\n")
    environ = {"DASHSCOPE_API_KEY_FILE_PATH": str(tmp_path / "key")}
    assert key_in(settings(environ)) == "sk-bom"


LOCAL = [
    "http://127.0.0.1:8787/api/v1",
    "http://127.9.9.9/api/v1",
    "http://0x7f.1/api/v1",
    "http://2130706433/api/v1",
    "http://0/api/v1",
    "http://[::1]/api/v1",
    "http://[::ffff:10.0.0.1]/api/v1",
    "http://[fd00::1]/api/v1",
    "http://[fe80::1%25eth0]/api/v1",
    "http://10.1.2.3/api/v1",
    "http://172.16.0.1/api/v1",
    "http://192.168.0.1/api/v1",
    "http://169.254.1.1/api/v1",
    "http://localhost/api/v1",
    "http://LOCALHOST./api/v1",
    "http://gateway:8080/api/v1",
    "http://gateway.internal/api/v1",
    "http://printer.local/api/v1",
    "http://a.home.arpa/api/v1",
]
PUBLIC = [
    "http://dashscope.aliyuncs.com/api/v1",
    "HTTP://dashscope.aliyuncs.com/api/v1",
    "http://8.8.8.8/api/v1",
    "http://134744072/api/v1",  # 8.8.8.8 as one number
    "http://0x8080808/api/v1",
    "http://172.32.0.1/api/v1",
    "http://100.64.0.1/api/v1",  # a provider's network, shared with strangers
    "http://[2001:4860:4860::8888]/api/v1",
    "http://[::ffff:8.8.8.8]/api/v1",
    "http://[64:ff9b::8.8.8.8]/api/v1",
    "http://localhost.example.com/api/v1",
    "http://10.0.0.1.nip.io/api/v1",
    "http://ai./api/v1",  # a domain of one label
    "http://a.internal.example/api/v1",
    "http://8。8。8。8/api/v1",
]


@pytest.mark.parametrize("url", LOCAL)
def test_http_within_this_network_needs_no_leave(url: str) -> None:
    """By what is written: no name is resolved."""
    assert settings(KEY, base_url=url).base_url == url


@pytest.mark.parametrize("url", PUBLIC)
def test_http_to_the_open_internet_is_refused_unless_it_is_meant(url: str) -> None:
    """The key would be read on the way. A parameter or a variable says that it is meant."""
    with pytest.raises(ConfigurationError, match="S2V_DETECT_ALLOW_HTTP=1"):
        settings(KEY, base_url=url)
    with pytest.raises(ConfigurationError, match="http address"):
        settings({**KEY, "S2V_DETECT_ALLOW_HTTP": "0"}, base_url=url)
    meant = from_env(sealed("sk-1"), url, None, {}, allow_http=True)
    assert meant == settings({"S2V_DETECT_ALLOW_HTTP": "1"}, api_key="sk-1", base_url=url)
    assert settings(KEY, base_url="https" + url[4:])


def test_allow_http_goes_through_to_code_that_is_not_async() -> None:
    """As all options of the client do."""
    account: dict[str, Any] = {"api_key": "sk-1", "base_url": "http://service.invalid/api/v1"}
    with pytest.raises(ConfigurationError, match="allow_http"):
        check_all([], **account)
    assert check_all([], **account, allow_http=True) == []


SERVICE, GATEWAY = "https://dashscope.aliyuncs.com/api/v1", "http://10.0.0.5/api/v1"
STORE = "https://dashscope-file.oss-cn-beijing.aliyuncs.com"


@pytest.mark.parametrize(
    ("base_url", "store", "is_refused"),
    [
        (SERVICE, STORE, False),
        (SERVICE, "http://dashscope-file.oss-cn-beijing.aliyuncs.com", True),
        (SERVICE, "https://10.0.0.1/", True),
        (SERVICE, "https://169.254.169.254/latest", True),
        (SERVICE, "https://0x7f.1/", True),
        (SERVICE, "https://100.64.0.1/", True),
        (SERVICE, "https://[64:ff9b::10.0.0.1]/", True),
        (SERVICE, "https://localhost:9200/", True),
        (SERVICE, "https://vault/", True),
        (SERVICE, "https://vault.internal/", True),
        (SERVICE, "ftp://store.example/", True),
        (SERVICE, "store.example", True),
        (SERVICE, "", True),
        ("http://service.example/api/v1", "http://store.example/", False),
        ("http://service.example/api/v1", "http://10.0.0.1/", True),
        ("http://127.0.0.1:8787/api/v1", "http://127.0.0.1:8787/store", False),
        (GATEWAY, "http://store.internal/", False),
        (GATEWAY, STORE, False),
        (GATEWAY, "http://store.example/", True),
    ],
)
def test_an_upload_goes_to_where_the_service_could_have_its_store(
    base_url: str, store: str, *, is_refused: bool
) -> None:
    """The credential names the place: whoever answers in the service's place could name any."""
    assert bool(upload_refusal(store, base_url)) is is_refused
